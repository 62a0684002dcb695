//! Which format a file has, told by its first bytes.

use std::path::Path;

use crate::error::{CaptureError, Result};

use super::{convert, picture_format};

/// Everything that can be read, for messages.
const READABLE: &str = "sound (wav, aiff, caf, au, flac, mp3, aac, ogg, webm), a film (mp4, mov), a picture (png, jpeg, webp, bmp) or \
                        a folder of pictures";

/// Bytes from the start of a file that [`sniff`] wants to see.
pub(crate) const SNIFF_BYTES: usize = 512;

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

/// A container whose sound alone is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SoundFormat {
    /// RIFF WAVE and its 64-bit relatives.
    Wav,
    /// AIFF and AIFF-C.
    Aiff,
    /// Sun's au.
    Au,
    /// Apple's Core Audio Format.
    Caf,
    /// Native FLAC.
    Flac,
    /// Ogg.
    Ogg,
    /// Matroska or WebM.
    Matroska,
    /// Bare MPEG audio or ADTS frames.
    Frames,
}

/// What converts a format that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sound,
    Film,
}

/// Tells the format of the file at `path` from `head`, its first [`SNIFF_BYTES`] bytes or fewer.
///
/// The name plays no part: a wav called `.mp3` is read as what it is.
///
/// # Errors
/// [`CaptureError::Convert`] for a format that is known and not read, [`CaptureError::UnknownFormat`].
pub(crate) fn sniff(path: &Path, head: &[u8]) -> Result<Format> {
    // First, for pictures of phones are kept in the boxes of mp4.
    if let Some(error) = picture_format::unreadable(path, head) {
        return Err(error);
    }
    if let Some(format) = readable(head) {
        return Ok(format);
    }
    let Some((name, kind)) = known(head) else {
        let bytes: Vec<String> = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let found = format!("bytes {}", bytes.join(" "));
        return Err(CaptureError::UnknownFormat { path: path.to_owned(), found, expected: READABLE });
    };
    let command = match kind {
        Kind::Sound => convert::sound(path),
        Kind::Film => convert::film(path),
    };
    Err(CaptureError::Convert { path: path.to_owned(), found: name.to_owned(), command })
}

fn readable(head: &[u8]) -> Option<Format> {
    let form = head.get(8..12);
    Some(match head {
        _ if picture_format::readable(head).is_some() => Format::Picture,
        _ if form == Some(b"WAVE") && matches!(head.get(..4), Some(b"RIFF" | b"RF64" | b"BW64")) => {
            Format::Sound(SoundFormat::Wav)
        }
        // The first field of a GUID.
        [b'r', b'i', b'f', b'f', 0x2e, 0x91, 0xcf, 0x11, ..] => Format::Sound(SoundFormat::Wav),
        [b'F', b'O', b'R', b'M', ..] if matches!(form, Some(b"AIFF" | b"AIFC")) => Format::Sound(SoundFormat::Aiff),
        [b'.', b's', b'n', b'd', ..] => Format::Sound(SoundFormat::Au),
        [b'c', b'a', b'f', b'f', ..] => Format::Sound(SoundFormat::Caf),
        [b'f', b'L', b'a', b'C', ..] => Format::Sound(SoundFormat::Flac),
        [b'O', b'g', b'g', b'S', ..] => Format::Sound(SoundFormat::Ogg),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Format::Sound(SoundFormat::Matroska),
        // Eleven (MPEG) or twelve (ADTS) set bits open a frame; `FF FE` opens text in UTF-16.
        [0xff, second, ..] if second & 0xe0 == 0xe0 && *second < 0xfe => Format::Sound(SoundFormat::Frames),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Format::Mp4,
        // QuickTime before mp4 had no box for its kind. Text does not begin with a byte below 32.
        [..32, ..] if matches!(head.get(4..8), Some(b"moov" | b"mdat" | b"wide" | b"free" | b"skip")) => Format::Mp4,
        _ => return None,
    })
}

/// The name of a format that people will try.
fn known(head: &[u8]) -> Option<(&'static str, Kind)> {
    use Kind::{Film, Sound};
    let form = head.get(8..12);
    let syncs = |first: usize, step: usize| (0..3).all(|index| head.get(first + index * step) == Some(&0x47));
    Some(match head {
        _ if head.starts_with(b"#!AMR") => ("AMR sound", Sound),
        _ if head.starts_with(b"#!SILK") || head.get(1..7) == Some(b"#!SILK") => ("SILK sound", Sound),
        [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, ..] => ("an ASF file (WMA or WMV)", Sound),
        [b'R', b'I', b'F', b'F', ..] if form == Some(b"AVI ") => ("an AVI film", Film),
        [b'R', b'I', b'F', b'X', ..] => ("a big-endian wav (RIFX)", Sound),
        [b'R', b'I', b'F', b'F', ..] => ("a RIFF file that is no wav", Sound),
        [b'F', b'O', b'R', b'M', ..] if form == Some(b"8SVX") => ("8SVX sound", Sound),
        [b'F', b'L', b'V', ..] => ("a Flash film (FLV)", Film),
        [b'.', b'R', b'M', b'F', ..] => ("RealMedia", Film),
        [b'.', b'r', b'a', 0xfd, ..] => ("RealAudio", Sound),
        [0, 0, 1, 0xba, ..] => ("an MPEG programme stream (MPEG-PS)", Film),
        [0, 0, 1, 0xb3, ..] => ("MPEG video without sound", Film),
        [0, 0, 0, 1, nal, ..] | [0, 0, 1, nal, ..]
            if matches!(nal & 0x1f, 7 | 9) || matches!(nal >> 1 & 0x3f, 32 | 35) =>
        {
            ("H.264 or HEVC without a container", Film)
        }
        _ if syncs(0, 188) || syncs(4, 192) => ("an MPEG transport stream (MPEG-TS)", Film),
        _ if head.starts_with(b"YUV4MPEG2") => ("uncompressed video (Y4M)", Film),
        [0x0b, 0x77, ..] => ("AC-3 sound", Sound),
        [0x7f, 0xfe, 0x80, 0x01, ..] | [0xfe, 0x7f, 0x01, 0x80, ..] => ("DTS sound", Sound),
        [0x56, second, ..] if second & 0xe0 == 0xe0 => ("AAC in LOAS frames", Sound),
        [b'w', b'v', b'p', b'k', ..] => ("WavPack sound", Sound),
        [b'M', b'A', b'C', b' ', ..] => ("Monkey's Audio", Sound),
        [b'T', b'T', b'A', b'1' | b'2', ..] => ("TTA sound", Sound),
        [b't', b'B', b'a', b'K', ..] => ("TAK sound", Sound),
        [b'O', b'F', b'R', b' ', ..] => ("OptimFROG sound", Sound),
        [b'M', b'P', b'C', b'K', ..] | [b'M', b'P', b'+', ..] => ("Musepack sound", Sound),
        [b'D', b'S', b'D', b' ', ..] | [b'F', b'R', b'M', b'8', ..] => ("DSD sound", Sound),
        _ if head.starts_with(b"Creative Voice File") => ("a Creative voice file (VOC)", Sound),
        _ if head.starts_with(b"NIST_1A") => ("a SPHERE file", Sound),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::path::Path;

    use super::{Format, SoundFormat, known, readable, sniff};
    use crate::error::CaptureError;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        let sound = |head: &[u8]| match readable(head) {
            Some(Format::Sound(format)) => format,
            other => panic!("{other:?}"),
        };
        assert_eq!(sound(b"RIFF\0\0\0\0WAVEfmt "), SoundFormat::Wav);
        assert_eq!(sound(b"RF64\xff\xff\xff\xffWAVEds64"), SoundFormat::Wav);
        assert_eq!(sound(b"BW64\xff\xff\xff\xffWAVEds64"), SoundFormat::Wav);
        assert_eq!(sound(b"FORM\0\0\0\0AIFC"), SoundFormat::Aiff);
        assert_eq!(readable(b"RIFF\0\0\0\0WEBPVP8 "), Some(Format::Picture));
        assert_eq!(readable(b"\0\0\0\x18ftypisom"), Some(Format::Mp4));
        for (head, name) in [
            (&b"RIFF\0\0\0\0AVI LIST"[..], "AVI"),
            (b"#!AMR-WB\n", "AMR"),
            (b"\0\0\x01\xba\x44", "MPEG-PS"),
        ] {
            assert_eq!(readable(head), None, "{name}");
            assert!(known(head).unwrap().0.contains(name), "{name}");
        }
        let stream: Vec<u8> = (0..512).map(|index| if index % 188 == 0 { 0x47 } else { 9 }).collect();
        assert!(known(&stream).unwrap().0.contains("MPEG-TS"));
    }

    #[test]
    fn what_cannot_be_read_comes_with_a_command() {
        let error = sniff(Path::new("a b.amr"), b"#!AMR\n").unwrap_err();
        assert!(matches!(error, CaptureError::Convert { .. }));
        assert!(error.to_string().contains("ffmpeg -i 'a b.amr' -vn -ar 16000 -ac 1 'a b.wav'"), "{error}");
        assert!(matches!(sniff(Path::new("x"), b"what is this"), Err(CaptureError::UnknownFormat { .. })));
    }
}
