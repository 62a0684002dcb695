//! From a microphone's blocks to utterances on the session's clock.

use std::time::Duration;

use mien_capture::device::SoundBlock;
use mien_capture::{SampleRate, Span, StreamResampler, Timestamp};
use zeroize::Zeroize;

use super::level::{LevelMeter, Loudness, loudness};
use super::view::LevelView;
use crate::Result;
use crate::speech::{SegmentSettings, SpeechStream};

/// Lost samples that are filled with silence; a longer gap ends the stream, because nothing is known of what was said.
const LONGEST_FILLED_S: u64 = 1;
/// A sound card's clock runs at another speed than the computer's: 100 millionths are 8 s a day. From this difference on,
/// a stream's start is moved.
const DRIFT: Duration = Duration::from_millis(30);
/// Blocks that the difference is taken over: blocks come late, never early, so the least late one tells.
const DRIFT_BLOCKS: u32 = 1_000;

/// An utterance as it was heard.
#[derive(Clone)]
pub struct Heard {
    /// When it was said, in the session's time.
    pub span: Span,
    /// Mono, 16 kHz, [-1, 1].
    pub samples: Vec<f32>,
    /// How loud it was.
    pub loudness: Loudness,
}

/// What hearing did with its input, for a recording: the same calls on another [`Hearing`] give the same utterances.
#[derive(Clone, Debug, PartialEq)]
pub enum HearingStep {
    /// A stream began; its sample 0 stands at this time.
    Begin(Timestamp),
    /// Samples at 16 kHz were taken.
    Sound(Vec<f32>),
    /// Sample 0 stands at this time from now on.
    Move(Timestamp),
    /// The stream ended; an utterance under way counts.
    End,
    /// The stream was thrown away, with an utterance under way.
    Forget,
}

/// Utterances of the sound at 16 kHz. A function of its steps alone: no clock, no device.
pub struct Hearing {
    settings: SegmentSettings,
    /// In memory of its own, which is zeroed when it is given back: a place within would keep what was there.
    stream: Option<Box<Stream>>,
    meter: LevelMeter,
}

struct Stream {
    speech: SpeechStream,
    /// Time of sample 0.
    start: Timestamp,
    /// Samples from `first` on, as far back as an utterance may reach.
    kept: Vec<f32>,
    first: u64,
}

impl Stream {
    fn heard(&self, range: std::ops::Range<u64>) -> Result<Heard> {
        let index = |sample: u64| usize::try_from(sample.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let end = index(range.end).min(self.kept.len());
        let samples = self.kept.get(index(range.start)..end).unwrap_or_default().to_vec();
        let span = Span::new(self.at(range.start), self.at(range.end))?;
        Ok(Heard { span, loudness: loudness(&samples), samples })
    }

    fn at(&self, sample: u64) -> Timestamp {
        // 62500 ns per sample at 16 kHz, exactly.
        self.start.saturating_add(Duration::from_nanos(sample.saturating_mul(62_500)))
    }
}

impl Hearing {
    /// Hearing that has heard nothing yet.
    pub fn new(settings: SegmentSettings) -> Self {
        Self { settings, stream: None, meter: LevelMeter::default() }
    }

    /// Takes one step and gives the utterances that ended with it.
    ///
    /// # Errors
    /// [`crate::RuntimeError::Clip`] for times that cannot be told.
    pub fn step(&mut self, step: &HearingStep) -> Result<Vec<Heard>> {
        match step {
            HearingStep::Begin(start) => {
                let speech = SpeechStream::new(self.settings.clone());
                self.stream = Some(Box::new(Stream { speech, start: *start, kept: Vec::new(), first: 0 }));
                self.meter = LevelMeter::default();
                Ok(Vec::new())
            }
            HearingStep::Sound(samples) => {
                self.meter.take(samples);
                let Some(stream) = &mut self.stream else { return Ok(Vec::new()) };
                stream.kept.extend_from_slice(samples);
                let ended = stream.speech.push(samples);
                let heard = ended.into_iter().map(|r| stream.heard(r)).collect::<Result<Vec<_>>>();
                let past = stream.speech.needed_from().saturating_sub(stream.first);
                // Moving what is kept costs as much as copying it: now and then is enough.
                if past >= 16_000 {
                    let past = usize::try_from(past).unwrap_or(usize::MAX).min(stream.kept.len());
                    stream.kept.drain(..past).for_each(drop);
                    stream.first += past as u64;
                }
                heard
            }
            HearingStep::Move(start) => {
                if let Some(stream) = &mut self.stream {
                    stream.start = *start;
                }
                Ok(Vec::new())
            }
            HearingStep::End => {
                let Some(mut stream) = self.stream.take() else { return Ok(Vec::new()) };
                let speech = std::mem::replace(&mut stream.speech, SpeechStream::new(self.settings.clone()));
                let last = speech.finish().map(|range| stream.heard(range)).transpose();
                stream.kept.zeroize();
                Ok(last?.into_iter().collect())
            }
            HearingStep::Forget => {
                if let Some(mut stream) = self.stream.take() {
                    stream.kept.zeroize();
                }
                self.meter = LevelMeter::default();
                Ok(Vec::new())
            }
        }
    }

    /// When the utterance under way began, if somebody speaks.
    pub fn speaking_from(&self) -> Option<Timestamp> {
        let stream = self.stream.as_ref()?;
        Some(stream.at(stream.speech.speaking_from()?))
    }

    /// The level now.
    pub fn level(&self) -> LevelView {
        self.meter.shown()
    }

    /// Samples of the stream so far, and the time of sample 0.
    fn position(&self) -> Option<(u64, Timestamp)> {
        self.stream.as_ref().map(|s| (s.speech.position(), s.start))
    }

    /// Changes the longest utterance from the next stream on.
    pub fn set_settings(&mut self, settings: SegmentSettings) {
        self.settings = settings;
    }
}

/// Turns a microphone's blocks into steps: rates, gaps, drifting clocks, new streams.
#[derive(Default)]
pub struct Intake {
    stream: Option<Box<Open>>,
}

struct Open {
    id: u32,
    rate: SampleRate,
    resampler: StreamResampler,
    /// Samples of the device so far, lost ones included.
    next: u64,
    /// Least lateness seen, in nanoseconds, and over how many blocks.
    lateness: i64,
    blocks: u32,
}

impl Intake {
    /// The steps that a block means for `hearing`, to be taken in their order; and the samples that were lost before it.
    ///
    /// # Errors
    /// [`crate::RuntimeError::Clip`] when the resampler refuses the device's rate.
    pub fn steps(&mut self, block: &SoundBlock, hearing: &Hearing) -> Result<(Vec<HearingStep>, u64)> {
        let mut steps = Vec::new();
        let mut lost = 0;
        // A stream that stalled, or was thrown away, has ended for hearing while its device stays open.
        if hearing.stream.is_none() {
            self.stream = None;
        }
        let same = self.stream.as_ref().is_some_and(|s| s.id == block.stream);
        if let Some(open) = self.stream.as_mut().filter(|_| same) {
            lost = block.position.saturating_sub(open.next);
            if lost > u64::from(open.rate.hz()) * LONGEST_FILLED_S {
                steps.push(HearingStep::End);
                self.stream = None;
            }
        } else if self.stream.take().is_some() {
            steps.push(HearingStep::End);
        }
        let fresh = self.stream.is_none();
        let open = match &mut self.stream {
            Some(open) => open,
            none => none.insert(Box::new(Open {
                id: block.stream,
                rate: block.rate,
                resampler: StreamResampler::new(block.rate, SampleRate::HZ_16000)?,
                next: block.position,
                lateness: i64::MAX,
                blocks: 0,
            })),
        };
        let length = |samples: u64| Duration::from_secs_f64(samples as f64 / f64::from(block.rate.hz()));
        let count = block.samples().len() as u64;
        if fresh {
            steps.push(HearingStep::Begin(block.time.saturating_sub(length(count))));
        }
        let mut sound = Vec::new();
        if !fresh && lost > 0 {
            open.resampler.push(&vec![0.0; usize::try_from(lost).unwrap_or(0)], &mut sound)?;
        }
        open.resampler.push(block.samples(), &mut sound)?;
        open.next = block.position + count;
        if let (Some((position, start)), false) = (hearing.position(), fresh) {
            let expected = start.saturating_add(Duration::from_nanos((position + sound.len() as u64) * 62_500));
            let late = block.time.as_nanos().cast_signed().saturating_sub(expected.as_nanos().cast_signed());
            open.lateness = open.lateness.min(late);
            open.blocks += 1;
            if open.blocks >= DRIFT_BLOCKS && hearing.speaking_from().is_none() {
                if open.lateness.unsigned_abs() > DRIFT.as_nanos() as u64 {
                    let moved = start.as_nanos().saturating_add_signed(open.lateness);
                    steps.push(HearingStep::Move(Timestamp::from_nanos(moved)));
                }
                open.lateness = i64::MAX;
                open.blocks = 0;
            }
        }
        steps.push(HearingStep::Sound(sound));
        Ok((steps, lost))
    }

    /// Forgets the stream and zeroes what the resampler holds.
    pub fn wipe(&mut self) {
        if let Some(mut open) = self.stream.take() {
            open.resampler.wipe();
        }
    }
}

#[cfg(test)]
mod tests {
    use mien_capture::SessionClock;
    use mien_capture::device::{SoundReader, SoundSink, sound_ring};

    use super::*;
    use crate::speech::DetectorKind;

    fn hearing() -> Hearing {
        Hearing::new(SegmentSettings { detector: DetectorKind::Energy, ..SegmentSettings::default() })
    }

    /// Noise for half a second, then zeros for two: an utterance.
    fn speak(sink: &mut SoundSink) {
        let mut random = fastrand::Rng::with_seed(3);
        let noise: Vec<f32> = (0..8_192).map(|_| 0.4 * (random.f32() - 0.5)).collect();
        sink.push(&noise, |s| s);
        sink.push(&[0.0f32; 32_768], |s| s);
    }

    /// What hearing makes of the blocks at hand, and the names of the steps other than sound.
    fn hear(hearing: &mut Hearing, intake: &mut Intake, ring: &mut SoundReader) -> (Vec<Heard>, Vec<HearingStep>) {
        let (mut heard, mut taken) = (Vec::new(), Vec::new());
        while let Some(block) = ring.take() {
            let (steps, _) = intake.steps(&block, hearing).unwrap();
            for step in steps {
                heard.extend(hearing.step(&step).unwrap());
                if !matches!(step, HearingStep::Sound(_)) {
                    taken.push(step);
                }
            }
        }
        (heard, taken)
    }

    #[test]
    fn a_stream_that_stalled_or_was_thrown_away_is_heard_again() {
        let (lender, mut ring) = sound_ring(SessionClock::start());
        let mut sink = lender.lend().unwrap();
        let (mut hearing, mut intake) = (hearing(), Intake::default());
        speak(&mut sink);
        assert_eq!(hear(&mut hearing, &mut intake, &mut ring).0.len(), 1);
        for end in [HearingStep::End, HearingStep::Forget] {
            assert!(hearing.step(&end).unwrap().is_empty());
            // The same opening of the device goes on.
            speak(&mut sink);
            let (heard, steps) = hear(&mut hearing, &mut intake, &mut ring);
            assert_eq!(heard.len(), 1, "after {end:?}");
            assert!(matches!(steps.as_slice(), [HearingStep::Begin(_)]), "{steps:?}");
        }
    }

    #[test]
    fn a_short_gap_is_silence_and_a_long_one_a_new_stream() {
        let (lender, mut ring) = sound_ring(SessionClock::start());
        let mut sink = lender.lend().unwrap();
        let (mut hearing, mut intake) = (hearing(), Intake::default());
        sink.push(&[0.1f32; 256], |s| s);
        hear(&mut hearing, &mut intake, &mut ring);
        // Blocks taken out of the ring and never given on are lost sound.
        for (lost, steps) in [(62, 0), (63, 2)] {
            (0..lost).for_each(|_| sink.push(&[0.1f32; 256], |s| s));
            while ring.take().is_some() {}
            let before = hearing.position().map(|(position, _)| position);
            sink.push(&[0.1f32; 256], |s| s);
            let taken = hear(&mut hearing, &mut intake, &mut ring).1;
            assert_eq!(taken.len(), steps, "{lost} blocks lost: {taken:?}");
            let after = hearing.position().map(|(position, _)| position);
            let expected = if steps == 0 { before.map(|n| n + (lost + 1) * 256) } else { Some(256) };
            assert_eq!(after, expected, "{lost} blocks lost");
        }
    }
}
