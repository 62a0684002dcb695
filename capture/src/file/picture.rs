//! Picture files.

use std::io::{Cursor, Read};
use std::path::Path;

use image::error::ImageError;
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::error::{CaptureError, Result};
use crate::one_line::one_line;
use crate::time::Timestamp;
use crate::video::RgbFrame;

use super::convert;
use super::format::{self, Format};
use super::guard::guarded;
use super::jpeg::{self, Extent};
use super::options::ReadOptions;
use super::picture_format::{self, PictureFormat};

/// The longest side accepted, in pixels.
pub(crate) const MAX_SIDE: u32 = 8192;
/// The largest file accepted: an uncompressed bitmap of that size, in bytes.
const MAX_FILE_BYTES: u64 = 4 * 8192 * 8192 + 4096;

/// Decodes the picture file at `path` (png, jpeg, bmp, webp), shown at `time`; the first picture of an animated one.
///
/// It comes out upright: a turn that a camera noted in the file (EXIF) is carried out. Transparency is left out.
///
/// # Errors
/// [`CaptureError::Empty`], [`CaptureError::UnknownFormat`], [`CaptureError::Convert`], [`CaptureError::TooLarge`] and
/// [`CaptureError::Malformed`] tell what is wrong with the file.
pub(crate) fn decode(path: &Path, time: Timestamp, options: &ReadOptions) -> Result<RgbFrame> {
    let mut bytes = read(path, options)?;
    let head = bytes.get(..format::SNIFF_BYTES).unwrap_or(&bytes);
    if format::sniff(path, head)? != Format::Picture {
        return Err(CaptureError::Malformed {
            path: path.to_owned(),
            format: "picture",
            reason: "it is sound or a film with the name of a picture".to_owned(),
        });
    }
    let kind = picture_format::readable(head).ok_or_else(|| malformed(path, "picture", "its format is not known"))?;
    let mut progressive = false;
    if kind == PictureFormat::Jpeg {
        match jpeg::extent(&bytes) {
            Extent::Whole { end, progressive: passes } => {
                bytes.truncate(end);
                progressive = passes;
            }
            Extent::Cut => return Err(malformed(path, "jpeg", "it ends before its picture does")),
            Extent::Other(name) => return Err(unread(path, name.to_owned())),
        }
    }
    if kind == PictureFormat::Bmp {
        check_bitmap(path, &bytes)?;
    }
    let (own, memory) = (path.to_owned(), options.memory);
    guarded(path, "image", options, move || decode_upright(&own, &bytes, kind, progressive, time, memory))
}

/// The error for a picture of a kind that is not read here.
fn unread(path: &Path, found: String) -> CaptureError {
    CaptureError::Convert { path: path.to_owned(), found, command: convert::picture(path) }
}

fn malformed(path: &Path, format: &'static str, reason: &str) -> CaptureError {
    CaptureError::Malformed { path: path.to_owned(), format, reason: reason.to_owned() }
}

fn too_large(path: &Path, unit: &'static str, found: u64, limit: u64) -> CaptureError {
    CaptureError::TooLarge { path: path.to_owned(), unit, found, limit }
}

fn read(path: &Path, options: &ReadOptions) -> Result<Vec<u8>> {
    let io = |action| move |source| CaptureError::Io { path: path.to_owned(), action, source };
    let (file, len) = super::open_ordinary(path)?;
    let limit = MAX_FILE_BYTES.min(options.memory);
    if len > limit {
        return Err(too_large(path, "bytes", len, limit));
    }
    let mut bytes = Vec::with_capacity(len as usize);
    file.take(limit).read_to_end(&mut bytes).map_err(io("read it"))?;
    if bytes.is_empty() {
        return Err(CaptureError::Empty { path: path.to_owned() });
    }
    Ok(bytes)
}

/// Checks that an uncompressed bitmap has the bytes that its sides ask for: the decoder makes room for all of them first.
fn check_bitmap(path: &Path, bytes: &[u8]) -> Result<()> {
    let number = |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map(|chunk| u32::from_le_bytes(*chunk));
    let short = |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map(|chunk| u16::from_le_bytes(*chunk));
    let old = number(14) == Some(12);
    let (sides, bits, kind) = if old {
        (short(18).map(u64::from).zip(short(20).map(u64::from)), short(24), Some(0))
    } else {
        let side = |at| number(at).map(|side| u64::from(side.cast_signed().unsigned_abs()));
        (side(18).zip(side(22)), short(28), number(30))
    };
    let (Some((width, height)), Some(bits), Some(kind), Some(start)) = (sides, bits, kind, number(10)) else {
        return Err(malformed(path, "bmp", "it ends within its header"));
    };
    let longest = width.max(height);
    if longest > MAX_SIDE.into() {
        return Err(too_large(path, "pixels in a row or column", longest, MAX_SIDE.into()));
    }
    // Not compressed, or only with masks for the colours.
    if matches!(kind, 0 | 3 | 6) {
        let row = (width * u64::from(bits)).div_ceil(32) * 4;
        // Some programs leave out what fills up the last row.
        let expected = u64::from(start) + row * height - row.min(3);
        let found = bytes.len() as u64;
        if height > 0 && expected > found {
            return Err(CaptureError::Truncated { path: path.to_owned(), expected, found, unit: "bytes" });
        }
    }
    Ok(())
}

fn decode_upright(
    path: &Path,
    bytes: &[u8],
    kind: PictureFormat,
    progressive: bool,
    time: Timestamp,
    memory: u64,
) -> Result<RgbFrame> {
    let refused = |error| refused(path, error, memory);
    let format = match kind {
        PictureFormat::Jpeg => ImageFormat::Jpeg,
        PictureFormat::Png => ImageFormat::Png,
        PictureFormat::Bmp => ImageFormat::Bmp,
        PictureFormat::WebP => ImageFormat::WebP,
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    // The sides are checked below, where the message can tell them.
    limits.max_image_width = None;
    limits.max_image_height = None;
    limits.max_alloc = Some(memory);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > MAX_SIDE {
        return Err(too_large(path, "pixels in a row or column", width.max(height).into(), MAX_SIDE.into()));
    }
    let orientation = decoder.orientation().map_err(refused)?;
    let colours = decoder.color_type();
    // The decoded picture, its copy while it is turned, the one in RGB, and what the decoder keeps of a picture in passes.
    let decoded = u64::from(colours.bytes_per_pixel());
    let turned = if orientation == Orientation::NoTransforms { 0 } else { decoded };
    let converted = if colours == ColorType::Rgb8 { 0 } else { 3 };
    let kept = match kind {
        PictureFormat::Jpeg if progressive => 6,
        PictureFormat::WebP => 4,
        _ => 0,
    };
    let pixels = u64::from(width) * u64::from(height);
    let needed = pixels * (decoded + turned.max(converted) + kept) + bytes.len() as u64;
    if needed > memory {
        return Err(too_large(path, "bytes of memory to decode it", needed, memory));
    }
    let mut image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    image.apply_orientation(orientation);
    RgbFrame::new(image.width(), image.height(), image.into_rgb8().into_raw(), time)
}

fn refused(path: &Path, error: ImageError, memory: u64) -> CaptureError {
    match error {
        ImageError::IoError(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => {
            CaptureError::Io { path: path.to_owned(), action: "read it", source: e }
        }
        ImageError::Limits(_) => {
            malformed(path, "picture", &format!("decoding it takes more than {memory} bytes of memory"))
        }
        ImageError::Unsupported(e) => {
            let what = format!("a picture of a kind of its own ({})", one_line(&e.to_string()));
            unread(path, what)
        }
        other => malformed(path, "picture", &one_line(&other.to_string())),
    }
}
