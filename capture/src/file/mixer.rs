//! Decoded packets to one mono clip.

use std::path::Path;

use crate::audio::AudioClip;
use crate::error::{CaptureError, Result};
use crate::rate::SampleRate;

use super::{MAX_DURATION_S, MAX_SAMPLES};

/// More channels than any recording device has; a hostile header could ask for 65535.
pub(super) const MAX_CHANNELS: usize = 64;

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

/// Averages channels and gathers the clip.
pub(super) struct Mixer<'a> {
    path: &'a Path,
    placement: Placement,
    promised: Option<u64>,
    /// Rate and channels of the first packet; all others must have the same.
    spec: Option<(SampleRate, usize)>,
    /// Samples per channel that came out of the decoder.
    pub(super) decoded: u64,
    /// How many of those go to waste before the clip begins.
    skip: u64,
    /// The length at which the clip ends, silence before it included.
    end: usize,
    /// The most samples that are accepted.
    limit: usize,
    /// The clip so far.
    samples: Vec<f32>,
    /// The last packet, channels interleaved.
    pub(super) scratch: Vec<f32>,
}

impl<'a> Mixer<'a> {
    pub(super) fn new(path: &'a Path, placement: Placement, promised: Option<u64>) -> Self {
        Self {
            path,
            placement,
            promised,
            spec: None,
            decoded: 0,
            skip: 0,
            end: usize::MAX,
            limit: 0,
            samples: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Takes what `scratch` holds: frames of `channels` samples at `rate`.
    pub(super) fn take(&mut self, rate: u32, channels: usize) -> Result<()> {
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
        let scale = 1.0 / channels as f32;
        let scratch = std::mem::take(&mut self.scratch);
        for frame in scratch.chunks_exact(channels) {
            // The promise counts what the encoder was given; a last AAC packet decodes to more.
            if self.promised.is_some_and(|promised| self.decoded >= promised) {
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
            if self.samples.len() >= self.limit {
                return Err(self.too_long(rate));
            }
            self.samples.push(mean);
        }
        self.scratch = scratch;
        Ok(())
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
        if lead > self.limit as f64 || self.promised.is_some_and(|promised| promised > self.limit as u64) {
            return Err(self.too_long(rate));
        }
        self.samples = vec![0.0; lead as usize];
        self.skip = samples(self.placement.skip_s) as u64;
        if let Some(play_s) = self.placement.play_s {
            self.end = (lead + samples(play_s)) as usize;
        }
        self.spec = Some((rate, channels));
        Ok((rate, channels))
    }

    pub(super) fn finish(mut self, checksum_holds: Option<bool>) -> Result<AudioClip> {
        let Some((rate, _)) = self.spec else {
            return match self.promised {
                Some(expected) if expected > 0 => Err(self.truncated(expected)),
                _ => Err(CaptureError::NoSamples { path: self.path.to_owned() }),
            };
        };
        if let Some(expected) = self.promised
            && self.decoded < expected
        {
            return Err(self.truncated(expected));
        }
        if checksum_holds == Some(false) {
            return Err(self.damaged("the checksum over the whole sound does not hold".to_owned()));
        }
        if self.samples.is_empty() {
            return Err(CaptureError::NoSamples { path: self.path.to_owned() });
        }
        self.samples.shrink_to_fit();
        AudioClip::new(self.samples, rate)
    }

    fn truncated(&self, expected: u64) -> CaptureError {
        CaptureError::Truncated { path: self.path.to_owned(), expected, found: self.decoded, unit: "samples" }
    }

    fn too_long(&self, rate: SampleRate) -> CaptureError {
        CaptureError::TooLong { path: self.path.to_owned(), limit_s: self.limit as f64 / f64::from(rate.hz()) }
    }

    pub(super) fn damaged(&self, reason: String) -> CaptureError {
        let position_s = self.spec.map_or(0.0, |(rate, _)| self.decoded as f64 / f64::from(rate.hz()));
        CaptureError::Damaged { path: self.path.to_owned(), position_s, reason }
    }
}
