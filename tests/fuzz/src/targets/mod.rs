//! What is read, and by which public function.
//!
//! A new reader of outside bytes gets a [`Target`] in one of the modules below and a line in [`ALL`]; its corpus is made by a
//! function or lies in `tests/fuzz/corpus`. Framing of media that a host program sends over a socket belongs here as soon as
//! there is a reader of it.

mod bundle;
mod camera;
mod corpora;
mod live;
mod media;
mod planted;
mod tensors;
mod text;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::structure::Framing;

/// An input, as bytes and as the file in which a reader finds them.
pub struct Case<'a> {
    /// The file.
    pub path: &'a Path,
    /// What is in it.
    pub bytes: &'a [u8],
}

/// How a reader answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was read, and what was read is as it must be.
    Read,
    /// It was refused, with this message.
    Refused(String),
    /// Something was read that must not be, or a refusal left something behind.
    Wrong(String),
}

impl Outcome {
    /// A refusal.
    fn refused(error: impl std::fmt::Display) -> Self {
        Self::Refused(error.to_string())
    }

    /// [`Outcome::Wrong`] with `reason` unless `holds`.
    fn holds(holds: bool, reason: impl FnOnce() -> String) -> Self {
        if holds { Self::Read } else { Self::Wrong(reason()) }
    }
}

/// Reads inputs one after the other.
pub type Reader = Box<dyn FnMut(&Case<'_>) -> Outcome>;

/// What reading an input may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Milliseconds for any input.
    pub ms: u64,
    /// Milliseconds more for each 1024 bytes.
    pub ms_per_kb: u64,
    /// Bytes live at once for any input.
    pub memory: usize,
    /// Bytes more for each byte of the input.
    pub per_byte: usize,
}

impl Limits {
    /// Time for an input of `len` bytes.
    #[must_use]
    pub fn time(&self, len: usize) -> Duration {
        Duration::from_millis(self.ms.saturating_add(self.ms_per_kb.saturating_mul(len as u64 / 1024)))
    }

    /// Memory for an input of `len` bytes.
    #[must_use]
    pub fn memory(&self, len: usize) -> usize {
        self.memory.saturating_add(self.per_byte.saturating_mul(len))
    }

    /// For readers that only parse.
    const PARSER: Self = Self { ms: 200, ms_per_kb: 4, memory: 1 << 20, per_byte: 200 };
}

/// A reader of outside bytes.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it reads, one line.
    pub reads: &'static str,
    /// Where the input lies in a worker's folder; readers look at its ending or at what lies beside it.
    pub file: &'static str,
    /// Whether lines and numbers in it are text.
    pub text: bool,
    /// How its elements are framed.
    pub framing: Option<Framing>,
    /// Words of the format; those of four bytes are the tags of `framing` as well.
    pub tokens: &'static [&'static [u8]],
    /// Mends checksums.
    pub repair: fn(&mut [u8]),
    /// Longer inputs are cut.
    pub longest: usize,
    /// What an input may cost.
    pub limits: Limits,
    /// The corpus; a folder to make it in.
    pub seeds: fn(&Path) -> Result<Vec<Vec<u8>>>,
    /// A reader whose files lie in the folder.
    pub prepare: fn(&Path) -> Result<Reader>,
}

/// Every target.
pub const ALL: &[&Target] = &[
    &media::WAV,
    &media::AIFF,
    &media::CAF,
    &media::FLAC,
    &media::OGG,
    &media::FRAMES,
    &media::MKV,
    &media::M4A,
    &media::MP4,
    &media::JPEG,
    &media::PNG,
    &media::BMP,
    &media::WEBP,
    &text::TIMES,
    &text::SRT,
    &text::VTT,
    &text::TRANSCRIPT,
    &text::CONFIG,
    &bundle::MANIFEST,
    &bundle::ARCHIVE,
    &tensors::SAFETENSORS,
    &tensors::TORCH_ZIP,
    &tensors::TORCH_LEGACY,
    &tensors::PICKLE,
    &tensors::GGUF,
    &corpora::NPY,
    &corpora::NPZ,
    &corpora::MMSA,
    &corpora::LIST,
    &corpora::TABLE,
    &corpora::TRANSCRIPTS,
    &corpora::FOLDS,
    &live::CONTROL,
    &live::RECORDING,
    &camera::CAMERA,
];

/// The target of this name, also of those with faults that only tests read.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    let planted = [&planted::BY_WORD, &planted::IN_BOXES];
    ALL.iter().copied().chain(planted).find(|target| target.name == name)
}

/// The files of `tests/fuzz/corpus/NAME`, in the order of their names.
fn corpus(name: &str) -> Result<Vec<Vec<u8>>> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name), "")
}

/// The fixtures of another crate's tests whose names end in `ending`, likewise.
fn fixtures(folder: &str, ending: &str) -> Result<Vec<Vec<u8>>> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder), ending)
}

fn files(folder: &Path, ending: &str) -> Result<Vec<Vec<u8>>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.is_file() && path.to_string_lossy().ends_with(ending));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))).collect()
}

/// Texts as a corpus.
fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unlike() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|target| target.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
