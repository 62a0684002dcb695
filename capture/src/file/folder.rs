//! Folders of pictures, with a sound file or without.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::error::{CaptureError, Result};
use crate::time::Timestamp;

use super::options::ReadOptions;
use super::pictures::{Picture, Pictures};
use super::{Media, Opened, Opening, names, open_file, picture, sound, times};

/// Pictures a second where no table tells the times: OpenFace's habit for crops of 25 Hz films (spec section 2.2).
const FRAMES_PER_SECOND: u64 = 25;
/// The most pictures accepted: four hours at 60 a second.
const MAX_PICTURES: usize = 4 * 60 * 60 * 60;
/// The longest time for which the last picture of a table is taken to be shown.
const MAX_LAST: Duration = Duration::from_secs(1);

/// Names that pictures and sound have. What a file is shows in its content; the name decides about damaged and empty ones alone.
const PICTURE_NAMES: [&str; 15] =
    ["png", "jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "webp", "heic", "heif", "hif", "avif", "jxl", "tif", "tiff"];
const SOUND_NAMES: [&str; 17] = [
    "wav", "w64", "aif", "aiff", "aifc", "caf", "au", "flac", "mp3", "aac", "ogg", "oga", "opus", "weba", "m4a", "m4b", "mka",
];
const TIMES: &str = "times.csv";

/// What is in a folder, by name.
struct Listing {
    pictures: BTreeSet<OsString>,
    sound: Option<OsString>,
    has_times: bool,
    ignored: usize,
}

/// What a file of a folder is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Picture,
    Sound,
    /// Sound that has not the name of sound.
    HiddenSound,
    Other,
}

/// Reads the folder at `path`.
pub(super) fn open(path: &Path, options: &ReadOptions) -> Result<Media> {
    let listing = list(path)?;
    let mut notes = Vec::new();
    if listing.ignored > 0 {
        notes.push(format!("Files that are neither pictures nor sound: {}; they are left out.", listing.ignored));
    }
    if listing.pictures.is_empty() {
        return Err(CaptureError::NoPictures { path: path.to_owned() });
    }
    let mut pictures: Vec<&OsString> = listing.pictures.iter().collect();
    pictures.sort_by(|a, b| names::compare(a, b));
    check_one(path, &pictures, options)?;
    let pictures = if listing.has_times {
        let table = times::read(&path.join(TIMES), &listing.pictures)?;
        let unnamed = listing.pictures.len().saturating_sub(table.len());
        if unnamed > 0 {
            notes.push(format!("Pictures that {TIMES} does not name: {unnamed}; they are left out."));
        }
        in_times(path, &table, options)?
    } else if let [only] = pictures.as_slice() {
        Pictures::still(path.join(only), options)
    } else {
        in_natural_order(path, &pictures, options)?
    };
    let audio = match &listing.sound {
        Some(name) => Some(decode_sound(&path.join(name), options, &mut notes)?),
        None => None,
    };
    Ok(Media { path: path.to_owned(), audio, pictures: Some(pictures), notes })
}

/// Checks that one of `pictures` can be read: a folder of others was not meant.
///
/// # Errors
/// What is wrong with the first one.
fn check_one(folder: &Path, pictures: &[&OsString], options: &ReadOptions) -> Result<()> {
    let mut first = None;
    for name in pictures {
        match picture::decode(&folder.join(name), Timestamp::ZERO, options) {
            Ok(_) => return Ok(()),
            Err(error @ CaptureError::Io { .. }) => return Err(error),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| CaptureError::NoPictures { path: folder.to_owned() }))
}

fn list(path: &Path) -> Result<Listing> {
    let io = |source| CaptureError::Io { path: path.to_owned(), action: "list it", source };
    let mut listing = Listing { pictures: BTreeSet::new(), sound: None, has_times: false, ignored: 0 };
    let mut hidden_sounds = Vec::new();
    for entry in path.read_dir().map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let file = path.join(&name);
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if hidden || !file.is_file() {
            continue;
        }
        if name == TIMES {
            listing.has_times = true;
            continue;
        }
        match kind(&file) {
            Kind::Picture => {
                listing.pictures.insert(name);
                if listing.pictures.len() > MAX_PICTURES {
                    return Err(CaptureError::TooLarge {
                        path: path.to_owned(),
                        unit: "pictures",
                        found: listing.pictures.len() as u64,
                        limit: MAX_PICTURES as u64,
                    });
                }
            }
            Kind::Sound => {
                if let Some(first) = &listing.sound {
                    let (a, b) = if *first < name { (first, &name) } else { (&name, first) };
                    return Err(CaptureError::SeveralSounds {
                        path: path.to_owned(),
                        first: a.to_string_lossy().into_owned(),
                        second: b.to_string_lossy().into_owned(),
                    });
                }
                listing.sound = Some(name);
            }
            Kind::HiddenSound if hidden_sounds.len() < 2 => hidden_sounds.push(name),
            Kind::HiddenSound | Kind::Other => listing.ignored += 1,
        }
    }
    // Sound under another name is meant where there is no other.
    match (&listing.sound, hidden_sounds.as_slice()) {
        (None, [_]) => listing.sound = hidden_sounds.pop(),
        (_, hidden) => listing.ignored += hidden.len(),
    }
    Ok(listing)
}

/// What the file at `path` is.
fn kind(path: &Path) -> Kind {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let called = |names: &[&str]| names.contains(&extension.as_str());
    match open_file(path).map(|opened| opened.format) {
        Ok(Opening::Picture) => Kind::Picture,
        Ok(Opening::Sound(..)) if called(&SOUND_NAMES) || called(&PICTURE_NAMES) => Kind::Sound,
        Ok(Opening::Sound(..)) => Kind::HiddenSound,
        Ok(Opening::Mp4) if called(&SOUND_NAMES) => Kind::Sound,
        Ok(Opening::Mp4) => Kind::Other,
        Err(_) if called(&SOUND_NAMES) => Kind::Sound,
        // Pictures and films in formats that are not read: the name tells which.
        Err(_) if called(&PICTURE_NAMES) => Kind::Picture,
        Err(_) => Kind::Other,
    }
}

fn in_times(folder: &Path, table: &[(String, Timestamp)], options: &ReadOptions) -> Result<Pictures> {
    let files: Vec<Picture> =
        table.iter().map(|(name, time)| Picture { path: folder.join(name), time: *time }).collect();
    let last = usual_gap(&files);
    Pictures::files(files, last, options)
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

fn in_natural_order(folder: &Path, names: &[&OsString], options: &ReadOptions) -> Result<Pictures> {
    let place = |(index, name): (u64, &&OsString)| Picture {
        path: folder.join(name),
        time: Timestamp::from_ticks(index, FRAMES_PER_SECOND),
    };
    Pictures::files((0..).zip(names).map(place).collect(), period(), options)
}

fn period() -> Duration {
    Duration::from_nanos(Timestamp::from_ticks(1, FRAMES_PER_SECOND).as_nanos())
}

fn decode_sound(path: &Path, options: &ReadOptions, notes: &mut Vec<String>) -> Result<crate::audio::AudioClip> {
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
