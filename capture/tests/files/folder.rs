//! Folders of pictures, and single pictures.

use std::path::Path;

use mien_capture::{CaptureError, ErrorKind, RgbFrame, Span, Timestamp, file};

use super::material::{Encoding, ffmpeg, folder, sine, text, wav};

/// Writes a bitmap of one colour by hand; rows go from the bottom and are padded to four bytes.
fn bmp(path: &Path, width: u32, height: u32, [r, g, b]: [u8; 3]) {
    let row = (width * 3).next_multiple_of(4);
    let mut bytes = b"BM".to_vec();
    bytes.extend((54 + row * height).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(54_u32.to_le_bytes());
    bytes.extend(40_u32.to_le_bytes());
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    for _ in 0..height {
        let mut line = [b, g, r].repeat(width as usize);
        line.resize(row as usize, 0);
        bytes.extend(line);
    }
    std::fs::write(path, bytes).unwrap();
}

fn all(path: &Path) -> Vec<RgbFrame> {
    let media = file::open(path).unwrap_or_else(|e| panic!("{e}"));
    media.pictures.unwrap().frames().map(Result::unwrap).collect()
}

fn error(path: &Path) -> CaptureError {
    let error = file::open(path).map(|media| media.notes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadInput);
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
    error
}

#[test]
fn without_a_table_names_give_the_order_and_25_the_pace() {
    let dir = folder();
    for (name, grey) in [("frame_10.bmp", 30), ("frame_2.BMP", 20), ("frame_01.bmp", 10), ("a.bmp", 5)] {
        bmp(&dir.path().join(name), 5, 3, [grey; 3]);
    }
    std::fs::write(dir.path().join("readme.txt"), "not a picture").unwrap();
    std::fs::write(dir.path().join(".hidden.bmp"), "nor this").unwrap();
    let frames = all(dir.path());
    let found: Vec<_> = frames.iter().map(|f| (f.time().as_nanos(), f.data()[0])).collect();
    assert_eq!(found, [(0, 5), (40_000_000, 10), (80_000_000, 20), (120_000_000, 30)]);
    let media = file::open(dir.path()).unwrap();
    assert_eq!(media.pictures.unwrap().span().duration_s(), 0.16);
    assert_eq!(media.notes.len(), 1, "{:?}", media.notes);
    assert!(media.audio.is_none());
}

#[test]
fn a_table_gives_order_and_times() {
    let dir = folder();
    for (name, grey) in [("x.bmp", 1), ("y.bmp", 2), ("z.bmp", 3)] {
        bmp(&dir.path().join(name), 2, 2, [grey; 3]);
    }
    wav(dir.path(), "voice.wav", &sine(8_000, 16_000, 300.0, 0.5), 16_000, 1, Encoding::I16);
    std::fs::write(dir.path().join("times.csv"), "file,time_s\nz.bmp,0.5\nx.bmp,0.75\ny.bmp,1.5\n").unwrap();
    let media = file::open(dir.path()).unwrap();
    assert_eq!(media.audio.unwrap().duration_s(), 0.5);
    let pictures = media.pictures.unwrap();
    let found: Vec<_> = pictures.frames().map(|f| f.unwrap()).map(|f| (f.time().as_secs_f64(), f.data()[0])).collect();
    assert_eq!(found, [(0.5, 3), (0.75, 1), (1.5, 2)]);
    assert_eq!((pictures.span().start().as_secs_f64(), pictures.span().end().as_secs_f64()), (0.5, 1.75));
    let at = |s| Timestamp::from_secs_f64(s).unwrap();
    let part: Vec<_> =
        pictures.within(Some(Span::new(at(0.75), at(1.5)).unwrap())).map(|f| f.unwrap().data()[0]).collect();
    assert_eq!(part, [1]);
}

#[test]
fn tables_that_are_wrong_are_told_of_by_line() {
    let dir = folder();
    bmp(&dir.path().join("x.bmp"), 2, 2, [1; 3]);
    bmp(&dir.path().join("y.bmp"), 2, 2, [2; 3]);
    let refused = |table: &str| {
        std::fs::write(dir.path().join("times.csv"), table).unwrap();
        error(dir.path())
    };
    assert!(matches!(refused("name,time\nx.bmp,0\n"), CaptureError::TimesHeader { .. }));
    assert!(matches!(refused("file,time_s,note\nx.bmp,0,a\n"), CaptureError::TimesHeader { .. }));
    assert!(matches!(refused("file,time_s\nx.bmp,0\nq.bmp,1\n"), CaptureError::TimesMissingPicture { line: 3, .. }));
    assert!(matches!(refused("file,time_s\n../x.bmp,0\n"), CaptureError::TimesMissingPicture { line: 2, .. }));
    for value in ["NaN", "inf", "-1", "", "one", "1,2", "1e9", "14400.1"] {
        let error = refused(&format!("file,time_s\nx.bmp,{value}\n"));
        assert!(matches!(error, CaptureError::TimesValue { line: 2, .. }), "{value}: {error}");
    }
    assert!(matches!(refused("file,time_s\nx.bmp,1\ny.bmp,1\n"), CaptureError::TimesOrder { line: 3, .. }));
    assert!(matches!(refused("file,time_s\nx.bmp,1\ny.bmp,0.5\n"), CaptureError::TimesOrder { line: 3, .. }));
    assert!(matches!(refused("file,time_s\n"), CaptureError::TimesEmpty { .. }));
    assert!(matches!(refused(""), CaptureError::Empty { .. }));
    std::fs::write(dir.path().join("times.csv"), b"file,time_s\n\xff\xfe.bmp,0\n").unwrap();
    assert!(matches!(error(dir.path()), CaptureError::Malformed { .. }));
}

#[test]
fn folders_that_cannot_be_meant_are_refused() {
    let dir = folder();
    assert!(matches!(error(dir.path()), CaptureError::NoPictures { .. }));
    let tone = sine(800, 16_000, 300.0, 0.5);
    wav(dir.path(), "b.wav", &tone, 16_000, 1, Encoding::I16);
    assert!(matches!(error(dir.path()), CaptureError::NoPictures { .. }));
    bmp(&dir.path().join("x.bmp"), 2, 2, [1; 3]);
    wav(dir.path(), "a.wav", &tone, 16_000, 1, Encoding::I16);
    let error = error(dir.path());
    assert!(
        matches!(&error, CaptureError::SeveralSounds { first, second, .. } if first == "a.wav" && second == "b.wav"),
        "{error}"
    );
}

#[test]
fn one_picture_stands_for_the_whole_clip() {
    let dir = folder();
    for name in ["face.png", "face.jpg", "face.bmp"] {
        let path = dir.path().join(name);
        ffmpeg(&["-f", "lavfi", "-i", "color=0xc86432:s=48x32", "-frames:v", "1", text(&path)]);
        let media = file::open(&path).unwrap();
        let pictures = media.pictures.unwrap();
        assert!(pictures.is_still() && media.audio.is_none());
        assert_eq!((pictures.count(), pictures.span().duration_s()), (1, 0.0));
        let late = Span::new(Timestamp::from_nanos(9_000_000_000), Timestamp::MAX).unwrap();
        let frame = pictures.within(Some(late)).next().unwrap().unwrap();
        assert_eq!((frame.width(), frame.height(), frame.time()), (48, 32, Timestamp::ZERO));
        for (found, expected) in frame.data()[..3].iter().zip([0xc8_u8, 0x64, 0x32]) {
            assert!(found.abs_diff(expected) <= 3, "{name}: {:?}", &frame.data()[..3]);
        }
    }
    // The same within a folder, beside its sound.
    let both = folder();
    std::fs::copy(dir.path().join("face.png"), both.path().join("face.png")).unwrap();
    wav(both.path(), "voice.wav", &sine(8_000, 16_000, 300.0, 0.5), 16_000, 1, Encoding::I16);
    let media = file::open(both.path()).unwrap();
    assert!(media.audio.is_some() && media.pictures.unwrap().is_still());
}

#[test]
fn the_last_picture_lasts_no_longer_than_is_usual() {
    let dir = folder();
    for name in ["a.bmp", "b.bmp", "c.bmp", "d.bmp"] {
        bmp(&dir.path().join(name), 2, 2, [1; 3]);
    }
    for (table, end_s) in [
        ("a.bmp,0\nb.bmp,0.1\nc.bmp,0.2\nd.bmp,5000\n", 5000.1),
        ("a.bmp,0\nb.bmp,3000\n", 3001.0),
        ("a.bmp,2\n", 2.04),
    ] {
        std::fs::write(dir.path().join("times.csv"), format!("file,time_s\n{table}")).unwrap();
        let span = file::open(dir.path()).unwrap().pictures.unwrap().span();
        assert!((span.end().as_secs_f64() - end_s).abs() < 1e-6, "{table}: {}", span.end().as_secs_f64());
    }
    std::fs::write(dir.path().join("times.csv"), "file,time_s\na.bmp,0\nb.bmp,14399.5\n").unwrap();
    assert!(matches!(error(dir.path()), CaptureError::TooLong { limit_s: 14_400.0, .. }));
}

/// The checksum of png (ISO 3309), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn pictures_too_large_to_hold_are_refused_before_they_are_decoded() {
    let dir = folder();
    // A bitmap header of 60000 x 60000 without the pixels.
    let path = dir.path().join("huge.bmp");
    bmp(&path, 2, 2, [0; 3]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[18..22].copy_from_slice(&60_000_u32.to_le_bytes());
    bytes[22..26].copy_from_slice(&60_000_u32.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(error(&path), CaptureError::TooLarge { found: 60_000, limit: 8_192, .. }));
    // The same of a png, whose header is checked by a sum: a picture of one pixel with other sides.
    let path = dir.path().join("huge.png");
    let mut header = b"IHDR".to_vec();
    header.extend([100_000_u32.to_be_bytes(), 7_u32.to_be_bytes()].concat());
    header.extend([8, 2, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(&header);
    bytes.extend(crc32(&header).to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT");
    bytes.extend(crc32(b"IDAT").to_be_bytes());
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(error(&path), CaptureError::TooLarge { found: 100_000, limit: 8_192, .. }));
}

#[test]
fn damaged_pictures_are_left_out_and_told() {
    let dir = folder();
    for i in 0..12 {
        bmp(&dir.path().join(format!("f{i}.bmp")), 8, 8, [i; 3]);
    }
    std::fs::write(dir.path().join("f0.bmp"), b"BM").unwrap();
    std::fs::write(dir.path().join("f2.bmp"), b"").unwrap();
    std::fs::write(dir.path().join("f11.bmp"), b"not a picture").unwrap();
    let pictures = file::open(dir.path()).unwrap().pictures.unwrap();
    assert_eq!(pictures.left_out(), None);
    let found: Vec<_> = pictures.frames().map(Result::unwrap).map(|f| (f.time().as_nanos(), f.data()[0])).collect();
    let expected: Vec<_> = [1, 3, 4, 5, 6, 7, 8, 9, 10].map(|i| (u64::from(i) * 40_000_000, i as u8)).to_vec();
    assert_eq!(found, expected);
    // A second pass counts none twice.
    assert_eq!(pictures.frames().count(), 9);
    let told = pictures.left_out().unwrap();
    assert!(told.contains("3 of 12") && told.contains("f0.bmp") && !told.contains("f2.bmp"), "{told}");

    // All of them, or the only one.
    for i in 0..12 {
        std::fs::write(dir.path().join(format!("f{i}.bmp")), b"BM").unwrap();
    }
    assert!(error(dir.path()).to_string().contains("f0.bmp"));
    let single = folder();
    std::fs::write(single.path().join("face.png"), b"").unwrap();
    assert!(matches!(error(single.path()), CaptureError::Empty { .. }));
}

/// What a file is shows in its content.
#[test]
fn files_with_wrong_names_are_read_by_their_content() {
    let dir = folder();
    bmp(&dir.path().join("1.jpg"), 4, 4, [1; 3]);
    bmp(&dir.path().join("2.dat"), 4, 4, [2; 3]);
    ffmpeg(&["-f", "lavfi", "-i", "color=0x030303:s=4x4", "-frames:v", "1", "-c:v", "libwebp", "-lossless", "1", "-pix_fmt", "bgra", text(&dir.path().join("3.webp"))]);
    std::fs::rename(dir.path().join("3.webp"), dir.path().join("3.png")).unwrap();
    wav(dir.path(), "voice.bin", &sine(8_000, 16_000, 300.0, 0.5), 16_000, 1, Encoding::I16);
    std::fs::write(dir.path().join("notes.txt"), "no picture").unwrap();
    let media = file::open(dir.path()).unwrap();
    assert_eq!(media.audio.unwrap().duration_s(), 0.5);
    assert_eq!(media.notes.len(), 1, "{:?}", media.notes);
    let greys: Vec<u8> = media.pictures.unwrap().frames().map(|frame| frame.unwrap().data()[0]).collect();
    assert_eq!(greys, [1, 2, 3]);
    // Sound that has its name goes first.
    wav(dir.path(), "voice.wav", &sine(4_000, 16_000, 300.0, 0.5), 16_000, 1, Encoding::I16);
    let media = file::open(dir.path()).unwrap();
    assert_eq!(media.audio.unwrap().duration_s(), 0.25);
    assert!(media.notes[0].contains(": 2"), "{:?}", media.notes);
}
