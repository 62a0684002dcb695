//! Decoded packets to one mono clip.

use std::ops::Range;
use std::path::Path;

use crate::audio::AudioClip;
use crate::error::{CaptureError, Result};
use crate::rate::SampleRate;

use super::{MAX_DURATION_S, MAX_SAMPLES};

/// More channels than any recording device has; a hostile header could ask for 65535.
pub(super) const MAX_CHANNELS: usize = 64;

/// Channels cancel each other where their mean has less than this share of the power that it has for channels that have
/// nothing to do with each other: 10 dB less.
const CANCELLED: f64 = 0.1;
/// Two frames of AAC: what a length in another clock than the sound's own may be off.
const COARSE_FRAMES: u64 = 2048;
/// No recording becomes more than so many times its own bytes: FLAC of silence reaches 1500, Opus 3000 ..
const GROWS: u64 = 4096;
/// .. and so many bytes more, for short files.
const GROWS_BYTES: u64 = 64 << 20;
/// The clip's memory grows by so much, or by a quarter, whichever is more.
const GROWTH: usize = 1 << 16;

/// How an mp4 lays its sound on the time axis, in seconds (edit list, ISO 14496-12 section 8.6.6).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Placement {
    /// Silence before the first sample.
    pub(crate) lead_s: f64,
    /// Decoded sound that is not played: the encoder's priming.
    pub(crate) skip_s: f64,
    /// Length of what is played; the rest of the track where none.
    pub(crate) play_s: Option<f64>,
}

/// A length that a container tells, in ticks of its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Promised {
    pub(super) ticks: u64,
    /// Ticks a second; the decoder's rate where none.
    pub(super) per_second: Option<u32>,
    /// Whether less than that is an error, or a note.
    pub(super) strict: bool,
}

/// What came out.
pub(super) struct Mixed {
    pub(super) clip: AudioClip,
    /// What should be known of it.
    pub(super) notes: Vec<String>,
    /// The loudest channel, where the channels cancel each other.
    pub(super) cancelled: Option<usize>,
}

/// Sums over one channel.
#[derive(Clone, Copy, Debug, Default)]
struct Power {
    sum: f64,
    squares: f64,
}

impl Power {
    fn add(&mut self, sample: f32) {
        let sample = f64::from(sample);
        self.sum += sample;
        self.squares += sample * sample;
    }

    /// The variance: a constant offset is not to be heard.
    fn of(&self, count: f64) -> f64 {
        (self.squares / count - (self.sum / count).powi(2)).max(0.0)
    }
}

/// Averages channels and gathers the clip.
pub(super) struct Mixer<'a> {
    path: &'a Path,
    placement: Placement,
    promised: Option<Promised>,
    /// The one channel to take instead of the mean.
    pick: Option<usize>,
    /// Bytes that the clip may take.
    memory: u64,
    /// Bytes of the file, and of sound that can come from them.
    bytes: u64,
    possible: u64,
    /// Rate and channels of the first packet; all others must have the same.
    spec: Option<(SampleRate, usize)>,
    /// Samples per channel that came out of the decoder.
    pub(super) decoded: u64,
    /// How many of those are played, as the container tells.
    play: u64,
    /// How many fewer are no shortfall, for the container's clock is coarse.
    tolerance: u64,
    /// How many of those go to waste before the clip begins.
    skip: u64,
    /// The length at which the clip ends, silence before it included.
    end: usize,
    /// The most samples that are accepted.
    limit: usize,
    /// The clip so far.
    samples: Vec<f32>,
    powers: Vec<Power>,
    mean_power: Power,
    notes: Vec<String>,
    /// The last packet, channels interleaved.
    pub(super) scratch: Vec<f32>,
}

impl<'a> Mixer<'a> {
    /// For a file of `bytes` bytes, whose clip may take `memory` bytes.
    pub(super) fn new(path: &'a Path, bytes: u64, memory: u64, pick: Option<usize>) -> Self {
        Self {
            path,
            placement: Placement::default(),
            promised: None,
            pick,
            memory,
            bytes,
            possible: bytes.saturating_mul(GROWS).saturating_add(GROWS_BYTES),
            spec: None,
            decoded: 0,
            play: u64::MAX,
            tolerance: 0,
            skip: 0,
            end: usize::MAX,
            limit: 0,
            samples: Vec::new(),
            powers: Vec::new(),
            mean_power: Power::default(),
            notes: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Says how long the sound is; before the first packet.
    pub(super) fn promise(&mut self, promised: Option<Promised>) {
        self.promised = promised;
    }

    /// Says where the sound lies; before the first packet.
    pub(super) fn place(&mut self, placement: Placement) {
        self.placement = placement;
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Allows another number of channels from here on: another stream begins.
    pub(super) fn next_stream(&mut self, channels: usize) {
        if let Some((_, known)) = &mut self.spec {
            *known = channels;
        }
    }

    /// The rate so far.
    pub(super) fn rate(&self) -> Option<u32> {
        self.spec.map(|(rate, _)| rate.hz())
    }

    /// Seconds that came out of the decoder.
    pub(super) fn decoded_s(&self) -> f64 {
        self.rate().map_or(0.0, |rate| self.decoded as f64 / f64::from(rate))
    }

    /// Whether whatever follows would be left out.
    pub(super) fn is_full(&self) -> bool {
        self.spec.is_some() && (self.samples.len() >= self.end || self.decoded >= self.play)
    }

    /// Takes all that `scratch` holds: frames of `channels` samples at `rate`.
    pub(super) fn take(&mut self, rate: u32, channels: usize) -> Result<()> {
        self.take_part(rate, channels, 0..usize::MAX)
    }

    /// Takes a part of what `scratch` holds, counted in frames.
    pub(super) fn take_part(&mut self, rate: u32, channels: usize, part: Range<usize>) -> Result<()> {
        if self.scratch.is_empty() {
            return Ok(());
        }
        let (rate, channels) = match self.spec {
            Some((known_rate, known_channels)) => {
                if (known_rate.hz(), known_channels) != (rate, channels) {
                    return Err(self.damaged("the sampling rate or the number of channels changes".to_owned()));
                }
                (known_rate, known_channels)
            }
            None => self.begin(rate, channels)?,
        };
        if self.powers.len() < channels {
            self.powers.resize(channels, Power::default());
        }
        let scale = 1.0 / channels as f32;
        let scratch = std::mem::take(&mut self.scratch);
        for frame in scratch.chunks_exact(channels).take(part.end).skip(part.start) {
            // The container counts what the encoder was given; a last AAC packet decodes to more.
            if self.decoded >= self.play {
                break;
            }
            self.decoded += 1;
            let mean = frame.iter().sum::<f32>() * scale;
            if !mean.is_finite() {
                let position_s = (self.decoded - 1) as f64 / f64::from(rate.hz());
                return Err(CaptureError::NotFiniteInFile { path: self.path.to_owned(), position_s });
            }
            if self.decoded <= self.skip || self.samples.len() >= self.end {
                continue;
            }
            if channels > 1 {
                frame.iter().zip(&mut self.powers).for_each(|(sample, power)| power.add(*sample));
                self.mean_power.add(mean);
            }
            self.push(rate, self.pick.and_then(|pick| frame.get(pick).copied()).unwrap_or(mean))?;
        }
        self.scratch = scratch;
        Ok(())
    }

    fn push(&mut self, rate: SampleRate, sample: f32) -> Result<()> {
        if self.samples.len() == self.samples.capacity() {
            if self.samples.len() >= self.limit {
                return Err(self.too_long(rate));
            }
            let most = self.most();
            if self.samples.len() >= most {
                return Err(self.too_much(self.samples.len() as u64 + 1));
            }
            let more = (self.samples.len() / 4).max(GROWTH).min(most.min(self.limit) - self.samples.len());
            let had = self.samples.capacity();
            // What the system gives may be less than what is allowed.
            self.samples.try_reserve_exact(more).map_err(|_| CaptureError::OverMemory {
                path: self.path.to_owned(),
                needed: size_of_samples(had as u64 + more as u64),
                limit: size_of_samples(had as u64),
            })?;
        }
        self.samples.push(sample);
        Ok(())
    }

    /// The most samples that fit the memory.
    fn most(&self) -> usize {
        usize::try_from(self.memory.min(self.possible) / size_of::<f32>() as u64).unwrap_or(usize::MAX)
    }

    /// Fixes everything that depends on the rate, which only the first decoded packet tells for certain.
    fn begin(&mut self, rate: u32, channels: usize) -> Result<(SampleRate, usize)> {
        let malformed = |reason| CaptureError::Malformed { path: self.path.to_owned(), format: "sound", reason };
        let rate = SampleRate::new(rate).map_err(|_| {
            malformed(format!(
                "its sampling rate is {rate} Hz, expected {} to {} Hz",
                SampleRate::MIN_HZ,
                SampleRate::MAX_HZ
            ))
        })?;
        if channels == 0 || channels > MAX_CHANNELS {
            return Err(malformed(format!("it has {channels} channels, expected 1 to {MAX_CHANNELS}")));
        }
        let samples = |seconds: f64| (seconds * f64::from(rate.hz())).round();
        self.limit = MAX_SAMPLES.min(MAX_DURATION_S as usize * rate.hz() as usize);
        let lead = samples(self.placement.lead_s);
        if let Some(promised) = self.promised {
            let per_second = u128::from(promised.per_second.unwrap_or(rate.hz()).max(1));
            // To the nearest sample.
            let play = (u128::from(promised.ticks) * u128::from(rate.hz()) + per_second / 2) / per_second;
            self.play = u64::try_from(play).unwrap_or(u64::MAX);
            if promised.per_second.is_some_and(|per_second| per_second != rate.hz()) {
                self.tolerance = COARSE_FRAMES + u64::from(rate.hz()) / u64::try_from(per_second).unwrap_or(1);
            }
            if self.play > self.limit as u64 {
                return Err(self.too_long(rate));
            }
            if self.play > self.most() as u64 {
                return Err(self.too_much(self.play));
            }
        }
        if lead > self.limit as f64 {
            return Err(self.too_long(rate));
        }
        if lead > self.most() as f64 {
            return Err(self.too_much(lead as u64));
        }
        self.samples = vec![0.0; lead as usize];
        self.skip = samples(self.placement.skip_s) as u64;
        if let Some(play_s) = self.placement.play_s {
            self.end = (lead + samples(play_s)) as usize;
        }
        self.spec = Some((rate, channels));
        Ok((rate, channels))
    }

    pub(super) fn finish(mut self, checksum_holds: Option<bool>) -> Result<Mixed> {
        let Some((rate, _)) = self.spec else {
            return match self.promised {
                Some(promised) if promised.ticks > 0 => Err(self.truncated(promised.ticks)),
                _ => Err(CaptureError::NoSamples { path: self.path.to_owned() }),
            };
        };
        if let Some(promised) = self
            .promised
            .filter(|_| self.decoded.saturating_add(self.tolerance) < self.play && self.samples.len() < self.end)
        {
            if promised.strict {
                return Err(self.truncated(self.play));
            }
            let told_s = self.play as f64 / f64::from(rate.hz());
            let found_s = self.decoded as f64 / f64::from(rate.hz());
            self.note(format!(
                "The file is cut short: it tells of {told_s:.3} s of sound and holds {found_s:.3} s, which are used."
            ));
        } else if checksum_holds == Some(false) {
            return Err(self.damaged("the checksum over the whole sound does not hold".to_owned()));
        }
        if self.samples.is_empty() {
            return Err(CaptureError::NoSamples { path: self.path.to_owned() });
        }
        let cancelled = self.cancelled();
        self.samples.shrink_to_fit();
        Ok(Mixed { clip: AudioClip::new(self.samples, rate)?, notes: self.notes, cancelled })
    }

    /// The loudest channel, where the channels cancel each other.
    fn cancelled(&self) -> Option<usize> {
        let (count, channels) = (self.samples.len().max(1) as f64, self.powers.len() as f64);
        if channels < 2.0 || self.pick.is_some() {
            return None;
        }
        let powers: Vec<f64> = self.powers.iter().map(|power| power.of(count)).collect();
        let unrelated = powers.iter().sum::<f64>() / (channels * channels);
        // Not where nothing is to be heard anyway.
        let (best, loudest) = powers.iter().copied().enumerate().rev().max_by(|a, b| a.1.total_cmp(&b.1))?;
        (loudest > 1e-10 && self.mean_power.of(count) < CANCELLED * unrelated).then_some(best)
    }

    fn truncated(&self, expected: u64) -> CaptureError {
        CaptureError::Truncated { path: self.path.to_owned(), expected, found: self.decoded, unit: "samples" }
    }

    fn too_long(&self, rate: SampleRate) -> CaptureError {
        CaptureError::TooLong { path: self.path.to_owned(), limit_s: self.limit as f64 / f64::from(rate.hz()) }
    }

    fn too_much(&self, samples: u64) -> CaptureError {
        let (path, needed) = (self.path.to_owned(), size_of_samples(samples));
        if self.possible < self.memory {
            let (bytes, possible) = (self.bytes, self.possible);
            let reason = format!("its {bytes} bytes become {needed} bytes of sound, expected at most {possible}");
            return CaptureError::Malformed { path, format: "sound", reason };
        }
        CaptureError::OverMemory { path, needed, limit: self.memory }
    }

    pub(super) fn damaged(&self, reason: String) -> CaptureError {
        CaptureError::Damaged { path: self.path.to_owned(), position_s: self.decoded_s(), reason }
    }
}

/// Bytes of `count` samples in memory.
fn size_of_samples(count: u64) -> u64 {
    count.saturating_mul(size_of::<f32>() as u64)
}
