//! A model in several files, as llama.cpp's `llama-gguf-split` writes it: `NAME-00001-of-00003.gguf` and so on.
//!
//! The first part has the metadata, each part some of the tensors. A bundle keeps a model in one file, so the parts are held against each
//! other, as one model, and merged.

use std::collections::BTreeSet;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::header::{GgufHeader, MetaValue, TensorInfo, padding_unit};
use crate::new_file::NewFile;
use crate::{HeldFile, ModelError, Result};

/// What the keys of parts begin with.
const PREFIX: &str = "split.";
/// Most parts that are looked for; a model of 70 billion weights comes in some ten.
const MOST_PARTS: u16 = 512;

/// Which part of how many a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// From 0.
    pub(super) number: u16,
    pub(super) count: u16,
}

impl Place {
    /// The place of a file; `None` for one that is a whole model.
    ///
    /// # Errors
    /// Gguf for a place that cannot be.
    pub(super) fn of(header: &GgufHeader) -> Result<Option<Self>> {
        let key = |name: &str| match header.get(name) {
            Some(MetaValue::U16(n)) => Ok(*n),
            found => Err(refusal(header.path(), name, "one number of type U16", brief(found))),
        };
        if !header.metadata.keys().any(|key| key.starts_with(PREFIX)) {
            return Ok(None);
        }
        let place = Self { number: key("split.no")?, count: key("split.count")? };
        match place {
            Self { number: 0, count: 0 | 1 } => Ok(None),
            Self { number, count } if number < count && count <= MOST_PARTS => Ok(Some(place)),
            Self { number, count } => {
                let expected = format!("at most {MOST_PARTS} parts, and a number below theirs");
                Err(refusal(header.path(), "split.no", expected, format!("{number} of {count}")))
            }
        }
    }

    /// What to do with a part where a whole file is needed.
    pub(super) fn advice(self, path: &Path) -> String {
        let Self { number, count } = self;
        let first = part_path(path, self, 0).unwrap_or_else(|| path.to_owned());
        let whole = stem(path, self).map_or_else(|| "WHOLE".into(), str::to_owned);
        let whole = path.with_file_name(format!("{whole}.gguf"));
        format!(
            "part {} of {count}; give one whole file: llama-gguf-split --merge {:?} {:?} makes it, and `mien-train bundle build --llm` reads all \
             parts by the first",
            number + 1,
            first.display().to_string(),
            whole.display().to_string()
        )
    }
}

/// A model in one file or in several.
#[derive(Clone, Debug)]
pub struct GgufModel {
    /// All metadata and all tensors; only its parts know where those lie.
    whole: GgufHeader,
    parts: Vec<GgufHeader>,
}

impl GgufModel {
    /// Reads the headers of the model whose whole file, or first part, is at `path`. The other parts lie beside it under the names that
    /// `llama-gguf-split` gives them.
    ///
    /// # Errors
    /// As [`GgufHeader::read`] for each part; Gguf for a part that is not the first, a name that tells no part, a part that is another's,
    /// parts whose tensors repeat each other or are not as many as the first part says; Io naming a part that is not there.
    pub fn read(path: &Path) -> Result<Self> {
        let first = GgufHeader::read(path)?;
        let Some(place) = Place::of(&first)? else {
            return Ok(Self { whole: first.clone(), parts: vec![first] });
        };
        if place.number > 0 {
            let lead =
                part_path(path, place, 0).map_or("the first part".into(), |p| format!("{:?}", p.display().to_string()));
            return Err(refusal(path, "split.no", format!("0: give the first part, {lead}"), place.number.to_string()));
        }
        let mut whole = first.clone();
        whole.metadata.retain(|key, _| !key.starts_with(PREFIX));
        let mut names: BTreeSet<String> = first.tensors().iter().map(|t| t.name.clone()).collect();
        let mut parts = vec![first];
        for number in 1..place.count {
            let Some(other) = part_path(path, place, number) else {
                let expected = format!("a name that ends in {}", ending(0, place.count));
                return Err(refusal(
                    path,
                    "split.count",
                    expected,
                    format!("{} parts under another name", place.count),
                ));
            };
            if !other.try_exists().unwrap_or(false) {
                let missing = std::io::Error::new(
                    std::io::ErrorKind::NotFound,
                    format!("part {} of {} is missing; put it beside the first", number + 1, place.count),
                );
                return Err(ModelError::io(other, "read", missing));
            }
            let part = GgufHeader::read(&other)?;
            let found = Place::of(&part)?;
            if found != Some(Place { number, ..place }) {
                let found = found.map_or("a whole model".into(), |p| format!("part {} of {}", p.number + 1, p.count));
                let expected = format!("part {} of {}", number + 1, place.count);
                return Err(refusal(&other, "split.no", expected, found));
            }
            for tensor in part.tensors() {
                if !names.insert(tensor.name.clone()) {
                    return Err(refusal(
                        &other,
                        &tensor.name,
                        "a tensor of no other part",
                        "one that an earlier part has",
                    ));
                }
            }
            whole.tensors.extend(part.tensors().iter().cloned());
            parts.push(part);
        }
        let told = match parts.first().and_then(|first| first.get("split.tensors.count")) {
            Some(MetaValue::I32(n)) => usize::try_from(*n).ok(),
            Some(MetaValue::U32(n)) => usize::try_from(*n).ok(),
            _ => None,
        };
        if told != Some(whole.tensors.len()) {
            let found = format!("{} tensors in all parts", whole.tensors.len());
            let expected = told.map_or("the number of tensors".into(), |n| n.to_string());
            return Err(refusal(path, "split.tensors.count", expected, found));
        }
        Ok(Self { whole, parts })
    }

    /// Metadata and tensors of the whole model, for [`GgufHeader::check`]. Where tensors lie is that of their parts.
    pub fn header(&self) -> &GgufHeader {
        &self.whole
    }

    /// Number of files.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// As [`GgufHeader::check_weights`], for every part.
    ///
    /// # Errors
    /// As [`GgufHeader::check_weights`].
    pub fn check_weights(&self) -> Result<bool> {
        self.parts.iter().try_fold(true, |all, part| Ok(part.check_weights()? && all))
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.file().len()))
    }

    /// Writes the model as one file, as `llama-gguf-split --merge` does: metadata bit by bit without the keys of parts, tensors in the order
    /// of the parts. The file appears whole or not at all.
    ///
    /// # Errors
    /// Io.
    pub fn merge(&self, out: &Path) -> Result<()> {
        let failed = |e| ModelError::io(out, "write", e);
        let unit = padding_unit(&self.whole.metadata);
        let mut file = NewFile::create(out)?;
        let mut header = Vec::new();
        header.extend(b"GGUF");
        header.extend(3u32.to_le_bytes());
        header.extend((self.whole.tensors.len() as u64).to_le_bytes());
        header.extend((self.whole.metadata.len() as u64).to_le_bytes());
        if let Some(first) = self.parts.first() {
            for (_, bytes) in first.entries.iter().filter(|(key, _)| !key.starts_with(PREFIX)) {
                copy(first.file(), bytes.start, bytes.end - bytes.start, &mut header)?;
            }
        }
        let mut offset = 0u64;
        for TensorInfo { name, dims, element, bytes, .. } in &self.whole.tensors {
            header.extend((name.len() as u64).to_le_bytes());
            header.extend(name.as_bytes());
            header.extend((dims.len() as u32).to_le_bytes());
            header.extend(dims.iter().flat_map(|d| d.to_le_bytes()));
            header.extend(element.to_le_bytes());
            header.extend(offset.to_le_bytes());
            // Each below 2^48 and at most 2^14 of a part, so no overflow.
            offset = (offset + bytes).next_multiple_of(unit);
        }
        header.resize(header.len().next_multiple_of(unit as usize), 0);
        file.write_all(&header).map_err(failed)?;
        for part in &self.parts {
            for tensor in part.tensors() {
                copy(part.file(), part.data_start + tensor.offset, tensor.bytes, &mut file)?;
                let padding = tensor.bytes.next_multiple_of(unit) - tensor.bytes;
                file.write_all(&vec![0; padding as usize]).map_err(failed)?;
            }
        }
        file.publish()
    }
}

/// Copies `length` bytes of `file` from `start` on.
fn copy(file: &HeldFile, start: u64, length: u64, out: &mut impl Write) -> Result<()> {
    let failed = |e| file.fault("copy", e);
    let mut reader = file.reader();
    reader.seek(SeekFrom::Start(start)).map_err(failed)?;
    let copied = std::io::copy(&mut std::io::Read::take(reader, length), out).map_err(failed)?;
    if copied == length { Ok(()) } else { Err(failed(std::io::ErrorKind::UnexpectedEof.into())) }
}

/// How the name of part `number` (from 0) of `count` ends.
fn ending(number: u16, count: u16) -> String {
    format!("-{:05}-of-{count:05}.gguf", number + 1)
}

/// What stands before the ending in the name of the part at `path`.
fn stem(path: &Path, Place { number, count }: Place) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(ending(number, count).as_str())
}

/// Where part `number` lies if the part at `path` has `place`.
fn part_path(path: &Path, place: Place, number: u16) -> Option<PathBuf> {
    Some(path.with_file_name(format!("{}{}", stem(path, place)?, ending(number, place.count))))
}

fn brief(found: Option<&MetaValue>) -> String {
    found.map_or_else(|| "absent".into(), MetaValue::brief)
}

fn refusal(path: &Path, key: &str, expected: impl Into<String>, found: impl Into<String>) -> ModelError {
    ModelError::Gguf {
        path: path.into(),
        key: key.into(),
        expected: expected.into(),
        found: found.into(),
        fix: "put all parts of one model into one folder under their names, and give the first",
    }
}
