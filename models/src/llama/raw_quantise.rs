//! The one call that quantises a file in llama.cpp.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::path::Path;

use llama_cpp_sys_2 as sys;

use super::quantise::QuantisedType;
use super::raw::{start, take_error};

/// Reads the file `input`, which has been checked and holds no quantised tensor, and writes it with `kind` over the file
/// `output`. Gives llama.cpp's reason where it fails; what stands in `output` is then no model.
pub(super) fn quantise(input: &Path, output: &Path, kind: QuantisedType, threads: i32) -> Result<(), String> {
    start();
    let c_path =
        |path: &Path| CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| "the path holds a NUL byte");
    let (input, output) = (c_path(input)?, c_path(output)?);
    // What an earlier call on this thread left is not this one's reason.
    let _ = take_error();
    // SAFETY: the parameters are llama.cpp's defaults but for plain numbers, so every pointer in them is null, which it
    // takes for "none"; the paths are NUL-terminated, and like the parameters they outlive the call. C++ exceptions end
    // inside of it.
    let code = unsafe {
        let mut parameters = sys::llama_model_quantize_default_params();
        parameters.nthread = threads;
        parameters.ftype = match kind {
            QuantisedType::Q4_0 => sys::LLAMA_FTYPE_MOSTLY_Q4_0,
            QuantisedType::Q4KM => sys::LLAMA_FTYPE_MOSTLY_Q4_K_M,
            QuantisedType::Q8_0 => sys::LLAMA_FTYPE_MOSTLY_Q8_0,
        };
        sys::llama_model_quantize(input.as_ptr(), output.as_ptr(), &raw const parameters)
    };
    if code == 0 { Ok(()) } else { Err(take_error()) }
}
