//! A synthetic corpus with planted structure: what the method claims to use is there, and nobody's data is needed.
//!
//! A clip begins with a number that is felt. Three raters give it whole grades; their mean is the label, a multiple of
//! 1/3 in [-3, 3], mostly positive as MOSEI's are. The number shows in four ways:
//!
//! - **Text**: most words say it, each with an error of its own. Words of one grade resemble each other and the grades
//!   have unrelated directions, so the order of grades is in the labels and not in the rows. Strongest.
//! - **Simulated text**: what a recogniser makes of the words. In din it loses some, takes some for others and hears all of
//!   them more negative than they were said; its rows do not tell so. Besides, they take in traits of the speaker's voice
//!   and a manner that differs from clip to clip for no reason.
//! - **Audio and face**: some rows, which a mark tells, show what is felt, each with a large error of the whole clip.
//!   Weak; but din and the voice's traits are heard.
//!
//! So simulated text can be repaired from audio (imagination), the flow with real text knows what in simulated text is
//! words and what is manner (distillation), both flows mean the same (alignment), and grades have an order
//! (rank-N-contrast). Subjects, voices and faces are a speaker's own and mean nothing; no speaker is in two splits.
//! Lengths are log-normal.
//!
//! Everything is a function of the seed and of the numbers of clips.

mod latent;
mod rows;

use std::collections::BTreeMap;

use super::corpus::{Clip, Corpus, Modality};
use super::npy::{Extent, Matrix};
use super::source::Split;
use crate::{Result, TrainerError};

use latent::Latent;
use rows::Signals;

/// Most clips of a split.
pub const MOST_CLIPS: usize = 1_000_000;

/// What a planted corpus depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedSettings {
    /// Everything that is drawn.
    pub seed: u64,
    /// Clips of train, valid and test.
    pub clips: [usize; 3],
}

impl Default for PlantedSettings {
    fn default() -> Self {
        Self { seed: 1, clips: [600, 600, 200] }
    }
}

/// A planted corpus; rows are made when they are asked for.
#[derive(Debug)]
pub struct PlantedCorpus {
    settings: PlantedSettings,
    clips: [Vec<Clip>; 3],
    latents: [Vec<Latent>; 3],
    signals: Signals,
}

impl PlantedCorpus {
    /// The corpus of `settings`.
    ///
    /// # Errors
    /// Setting for a split without clips or with more than [`MOST_CLIPS`].
    pub fn new(settings: PlantedSettings) -> Result<Self> {
        if let Some(clips) = settings.clips.iter().find(|n| !(1..=MOST_CLIPS).contains(*n)) {
            let reason = format!("expected 1 to {MOST_CLIPS} for each of train, valid and test, found {clips}");
            return Err(TrainerError::setting("clips", reason));
        }
        let mut speaker = 0;
        let [train, valid, test] = settings.clips.map(|count| {
            let (clips, next) = latent::clips(settings.seed, speaker, count);
            speaker = next;
            clips.into_iter().unzip()
        });
        Ok(Self {
            settings,
            clips: [train.0, valid.0, test.0],
            latents: [train.1, valid.1, test.1],
            signals: Signals::new(settings.seed),
        })
    }

    fn latent(&self, split: Split, clip: usize) -> Option<&Latent> {
        let [train, valid, test] = &self.latents;
        match split {
            Split::Train => train,
            Split::Valid => valid,
            Split::Test => test,
        }
        .get(clip)
    }
}

impl Corpus for PlantedCorpus {
    fn origin(&self) -> String {
        format!("planted corpus (synthetic), seed {}", self.settings.seed)
    }

    fn clips(&self, split: Split) -> &[Clip] {
        let [train, valid, test] = &self.clips;
        match split {
            Split::Train => train,
            Split::Valid => valid,
            Split::Test => test,
        }
    }

    fn modalities(&self) -> BTreeMap<Modality, String> {
        Modality::ALL.map(|modality| (modality, format!("planted {modality}"))).into()
    }

    fn extent(&self, split: Split, clip: usize, modality: Modality) -> Result<Option<Extent>> {
        Ok(self.latent(split, clip).map(|latent| Signals::extent(latent, modality)))
    }

    fn rows(&self, split: Split, clip: usize, modality: Modality) -> Result<Matrix> {
        let none = || TrainerError::corpus(self.origin(), format!("there is no clip number {clip}"));
        Ok(self.signals.rows(self.latent(split, clip).ok_or_else(none)?, modality))
    }

    fn remarks(&self) -> Vec<String> {
        vec!["synthetic: rows and labels are drawn; what is measured on them says nothing about people".into()]
    }
}
