//! MMSA pickles: `aligned_50.pkl` and `unaligned_50.pkl` (specification, data section 3).
//!
//! One pickled dict of three splits, each a dict of arrays; gigabytes of numbers lie in the program itself. The file is
//! mapped, the program is read symbolically and executes nothing, and rows are taken out of the map clip by clip. There is
//! no simulated text in these files.

mod arrays;
mod split;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mien_models::tensor::FileMap;
use mien_models::tensor::pickle::Pickle;

use super::corpus::{Clip, Corpus, Modality, SPLITS, split_name};
use super::npy::{Extent, Matrix};
use super::numpy::Objects;
use super::source::Split;
use crate::{Result, TrainerError};

use split::MmsaSplit;

/// The modalities with the keys of their arrays.
const ARRAYS: [(Modality, &str); 3] =
    [(Modality::Audio, "audio"), (Modality::Text, "text"), (Modality::Video, "vision")];

/// A corpus in an MMSA pickle.
#[derive(Debug)]
pub struct MmsaCorpus {
    path: PathBuf,
    map: FileMap,
    splits: [MmsaSplit; 3],
    remarks: Vec<String>,
}

impl MmsaCorpus {
    /// Opens the pickle at `path`.
    ///
    /// # Errors
    /// Io; Format when the pickle is damaged, names anything but numpy's classes, or lacks splits or keys.
    pub fn open(path: &Path) -> Result<Self> {
        let refuse = |reason: String| TrainerError::Format {
            path: path.into(),
            format: "MMSA (.pkl)",
            reason,
            fix: "expected a pickled dict with train, valid and test as MMSA publishes it (protocols 3 to 5)",
        };
        let map = FileMap::open(path)?;
        let objects = Pickle::parse_mapped(&map).and_then(Objects::new).map_err(&refuse)?;
        let mut splits = [const { None }; 3];
        for (split, slot) in SPLITS.into_iter().zip(&mut splits) {
            let name = split_name(split);
            let dict = objects.get(objects.root(), name).ok_or_else(|| {
                refuse(format!("the split {name} is missing; the file holds {:?}", objects.keys(objects.root())))
            })?;
            let read = MmsaSplit::read(&objects, dict, &map).map_err(|reason| refuse(format!("{name}: {reason}")))?;
            *slot = Some(read);
        }
        let splits = splits.map(Option::unwrap_or_default);
        let remarks = vec![
            format!("valid rows: {}", MmsaSplit::lengths_from(&splits)),
            "minus infinity in features is read as 0".into(),
        ];
        Ok(Self { path: path.into(), map, splits, remarks })
    }

    fn split(&self, split: Split) -> &MmsaSplit {
        match split {
            Split::Train => &self.splits[0],
            Split::Valid => &self.splits[1],
            Split::Test => &self.splits[2],
        }
    }
}

impl Corpus for MmsaCorpus {
    fn origin(&self) -> String {
        format!("MMSA, {}", self.path.display())
    }

    fn clips(&self, split: Split) -> &[Clip] {
        &self.split(split).clips
    }

    fn modalities(&self) -> BTreeMap<Modality, String> {
        ARRAYS.iter().map(|(modality, key)| (*modality, format!("MMSA {key}"))).collect()
    }

    fn extent(&self, split: Split, clip: usize, modality: Modality) -> Result<Option<Extent>> {
        Ok(self.split(split).extent(&self.map, clip, modality))
    }

    fn rows(&self, split: Split, clip: usize, modality: Modality) -> Result<Matrix> {
        self.split(split)
            .rows(&self.map, clip, modality)
            .ok_or_else(|| TrainerError::corpus(self.origin(), format!("no {modality} rows of clip number {clip}")))
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }
}
