//! The folder that a device installs: networks, language model, face detector, and a manifest that says what they are.
//!
//! [`Bundle::open`] holds the manifest against the digest in its first line and every file against its size and SHA-256
//! before anything else reads it, and hands out the open files by [`Role`]. [`BundleWriter`] makes such a folder so that it appears under its name whole or not
//! at all. [`make_dry`] makes one with formula weights. [`archive`] carries one as a single file.

pub mod archive;
mod check;
mod digest;
mod dry;
mod entry;
mod folder;
mod locate;
mod manifest;
mod memory;
mod numbers;
mod open;
mod place;
mod seal;
mod write;

pub use check::{MODES, check_prompt};
pub use digest::Sha256;
pub use dry::{DrySize, make_dry};
pub use entry::{BundlePath, FileEntry, Role};
pub use manifest::{AudioSection, FaceSection, LlmSection, MANIFEST_NAME, Manifest, MethodSection, Metric, SCHEMA};
pub use memory::MemorySection;
pub use numbers::GraphNumbers;
pub use open::{Bundle, FileCheck, Verification};
pub use seal::{seal, seal_folder};
pub use write::{BundleWriter, Origin};
