//! Hysteresis, pre-roll and hang-over: from frame scores to utterances.

use std::ops::Range;

use super::detector::{DetectorKind, FRAME, SpeechDetector};

/// Samples per second everywhere behind the resampler.
const RATE: f64 = 16_000.0;

/// When speech starts, when it ends, and how much around it belongs to the utterance.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentSettings {
    /// Which detector listens.
    pub detector: DetectorKind,
    /// Score at or above which speech starts.
    pub enter: f32,
    /// Score below which a frame counts as silence while speech goes on.
    pub leave: f32,
    /// Silence after which an utterance is over, seconds. Longer than the pause between two words.
    pub hang_over_s: f64,
    /// Sound before the first speech frame that belongs to the utterance, seconds.
    pub pre_roll_s: f64,
    /// Sound after the last speech frame that belongs to the utterance, seconds.
    pub post_roll_s: f64,
    /// Shorter speech is a click, seconds.
    pub shortest_s: f64,
    /// Longer speech is cut, seconds: WavLM's attention memory grows with the square.
    pub longest_s: f64,
    /// Time in which a fresh detector's scores mean nothing, seconds.
    pub settle_s: f64,
}

impl Default for SegmentSettings {
    fn default() -> Self {
        Self {
            detector: DetectorKind::Network,
            enter: 0.5,
            leave: 0.35,
            hang_over_s: 0.5,
            pre_roll_s: 0.2,
            post_roll_s: 0.2,
            shortest_s: 0.2,
            longest_s: 30.0,
            settle_s: 0.15,
        }
    }
}

/// The segmenter of one stream. Feed samples in blocks of any size; the blocks' borders do not matter.
pub struct Segmenter {
    settings: SegmentSettings,
    detector: SpeechDetector,
    pending: Vec<f32>,
    /// Frames scored so far.
    frames: u64,
    /// Nothing before this sample may join an utterance: the end of the one before.
    free_from: u64,
    speech: Option<Speech>,
}

/// Speech under way, in frames.
struct Speech {
    first: u64,
    last: u64,
    spoken: u64,
}

impl Segmenter {
    /// A segmenter at the start of a stream.
    pub fn new(settings: SegmentSettings) -> Self {
        let detector = SpeechDetector::new(settings.detector);
        Self { settings, detector, pending: Vec::with_capacity(FRAME), frames: 0, free_from: 0, speech: None }
    }

    /// Takes `samples` (mono, 16 kHz, [-1, 1]) and gives the utterances that ended in them, as sample ranges counted
    /// from the stream's start.
    pub fn push(&mut self, samples: &[f32]) -> Vec<Range<u64>> {
        let mut ended = Vec::new();
        let mut rest = samples;
        while !rest.is_empty() {
            let take = (FRAME - self.pending.len()).min(rest.len());
            let (now, later) = rest.split_at(take);
            self.pending.extend_from_slice(now);
            rest = later;
            if let Ok(frame) = <[f32; FRAME]>::try_from(self.pending.as_slice()) {
                self.pending.clear();
                ended.extend(self.frame(&frame));
            }
        }
        ended
    }

    /// Ends the stream; gives the utterance that was under way.
    pub fn finish(mut self) -> Option<Range<u64>> {
        let end = self.frames * FRAME as u64 + self.pending.len() as u64;
        let mut last = None;
        if !self.pending.is_empty() {
            let mut frame = [0.0; FRAME];
            frame[..self.pending.len()].copy_from_slice(&self.pending);
            last = self.frame(&frame);
        }
        let last = last.or_else(|| self.speech.take().and_then(|s| self.utterance(&s)));
        last.map(|range| range.start..range.end.min(end))
    }

    /// The first sample of the utterance under way, if somebody speaks.
    pub fn speaking_from(&self) -> Option<u64> {
        self.speech.as_ref().map(|speech| self.start(speech))
    }

    /// The earliest sample that an utterance yet to come may hold.
    pub fn needed_from(&self) -> u64 {
        let next = Speech { first: self.frames, last: self.frames, spoken: 0 };
        self.start(self.speech.as_ref().unwrap_or(&next))
    }

    fn start(&self, speech: &Speech) -> u64 {
        (speech.first * FRAME as u64).saturating_sub(samples(self.settings.pre_roll_s)).max(self.free_from)
    }

    fn frame(&mut self, frame: &[f32; FRAME]) -> Option<Range<u64>> {
        let score = self.detector.score(frame);
        let index = self.frames;
        self.frames += 1;
        if index < frames(self.settings.settle_s) {
            return None;
        }
        match &mut self.speech {
            None => {
                if score >= self.settings.enter {
                    self.speech = Some(Speech { first: index, last: index, spoken: 1 });
                }
                None
            }
            Some(speech) => {
                if score >= self.settings.leave {
                    speech.last = index;
                    speech.spoken += 1;
                }
                let silent = index - speech.last >= frames(self.settings.hang_over_s);
                let long =
                    index + 1 - speech.first >= frames(self.settings.longest_s - self.settings.pre_roll_s).max(1);
                if !(silent || long) {
                    return None;
                }
                let ended = self.speech.take();
                ended.and_then(|s| self.utterance(&s))
            }
        }
    }

    fn utterance(&mut self, speech: &Speech) -> Option<Range<u64>> {
        if speech.spoken < frames(self.settings.shortest_s) {
            return None;
        }
        let start = self.start(speech);
        let heard = self.frames * FRAME as u64;
        let end = ((speech.last + 1) * FRAME as u64 + samples(self.settings.post_roll_s)).min(heard);
        let end = end.min(start + samples(self.settings.longest_s));
        self.free_from = end;
        Some(start..end)
    }
}

fn samples(seconds: f64) -> u64 {
    (seconds.max(0.0) * RATE).round() as u64
}

fn frames(seconds: f64) -> u64 {
    samples(seconds) / FRAME as u64
}

#[cfg(test)]
mod tests {
    use super::super::stream::segment;
    use super::*;

    /// Tone bursts (start, end) in seconds over silence.
    fn bursts(length_s: f64, tones: &[(f64, f64)]) -> Vec<f32> {
        (0..(length_s * RATE) as usize)
            .map(|i| {
                let t = i as f64 / RATE;
                let on = tones.iter().any(|&(a, b)| (a..b).contains(&t));
                // A quiet room, not digital silence: that would start a stretch of its own.
                if on { (0.3 * (t * 2764.6).sin()) as f32 } else { 1e-6 }
            })
            .collect()
    }

    fn energy() -> SegmentSettings {
        SegmentSettings { detector: DetectorKind::Energy, ..Default::default() }
    }

    #[test]
    fn bursts_become_utterances_with_pre_roll_and_post_roll() {
        let clip = bursts(6.0, &[(1.0, 2.0), (2.3, 2.8), (4.0, 4.6)]);
        let found = segment(&clip, &energy());
        // The pause of 0.3 s is inside an utterance, that of 1.2 s between two.
        assert_eq!(found.len(), 2, "{found:?}");
        let near = |sample: usize, second: f64| (sample as f64 / RATE - second).abs() < 2.0 * FRAME as f64 / RATE;
        assert!(near(found[0].start, 0.8) && near(found[0].end, 3.0), "{found:?}");
        assert!(near(found[1].start, 3.8) && near(found[1].end, 4.8), "{found:?}");
    }

    #[test]
    fn block_borders_do_not_matter() {
        let clip = bursts(5.0, &[(0.5, 1.5), (2.5, 2.9), (4.7, 5.0)]);
        let whole = segment(&clip, &energy());
        assert_eq!(whole.len(), 3);
        for block in [1, 37, 256, 1000, 16_000] {
            let mut segmenter = Segmenter::new(energy());
            let mut found: Vec<_> = clip.chunks(block).flat_map(|c| segmenter.push(c)).collect();
            found.extend(segmenter.finish());
            let found: Vec<_> = found.iter().map(|r| r.start as usize..r.end as usize).collect();
            assert_eq!(found, whole, "block of {block}");
        }
    }

    #[test]
    fn long_speech_is_cut_without_overlap_or_gap() {
        let settings = SegmentSettings { longest_s: 2.0, ..energy() };
        let found = segment(&bursts(9.0, &[(0.5, 8.5)]), &settings);
        assert!(found.len() >= 4, "{found:?}");
        assert!(found.iter().all(|r| r.len() <= 32_000), "{found:?}");
        for pair in found.windows(2) {
            assert!(pair[1].start >= pair[0].end, "{found:?}");
            assert!(pair[1].start - pair[0].end < 2 * FRAME, "{found:?}");
        }
    }

    #[test]
    fn silence_clicks_and_empty_clips_are_no_utterance() {
        assert!(segment(&[], &energy()).is_empty());
        assert!(segment(&[0.5; 10], &energy()).is_empty());
        assert!(segment(&bursts(3.0, &[]), &energy()).is_empty());
        assert!(segment(&bursts(3.0, &[(1.0, 1.05)]), &energy()).is_empty());
        assert!(segment(&bursts(3.0, &[]), &SegmentSettings::default()).is_empty());
    }
}
