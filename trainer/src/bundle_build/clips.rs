//! Clips on which float and byte networks are compared.

use std::path::{Path, PathBuf};

use mien_capture::{Media, SampleRate, file, to_rate};
use mien_models::bundle::FaceSection;
use mien_models::face::{FaceFinder, FaceTracker, crop_face, detector_model};
use mien_models::manet::{FACE_CHANNELS, FACE_SIDE};
use mien_models::tensor::Tensor;
use mien_runtime::clip::{ClipRequest, TextRequest, score_clip};
use mien_runtime::mode::Presence;
use mien_runtime::scorer::Scorer;
use mien_runtime::speech::{SegmentSettings, segment};

use crate::data::table;
use crate::extract::ClipList;
use crate::{Result, TrainerError};

/// Seconds of speech that are compared block by block; every second takes megabytes of states.
const LONGEST_S: f64 = 20.0;
/// Faces that are compared.
const MOST_FACES: usize = 16;

/// A recording, and where its face is if not in itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clip {
    pub(super) path: PathBuf,
    pub(super) face: Option<PathBuf>,
}

/// A scored utterance of a clip.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scored {
    /// The clip and where in it.
    pub(super) name: String,
    pub(super) valence: f64,
    pub(super) has_voice: bool,
    pub(super) has_face: bool,
}

/// Inputs of the encoders.
#[derive(Debug, Default)]
pub(super) struct Material {
    /// Utterances: mono, 16 kHz.
    pub(super) sounds: Vec<Vec<f32>>,
    /// [N, 3, 224, 224]; none without a face.
    pub(super) faces: Option<Tensor>,
}

/// Clips that `from` names: everything in a folder, a file or folder of pictures each, by name; or a list as
/// `extract` takes it.
///
/// # Errors
/// Io; Corpus for a folder without clips and for a list that names files that are not there; what [`ClipList::read`] raises.
pub(super) fn read(from: &Path) -> Result<Vec<Clip>> {
    if !from.is_dir() {
        let list = ClipList::read(from)?;
        let place = |name: &String| list.place(name);
        let clip =
            |c: &crate::extract::ListedClip| Clip { path: list.place(&c.path), face: c.face.as_ref().map(place) };
        let clips: Vec<Clip> = list.clips().iter().map(clip).collect();
        let files = clips.iter().flat_map(|clip| [Some(&clip.path), clip.face.as_ref()]).flatten();
        table::require_files(from, files.map(PathBuf::as_path))?;
        return Ok(clips);
    }
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(from).map_err(|e| TrainerError::io(from, "list", e))? {
        let entry = entry.map_err(|e| TrainerError::io(from, "list", e))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    if paths.is_empty() {
        let reason = "the folder holds no clip, expected sound or video files as `mien score` takes them";
        return Err(TrainerError::corpus(from.display().to_string(), reason));
    }
    paths.sort();
    Ok(paths.into_iter().map(|path| Clip { path, face: None }).collect())
}

/// Every utterance of `clips` by voice and face, as a device scores them. `tell` hears how many clips are done.
///
/// # Errors
/// Runtime for a clip that cannot be read, which the message names; Corpus for one in which there is nothing to score.
pub(super) fn score(scorer: &mut Scorer, clips: &[Clip], tell: &mut dyn FnMut(usize)) -> Result<Vec<Scored>> {
    let mut scored = Vec::new();
    for (done, clip) in clips.iter().enumerate() {
        tell(done);
        let text = TextRequest::Absent;
        let request = ClipRequest {
            path: &clip.path,
            face: clip.face.as_deref(),
            text: &text,
            whole: false,
            timing: false,
            first_seq: 0,
        };
        for record in score_clip(scorer, &request)? {
            let (Some(valence), Some(mode)) = (record.valence, record.mode) else {
                let reason = format!("{}; take it out of the calibration clips", record.notes.join("; "));
                return Err(TrainerError::corpus(record.file, reason));
            };
            scored.push(Scored {
                name: format!("{} at {:.2} s", record.file, record.start_s),
                valence: valence.into(),
                has_voice: mode.audio == Presence::Present,
                has_face: mode.face == Presence::Present,
            });
        }
    }
    Ok(scored)
}

/// What the encoders hear and see of `clips`, up to a length that a comparison takes.
///
/// # Errors
/// Runtime for a clip that cannot be read; Model.
pub(super) fn material(clips: &[Clip], settings: &SegmentSettings, face: &FaceSection) -> Result<Material> {
    let finder = FaceFinder::from_bytes(detector_model().bytes, face.finder)?;
    let mut tracker = FaceTracker::new(finder, face.track)?;
    let (mut sounds, mut seconds, mut faces, mut count) = (Vec::new(), 0.0, Vec::new(), 0);
    for clip in clips {
        if seconds >= LONGEST_S && count >= MOST_FACES {
            break;
        }
        let Media { audio, pictures, .. } = file::open(&clip.path).map_err(mien_runtime::RuntimeError::from)?;
        if let Some(sound) = audio.filter(|_| seconds < LONGEST_S) {
            let sound = to_rate(sound, SampleRate::HZ_16000).map_err(mien_runtime::RuntimeError::from)?;
            for range in segment(sound.samples(), settings) {
                let utterance = sound.samples().get(range).unwrap_or_default();
                if seconds < LONGEST_S && !utterance.is_empty() {
                    seconds += utterance.len() as f64 / 16_000.0;
                    sounds.push(utterance.to_vec());
                }
            }
        }
        let pictures = match &clip.face {
            Some(path) => file::open(path).map_err(mien_runtime::RuntimeError::from)?.pictures,
            None => pictures,
        };
        tracker.reset();
        for frame in pictures.iter().flat_map(|pictures| pictures.frames()) {
            if count >= MOST_FACES {
                break;
            }
            let frame = frame.map_err(mien_runtime::RuntimeError::from)?;
            if let Some(found) = tracker.observe(&frame) {
                faces.extend_from_slice(crop_face(&frame, &found, &face.crop)?.data());
                count += 1;
            }
        }
    }
    let faces = if count > 0 { Some(Tensor::new([count, FACE_CHANNELS, FACE_SIDE, FACE_SIDE], faces)?) } else { None };
    Ok(Material { sounds, faces })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn folders_give_clips_by_name_and_hidden_files_are_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("holds no clip"));
        for name in ["b.wav", "a.mp4", ".hidden"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names: Vec<PathBuf> = read(folder.path()).unwrap().into_iter().map(|c| c.path).collect();
        assert_eq!(names, [folder.path().join("a.mp4"), folder.path().join("b.wav")]);
    }

    #[test]
    fn lists_name_faces_beside_sound() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("clips.csv");
        std::fs::write(&list, "id,path,split,label,face\na_0,x.wav,train,1,me.png\nb_0,y.wav,train,1,\n").unwrap();
        let lost = read(&list).unwrap_err().to_string();
        assert!(lost.contains("3 of the files") && lost.contains("x.wav"), "{lost}");
        for name in ["x.wav", "y.wav", "me.png"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let clips = read(&list).unwrap();
        assert_eq!(clips[0], Clip { path: folder.path().join("x.wav"), face: Some(folder.path().join("me.png")) });
        assert_eq!(clips[1].face, None);
    }
}
