//! What reading may cost.

use std::time::{Duration, Instant};

use mien_capture::file::ReadOptions;
use mien_capture::{CaptureError, file};

use super::material::{Encoding, chirp, ffmpeg, folder, text, wav, wav_bytes};

fn options(memory: u64) -> ReadOptions {
    ReadOptions { memory, ..ReadOptions::default() }
}

/// Every container is held against the memory, by its header where that tells, else while it is decoded.
#[test]
fn sound_that_does_not_fit_the_memory_is_refused_with_both_figures() {
    let dir = folder();
    let source = wav(dir.path(), "truth.wav", &chirp(200_000, 48_000), 48_000, 1, Encoding::I16);
    for name in ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.opus", "a.m4a", "a.webm", "a.aiff", "a.caf", "a.aac"] {
        let path = dir.path().join(name);
        ffmpeg(&["-i", text(&source), text(&path)]);
        let media = file::open_with(&path, &options(1 << 20)).unwrap_or_else(|e| panic!("{e}"));
        assert!(media.audio.unwrap().samples().len() >= 199_000, "{name}");
        let error = file::open_with(&path, &options(600_000)).unwrap_err();
        let told = matches!(error, CaptureError::OverMemory { needed, limit: 600_000, .. } if needed > 600_000);
        assert!(told, "{name}: {error}");
    }
}

/// A small file of silence that becomes gigabytes: by its header, and by its frames where that tells nothing.
#[test]
fn a_small_flac_that_becomes_large_is_stopped_early() {
    let dir = folder();
    let path = dir.path().join("bomb.flac");
    ffmpeg(&["-f", "lavfi", "-i", "anullsrc=r=192000:cl=mono:d=600", "-frame_size", "65535", text(&path)]);
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() < 200_000);
    let open = |memory: u64, seconds: u64| {
        let start = Instant::now();
        let error = file::open_with(&path, &options(memory)).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(seconds), "{:?}", start.elapsed());
        error
    };
    // Its header tells 460 MB of sound, which no file of this size has.
    let error = open(2 << 30, 2);
    assert!(matches!(&error, CaptureError::Malformed { reason, .. } if reason.contains("460800000")), "{error}");
    bytes[8 + 13] &= 0xf0;
    bytes[8 + 14..8 + 34].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let error = open(2 << 30, 60);
    assert!(matches!(&error, CaptureError::Malformed { reason, .. } if reason.contains("of sound")), "{error}");
    let error = open(50 << 20, 60);
    assert!(matches!(error, CaptureError::OverMemory { limit: 52_428_800, .. }), "{error}");
}

/// A header that tells of more than there is, is a hint and no reason to refuse.
#[test]
fn a_wav_is_held_against_what_it_has() {
    let dir = folder();
    let mut bytes = wav_bytes(&chirp(1_000, 16_000), 16_000, 1, Encoding::I16);
    bytes[40..44].copy_from_slice(&0x6000_0000_u32.to_le_bytes());
    let path = dir.path().join("planned.wav");
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(file::open_with(&path, &options(1 << 20)).unwrap().audio.unwrap().samples().len(), 1_000);
}
