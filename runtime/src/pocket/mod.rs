//! The pocket bundle and three clips that its networks never learned from. Both are in the program, because an installed
//! device has no checkout.
//!
//! They lie in `runtime/assets/pocket` of the sources: `bundle` as any bundle's folder, `clips` with a folder for each clip
//! and `list.toml`, which tells what is said in them. `mien-train pocket` makes both.

mod clips;
mod files;

pub use clips::{HeldOutClip, HeldOutClips, LIST};
pub use files::{BUNDLE, CLIPS, EmbeddedFile, unpack};
