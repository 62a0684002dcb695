//! Where the layers of a loaded model came to lie.
//!
//! llama.cpp puts on the processor whatever it cannot put on a GPU, and says "offloaded" of what was asked, not of what was
//! done. So one token is run through the model, and every weight and every block's result is asked for the memory that it
//! lies in. A layer counts as on a GPU where all that was seen of it lies in that one's memory.

use std::fmt;

use crate::{ModelError, Result};

/// A tensor that took part in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    /// Its name in llama.cpp.
    pub(super) tensor: String,
    /// The GPU in whose memory it lies; none for the processor's memory.
    pub(super) gpu: Option<String>,
}

impl Sighting {
    /// Whether tensors of this name say something about where layers lie: weights, and results of whole layers.
    pub(super) fn tells(tensor: &str, weight: bool) -> bool {
        if weight { named(tensor).0.ends_with(".weight") } else { tensor.starts_with("l_out-") || tensor == OUTPUT }
    }
}

/// The node that holds the logits.
const OUTPUT: &str = "result_output";

/// The name without what llama.cpp puts around that of a copy (`DEVICE#NAME#NUMBER`), and whether it is one: a weight of
/// which another device needs a copy does not lie there.
fn named(tensor: &str) -> (&str, bool) {
    let inner = tensor.split_once('#').and_then(|(_, rest)| rest.rsplit_once('#'));
    inner.map_or((tensor, false), |(name, _)| (name, true))
}

/// Where each layer lies: the blocks in order, then the output layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landing {
    layers: Vec<Layer>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Layer {
    /// The GPU on which everything lies that was seen of the layer.
    gpu: Option<String>,
    /// The first tensor that lies on another device than the rest, or on no GPU.
    stray: Option<String>,
    seen: bool,
}

impl Layer {
    fn see(&mut self, tensor: &str, gpu: Option<&str>) {
        if !self.seen {
            self.gpu = gpu.map(str::to_owned);
        }
        self.seen = true;
        if self.stray.is_none() && (gpu.is_none() || gpu != self.gpu.as_deref()) {
            self.stray = Some(tensor.to_owned());
            self.gpu = None;
        }
    }
}

impl Landing {
    /// All layers of a model of `blocks` blocks on the processor.
    pub(super) fn on_processor(blocks: usize) -> Self {
        Self { layers: vec![Layer::default(); blocks + 1] }
    }

    /// What `sightings` of one run say of a model of `blocks` blocks. A layer of which nothing was seen counts as on the
    /// processor.
    pub(super) fn of(blocks: usize, sightings: &[Sighting]) -> Self {
        let mut landing = Self::on_processor(blocks);
        for Sighting { tensor, gpu } in sightings {
            let (name, copied) = named(tensor);
            let block = |rest: &str| rest.split('.').next().and_then(|number| number.parse::<usize>().ok());
            let layer = match name {
                OUTPUT | "output.weight" | "output_norm.weight" => Some(blocks),
                _ => name.strip_prefix("blk.").or(name.strip_prefix("l_out-")).and_then(block).filter(|&k| k < blocks),
            };
            if let Some(layer) = layer.and_then(|index| landing.layers.get_mut(index)) {
                layer.see(name, gpu.as_deref().filter(|_| !copied));
            }
        }
        landing
    }

    /// All layers: the blocks, and the output layer.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Layers that lie on GPUs.
    pub fn on_gpu(&self) -> usize {
        self.layers.iter().filter(|layer| layer.gpu.is_some()).count()
    }

    /// Each GPU with the number of its layers, in the order of the layers.
    pub fn gpus(&self) -> Vec<(&str, usize)> {
        let mut gpus: Vec<(&str, usize)> = Vec::new();
        for gpu in self.layers.iter().filter_map(|layer| layer.gpu.as_deref()) {
            match gpus.iter_mut().find(|(name, _)| *name == gpu) {
                Some((_, count)) => *count += 1,
                None => gpus.push((gpu, 1)),
            }
        }
        gpus
    }

    /// Holds that at least `asked` layers, or all of them, lie on GPUs.
    ///
    /// # Errors
    /// Gpu with asked and found.
    pub(super) fn verify(&self, asked: u32) -> Result<()> {
        let wanted = self.layers().min(asked as usize);
        if self.on_gpu() >= wanted {
            return Ok(());
        }
        // llama.cpp fills GPUs from the end of the model.
        let missed = self.layers.iter().skip(self.layers() - wanted).find_map(|layer| layer.stray.as_deref());
        let stray = missed.map(|tensor| format!(" (first {tensor})")).unwrap_or_default();
        Err(ModelError::Gpu {
            asked,
            found: format!("llama.cpp put {self}{stray}"),
            fix: "use fewer gpu_layers, 0 for the processor alone, or a model file whose tensors this GPU takes (by element \
                  type, such as F16, Q4_0 or Q8_0, and by size)"
                .into(),
        })
    }
}

impl fmt::Display for Landing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.layers();
        let gpus = self.gpus();
        let Some(((name, count), others)) = gpus.split_first() else {
            return write!(f, "all {all} layers on the CPU");
        };
        write!(f, "{count} of {all} layers on {name}")?;
        for (name, count) in others {
            write!(f, ", {count} on {name}")?;
        }
        match all - self.on_gpu() {
            0 => Ok(()),
            rest => write!(f, ", {rest} on the CPU"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CARD: &str = "Vulkan0 (llvmpipe (LLVM 15.0.6, 256 bits))";
    const OTHER: &str = "CUDA1 (A Card)";

    /// What llama.cpp lets see of a run of two blocks, with the device that each layer lies on.
    fn sightings(places: [Option<&str>; 3]) -> Vec<Sighting> {
        const BLOCK: [&str; 9] =
            ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"];
        let sighting = |tensor: String, gpu: Option<&str>| Sighting { tensor, gpu: gpu.map(str::to_owned) };
        let mut seen = vec![sighting("token_embd.weight".into(), None)];
        for (block, place) in places[..2].iter().enumerate() {
            seen.extend(BLOCK.iter().map(|part| sighting(format!("blk.{block}.{part}.weight"), *place)));
            seen.push(sighting(format!("l_out-{block}"), *place));
        }
        let output = ["output_norm.weight", "output.weight", "result_output"];
        seen.extend(output.map(|tensor| sighting(tensor.into(), places[2])));
        seen
    }

    fn landing(places: [Option<&str>; 3]) -> Landing {
        Landing::of(2, &sightings(places))
    }

    #[test]
    fn layers_are_counted_where_they_lie() {
        for (places, count, told) in [
            ([None; 3], 0, "all 3 layers on the CPU"),
            ([Some(CARD); 3], 3, "3 of 3 layers on Vulkan0 (llvmpipe (LLVM 15.0.6, 256 bits))"),
            ([None, None, Some(OTHER)], 1, "1 of 3 layers on CUDA1 (A Card), 2 on the CPU"),
            ([None, Some(CARD), Some(OTHER)], 2, ""),
            (
                [Some(CARD), Some(OTHER), Some(OTHER)],
                3,
                "1 of 3 layers on Vulkan0 (llvmpipe (LLVM 15.0.6, 256 bits)), 2 on CUDA1 (A Card)",
            ),
        ] {
            let landing = landing(places);
            assert_eq!((landing.on_gpu(), landing.layers()), (count, 3), "{landing}");
            assert!(told.is_empty() || landing.to_string() == told, "{landing}");
            for asked in 1..5 {
                assert_eq!(landing.verify(asked).is_ok(), count >= asked.min(3) as usize, "{asked} asked: {landing}");
            }
        }
        assert_eq!(Landing::of(2, &[]), Landing::on_processor(2));
    }

    #[test]
    fn a_single_tensor_elsewhere_keeps_its_layer_off() {
        let all = sightings([Some(CARD); 3]);
        for index in 0..all.len() {
            for (gpu, name) in [
                (None, all[index].tensor.clone()),
                (Some(OTHER), all[index].tensor.clone()),
                // A copy that the device was given of a weight that lies elsewhere.
                (Some(CARD), format!("Vulkan0#{}#0", all[index].tensor)),
            ] {
                let mut seen = all.clone();
                seen[index] = Sighting { tensor: name, gpu: gpu.map(str::to_owned) };
                let landing = Landing::of(2, &seen);
                // The embedding's rows are looked up by the processor, whatever is offloaded.
                let embedding = all[index].tensor == "token_embd.weight";
                assert_eq!(landing.on_gpu(), if embedding { 3 } else { 2 }, "{:?}: {landing}", seen[index]);
                assert_eq!(landing.verify(1000).is_ok(), embedding);
                // Two layers from the end were asked for; any two that are there are told from none.
                assert!(landing.verify(2).is_ok());
            }
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut seen = sightings([None, Some(CARD), Some(CARD)]);
        assert!(Landing::of(2, &seen).verify(2).is_ok());
        let at = seen.iter().position(|s| s.tensor == "blk.1.ffn_up.weight").unwrap();
        seen[at].gpu = None;
        let told = Landing::of(2, &seen).verify(2).unwrap_err().to_string();
        assert!(told.contains("gpu_layers is 2, but llama.cpp put 1 of 3 layers on "), "{told}");
        assert!(told.contains("2 on the CPU (first blk.1.ffn_up.weight)") && told.contains("use fewer gpu_layers"));
    }

    #[test]
    fn only_weights_and_results_of_layers_tell() {
        for (tensor, weight) in [
            ("blk.31.attn_q.weight", true),
            ("Vulkan0#blk.31.attn_q.weight#0", true),
            ("output.weight", true),
            ("l_out-31", false),
            ("result_output", false),
        ] {
            assert!(Sighting::tells(tensor, weight), "{tensor}");
        }
        for (tensor, weight) in [
            ("l_out-31", true),
            ("CUDA0#l_out-31#0", true),
            ("Vulkan0#inp_tokens#0", true),
            ("Kcur-3", false),
            ("cache_k_l3", true),
        ] {
            assert!(!Sighting::tells(tensor, weight), "{tensor}");
        }
        // Numbers of blocks that the model has not.
        let strange =
            ["blk.2.attn_q.weight", "blk..weight", "l_out--1", "l_out-x", "#", "##", "blk.99999999999999999999.w"];
        let seen = strange.map(|tensor| Sighting { tensor: tensor.into(), gpu: Some(CARD.into()) });
        assert_eq!(Landing::of(2, &seen), Landing::on_processor(2));
    }
}
