//! Utterances of an endless stream, wherever in it they stand.

use std::ops::Range;

use super::detector::FRAME;
use super::segmenter::{SegmentSettings, Segmenter};

/// Exact zeros in a row after which nobody can be speaking: one second at 16 kHz. No microphone that hears a room gives them.
const DIGITAL_SILENCE: u64 = 16_000;
/// Frames of silence that a fresh segmenter hears before the first sound, so that its detector has settled (0.26 s).
const WARM_UP_FRAMES: u64 = 16;

/// The utterances of a stream.
///
/// A segmenter counts in frames from its first sample, so the same sound half a frame later would be cut at other samples.
/// Digital silence (a muted or idle input) ends one stretch; the next one starts at its first sample that is not zero. So
/// a recording played into an idle input gives the utterances that scoring the file gives, to the sample.
pub struct SpeechStream {
    settings: SegmentSettings,
    awake: Option<Awake>,
    /// Samples taken so far.
    position: u64,
}

/// A stretch of sound between two digital silences.
struct Awake {
    segmenter: Segmenter,
    /// The first sample that is not zero, counted from the stream's start.
    first: u64,
    /// Zeros in a row at the end.
    zeros: u64,
}

impl Awake {
    /// A stretch whose first sample is `first`.
    fn at(first: u64, settings: &SegmentSettings) -> Self {
        let mut segmenter = Segmenter::new(settings.clone());
        for _ in 0..WARM_UP_FRAMES {
            segmenter.push(&[0.0; FRAME]);
        }
        Self { segmenter, first, zeros: 0 }
    }

    /// From the segmenter's count to the stream's; the warm-up belongs to no utterance.
    fn in_stream(&self, sample: u64) -> u64 {
        self.first + sample.saturating_sub(WARM_UP_FRAMES * FRAME as u64)
    }

    fn range(&self, range: &Range<u64>) -> Range<u64> {
        self.in_stream(range.start)..self.in_stream(range.end)
    }
}

impl SpeechStream {
    /// A stream that has heard nothing yet.
    pub fn new(settings: SegmentSettings) -> Self {
        Self { settings, awake: None, position: 0 }
    }

    /// Takes `samples` (mono, 16 kHz, [-1, 1]) and gives the utterances that ended in them, as sample ranges counted from
    /// the stream's start. The borders of blocks do not matter.
    pub fn push(&mut self, samples: &[f32]) -> Vec<Range<u64>> {
        let mut ended = Vec::new();
        let mut rest = samples;
        while !rest.is_empty() {
            let awake = match &mut self.awake {
                Some(awake) => awake,
                None => {
                    let zeros = rest.iter().position(|&s| s != 0.0).unwrap_or(rest.len());
                    self.position += zeros as u64;
                    rest = rest.get(zeros..).unwrap_or_default();
                    if rest.is_empty() {
                        break;
                    }
                    self.awake.insert(Awake::at(self.position, &self.settings))
                }
            };
            // Up to the next frame's border of this stretch, where it may fall asleep.
            let into = ((self.position - awake.first) % FRAME as u64) as usize;
            let (now, later) = rest.split_at((FRAME - into).min(rest.len()));
            rest = later;
            self.position += now.len() as u64;
            let trailing = now.iter().rev().take_while(|&&s| s == 0.0).count();
            awake.zeros = if trailing == now.len() { awake.zeros + trailing as u64 } else { trailing as u64 };
            ended.extend(awake.segmenter.push(now).iter().map(|r| awake.range(r)));
            let border = (self.position - awake.first).is_multiple_of(FRAME as u64);
            if border && awake.zeros >= DIGITAL_SILENCE && awake.segmenter.speaking_from().is_none() {
                self.awake = None;
            }
        }
        ended
    }

    /// Ends the stream; gives the utterance that was under way.
    pub fn finish(self) -> Option<Range<u64>> {
        let mut awake = self.awake?;
        let segmenter = std::mem::replace(&mut awake.segmenter, Segmenter::new(self.settings));
        let range = awake.range(&segmenter.finish()?);
        Some(range.start..range.end.min(self.position))
    }

    /// The first sample of the utterance under way, if somebody speaks.
    pub fn speaking_from(&self) -> Option<u64> {
        let awake = self.awake.as_ref()?;
        Some(awake.in_stream(awake.segmenter.speaking_from()?))
    }

    /// The earliest sample that an utterance yet to come may hold: what lies before can be forgotten.
    pub fn needed_from(&self) -> u64 {
        self.awake.as_ref().map_or(self.position, |awake| awake.in_stream(awake.segmenter.needed_from()))
    }

    /// Samples taken so far.
    pub fn position(&self) -> u64 {
        self.position
    }
}

/// All utterances of a clip (mono, 16 kHz), as sample ranges in order, none overlapping.
pub fn segment(clip: &[f32], settings: &SegmentSettings) -> Vec<Range<usize>> {
    let mut stream = SpeechStream::new(settings.clone());
    let mut found = stream.push(clip);
    found.extend(stream.finish());
    found.into_iter().map(|r| r.start as usize..(r.end as usize).min(clip.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::detector::DetectorKind;
    use super::*;

    /// Noise bursts (start, end) in samples within `length` samples of exact zeros.
    fn bursts(length: usize, loud: &[(usize, usize)]) -> Vec<f32> {
        let mut state = 1u32;
        (0..length)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
                if loud.iter().any(|&(a, b)| (a..b).contains(&i)) { 0.4 * noise + 0.01 } else { 0.0 }
            })
            .collect()
    }

    fn energy() -> SegmentSettings {
        SegmentSettings { detector: DetectorKind::Energy, ..Default::default() }
    }

    #[test]
    fn a_recording_gives_the_same_utterances_wherever_it_is_played_into_silence() {
        for settings in [energy(), SegmentSettings::default()] {
            let clip = bursts(90_000, &[(700, 20_000), (50_111, 60_003)]);
            let alone = segment(&clip, &settings);
            if settings.detector == DetectorKind::Energy {
                assert_eq!(alone.len(), 2, "{alone:?}");
            }
            for before in [1, 100, 255, 256, 5_003, 40_001] {
                let mut stream = SpeechStream::new(settings.clone());
                // An earlier sound, so that the stream has been awake before.
                let mut played = bursts(40_000, &[(10, 3_300)]);
                played.extend(vec![0.0; before]);
                let offset = played.len();
                played.extend(&clip);
                played.extend(vec![0.0; 20_000]);
                let mut found: Vec<_> = played.chunks(977).flat_map(|c| stream.push(c)).collect();
                found.retain(|r| r.start >= offset as u64);
                let found: Vec<_> = found.iter().map(|r| r.start as usize - offset..r.end as usize - offset).collect();
                assert_eq!(found, alone, "played after {before} zeros");
            }
        }
    }

    #[test]
    fn block_borders_do_not_matter_even_around_the_limit_of_silence() {
        for gap in [15_743, 15_744, 15_999, 16_000, 16_001, 16_255, 16_256, 16_257] {
            let clip = bursts(80_000, &[(300, 9_000), (9_000 + gap, 30_000 + gap)]);
            let whole = segment(&clip, &energy());
            assert_eq!(whole.len(), 2);
            for block in [1, 37, 256, 1_000] {
                let mut stream = SpeechStream::new(energy());
                let mut found: Vec<_> = clip.chunks(block).flat_map(|c| stream.push(c)).collect();
                found.extend(stream.finish());
                let found: Vec<_> = found.iter().map(|r| r.start as usize..r.end as usize).collect();
                assert_eq!(found, whole, "gap {gap}, block {block}");
            }
        }
    }

    #[test]
    fn nothing_before_needed_from_is_asked_for_later() {
        let clip = bursts(120_000, &[(5_000, 20_000), (31_000, 45_000), (90_000, 110_000)]);
        let mut stream = SpeechStream::new(energy());
        let mut needed = 0;
        for chunk in clip.chunks(333) {
            for range in stream.push(chunk) {
                assert!(range.start >= needed, "{range:?} starts before {needed}");
            }
            assert!(stream.needed_from() >= needed && stream.needed_from() <= stream.position());
            needed = stream.needed_from();
        }
    }
}
