//! A llama of formula weights, and what transformers makes of it.

use mien_models::llama::{
    LayerSet, Llama, LlamaConfig, LlamaRequirement, LlamaSettings, Simulated, SpmVocabulary, Stop, parameters,
    write_gguf,
};
use mien_models::tensor::{NamedTensors, Tensor};
use mien_tests::{number, relative_difference};
use tempfile::TempDir;

/// End of text in the vocabulary that the test writes; the reference goes on after it.
const EOS: i32 = 2;

/// A golden file with the model that it is of.
pub(crate) struct Case<'a> {
    golden: &'a NamedTensors,
    config: LlamaConfig,
    folder: TempDir,
}

/// What a model makes of a golden file's inputs.
pub(crate) struct Made {
    /// By the golden file's names, row-major.
    pub(crate) states: Vec<(String, Vec<f32>)>,
    /// The text simulated from the golden file's audio rows, with its states.
    pub(crate) text: Simulated,
}

impl<'a> Case<'a> {
    /// Writes the model that `golden` is of.
    pub(crate) fn of(golden: &'a NamedTensors) -> Self {
        let config = LlamaConfig {
            vocab_size: number(golden, "vocab"),
            hidden_size: number(golden, "d"),
            intermediate_size: number(golden, "ff"),
            layers: number(golden, "layers"),
            heads: number(golden, "heads"),
            kv_heads: number(golden, "heads"),
            rms_norm_eps: number(golden, "eps"),
            rope_theta: number(golden, "theta"),
            context_length: 512,
        };
        let folder = tempfile::tempdir().unwrap();
        let tensors = NamedTensors::formula(number(golden, "seed"), &parameters(&config));
        let vocabulary = SpmVocabulary::tiny(config.vocab_size).unwrap();
        write_gguf(&folder.path().join("llama.gguf"), &config, &vocabulary, &tensors, "formula llama").unwrap();
        Self { golden, config, folder }
    }

    /// Loads the model with the last `gpu_layers` of its layers on a GPU.
    pub(crate) fn load(&self, gpu_layers: u32) -> mien_models::Result<Llama> {
        let settings = LlamaSettings { n_threads: 1, n_ctx: 256, n_batch: 64, gpu_layers, ..Default::default() };
        let requirement = LlamaRequirement {
            block_count: Some(self.config.layers),
            ..LlamaRequirement::width(self.config.hidden_size)
        };
        Llama::load(&self.folder.path().join("llama.gguf"), &requirement, &settings)
    }

    /// Runs `model` on the golden file's inputs.
    pub(crate) fn make(&self, model: &mut Llama) -> Made {
        let Self { golden, config, .. } = self;
        let tokens = ids(golden, "tokens.ids");
        let mut states = Vec::new();
        let mut keep = |name: String, layers: &LayerSet| {
            states.push((name, model.text_states(&tokens, layers).unwrap().data().to_vec()));
        };
        for k in config.layers - 3..=config.layers {
            keep(format!("tokens.h.{k}"), &LayerSet::single(k as i64, config.layers).unwrap());
        }
        keep("tokens.sum_last_four".into(), &LayerSet::last_four(config.layers).unwrap());

        let embeds = floats(golden, "audio.embeds");
        let audio = Tensor::new([embeds.len() / config.hidden_size, config.hidden_size], embeds).unwrap();
        let fourth = LayerSet::single(-4, config.layers).unwrap();
        // One token more, for the last one of a generation that ends at its limit has no row.
        let limit = ids(golden, "audio.generated_ids").len() + 1;
        let prompt = ids(golden, "audio.prompt_ids");
        let text = model.simulate_with_tokens(&audio, &prompt, &fourth, limit).unwrap();
        states.push(("audio.hidden".into(), text.states.data().to_vec()));
        Made { states, text }
    }

    /// Holds what was made against PyTorch: states within `tolerance` of the largest value, and the same text.
    pub(crate) fn hold(&self, what: &str, made: &Made, tolerance: f64) {
        let expected = ids(self.golden, "audio.generated_ids");
        let ended = expected.iter().position(|&id| id == EOS);
        assert_eq!(made.text.stopped, if ended.is_some() { Stop::EndOfText } else { Stop::Limit }, "{what}");
        let rows = ended.unwrap_or(expected.len());
        assert_eq!(made.text.tokens[..rows], expected[..rows], "{what}");
        for (name, found) in &made.states {
            let mut truth = floats(self.golden, name);
            if name == "audio.hidden" {
                truth.truncate(rows * self.config.hidden_size);
            }
            close(&format!("{what}: {name} against PyTorch"), found, &truth, tolerance);
        }
    }
}

/// Holds that `found` is within `tolerance` of the largest value of `expected`.
pub(crate) fn close(what: &str, found: &[f32], expected: &[f32], tolerance: f64) {
    let error = relative_difference(found, expected);
    println!("{what}: {error:.1e} of its largest value");
    assert!(error <= tolerance, "{what}: {error:e} of its largest value, expected at most {tolerance:e}");
}

fn floats(golden: &NamedTensors, name: &str) -> Vec<f32> {
    golden.get(name, golden.shape(name).unwrap()).unwrap().into_owned()
}

fn ids(golden: &NamedTensors, name: &str) -> Vec<i32> {
    let ids = golden.integers(name, golden.shape(name).unwrap()).unwrap();
    ids.into_iter().map(|id| id.try_into().unwrap()).collect()
}
