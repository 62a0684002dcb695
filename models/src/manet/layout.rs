//! Which blocks the network has, with their widths and strides; parameters and graph are both read off this list.

use super::ManetConfig;

/// Quadrants of the map, each with its own local layers.
pub(super) const QUADRANTS: usize = 4;
/// Channel groups of a multi-scale block.
pub(super) const SCALES: usize = 4;
/// Channels per hidden unit of a channel gate.
const REDUCTION: usize = 16;

/// What a block does between its first convolution and its residual sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A second convolution.
    Basic,
    /// A second convolution and a channel and a spatial gate (CBAM).
    Attention,
    /// Two chains of convolutions over four channel groups.
    MultiScale,
}

/// Two residual blocks; the first changes width and size.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) key: String,
    pub(super) kind: Kind,
    inputs: usize,
    outputs: usize,
    stride: usize,
}

/// One residual block.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) key: String,
    pub(super) kind: Kind,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) stride: usize,
}

impl Stage {
    fn new(key: impl Into<String>, kind: Kind, inputs: usize, outputs: usize, stride: usize) -> Self {
        Self { key: key.into(), kind, inputs, outputs, stride }
    }

    pub(super) fn blocks(&self) -> [Block; 2] {
        let Self { key, kind, inputs, outputs, stride } = self.clone();
        [
            Block { key: format!("{key}.0"), kind, inputs, outputs, stride },
            Block { key: format!("{key}.1"), kind, inputs: outputs, outputs, stride: 1 },
        ]
    }
}

impl Block {
    /// Whether the identity passes through a 1x1 convolution to fit the sum.
    pub(super) fn has_downsample(&self) -> bool {
        self.stride != 1 || self.inputs != self.outputs
    }

    /// Hidden width of the channel gate.
    pub(super) fn gate(&self) -> usize {
        self.outputs / REDUCTION
    }

    /// Channels of one group of a multi-scale block.
    pub(super) fn group(&self) -> usize {
        self.outputs / SCALES
    }
}

/// layer1 and layer2: [N, w, 56, 56], then [N, 2w, 28, 28].
pub(super) fn common(config: &ManetConfig) -> [Stage; 2] {
    let w = config.width;
    [Stage::new("layer1", Kind::Basic, w, w, 1), Stage::new("layer2", Kind::Basic, w, 2 * w, 2)]
}

/// layer3_1 and layer4_1 of quadrant `q`: [N, 4w, 7, 7], then [N, 8w, 7, 7].
pub(super) fn local(config: &ManetConfig, q: usize) -> [Stage; 2] {
    let w = config.width;
    [
        Stage::new(format!("layer3_1_p{}", q + 1), Kind::Attention, 2 * w, 4 * w, 2),
        Stage::new(format!("layer4_1_p{}", q + 1), Kind::Attention, 4 * w, 8 * w, 1),
    ]
}

/// layer3_2 and layer4_2: [N, 4w, 14, 14], then [N, 8w, 7, 7].
pub(super) fn global(config: &ManetConfig) -> [Stage; 2] {
    let w = config.width;
    [
        Stage::new("layer3_2", Kind::MultiScale, 2 * w, 4 * w, 2),
        Stage::new("layer4_2", Kind::MultiScale, 4 * w, 8 * w, 2),
    ]
}

/// Suffixes of a multi-scale block's convolutions and norms: first chain, then second.
pub(super) fn scale_names() -> impl Iterator<Item = String> {
    (1..=2).flat_map(|chain| (1..=SCALES).map(move |scale| format!("{chain}_2_{scale}")))
}
