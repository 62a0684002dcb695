//! Which format a file has, told by its first bytes.

use std::path::Path;

use crate::error::{CaptureError, Result};

use super::picture_format;

/// Everything that can be read, for messages.
const READABLE: &str = "wav, flac, mp3, aac, ogg (Vorbis), mp4, png, jpeg, bmp, webp or a folder of pictures";

/// Bytes from the start of a file that [`sniff`] wants to see.
pub(crate) const SNIFF_BYTES: usize = 64;

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A sound file.
    Sound(SoundFormat),
    /// An ISO base media file: mp4, m4a, m4v, mov.
    Mp4,
    /// A picture.
    Picture,
}

/// A container of sound alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SoundFormat {
    /// RIFF WAVE.
    Wav,
    /// Native FLAC.
    Flac,
    /// Ogg.
    Ogg,
    /// Bare MPEG audio or ADTS frames, with or without an ID3 tag before them.
    Frames,
}

impl SoundFormat {
    /// The name for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Flac => "flac",
            Self::Ogg => "ogg",
            Self::Frames => "mp3 or aac",
        }
    }
}

/// Tells the format of the file at `path` from `head`, its first [`SNIFF_BYTES`] bytes or fewer.
///
/// The name plays no part: a wav called `.mp3` is read as what it is.
///
/// # Errors
/// [`CaptureError::UnknownFormat`].
pub(crate) fn sniff(path: &Path, head: &[u8]) -> Result<Format> {
    // Before mp4: pictures of phones are kept in the same boxes.
    if let Some(error) = picture_format::unreadable(path, head) {
        return Err(error);
    }
    let riff_form = if head.starts_with(b"RIFF") { head.get(8..12) } else { None };
    let format = match head {
        _ if riff_form == Some(b"WAVE") => Format::Sound(SoundFormat::Wav),
        [b'f', b'L', b'a', b'C', ..] => Format::Sound(SoundFormat::Flac),
        [b'O', b'g', b'g', b'S', ..] => Format::Sound(SoundFormat::Ogg),
        // Eleven (MPEG) or twelve (ADTS) set bits open a frame; `FF FE` opens text in UTF-16.
        [b'I', b'D', b'3', ..] => Format::Sound(SoundFormat::Frames),
        [0xff, second, ..] if second & 0xe0 == 0xe0 && *second < 0xfe => Format::Sound(SoundFormat::Frames),
        _ if picture_format::readable(head).is_some() => Format::Picture,
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Format::Mp4,
        // QuickTime before mp4 had no box for its kind. Text does not begin with a byte below 32.
        [..32, _, _, _, ..] if matches!(head.get(4..8), Some(b"moov" | b"mdat" | b"wide" | b"free" | b"skip")) => Format::Mp4,
        _ => {
            return Err(CaptureError::UnknownFormat {
                path: path.to_owned(),
                found: describe(head, riff_form),
                expected: READABLE,
            });
        }
    };
    Ok(format)
}

/// The name of a format that people will try, else the bytes themselves.
fn describe(head: &[u8], riff_form: Option<&[u8]>) -> String {
    let name = match head {
        _ if riff_form == Some(b"AVI ") => "an avi film",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "a Matroska or WebM film",
        [b'F', b'O', b'R', b'M', ..] => "an aiff sound",
        [b'R', b'I', b'F', b'F', ..] => "a RIFF file that is no wav",
        [b'F', b'L', b'V', ..] => "a Flash film",
        _ => {
            let bytes: Vec<String> = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            return format!("bytes {}", bytes.join(" "));
        }
    };
    name.to_owned()
}
