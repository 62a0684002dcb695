//! Folders of pictures, with a sound file or without.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::error::{CaptureError, Result};
use crate::time::Timestamp;

use super::pictures::{Picture, Pictures};
use super::{Media, Opened, Opening, ReadOptions, open_file, picture, sound, times};

/// Pictures a second where no table tells the times: OpenFace's habit for crops of 25 Hz films (spec section 2.2).
const FRAMES_PER_SECOND: u64 = 25;
/// The most pictures accepted: four hours at 60 a second.
const MAX_PICTURES: usize = 4 * 60 * 60 * 60;
/// The longest time for which the last picture of a table is taken to be shown.
const MAX_LAST: Duration = Duration::from_secs(1);

const PICTURE_NAMES: [&str; 4] = ["png", "jpg", "jpeg", "bmp"];
const SOUND_NAMES: [&str; 14] =
    ["wav", "w64", "aif", "aiff", "aifc", "caf", "au", "flac", "mp3", "aac", "ogg", "oga", "opus", "m4a"];
const TIMES: &str = "times.csv";

/// What is in a folder, by name.
struct Listing {
    /// In byte order.
    pictures: BTreeSet<OsString>,
    sound: Option<OsString>,
    has_times: bool,
    ignored: usize,
}

/// Reads the folder at `path`.
pub(super) fn open(path: &Path, options: &ReadOptions) -> Result<Media> {
    let listing = list(path)?;
    let mut notes = Vec::new();
    if listing.ignored > 0 {
        notes.push(format!("Files that are neither pictures nor sound: {}; they are left out.", listing.ignored));
    }
    let Some(first) = listing.pictures.first() else {
        return Err(CaptureError::NoPictures { path: path.to_owned() });
    };
    // One look at the first picture tells most folders that were not meant.
    picture::decode(&path.join(first), Timestamp::ZERO)?;
    let pictures = if listing.has_times {
        let table = times::read(&path.join(TIMES), &listing.pictures)?;
        let unnamed = listing.pictures.len().saturating_sub(table.len());
        if unnamed > 0 {
            notes.push(format!("Pictures that {TIMES} does not name: {unnamed}; they are left out."));
        }
        in_times(path, &table)?
    } else if listing.pictures.len() == 1 {
        Pictures::still(path.join(first))
    } else {
        in_byte_order(path, &listing.pictures)?
    };
    let audio = match &listing.sound {
        Some(name) => Some(decode_sound(&path.join(name), &mut notes, options)?),
        None => None,
    };
    Ok(Media { path: path.to_owned(), audio, pictures: Some(pictures), notes })
}

fn list(path: &Path) -> Result<Listing> {
    let io = |source| CaptureError::Io { path: path.to_owned(), action: "list it", source };
    let mut listing = Listing { pictures: BTreeSet::new(), sound: None, has_times: false, ignored: 0 };
    for entry in path.read_dir().map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let file = path.join(&name);
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if hidden || !file.is_file() {
            continue;
        }
        let extension = file.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        if name == TIMES {
            listing.has_times = true;
        } else if PICTURE_NAMES.contains(&extension.as_str()) {
            listing.pictures.insert(name);
            if listing.pictures.len() > MAX_PICTURES {
                return Err(CaptureError::TooLarge {
                    path: path.to_owned(),
                    unit: "pictures",
                    found: listing.pictures.len() as u64,
                    limit: MAX_PICTURES as u64,
                });
            }
        } else if SOUND_NAMES.contains(&extension.as_str()) {
            if let Some(first) = &listing.sound {
                let (a, b) = if *first < name { (first, &name) } else { (&name, first) };
                return Err(CaptureError::SeveralSounds {
                    path: path.to_owned(),
                    first: a.to_string_lossy().into_owned(),
                    second: b.to_string_lossy().into_owned(),
                });
            }
            listing.sound = Some(name);
        } else {
            listing.ignored += 1;
        }
    }
    Ok(listing)
}

fn in_times(folder: &Path, table: &[(String, Timestamp)]) -> Result<Pictures> {
    let files: Vec<Picture> =
        table.iter().map(|(name, time)| Picture { path: folder.join(name), time: *time }).collect();
    let last = usual_gap(&files);
    Pictures::files(files, last)
}

/// How long the last picture is taken to be shown, as nothing follows it: the median of the times between pictures,
/// of two middle ones the shorter, and at most [`MAX_LAST`]. A pause before the last picture does not count so.
fn usual_gap(files: &[Picture]) -> Duration {
    let mut gaps: Vec<Duration> = files
        .iter()
        .zip(files.iter().skip(1))
        .map(|(before, after)| after.time.saturating_since(before.time))
        .collect();
    gaps.sort_unstable();
    gaps.get(gaps.len().saturating_sub(1) / 2).map_or(period(), |median| (*median).min(MAX_LAST))
}

fn in_byte_order(folder: &Path, names: &BTreeSet<OsString>) -> Result<Pictures> {
    let place = |(index, name)| Picture {
        path: folder.join::<&OsString>(name),
        time: Timestamp::from_ticks(index, FRAMES_PER_SECOND),
    };
    Pictures::files((0..).zip(names).map(place).collect(), period())
}

fn period() -> Duration {
    Duration::from_nanos(Timestamp::from_ticks(1, FRAMES_PER_SECOND).as_nanos())
}

fn decode_sound(path: &Path, notes: &mut Vec<String>, options: &ReadOptions) -> Result<crate::audio::AudioClip> {
    let Opened { format, file, len } = open_file(path)?;
    let no_sound = || CaptureError::Malformed {
        path: path.to_owned(),
        format: "sound",
        reason: "it has the name of a sound file but no sound".to_owned(),
    };
    match format {
        Opening::Sound(format, window) => {
            let sound = sound::decode_file(path, window, format, options)?;
            notes.extend(sound.notes);
            Ok(sound.clip)
        }
        Opening::Mp4 => {
            let media = super::mp4::open(path, file, len, options)?;
            notes.extend(media.notes);
            media.audio.ok_or_else(no_sound)
        }
        Opening::Picture => Err(no_sound()),
    }
}
