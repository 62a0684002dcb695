//! A recording as a microphone.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use zeroize::Zeroize;

use super::channels;
use crate::device::info::DeviceKind;
use crate::device::ring::SoundSink;
use crate::device::source::{SoundDevice, SoundStream};
use crate::error::{CaptureError, Result};
use crate::file;
use crate::rate::SampleRate;
use crate::resample::to_rate;

/// How often samples are handed over, as a driver would.
const STEP: Duration = Duration::from_millis(20);
/// Samples of a step at 16 kHz.
const STEP_SAMPLES: usize = 320;

/// A sound file, played in real time, with digital silence between two rounds.
#[derive(Clone, Debug)]
pub struct LoopedSound {
    path: PathBuf,
    pause: Duration,
    channels: Vec<u16>,
}

impl LoopedSound {
    /// The recording at `path` with `pause` after each round; nothing is read yet.
    #[must_use]
    pub fn new(path: PathBuf, pause: Duration) -> Self {
        Self { path, pause, channels: Vec::new() }
    }

    /// Plays the mean of these channels alone, counted from 0; of all of them where `channels` is empty.
    #[must_use]
    pub fn with_channels(self, channels: Vec<u16>) -> Self {
        Self { channels, ..self }
    }
}

impl SoundDevice for LoopedSound {
    fn label(&self) -> String {
        format!("file:{}", self.path.display())
    }

    fn open(&self, mut sink: SoundSink) -> Result<Box<dyn SoundStream>> {
        let clip = if self.channels.is_empty() {
            let audio = file::open(&self.path)?.audio;
            audio.ok_or_else(|| CaptureError::NoMedia { path: self.path.clone() })?
        } else {
            channels::read(&self.path, &self.label(), &self.channels)?
        };
        let clip = to_rate(clip, SampleRate::HZ_16000)?;
        let mut samples = clip.into_samples();
        samples.resize(samples.len() + (self.pause.as_secs_f64() * 16_000.0) as usize, 0.0);
        if samples.is_empty() {
            return Err(CaptureError::NoSamples { path: self.path.clone() });
        }
        sink.set_format(SampleRate::HZ_16000, 1);
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        let player = std::thread::Builder::new()
            .name("looped sound".into())
            .spawn(move || play(&samples, sink, &stop))
            .map_err(|e| CaptureError::Device {
                kind: DeviceKind::Microphone,
                device: self.label(),
                action: "start it",
                reason: e.to_string(),
                remedy: "see the system's limits (`ulimit -u`)",
            })?;
        Ok(Box::new(Playing { label: self.label(), ended, player: Some(player) }))
    }
}

/// Hands over 20 ms every 20 ms, on a grid that does not drift; what was slept over is made up for.
fn play(samples: &[f32], mut sink: SoundSink, ended: &AtomicBool) {
    let start = Instant::now();
    let mut endless = samples.iter().copied().cycle();
    let mut step = [0.0; STEP_SAMPLES];
    let mut next = start + STEP;
    while !ended.load(Ordering::Relaxed) {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        step.iter_mut().zip(&mut endless).for_each(|(place, sample)| *place = sample);
        sink.push(&step, |s: f32| s);
        next += STEP;
    }
    // It lies where a thread's stack begins, and the C library keeps stacks for threads to come.
    step.zeroize();
}

struct Playing {
    label: String,
    ended: Arc<AtomicBool>,
    player: Option<JoinHandle<()>>,
}

impl SoundStream for Playing {
    fn describe(&self) -> String {
        self.label.clone()
    }

    fn fault(&mut self) -> Option<CaptureError> {
        None
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(player) = self.player.take() {
            let _ = player.join();
        }
    }
}
