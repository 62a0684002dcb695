//! Picture files of every kind.

use std::path::Path;

use mien_capture::file::{self, ReadOptions};
use mien_capture::{CaptureError, RgbFrame};

use super::material::{ffmpeg, folder, text};

fn first(path: &Path) -> Result<RgbFrame, CaptureError> {
    file::open(path)?.pictures.unwrap().frames().next().unwrap()
}

/// The picture that all others show: colours in bars, so that no coding of colours is far off.
const SOURCE: [&str; 6] = ["-f", "lavfi", "-i", "testsrc2=s=64x48", "-frames:v", "1"];

fn off(a: &RgbFrame, b: &RgbFrame) -> f64 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let sum: f64 = a.data().iter().zip(b.data()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    sum / a.data().len() as f64
}

#[test]
fn every_kind_of_picture_is_read_whatever_its_name() {
    let dir = folder();
    let plain = dir.path().join("plain.png");
    ffmpeg(&[&SOURCE[..], &["-pix_fmt", "rgb24", text(&plain)]].concat());
    let truth = first(&plain).unwrap();
    for (name, options, tolerance) in [
        ("deep.png", &["-pix_fmt", "rgb48be"][..], 0.6),
        ("alpha.png", &["-pix_fmt", "rgba"], 0.1),
        ("moving.apng", &["-f", "apng"], 0.1),
        ("few.png", &["-pix_fmt", "pal8"], 12.0),
        ("plain.bmp", &[], 0.1),
        ("alpha.bmp", &["-pix_fmt", "bgra"], 0.1),
        ("masks.bmp", &["-pix_fmt", "rgb565le"], 6.0),
        ("whole.jpg", &["-q:v", "2", "-pix_fmt", "yuvj444p"], 1.0),
        ("half.jpg", &["-q:v", "2", "-pix_fmt", "yuvj422p"], 4.0),
        ("lossless.webp", &["-c:v", "libwebp", "-lossless", "1", "-pix_fmt", "bgra"], 0.1),
        ("lossy.webp", &["-c:v", "libwebp", "-quality", "95"], 4.0),
    ] {
        let path = dir.path().join(name);
        ffmpeg(&[&SOURCE[..], options, &[text(&path)]].concat());
        // Of what coding loses, a second decoder tells how much is left.
        let truth = if matches!(name, "whole.jpg" | "half.jpg" | "lossy.webp") {
            let shown = dir.path().join("shown.png");
            ffmpeg(&[
                "-i",
                text(&path),
                "-sws_flags",
                "accurate_rnd+full_chroma_int",
                "-pix_fmt",
                "rgb24",
                text(&shown),
            ]);
            first(&shown).unwrap()
        } else {
            truth.clone()
        };
        // The name plays no part.
        for other in ["face.jpg", "face.png", "face.dat"] {
            let renamed = dir.path().join(other);
            std::fs::copy(&path, &renamed).unwrap();
            let frame = first(&renamed).unwrap_or_else(|e| panic!("{name}: {e}"));
            let off = off(&frame, &truth);
            assert!(off <= tolerance, "{name}: {off}");
        }
    }
    // Of a moving picture the first one.
    let path = dir.path().join("moving.webp");
    let moving = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=5:d=1", "-c:v", "libwebp_anim", "-lossless", "1"];
    ffmpeg(&[&moving[..], &["-pix_fmt", "bgra", text(&path)]].concat());
    assert!(off(&first(&path).unwrap(), &truth) < 0.1);
}

/// The segments of a picture, by hand: one of one colour and 8 x 8 pixels, in four inks.
fn inks(adobe: Option<u8>, values: [u8; 4]) -> Vec<u8> {
    let segment =
        |marker: u8, body: &[u8]| [&[0xff, marker][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat();
    let mut bytes = vec![0xff, 0xd8];
    if let Some(transform) = adobe {
        bytes.extend(segment(0xee, &[&b"Adobe\0\x64\0\0\0\0"[..], &[transform]].concat()));
    }
    bytes.extend(segment(0xdb, &[&[0][..], &[8; 64]].concat()));
    let components: Vec<u8> = (1..=4).flat_map(|id| [id, 0x11, 0]).collect();
    bytes.extend(segment(0xc0, &[&[8, 0, 8, 0, 8, 4][..], &components].concat()));
    // Sizes 0 to 11 in codes of four bits; one code of one bit for the end of a block.
    let sizes: Vec<u8> = (0..12).collect();
    bytes.extend(segment(0xc4, &[&[0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &sizes].concat()));
    bytes.extend(segment(0xc4, &[&[0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[0]].concat()));
    let scan: Vec<u8> = (1..=4).flat_map(|id| [id, 0]).collect();
    bytes.extend(segment(0xda, &[&[4][..], &scan, &[0, 63, 0]].concat()));
    // A block of one value: eight times its distance from the middle, over the step of eight.
    let mut bits = String::new();
    for value in values {
        let value = i32::from(value) - 128;
        let size = 32 - value.unsigned_abs().leading_zeros();
        let coded = if value < 0 { value + (1 << size) - 1 } else { value };
        bits.push_str(&format!("{size:04b}"));
        if size > 0 {
            bits.push_str(&format!("{coded:0width$b}", width = size as usize));
        }
        bits.push('0');
    }
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    for byte in bits.as_bytes().chunks(8) {
        let byte = byte.iter().fold(0, |sum, bit| sum << 1 | (bit - b'0'));
        bytes.push(byte);
        if byte == 0xff {
            bytes.push(0);
        }
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}

#[test]
fn pictures_in_four_inks_are_read() {
    let dir = folder();
    let path = dir.path().join("inks.jpg");
    // Adobe stores inks the other way round: 255 is none. Cyan alone is green and blue.
    for (name, bytes, expected) in [("plain", inks(Some(0), [0, 255, 255, 255]), [0, 255, 255])] {
        std::fs::write(&path, bytes).unwrap();
        let frame = first(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (found, expected) in frame.data()[..3].iter().zip(expected) {
            assert!(found.abs_diff(expected) < 8, "{name}: {:?}", &frame.data()[..3]);
        }
    }
}

/// Phones put films and second pictures behind the first one; a cut one is told all the same.
#[test]
fn what_stands_behind_a_picture_is_passed_over() {
    let dir = folder();
    let path = dir.path().join("face.jpg");
    ffmpeg(&[&SOURCE[..], &["-q:v", "3", text(&path)]].concat());
    let whole = std::fs::read(&path).unwrap();
    let truth = first(&path).unwrap();
    let mut film = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\x10\0mdat".to_vec();
    film.extend((0..4000_u32).flat_map(|n| [n as u8, 0xff, 0xda]));
    for behind in [&film[..], b"SEFHi\0\0\0SEFT", &whole, &whole[..whole.len() / 2], &[0; 100], &[0xff; 100]] {
        std::fs::write(&path, [&whole, behind].concat()).unwrap();
        assert!(first(&path).unwrap() == truth);
    }
    for len in (whole.len() / 2..whole.len()).step_by(7) {
        std::fs::write(&path, &whole[..len]).unwrap();
        let error = first(&path).unwrap_err();
        assert!(error.to_string().contains("ends before its picture does"), "{error}");
        // Zeros, as a file system leaves them after a power cut.
        std::fs::write(&path, [&whole[..len], &[0; 5000]].concat()).unwrap();
        assert!(first(&path).is_err());
    }
}

#[test]
fn formats_that_are_not_read_are_named_with_what_to_do() {
    let dir = folder();
    for (name, head, expected) in [
        ("a.heic", &b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x08free"[..], "HEIC"),
        ("a.jpg", b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        ("a.png", b"GIF89a\x10\0\x10\0\0\0\0", "GIF"),
        ("a.bmp", b"II*\0\x08\0\0\0\0\0", "TIFF"),
        ("a.webp", b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, head).unwrap();
        let error = file::open(&path).map(|_| ()).unwrap_err();
        let told = error.to_string();
        assert!(matches!(error, CaptureError::Convert { .. }), "{told}");
        assert!(told.contains(expected) && told.contains(name) && told.contains("convert it:"), "{told}");
    }
}

/// A few bytes that ask for hundreds of millions.
#[test]
fn promises_of_large_pictures_are_held_against_the_file_and_the_memory() {
    let dir = folder();
    let path = dir.path().join("face.bmp");
    let header = |width: u32, height: u32, bits: u16, kind: u32| {
        let mut bytes = b"BM".to_vec();
        bytes.extend([0; 8]);
        bytes.extend(54_u32.to_le_bytes());
        bytes.extend([40_u32, width, height].map(u32::to_le_bytes).concat());
        bytes.extend([1_u16.to_le_bytes(), bits.to_le_bytes()].concat());
        bytes.extend(kind.to_le_bytes());
        bytes.resize(54 + 300, 0);
        bytes
    };
    for bits in [1, 4, 8, 16, 24, 32] {
        std::fs::write(&path, header(8192, 8192, bits, 0)).unwrap();
        let error = first(&path).unwrap_err();
        assert!(matches!(error, CaptureError::Truncated { .. }), "{bits}: {error}");
    }
    let small = ReadOptions { memory: 1 << 20, ..ReadOptions::default() };
    let open = |path: &Path| file::open_with(path, &small).map(|_| ()).unwrap_err();
    std::fs::write(&path, header(4096, 4096, 8, 1)).unwrap();
    assert!(matches!(open(&path), CaptureError::TooLarge { .. } | CaptureError::Malformed { .. }));
    for (name, options) in
        [("large.png", &[][..]), ("large.jpg", &[]), ("large.webp", &["-c:v", "libwebp", "-lossless", "1"])]
    {
        let path = dir.path().join(name);
        let source = ["-f", "lavfi", "-i", "color=gray:s=2000x1500", "-frames:v", "1"];
        ffmpeg(&[&source[..], options, &[text(&path)]].concat());
        assert!(first(&path).is_ok(), "{name}");
        let error = open(&path);
        let told = matches!(&error, CaptureError::TooLarge { found, limit: 0x10_0000, .. } if *found > 3 << 20);
        assert!(told, "{name}: {error}");
    }
}
