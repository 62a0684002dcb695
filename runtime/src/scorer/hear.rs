//! Hearing: sound to audio rows, and to what the projector takes.

use mien_models::bundle::{Bundle, Role};
use mien_models::engine::OperatorTime;
use mien_models::wavlm::{Wavlm, WavlmFeatures, WavlmSession};

use crate::{Result, RuntimeError};

/// Turns sound into audio rows.
pub(crate) struct Ear {
    session: WavlmSession,
}

impl Ear {
    pub(super) fn open(bundle: &Bundle) -> Result<Self> {
        let manifest = bundle.manifest();
        let session = bundle
            .graph(Role::Wavlm)
            .and_then(|graph| Wavlm::load(graph, &manifest.wavlm, manifest.method.audio_layer))
            .and_then(|wavlm| wavlm.with_longest_seconds(manifest.audio.longest_utterance_s).session())
            .map_err(RuntimeError::Bundle)?;
        Ok(Self { session })
    }

    /// Audio rows and last layer of one utterance (mono, 16 kHz).
    pub(crate) fn hear(&mut self, samples: &[f32]) -> Result<WavlmFeatures> {
        self.session.run(samples).map_err(RuntimeError::stage("WavLM"))
    }

    /// Throws away everything that utterances left in the working memory.
    pub(crate) fn renew(&mut self) -> Result<()> {
        self.session.renew().map_err(RuntimeError::stage("WavLM"))
    }

    pub(super) fn profile(&mut self, samples: &[f32]) -> Result<Vec<OperatorTime>> {
        let (_, times) = self.session.run_profiled(samples).map_err(RuntimeError::stage("WavLM"))?;
        Ok(times)
    }
}
