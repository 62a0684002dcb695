//! Sound files.

use std::path::Path;

use mien_capture::{AudioClip, CaptureError, ErrorKind, file};

use super::material::{Encoding, best_shift, chirp, ffmpeg, folder, sine, text, wav, wav_bytes};

fn sound(path: &Path) -> AudioClip {
    let media = file::open(path).unwrap_or_else(|e| panic!("{e}"));
    assert!(media.pictures.is_none());
    media.audio.expect("a sound file has sound")
}

#[test]
fn a_wav_of_floats_comes_back_bit_for_bit() {
    let dir = folder();
    let truth = chirp(8_000, 8_000);
    let clip = sound(&wav(dir.path(), "mono8k.wav", &truth, 8_000, 1, Encoding::F32));
    assert_eq!((clip.samples(), clip.rate().hz()), (truth.as_slice(), 8_000));
    assert_eq!(clip.duration_s(), 1.0);
}

#[test]
fn integers_come_back_within_a_step() {
    let dir = folder();
    let truth = chirp(16_000, 16_000);
    let clip = sound(&wav(dir.path(), "mono16k.wav", &truth, 16_000, 1, Encoding::I16));
    assert_eq!(clip.samples().len(), truth.len());
    let worst = clip.samples().iter().zip(&truth).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= 0.5 / 32768.0 + 1e-7, "{worst}");
}

#[test]
fn channels_are_averaged_at_any_rate() {
    let dir = folder();
    let (left, right) = (sine(9_600, 96_000, 1000.0, 0.8), sine(9_600, 96_000, 250.0, 0.4));
    let stereo: Vec<f32> = left.iter().zip(&right).flat_map(|(l, r)| [*l, *r]).collect();
    let clip = sound(&wav(dir.path(), "stereo96k.wav", &stereo, 96_000, 2, Encoding::F32));
    assert_eq!(clip.rate().hz(), 96_000);
    let truth: Vec<f32> = left.iter().zip(&right).map(|(l, r)| (l + r) / 2.0).collect();
    assert_eq!(clip.samples(), truth);

    let six: Vec<f32> = left[..100].iter().flat_map(|l| [0.0, 0.0, 6.0 * l, 0.0, 0.0, 0.0]).collect();
    let clip = sound(&wav(dir.path(), "six.wav", &six, 48_000, 6, Encoding::F32));
    for (found, expected) in clip.samples().iter().zip(&left) {
        assert!((found - expected).abs() < 1e-6);
    }
}

/// Every codec gives the sound that went in: as many samples, none of them late.
#[test]
fn codecs_keep_length_and_place() {
    let dir = folder();
    // No multiple of any codec's block.
    for (rate, len) in [(16_000, 30_011), (44_100, 70_001), (48_000, 48_000)] {
        let truth = chirp(len, rate);
        let source = wav(dir.path(), "truth.wav", &truth, rate, 1, Encoding::I16);
        for (name, options) in [
            ("lossless.flac", &["-c:a", "flac"][..]),
            ("lame.mp3", &["-c:a", "libmp3lame", "-b:a", "128k"]),
            ("variable.mp3", &["-c:a", "libmp3lame", "-q:a", "2"]),
            ("vorbis.ogg", &["-c:a", "libvorbis", "-q:a", "6"]),
            ("itunes.m4a", &["-c:a", "aac", "-b:a", "128k"]),
            ("quicktime.mov", &["-c:a", "pcm_s16le"]),
        ] {
            let path = dir.path().join(name);
            ffmpeg(&[&["-i", text(&source)], options, &[text(&path)]].concat());
            let clip = sound(&path);
            assert_eq!((clip.samples().len(), clip.rate().hz()), (len, rate), "{name} at {rate} Hz");
            let (shift, likeness) = best_shift(&truth, clip.samples(), 2200.min(rate as i64 / 10));
            assert_eq!(shift, 0, "{name} at {rate} Hz");
            assert!(likeness > 0.995, "{name} at {rate} Hz: {likeness}");
        }
    }
}

/// Without a LAME header nobody knows what the encoder added, and the reader's guess of the length must cut nothing.
#[test]
fn an_mp3_without_a_header_loses_nothing() {
    let dir = folder();
    // Silence, then sound: a variable bit rate misleads any guess from the first frames.
    let truth = [vec![0.0; 80_000], chirp(80_000, 16_000)].concat();
    let source = wav(dir.path(), "truth.wav", &truth, 16_000, 1, Encoding::I16);
    let path = dir.path().join("headless.mp3");
    ffmpeg(&["-i", text(&source), "-q:a", "2", "-write_xing", "0", "-id3v2_version", "0", text(&path)]);
    let clip = sound(&path);
    let (shift, likeness) = best_shift(&truth, clip.samples(), 2200);
    assert!(shift > 0 && likeness > 0.99, "{shift}, {likeness}");
    assert!(clip.samples().len() >= truth.len() + shift as usize, "{}", clip.samples().len());
}

#[test]
fn wav_dialects_are_read() {
    let dir = folder();
    for (name, channels, tolerance) in [
        ("pcm_u8", 3, 0.01),
        ("pcm_s24le", 3, 1e-4),
        ("pcm_s32le", 3, 1e-4),
        ("pcm_f64le", 3, 1e-4),
        // Telephone recordings.
        ("pcm_alaw", 1, 0.03),
        ("pcm_mulaw", 1, 0.03),
    ] {
        let truth = chirp(8_000, 16_000);
        let spread: Vec<f32> = truth.iter().flat_map(|s| vec![*s; channels]).collect();
        let source = wav(dir.path(), "truth.wav", &spread, 16_000, channels as u16, Encoding::I16);
        let path = dir.path().join(format!("{name}.wav"));
        ffmpeg(&["-i", text(&source), "-c:a", name, text(&path)]);
        let clip = sound(&path);
        assert_eq!(clip.samples().len(), 8_000, "{name}");
        let worst = clip.samples().iter().zip(&truth).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < tolerance, "{name}: {worst}");
    }
}

#[test]
fn lossless_codecs_are_lossless() {
    let dir = folder();
    let stereo: Vec<f32> = chirp(20_000, 48_000).iter().flat_map(|s| [*s, -0.5 * s]).collect();
    let source = wav(dir.path(), "truth.wav", &stereo, 48_000, 2, Encoding::I16);
    let path = dir.path().join("truth.flac");
    ffmpeg(&["-i", text(&source), text(&path)]);
    assert_eq!(sound(&path), sound(&source));
}

/// ADTS does not tell the encoder's priming: it stays in front, and nothing is lost behind it.
#[test]
fn bare_aac_keeps_its_priming() {
    let dir = folder();
    let truth = chirp(40_000, 16_000);
    let source = wav(dir.path(), "truth.wav", &truth, 16_000, 1, Encoding::I16);
    let path = dir.path().join("bare.aac");
    ffmpeg(&["-i", text(&source), "-c:a", "aac", "-b:a", "96k", text(&path)]);
    let clip = sound(&path);
    assert_eq!(best_shift(&truth, clip.samples(), 2200).0, 1024);
    assert!(clip.samples().len() >= truth.len() + 1024);
}

#[test]
fn tags_before_the_sound_are_passed_over() {
    let dir = folder();
    let truth = chirp(30_011, 44_100);
    let source = wav(dir.path(), "truth.wav", &truth, 44_100, 1, Encoding::I16);
    let path = dir.path().join("tagged.mp3");
    ffmpeg(&["-i", text(&source), "-id3v2_version", "3", "-metadata", "title=Song", text(&path)]);
    let mut bytes = std::fs::read(&path).unwrap();
    assert_eq!(&bytes[..3], b"ID3");
    let plain = sound(&path);
    assert_eq!(plain.samples().len(), truth.len());
    // A second tag, longer than a prober would look, full of what looks like the start of a frame.
    let body = 2_u32 << 20;
    let mut tag = b"ID3\x04\0\0".to_vec();
    tag.extend([21, 14, 7, 0].map(|shift| (body >> shift & 0x7f) as u8));
    tag.extend([0xff, 0xfb].repeat(body as usize / 2));
    tag.append(&mut bytes);
    std::fs::write(&path, tag).unwrap();
    assert_eq!(sound(&path), plain);
}

#[test]
fn a_chain_of_tags_is_not_followed_forever() {
    let dir = folder();
    let source = wav(dir.path(), "truth.wav", &chirp(8_000, 16_000), 16_000, 1, Encoding::I16);
    let path = dir.path().join("chained.mp3");
    ffmpeg(&["-i", text(&source), "-id3v2_version", "0", text(&path)]);
    let bytes = std::fs::read(&path).unwrap();
    let plain = sound(&path);
    // Tags with nothing in them.
    let chained = |tags: usize| {
        std::fs::write(&path, [b"ID3\x04\0\0\0\0\0\0".repeat(tags), bytes.clone()].concat()).unwrap();
        file::open(&path)
    };
    assert_eq!(chained(16).unwrap().audio, Some(plain));
    let error = chained(17).unwrap_err();
    let told = matches!(&error, CaptureError::Malformed { reason, .. } if reason.starts_with("more than 16 ID3 tags"));
    assert!(told, "{error}");
}

#[test]
fn the_content_tells_the_format_and_not_the_name() {
    let dir = folder();
    let truth = chirp(1_000, 8_000);
    let clip = sound(&wav(dir.path(), "in_truth_a_wav.mp3", &truth, 8_000, 1, Encoding::F32));
    assert_eq!(clip.samples(), truth);
}

#[test]
fn a_wav_from_a_pipe_ends_where_its_data_end() {
    let dir = folder();
    let truth = chirp(5_000, 16_000);
    let mut bytes = wav_bytes(&truth, 16_000, 1, Encoding::F32);
    bytes[4..8].fill(0xff);
    bytes[40..44].fill(0xff);
    let path = dir.path().join("piped.wav");
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(sound(&path).samples(), truth);
}

#[test]
fn samples_that_are_no_numbers_are_refused() {
    let dir = folder();
    for bad in [f32::NAN, f32::INFINITY] {
        let mut samples = chirp(16_000, 16_000);
        samples[8_000] = bad;
        let error = file::open(&wav(dir.path(), "bad.wav", &samples, 16_000, 1, Encoding::F32)).unwrap_err();
        assert!(matches!(error, CaptureError::NotFiniteInFile { position_s, .. } if position_s == 0.5), "{error}");
        assert_eq!(error.kind(), ErrorKind::BadInput);
    }
}

#[test]
fn codecs_without_a_decoder_are_named_with_a_command() {
    let dir = folder();
    let source = wav(dir.path(), "truth.wav", &chirp(48_000, 48_000), 48_000, 1, Encoding::I16);
    for (name, codec, expected) in [
        ("b.mp4", "ac3", "AC-3"),
        ("c.mka", "ac3", "AC-3"),
        ("d.mp2", "mp2", "mp2"),
        ("e.wav", "g726", "G.726"),
        ("f.ac3", "ac3", "AC-3"),
        ("g.wv", "wavpack", "WavPack"),
        ("h.tta", "tta", "TTA"),
        ("i.wma", "wmav2", "WMA"),
        ("j.ts", "mp2", "MPEG-TS"),
        ("k.avi", "mp2", "AVI"),
        ("l.flv", "adpcm_swf", "FLV"),
    ] {
        let path = dir.path().join(name);
        let rate = if name == "l.flv" {
            "22050"
        } else if name == "e.wav" {
            "8000"
        } else {
            "48000"
        };
        ffmpeg(&["-i", text(&source), "-ar", rate, "-c:a", codec, text(&path)]);
        let error = file::open(&path).unwrap_err();
        let named = matches!(&error, CaptureError::Convert { found, command, .. }
            if found.contains(expected) && command.starts_with(&format!("ffmpeg -i '{}' ", path.display())));
        assert!(named, "{name}: {error}");
        assert!(!error.to_string().contains("damaged") && !error.to_string().contains("again"), "{error}");
        // The command that is told makes a file that is read.
        if !matches!(name, "l.flv" | "k.avi") {
            let CaptureError::Convert { command, .. } = error else { unreachable!() };
            let done =
                std::process::Command::new("sh").args(["-c", &format!("{command} </dev/null 2>/dev/null")]).status();
            assert!(done.unwrap().success(), "{command}");
            let made = command.rsplit(' ').next().unwrap().trim_matches('\'');
            assert!(sound(Path::new(made)).duration_s() > 0.9);
        }
    }
}

#[test]
fn sound_longer_than_memory_allows_is_refused_before_it_is_read() {
    let dir = folder();
    // 1 kHz, 8 bits: 15 million samples are more than four hours.
    let mut bytes = wav_bytes(&[], 1_000, 1, Encoding::I16);
    bytes[28..36].copy_from_slice(&[0xe8, 3, 0, 0, 1, 0, 8, 0]);
    let len = 15_000_000_u32;
    bytes[4..8].copy_from_slice(&(36 + len).to_le_bytes());
    bytes[40..44].copy_from_slice(&len.to_le_bytes());
    bytes.resize(bytes.len() + len as usize, 0x80);
    let path = dir.path().join("long.wav");
    std::fs::write(&path, bytes).unwrap();
    let error = file::open(&path).unwrap_err();
    assert!(matches!(error, CaptureError::TooLong { limit_s, .. } if limit_s == 14_400.0), "{error}");
}
