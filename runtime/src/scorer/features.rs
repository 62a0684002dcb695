//! Rows of one utterance before they are fused: what training takes.

use mien_models::tensor::Tensor;

use super::{Scorer, TextInput, Utterance};
use crate::Result;

/// What the networks before the fusion make of one utterance. A modality that is absent has no rows; a zero row that
/// the method puts in place of empty text (spec section 2.4, point 8) is a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// [T, width]: WavLM's rows of the bundle's audio layer, 50 a second; no rows without sound.
    pub audio: Tensor,
    /// [pictures with a face, width]: MA-Net's rows in the order of time.
    pub video: Tensor,
    /// [tokens, width]: hidden states of the transcript; no rows without a transcript or a language model.
    pub text: Tensor,
    /// [tokens, width]: hidden states while the language model writes from sound; no rows without sound or a language
    /// model.
    pub simulated: Tensor,
    /// What the language model wrote from sound.
    pub said: Option<String>,
    /// What a reader of the rows should know.
    pub notes: Vec<String>,
}

impl Scorer {
    /// The rows that [`Scorer::score`] would fuse, by the same code. Text is simulated whatever `utterance.text` says,
    /// where there are sound and a language model: training takes both flows of each utterance. Nothing is kept from
    /// the utterance before.
    ///
    /// # Errors
    /// As [`Scorer::score`].
    pub fn features(&mut self, utterance: &Utterance<'_>) -> Result<Features> {
        let heard = self.hear(utterance)?;
        let video = self.see(utterance)?;
        let given = match &utterance.text {
            TextInput::Real(_) => self.read(&utterance.text, None)?,
            TextInput::Simulate | TextInput::Absent => self.fuser.no_text(),
        };
        let simulated = self.read(&TextInput::Simulate, heard.as_ref())?;
        let audio = match heard {
            Some(heard) => heard.audio,
            None => Tensor::zeros([0, self.facts.manifest.fusion.audio]),
        };
        let notes = given.note.into_iter().chain(simulated.note).collect();
        Ok(Features { audio, video, text: given.rows, simulated: simulated.rows, said: simulated.transcript, notes })
    }
}
