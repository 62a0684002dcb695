//! How a language model is run, and whether this machine can run it so.

use std::thread::available_parallelism;

use super::gguf::LlamaShape;
use super::raw;
use crate::{ModelError, Result};

/// Memory that the cache and the compute buffers may take at most, whatever the machine has.
const MAX_WORKING_BYTES: u64 = 64 << 30;

/// Settings of a loaded language model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlamaSettings {
    /// Threads of one computation, 1 to the number of cores. llama.cpp's threads spin while they wait for each other,
    /// so never more than the cores that are really free.
    pub n_threads: usize,
    /// Positions (audio rows + prompt + generated tokens, or transcript tokens) that fit, at most what the model was
    /// trained for. The cache is allocated at once for all of them.
    pub n_ctx: usize,
    /// Rows that one call computes together, 1 to `n_ctx`; longer inputs are cut.
    pub n_batch: usize,
    /// Blocks to put on a GPU; an error where there is none. 0 uses the CPU alone.
    pub gpu_layers: u32,
    /// Element type of the cache of keys and values.
    pub cache: CachePrecision,
}

/// Element type of the cache of keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CachePrecision {
    /// Exact: 1 MiB per position of a 7B model.
    F32,
    /// Half of it; states change in the fourth digit.
    F16,
}

impl Default for LlamaSettings {
    fn default() -> Self {
        Self { n_threads: cores(), n_ctx: 1024, n_batch: 512, gpu_layers: 0, cache: CachePrecision::F32 }
    }
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

impl LlamaSettings {
    /// Checked against the model and the machine, before anything is allocated.
    pub(super) fn check(&self, shape: &LlamaShape) -> Result<()> {
        range("n_threads", self.n_threads, cores(), "the number of cores")?;
        range("n_ctx", self.n_ctx, shape.context_length, "the model's context length")?;
        range("n_batch", self.n_batch, self.n_ctx, "n_ctx")?;
        if self.gpu_layers > 0 && raw::gpu_devices().is_empty() {
            return Err(refused(
                "gpu_layers",
                format!(
                    "{} blocks are to run on a GPU, but llama.cpp finds no GPU; set it to 0 or build with a GPU backend",
                    self.gpu_layers
                ),
            ));
        }
        let needed = self.working_bytes(shape);
        let (limit, whose) = match available_memory() {
            Some(free) if free < MAX_WORKING_BYTES && self.gpu_layers == 0 => (free, "are available"),
            _ => (MAX_WORKING_BYTES, "are allowed"),
        };
        if needed > limit {
            let mib = |bytes: u64| bytes >> 20;
            return Err(refused(
                "n_ctx",
                format!(
                    "{} positions and batches of {} need {} MiB for cache and buffers, {} MiB {whose}; use a smaller \
                     n_ctx, n_batch, or an f16 cache",
                    self.n_ctx,
                    self.n_batch,
                    mib(needed),
                    mib(limit)
                ),
            ));
        }
        Ok(())
    }

    /// Cache, attention scores, logits and hidden states of one batch; llama.cpp rounds `n_ctx` up to 256.
    fn working_bytes(&self, shape: &LlamaShape) -> u64 {
        let positions = self.n_ctx.next_multiple_of(256) as u64;
        let element = match self.cache {
            CachePrecision::F32 => 4,
            CachePrecision::F16 => 2,
        };
        let cache = positions.saturating_mul(shape.cache_elements_per_position() as u64 * element);
        let rows = self.n_batch.min(512) as u64;
        let scores = positions.saturating_mul(rows * shape.head_count as u64 * 4);
        let outputs = (self.n_batch as u64 + rows).saturating_mul(shape.vocab_size as u64 * 4);
        let states = rows * (shape.feed_forward_length + 8 * shape.embedding_length) as u64 * 4;
        [scores, outputs, states].into_iter().fold(cache, u64::saturating_add)
    }
}

fn range(name: &str, value: usize, limit: usize, whose: &str) -> Result<()> {
    if (1..=limit).contains(&value) {
        return Ok(());
    }
    Err(refused(name, format!("{value}, expected 1 to {limit} ({whose})")))
}

fn refused(name: &str, reason: String) -> ModelError {
    ModelError::Config { what: format!("language model setting {name}"), reason }
}

/// Memory that can be allocated without swapping, where the system tells.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}
