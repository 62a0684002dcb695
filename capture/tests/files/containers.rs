//! Containers of sound other than wav, ogg and webm.

use std::path::{Path, PathBuf};

use mien_capture::{CaptureError, file};

use super::material::{Encoding, best_shift, chirp, ffmpeg, folder, text, wav};

/// The samples, the rate and the notes of a file.
fn read(path: &Path) -> (Vec<f32>, u32, Vec<String>) {
    let media = file::open(path).unwrap_or_else(|e| panic!("{e}"));
    let clip = media.audio.unwrap();
    let rate = clip.rate().hz();
    (clip.into_samples(), rate, media.notes)
}

/// `source` in another codec and container.
fn made(source: &Path, name: &str, options: &[&str]) -> PathBuf {
    let path = source.with_file_name(name);
    ffmpeg(&[&["-i", text(source)], options, &[text(&path)]].concat());
    path
}

#[test]
fn lossless_containers_give_the_samples_of_the_wav() {
    let dir = folder();
    let stereo: Vec<f32> = chirp(20_011, 44_100).iter().flat_map(|s| [*s, 0.5 * s]).collect();
    let source = wav(dir.path(), "truth.wav", &stereo, 44_100, 2, Encoding::I16);
    let truth = read(&source);
    for (name, codec) in [
        ("a.aiff", "pcm_s16be"),
        ("b.aiff", "pcm_s24be"),
        ("c.aiff", "pcm_f32be"),
        ("d.aiff", "pcm_f64be"),
        ("e.aiff", "pcm_s16le"),
        ("f.caf", "pcm_s16le"),
        ("g.caf", "pcm_s16be"),
        ("h.caf", "pcm_s24le"),
        ("i.caf", "pcm_f32le"),
        ("j.caf", "alac"),
        ("k.m4a", "alac"),
        ("l.au", "pcm_s16be"),
        ("m.au", "pcm_f32be"),
        ("n.ogg", "flac"),
        ("o.mka", "pcm_s16le"),
        ("p.mka", "pcm_f32le"),
        ("q.mka", "flac"),
        ("r.mka", "alac"),
    ] {
        let found = read(&made(&source, name, &["-c:a", codec]));
        assert!(found == truth, "{name} {codec}: {} samples at {} Hz, {:?}", found.0.len(), found.1, found.2);
    }
    for (name, codec, tolerance) in [
        ("a.aiff", "pcm_alaw", 0.03),
        ("b.caf", "pcm_mulaw", 0.03),
        ("c.au", "pcm_alaw", 0.03),
        ("d.aiff", "pcm_s8", 0.01),
    ] {
        let found = read(&made(&source, name, &["-c:a", codec]));
        let worst = found.0.iter().zip(&truth.0).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(found.0.len() == truth.0.len() && worst < tolerance, "{name} {codec}: {worst}");
    }
    let found = read(&made(&source, "ima4.caf", &["-c:a", "adpcm_ima_qt"]));
    let (shift, likeness) = best_shift(&truth.0, &found.0, 100);
    assert!(shift == 0 && likeness > 0.99, "ima4: {shift}, {likeness}");
}

#[test]
fn aac_in_matroska() {
    let dir = folder();
    let truth = chirp(50_000, 16_000);
    let source = wav(dir.path(), "truth.wav", &truth, 16_000, 1, Encoding::I16);
    let found = read(&made(&source, "b.mka", &["-c:a", "aac", "-b:a", "96k"])).0;
    let (shift, likeness) = best_shift(&truth, &found, 2_200);
    assert!((shift == 0 || shift == 1024) && likeness > 0.99, "{shift}, {likeness}");
    assert!(found.len() >= truth.len());
}

/// Recorders leave sizes open, as -1 or 0, or lose power.
#[test]
fn sizes_in_aiff_caf_and_au_are_hints() {
    let dir = folder();
    let source = wav(dir.path(), "truth.wav", &chirp(8_000, 16_000), 16_000, 1, Encoding::I16);
    let truth = read(&source).0;
    let patched = |name: &str, chunk: &[u8], skip: usize, size: &[u8]| {
        let path = made(&source, name, &[]);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(chunk.len()).position(|w| w == chunk).unwrap() + skip;
        bytes[at..at + size.len()].copy_from_slice(size);
        std::fs::write(&path, bytes).unwrap();
        read(&path)
    };
    for (name, chunk, skip, size) in [
        ("a.aiff", &b"SSND"[..], 4, &[0; 4][..]),
        ("b.aiff", b"SSND", 4, &[0xff; 4]),
        ("c.aiff", b"SSND", 4, &[0, 1, 0, 0]),
        ("d.caf", b"data", 4, &[0xff; 8]),
        ("e.caf", b"data", 4, &[0, 0, 0, 0, 0, 1, 0, 0]),
        ("f.au", b".snd", 8, &[0, 1, 0, 0]),
    ] {
        let (samples, _, notes) = patched(name, chunk, skip, size);
        assert!(samples == truth && !notes.is_empty(), "{name}: {} samples, {notes:?}", samples.len());
    }
    let (samples, _, notes) = patched("g.au", b".snd", 8, &[0xff; 4]);
    assert!(samples == truth && notes.is_empty(), "{notes:?}");
}

/// Programs that tag files write ID3 where it does not belong.
#[test]
fn tags_around_any_sound() {
    let dir = folder();
    let source = wav(dir.path(), "truth.wav", &chirp(20_000, 16_000), 16_000, 1, Encoding::I16);
    let front = [&b"ID3\x04\0\0\0\0\x02\x08"[..], &[0xff; 264]].concat();
    let mut id3v1 = b"TAG".to_vec();
    id3v1.resize(128, b' ');
    let mut ape = [&b"APETAGEX\xd0\x07\0\0"[..], &[0; 20]].concat();
    ape[12] = 32 + 5;
    let ape = [&b"12345"[..], &ape].concat();
    let words = [&b"LYRICSBEGIN"[..], &b"INDX00002"[..]].concat();
    let lyrics = [&words[..], format!("{:06}", words.len()).as_bytes(), b"LYRICS200"].concat();
    for name in ["a.flac", "b.mp3", "c.ogg", "d.aac", "e.wav", "f.aiff"] {
        let path = made(&source, name, if name == "b.mp3" { &["-id3v2_version", "0"] } else { &[] });
        let bytes = std::fs::read(&path).unwrap();
        let plain = read(&path);
        assert!(plain.2.is_empty(), "{name}: {:?}", plain.2);
        std::fs::write(&path, [&front[..], &bytes].concat()).unwrap();
        assert!(read(&path) == plain, "{name}: ID3v2 before");
        if !matches!(name, "e.wav" | "f.aiff") {
            std::fs::write(&path, [&front[..], &bytes, &ape, &lyrics, &id3v1].concat()).unwrap();
            assert!(read(&path) == plain, "{name}: tags at both ends");
        }
    }
}

/// As written to a pipe: neither length nor checksum.
#[test]
fn a_flac_that_tells_nothing() {
    let dir = folder();
    let source = wav(dir.path(), "truth.wav", &chirp(20_000, 16_000), 16_000, 1, Encoding::I16);
    let path = made(&source, "a.flac", &[]);
    let mut bytes = std::fs::read(&path).unwrap();
    // STREAMINFO begins at 8: 36 bits of length and 16 bytes of checksum at its end.
    bytes[8 + 13] &= 0xf0;
    bytes[8 + 14..8 + 34].fill(0);
    std::fs::write(&path, bytes).unwrap();
    assert!(read(&path) == read(&source));
}

#[test]
fn frames_may_begin_and_end_anywhere() {
    let dir = folder();
    let truth = chirp(60_000, 16_000);
    let source = wav(dir.path(), "truth.wav", &truth, 16_000, 1, Encoding::I16);
    for (name, options) in
        [("a.mp3", &["-b:a", "64k", "-write_xing", "0", "-id3v2_version", "0"][..]), ("b.aac", &["-b:a", "64k"])]
    {
        let path = made(&source, name, options);
        let bytes = std::fs::read(&path).unwrap();
        let plain = read(&path).0;
        let mut junk = vec![0; 3_000];
        junk.extend(b"\xff\xfbnot a frame\xff\xf1\x50\x80");
        // Within the third frame; behind what is no frame.
        for (what, content, lost) in [("cut", bytes[700..].to_vec(), 6_000), ("junk", [&junk[..], &bytes].concat(), 0)]
        {
            std::fs::write(&path, content).unwrap();
            let (samples, _, notes) = read(&path);
            assert!(notes.iter().any(|note| note.contains("no whole frames")), "{name} {what}: {notes:?}");
            assert!(
                samples.len() <= plain.len() && samples.len() + lost >= plain.len(),
                "{name} {what}: {}",
                samples.len()
            );
            let end = &plain[plain.len() - 20_000..];
            assert!(best_shift(end, &samples[samples.len() - 20_000..], 3).1 > 0.999, "{name} {what}");
        }
        std::fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
        let (samples, _, notes) = read(&path);
        assert!(plain.starts_with(&samples) && samples.len() + 2_400 >= plain.len(), "{name}: {}", samples.len());
        assert!(name == "a.mp3" || notes.iter().any(|note| note.contains("ends within a frame")), "{notes:?}");
    }
}

/// An m4a whose header calls its AAC-LC the core of HE-AAC, in every way there is; its clock counts at the doubled rate.
#[test]
fn he_aac_is_decoded_as_its_core() {
    let dir = folder();
    let truth = chirp(48_000, 24_000);
    let source = wav(dir.path(), "truth.wav", &truth, 24_000, 1, Encoding::I16);
    let path = made(&source, "plain.m4a", &["-c:a", "aac", "-b:a", "96k"]);
    let plain = read(&path).0;
    let bytes = std::fs::read(&path).unwrap();
    let config = bytes.windows(5).position(|w| w == [0x13, 0x08, 0x56, 0xe5, 0x00]).expect("ffmpeg's configuration");
    for (what, signalled) in [
        ("backward compatible", [0x13, 0x08, 0x56, 0xe5, 0x98]),
        ("hierarchical", [0x2b, 0x09, 0x88, 0x00, 0x00]),
        ("version 2", [0xeb, 0x09, 0x88, 0x00, 0x00]),
    ] {
        let mut changed = bytes.clone();
        changed[config..config + 5].copy_from_slice(&signalled);
        double_clock(&mut changed);
        std::fs::write(&path, changed).unwrap();
        let (samples, rate, notes) = read(&path);
        assert!(samples == plain && rate == 24_000, "{what}: {} samples at {rate} Hz", samples.len());
        assert!(notes.iter().any(|note| note.contains("HE-AAC, decoded without its upper band")), "{what}: {notes:?}");
    }
    let mut changed = bytes;
    // AAC Main.
    changed[config] = 0x0b;
    std::fs::write(&path, changed).unwrap();
    assert!(matches!(file::open(&path), Err(CaptureError::Convert { found, .. }) if found == "AAC Main"));
}

/// Doubles the sound track's clock and every length that it counts.
fn double_clock(bytes: &mut [u8]) {
    let at = |bytes: &[u8], kind: &[u8]| bytes.windows(4).position(|w| w == kind).unwrap() + 4;
    let double = |bytes: &mut [u8], at: usize| {
        let value = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        bytes[at..at + 4].copy_from_slice(&(2 * value).to_be_bytes());
    };
    let header = at(bytes, b"mdhd");
    double(bytes, header + 12);
    double(bytes, header + 16);
    let table = at(bytes, b"stts");
    let entries = u32::from_be_bytes(bytes[table + 4..table + 8].try_into().unwrap()) as usize;
    for entry in 0..entries {
        double(bytes, table + 8 + 8 * entry + 4);
    }
    // Media time of the edit.
    let edit = at(bytes, b"elst");
    double(bytes, edit + 12);
}
