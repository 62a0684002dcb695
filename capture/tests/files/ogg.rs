//! Ogg: codecs, ends, chains.

use std::path::Path;

use mien_capture::{CaptureError, file};

use super::material::{Dice, Encoding, best_shift, chirp, ffmpeg, folder, text, wav};

fn read(path: &Path) -> (Vec<f32>, Vec<String>) {
    let media = file::open(path).unwrap_or_else(|e| panic!("{e}"));
    (media.audio.unwrap().into_samples(), media.notes)
}

/// Where the pages of an ogg begin.
fn pages(bytes: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        assert_eq!(&bytes[at..at + 4], b"OggS");
        starts.push(at);
        let segments = usize::from(bytes[at + 26]);
        at += 27 + segments + bytes[at + 27..at + 27 + segments].iter().map(|s| usize::from(*s)).sum::<usize>();
    }
    starts
}

/// Writes the checksum of the page `bytes` anew (RFC 3533 section 6, bit by bit).
fn seal(bytes: &mut [u8]) {
    bytes[22..26].fill(0);
    let mut crc = 0_u32;
    for byte in bytes.iter() {
        crc ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            crc = if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
        }
    }
    bytes[22..26].copy_from_slice(&crc.to_le_bytes());
}

/// Opus keeps length and place: what the encoder added at both ends is taken off.
#[test]
fn opus_keeps_length_and_place() {
    let dir = folder();
    for (rate, channels, len) in [(48_000, 1, 70_001), (16_000, 1, 30_011), (48_000, 2, 48_000)] {
        let truth = chirp(len, rate);
        let spread: Vec<f32> = truth.iter().flat_map(|s| vec![*s; channels]).collect();
        let source = wav(dir.path(), "truth.wav", &spread, rate, channels as u16, Encoding::I16);
        for options in [&["-b:a", "96k"][..], &["-b:a", "256k", "-frame_duration", "60"], &["-frame_duration", "60"]] {
            let path = dir.path().join("a.opus");
            ffmpeg(&[&["-i", text(&source), "-c:a", "libopus"], options, &[text(&path)]].concat());
            let (samples, notes) = read(&path);
            let up = (48_000 / rate) as usize;
            assert!(samples.len().abs_diff(len * up) <= 1 && notes.is_empty(), "{}: {notes:?}", samples.len());
            // At the source's rate.
            let thin: Vec<f32> = samples.iter().step_by(up).copied().collect();
            let (shift, likeness) = best_shift(&truth, &thin, 400);
            assert!(shift.abs() <= 1 && likeness > 0.98, "{rate} Hz, {options:?}: {shift}, {likeness}");
        }
    }
}

/// At the rates of calls the coding itself shifts and changes the sound: libopus, the reference, tells how.
#[test]
fn opus_of_calls_is_decoded_as_the_reference_does() {
    let dir = folder();
    let mut dice = Dice(7);
    let noise = |sample: f32| sample + (dice.below(2_001) as f32 - 1_000.0) / 10_000.0;
    let truth: Vec<f32> = chirp(70_001, 48_000).into_iter().map(noise).collect();
    let source = wav(dir.path(), "truth.wav", &truth, 48_000, 1, Encoding::I16);
    let (path, shown) = (dir.path().join("a.opus"), dir.path().join("shown.wav"));
    // SILK alone, with CELT above it, in frames of 10 to 60 ms.
    for (rate, frame) in [("12k", "20"), ("24k", "10"), ("24k", "20"), ("32k", "20"), ("16k", "60"), ("48k", "40")] {
        let options = ["-c:a", "libopus", "-application", "voip", "-b:a", rate, "-frame_duration", frame];
        ffmpeg(&[&["-i", text(&source)], &options[..], &[text(&path)]].concat());
        ffmpeg(&["-c:a", "libopus", "-i", text(&path), "-c:a", "pcm_f32le", text(&shown)]);
        let (found, reference) = (read(&path).0, read(&shown).0);
        let off: f32 = found.iter().zip(&reference).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(
            found.len() == reference.len() && off < 0.002,
            "{rate}, {frame} ms: {} samples, off by {off}",
            found.len()
        );
    }
}

#[test]
fn five_channels_of_opus() {
    let dir = folder();
    let truth = chirp(48_000, 48_000);
    // Left, right, centre, low, two behind: only the centre speaks.
    let spread: Vec<f32> = truth.iter().flat_map(|s| [0.0, 0.0, *s, 0.0, 0.0, 0.0]).collect();
    let source = wav(dir.path(), "truth.wav", &spread, 48_000, 6, Encoding::I16);
    let path = dir.path().join("six.opus");
    ffmpeg(&["-i", text(&source), "-c:a", "libopus", "-mapping_family", "1", "-b:a", "256k", text(&path)]);
    let (samples, _) = read(&path);
    let (shift, likeness) = best_shift(&truth, &samples, 400);
    assert!(samples.len() == 48_000 && shift == 0 && likeness > 0.98, "{shift}, {likeness}");
}

#[test]
fn a_stream_that_was_never_ended_is_read_with_a_note() {
    let dir = folder();
    let source = wav(dir.path(), "truth.wav", &chirp(48_000, 48_000), 48_000, 1, Encoding::I16);
    for codec in ["libvorbis", "libopus", "flac"] {
        let path = dir.path().join("a.ogg");
        ffmpeg(&["-i", text(&source), "-c:a", codec, text(&path)]);
        let bytes = std::fs::read(&path).unwrap();
        let whole = read(&path).0;
        let starts = pages(&bytes);
        let last = *starts.last().unwrap();
        // Without the flag; without the page; within the page.
        let mut open = bytes.clone();
        open[last + 5] &= !4;
        seal(&mut open[last..]);
        for (what, content) in [("flag", &open[..]), ("page", &bytes[..last]), ("cut", &bytes[..bytes.len() - 9])] {
            std::fs::write(&path, content).unwrap();
            if starts.len() < 4 && what != "flag" {
                continue;
            }
            let (samples, notes) = read(&path);
            assert!(notes.iter().any(|note| note.contains("all there is is used")), "{codec} {what}: {notes:?}");
            let common = samples.len().min(whole.len());
            assert!(samples[..common] == whole[..common], "{codec} {what}");
            if what == "flag" {
                // The end of the last packet is no longer cut off.
                assert!(
                    samples.len() >= whole.len() && samples.len() < whole.len() + 6_000,
                    "{codec}: {}",
                    samples.len()
                );
            }
        }
        let mut hurt = bytes.clone();
        hurt[last + 40] ^= 1;
        std::fs::write(&path, hurt).unwrap();
        assert!(matches!(file::open(&path), Err(CaptureError::Damaged { .. })), "{codec}");
        std::fs::write(&path, [&bytes[..], b"some other program's bytes"].concat()).unwrap();
        let (samples, notes) = read(&path);
        assert!(samples == whole && notes.len() == 1, "{codec}: {notes:?}");
    }
}

#[test]
fn links_of_a_chain_follow_each_other() {
    let dir = folder();
    for codec in ["libvorbis", "libopus", "flac"] {
        let mut parts = Vec::new();
        let mut sounds = Vec::new();
        for (index, len) in [30_000, 24_001].into_iter().enumerate() {
            let source = wav(dir.path(), "truth.wav", &chirp(len, 48_000), 48_000, 1 + index as u16, Encoding::I16);
            let path = dir.path().join("part.ogg");
            ffmpeg(&["-i", text(&source), "-c:a", codec, "-serial_offset", &(index * 100).to_string(), text(&path)]);
            sounds.push(read(&path).0);
            parts.push(std::fs::read(&path).unwrap());
        }
        let path = dir.path().join("chain.ogg");
        std::fs::write(&path, parts.concat()).unwrap();
        let (samples, notes) = read(&path);
        assert!(samples == sounds.concat(), "{codec}: {} samples", samples.len());
        assert!(notes.iter().any(|note| note.contains("2 recordings one after the other")), "{notes:?}");
    }
}

#[test]
fn a_film_in_ogg_and_a_codec_that_is_not_read() {
    let dir = folder();
    let source = wav(dir.path(), "truth.wav", &chirp(48_000, 48_000), 48_000, 1, Encoding::I16);
    let path = dir.path().join("film.ogv");
    let picture = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1", "-i", text(&source)];
    ffmpeg(&[&picture[..], &["-c:v", "libtheora", "-c:a", "libvorbis", text(&path)]].concat());
    let (samples, notes) = read(&path);
    assert!(samples.len().abs_diff(48_000) < 2_048);
    assert!(notes.iter().any(|note| note.contains("Theora") && note.contains("ffmpeg -i '")), "{notes:?}");
    let path = dir.path().join("a.spx");
    ffmpeg(&["-i", text(&source), "-ar", "16000", "-c:a", "libspeex", text(&path)]);
    let error = file::open(&path).unwrap_err();
    assert!(matches!(&error, CaptureError::Convert { found, .. } if found == "Speex in ogg"), "{error}");
}
