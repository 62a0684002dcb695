//! Faces of a real portrait, and the crop against Pillow and against plain sums.
//!
//! The portrait is the public-domain astronaut picture of scikit-image (NASA), 512 x 512, one frontal face. The
//! project's set-up puts it at `target/assets/astronaut.png`; `MIEN_TEST_PORTRAIT` names another place.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use mien_capture::{RgbFrame, Timestamp};
use mien_models::ModelError;
use mien_models::face::{
    CROP_SIDE, CropSettings, FaceBox, FaceFinder, FaceSettings, FaceTracker, TrackSettings, crop_face, detector_model,
};
use sha2::{Digest, Sha256};

fn portrait() -> image::RgbImage {
    let path = std::env::var_os("MIEN_TEST_PORTRAIT")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/assets/astronaut.png"), PathBuf::from);
    match image::open(&path) {
        Ok(picture) => picture.to_rgb8(),
        Err(e) => panic!("{}: cannot read the test portrait: {e}; run `cargo xtask setup`", path.display()),
    }
}

fn frame(picture: &image::RgbImage) -> RgbFrame {
    RgbFrame::new(picture.width(), picture.height(), picture.as_raw().clone(), Timestamp::ZERO).unwrap()
}

fn finder() -> FaceFinder {
    FaceFinder::from_bytes(detector_model().bytes, FaceSettings::default()).unwrap()
}

/// Where rustface's own program finds the face of the portrait enlarged to 640 pixels, (222, 85, 119, 119), over 1.25.
const ASTRONAUT: FaceBox = FaceBox { x: 178, y: 68, width: 95, height: 95, score: 25.0 };

#[test]
fn the_portrait_has_one_face() {
    let faces = finder().find(&frame(&portrait())).unwrap();
    assert_eq!(faces.len(), 1, "{faces:?}");
    assert!(faces[0].overlap(&ASTRONAUT) > 0.7, "{faces:?}");
    assert!(faces[0].score > 5.0, "{faces:?}");
}

#[test]
fn a_mirrored_portrait_has_the_mirrored_face() {
    let faces = finder().find(&frame(&image::imageops::flip_horizontal(&portrait()))).unwrap();
    assert_eq!(faces.len(), 1, "{faces:?}");
    let mirrored = FaceBox { x: 512 - ASTRONAUT.x - ASTRONAUT.width as i32, ..ASTRONAUT };
    assert!(faces[0].overlap(&mirrored) > 0.7, "{faces:?}");
}

#[test]
fn the_face_is_found_at_other_sizes_and_places() {
    let picture = portrait();
    for side in [256u32, 700, 1536] {
        let other = image::imageops::resize(&picture, side, side, image::imageops::FilterType::Triangle);
        let faces = finder().find(&frame(&other)).unwrap();
        assert_eq!(faces.len(), 1, "{side}: {faces:?}");
        let scaled = |v: u32| (f64::from(v) * f64::from(side) / 512.0).round() as u32;
        let expected =
            FaceBox { x: scaled(178) as i32, y: scaled(68) as i32, width: scaled(95), height: scaled(95), score: 0.0 };
        assert!(faces[0].overlap(&expected) > 0.7, "{side}: {faces:?} against {expected:?}");
    }
    // As a camera sees it: 640 x 480 with the portrait at the right.
    let mut wide = image::RgbImage::from_pixel(640, 480, image::Rgb([90, 90, 90]));
    image::imageops::overlay(&mut wide, &picture, 128, -16);
    let faces = finder().find(&frame(&wide)).unwrap();
    assert_eq!(faces.len(), 1, "{faces:?}");
    assert!(faces[0].overlap(&FaceBox { x: 178 + 128, y: 68 - 16, ..ASTRONAUT }) > 0.7, "{faces:?}");
}

#[test]
fn pictures_without_an_upright_face_have_none() {
    let picture = portrait();
    let turned = image::imageops::rotate90(&picture);
    let upside_down = image::imageops::rotate180(&picture);
    let blank = image::RgbImage::from_pixel(640, 480, image::Rgb([128, 128, 128]));
    let black = image::RgbImage::new(320, 240);
    let dot = image::RgbImage::new(1, 1);
    let line = image::RgbImage::from_fn(4000, 1, |x, _| image::Rgb([x as u8; 3]));
    for (name, picture) in [
        ("turned", turned),
        ("upside down", upside_down),
        ("blank", blank),
        ("black", black),
        ("dot", dot),
        ("line", line),
    ] {
        let faces = finder().find(&frame(&picture)).unwrap();
        assert!(faces.is_empty(), "{name}: {faces:?}");
    }
}

/// Bytes without visible order, the same on every machine: also made by the NumPy lines that gave the digests below.
fn pattern(width: u32, height: u32) -> Vec<u8> {
    (0..u64::from(width) * u64::from(height) * 3)
        .map(|i| (i.wrapping_mul(i).wrapping_mul(2_654_435_761).wrapping_add(i.wrapping_mul(40_503)) >> 13) as u8)
        .collect()
}

fn pattern_frame(width: u32, height: u32) -> RgbFrame {
    RgbFrame::new(width, height, pattern(width, height), Timestamp::ZERO).unwrap()
}

#[test]
fn noise_and_stripes_are_never_a_crash() {
    let mut finder = finder();
    let noise = pattern_frame(320, 240);
    let stripes = frame(&image::RgbImage::from_fn(320, 240, |x, y| image::Rgb([((x / 2 + y / 7) % 2 * 255) as u8; 3])));
    for frame in [&noise, &stripes] {
        match finder.find(frame) {
            Ok(faces) => assert!(faces.is_empty(), "{faces:?}"),
            Err(e) => assert!(matches!(e, ModelError::Engine { .. }), "{e}"),
        }
    }
    // Whatever happened before, the finder still works, and gives what a fresh one gives.
    let frame = frame(&portrait());
    assert_eq!(finder.find(&frame).unwrap(), self::finder().find(&frame).unwrap());
}

#[test]
fn a_damaged_model_is_an_error() {
    let good = detector_model().bytes;
    let mut unknown = good.to_vec();
    unknown[12] = 7;
    for bad in [&[][..], &good[..good.len() / 2], &unknown, b"not a model at all"] {
        match FaceFinder::from_bytes(bad, FaceSettings::default()) {
            Err(ModelError::Format { reason, .. }) => assert!(reason.contains("byte"), "{reason}"),
            Err(e) => panic!("another error: {e}"),
            Ok(_) => panic!("{} bytes accepted", bad.len()),
        }
    }
}

#[test]
fn the_tracker_searches_every_few_pictures_and_holds_between() {
    let face = frame(&portrait());
    let empty = frame(&image::RgbImage::new(320, 240));
    let mut tracker = FaceTracker::new(finder(), TrackSettings { every: 2, patience: 2 }).unwrap();
    let found = tracker.observe(&face);
    assert!(found.is_some());
    // Not searched, missed once, not searched, missed twice and given up, not searched, found again.
    let seen: Vec<bool> = [&empty, &empty, &empty, &empty, &face, &face]
        .iter()
        .map(|picture| {
            let now = tracker.observe(picture);
            assert!(now.is_none() || now == found);
            now.is_some()
        })
        .collect();
    assert_eq!(seen, [true, true, true, false, false, true]);
    tracker.reset();
    assert_eq!(tracker.observe(&empty), None);
    let fault = FaceTracker::new(finder(), TrackSettings { every: 0, patience: 1 }).err().unwrap();
    assert!(fault.to_string().contains("every"), "{fault}");
}

/// SHA-256 of `Image.crop((x, y, x + side, y + side)).resize((224, 224), Image.BILINEAR)` in Pillow 13.0.0.
#[test]
fn crops_are_pillows_bytes() {
    for (width, height, x, y, side, digest) in [
        (400, 350, 40, 20, 300, "0900be23ddd906ee2a31936ed7ea91ec01cd0d1f36d66d57c979d15cf10b59bf"),
        (120, 100, 30, 30, 50, "c00b7f612304fedf2298b8f6b9072709e077c0c672531300f051b0daa961c075"),
        (300, 300, 10, 60, 224, "64fc7b01751d0e2cab3ac0d24371eefc39c8d0adf46027454a45d8af7b0dd30d"),
        (200, 160, -40, -30, 250, "100ccaac6d4d9c6e2dc5bf6d7309cca60bdcefc9f4b3797b9c19461973297a54"),
        (90, 300, 60, -120, 180, "0b6308672cc99475023c69794259ec1621818f6e62fd485bb9a7a6dfb9dd12f1"),
        (1100, 1080, 2, 1, 1075, "88855c5995a654f3218df7503b454733b8dd1c829a020f7c0bd3805de2c895dc"),
    ] {
        let face = FaceBox { x, y, width: side, height: side, score: 1.0 };
        let crop = crop_face(&pattern_frame(width, height), &face, &CropSettings { margin: 0.0 }).unwrap();
        assert_eq!(crop.shape(), [3, CROP_SIDE, CROP_SIDE]);
        let plane = CROP_SIDE * CROP_SIDE;
        let interleaved: Vec<u8> = (0..plane)
            .flat_map(|i| [0, 1, 2].map(|channel| crop.data()[channel * plane + i] * 255.0))
            .map(|v| v.round() as u8)
            .collect();
        let found: String = Sha256::digest(&interleaved).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, digest, "{width}x{height} {face:?}");
    }
}

/// One value of the crop as a two-dimensional weighted mean in f64, without rounding between the axes.
fn plain_value(frame: &RgbFrame, (left, top, side): (f64, f64, f64), channel: usize, row: usize, column: usize) -> f64 {
    let scale = side / CROP_SIDE as f64;
    let support = scale.max(1.0);
    let (cx, cy) = ((column as f64 + 0.5) * scale, (row as f64 + 0.5) * scale);
    let (mut sum, mut total) = (0.0, 0.0);
    for y in 0..side as usize {
        for x in 0..side as usize {
            let height = |at: usize, centre: f64| (1.0 - ((at as f64 + 0.5 - centre) / support).abs()).max(0.0);
            let weight = height(x, cx) * height(y, cy);
            if weight > 0.0 {
                total += weight;
                let (px, py) = (left + x as f64, top + y as f64);
                if px >= 0.0 && py >= 0.0 && px < f64::from(frame.width()) && py < f64::from(frame.height()) {
                    let at = (py as usize * frame.width() as usize + px as usize) * 3 + channel;
                    sum += weight * f64::from(frame.data()[at]);
                }
            }
        }
    }
    sum / total / 255.0
}

#[test]
fn crops_are_weighted_means_of_the_square_with_its_margin() {
    let frame = pattern_frame(160, 120);
    // Box, and the square that a fifth of margin makes of it by hand.
    for (face, square) in [
        ((40, 30, 50, 50), (35.0, 25.0, 60.0)),
        ((20, 10, 100, 80), (10.0, -10.0, 120.0)),
        ((-30, 70, 101, 90), (-40.0, 54.0, 121.0)),
        ((500, 500, 20, 20), (498.0, 498.0, 24.0)),
    ] {
        let face = FaceBox { x: face.0, y: face.1, width: face.2, height: face.3, score: 1.0 };
        let crop = crop_face(&frame, &face, &CropSettings::default()).unwrap();
        for (channel, row, column) in [(0, 0, 0), (1, 0, 223), (2, 223, 0), (0, 223, 223), (1, 100, 57), (2, 31, 190)] {
            let found = f64::from(crop.data()[(channel * CROP_SIDE + row) * CROP_SIDE + column]);
            let expected = plain_value(&frame, square, channel, row, column);
            // Each axis rounds to 8 bits.
            assert!((found - expected).abs() <= 1.0 / 255.0, "{face:?} {channel} {row} {column}: {found} {expected}");
        }
    }
}

#[test]
fn boxes_that_cannot_be_cut_are_errors() {
    let frame = pattern_frame(16, 16);
    let good = FaceBox { x: 0, y: 0, width: 8, height: 8, score: 1.0 };
    for bad in [
        FaceBox { width: 0, ..good },
        FaceBox { height: 0, ..good },
        FaceBox { width: u32::MAX, x: i32::MIN, ..good },
        FaceBox { height: 20_000, ..good },
    ] {
        let fault = crop_face(&frame, &bad, &CropSettings::default()).unwrap_err();
        assert!(matches!(fault, ModelError::Contract { .. }), "{fault}");
    }
    for margin in [-0.1, 2.1, f64::NAN] {
        let fault = crop_face(&frame, &good, &CropSettings { margin }).unwrap_err();
        assert!(matches!(fault, ModelError::Config { .. }), "{fault}");
    }
    // The corners of the number range, still one black picture.
    let far = FaceBox { x: i32::MAX, y: i32::MIN, ..good };
    assert!(crop_face(&frame, &far, &CropSettings::default()).unwrap().data().iter().all(|v| *v == 0.0));
}
