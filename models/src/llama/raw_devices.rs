//! The calls into llama.cpp that tell which devices there are, and on which one a tensor lies.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};

use llama_cpp_sys_2 as sys;

use super::device::GpuDevice;
use super::raw::start;

/// The devices that layers can be put on.
pub(super) fn gpus() -> Vec<GpuDevice> {
    start();
    // SAFETY: device handles are valid for indices below the count and live as long as the process.
    unsafe {
        (0..sys::ggml_backend_dev_count())
            .map(|i| sys::ggml_backend_dev_get(i))
            .filter(|&device| is_gpu(device))
            .map(|device| {
                let (mut free, mut total) = (0, 0);
                sys::ggml_backend_dev_memory(device, &raw mut free, &raw mut total);
                GpuDevice {
                    name: text(sys::ggml_backend_dev_name(device)),
                    description: text(sys::ggml_backend_dev_description(device)),
                    integrated: sys::ggml_backend_dev_type(device) == sys::GGML_BACKEND_DEVICE_TYPE_IGPU,
                    free: free as u64,
                    total: total as u64,
                }
            })
            .collect()
    }
}

/// The GPU in whose memory `tensor` lies; `None` for the processor's memory, which a GPU may be able to reach too.
///
/// # Safety
/// `tensor` is a tensor of a model or graph that lives for the call, and so is what it is a view of.
pub(super) unsafe fn gpu_of(tensor: *const sys::ggml_tensor) -> Option<String> {
    // SAFETY: the caller holds that the tensor and its source live; a buffer that is set lives as long as they do, its type
    // and device as long as the process.
    unsafe {
        let source = (*tensor).view_src.cast_const();
        let buffer = if source.is_null() { (*tensor).buffer } else { (*source).buffer };
        if buffer.is_null() || sys::ggml_backend_buffer_is_host(buffer) {
            return None;
        }
        let device = sys::ggml_backend_buft_get_device(sys::ggml_backend_buffer_get_type(buffer));
        let label = || {
            let (name, description) = (sys::ggml_backend_dev_name(device), sys::ggml_backend_dev_description(device));
            format!("{} ({})", text(name), text(description))
        };
        (!device.is_null() && is_gpu(device)).then(label)
    }
}

/// # Safety
/// `device` is a handle of llama.cpp's.
unsafe fn is_gpu(device: sys::ggml_backend_dev_t) -> bool {
    // SAFETY: as the caller holds.
    let kind = unsafe { sys::ggml_backend_dev_type(device) };
    matches!(kind, sys::GGML_BACKEND_DEVICE_TYPE_GPU | sys::GGML_BACKEND_DEVICE_TYPE_IGPU)
}

/// # Safety
/// `text` is null or a NUL-terminated string that lives for the call.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as the caller holds.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
