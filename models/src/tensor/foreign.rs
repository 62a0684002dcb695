//! What to say about a file that holds no tensors in a form that is read here.

use std::path::Path;

use crate::ModelError;

/// A refusal that names what the file seems to be and what to do.
pub(super) fn refusal(path: &Path, bytes: &[u8]) -> ModelError {
    let (format, reason, fix) = match bytes {
        [] => ("checkpoint", "it has 0 bytes", "fetch it again"),
        [0x80, 2..=5, ..] => (
            "PyTorch",
            "it is a bare pickle, the form of torch.save before torch 1.6",
            "load it in Python and save it again with torch.save of torch 1.6 or newer",
        ),
        [b'G', b'G', b'U', b'F', ..] => {
            ("checkpoint", "it is a GGUF language model", "give a .safetensors, .pt or .bin file here")
        }
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', ..] => {
            ("checkpoint", "it looks like a Git LFS pointer, not like the file itself", "fetch it with git lfs pull")
        }
        [b'<', ..] => ("checkpoint", "it looks like a web page", "download the file itself"),
        [0x89, b'H', b'D', b'F', ..] => ("checkpoint", "it is an HDF5 file", "convert it to safetensors"),
        _ => (
            "checkpoint",
            "it is neither a safetensors file nor a PyTorch zip archive, or its beginning is missing",
            "fetch it again, or convert it to safetensors",
        ),
    };
    ModelError::Format { path: path.into(), format, reason: reason.into(), fix }
}
