//! Graphics processors as llama.cpp sees them.

use std::fmt;

use super::raw_devices;

/// The GPU backends of llama.cpp that this program was built with, by the names of their Cargo features; none by default.
pub const GPU_BACKENDS: &[&str] = &[
    #[cfg(feature = "vulkan")]
    "vulkan",
    #[cfg(feature = "cuda")]
    "cuda",
];

/// A GPU that layers of a language model can be put on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuDevice {
    /// llama.cpp's name, such as `Vulkan0`.
    pub name: String,
    /// The driver's name, such as that of the card.
    pub description: String,
    /// Whether its memory is that of the processor.
    pub integrated: bool,
    /// Memory that is free, in bytes; 0 where `total` is 0.
    pub free: u64,
    /// All its memory, in bytes; 0 where the driver does not tell.
    pub total: u64,
}

impl fmt::Display for GpuDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, description, free, total, .. } = self;
        write!(f, "{name} ({description}")?;
        if *total > 0 {
            write!(f, ", {} of {} MiB free", free >> 20, total >> 20)?;
        }
        f.write_str(")")
    }
}

/// The GPUs that layers can be put on, in llama.cpp's order; none in a build without a GPU backend.
///
/// The first call opens the drivers, which can take a second and, with a broken driver, may not come back.
pub fn gpu_devices() -> Vec<GpuDevice> {
    raw_devices::gpus()
}

/// Those of `devices` that llama.cpp uses: integrated ones only where there is no other.
pub(super) fn used(devices: &[GpuDevice]) -> Vec<&GpuDevice> {
    let all_integrated = devices.iter().all(|device| device.integrated);
    devices.iter().filter(|device| all_integrated || !device.integrated).collect()
}

/// What to do where llama.cpp sees no GPU.
pub(super) fn no_gpu() -> (String, String) {
    match GPU_BACKENDS {
        [] => (
            "this program was built without a GPU backend".into(),
            "set gpu_layers to 0, or build with --features mien-runtime/vulkan or mien-runtime/cuda".into(),
        ),
        backends => (
            format!("llama.cpp ({}) finds no GPU", backends.join(", ")),
            "set gpu_layers to 0, or install the card's driver and see that no variable (GGML_VK_VISIBLE_DEVICES, \
             CUDA_VISIBLE_DEVICES) hides the card"
                .into(),
        ),
    }
}
