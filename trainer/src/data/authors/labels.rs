//! `label_official.npz`: a zip archive with one pickled dict for each split (specification, data section 1).

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use mien_capture::regular;
use mien_models::tensor::archive::{self, Allowance};
use mien_models::tensor::pickle::{Pickle, ValueId};
use zip::ZipArchive;

use super::super::numpy::{Header, Kind, LONGEST_HEADER, Objects};
use crate::{Result, TrainerError};

/// Ids and sentiments of a split, in the order of the file.
pub type SplitLabels = Vec<(String, f64)>;

/// The archive's entries, in the order train, valid, test. The authors write `val`.
const ENTRIES: [&str; 3] = ["train_corpus", "val_corpus", "test_corpus"];
/// Most bytes of an entry: its pickle is read up to 16 MiB. MOSEI's largest takes less than three million.
const LONGEST_ENTRY: u64 = (16 << 20) + LONGEST_HEADER as u64;
/// Most bytes of the archive.
const LONGEST: u64 = 1 << 30;
/// Longest id that is looked at; what can be a file's name is shorter.
const LONGEST_ID: usize = 1024;

/// Reads the sentiments (`val`) of train, valid and test. Nothing in the pickles is executed.
///
/// # Errors
/// Io; Format when the archive or a pickle is damaged, names anything but numpy's classes, or is not laid out as above;
/// Corpus for an id that comes twice in a split.
pub fn read_labels(path: &Path) -> Result<[SplitLabels; 3]> {
    let refuse = |reason: String| TrainerError::Format {
        path: path.into(),
        format: "label (.npz)",
        reason,
        fix: "expected the authors' label_official.npz with train_corpus, val_corpus and test_corpus",
    };
    let (file, bytes) = regular::open(path, LONGEST).map_err(|e| TrainerError::io(path, "read", e))?;
    let mut archive =
        ZipArchive::new(BufReader::new(file)).map_err(|e| refuse(format!("no complete zip archive: {e}")))?;
    archive::apart(&mut archive).map_err(&refuse)?;
    let mut allowance = Allowance::of(bytes);
    let mut splits = [const { Vec::new() }; 3];
    for (name, split) in ENTRIES.into_iter().zip(&mut splits) {
        let bytes = entry(&mut archive, name, &mut allowance).map_err(&refuse)?;
        *split = labels(&bytes).map_err(|fault| match fault {
            Fault::Form(reason) => refuse(format!("{name}: {reason}")),
            Fault::Twice(id) => TrainerError::corpus(
                path.display().to_string(),
                format!("{name}: the id {id:?} comes twice; each clip has one label"),
            ),
        })?;
    }
    Ok(splits)
}

/// What can be wrong with a split.
enum Fault {
    /// What it is written as.
    Form(String),
    /// This id has two labels.
    Twice(String),
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Form(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Self::Form(reason.into())
    }
}

/// Bytes of an entry, held against the archive's checksum.
fn entry(
    archive: &mut ZipArchive<BufReader<File>>,
    name: &str,
    allowance: &mut Allowance,
) -> std::result::Result<Vec<u8>, String> {
    let file_name = format!("{name}.npy");
    let Some(index) = archive.index_for_name(&file_name) else {
        let names: Vec<_> = archive.file_names_raw().take(8).map(String::from_utf8_lossy).collect();
        return Err(format!("the split {file_name} is missing; the archive holds {names:?}"));
    };
    let wrong = |e: &dyn std::fmt::Display| format!("{file_name}: {e}");
    let entry = archive.by_index(index).map_err(|e| wrong(&e))?;
    let size = entry.size();
    if size > LONGEST_ENTRY {
        return Err(wrong(&format_args!("it takes {size} bytes, at most {LONGEST_ENTRY} are read")));
    }
    // Of a Python object nothing else says how long it is.
    allowance.take(size, entry.compressed_size(), false).map_err(|e| wrong(&e))?;
    // What an entry announces is not believed: memory grows with what really comes.
    let mut bytes = Vec::new();
    entry.take(size.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| wrong(&e))?;
    if bytes.len() as u64 != size {
        return Err(wrong(&format_args!("it holds {} bytes and announces {size}", bytes.len())));
    }
    Ok(bytes)
}

/// Labels of an array without axes that holds one dict `{utterance: {"val": ..., ...}}`.
fn labels(bytes: &[u8]) -> std::result::Result<SplitLabels, Fault> {
    let header = Header::parse(bytes)?;
    if header.dtype.kind != Kind::Object || !header.shape.is_empty() {
        return Err(format!(
            "expected one Python object, found an array of shape {:?} of {}",
            header.shape, header.dtype
        )
        .into());
    }
    let program = bytes.get(header.data_start..).unwrap_or_default();
    let objects = Objects::new(Pickle::parse(program)?)?;
    // The array without axes is pickled as an array whose one element is the dict.
    let dict = match objects.items(objects.root()).as_deref() {
        Some(&[dict]) => dict,
        _ => return Err("expected an array with one dict in it".into()),
    };
    let pairs = objects.dict(dict).ok_or("expected a dict of utterances")?;
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    // A dict of labels that many utterances share is looked into once.
    let mut values: HashMap<ValueId, Option<f64>> = HashMap::new();
    for &(id, label) in pairs {
        let id = objects.text(id, LONGEST_ID).ok_or("an utterance's id is no text, or longer than any file's name")?;
        let value = || objects.get(label, "val").and_then(|value| objects.number(value));
        let Some(value) = *values.entry(label).or_insert_with(value) else {
            return Err(format!("utterance {id:?} has no number under \"val\"").into());
        };
        let id = id.into_owned();
        if !seen.insert(id.clone()) {
            return Err(Fault::Twice(id));
        }
        found.push((id, value));
    }
    Ok(found)
}
