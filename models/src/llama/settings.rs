//! How a language model is run, and whether this machine can run it so.

use std::thread::available_parallelism;

use super::device::{GpuDevice, gpu_devices, no_gpu, used};
use super::gguf::{LlamaShape, TensorInfo};
use crate::memory::Available;
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
    /// Layers to put on GPUs, from the end of the model: the output layer counts as one, each block as one. As many as
    /// there are blocks and one more, or any greater number, means all. An error where they cannot be put there. 0 uses
    /// the CPU alone.
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
    pub(super) fn check(&self, shape: &LlamaShape, tensors: &[TensorInfo]) -> Result<()> {
        range("n_threads", self.n_threads, cores(), "the number of cores")?;
        range("n_ctx", self.n_ctx, shape.context_length, "the model's context length")?;
        range("n_batch", self.n_batch, self.n_ctx, "n_ctx")?;
        let mut host = self.working_bytes(shape).host;
        if self.gpu_layers > 0 {
            host = host.saturating_add(self.check_gpus(shape, tensors, &gpu_devices())?);
        }
        let (limit, whose) = match Available::now().map(|free| free.bytes) {
            Some(free) if free < MAX_WORKING_BYTES => (free, "are available"),
            _ => (MAX_WORKING_BYTES, "are allowed"),
        };
        if host > limit {
            return Err(refused(
                "n_ctx",
                format!(
                    "{} positions and batches of {} need {} MiB for cache and buffers, {} MiB {whose}; use a smaller \
                     n_ctx, n_batch, or an f16 cache",
                    self.n_ctx,
                    self.n_batch,
                    mib(host),
                    mib(limit)
                ),
            ));
        }
        Ok(())
    }

    /// Whether `devices` can take the layers; gives the bytes of it that integrated ones take of the processor's memory.
    fn check_gpus(&self, shape: &LlamaShape, tensors: &[TensorInfo], devices: &[GpuDevice]) -> Result<u64> {
        let asked = self.gpu_layers;
        let devices = used(devices);
        if devices.is_empty() {
            let (found, fix) = no_gpu();
            return Err(ModelError::Gpu { asked, found, fix });
        }
        let (weights, working) = (self.gpu_weights(shape, tensors), self.working_bytes(shape).gpu);
        let needed = weights.saturating_add(working);
        // Where one driver does not tell, only trying tells.
        if devices.iter().all(|device| device.total > 0) {
            let free = devices.iter().map(|device| device.free).fold(0, u64::saturating_add);
            if needed > free {
                let names: Vec<String> = devices.iter().map(ToString::to_string).collect();
                let found = format!(
                    "so many need {} MiB for weights and {} MiB for cache and buffers, found is {}",
                    mib(weights),
                    mib(working),
                    names.join(", ")
                );
                let fix = "use fewer gpu_layers or a smaller context, or end other programs that use the GPU".into();
                return Err(ModelError::Gpu { asked, found, fix });
            }
        }
        Ok(if devices.iter().all(|device| device.integrated) { needed } else { 0 })
    }

    /// Blocks on GPUs, and whether the output layer is there too.
    fn offloaded(&self, shape: &LlamaShape) -> (usize, bool) {
        let layers = (self.gpu_layers as usize).min(shape.block_count + 1);
        (layers.saturating_sub(1), layers > 0)
    }

    /// Weights of the layers on GPUs.
    fn gpu_weights(&self, shape: &LlamaShape, tensors: &[TensorInfo]) -> u64 {
        let (blocks, output) = self.offloaded(shape);
        let first = shape.block_count - blocks;
        // Where the output shares the embedding's weights, a GPU gets a copy of them.
        let own = tensors.iter().any(|tensor| tensor.name == "output.weight");
        let there = |name: &str| match name.strip_prefix("blk.").and_then(|rest| rest.split('.').next()) {
            Some(block) => block.parse().is_ok_and(|block: usize| block >= first),
            None => output && (name.starts_with("output") || (!own && name == "token_embd.weight")),
        };
        tensors.iter().filter(|tensor| there(&tensor.name)).map(|tensor| tensor.bytes).fold(0, u64::saturating_add)
    }

    /// Cache, attention scores, logits and hidden states of one batch; llama.cpp rounds `n_ctx` up to 256. A block's cache
    /// lies where the block does, and whatever computes a block needs the buffers for one.
    fn working_bytes(&self, shape: &LlamaShape) -> WorkingBytes {
        let positions = self.n_ctx.next_multiple_of(256) as u64;
        let element = match self.cache {
            CachePrecision::F32 => 4,
            CachePrecision::F16 => 2,
        };
        let (gpu_blocks, gpu_output) = self.offloaded(shape);
        let blocks = shape.block_count.max(1) as u64;
        let cache = positions.saturating_mul(shape.cache_elements_per_position() as u64 * element);
        let gpu_cache = (cache / blocks).saturating_mul(gpu_blocks as u64);
        let rows = self.n_batch.min(512) as u64;
        let scores = positions.saturating_mul(rows * shape.head_count as u64 * 4);
        let states = rows * (shape.feed_forward_length + 8 * shape.embedding_length) as u64 * 4;
        let block = scores.saturating_add(states);
        let logits = |rows: u64| rows.saturating_mul(shape.vocab_size as u64 * 4);
        let on = |there: bool, bytes: u64| if there { bytes } else { 0 };
        // Logits are handed over in the processor's memory wherever they are computed.
        let host = [
            cache - gpu_cache,
            on(gpu_blocks < shape.block_count, block),
            logits(self.n_batch as u64),
            on(!gpu_output, logits(rows)),
        ];
        let gpu = [gpu_cache, on(gpu_blocks > 0, block), on(gpu_output, logits(rows))];
        let sum = |parts: &[u64]| parts.iter().copied().fold(0, u64::saturating_add);
        WorkingBytes { host: sum(&host), gpu: sum(&gpu) }
    }
}

/// Memory beside the weights.
struct WorkingBytes {
    /// Of the processor.
    host: u64,
    /// Of the GPUs.
    gpu: u64,
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Vicuna-7B's sizes.
    fn shape() -> LlamaShape {
        LlamaShape {
            embedding_length: 4096,
            block_count: 32,
            head_count: 32,
            head_count_kv: 32,
            feed_forward_length: 11_008,
            vocab_size: 32_000,
            context_length: 4096,
            bos: 1,
            eos: 2,
            longest_token: 48,
        }
    }

    fn with(gpu_layers: u32) -> LlamaSettings {
        LlamaSettings { n_threads: 1, n_ctx: 1024, gpu_layers, ..LlamaSettings::default() }
    }

    /// One tensor of 100 MiB for each block, 50 MiB each for embedding and output.
    fn tensors(own_output: bool) -> Vec<TensorInfo> {
        let tensor =
            |name: String, mib: u64| TensorInfo { name, dims: vec![], element: 0, offset: 0, bytes: mib << 20 };
        let blocks = (0..32).map(|block| tensor(format!("blk.{block}.ffn_up.weight"), 100));
        let others = ["token_embd.weight", "output.weight"].into_iter().take(if own_output { 2 } else { 1 });
        blocks.chain(others.map(|name| tensor(name.into(), 50))).collect()
    }

    fn card(integrated: bool, free: u64, total: u64) -> GpuDevice {
        GpuDevice { name: "GPU".into(), description: "a card".into(), integrated, free: free << 20, total: total << 20 }
    }

    #[test]
    fn the_cache_lies_where_its_blocks_do() {
        // 1 MiB of f32 keys and values for each position.
        let all = with(0).working_bytes(&shape());
        assert_eq!(all.gpu, 0);
        assert!(all.host > 1024 << 20);
        let cache = |settings: &LlamaSettings| {
            let exact = settings.working_bytes(&shape());
            let half = LlamaSettings { cache: CachePrecision::F16, ..settings.clone() }.working_bytes(&shape());
            (2 * (exact.host - half.host), 2 * (exact.gpu - half.gpu))
        };
        let whole = 1024u64 << 20;
        for (layers, blocks) in [(0, 0), (1, 0), (2, 1), (17, 16), (33, 32), (1000, 32)] {
            let there = whole / 32 * blocks;
            assert_eq!(cache(&with(layers)), (whole - there, there), "{layers} layers");
        }
        assert_eq!(with(33).working_bytes(&shape()).gpu, with(u32::MAX).working_bytes(&shape()).gpu);
        // What the processor keeps is a fraction then.
        assert!(with(33).working_bytes(&shape()).host < all.host / 8);
    }

    #[test]
    fn weights_are_counted_from_the_end() {
        for (layers, own, shared) in [(0, 0, 0), (1, 50, 50), (2, 150, 150), (33, 3250, 3250), (1000, 3250, 3250)] {
            assert_eq!(mib(with(layers).gpu_weights(&shape(), &tensors(true))), own, "{layers} layers");
            assert_eq!(mib(with(layers).gpu_weights(&shape(), &tensors(false))), shared, "{layers} layers");
        }
    }

    #[test]
    fn a_card_without_the_memory_is_refused_before_loading() {
        let check = |devices: &[GpuDevice]| with(33).check_gpus(&shape(), &tensors(true), devices);
        let needed = mib(with(33).working_bytes(&shape()).gpu) + 3250 + 1;
        assert_eq!(check(&[card(false, needed, 8192)]).unwrap(), 0);
        assert_eq!(check(&[card(false, needed / 2 + 1, 8192), card(false, needed / 2 + 1, 8192)]).unwrap(), 0);
        let told = check(&[card(false, needed - 2, 8192)]).unwrap_err().to_string();
        assert!(told.contains("3250 MiB for weights") && told.contains("of 8192 MiB free"), "{told}");
        assert!(told.contains("use fewer gpu_layers"), "{told}");
        // llama.cpp leaves an integrated one alone where there is a card.
        assert!(check(&[card(false, needed - 2, 8192), card(true, needed, 8192)]).is_err());
        // What an integrated one takes is the processor's.
        assert_eq!(mib(check(&[card(true, needed, 8192)]).unwrap()), needed - 1);
        // A driver that does not tell leaves it to llama.cpp.
        assert_eq!(check(&[card(false, 0, 0)]).unwrap(), 0);
        assert!(matches!(check(&[]), Err(ModelError::Gpu { asked: 33, .. })));
    }
}
