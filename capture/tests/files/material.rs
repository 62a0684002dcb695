//! Test material.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// An empty folder that goes away with the value.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder for temporary files")
}

/// Runs ffmpeg with `args`; the output file comes last, as ffmpeg wants it.
///
/// # Panics
/// If ffmpeg is missing or fails: these tests cannot be passed over.
pub(crate) fn ffmpeg(args: &[&str]) {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-bitexact"])
        .args(args)
        .output()
        .unwrap_or_else(|e| panic!("ffmpeg cannot be started ({e}); install it: apt-get install ffmpeg"));
    assert!(output.status.success(), "ffmpeg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// `path` as a string for a command line.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// How the samples of a wav are written.
#[derive(Clone, Copy)]
pub(crate) enum Encoding {
    I16,
    F32,
}

/// The bytes of a wav with `channels` interleaved in `samples`.
pub(crate) fn wav_bytes(samples: &[f32], rate: u32, channels: u16, encoding: Encoding) -> Vec<u8> {
    let (tag, width) = match encoding {
        Encoding::I16 => (1_u16, 2_u16),
        Encoding::F32 => (3, 4),
    };
    let mut data = Vec::new();
    for sample in samples {
        match encoding {
            Encoding::I16 => data.extend(((sample * 32768.0).round().clamp(-32768.0, 32767.0) as i16).to_le_bytes()),
            Encoding::F32 => data.extend(sample.to_le_bytes()),
        }
    }
    let mut bytes = Vec::new();
    bytes.extend(b"RIFF");
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend(tag.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(channels * width)).to_le_bytes());
    bytes.extend((channels * width).to_le_bytes());
    bytes.extend((width * 8).to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

/// Writes a wav and tells its path.
pub(crate) fn wav(folder: &Path, name: &str, samples: &[f32], rate: u32, channels: u16, encoding: Encoding) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, wav_bytes(samples, rate, channels, encoding)).unwrap();
    path
}

/// `len` samples of a tone of `hz`.
pub(crate) fn sine(len: usize, rate: u32, hz: f64, amplitude: f64) -> Vec<f32> {
    let step = std::f64::consts::TAU * hz / f64::from(rate);
    (0..len).map(|i| (amplitude * (step * i as f64).sin()) as f32).collect()
}

/// `len` samples of a tone that rises from 200 Hz to 3000 Hz: like itself at no shift but zero.
pub(crate) fn chirp(len: usize, rate: u32) -> Vec<f32> {
    let seconds = len as f64 / f64::from(rate);
    let at = |i: usize| {
        let t = i as f64 / f64::from(rate);
        let phase = std::f64::consts::TAU * (200.0 * t + 2800.0 * t * t / (2.0 * seconds));
        (0.5 * phase.sin()) as f32
    };
    (0..len).map(at).collect()
}

/// The shift within ±`reach` samples at which `b` is most like `a`, and the correlation there.
pub(crate) fn best_shift(a: &[f32], b: &[f32], reach: i64) -> (i64, f64) {
    let correlation = |shift: i64| {
        let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
        for (i, x) in a.iter().enumerate() {
            let Some(y) = usize::try_from(i as i64 + shift).ok().and_then(|j| b.get(j)) else { continue };
            let (x, y) = (f64::from(*x), f64::from(*y));
            ab += x * y;
            aa += x * x;
            bb += y * y;
        }
        ab / (aa * bb).sqrt().max(1e-30)
    };
    (-reach..=reach).map(|shift| (shift, correlation(shift))).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

/// Numbers that look random and are the same in every run (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}
