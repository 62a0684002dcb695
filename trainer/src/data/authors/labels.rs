//! `label_official.npz`: a zip archive with one pickled dict for each split (specification, data section 1).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use mien_models::tensor::pickle::Pickle;
use zip::ZipArchive;

use super::super::numpy::{Header, Kind, Objects};
use crate::{Result, TrainerError};

/// Ids and sentiments of a split, in the order of the file.
pub type SplitLabels = Vec<(String, f64)>;

/// The archive's entries, in the order train, valid, test. The authors write `val`.
const ENTRIES: [&str; 3] = ["train_corpus", "val_corpus", "test_corpus"];
/// Most bytes of an entry; MOSEI's largest takes less than three million.
const LONGEST_ENTRY: u64 = 256 << 20;

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
    let metadata = std::fs::metadata(path).map_err(|e| TrainerError::io(path, "read", e))?;
    if !metadata.is_file() {
        return Err(TrainerError::io(path, "read", std::io::Error::other("not a regular file")));
    }
    let file = File::open(path).map_err(|e| TrainerError::io(path, "read", e))?;
    let mut archive =
        ZipArchive::new(BufReader::new(file)).map_err(|e| refuse(format!("no complete zip archive: {e}")))?;
    let mut splits = [const { Vec::new() }; 3];
    for (name, split) in ENTRIES.into_iter().zip(&mut splits) {
        let bytes = entry(&mut archive, name).map_err(&refuse)?;
        *split = labels(&bytes).map_err(|reason| refuse(format!("{name}: {reason}")))?;
        let mut seen = BTreeSet::new();
        if let Some((twice, _)) = split.iter().find(|(id, _)| !seen.insert(id.as_str())) {
            return Err(TrainerError::corpus(
                path.display().to_string(),
                format!("{name}: the id {twice:?} comes twice; each clip has one label"),
            ));
        }
    }
    Ok(splits)
}

/// Bytes of an entry, held against the archive's checksum.
fn entry(archive: &mut ZipArchive<BufReader<File>>, name: &str) -> std::result::Result<Vec<u8>, String> {
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
    // What an entry announces is not believed: memory grows with what really comes.
    let mut bytes = Vec::new();
    entry.take(LONGEST_ENTRY + 1).read_to_end(&mut bytes).map_err(|e| wrong(&e))?;
    if bytes.len() as u64 != size {
        return Err(wrong(&format_args!("it holds {} bytes and announces {size}", bytes.len())));
    }
    Ok(bytes)
}

/// Labels of an array without axes that holds one dict `{utterance: {"val": ..., ...}}`.
fn labels(bytes: &[u8]) -> std::result::Result<SplitLabels, String> {
    let header = Header::parse(bytes)?;
    if header.dtype.kind != Kind::Object || !header.shape.is_empty() {
        return Err(format!(
            "expected one Python object, found an array of shape {:?} of {}",
            header.shape, header.dtype
        ));
    }
    let program = bytes.get(header.data_start..).unwrap_or_default();
    let objects = Objects::new(Pickle::parse(program)?)?;
    // The array without axes is pickled as an array whose one element is the dict.
    let dict = match objects.items(objects.root()).as_deref() {
        Some(&[dict]) => dict,
        _ => return Err("expected an array with one dict in it".into()),
    };
    let pairs = objects.dict(dict).ok_or("expected a dict of utterances")?;
    pairs
        .iter()
        .map(|&(id, label)| {
            let id = objects.text(id).ok_or("an utterance's id is no text")?.into_owned();
            let value = objects.get(label, "val").and_then(|value| objects.number(value));
            value
                .map(|value| (id.clone(), value))
                .ok_or_else(|| format!("utterance {id:?} has no number under \"val\""))
        })
        .collect()
}
