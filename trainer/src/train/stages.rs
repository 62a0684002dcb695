//! What each network before the fusion learns by.

use mien_models::tensor::NamedTensors;

use super::stage::{Loss, Stage};
use crate::Result;
use crate::networks::objective::{ctc, next_token};
use crate::networks::{Llama, Manet, Norms, Parameters, Projector, Prompted, Recogniser, prompted};

/// A language model learns the next token of sentences.
pub struct LlamaStage {
    /// What learns.
    pub llama: Llama,
    /// What fills up shorter sentences; any token does.
    pub padding: u32,
}

impl Stage for LlamaStage {
    /// Sentences as tokens, begin-of-sequence first, end-of-text last, of at least two tokens.
    type Batch = Vec<Vec<u32>>;

    fn name(&self) -> &'static str {
        "llama"
    }

    fn parameters(&self) -> &Parameters {
        self.llama.parameters()
    }

    fn replace(&mut self, parameters: Parameters) {
        self.llama = self.llama.clone().with_parameters(parameters);
    }

    fn loss(&self, batch: &Self::Batch) -> Result<Loss> {
        // The last token of a sentence is followed by nothing.
        let longest = batch.iter().map(|sentence| sentence.len().saturating_sub(1)).max().unwrap_or(0);
        let (mut tokens, mut targets) = (Vec::new(), Vec::new());
        for sentence in batch {
            let asked = sentence.get(..sentence.len().saturating_sub(1)).unwrap_or_default();
            let filled = longest - asked.len();
            tokens.extend(asked.iter().copied().chain(std::iter::repeat_n(self.padding, filled)));
            targets.extend(sentence.iter().skip(1).map(|&token| Some(token)));
            targets.extend(std::iter::repeat_n(None, filled));
        }
        let states = self.llama.states(self.llama.embed(&tokens)?, batch.len())?;
        next_token(self.llama.logits(states.last)?, &targets).map(Loss::from)
    }
}

/// Clips with what is said in them.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoken {
    /// Waveforms of 320 T + 80 samples, as `mien_models::wavlm::waveform::prepare` makes them.
    pub waveforms: Vec<Vec<f32>>,
    /// Labels of each, from 1 on.
    pub targets: Vec<Vec<u32>>,
}

/// WavLM learns to recognise what is said.
pub struct RecogniserStage {
    /// What learns.
    pub recogniser: Recogniser,
}

impl RecogniserStage {
    /// WavLM's tensors without the scores' map.
    ///
    /// # Errors
    /// [`crate::TrainerError::Engine`].
    pub fn wavlm(&self) -> Result<NamedTensors> {
        self.recogniser.wavlm_tensors()
    }
}

impl Stage for RecogniserStage {
    type Batch = Spoken;

    fn name(&self) -> &'static str {
        "wavlm"
    }

    fn parameters(&self) -> &Parameters {
        self.recogniser.parameters()
    }

    fn replace(&mut self, parameters: Parameters) {
        self.recogniser = self.recogniser.clone().with_parameters(parameters);
    }

    fn loss(&self, batch: &Self::Batch) -> Result<Loss> {
        let (scores, frames) = self.recogniser.scores(&batch.waveforms)?;
        ctc(scores, &frames, &batch.targets).map(Loss::from)
    }
}

/// Faces with their classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Faces {
    /// [N, 3, 224, 224], row-major, RGB in [0, 1].
    pub pixels: Vec<f32>,
    /// Class of each.
    pub classes: Vec<u32>,
}

/// MA-Net learns the classes of faces, by the mean of what its two branches lose.
pub struct ManetStage {
    /// What learns.
    pub manet: Manet,
}

impl Stage for ManetStage {
    type Batch = Faces;

    fn name(&self) -> &'static str {
        "manet"
    }

    fn parameters(&self) -> &Parameters {
        self.manet.parameters()
    }

    fn replace(&mut self, parameters: Parameters) {
        self.manet = self.manet.clone().with_parameters(parameters);
    }

    fn loss(&self, batch: &Self::Batch) -> Result<Loss> {
        let states = self.manet.states(&batch.pixels, Norms::Batch)?;
        let classes: Vec<Option<u32>> = batch.classes.iter().map(|&class| Some(class)).collect();
        let both = next_token(states.logits_1, &classes)? + next_token(states.logits_2, &classes)?;
        Ok(Loss { value: both.mul_scalar(0.5), running: states.running })
    }
}

/// A projector learns to let a language model that stays as it is write down what WavLM, as it is, has heard.
pub struct ProjectorStage {
    /// What learns.
    pub projector: Projector,
    /// Made with [`crate::networks::Mode::Frozen`].
    pub llama: Llama,
}

impl Stage for ProjectorStage {
    type Batch = Prompted;

    fn name(&self) -> &'static str {
        "projector"
    }

    fn parameters(&self) -> &Parameters {
        self.projector.parameters()
    }

    fn replace(&mut self, parameters: Parameters) {
        self.projector = self.projector.clone().with_parameters(parameters);
    }

    fn loss(&self, batch: &Self::Batch) -> Result<Loss> {
        prompted(&self.projector, &self.llama, batch).map(Loss::from)
    }
}
