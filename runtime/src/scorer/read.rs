//! Reading: a transcript, or sound, to text rows.

use std::time::Duration;

use mien_models::ModelError;
use mien_models::bundle::{Bundle, Manifest, Role};
use mien_models::llama::{CancelHandle, Landing, LayerSet, Llama, LlamaRequirement, LlamaSettings};
use mien_models::projector::Projector;
use mien_models::tensor::Tensor;

use super::{ScorerSettings, TextInput};
use crate::mode::TextMode;
use crate::{Result, RuntimeError};

/// Rows computed together.
const BATCH: usize = 512;

/// Turns a transcript, or sound, into text rows.
pub(crate) struct Reader {
    llama: Llama,
    projector: Projector,
    text_layers: LayerSet,
    simulated_layers: LayerSet,
    manifest: Manifest,
}

/// Text rows of one utterance.
pub(crate) struct Reading {
    /// [T, width].
    pub(crate) rows: Tensor,
    pub(crate) mode: TextMode,
    pub(crate) transcript: Option<String>,
    pub(crate) note: Option<String>,
}

impl Reading {
    /// No text: no rows; the fusion puts a zero row there.
    pub(crate) fn absent(width: usize) -> Self {
        Self { rows: Tensor::zeros([0, width]), mode: TextMode::Absent, transcript: None, note: None }
    }
}

impl Reader {
    /// Loads the language model of a verified bundle, and the projector in front of it.
    ///
    /// # Errors
    /// As [`super::Networks::open`].
    pub(crate) fn open(bundle: &Bundle, settings: &ScorerSettings) -> Result<Self> {
        let manifest = bundle.manifest();
        let Some(llm) = &manifest.llm else {
            return Err(RuntimeError::Request {
                what: "language model".into(),
                reason: format!("bundle {} has none; leave it out with --no-llm, or use another bundle", manifest.name),
            });
        };
        let n_ctx = settings.llm_context.min(llm.context_length);
        let open = || {
            let file = bundle.file(Role::Llm)?;
            let llama_settings = LlamaSettings {
                n_threads: settings.llm_threads,
                n_ctx,
                n_batch: BATCH.min(n_ctx),
                gpu_layers: settings.gpu_layers,
                ..Default::default()
            };
            let requirement = LlamaRequirement { embedding_length: manifest.fusion.text, ..llm.requirement() };
            let llama = Llama::load(file, &requirement, &llama_settings)?;
            let layers = llama.layers();
            Ok(Self {
                text_layers: LayerSet::of(manifest.method.text_layers.iter().copied(), layers)?,
                simulated_layers: LayerSet::of(manifest.method.simulated_layers.iter().copied(), layers)?,
                llama,
                projector: Projector::load(bundle.graph(Role::Projector)?, &manifest.projector)?,
                manifest: manifest.clone(),
            })
        };
        let reader: Self = open().map_err(|error| match error {
            error @ ModelError::Gpu { .. } => RuntimeError::Gpu(error),
            error => RuntimeError::Bundle(error),
        })?;
        reader.check_context(n_ctx)?;
        Ok(reader)
    }

    /// Where the language model's layers lie.
    pub(crate) fn landing(&self) -> &Landing {
        self.llama.landing()
    }

    /// Ends a simulation under way from another thread.
    pub(crate) fn cancel_handle(&self) -> CancelHandle {
        self.llama.cancel_handle()
    }

    /// Throws away everything that utterances left in the working memory.
    pub(crate) fn renew(&mut self) -> Result<()> {
        self.llama.forget();
        self.projector.renew().map_err(RuntimeError::stage("projector"))
    }

    /// A context that holds short utterances only would fail on the first long one, perhaps months later.
    fn check_context(&self, n_ctx: usize) -> Result<()> {
        let m = &self.manifest;
        let frames = m.wavlm.frames((m.audio.longest_utterance_s * f64::from(m.audio.sample_rate)) as usize);
        // A prompt that does not even fit by itself has at most one token for each byte, and the one in front.
        let prompt = self.llama.tokenize(&m.method.prompt).map_or(m.method.prompt.len() + 1, |tokens| tokens.len());
        let needed = (frames / m.projector.k).saturating_add(prompt).saturating_add(m.method.max_new_tokens);
        if needed <= n_ctx {
            return Ok(());
        }
        Err(RuntimeError::Request {
            what: "language model's context".into(),
            reason: format!(
                "{n_ctx} tokens, expected at least {needed} for an utterance of {} s; raise --llm-context",
                m.audio.longest_utterance_s
            ),
        })
    }

    /// Text rows for `text`; `last` is WavLM's last layer, if there is sound.
    pub(crate) fn read(&mut self, text: &TextInput, last: Option<&Tensor>) -> Result<Reading> {
        match (text, last) {
            (TextInput::Real(transcript), _) => self.real(transcript),
            (TextInput::Simulate, Some(last)) => self.simulated(last),
            (TextInput::Simulate, None) | (TextInput::Absent, _) => Ok(Reading::absent(self.manifest.fusion.text)),
        }
    }

    /// Milliseconds for a text of `prompt` tokens, and for `generated` ones behind it; with the states read that the method
    /// reads, or with `states` false none.
    pub(crate) fn time(&mut self, prompt: usize, generated: usize, states: bool) -> Result<[f64; 2]> {
        let read = |layers| states.then_some(layers);
        let text = self.llama.time_text(prompt, read(&self.text_layers));
        let generation = self.llama.time_generation(prompt, generated, read(&self.simulated_layers));
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let both = text.and_then(|text| Ok([ms(text), ms(generation?)]));
        both.map_err(RuntimeError::stage("language model"))
    }

    fn real(&mut self, transcript: &str) -> Result<Reading> {
        let rows =
            self.llama.real_text(transcript, &self.text_layers, self.manifest.method.keep_bos).map_err(
                |e| match e {
                    // Too long a text is the giver's to mend, not a fault of the model.
                    ModelError::Llama { reason, .. } => {
                        RuntimeError::Transcript { origin: "of the clip".into(), reason }
                    }
                    source => RuntimeError::Stage { stage: "language model", source },
                },
            )?;
        let note = transcript.trim().is_empty().then(|| "empty transcript: one zero row stands for the text".into());
        Ok(Reading { rows, mode: TextMode::Real, transcript: Some(transcript.into()), note })
    }

    fn simulated(&mut self, last: &Tensor) -> Result<Reading> {
        let method = &self.manifest.method;
        let rows = self.projector.run(last).map_err(RuntimeError::stage("projector"))?;
        let simulated = self
            .llama
            .simulate(&rows, &method.prompt, &self.simulated_layers, method.max_new_tokens)
            .map_err(RuntimeError::stage("language model"))?;
        Ok(Reading {
            rows: simulated.states,
            mode: TextMode::Simulated,
            transcript: Some(simulated.transcript),
            note: simulated.warning.map(|w| w.to_string()),
        })
    }
}
