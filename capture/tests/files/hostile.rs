//! Films that attack: whatever stands in a box's size or a table, reading ends, soon and with an answer.

use std::path::Path;
use std::time::{Duration, Instant};

use mien_capture::file::{self, ReadOptions};
use mien_capture::{CaptureError, ErrorKind};

use super::material::{ffmpeg, folder, text};

const PICTURE: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1"];
const TONE: [&str; 4] = ["-f", "lavfi", "-i", "sine=440:r=16000:d=1"];

fn film(folder: &Path, options: &[&str]) -> Vec<u8> {
    let path = folder.join("film.mp4");
    let codecs = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "5", "-c:a", "aac"];
    ffmpeg(&[&PICTURE[..], &TONE, &codecs, options, &[text(&path)]].concat());
    std::fs::read(&path).unwrap()
}

/// Reads everything in a film; none for pictures that could not be decoded.
fn read(path: &Path) -> Result<(bool, Option<usize>), CaptureError> {
    let media = file::open(path)?;
    let pictures = media.pictures.map(|pictures| pictures.frames().map_while(Result::ok).count());
    Ok((media.audio.is_some(), pictures))
}

/// Places of the sizes of all boxes that any reader goes into, by their paths.
fn boxes(bytes: &[u8], from: usize, to: usize, found: &mut Vec<usize>) {
    let mut at = from;
    while at + 8 <= to {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        assert!(size >= 8, "{}", bytes[at + 4..at + 8].escape_ascii());
        found.push(at);
        let inside = match &bytes[at + 4..at + 8] {
            b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"edts" | b"mvex" | b"moof" | b"traf" | b"dinf" | b"udta" => Some(8),
            b"meta" => Some(12),
            b"stsd" | b"dref" => Some(16),
            b"avc1" => Some(86),
            b"mp4a" => Some(36),
            _ => None,
        };
        if let Some(header) = inside {
            boxes(bytes, at + header, at + size, found);
        }
        at += size;
    }
}

#[test]
fn boxes_of_any_size_end_the_reading_soon() {
    let dir = folder();
    let path = dir.path().join("hostile.mp4");
    for options in [&[][..], &["-movflags", "frag_keyframe+empty_moov+default_base_moof"]] {
        let bytes = film(dir.path(), options);
        let mut places = Vec::new();
        boxes(&bytes, 0, bytes.len(), &mut places);
        assert!(places.len() > 40, "{}", places.len());
        for place in places {
            let kind = bytes[place + 4..place + 8].escape_ascii().to_string();
            for size in [0, 1, 2, 7, 8, 9, 15, u32::MAX] {
                let mut hurt = bytes.clone();
                hurt[place..place + 4].copy_from_slice(&size.to_be_bytes());
                std::fs::write(&path, &hurt).unwrap();
                let start = Instant::now();
                let outcome = read(&path);
                assert!(start.elapsed() < Duration::from_secs(20), "{kind} of size {size}");
                if let Err(error) = outcome {
                    assert_eq!(error.kind(), ErrorKind::BadInput, "{kind} of size {size}: {error}");
                    assert_eq!(error.to_string().lines().count(), 1, "{kind} of size {size}: {error}");
                }
            }
        }
    }
}

/// Counts in tables are held against the tables' length, and bytes against the file's.
#[test]
fn tables_that_tell_of_too_much_are_refused() {
    let dir = folder();
    let path = dir.path().join("hostile.mp4");
    let whole = film(dir.path(), &[]);
    for kind in [b"stts", b"ctts", b"stsc", b"stco", b"stss", b"elst"] {
        let mut bytes = whole.clone();
        let at = bytes.windows(4).position(|bytes| bytes == kind).unwrap();
        bytes[at + 8..at + 12].fill(0xff);
        std::fs::write(&path, &bytes).unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(&error, CaptureError::Malformed { reason, .. } if reason.contains("has room for")), "{error}");
    }
    // Every chunk of pictures begins at one place.
    let mut bytes = whole.clone();
    let sizes = bytes.windows(4).position(|bytes| bytes == b"stsz").unwrap();
    let length = (bytes.len() as u32 / 3).to_be_bytes();
    bytes[sizes + 8..sizes + 12].copy_from_slice(&length);
    std::fs::write(&path, &bytes).unwrap();
    let error = read(&path).unwrap_err();
    assert!(matches!(&error, CaptureError::Malformed { reason, .. } if reason.contains("overlap")), "{error}");

    let parts = film(dir.path(), &["-movflags", "frag_keyframe+empty_moov+default_base_moof"]);
    let run = parts.windows(4).position(|bytes| bytes == b"trun").unwrap();
    for flags in [None, Some(0), Some(0x200)] {
        let mut bytes = parts.clone();
        if let Some(flags) = flags {
            bytes[run + 4..run + 8].copy_from_slice(&u32::to_be_bytes(flags));
        }
        bytes[run + 8..run + 12].fill(0xff);
        std::fs::write(&path, &bytes).unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadInput, "{error}");
    }
}

#[test]
fn a_film_beyond_the_memory_keeps_its_sound() {
    let dir = folder();
    let path = dir.path().join("large.mp4");
    let picture = ["-f", "lavfi", "-i", "color=gray:s=1920x1080:r=5:d=1"];
    let codecs = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"];
    ffmpeg(&[&picture[..], &TONE, &codecs, &[text(&path)]].concat());
    let media = file::open_with(&path, &ReadOptions { memory: 16 << 20, ..ReadOptions::default() }).unwrap();
    assert!(media.audio.is_some() && media.pictures.is_none());
    assert!(media.notes.iter().any(|note| note.contains("memory")), "{:?}", media.notes);
}

/// A camera whose battery ended: what was written in whole fragments is there.
#[test]
fn fragments_before_a_cut_are_read_and_told() {
    let dir = folder();
    let path = dir.path().join("cut.mp4");
    let bytes = film(dir.path(), &["-movflags", "frag_keyframe+empty_moov+default_base_moof"]);
    let fragments: Vec<_> = (0..bytes.len() - 4).filter(|at| &bytes[*at..at + 4] == b"moof").collect();
    assert!(fragments.len() > 3, "{}", fragments.len());
    let third = fragments[2] - 4;
    // Within the third fragment's own index, and within its pictures.
    for cut in [third + 30, fragments[3] - 20] {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let media = file::open(&path).unwrap();
        assert!(media.notes.iter().any(|note| note.contains("cut short")), "{:?}", media.notes);
        let pictures = media.pictures.unwrap().frames().map(Result::unwrap).count();
        assert_eq!(pictures, 10);
    }
    std::fs::write(&path, &bytes[..fragments[0] + 20]).unwrap();
    assert!(matches!(read(&path), Err(CaptureError::Truncated { .. })));
    let whole = film(dir.path(), &[]);
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    assert!(matches!(read(&path), Err(CaptureError::Truncated { .. })));
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_no_recordings() {
    let dir = folder();
    let pipe = dir.path().join("pipe.mp4");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), Path::new("/dev/zero")] {
        assert!(matches!(file::open(path).unwrap_err(), CaptureError::NotAFile { .. }));
    }
    let picture = dir.path().join("face.png");
    ffmpeg(&["-f", "lavfi", "-i", "color=0xc86432:s=48x32", "-frames:v", "1", text(&picture)]);
    // A folder with a pipe in it.
    let media = file::open(dir.path()).unwrap();
    assert!(media.pictures.unwrap().is_still());
}
