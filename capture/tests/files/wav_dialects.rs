//! Wav as programs leave it: sizes that were not known, were wrong or were never reached.

use std::path::Path;

use mien_capture::{CaptureError, file};

use super::material::{Encoding, best_shift, chirp, ffmpeg, folder, text, wav, wav_bytes};

/// A wav of one channel of 16-bit samples, chunk by chunk.
struct Writer {
    outer: [u8; 4],
    outer_size: u32,
    chunks: Vec<u8>,
}

impl Writer {
    fn new() -> Self {
        Self { outer: *b"RIFF", outer_size: 0, chunks: Vec::new() }
    }

    /// A chunk with a size that need not be its own; `pad`: with the pad byte that an odd size asks for.
    fn chunk(mut self, id: &[u8; 4], size: u32, body: &[u8], pad: bool) -> Self {
        self.chunks.extend(id);
        self.chunks.extend(size.to_le_bytes());
        self.chunks.extend(body);
        self.chunks.extend(if pad && body.len() % 2 == 1 { &b"\0"[..] } else { b"" });
        self
    }

    fn format(self) -> Self {
        let body = [
            &1_u16.to_le_bytes()[..],
            &1_u16.to_le_bytes(),
            &16_000_u32.to_le_bytes(),
            &32_000_u32.to_le_bytes(),
            &[2, 0, 16, 0],
        ];
        self.chunk(b"fmt ", 16, &body.concat(), true)
    }

    fn outer(mut self, id: &[u8; 4], size: u32) -> Self {
        (self.outer, self.outer_size) = (*id, size);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let size = if self.outer_size == 0 { 4 + self.chunks.len() as u32 } else { self.outer_size };
        [&self.outer[..], &size.to_le_bytes(), b"WAVE", &self.chunks].concat()
    }
}

/// Samples as 16-bit integers, and what they come back as.
fn truth() -> (Vec<u8>, Vec<f32>) {
    let integers: Vec<i16> = chirp(5_000, 16_000).iter().map(|s| (s * 32768.0) as i16).collect();
    let bytes = integers.iter().flat_map(|i| i.to_le_bytes()).collect();
    (bytes, integers.iter().map(|i| f32::from(*i) / 32768.0).collect())
}

/// The samples and the notes of a file with these bytes.
fn read(folder: &Path, bytes: &[u8]) -> (Vec<f32>, Vec<String>) {
    let path = folder.join("case.wav");
    std::fs::write(&path, bytes).unwrap();
    let media = file::open(&path).unwrap_or_else(|e| panic!("{e}"));
    (media.audio.unwrap().into_samples(), media.notes)
}

#[test]
fn sizes_are_hints() {
    let dir = folder();
    let (data, truth) = truth();
    let len = data.len() as u32;
    let list = b"INFOISFT\x05\0\0\0abcde";
    let plain = || Writer::new().format();
    for (what, writer, noted) in [
        ("plain", plain().chunk(b"data", len, &data, true), false),
        ("arecord into a pipe", plain().chunk(b"data", 0x8000_0000, &data, true).outer(b"RIFF", 0x8000_0024), true),
        ("size 0", plain().chunk(b"data", 0, &data, true), true),
        ("both open", plain().chunk(b"data", u32::MAX, &data, true).outer(b"RIFF", u32::MAX), true),
        ("open less a header", plain().chunk(b"data", u32::MAX - 36, &data, true).outer(b"RIFF", u32::MAX), true),
        ("a header too large", plain().chunk(b"data", len + 44, &data, true), true),
        ("a planned length", plain().chunk(b"data", 10 * len, &data, true), true),
        ("not ended", plain().chunk(b"data", 100, &data, true), true),
        ("odd list", plain().chunk(b"LIST", 17, list, true).chunk(b"data", len, &data, true), false),
        ("odd list, no pad byte", plain().chunk(b"LIST", 17, list, false).chunk(b"data", len, &data, true), false),
        ("list beyond the file", plain().chunk(b"LIST", 1 << 20, list, true).chunk(b"data", len, &data, true), true),
        ("list behind", plain().chunk(b"data", len, &data, true).chunk(b"LIST", 17, list, true), false),
        ("cut list behind", plain().chunk(b"data", len, &data, true).chunk(b"LIST", 99, list, true), false),
        ("format behind", Writer::new().chunk(b"data", len, &data, true).format(), false),
        ("wrong outer size", plain().chunk(b"data", len, &data, true).outer(b"RIFF", 7), false),
    ] {
        let (samples, notes) = read(dir.path(), &writer.bytes());
        assert!(samples == truth, "{what}: {} samples, {notes:?}", samples.len());
        assert_eq!(!notes.is_empty(), noted, "{what}: {notes:?}");
    }
    // RIFF size 0, as a recorder leaves it that never came to the end.
    let mut bytes = plain().chunk(b"data", 0, &data, true).bytes();
    bytes[4..8].fill(0);
    assert_eq!(read(dir.path(), &bytes).0, truth);
}

#[test]
fn an_empty_wav_is_no_recording_of_its_tags() {
    let dir = folder();
    let path = dir.path().join("empty.wav");
    let writer = Writer::new().format().chunk(b"data", 0, b"", true).chunk(b"LIST", 12, b"INFOISFT\0\0\0\0", true);
    std::fs::write(&path, writer.bytes()).unwrap();
    let error = file::open(&path).unwrap_err();
    assert!(matches!(error, CaptureError::NoSamples { .. }), "{error}");
}

#[test]
fn sizes_of_64_bits() {
    let dir = folder();
    let (data, truth) = truth();
    let len = data.len() as u64;
    let sizes = [&(len + 72).to_le_bytes()[..], &len.to_le_bytes(), &5_000_u64.to_le_bytes(), &[0; 4]].concat();
    for outer in [b"RF64", b"BW64"] {
        let writer = Writer::new().chunk(b"ds64", 28, &sizes, true).format().chunk(b"data", u32::MAX, &data, true);
        // A chunk behind, which is no sound.
        let writer = writer.chunk(b"LIST", 12, b"INFOISFT\0\0\0\0", true).outer(outer, u32::MAX);
        assert_eq!(read(dir.path(), &writer.bytes()), (truth.clone(), Vec::new()));
    }
    let source = wav(dir.path(), "truth.wav", &truth, 16_000, 1, Encoding::I16);
    let path = dir.path().join("sony.w64");
    ffmpeg(&["-i", text(&source), text(&path)]);
    assert_eq!(read(dir.path(), &std::fs::read(&path).unwrap()), (truth, Vec::new()));
}

/// The extensible form says in a GUID what the plain one says in a number, and how many bits count.
#[test]
fn extensible_forms() {
    let dir = folder();
    let (data, truth) = truth();
    let guid = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
    let form = |tag: u16, bits: u16, valid: u16| {
        let width = bits / 8;
        let head = [&0xfffe_u16.to_le_bytes()[..], &1_u16.to_le_bytes(), &16_000_u32.to_le_bytes()].concat();
        let tail = [&(16_000 * u32::from(width)).to_le_bytes()[..], &width.to_le_bytes(), &bits.to_le_bytes()].concat();
        [&head[..], &tail, &22_u16.to_le_bytes(), &valid.to_le_bytes(), &[4, 0, 0, 0], &tag.to_le_bytes(), &guid]
            .concat()
    };
    let bytes = |form: &[u8], data: &[u8]| {
        Writer::new().chunk(b"fmt ", 40, form, true).chunk(b"data", data.len() as u32, data, true).bytes()
    };
    assert_eq!(read(dir.path(), &bytes(&form(1, 16, 16), &data)).0, truth);
    let floats: Vec<u8> = truth.iter().flat_map(|s| s.to_le_bytes()).collect();
    assert_eq!(read(dir.path(), &bytes(&form(3, 32, 32), &floats)).0, truth);
    // Twenty bits that count, in three bytes and in four.
    let wide = |bytes: usize| -> Vec<u8> {
        data.chunks(2).flat_map(|pair| [vec![0; bytes - 2], pair.to_vec()].concat()).collect()
    };
    assert_eq!(read(dir.path(), &bytes(&form(1, 24, 20), &wide(3))).0, truth);
    assert_eq!(read(dir.path(), &bytes(&form(1, 32, 20), &wide(4))).0, truth);
}

#[test]
fn adpcm_is_read_and_gsm_is_named() {
    let dir = folder();
    for channels in [1, 2] {
        let truth = chirp(20_000, 16_000);
        let spread: Vec<f32> = truth.iter().flat_map(|s| vec![*s; channels]).collect();
        let source = wav(dir.path(), "truth.wav", &spread, 16_000, channels as u16, Encoding::I16);
        for codec in ["adpcm_ms", "adpcm_ima_wav"] {
            let path = dir.path().join(format!("{codec}.wav"));
            ffmpeg(&["-i", text(&source), "-c:a", codec, text(&path)]);
            let samples = read(dir.path(), &std::fs::read(&path).unwrap()).0;
            assert!(samples.len().abs_diff(truth.len()) < 2_100, "{codec}: {}", samples.len());
            let (shift, likeness) = best_shift(&truth, &samples, 100);
            assert!(shift == 0 && likeness > 0.99, "{codec}: {shift}, {likeness}");
        }
    }
    let mut bytes = wav_bytes(&chirp(1_000, 8_000), 8_000, 1, Encoding::I16);
    bytes[20] = 0x31;
    let path = dir.path().join("gsm.wav");
    std::fs::write(&path, bytes).unwrap();
    let error = file::open(&path).unwrap_err().to_string();
    assert!(error.contains("GSM 6.10 in a wav is not read here; convert it: ffmpeg -i '"), "{error}");
    assert!(error.ends_with("gsm-converted.wav'"), "{error}");
}

#[test]
fn an_mp3_in_a_wav() {
    let dir = folder();
    let truth = chirp(40_000, 16_000);
    let source = wav(dir.path(), "truth.wav", &truth, 16_000, 1, Encoding::I16);
    let path = dir.path().join("mp3.wav");
    ffmpeg(&["-i", text(&source), "-c:a", "libmp3lame", "-b:a", "64k", text(&path)]);
    let samples = read(dir.path(), &std::fs::read(&path).unwrap()).0;
    assert!(best_shift(&truth, &samples, 2200).1 > 0.99);
}
