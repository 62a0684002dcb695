//! How a file held its tensors, and what lay beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The kind of a file with tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileFormat {
    /// A JSON header and the data; no checksums.
    Safetensors,
    /// What `torch.save` writes since torch 1.6; every storage has a checksum.
    TorchZip,
    /// What `torch.save` wrote before torch 1.6: pickles and storages one after the other; no checksums.
    TorchLegacy,
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::TorchZip => "PyTorch zip archive",
            Self::TorchLegacy => "PyTorch file of the form before torch 1.6, which has no checksums",
        })
    }
}

/// Something in a PyTorch file that is no tensor of its state dict and was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Its key.
    pub key: String,
    /// What it is, as a phrase.
    pub what: String,
}

/// Everything that is known of a set of tensors besides the tensors.
#[derive(Clone, Debug, Default)]
pub(super) struct Container {
    /// None for sets that come from no file.
    pub(super) format: Option<FileFormat>,
    /// Keys that lead from the saved dict to the state dict, joined by dots; none for the top level.
    pub(super) nesting: Option<String>,
    pub(super) passed_over: Vec<PassedOver>,
    /// Parts of names that wrappers wrote and that were taken off, with their dots, and off how many names.
    pub(super) taken_off: BTreeMap<String, usize>,
    /// Parameters that an optimiser saved along has made a step for; none where nothing says so.
    pub(super) stepped: Option<BTreeSet<String>>,
}

impl Container {
    pub(super) fn of(format: FileFormat) -> Self {
        Self { format: Some(format), ..Self::default() }
    }
}
