//! Picture files.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::error::ImageError;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::error::{CaptureError, Result};
use crate::time::Timestamp;
use crate::video::RgbFrame;

use super::format::{self, Format};
use super::guard::contained;

/// The longest side accepted, in pixels.
pub(crate) const MAX_SIDE: u32 = 8192;
/// The largest file accepted: an uncompressed bitmap of that size, in bytes.
const MAX_FILE_BYTES: u64 = 4 * 8192 * 8192 + 4096;
/// The most memory that a decoder may ask for, in bytes: twice what 16-bit RGBA of that size takes.
const MAX_DECODER_BYTES: u64 = 1 << 30;

/// Decodes the picture file at `path` (png, jpeg, bmp), shown at `time`.
///
/// It comes out upright: a turn that a camera noted in the file (EXIF) is carried out. Transparency is left out.
///
/// # Errors
/// [`CaptureError::Empty`], [`CaptureError::UnknownFormat`], [`CaptureError::TooLarge`], [`CaptureError::Malformed`]
/// and [`CaptureError::Truncated`] tell what is wrong with the file.
pub(crate) fn decode(path: &Path, time: Timestamp) -> Result<RgbFrame> {
    let bytes = read(path)?;
    if format::sniff(path, bytes.get(..format::SNIFF_BYTES).unwrap_or(&bytes))? != Format::Picture {
        return Err(CaptureError::Malformed {
            path: path.to_owned(),
            format: "picture",
            reason: "it is sound or a film with the name of a picture".to_owned(),
        });
    }
    let image = contained(path, "image", || decode_upright(path, &bytes))?;
    let (width, height) = (image.width(), image.height());
    RgbFrame::new(width, height, image.into_rgb8().into_raw(), time)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let io = |action| move |source| CaptureError::Io { path: path.to_owned(), action, source };
    let file = File::open(path).map_err(io("open it"))?;
    let len = file.metadata().map_err(io("look at it"))?.len();
    if len > MAX_FILE_BYTES {
        return Err(CaptureError::TooLarge { path: path.to_owned(), unit: "bytes", found: len, limit: MAX_FILE_BYTES });
    }
    let mut bytes = Vec::with_capacity(len as usize);
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(io("read it"))?;
    if bytes.is_empty() {
        return Err(CaptureError::Empty { path: path.to_owned() });
    }
    Ok(bytes)
}

fn decode_upright(path: &Path, bytes: &[u8]) -> Result<DynamicImage> {
    let refused = |error| refused(path, error);
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|source| CaptureError::Io {
        path: path.to_owned(),
        action: "read it",
        source,
    })?;
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_has_end(bytes) {
        return Err(CaptureError::Malformed {
            path: path.to_owned(),
            format: "jpeg",
            reason: "it ends before its picture does".to_owned(),
        });
    }
    let mut limits = Limits::default();
    // The sides are checked below, where the message can tell them.
    limits.max_image_width = None;
    limits.max_image_height = None;
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > MAX_SIDE {
        return Err(CaptureError::TooLarge {
            path: path.to_owned(),
            unit: "pixels in a row or column",
            found: u64::from(width.max(height)),
            limit: u64::from(MAX_SIDE),
        });
    }
    let orientation = decoder.orientation().map_err(refused)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Whether the end marker follows the last scan: the decoder fills in what is missing with grey.
fn jpeg_has_end(bytes: &[u8]) -> bool {
    // Within a scan 0xff is followed by zero or a restart marker, so neither pair comes up in compressed data.
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xff, marker]);
    last(0xd9) > last(0xda)
}

fn refused(path: &Path, error: ImageError) -> CaptureError {
    match error {
        ImageError::IoError(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => {
            CaptureError::Io { path: path.to_owned(), action: "read it", source: e }
        }
        ImageError::Limits(_) => CaptureError::Malformed {
            path: path.to_owned(),
            format: "picture",
            reason: format!("decoding it takes more than {MAX_DECODER_BYTES} bytes of memory"),
        },
        other => CaptureError::Malformed {
            path: path.to_owned(),
            format: "picture",
            reason: other.to_string().replace('\n', " "),
        },
    }
}
