//! Memory that the networks of a bundle need, as its manifest says it.

use serde::{Deserialize, Serialize};

use super::entry::{FileEntry, Role};
use super::manifest::{LlmSection, Manifest};
use crate::wavlm::WavlmConfig;

/// Memory besides networks and sound: the program, its threads, pictures, and what the allocator keeps for later.
const PROGRAM_BYTES: u64 = 160 << 20;
/// Arrays as long as the output of WavLM's first convolution that are there at a time: its own, and half of one from each
/// side of the next convolution.
const WAVEFORM_ARRAYS: u64 = 2;
/// Samples between two frames of WavLM's first convolution.
const FIRST_STRIDE: u64 = 5;
/// A graph of standard operators is there as its file has it and packed for the processor.
const STANDARD: u64 = 2;
/// Positions that a language model's context has at first.
const POSITIONS: u64 = 1024;
/// Rows that a language model computes together.
const ROWS: u64 = 512;
/// Bytes of a number in the cache and in the buffers of a language model.
const NUMBER: u64 = 4;

/// Memory in bytes that a device needs for the networks, a longest utterance included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemorySection {
    /// For voice alone: WavLM and the fusion. None in manifests from before there was this key;
    /// [`Manifest::audio_only_bytes`] then has an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_only: Option<u64>,
    /// Without the language model.
    pub without_llm: u64,
    /// With it; none in a bundle without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_llm: Option<u64>,
}

impl MemorySection {
    /// An estimate for a bundle of these `files`, the language model's among them where there is `llm`.
    ///
    /// WavLM and MA-Net compute with the weights as their files have them; projector and fusion are graphs of standard
    /// operators. On the bundle of `cargo xtask true-size`, `mien bench --rung RUNG --seconds 30` has a peak of 1580 MiB for
    /// voice alone and of 1792 MiB with faces, where this gives 1771 and 1965 MiB.
    #[must_use]
    pub fn of(files: &[FileEntry], wavlm: &WavlmConfig, longest_utterance_s: f64, llm: Option<&LlmSection>) -> Self {
        let sum = |roles: &[Role]| -> u64 {
            files.iter().filter(|file| roles.contains(&file.role)).map(|file| file.bytes).sum()
        };
        let audio_only = sum(&[Role::Wavlm, Role::WavlmWeights])
            .saturating_add(STANDARD * sum(&[Role::Fusion, Role::FusionWeights]))
            .saturating_add(working_bytes(wavlm, longest_utterance_s));
        let without_llm = audio_only.saturating_add(sum(&[Role::Manet, Role::ManetWeights, Role::FaceDetector]));
        let with_llm = llm.map(|llm| {
            without_llm
                .saturating_add(STANDARD * sum(&[Role::Projector, Role::ProjectorWeights]))
                .saturating_add(sum(&[Role::Llm]))
                .saturating_add(llm.context_bytes(POSITIONS))
                .saturating_add(llm.buffer_bytes())
        });
        Self { audio_only: Some(audio_only), without_llm, with_llm }
    }

    /// The same with another fusion network, whose files have `written` bytes in place of `replaced`.
    #[must_use]
    pub fn with_fusion(self, replaced: u64, written: u64) -> Self {
        let resized =
            |bytes: u64| bytes.saturating_sub(STANDARD * replaced).saturating_add(STANDARD.saturating_mul(written));
        Self {
            audio_only: self.audio_only.map(resized),
            without_llm: resized(self.without_llm),
            with_llm: self.with_llm.map(resized),
        }
    }

    /// Memory in bytes with the language model `llm` whose context has `positions`; none where the section says none.
    #[must_use]
    pub fn with_context(&self, llm: &LlmSection, positions: usize) -> Option<u64> {
        let usual = llm.context_bytes(POSITIONS);
        let wanted = llm.context_bytes(positions.min(llm.context_length) as u64);
        Some(self.with_llm?.saturating_add(wanted.saturating_sub(usual)))
    }
}

impl LlmSection {
    /// Keys and values of `positions`, if every head has its own; llama.cpp rounds up to 256.
    fn context_bytes(&self, positions: u64) -> u64 {
        let numbers = 2u64.saturating_mul(self.block_count as u64).saturating_mul(self.embedding_length as u64);
        positions.next_multiple_of(256).saturating_mul(numbers).saturating_mul(NUMBER)
    }

    /// Logits of two batches, scores of attention with heads of 64, and hidden states of a batch.
    fn buffer_bytes(&self) -> u64 {
        let (width, vocabulary) = (self.embedding_length as u64, self.vocab_size as u64);
        let logits = (2 * ROWS).saturating_mul(vocabulary);
        let scores = (POSITIONS * ROWS).saturating_mul(width.div_ceil(64));
        let states = ROWS.saturating_mul(width.saturating_mul(12));
        logits.saturating_add(scores).saturating_add(states).saturating_mul(NUMBER)
    }
}

impl Manifest {
    /// Main memory in bytes with the language model, whose context has `positions` and of whose layers `gpu_layers`, counted
    /// from its end, lie on a card with memory of its own; none in a bundle without one. Layers and what is left of them, the
    /// tokens' embedding, count as equally large.
    #[must_use]
    pub fn full_bytes(&self, positions: usize, gpu_layers: u32) -> Option<u64> {
        let llm = self.llm.as_ref()?;
        let whole = self.memory.with_context(llm, positions)?;
        let file = self.files.iter().filter(|file| file.role == Role::Llm).map(|file| file.bytes);
        let cache = llm.context_bytes(positions.min(llm.context_length) as u64);
        let layers = llm.block_count as u64 + 1;
        let there = layers.min(u64::from(gpu_layers));
        let moved = (file.fold(0, u64::saturating_add) / (layers + 1)).saturating_mul(there)
            + (cache / layers).saturating_mul(there);
        Some(whole.saturating_sub(moved).max(self.memory.without_llm))
    }

    /// Memory in bytes for voice alone. Where the manifest does not say it, an estimate from the files' sizes, with each
    /// network there twice: such bundles may have graphs of standard operators throughout.
    #[must_use]
    pub fn audio_only_bytes(&self) -> u64 {
        self.memory.audio_only.unwrap_or_else(|| {
            let roles = [Role::Wavlm, Role::WavlmWeights, Role::Fusion, Role::FusionWeights];
            let files = self.files.iter().filter(|file| roles.contains(&file.role)).map(|file| file.bytes);
            let files = files.fold(0, u64::saturating_add).saturating_mul(STANDARD);
            let working = working_bytes(&self.wavlm, self.audio.longest_utterance_s);
            // It is a part of what is needed without the language model.
            files.saturating_add(working).min(self.memory.without_llm)
        })
    }
}

/// Memory besides weights: the program, and what WavLM makes of a longest utterance on its way.
fn working_bytes(wavlm: &WavlmConfig, longest_utterance_s: f64) -> u64 {
    let samples = (longest_utterance_s.max(0.0) * 16_000.0) as u64;
    let array = (samples / FIRST_STRIDE).saturating_mul(wavlm.conv_channels as u64).saturating_mul(4);
    PROGRAM_BYTES.saturating_add(WAVEFORM_ARRAYS.saturating_mul(array))
}
