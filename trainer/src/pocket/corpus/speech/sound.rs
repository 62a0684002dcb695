//! From what espeak-ng says to a clip's sound: edges, rate, level, a room's noise, 16-bit samples.

use std::io::Cursor;

use hound::{SampleFormat, WavSpec, WavWriter};
use mien_capture::{AudioClip, SampleRate, to_rate};
use mien_runtime::RuntimeError;

use crate::draw::Draw;
use crate::{Result, TrainerError};

/// Samples a second of every clip.
pub const RATE: u32 = 16_000;
/// Shortest and longest clip, seconds.
pub const LENGTHS: [f64; 2] = [1.0, 6.0];
/// Room before and after speech: least and most, seconds.
const ROOM: [f64; 2] = [0.10, 0.35];
/// Samples below this share of the loudest one count as silence at the edges.
const EDGE: f32 = 0.01;
/// Samples over which loudness is taken.
const FRAME: usize = 320;
/// Frames below this share of the loudest one are no speech.
const SPEECH: f32 = 0.05;
/// Largest magnitude of speech.
const PEAK: f32 = 0.9;
/// Speech over noise: least and most, dB.
const SNR: [f64; 2] = [14.0, 38.0];

/// A clip's sound.
#[derive(Clone, Debug)]
pub(in crate::pocket::corpus) struct Sound {
    /// Mono samples at [`RATE`].
    samples: Vec<i16>,
    /// Loudness of the speech without noise, 0 to 1, one for each [`FRAME`] samples.
    loudness: Vec<f32>,
    /// Speech over noise, dB.
    pub(in crate::pocket::corpus) snr: f64,
}

impl Sound {
    /// Mixes `speech` at `level` dB of full scale with a room's noise.
    ///
    /// # Errors
    /// Runtime where the rate cannot be changed; Program for speech that is silent.
    pub(in crate::pocket::corpus) fn mix(speech: AudioClip, level: f64, draw: &mut Draw) -> Result<Self> {
        let speech = to_rate(speech, SampleRate::HZ_16000).map_err(RuntimeError::from)?;
        let mut speech = trimmed(speech.samples()).to_vec();
        let power = active_power(&speech);
        if power <= 0.0 {
            return Err(TrainerError::Program { program: "espeak-ng", reason: "spoke a sentence in silence".into() });
        }
        let peak = speech.iter().fold(0f32, |peak, sample| peak.max(sample.abs()));
        let gain = (10f64.powf(level / 20.0) / power.sqrt()) as f32;
        let gain = gain.min(PEAK / peak);
        speech.iter_mut().for_each(|sample| *sample *= gain);
        let mut room = || ((ROOM[0] + (ROOM[1] - ROOM[0]) * draw.unit()) * f64::from(RATE)) as usize;
        let (before, after) = (room(), room());
        let least = (LENGTHS[0] * f64::from(RATE)) as usize;
        let length = (before + speech.len() + after).max(least);
        let mut samples = vec![0f32; length];
        samples[before..before + speech.len()].copy_from_slice(&speech);
        let loudness = loudness(&samples);
        let snr = SNR[0] + (SNR[1] - SNR[0]) * draw.unit();
        let noise = room_noise(length, draw);
        let noise_power = noise.iter().map(|n| f64::from(n * n)).sum::<f64>() / length as f64;
        let wanted = power * f64::from(gain * gain) * 10f64.powf(-snr / 10.0);
        let gain = (wanted / noise_power.max(1e-12)).sqrt() as f32;
        let mixed =
            samples.iter().zip(&noise).map(|(s, n)| ((s + gain * n).clamp(-1.0, 1.0) * 32_767.0).round() as i16);
        Ok(Self { samples: mixed.collect(), loudness, snr })
    }

    /// Seconds.
    pub(in crate::pocket::corpus) fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(RATE)
    }

    /// How loud the speech is at `time` seconds, 0 to 1.
    pub(in crate::pocket::corpus) fn loudness(&self, time: f64) -> f32 {
        let at = (time * f64::from(RATE) / FRAME as f64) as usize;
        let around = self.loudness.get(at.saturating_sub(1)..(at + 2).min(self.loudness.len())).unwrap_or_default();
        around.iter().sum::<f32>() / around.len().max(1) as f32
    }

    /// The bytes of a wav file.
    ///
    /// # Errors
    /// Engine where the writer refuses.
    pub(in crate::pocket::corpus) fn wav(&self) -> Result<Vec<u8>> {
        let spec = WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let failed = |e: hound::Error| TrainerError::Engine { action: "write sound", reason: e.to_string() };
        let mut bytes = Cursor::new(Vec::with_capacity(2 * self.samples.len() + 64));
        let mut writer = WavWriter::new(&mut bytes, spec).map_err(failed)?;
        for sample in &self.samples {
            writer.write_sample(*sample).map_err(failed)?;
        }
        writer.finalize().map_err(failed)?;
        Ok(bytes.into_inner())
    }
}

/// Speech from its first to its last audible sample.
fn trimmed(samples: &[f32]) -> &[f32] {
    let loudest = samples.iter().fold(0f32, |peak, sample| peak.max(sample.abs()));
    let heard = |sample: &f32| sample.abs() > EDGE * loudest;
    let (Some(first), Some(last)) = (samples.iter().position(heard), samples.iter().rposition(heard)) else {
        return &[];
    };
    samples.get(first..=last).unwrap_or_default()
}

/// Mean power of the frames in which there is speech.
fn active_power(speech: &[f32]) -> f64 {
    let powers: Vec<f64> = speech
        .chunks(FRAME)
        .map(|frame| frame.iter().map(|s| f64::from(s * s)).sum::<f64>() / frame.len() as f64)
        .collect();
    let loudest = powers.iter().fold(0.0, |most: f64, power| most.max(*power));
    let spoken: Vec<f64> = powers.into_iter().filter(|power| *power > loudest * f64::from(SPEECH * SPEECH)).collect();
    spoken.iter().sum::<f64>() / spoken.len().max(1) as f64
}

/// Loudness frame by frame, 1 for the loudest.
fn loudness(samples: &[f32]) -> Vec<f32> {
    let frames: Vec<f32> = samples
        .chunks(FRAME)
        .map(|frame| (frame.iter().map(|s| s * s).sum::<f32>() / frame.len() as f32).sqrt())
        .collect();
    let loudest = frames.iter().fold(1e-9f32, |most, loud| most.max(*loud));
    frames.into_iter().map(|loud| (loud / loudest).sqrt()).collect()
}

/// A room's noise: air, dull or bright, and a mains hum.
fn room_noise(length: usize, draw: &mut Draw) -> Vec<f32> {
    let (dull, hum, phase) = (0.5 + 0.45 * draw.unit(), 0.4 * draw.unit(), draw.unit());
    let mut low = 0.0;
    let wave =
        |n: usize, times: f64| (std::f64::consts::TAU * (50.0 * times * n as f64 / f64::from(RATE) + phase)).sin();
    (0..length)
        .map(|n| {
            low = dull * low + (1.0 - dull * dull).sqrt() * draw.normal();
            (low + hum * (wave(n, 1.0) + 0.5 * wave(n, 3.0))) as f32
        })
        .collect()
}
