//! Recordings: files and folders.

mod aac;
mod aiff;
mod caf;
mod convert;
mod decoder;
mod ebml;
mod folder;
mod format;
mod frames;
mod guard;
mod id3;
mod jpeg;
mod matroska;
mod matroska_track;
mod meter;
mod mixer;
mod mp4;
mod names;
mod ogg;
mod ogg_link;
mod options;
mod opus;
mod pcm;
mod picture;
mod picture_format;
mod pictures;
mod riff;
mod sound;
mod times;
mod wav;
mod window;

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::audio::AudioClip;
use crate::error::{CaptureError, Result};
use crate::regular;
use crate::time::Timestamp;

use format::{Format, SNIFF_BYTES, SoundFormat};
pub use options::ReadOptions;
pub use pictures::{Frames, Pictures};
use window::Window;

/// The longest recording accepted, in seconds.
pub const MAX_DURATION_S: u32 = 4 * 60 * 60;

/// The most samples of one clip, whatever its rate: 2 GiB of memory.
pub const MAX_SAMPLES: usize = 1 << 29;

/// A recording: sound, pictures, or both, on one clock that starts at zero.
#[derive(Debug)]
pub struct Media {
    /// Where it was read from.
    pub path: PathBuf,
    /// The sound as decoded, at the file's own rate: channels averaged to one, or the loudest one where they cancel each other.
    pub audio: Option<AudioClip>,
    /// The pictures; they are decoded as they are asked for.
    pub pictures: Option<Pictures>,
    /// What a person should know about how the recording was read, one sentence each.
    pub notes: Vec<String>,
}

/// Reads the recording at `path`.
///
/// What it is shows in its content, not in its name:
/// * a sound file: wav and its 64-bit relatives, AIFF, CAF, au (integers, floats, A-law, mu-law, ADPCM), flac, mp3, aac
///   (ADTS), ogg (Vorbis, Opus, FLAC), the sound in a webm or mkv;
/// * an mp4 (also m4a, mov), in one piece or in fragments: H.264 pictures, sound in one of the codecs above or ALAC, or either
///   alone. What cannot be read of one leaves the other, and a note;
/// * one picture (png, jpeg, bmp, webp), which stands for a whole clip;
/// * a folder of such pictures and at most one sound file. A table `times.csv` with the header `file,time_s` gives the
///   time of each picture; without it they follow each other in the order of their names, in which digits count as numbers,
///   25 a second, which is how OpenFace writes them (spec section 2.2). Pictures that cannot be read are left out, as long as one can:
///   [`Pictures::left_out`] tells. The last picture of a table is taken to be shown for the median time
///   between pictures, one second at most.
///
/// The sound is decoded at once. The silence that encoders put before it is taken out where the file tells its length
/// (mp3 with a LAME header, ogg, webm, mp4 with an edit list); bare ADTS does not tell it, so the first 1024 or 2112
/// samples of such a file are the encoder's. Of HE-AAC the lower band is decoded.
///
/// Sizes and lengths in headers are hints: a sound file whose recording was not ended, or that is cut short, is read as
/// far as it goes, and a note tells. Damage within is an error.
///
/// # Errors
/// A [`CaptureError`] that names the file: missing, empty, of a format or codec that is not read here (with a command
/// that converts it), damaged, longer than [`MAX_DURATION_S`] or [`MAX_SAMPLES`], with samples that are not finite, or
/// beyond what [`ReadOptions`] allow.
pub fn open(path: &Path) -> Result<Media> {
    open_with(path, &ReadOptions::default())
}

/// Reads the recording at `path` as `options` say.
///
/// # Errors
/// As [`open`]; also for what takes more memory or time than `options` allow.
pub fn open_with(path: &Path, options: &ReadOptions) -> Result<Media> {
    let metadata = path.metadata().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => CaptureError::Missing { path: path.to_owned() },
        _ => CaptureError::Io { path: path.to_owned(), action: "look at it", source },
    })?;
    let media = if metadata.is_dir() {
        folder::open(path, options)?
    } else if metadata.is_file() {
        open_one(path, options)?
    } else {
        return Err(CaptureError::NotAFile { path: path.to_owned() });
    };
    // Sound was counted as it was decoded.
    let end_s = media.pictures.as_ref().map_or(0.0, |pictures| pictures.span().end().as_secs_f64());
    if end_s > f64::from(MAX_DURATION_S) {
        return Err(CaptureError::TooLong { path: path.to_owned(), limit_s: f64::from(MAX_DURATION_S) });
    }
    Ok(media)
}

/// Reads the recording in the ordinary file at `path`.
fn open_one(path: &Path, options: &ReadOptions) -> Result<Media> {
    let Opened { format, file, len } = open_file(path)?;
    match format {
        Opening::Sound(format, window) => {
            let sound = sound::decode_file(path, window, format, options)?;
            Ok(Media { path: path.to_owned(), audio: Some(sound.clip), pictures: None, notes: sound.notes })
        }
        Opening::Mp4 => mp4::open(path, file, len, options),
        Opening::Picture => {
            // Decoded once now, so that a damaged picture is told of here and not in the middle of the work.
            picture::decode(path, Timestamp::ZERO, options)?;
            Ok(Media {
                path: path.to_owned(),
                audio: None,
                pictures: Some(Pictures::still(path.to_owned(), options)),
                notes: Vec::new(),
            })
        }
    }
}

/// An ordinary file, and what is in it.
struct Opened {
    format: Opening,
    file: File,
    /// In bytes.
    len: u64,
}

/// What is in a file.
enum Opening {
    /// Sound, and where it lies: tags before and behind are left out.
    Sound(SoundFormat, Window),
    Mp4,
    Picture,
}

/// Opens the ordinary file at `path`, whatever its length, and tells its length in bytes.
fn open_ordinary(path: &Path) -> Result<(File, u64)> {
    regular::open(path, u64::MAX).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => CaptureError::Missing { path: path.to_owned() },
        std::io::ErrorKind::InvalidInput => CaptureError::NotAFile { path: path.to_owned() },
        _ => CaptureError::Io { path: path.to_owned(), action: "open it", source },
    })
}

/// Opens the ordinary file at `path` and tells its format and its length in bytes.
fn open_file(path: &Path) -> Result<Opened> {
    let io = |action| move |source| CaptureError::Io { path: path.to_owned(), action, source };
    let (file, len) = open_ordinary(path)?;
    let mut window = Window::new(file.try_clone().map_err(io("open it"))?, 0, len);
    let start = match id3::front(&mut window).map_err(io("read it"))? {
        Ok(start) => start,
        Err(id3::Front::Longer(expected)) => {
            return Err(CaptureError::Truncated { path: path.to_owned(), expected, found: len, unit: "bytes" });
        }
        Err(id3::Front::TooMany) => {
            return Err(CaptureError::Malformed {
                path: path.to_owned(),
                format: "mp3 or aac",
                reason: format!("more than {} ID3 tags stand before its sound", id3::MAX_TAGS),
            });
        }
    };
    let head = window.bytes_at(start, SNIFF_BYTES).map_err(io("read it"))?;
    if head.is_empty() {
        return Err(CaptureError::Empty { path: path.to_owned() });
    }
    let format = match format::sniff(path, &head) {
        // A recording may begin in the middle of a frame.
        Err(unknown @ CaptureError::UnknownFormat { .. }) => {
            let more = window.bytes_at(start, frames::SEARCH_BYTES).map_err(io("read it"))?;
            if frames::first_frames(&more).is_none() {
                return Err(unknown);
            }
            Format::Sound(SoundFormat::Frames)
        }
        other => other?,
    };
    let format = match format {
        Format::Mp4 => Opening::Mp4,
        Format::Picture => Opening::Picture,
        Format::Sound(format) => {
            // Of the other formats their own sizes tell where they end.
            let end = match format {
                SoundFormat::Flac | SoundFormat::Frames | SoundFormat::Ogg => {
                    id3::back(&mut window).map_err(io("read it"))?
                }
                _ => len,
            };
            let window = window.part(start, end.saturating_sub(start)).map_err(io("open it"))?;
            Opening::Sound(format, window)
        }
    };
    Ok(Opened { format, file, len })
}
