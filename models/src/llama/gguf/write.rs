//! Writes a llama as a GGUF file from tensors under transformers' names.

use std::io::Write;
use std::path::Path;

use half::f16;

use super::element::{F16, F32};
use super::vocabulary::SpmVocabulary;
use crate::new_file::NewFile;
use crate::tensor::{NamedTensors, TensorSpec};
use crate::{ModelError, Result};

const ALIGNMENT: usize = 32;

/// Sizes of a llama to be written; the words are transformers'.
#[derive(Clone, Debug, PartialEq)]
pub struct LlamaConfig {
    /// Number of tokens.
    pub vocab_size: usize,
    /// Width of hidden states.
    pub hidden_size: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Key/value heads, a divisor of `heads`.
    pub kv_heads: usize,
    /// Added to the mean square before the root in every norm.
    pub rms_norm_eps: f32,
    /// Base of the rotary angles.
    pub rope_theta: f32,
    /// Longest sequence.
    pub context_length: usize,
}

/// Element type of matrices in a written file; norms are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Exact.
    F32,
    /// Half the size; weights are rounded.
    F16,
}

impl LlamaConfig {
    /// # Errors
    /// Config for sizes that no llama has.
    pub fn validate(&self) -> Result<()> {
        let refused = |reason: String| Err(ModelError::Config { what: "llama configuration".into(), reason });
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 20),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("intermediate_size", self.intermediate_size, 1 << 20),
            ("layers", self.layers, 512),
            ("heads", self.heads, 1 << 12),
            ("kv_heads", self.kv_heads, 1 << 12),
            ("context_length", self.context_length, 1 << 24),
        ];
        for (name, size, limit) in sizes {
            if !(1..=limit).contains(&size) {
                return refused(format!("{name} is {size}, expected 1 to {limit}"));
            }
        }
        if !self.hidden_size.is_multiple_of(2 * self.heads) || !self.heads.is_multiple_of(self.kv_heads) {
            return refused(format!(
                "hidden_size {} must be a multiple of twice heads {}, and heads a multiple of kv_heads {}",
                self.hidden_size, self.heads, self.kv_heads
            ));
        }
        let positive = |value: f32, limit: f32| value > 0.0 && value < limit;
        let numbers_fit = positive(self.rms_norm_eps, 1.0) && positive(self.rope_theta, 1e12);
        if !numbers_fit {
            return refused(format!(
                "rms_norm_eps {} and rope_theta {} must be positive and finite",
                self.rms_norm_eps, self.rope_theta
            ));
        }
        Ok(())
    }

    fn head_width(&self) -> usize {
        self.hidden_size / self.heads.max(1)
    }
}

/// How the rows of a matrix are ordered in the file.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Rows {
    AsTheyAre,
    /// Rotary partners next to each other instead of half a head apart, for this many heads.
    Rotary(usize),
}

/// A tensor of the file.
pub(super) struct Entry {
    pub(super) gguf: String,
    /// Under which transformers knows it.
    pub(super) name: String,
    /// Outermost axis first.
    pub(super) shape: Vec<usize>,
    pub(super) rows: Rows,
}

/// All tensors in the order of the file.
pub(super) fn entries(config: &LlamaConfig) -> Vec<Entry> {
    let (width, inner, vocabulary) = (config.hidden_size, config.intermediate_size, config.vocab_size);
    let kv = config.head_width() * config.kv_heads;
    let entry = |gguf: String, name: String, shape: &[usize], rows| Entry { gguf, name, shape: shape.to_vec(), rows };
    let plain = |gguf: &str, name: &str, shape: &[usize]| entry(gguf.into(), name.into(), shape, Rows::AsTheyAre);
    let mut all = vec![plain("token_embd.weight", "model.embed_tokens.weight", &[vocabulary, width])];
    for layer in 0..config.layers {
        let parts: [(&str, &str, &[usize], Rows); 9] = [
            ("attn_norm", "input_layernorm", &[width], Rows::AsTheyAre),
            ("attn_q", "self_attn.q_proj", &[width, width], Rows::Rotary(config.heads)),
            ("attn_k", "self_attn.k_proj", &[kv, width], Rows::Rotary(config.kv_heads)),
            ("attn_v", "self_attn.v_proj", &[kv, width], Rows::AsTheyAre),
            ("attn_output", "self_attn.o_proj", &[width, width], Rows::AsTheyAre),
            ("ffn_norm", "post_attention_layernorm", &[width], Rows::AsTheyAre),
            ("ffn_gate", "mlp.gate_proj", &[inner, width], Rows::AsTheyAre),
            ("ffn_up", "mlp.up_proj", &[inner, width], Rows::AsTheyAre),
            ("ffn_down", "mlp.down_proj", &[width, inner], Rows::AsTheyAre),
        ];
        all.extend(parts.into_iter().map(|(gguf, name, shape, rows)| {
            entry(format!("blk.{layer}.{gguf}.weight"), format!("model.layers.{layer}.{name}.weight"), shape, rows)
        }));
    }
    all.push(plain("output_norm.weight", "model.norm.weight", &[width]));
    all.push(plain("output.weight", "lm_head.weight", &[vocabulary, width]));
    all
}

/// The tensors of a llama under transformers' state-dict names; matrices are [out, in].
pub fn parameters(config: &LlamaConfig) -> Vec<TensorSpec> {
    entries(config).into_iter().map(|entry| TensorSpec::required(entry.name, entry.shape)).collect()
}

/// Writes a llama in f32. See [`write_gguf_as`].
///
/// # Errors
/// As [`write_gguf_as`].
pub fn write_gguf(
    path: &Path,
    config: &LlamaConfig,
    vocabulary: &SpmVocabulary,
    tensors: &NamedTensors,
    name: &str,
) -> Result<()> {
    write_gguf_as(path, config, vocabulary, tensors, name, Precision::F32)
}

/// Writes a llama as GGUF version 3. One tensor at a time is in memory, and the file appears under its name only when
/// it is whole.
///
/// `name` becomes `general.name`. Rows of the query and key matrices are reordered from transformers' rotary layout to
/// llama.cpp's.
///
/// # Errors
/// Config for sizes that do not fit together; what `tensors` raises for missing, misshapen or non-finite tensors;
/// NotFinite for a weight beyond f16 when f16 is asked for; Io.
pub fn write_gguf_as(
    path: &Path,
    config: &LlamaConfig,
    vocabulary: &SpmVocabulary,
    tensors: &NamedTensors,
    name: &str,
    precision: Precision,
) -> Result<()> {
    config.validate()?;
    if vocabulary.len() != config.vocab_size {
        return Err(ModelError::Config {
            what: "llama configuration".into(),
            reason: format!("vocab_size is {}, the vocabulary has {} tokens", config.vocab_size, vocabulary.len()),
        });
    }
    let io = |e| ModelError::io(path, "write", e);
    let mut out = NewFile::create(path)?;
    let all = entries(config);
    out.write_all(&header(config, vocabulary, name, precision, &all)).map_err(io)?;
    for entry in &all {
        let values = tensors.get(&entry.name, &entry.shape)?;
        write_tensor(&mut out, &values, entry, precision, path)?;
    }
    out.publish()
}

fn element_of(shape: &[usize], precision: Precision) -> u32 {
    if shape.len() > 1 && precision == Precision::F16 { F16 } else { F32 }
}

fn bytes_of(shape: &[usize], precision: Precision) -> usize {
    shape.iter().product::<usize>() * if element_of(shape, precision) == F16 { 2 } else { 4 }
}

fn header(
    config: &LlamaConfig,
    vocabulary: &SpmVocabulary,
    name: &str,
    precision: Precision,
    entries: &[Entry],
) -> Vec<u8> {
    let head = config.head_width() as u32;
    let metadata: [(&str, Meta<'_>); 21] = [
        ("general.architecture", Meta::Text("llama")),
        ("general.name", Meta::Text(name)),
        ("general.file_type", Meta::U32(u32::from(precision == Precision::F16))),
        ("llama.context_length", Meta::U32(config.context_length as u32)),
        ("llama.embedding_length", Meta::U32(config.hidden_size as u32)),
        ("llama.block_count", Meta::U32(config.layers as u32)),
        ("llama.feed_forward_length", Meta::U32(config.intermediate_size as u32)),
        ("llama.attention.head_count", Meta::U32(config.heads as u32)),
        ("llama.attention.head_count_kv", Meta::U32(config.kv_heads as u32)),
        ("llama.attention.layer_norm_rms_epsilon", Meta::F32(config.rms_norm_eps)),
        ("llama.rope.dimension_count", Meta::U32(head)),
        ("llama.rope.freq_base", Meta::F32(config.rope_theta)),
        ("llama.vocab_size", Meta::U32(config.vocab_size as u32)),
        ("tokenizer.ggml.model", Meta::Text("llama")),
        ("tokenizer.ggml.tokens", Meta::Texts(&vocabulary.tokens)),
        ("tokenizer.ggml.scores", Meta::F32s(&vocabulary.scores)),
        ("tokenizer.ggml.token_type", Meta::I32s(&vocabulary.kinds)),
        ("tokenizer.ggml.bos_token_id", Meta::U32(SpmVocabulary::BOS as u32)),
        ("tokenizer.ggml.eos_token_id", Meta::U32(SpmVocabulary::EOS as u32)),
        ("tokenizer.ggml.unknown_token_id", Meta::U32(0)),
        ("tokenizer.ggml.add_bos_token", Meta::Bool(true)),
    ];
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend((entries.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in &metadata {
        put_text(&mut out, key);
        value.put(&mut out);
    }
    let mut offset = 0usize;
    for entry in entries {
        put_text(&mut out, &entry.gguf);
        out.extend((entry.shape.len() as u32).to_le_bytes());
        for &axis in entry.shape.iter().rev() {
            out.extend((axis as u64).to_le_bytes());
        }
        out.extend(element_of(&entry.shape, precision).to_le_bytes());
        out.extend((offset as u64).to_le_bytes());
        offset = (offset + bytes_of(&entry.shape, precision)).next_multiple_of(ALIGNMENT);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    out
}

/// A metadata value to be written.
enum Meta<'a> {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(&'a str),
    Texts(&'a [String]),
    F32s(&'a [f32]),
    I32s(&'a [i32]),
}

impl Meta<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        let mut array = |element: u32, len: usize| {
            out.extend(9u32.to_le_bytes());
            out.extend(element.to_le_bytes());
            out.extend((len as u64).to_le_bytes());
        };
        match self {
            Meta::U32(v) => {
                out.extend(4u32.to_le_bytes());
                out.extend(v.to_le_bytes());
            }
            Meta::F32(v) => {
                out.extend(6u32.to_le_bytes());
                out.extend(v.to_le_bytes());
            }
            Meta::Bool(v) => {
                out.extend(7u32.to_le_bytes());
                out.push(u8::from(*v));
            }
            Meta::Text(v) => {
                out.extend(8u32.to_le_bytes());
                put_text(out, v);
            }
            Meta::Texts(list) => {
                array(8, list.len());
                list.iter().for_each(|text| put_text(out, text));
            }
            Meta::F32s(list) => {
                array(6, list.len());
                out.extend(list.iter().flat_map(|v| v.to_le_bytes()));
            }
            Meta::I32s(list) => {
                array(5, list.len());
                out.extend(list.iter().flat_map(|v| v.to_le_bytes()));
            }
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn write_tensor(out: &mut impl Write, values: &[f32], entry: &Entry, precision: Precision, path: &Path) -> Result<()> {
    let io = |e| ModelError::io(path, "write", e);
    let width = entry.shape.last().copied().unwrap_or(1).max(1);
    let half = element_of(&entry.shape, precision) == F16;
    let mut bytes = Vec::with_capacity(width * 4);
    for (i, row) in ordered_rows(values, width, entry.rows).enumerate() {
        bytes.clear();
        if half {
            for (j, &value) in row.iter().enumerate() {
                let rounded = f16::from_f32(value);
                if !rounded.is_finite() {
                    return Err(ModelError::NotFinite {
                        origin: format!("{} as f16", path.display()),
                        what: entry.name.clone(),
                        index: i * width + j,
                        value,
                    });
                }
                bytes.extend(rounded.to_le_bytes());
            }
        } else {
            bytes.extend(row.iter().flat_map(|v| v.to_le_bytes()));
        }
        out.write_all(&bytes).map_err(io)?;
    }
    let size = bytes_of(&entry.shape, precision);
    out.write_all(&[0; ALIGNMENT][..size.next_multiple_of(ALIGNMENT) - size]).map_err(io)
}

/// Rows in the order of the file. transformers rotates element j of a head with element j + half, llama.cpp 2j with
/// 2j + 1; so within a head, new row 2j is old row j, and new row 2j + 1 is old row j + half.
fn ordered_rows(values: &[f32], width: usize, rows: Rows) -> impl Iterator<Item = &[f32]> {
    let count = values.len() / width;
    let head = match rows {
        Rows::AsTheyAre => None,
        Rows::Rotary(heads) => Some((count / heads.max(1)).max(2)),
    };
    (0..count).filter_map(move |new| {
        let old = head.map_or(new, |head| {
            let within = new % head;
            new - within + within / 2 + (within % 2) * (head / 2)
        });
        values.get(old * width..(old + 1) * width)
    })
}
