//! A plain layout of our own, for corpora that have no other:
//!
//! ```text
//! <root>/clips.csv                  header id,split,label and, where wanted, speaker,text
//! <root>/audio/<id>.npy             one folder for each modality: audio, text, simulated, video
//! ```
//!
//! `split` is train, valid or test. A modality that a clip does not have is an array of no rows. Rows may also lie in
//! `<root>/audio/<id>/`, one file for each. They are at least two numbers wide: axes of length 1 are dropped, as in the
//! authors' layout. `mien-train extract` writes this layout, and beside the table what made the rows ([`super::provenance`]).

use std::collections::BTreeMap;
use std::path::Path;

use super::corpus::{Clip, Corpus, Modality, SPLITS, split_name};
use super::npy::{Extent, FeatureFolder, Matrix};
use super::provenance::Provenance;
use super::source::Split;
use super::table::text;
use crate::{Result, TrainerError};

/// Name of the table.
pub const TABLE: &str = "clips.csv";

/// A corpus in the plain layout.
#[derive(Debug)]
pub struct PlainCorpus {
    origin: String,
    clips: [Vec<Clip>; 3],
    features: BTreeMap<Modality, FeatureFolder>,
    provenance: Option<Provenance>,
}

impl PlainCorpus {
    /// Reads the table below `root`; a modality whose folder is not there has no rows.
    ///
    /// # Errors
    /// Io; Format for a table without the three columns, rows of another length, text that is not UTF-8, a split or a
    /// label that is none; Extraction for a file [`super::provenance::FILE`] that is none.
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join(TABLE);
        let clips = table(&path)?;
        let mut features = BTreeMap::new();
        for modality in Modality::ALL {
            let folder = root.join(modality.name());
            if folder.exists() {
                features.insert(modality, FeatureFolder::open(folder)?);
            }
        }
        let provenance = Provenance::read(root)?;
        Ok(Self { origin: format!("plain layout, {}", root.display()), clips, features, provenance })
    }
}

fn table(path: &Path) -> Result<[Vec<Clip>; 3]> {
    let refuse = |reason: String| TrainerError::Format {
        path: path.into(),
        format: "clips (.csv)",
        reason,
        fix: "expected a UTF-8 table with the columns id, split (train, valid, test) and label, and perhaps speaker and text",
    };
    let bytes = text(path, refuse)?;
    let mut table = csv::Reader::from_reader(bytes.as_slice());
    let header = table.headers().map_err(|e| refuse(e.to_string()))?.clone();
    if let Some(unknown) = header.iter().find(|c| !["id", "split", "label", "speaker", "text"].contains(&c.trim())) {
        return Err(refuse(format!("it has a column {unknown:?}")));
    }
    let column = |name: &str| header.iter().position(|c| c.trim() == name);
    let (Some(id), Some(split), Some(label)) = (column("id"), column("split"), column("label")) else {
        return Err(refuse(format!("its header holds {header:?}")));
    };
    let (speaker, said) = (column("speaker"), column("text"));
    let mut clips = [const { Vec::new() }; 3];
    for (line, row) in table.records().enumerate() {
        let row = row.map_err(|e| refuse(e.to_string()))?;
        let wrong = |what: &str, found: &str| refuse(format!("row {}: {what}, found {found:?}", line + 1));
        let cell = |column: usize| row.get(column).unwrap_or_default().trim();
        let optional = |column: Option<usize>| column.map(cell).filter(|c| !c.is_empty()).map(str::to_owned);
        let slot = SPLITS.iter().position(|s| split_name(*s) == cell(split));
        let slot =
            slot.and_then(|at| clips.get_mut(at)).ok_or_else(|| wrong("expected train, valid or test", cell(split)))?;
        let number = cell(label).parse().map_err(|_| wrong("expected a number", cell(label)))?;
        slot.push(Clip {
            id: cell(id).to_owned(),
            label: number,
            speaker: optional(speaker),
            transcript: optional(said),
        });
    }
    Ok(clips)
}

impl Corpus for PlainCorpus {
    fn origin(&self) -> String {
        self.origin.clone()
    }

    fn clips(&self, split: Split) -> &[Clip] {
        match split {
            Split::Train => &self.clips[0],
            Split::Valid => &self.clips[1],
            Split::Test => &self.clips[2],
        }
    }

    fn modalities(&self) -> BTreeMap<Modality, String> {
        self.features.keys().map(|m| (*m, m.name().to_owned())).collect()
    }

    fn extent(&self, split: Split, clip: usize, modality: Modality) -> Result<Option<Extent>> {
        match (self.features.get(&modality), self.clips(split).get(clip)) {
            (Some(folder), Some(clip)) => folder.extent(&clip.id),
            _ => Ok(None),
        }
    }

    fn rows(&self, split: Split, clip: usize, modality: Modality) -> Result<Matrix> {
        match (self.features.get(&modality), self.clips(split).get(clip)) {
            (Some(folder), Some(clip)) => folder.read(&clip.id),
            _ => Err(TrainerError::corpus(self.origin(), format!("no {modality} rows of clip number {clip}"))),
        }
    }

    fn remarks(&self) -> Vec<String> {
        self.provenance.iter().map(Provenance::remark).collect()
    }
}
