//! WebM and Matroska, as browsers record and as programs write.

use std::path::Path;

use mien_capture::{CaptureError, file};

use super::material::{Encoding, best_shift, chirp, ffmpeg, folder, text, wav};

fn read(path: &Path) -> (Vec<f32>, Vec<String>) {
    let media = file::open(path).unwrap_or_else(|e| panic!("{e}"));
    assert!(media.pictures.is_none());
    (media.audio.unwrap().into_samples(), media.notes)
}

#[test]
fn codecs_in_matroska_keep_their_place() {
    let dir = folder();
    let truth = chirp(96_000, 48_000);
    let source = wav(dir.path(), "truth.wav", &truth, 48_000, 1, Encoding::I16);
    for (name, codec) in
        [("a.webm", "libopus"), ("b.webm", "libvorbis"), ("c.mka", "libmp3lame"), ("d.mka", "adpcm_ima_wav")]
    {
        for live in ["0", "1"] {
            let path = dir.path().join(name);
            ffmpeg(&["-i", text(&source), "-c:a", codec, "-live", live, text(&path)]);
            let (samples, notes) = read(&path);
            let (shift, likeness) = best_shift(&truth, &samples, 2_400);
            assert!(likeness > 0.98 && notes.is_empty(), "{name}: {likeness}, {notes:?}");
            assert!(shift == 0 || codec == "libmp3lame", "{name}: {shift}");
            assert!(samples.len().abs_diff(truth.len()) < 2_500, "{name}: {}", samples.len());
        }
    }
}

/// What MediaRecorder writes: sizes of segment and clusters open, no duration, no table of positions.
#[test]
fn live_recordings_may_end_anywhere() {
    let dir = folder();
    let truth = chirp(5 * 48_000, 48_000);
    let source = wav(dir.path(), "truth.wav", &truth, 48_000, 1, Encoding::I16);
    let path = dir.path().join("live.webm");
    ffmpeg(&["-i", text(&source), "-c:a", "libopus", "-live", "1", "-cluster_time_limit", "1000", text(&path)]);
    let bytes = std::fs::read(&path).unwrap();
    let whole = read(&path).0;
    let cut = dir.path().join("cut.webm");
    let mut last = 0;
    for len in [bytes.len() / 3, bytes.len() / 2, bytes.len() - 10] {
        std::fs::write(&cut, &bytes[..len]).unwrap();
        let (samples, notes) = read(&cut);
        assert!(whole.starts_with(&samples) && samples.len() > last, "{len}: {} samples", samples.len());
        assert!(notes.iter().any(|note| note.contains("what is before is used")), "{notes:?}");
        last = samples.len();
    }
    assert!(last > 4 * 48_000);
    // A second recording appended to the first one.
    std::fs::write(&cut, [&bytes[..], &bytes].concat()).unwrap();
    let (samples, notes) = read(&cut);
    assert!(samples == whole && notes.iter().any(|note| note.contains("several recordings")), "{notes:?}");
}

/// Sizes that are written tell of a cut anywhere, also between two elements.
#[test]
fn a_cut_is_told_of_where_sizes_are_known() {
    let dir = folder();
    let source = wav(dir.path(), "truth.wav", &chirp(96_000, 48_000), 48_000, 1, Encoding::I16);
    let path = dir.path().join("whole.webm");
    ffmpeg(&["-i", text(&source), "-c:a", "libopus", "-b:a", "16k", text(&path)]);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(read(&path).1, Vec::<String>::new());
    let middle = bytes.len() / 2;
    let cut = dir.path().join("cut.webm");
    // Longer than a block.
    for len in middle..middle + 150 {
        std::fs::write(&cut, &bytes[..len]).unwrap();
        let (_, notes) = read(&cut);
        assert!(notes.iter().any(|note| note.contains("what is before is used")), "{len}: {notes:?}");
    }
}

#[test]
fn the_sound_of_a_film_is_read_and_a_note_says_why_there_is_no_picture() {
    let dir = folder();
    let truth = chirp(48_000, 48_000);
    let source = wav(dir.path(), "truth.wav", &truth, 48_000, 1, Encoding::I16);
    let picture = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1"];
    for (name, codec, called) in
        [("a.webm", "libvpx", "VP8"), ("b.webm", "libvpx-vp9", "VP9"), ("c.mkv", "libx264", "H.264")]
    {
        let path = dir.path().join(name);
        let options = ["-i", text(&source), "-c:v", codec, "-c:a", "libopus", "-live", "1", text(&path)];
        ffmpeg(&[&picture[..], &options].concat());
        let (samples, notes) = read(&path);
        assert!(best_shift(&truth, &samples, 400).1 > 0.98, "{name}");
        assert!(notes.iter().any(|n| n.contains(called) && n.contains("ffmpeg -i '")), "{notes:?}");
    }
    let path = dir.path().join("mute.webm");
    ffmpeg(&[&picture[..], &["-c:v", "libvpx", text(&path)]].concat());
    let error = file::open(&path).unwrap_err();
    assert!(matches!(&error, CaptureError::Convert { found, .. } if found.contains("VP8")), "{error}");
}

/// Opus in mp4, with an edit list and in fragments without one.
#[test]
fn opus_in_mp4() {
    let dir = folder();
    let truth = chirp(96_000, 48_000);
    let source = wav(dir.path(), "truth.wav", &truth, 48_000, 1, Encoding::I16);
    for flags in ["faststart", "frag_keyframe+empty_moov+delay_moov", "frag_keyframe+empty_moov"] {
        let path = dir.path().join("a.mp4");
        ffmpeg(&["-i", text(&source), "-c:a", "libopus", "-movflags", flags, "-strict", "-2", text(&path)]);
        let media = file::open(&path).unwrap_or_else(|e| panic!("{flags}: {e}"));
        let samples = media.audio.unwrap().into_samples();
        let (shift, likeness) = best_shift(&truth, &samples, 400);
        assert!(shift == 0 && likeness > 0.98, "{flags}: {shift}, {likeness}");
        assert!(samples.len() >= truth.len() && samples.len() < truth.len() + 1_000, "{flags}: {}", samples.len());
    }
}
