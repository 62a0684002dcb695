//! MA-Net's parameters under the authors' names (spec/checkpoint section 4).

use super::layout::{Block, Kind, QUADRANTS, Stage, common, global, local, scale_names};
use super::{FACE_CHANNELS, MODEL, ManetConfig};
use crate::Result;
use crate::tensor::{NamedTensors, TensorSpec};

/// A tensor that every file of the network has under this name, whatever was put before it.
const ANCHOR: &str = "layer3_1_p1.0.conv1.weight";
/// Side of the stem's and the spatial gates' kernels.
pub(super) const WIDE_KERNEL: usize = 7;

/// All 692 tensors: 588 required, and the normalisations' 104 batch counters, which nothing reads.
pub fn parameters(config: &ManetConfig) -> Vec<TensorSpec> {
    let mut table = Table::default();
    table.conv("conv1", [config.width, FACE_CHANNELS, WIDE_KERNEL]);
    table.norm("bn1", config.width);
    let locals = (0..QUADRANTS).flat_map(|q| local(config, q));
    for stage in common(config).into_iter().chain(locals).chain(global(config)) {
        table.stage(&stage);
    }
    table.linear("fc_1", config.classes, config.branch());
    table.linear("fc_2", config.classes, config.branch());
    table.0
}

/// Takes a checkpoint of the authors' and holds it against `config`, which [`ManetConfig::of`] reads off it.
///
/// # Errors
/// [`crate::ModelError::Config`] for sizes that cannot be; MissingTensor, ExtraTensor, TensorShape and TensorDtype for
/// the checkpoint of another network.
pub fn recognise(config: &ManetConfig, tensors: NamedTensors) -> Result<NamedTensors> {
    config.validate()?;
    let tensors = unwrapped(tensors)?;
    tensors.check(MODEL, &parameters(config))?;
    Ok(tensors)
}

/// The tensors of a file under the network's own names: the authors' training script puts `module.` before them.
///
/// # Errors
/// As [`NamedTensors::unwrapped`].
pub fn unwrapped(tensors: NamedTensors) -> Result<NamedTensors> {
    tensors.unwrapped(&[ANCHOR])
}

#[derive(Default)]
struct Table(Vec<TensorSpec>);

impl Table {
    /// A convolution without bias; `shape` is out, in, kernel.
    fn conv(&mut self, key: &str, shape: [usize; 3]) {
        let [outputs, inputs, kernel] = shape;
        self.0.push(TensorSpec::required(format!("{key}.weight"), [outputs, inputs, kernel, kernel]));
    }

    fn norm(&mut self, key: &str, channels: usize) {
        for part in ["weight", "bias", "running_mean", "running_var"] {
            self.0.push(TensorSpec::required(format!("{key}.{part}"), [channels]));
        }
        self.0.push(TensorSpec::optional(format!("{key}.num_batches_tracked"), []));
    }

    fn linear(&mut self, key: &str, outputs: usize, inputs: usize) {
        self.0.push(TensorSpec::required(format!("{key}.weight"), [outputs, inputs]));
        self.0.push(TensorSpec::required(format!("{key}.bias"), [outputs]));
    }

    fn stage(&mut self, stage: &Stage) {
        for block in stage.blocks() {
            self.block(&block);
        }
    }

    fn block(&mut self, block: &Block) {
        let Block { key, kind, inputs, outputs, .. } = block;
        self.conv(&format!("{key}.conv1"), [*outputs, *inputs, 3]);
        self.norm(&format!("{key}.bn1"), *outputs);
        match kind {
            Kind::Basic | Kind::Attention => {
                self.conv(&format!("{key}.conv2"), [*outputs, *outputs, 3]);
                self.norm(&format!("{key}.bn2"), *outputs);
            }
            Kind::MultiScale => {
                for name in scale_names() {
                    self.conv(&format!("{key}.conv{name}"), [block.group(), block.group(), 3]);
                    self.norm(&format!("{key}.bn{name}"), block.group());
                }
            }
        }
        if block.has_downsample() {
            self.conv(&format!("{key}.downsample.0"), [*outputs, *inputs, 1]);
            self.norm(&format!("{key}.downsample.1"), *outputs);
        }
        if *kind == Kind::Attention {
            self.linear(&format!("{key}.cbam.ChannelGate.mlp.1"), block.gate(), *outputs);
            self.linear(&format!("{key}.cbam.ChannelGate.mlp.3"), *outputs, block.gate());
            self.conv(&format!("{key}.cbam.SpatialGate.spatial.conv"), [1, 2, WIDE_KERNEL]);
            self.norm(&format!("{key}.cbam.SpatialGate.spatial.bn"), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_authors_class() {
        let specs = parameters(&ManetConfig::PUBLISHED);
        let learned = specs.iter().filter(|s| s.required && !s.name.contains("running_"));
        assert_eq!(specs.len(), 692);
        assert_eq!(specs.iter().filter(|s| s.required).count(), 588);
        assert_eq!(learned.map(|s| s.shape.iter().product::<usize>()).sum::<usize>(), 50_547_214);
    }
}
