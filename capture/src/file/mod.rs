//! Recordings: files and folders.

mod convert;
mod folder;
mod format;
mod guard;
mod id3;
mod jpeg;
mod mixer;
mod mp4;
mod names;
mod ogg;
mod options;
mod picture;
mod picture_format;
mod pictures;
mod sound;
mod times;

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use crate::audio::AudioClip;
use crate::error::{CaptureError, Result};
use crate::regular;
use crate::time::Timestamp;

use format::{Format, SNIFF_BYTES};
pub use options::ReadOptions;
pub use pictures::{Frames, Pictures};

/// The longest recording accepted, in seconds.
pub const MAX_DURATION_S: u32 = 4 * 60 * 60;

/// The most samples of one clip, whatever its rate: 2 GiB of memory.
pub const MAX_SAMPLES: usize = 1 << 29;

/// A recording: sound, pictures, or both, on one clock that starts at zero.
#[derive(Debug)]
pub struct Media {
    /// Where it was read from.
    pub path: PathBuf,
    /// The sound as decoded: channels averaged to one, at the file's own rate.
    pub audio: Option<AudioClip>,
    /// The pictures; they are decoded as they are asked for.
    pub pictures: Option<Pictures>,
    /// What a person should know about how the recording was read, one sentence each.
    pub notes: Vec<String>,
}

/// Reads the recording at `path`.
///
/// What it is shows in its content, not in its name:
/// * a sound file: wav (integers, floats, A-law and mu-law), flac, mp3, aac (ADTS), ogg (Vorbis);
/// * an mp4 (also m4a, mov): H.264 pictures, sound in one of the codecs above, or either alone. What cannot be read of one leaves
///   the other, with a note;
/// * one picture (png, jpeg, bmp, webp), which stands for a whole clip;
/// * a folder of such pictures and at most one sound file. A table `times.csv` with the header `file,time_s` gives the
///   time of each picture; without it they follow each other in the order of their names, in which digits count as numbers, 25 a
///   second, which is how OpenFace writes them (spec section 2.2). Pictures that cannot be read are left out, as long as one can. The last picture of a table is taken to be shown for the median time
///   between pictures, one second at most.
///
/// The sound is decoded at once. The silence that encoders put before it is taken out where the file tells its length
/// (mp3 with a LAME header, ogg, mp4 with an edit list); bare ADTS does not tell it, so the first 1024 or 2112 samples
/// of such a file are the encoder's.
///
/// # Errors
/// A [`CaptureError`] that names the file: missing, empty, of unknown format, damaged, shorter than its own headers
/// tell, longer than [`MAX_DURATION_S`] or [`MAX_SAMPLES`], or with samples that are not finite.
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
    let (format, file, len) = open_file(path)?;
    match format {
        Format::Sound(container) => Ok(Media {
            path: path.to_owned(),
            audio: Some(sound::decode_file(path, file, len, container)?),
            pictures: None,
            notes: Vec::new(),
        }),
        Format::Mp4 => mp4::open(path, file, len, options),
        Format::Picture => {
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

/// Opens the ordinary file at `path`, whatever its length, and tells its length in bytes.
fn open_ordinary(path: &Path) -> Result<(File, u64)> {
    regular::open(path, u64::MAX).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => CaptureError::Missing { path: path.to_owned() },
        std::io::ErrorKind::InvalidInput => CaptureError::NotAFile { path: path.to_owned() },
        _ => CaptureError::Io { path: path.to_owned(), action: "open it", source },
    })
}

/// Opens the ordinary file at `path` and tells its format and its length in bytes.
fn open_file(path: &Path) -> Result<(Format, File, u64)> {
    let io = |action| move |source| CaptureError::Io { path: path.to_owned(), action, source };
    let (mut file, len) = open_ordinary(path)?;
    let mut head = Vec::with_capacity(SNIFF_BYTES);
    file.by_ref().take(SNIFF_BYTES as u64).read_to_end(&mut head).map_err(io("read it"))?;
    if head.is_empty() {
        return Err(CaptureError::Empty { path: path.to_owned() });
    }
    let format = format::sniff(path, &head)?;
    file.rewind().map_err(io("read it"))?;
    Ok((format, file, len))
}
