//! Which picture format a file has, told by its first bytes.

use std::path::Path;

use crate::error::CaptureError;

use super::convert;

/// A picture format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PictureFormat {
    /// JPEG.
    Jpeg,
    /// PNG, animated or not.
    Png,
    /// Windows bitmap.
    Bmp,
    /// WebP, animated or not.
    WebP,
}

/// What converts pictures in HEIF: ffmpeg gives a tile of them alone.
const HEIF: Option<&str> = Some("heif-convert");
/// Sizes of the headers of bitmaps that are known.
const BITMAP_HEADERS: [u8; 7] = [12, 40, 52, 56, 64, 108, 124];

/// The picture format that begins with `head`; none for other files.
pub(super) fn readable(head: &[u8]) -> Option<PictureFormat> {
    match head {
        [0xff, 0xd8, 0xff, ..] => Some(PictureFormat::Jpeg),
        [0x89, b'P', b'N', b'G', ..] => Some(PictureFormat::Png),
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some(PictureFormat::Bmp),
        // Some programs write something into what is reserved.
        [b'B', b'M', _, _, _, _, _, _, _, _, _, _, _, 0, size, 0, 0, 0, ..] if BITMAP_HEADERS.contains(size) => {
            Some(PictureFormat::Bmp)
        }
        _ if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") => Some(PictureFormat::WebP),
        _ => None,
    }
}

/// What to do about a file at `path` that begins with `head` as a picture of a format that is not read here; none for other
/// files.
pub(super) fn unreadable(path: &Path, head: &[u8]) -> Option<CaptureError> {
    let (name, program) = match head {
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => brand(head)?,
        [b'G', b'I', b'F', b'8', ..] => ("a GIF picture", None),
        [b'I', b'I', 0x2a | 0x2b, 0, ..] | [b'M', b'M', 0, 0x2a | 0x2b, ..] => {
            ("a TIFF picture or a camera's raw file", None)
        }
        [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] | [0xff, 0x0a, ..] => ("a JPEG XL picture", Some("djxl")),
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] => ("a JPEG 2000 picture", None),
        [b'8', b'B', b'P', b'S', ..] => ("a Photoshop picture", None),
        [b'P', b'1'..=b'6', b'\n' | b' ' | b'\r' | b'\t', ..] => ("a PNM picture", None),
        _ => return None,
    };
    let command = program.map_or_else(|| convert::picture(path), |program| convert::picture_by(program, path));
    Some(CaptureError::Convert { path: path.to_owned(), found: name.to_owned(), command })
}

/// The kind of picture that the brands of a box `ftyp` tell, and what converts it; none for films.
fn brand(head: &[u8]) -> Option<(&'static str, Option<&'static str>)> {
    let size = head.first_chunk::<4>().map_or(0, |size| u32::from_be_bytes(*size) as usize);
    let listed = head.get(16..size.min(head.len())).unwrap_or_default().as_chunks::<4>().0;
    let main = head.get(8..).and_then(<[u8]>::first_chunk::<4>)?;
    let of = |brand: &[u8; 4]| match brand {
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => Some(("a HEIC picture", HEIF)),
        b"avif" | b"avis" => Some(("an AVIF picture", HEIF)),
        b"crx " => Some(("a camera's raw file (CR3)", None)),
        _ => None,
    };
    match main {
        // A collection of pictures: the other brands tell of what.
        b"mif1" | b"msf1" | b"mif2" | b"miaf" => Some(listed.iter().find_map(of).unwrap_or(("a HEIF picture", HEIF))),
        main => of(main),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{PictureFormat, readable, unreadable};

    #[test]
    fn formats_are_told_by_content() {
        assert_eq!(readable(b"RIFF\0\0\0\0WEBPVP8 "), Some(PictureFormat::WebP));
        assert_eq!(readable(b"RIFF\0\0\0\0WAVEfmt "), None);
        assert_eq!(readable(b"BM\x36\x0c\0\0AB\0\0\x36\0\0\0\x28\0\0\0"), Some(PictureFormat::Bmp));
        assert_eq!(readable(b"BMW is a car, not a bitmap"), None);
    }

    #[test]
    fn what_is_not_read_is_named() {
        let told = |head: &[u8]| unreadable(Path::new("a.hif"), head).map(|error| error.to_string());
        for (head, words) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "HEIC"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF"),
            (b"\0\0\0\x10ftypmif1\0\0\0\0heic", "HEIF"),
            (b"GIF89a\x01\0", "GIF"),
            (b"II*\0\x08\0\0\0", "TIFF"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        ] {
            let told = told(head).unwrap();
            assert!(told.contains(words) && told.contains("a.png"), "{told}");
        }
        for head in [&b"\0\0\0\x18ftypisom\0\0\0\0mp42"[..], b"\0\0\0\x14ftypqt  \0\0\0\0", b"\xff\xd8\xff\xe0", b""] {
            assert_eq!(told(head), None);
        }
    }
}
