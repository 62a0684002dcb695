//! Whether a GGUF file is the llama that is needed (spec checkpoint.md section 5).
//!
//! llama.cpp aborts the process on some inconsistent files and runs others with silently different numbers. So the
//! file is held against a closed list: every `llama.*` key that is allowed, with type and value; every tensor. What is
//! not on the list is refused.

use super::header::{GgufHeader, MetaValue};
use super::parts::Place;
use super::{tensors, tokenizer};
use crate::{ModelError, Result};

/// llama.cpp's LLAMA_MAX_LAYERS: it aborts above.
const MAX_BLOCKS: u32 = 512;

/// What a language model must be, beyond being a consistent llama.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlamaRequirement {
    /// Width of hidden states and of the audio rows that the projector makes. llama.cpp reads rows of this width from
    /// memory without a check, so another width is refused.
    pub embedding_length: usize,
    /// Number of transformer blocks, where layer indices have been fixed for one number.
    pub block_count: Option<usize>,
    /// Number of tokens.
    pub vocab_size: Option<usize>,
    /// Whether to hold the file against the published Vicuna-7B v1.5: BOS 1, EOS 2, and a warning for each value that
    /// is not the published one.
    pub vicuna_7b: bool,
}

impl LlamaRequirement {
    /// Any consistent llama whose hidden states have `embedding_length` elements.
    pub fn width(embedding_length: usize) -> Self {
        Self { embedding_length, block_count: None, vocab_size: None, vicuna_7b: false }
    }

    /// Vicuna-7B v1.5 (spec checkpoint.md section 5).
    pub fn vicuna_7b() -> Self {
        Self { embedding_length: 4096, block_count: Some(32), vocab_size: Some(32_000), vicuna_7b: true }
    }
}

/// Sizes of a checked llama.
#[derive(Clone, Debug, PartialEq)]
pub struct LlamaShape {
    /// Width of hidden states.
    pub embedding_length: usize,
    /// Number of transformer blocks.
    pub block_count: usize,
    /// Attention heads.
    pub head_count: usize,
    /// Key/value heads.
    pub head_count_kv: usize,
    /// Width inside the feed-forward part.
    pub feed_forward_length: usize,
    /// Number of tokens.
    pub vocab_size: usize,
    /// Longest sequence the model was trained for.
    pub context_length: usize,
    /// Beginning-of-text token.
    pub bos: i32,
    /// End-of-text token.
    pub eos: i32,
    /// Longest token in bytes.
    pub longest_token: usize,
}

impl LlamaShape {
    /// Elements that the cache of keys and values holds for one position.
    pub fn cache_elements_per_position(&self) -> usize {
        2 * self.block_count * self.head_count_kv * (self.embedding_length / self.head_count.max(1))
    }
}

/// A file that may be given to llama.cpp.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedLlama {
    /// Its sizes.
    pub shape: LlamaShape,
    /// Added to the mean square before the root in every norm.
    pub rms_norm_eps: f32,
    /// Base of the rotary angles.
    pub rope_theta: f32,
    /// Differences that change features without breaking anything, each a sentence for the log.
    pub warnings: Vec<String>,
}

impl GgufHeader {
    /// Holds the header against `requirement`.
    ///
    /// # Errors
    /// [`ModelError::Gguf`] with key, expected and found, for anything that would abort llama.cpp, that would make it
    /// compute something other than a plain llama, or that `requirement` excludes.
    pub fn check(&self, requirement: &LlamaRequirement) -> Result<CheckedLlama> {
        let mut warnings = Vec::new();
        let fields = Fields { header: self };
        fields.architecture()?;
        fields.closed_list()?;
        let width = fields.size("llama.embedding_length", 1..=1 << 16)?;
        fields.equal("llama.embedding_length", Some(requirement.embedding_length), width)?;
        let blocks = fields.size("llama.block_count", 1..=MAX_BLOCKS)?;
        fields.equal("llama.block_count", requirement.block_count, blocks)?;
        let heads = fields.size("llama.attention.head_count", 1..=1 << 12)?;
        let kv_heads = fields.optional_size("llama.attention.head_count_kv", 1..=1 << 12)?.unwrap_or(heads);
        fields.divides("llama.attention.head_count", heads, "llama.embedding_length", width)?;
        fields.divides("llama.attention.head_count_kv", kv_heads, "llama.attention.head_count", heads)?;
        let head = width / heads;
        if head % 2 != 0 {
            return Err(fields.refuse("llama.attention.head_count", "an even head width", format!("width {head}")));
        }
        for key in ["llama.rope.dimension_count", "llama.attention.key_length", "llama.attention.value_length"] {
            if let Some(found) = fields.optional_size(key, 1..=1 << 16)? {
                fields.equal(key, Some(head), found)?;
            }
        }
        let feed_forward = fields.size("llama.feed_forward_length", 1..=1 << 20)?;
        let context = fields.size("llama.context_length", 1..=1 << 24)?;
        let eps = fields.positive("llama.attention.layer_norm_rms_epsilon", Some(1.0))?;
        let rope_base = fields.positive("llama.rope.freq_base", Some(1e12));
        let rope_base = if self.get("llama.rope.freq_base").is_some() { rope_base? } else { 10_000.0 };
        fields.unscaled_positions()?;
        fields.plain_values()?;

        let tokens = tokenizer::check(self, &fields, &mut warnings)?;
        if let Some(found) = fields.optional_size("llama.vocab_size", 1..=1 << 20)? {
            fields.equal("llama.vocab_size", Some(tokens.len), found)?;
        }
        fields.equal("tokenizer.ggml.tokens (number of tokens)", requirement.vocab_size, tokens.len)?;
        let shape = LlamaShape {
            embedding_length: width,
            block_count: blocks,
            head_count: heads,
            head_count_kv: kv_heads,
            feed_forward_length: feed_forward,
            vocab_size: tokens.len,
            context_length: context,
            bos: tokens.bos,
            eos: tokens.eos,
            longest_token: tokens.longest,
        };
        tensors::check(&fields, self.tensors(), &shape)?;
        if requirement.vicuna_7b {
            fields.equal("tokenizer.ggml.bos_token_id", Some(1), tokens.bos as usize)?;
            fields.equal("tokenizer.ggml.eos_token_id", Some(2), tokens.eos as usize)?;
            self.compare_with_vicuna(&shape, eps, rope_base, &mut warnings);
        }
        Ok(CheckedLlama { shape, rms_norm_eps: eps, rope_theta: rope_base, warnings })
    }

    fn compare_with_vicuna(&self, shape: &LlamaShape, eps: f32, rope_base: f32, warnings: &mut Vec<String>) {
        let mut differ = |key: &str, expected: f64, found: f64| {
            if (expected - found).abs() > expected * 1e-6 {
                warnings.push(format!(
                    "{}: {key} is {found}, Vicuna-7B v1.5 has {expected}: text features will differ",
                    self.path.display()
                ));
            }
        };
        differ("llama.attention.head_count", 32.0, shape.head_count as f64);
        differ("llama.attention.head_count_kv", 32.0, shape.head_count_kv as f64);
        differ("llama.feed_forward_length", 11_008.0, shape.feed_forward_length as f64);
        differ("llama.context_length", 4096.0, shape.context_length as f64);
        differ("llama.attention.layer_norm_rms_epsilon", 1e-5, f64::from(eps));
        differ("llama.rope.freq_base", 10_000.0, f64::from(rope_base));
        let name = match self.get("general.name") {
            Some(MetaValue::String(name)) => name.as_str(),
            _ => "",
        };
        if !name.to_lowercase().contains("vicuna") {
            warnings.push(format!(
                "{}: general.name is {:?}, expected a name with \"vicuna\": LLaMA-2-7B has the same shapes, check \
                 where the file comes from",
                self.path.display(),
                name.chars().take(80).collect::<String>()
            ));
        }
    }
}

/// Typed access to metadata with refusals that name the key.
pub(super) struct Fields<'a> {
    pub(super) header: &'a GgufHeader,
}

impl Fields<'_> {
    pub(super) fn refuse(&self, key: &str, expected: impl Into<String>, found: impl Into<String>) -> ModelError {
        ModelError::Gguf {
            path: self.header.path.clone(),
            key: key.into(),
            expected: expected.into(),
            found: found.into(),
            fix: "use the GGUF file that this bundle was made for",
        }
    }

    pub(super) fn found(&self, key: &str) -> String {
        self.header.get(key).map_or_else(|| "absent".into(), MetaValue::brief)
    }

    fn architecture(&self) -> Result<()> {
        match self.header.get("general.architecture") {
            Some(MetaValue::String(name)) if name == "llama" => Ok(()),
            _ => Err(self.refuse("general.architecture", "\"llama\"", self.found("general.architecture"))),
        }
    }

    /// Refuses `llama.*` keys that are not known to leave a plain llama a plain llama, and a part of a model.
    fn closed_list(&self) -> Result<()> {
        const KNOWN: [&str; 21] = [
            "llama.attention.causal",
            "llama.attention.head_count",
            "llama.attention.head_count_kv",
            "llama.attention.key_length",
            "llama.attention.layer_norm_rms_epsilon",
            "llama.attention.value_length",
            "llama.block_count",
            "llama.context_length",
            "llama.embedding_length",
            "llama.expert_count",
            "llama.expert_used_count",
            "llama.feed_forward_length",
            "llama.rope.dimension_count",
            "llama.rope.freq_base",
            "llama.rope.scale_linear",
            "llama.rope.scaling.factor",
            "llama.rope.scaling.finetuned",
            "llama.rope.scaling.original_context_length",
            "llama.rope.scaling.type",
            "llama.tensor_data_layout",
            "llama.vocab_size",
        ];
        for key in self.header.metadata.keys() {
            if key.starts_with("llama.") && !KNOWN.contains(&key.as_str()) {
                return Err(self.refuse(key, "no such key in a plain llama", self.found(key)));
            }
        }
        if let Some(place) = Place::of(self.header)? {
            return Err(self.refuse("split.count", "a whole model", place.advice(self.header.path())));
        }
        Ok(())
    }

    fn u32(&self, key: &str) -> Result<Option<u32>> {
        match self.header.get(key) {
            None => Ok(None),
            Some(MetaValue::U32(n)) => Ok(Some(*n)),
            Some(_) => Err(self.refuse(key, "one number of type U32", self.found(key))),
        }
    }

    pub(super) fn optional_size(&self, key: &str, range: std::ops::RangeInclusive<u32>) -> Result<Option<usize>> {
        match self.u32(key)? {
            Some(n) if !range.contains(&n) => {
                Err(self.refuse(key, format!("{} to {}", range.start(), range.end()), n.to_string()))
            }
            n => Ok(n.map(|n| n as usize)),
        }
    }

    fn size(&self, key: &str, range: std::ops::RangeInclusive<u32>) -> Result<usize> {
        let expected = format!("{} to {}", range.start(), range.end());
        self.optional_size(key, range)?.ok_or_else(|| self.refuse(key, expected, "absent"))
    }

    fn equal(&self, key: &str, expected: Option<usize>, found: usize) -> Result<()> {
        match expected {
            Some(n) if n != found => Err(self.refuse(key, n.to_string(), found.to_string())),
            _ => Ok(()),
        }
    }

    fn divides(&self, key: &str, divisor: usize, of: &str, number: usize) -> Result<()> {
        if number.is_multiple_of(divisor) {
            Ok(())
        } else {
            Err(self.refuse(key, format!("a divisor of {of} = {number}"), divisor.to_string()))
        }
    }

    /// A finite number above 0, below `limit`.
    fn positive(&self, key: &str, limit: Option<f32>) -> Result<f32> {
        match self.header.get(key) {
            Some(MetaValue::F32(v)) if v.is_finite() && *v > 0.0 && limit.is_none_or(|limit| *v < limit) => Ok(*v),
            _ => Err(self.refuse(key, "a finite positive F32 of usual size", self.found(key))),
        }
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.header.get(key) {
            None => Ok(None),
            Some(MetaValue::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.refuse(key, "true or false", self.found(key))),
        }
    }

    /// Stretched rotary positions are another model.
    fn unscaled_positions(&self) -> Result<()> {
        match self.header.get("llama.rope.scaling.type") {
            None => {}
            Some(MetaValue::String(kind)) if kind == "none" || kind == "linear" => {}
            Some(_) => {
                let found = self.found("llama.rope.scaling.type");
                return Err(self.refuse("llama.rope.scaling.type", "absent, \"none\" or \"linear\"", found));
            }
        }
        for key in ["llama.rope.scaling.factor", "llama.rope.scale_linear"] {
            match self.header.get(key) {
                None => {}
                Some(MetaValue::F32(v)) if *v == 1.0 => {}
                Some(_) => return Err(self.refuse(key, "1 (unscaled positions)", self.found(key))),
            }
        }
        self.u32("llama.rope.scaling.original_context_length")?;
        self.flag("llama.rope.scaling.finetuned")?;
        Ok(())
    }

    /// Keys that must hold the one value a plain llama has, and types on which llama.cpp insists.
    fn plain_values(&self) -> Result<()> {
        for key in ["llama.expert_count", "llama.expert_used_count"] {
            if let Some(n @ 1..) = self.u32(key)? {
                return Err(self.refuse(key, "0 (no mixture of experts)", n.to_string()));
            }
        }
        if self.flag("llama.attention.causal")? == Some(false) {
            return Err(self.refuse("llama.attention.causal", "true", "false"));
        }
        for key in ["general.file_type", "general.quantization_version"] {
            self.u32(key)?;
        }
        match self.header.get("general.name") {
            None | Some(MetaValue::String(_)) => Ok(()),
            Some(_) => Err(self.refuse("general.name", "a string", self.found("general.name"))),
        }
    }
}
