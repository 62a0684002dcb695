//! Clips with what is said in them, each looked at before the first step: a training takes days.

use std::sync::atomic::{AtomicUsize, Ordering};

use mien_models::bundle::Sha256;
use mien_models::llama::Llama as OnDevice;
use mien_models::wavlm::WavlmConfig;
use rayon::prelude::*;

use super::STAGE;
use super::listed::{Listed, Named};
use crate::course::{Tell, Told};
use crate::data::Split;
use crate::{Result, TrainerError, sound};

/// Longest clip: what a device takes as one utterance.
const LONGEST_S: f64 = 30.0;
const RATE: f64 = 16_000.0;

/// A clip.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clip {
    named: Named,
    /// Tokens of what is said, end-of-text last.
    pub(super) tokens: Vec<u32>,
    /// Samples at 16 kHz.
    pub(super) length: usize,
}

impl Clip {
    /// What is said.
    pub(super) fn text(&self) -> &str {
        &self.named.text
    }

    /// Mono, 16 kHz.
    ///
    /// # Errors
    /// Runtime for a recording that cannot be read; Corpus for one without sound.
    pub(super) fn samples(&self) -> Result<Vec<f32>> {
        let path = &self.named.path;
        let none = || TrainerError::corpus(path.display().to_string(), "it has no sound; take it out of the list");
        sound::read(path)?.ok_or_else(none)
    }
}

/// The clips of a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spoken {
    pub(super) train: Vec<Clip>,
    pub(super) valid: Vec<Clip>,
    /// Of ids, transcripts and samples, in the list's order.
    pub(super) digest: Sha256,
}

/// What a clip must fit in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room<'a> {
    /// Sizes of what hears it.
    pub(super) wavlm: &'a WavlmConfig,
    /// Frames that become one row.
    pub(super) k: usize,
    /// Rows that the language model takes in all.
    pub(super) context: usize,
    /// Tokens of the prompt.
    pub(super) prompt: usize,
}

impl Spoken {
    /// Reads the sound of every clip that is listed; `llm` has the tokens.
    ///
    /// # Errors
    /// Corpus for a clip without sound, one that is too short or too long; Runtime for sound that cannot be read.
    pub(super) fn read(listed: Listed, llm: &OnDevice, room: Room<'_>, tell: Tell<'_>) -> Result<Self> {
        let Listed { list, clips } = listed;
        let refuse = |reason: String| TrainerError::corpus(list.display().to_string(), reason);
        let mut clips = clips
            .into_iter()
            .map(|named| {
                let tokens = tokens(llm, &named.text).map_err(|e| refuse(format!("the clip {}: {e}", named.id)))?;
                Ok(Clip { named, tokens, length: 0 })
            })
            .collect::<Result<Vec<Clip>>>()?;
        let (total, done) = (clips.len(), AtomicUsize::new(0));
        let look = |clip: &mut Clip| {
            let samples = clip.samples()?;
            clip.length = samples.len();
            room.fits(clip).map_err(|reason| refuse(format!("the clip {} {reason}", clip.named.id)))?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            tell(Told::Prepares { stage: STAGE, what: "clips read", done, total });
            Ok::<_, TrainerError>(Sha256::of(
                &samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>(),
            ))
        };
        let digests: Vec<Sha256> = clips.par_iter_mut().map(look).collect::<Result<_>>()?;
        let mut all = String::new();
        for (Clip { named, .. }, digest) in clips.iter().zip(digests) {
            all.push_str(&format!("{} {:?} {digest} {:?}\n", named.id, named.split, named.text));
        }
        let (train, valid) = clips.into_iter().partition(|clip| clip.named.split == Split::Train);
        Ok(Self { train, valid, digest: Sha256::of(all.as_bytes()) })
    }
}

impl Room<'_> {
    fn fits(&self, clip: &Clip) -> std::result::Result<(), String> {
        let seconds = clip.length as f64 / RATE;
        let frames = self.wavlm.frames(clip.length);
        if frames < self.k {
            let k = self.k;
            return Err(format!("has {seconds:.2} s of sound, {frames} frames, expected at least {k}; take it out"));
        }
        if seconds > LONGEST_S {
            return Err(format!(
                "has {seconds:.1} s of sound, expected at most {LONGEST_S:.0} s, which a device takes as one utterance; cut it"
            ));
        }
        let rows = frames / self.k + self.prompt + clip.tokens.len();
        if rows > self.context {
            return Err(format!(
                "needs {rows} rows for sound, prompt and transcript, the language model takes {}; cut it",
                self.context
            ));
        }
        Ok(())
    }
}

/// Tokens of `text` as the language model has them, end-of-text last.
fn tokens(llm: &OnDevice, text: &str) -> Result<Vec<u32>> {
    let tokens = llm.tokenize(text)?;
    // It puts begin-of-text in front, which stands before the prompt here.
    let own = tokens.iter().skip(1).chain([&llm.shape().eos]);
    Ok(own.map(|token| token.cast_unsigned()).collect())
}
