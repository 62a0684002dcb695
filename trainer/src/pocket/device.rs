//! The last bundle on the clips of the test split, as a device scores them, beside what the trainer predicted.
//!
//! The trainer's fusion network saw rows of the float encoders; the device goes from the files through byte encoders and
//! the eight-bit language model. What lies between both is the price of all that.

use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use mien_models::bundle::Bundle;
use mien_runtime::RuntimeError;
use mien_runtime::clip::{ClipRequest, TextRequest, score_clip};
use mien_runtime::rung::Rung;
use mien_runtime::scorer::{Scorer, ScorerSettings};
use mien_runtime::transcript::Transcript;

use super::bundles::LAST;
use super::clips::{Clip, Clips, ErrorRate};
use super::fusing::{LLM_CONTEXT, MOST_THREADS, Step};
use crate::data::Split;
use crate::evaluate::{Mode, Saved, saved};
use crate::{Result, TrainerError};

/// What the device is given.
const MODES: [Mode; 3] = [Mode::COMPLETE, Mode::TEXT_MISSING, Mode::NO_LLM];
/// Largest difference between the device's and the trainer's mean absolute error that is accepted.
pub const TOLERANCE: f64 = 0.02;

/// A mode, measured both ways.
#[derive(Clone, Debug, PartialEq)]
pub struct Both {
    /// What was given.
    pub mode: Mode,
    /// Mean absolute error of the device's scores.
    pub device: f64,
    /// Mean absolute error of the trainer's predictions.
    pub trainer: f64,
    /// Mean distance of a clip's score from its prediction, and the largest.
    pub apart: [f64; 2],
}

/// What the device made of the test split.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// Clips.
    pub clips: usize,
    /// By mode.
    pub modes: Vec<Both>,
    /// Words of the simulated transcripts against what was said.
    pub simulated: ErrorRate,
}

impl Checked {
    /// The mode in which device and trainer lie farthest apart.
    pub fn worst(&self) -> Option<&Both> {
        let apart = |both: &&Both| (both.device - both.trainer).abs();
        self.modes.iter().max_by(|a, b| apart(a).total_cmp(&apart(b)))
    }
}

/// A clip's scores in the order of [`MODES`], and what the language model wrote.
struct Scored {
    id: String,
    valences: [f64; MODES.len()],
    words: ErrorRate,
}

/// Scores the test split of the corpus in `folder` with the last bundle in `out` and holds the scores against the evaluation
/// in `evaluation`; `threads` clips are scored at a time. `tell` hears of the progress.
///
/// # Errors
/// Runtime for a bundle or clips that cannot be used; Pocket for a changed corpus and for an evaluation of other clips; Io.
pub fn check(
    folder: &Path,
    out: &Path,
    evaluation: &Path,
    threads: usize,
    tell: &(dyn Fn(Step) + Sync),
) -> Result<Checked> {
    let predicted = saved(evaluation)?;
    let clips = Clips::open(folder)?;
    let clips = clips.of(Split::Test);
    let bundle = Bundle::open(&out.join(LAST)).map_err(RuntimeError::Bundle)?;
    let (total, done) = (clips.len(), AtomicUsize::new(0));
    let stretch = total.div_ceil(threads.clamp(1, MOST_THREADS)).max(1);
    let score = |clips: &[&Clip]| {
        let settings =
            ScorerSettings { threads: 1, llm_threads: 1, llm_context: LLM_CONTEXT, gpu_layers: 0, rung: Rung::Full };
        let mut scorer = Scorer::open(&bundle, &settings)?;
        let mut scored = Vec::with_capacity(clips.len());
        for clip in clips {
            scored.push(score(&mut scorer, clip)?);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            tell(Step { what: "scored", done, total });
        }
        Ok::<_, TrainerError>(scored)
    };
    let scored = std::thread::scope(|scope| {
        let working: Vec<_> = clips.chunks(stretch).map(|clips| scope.spawn(move || score(clips))).collect();
        let ended = working.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        ended.collect::<Result<Vec<Vec<Scored>>>>()
    })?;
    let scored: Vec<Scored> = scored.into_iter().flatten().collect();
    let mut simulated = ErrorRate::default();
    scored.iter().for_each(|clip| simulated.join(clip.words));
    let both = |(place, mode): (usize, Mode)| both(mode, place, &scored, &predicted, evaluation);
    Ok(Checked { clips: total, modes: MODES.into_iter().enumerate().map(both).collect::<Result<_>>()?, simulated })
}

fn score(scorer: &mut Scorer, clip: &Clip) -> Result<Scored> {
    let texts =
        [TextRequest::Given(Transcript::Whole(clip.transcript.clone())), TextRequest::Simulate, TextRequest::Absent];
    let (mut valences, mut words) = ([0.0; MODES.len()], ErrorRate::default());
    for (text, valence) in texts.iter().zip(&mut valences) {
        let request = ClipRequest { path: &clip.path, face: None, text, whole: true, timing: false, first_seq: 0 };
        let record = score_clip(scorer, &request)?.into_iter().next();
        let score = record.as_ref().and_then(|record| record.valence);
        *valence = f64::from(score.ok_or_else(|| TrainerError::Pocket {
            path: clip.path.clone(),
            reason: "the device gives it no score; make the corpus anew".into(),
        })?);
        if *text == TextRequest::Simulate {
            let written = record.and_then(|record| record.transcript).unwrap_or_default();
            words.add_texts(&clip.transcript, &written);
        }
    }
    Ok(Scored { id: clip.id.clone(), valences, words })
}

/// Scores and predictions of `mode`.
fn both(mode: Mode, place: usize, scored: &[Scored], predicted: &Saved, evaluation: &Path) -> Result<Both> {
    let refuse = |reason: String| TrainerError::Pocket { path: evaluation.to_owned(), reason };
    let clips = predicted
        .get(&mode.to_string())
        .ok_or_else(|| refuse(format!("mode {mode} is not in it; run `mien-train pocket bundle` again")))?;
    let (mut device, mut trainer, mut apart) = (0.0, 0.0, [0f64; 2]);
    for clip in scored {
        let (label, prediction) = clips.get(&clip.id).ok_or_else(|| {
            refuse(format!("the clip {} is not in it; run `mien-train pocket bundle` again", clip.id))
        })?;
        let score = clip.valences.get(place).copied().unwrap_or(f64::NAN);
        let share = 1.0 / scored.len() as f64;
        device += share * (score - label).abs();
        trainer += share * (prediction - label).abs();
        let distance = (score - prediction).abs();
        apart = [apart[0] + share * distance, apart[1].max(distance)];
    }
    Ok(Both { mode, device, trainer, apart })
}
