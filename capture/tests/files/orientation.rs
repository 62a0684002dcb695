//! Pictures that are stored turned or mirrored come upright.

use std::path::Path;

use mien_capture::{Media, RgbFrame, file};

use super::material::{ffmpeg, folder, text};

/// The eight ways in which a picture can lie, as matrices: the pixel x, y goes to a x + c y, b x + d y.
const EIGHT: [[i32; 4]; 8] = [
    [1, 0, 0, 1],
    [-1, 0, 0, 1],
    [-1, 0, 0, -1],
    [1, 0, 0, -1],
    [0, 1, 1, 0],
    [0, 1, -1, 0],
    [0, -1, -1, 0],
    [0, -1, 1, 0],
];

/// Width, height and pixels of `frame` moved as `matrix` says, pixel by pixel, into a corner at zero.
fn moved(frame: &RgbFrame, [a, b, c, d]: [i32; 4]) -> (u32, u32, Vec<u8>) {
    let (w, h) = (frame.width() as i32, frame.height() as i32);
    let to = |x: i32, y: i32| (a * x + c * y, b * x + d * y);
    let (p, q) = (to(0, 0), to(w - 1, h - 1));
    let (left, top) = (p.0.min(q.0), p.1.min(q.1));
    let (wide, high) = ((p.0 - q.0).abs() + 1, (p.1 - q.1).abs() + 1);
    let mut data = vec![0; frame.data().len()];
    for y in 0..h {
        for x in 0..w {
            let (u, v) = to(x, y);
            let (from, at) = (3 * (y * w + x) as usize, 3 * ((v - top) * wide + u - left) as usize);
            data[at..at + 3].copy_from_slice(&frame.data()[from..from + 3]);
        }
    }
    (wide as u32, high as u32, data)
}

fn parts(frame: RgbFrame) -> (u32, u32, Vec<u8>) {
    (frame.width(), frame.height(), frame.into_data())
}

fn first(media: &Media) -> RgbFrame {
    media.pictures.as_ref().unwrap().frames().next().unwrap().unwrap()
}

/// Where the matrix stands behind the type of a box, version 0.
const TKHD: usize = 44;
const MVHD: usize = 40;

/// Writes a matrix, in 16.16, into the first box `kind` of the mp4.
fn put_matrix(mp4: &mut [u8], kind: &[u8; 4], behind: usize, matrix: [i32; 4]) {
    let at = mp4.windows(4).position(|bytes| bytes == kind).unwrap() + behind;
    for (value, place) in matrix.iter().zip([0, 4, 12, 16]) {
        mp4[at + place..at + place + 4].copy_from_slice(&value.to_be_bytes());
    }
}

fn scaled(matrix: [i32; 4]) -> [i32; 4] {
    matrix.map(|value| value << 16)
}

/// A film of a picture that looks like itself in none of the eight ways.
fn film(folder: &Path) -> Vec<u8> {
    let path = folder.join("film.mp4");
    let picture = ["-f", "lavfi", "-i", "testsrc2=s=98x62:r=25:d=0.2"];
    ffmpeg(&[&picture[..], &["-c:v", "libx264", "-pix_fmt", "yuv420p", text(&path)]].concat());
    std::fs::read(&path).unwrap()
}

#[test]
fn films_come_upright_whichever_header_turns_them() {
    let dir = folder();
    let bytes = film(dir.path());
    let path = dir.path().join("turned.mp4");
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        file::open(&path).unwrap()
    };
    let stored = first(&open(&bytes));
    for matrix in EIGHT {
        for (kind, behind) in [(b"tkhd", TKHD), (b"mvhd", MVHD)] {
            let mut turned = bytes.clone();
            put_matrix(&mut turned, kind, behind, scaled(matrix));
            let media = open(&turned);
            assert!(parts(first(&media)) == moved(&stored, matrix), "{matrix:?} in {}", kind.escape_ascii());
            assert!(media.notes.is_empty(), "{matrix:?}: {:?}", media.notes);
        }
    }
    // First the track's matrix, then the movie's.
    for [track, movie] in [[EIGHT[5], EIGHT[1]], [EIGHT[1], EIGHT[5]], [EIGHT[4], EIGHT[7]]] {
        let mut turned = bytes.clone();
        put_matrix(&mut turned, b"tkhd", TKHD, scaled(track));
        put_matrix(&mut turned, b"mvhd", MVHD, scaled(movie));
        let once = open(&{
            let mut once = bytes.clone();
            put_matrix(&mut once, b"tkhd", TKHD, scaled(track));
            once
        });
        assert!(parts(first(&open(&turned))) == moved(&first(&once), movie), "{track:?} then {movie:?}");
    }
}

#[test]
fn matrices_of_zeros_turn_nothing_and_crooked_ones_are_told() {
    let dir = folder();
    let bytes = film(dir.path());
    let path = dir.path().join("turned.mp4");
    let open = |matrix: [i32; 4]| {
        let mut turned = bytes.clone();
        put_matrix(&mut turned, b"tkhd", TKHD, matrix);
        std::fs::write(&path, turned).unwrap();
        file::open(&path).unwrap()
    };
    let one = 1 << 16;
    let stored = first(&open([one, 0, 0, one]));
    let zeros = open([0; 4]);
    assert!(zeros.notes.is_empty(), "{:?}", zeros.notes);
    assert!(first(&zeros) == stored);
    for (crooked, nearest) in [([one / 2, 0, 0, one / 2], EIGHT[0]), ([9000, 2 * one, -one, -9000], EIGHT[5])] {
        let media = open(crooked);
        assert_eq!(media.notes.len(), 1, "{:?}", media.notes);
        assert!(parts(first(&media)) == moved(&stored, nearest), "{crooked:?}");
    }
}

/// TIFF with the one entry that tells of the turn, as EXIF keeps it.
fn exif(orientation: u8, little: bool) -> Vec<u8> {
    if little {
        vec![b'I', b'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]
    } else {
        vec![b'M', b'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]
    }
}

/// What EXIF says of the stored picture: its first row and first column are which sides of the scene (TIFF 6.0, tag 274).
const EXIF: [[i32; 4]; 8] =
    [EIGHT[0], EIGHT[1], EIGHT[2], EIGHT[3], EIGHT[4], EIGHT[5], EIGHT[6], EIGHT[7]];

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// `picture` with `exif` in it.
fn tagged(name: &str, picture: &[u8], exif: &[u8], size: (u32, u32)) -> Vec<u8> {
    match name {
        "jpg" => {
            let mut segment = vec![0xff, 0xe1];
            segment.extend((exif.len() as u16 + 8).to_be_bytes());
            segment.extend(b"Exif\0\0");
            segment.extend(exif);
            [&picture[..2], &segment, &picture[2..]].concat()
        }
        "png" => {
            let body = [b"eXIf", exif].concat();
            let chunk = [&(exif.len() as u32).to_be_bytes()[..], &body, &crc32(&body).to_be_bytes()].concat();
            // Behind the signature and the header.
            [&picture[..33], &chunk, &picture[33..]].concat()
        }
        _ => {
            let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
            let mut body = b"WEBPVP8X\x0a\0\0\0\x08\0\0\0".to_vec();
            body.extend([side(size.0), side(size.1)].concat());
            body.extend(&picture[12..]);
            body.extend([&b"EXIF"[..], &(exif.len() as u32).to_le_bytes(), exif].concat());
            [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
        }
    }
}

#[test]
fn pictures_come_upright_as_exif_says() {
    let dir = folder();
    for (name, options) in [("jpg", &["-q:v", "3"][..]), ("png", &[]), ("webp", &["-c:v", "libwebp", "-lossless", "1"])] {
        let path = dir.path().join(format!("plain.{name}"));
        let source = ["-f", "lavfi", "-i", "testsrc2=s=50x34", "-frames:v", "1"];
        ffmpeg(&[&source[..], options, &[text(&path)]].concat());
        let stored = first(&file::open(&path).unwrap());
        let bytes = std::fs::read(&path).unwrap();
        for (number, matrix) in (1..).zip(EXIF) {
            for little in [true, false] {
                let path = dir.path().join(format!("tagged.{name}"));
                std::fs::write(&path, tagged(name, &bytes, &exif(number, little), (50, 34))).unwrap();
                let frame = first(&file::open(&path).unwrap());
                assert!(parts(frame) == moved(&stored, matrix), "{name}, orientation {number}");
            }
        }
    }
}
