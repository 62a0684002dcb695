//! Pictures as a camera's driver gives them.

use anyhow::Result;
use mien_capture::Timestamp;
use mien_capture::device::{PixelFormat, RawPicture};

use super::{Case, Limits, Outcome, Reader, Target, corpus};
use crate::repair;

/// Formats by the first byte of an input.
const FORMATS: [PixelFormat; 6] =
    [PixelFormat::Mjpeg, PixelFormat::Yuyv, PixelFormat::Nv12, PixelFormat::Rgb, PixelFormat::Bgr, PixelFormat::Grey];
/// Longest side that the device may have been set to.
const SIDE: u16 = 1024;

pub(super) const CAMERA: Target = Target {
    name: "camera",
    reads: "a camera's pictures: a byte for the format, two for each side, then the picture",
    file: "picture.bin",
    text: false,
    framing: None,
    tokens: &[b"\xff\xd8", b"\xff\xd9", b"\xff\xc0", b"\xff\xc4", b"\xff\xda", b"\xff\xdb", b"\xff\xdd", b"AVI1"],
    repair: repair::nothing,
    longest: 8 << 10,
    limits: Limits { ms: 300, ms_per_kb: 4, memory: 32 << 20, per_byte: 200 },
    seeds,
    prepare: |_| Ok(reader()),
};

fn seeds(_: &std::path::Path) -> Result<Vec<Vec<u8>>> {
    let mut seeds: Vec<Vec<u8>> =
        corpus("jpeg")?.into_iter().map(|jpeg| [&[0, 24, 0, 24, 0][..], &jpeg].concat()).collect();
    seeds.extend((1..6).map(|format| {
        let mut seed = vec![format, 8, 0, 8, 0];
        seed.extend((0..192).map(|n: u8| n.wrapping_mul(37)));
        seed
    }));
    Ok(seeds)
}

fn reader() -> Reader {
    Box::new(|case: &Case<'_>| {
        let &[format, a, b, c, d, ref bytes @ ..] = case.bytes else { return Outcome::Refused("no picture".into()) };
        let Some(&format) = FORMATS.get(usize::from(format) % FORMATS.len()) else { return Outcome::Read };
        let side = |low, high| u32::from(u16::from_le_bytes([low, high]) % SIDE);
        let (width, height) = (side(a, b), side(c, d));
        let picture = RawPicture { format, width, height, bytes: bytes.to_vec(), time: Timestamp::ZERO };
        match picture.decode() {
            Err(error) => Outcome::refused(error),
            Ok(frame) => Outcome::holds(
                (frame.width(), frame.height()) == (width, height)
                    && frame.data().len() == width as usize * height as usize * 3,
                || format!("a picture of {} x {} from a device of {width} x {height}", frame.width(), frame.height()),
            ),
        }
    })
}
