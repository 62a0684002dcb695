//! What the stages show of themselves; written and read in passing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use heapless::Deque;

use super::view::{LatencyView, LevelView, PictureView, ScoreView};
use crate::record::Record;
use crate::spread::Spread;

/// Scores shown; overflow: the oldest is forgotten.
const SCORES: usize = 64;
/// Latencies that percentiles are taken over; overflow: the oldest is forgotten.
const LATENCIES: usize = 256;

/// The last state of each stage.
pub(crate) struct Board(Mutex<State>);

struct State {
    level: LevelView,
    speaking: bool,
    picture: Option<PictureView>,
    scores: Deque<ScoreView, SCORES>,
    latencies: [Deque<f64, LATENCIES>; 2],
}

/// The parts of a view that stages write.
pub(crate) struct Shown {
    pub(crate) level: LevelView,
    pub(crate) speaking: bool,
    pub(crate) picture: Option<PictureView>,
    pub(crate) scores: Vec<ScoreView>,
    pub(crate) first_ms: LatencyView,
    pub(crate) revised_ms: LatencyView,
}

const SILENT: LevelView = LevelView { rms_dbfs: -120.0, peak_dbfs: -120.0, clipping: false, dead: false };

impl Board {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            level: SILENT,
            speaking: false,
            picture: None,
            scores: Deque::new(),
            latencies: [Deque::new(), Deque::new()],
        }))
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sound(&self, level: LevelView, speaking: bool) {
        let mut state = self.locked();
        state.level = level;
        state.speaking = speaking;
    }

    pub(crate) fn no_sound(&self) {
        self.sound(SILENT, false);
    }

    pub(crate) fn picture(&self, picture: PictureView) {
        self.locked().picture = Some(picture);
    }

    pub(crate) fn no_picture(&self) {
        self.locked().picture = None;
    }

    /// A record that goes out.
    pub(crate) fn record(&self, record: &Record) {
        let (Some(live), Some(valence), Some(mode)) = (&record.live, record.valence, record.mode) else { return };
        let score = ScoreView {
            utterance: live.utterance,
            start_s: record.start_s,
            end_s: record.end_s,
            revision: record.revision,
            valence,
            mode: mode.to_string(),
        };
        let mut state = self.locked();
        if state.scores.is_full() {
            state.scores.pop_front();
        }
        let _ = state.scores.push_back(score);
        let since = record.latency_ms.and_then(|l| l.since_end);
        let index = usize::from(record.revision.saturating_sub(1));
        if let (Some(since), Some(latencies)) = (since, state.latencies.get_mut(index)) {
            if latencies.is_full() {
                latencies.pop_front();
            }
            let _ = latencies.push_back(since);
        }
    }

    pub(crate) fn shown(&self) -> Shown {
        let state = self.locked();
        let [first, revised] = &state.latencies;
        Shown {
            level: state.level,
            speaking: state.speaking,
            picture: state.picture,
            scores: state.scores.iter().cloned().collect(),
            first_ms: percentiles(first),
            revised_ms: percentiles(revised),
        }
    }
}

fn percentiles(values: &Deque<f64, LATENCIES>) -> LatencyView {
    let values: Vec<f64> = values.iter().copied().collect();
    Spread::of(&values).map_or_else(LatencyView::default, |s| LatencyView {
        p50: s.median_ms,
        p90: s.p90_ms,
        p99: s.p99_ms,
        count: s.runs,
    })
}
