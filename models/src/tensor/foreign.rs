//! What to say about a file that holds something else than was asked for.

use std::path::Path;

use crate::ModelError;

/// What a file seems to be, and what to do about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Foreign {
    /// The format it comes nearest to, for the message.
    pub(crate) format: &'static str,
    /// What it seems to be, as a sentence.
    pub(crate) reason: &'static str,
    /// What the user can do.
    pub(crate) fix: &'static str,
}

/// Where a tar archive has its mark.
const TAR_MARK: std::ops::Range<usize> = 257..262;

/// What a file that begins with `bytes` seems to be; none when it is told by nothing.
pub(crate) fn kind(bytes: &[u8]) -> Option<Foreign> {
    let is = |format, reason, fix| Some(Foreign { format, reason, fix });
    let text = bytes.trim_ascii_start();
    match bytes {
        [] => is("checkpoint", "it has 0 bytes", "fetch it again"),
        [b'G', b'G', b'U', b'F', ..] => {
            is("checkpoint", "it is a GGUF language model", "give a .safetensors, .pt or .bin file here")
        }
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', ..] => is(
            "checkpoint",
            "it looks like a Git LFS pointer, not like the file itself",
            "fetch it with git lfs pull, or download the file itself",
        ),
        [0x89, b'H', b'D', b'F', ..] => is("checkpoint", "it is an HDF5 file", "convert it to safetensors"),
        [0x1f, 0x8b, ..] => is("checkpoint", "it is compressed with gzip", "unpack it first"),
        [b'P', b'K', 3, 4, ..] => {
            is("checkpoint", "it is a zip archive, perhaps a PyTorch checkpoint", "give the file that is asked for")
        }
        [0x80, 2..=5, ..] => is(
            "PyTorch",
            "it is a bare pickle, not a file of torch.save, or it ends after a few bytes",
            "fetch it again, or load it in Python and save its tensors with torch.save",
        ),
        _ if bytes.get(TAR_MARK) == Some(b"ustar") => {
            is("checkpoint", "it is a tar archive", "unpack it and give the checkpoint in it")
        }
        _ if text.starts_with(b"<") => is("checkpoint", "it looks like a web page", "download the file itself"),
        _ if text.starts_with(b"{") => is(
            "checkpoint",
            "it looks like JSON text: an index, a configuration, or the answer to a failed download",
            "give the file with the weights",
        ),
        _ => None,
    }
}

/// Whether `bytes` begin as JSON text does. The same bytes as the length of a safetensors header would be absurd.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    let start = bytes.get(..16).unwrap_or(bytes);
    start.starts_with(b"{") && start.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
}

/// A refusal that names what the file seems to be and what to do.
pub(super) fn refusal(path: &Path, bytes: &[u8]) -> ModelError {
    let Foreign { format, reason, fix } = kind(bytes).unwrap_or(Foreign {
        format: "checkpoint",
        reason: "it is neither a safetensors nor a PyTorch file, or its beginning is missing",
        fix: "fetch it again, or convert it to safetensors",
    });
    ModelError::Format { path: path.into(), format, reason: reason.into(), fix }
}
