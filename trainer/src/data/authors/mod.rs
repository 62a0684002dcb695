//! The authors' layout (specification, data section 1):
//!
//! ```text
//! <root>/datasets_label/cmumosei-process/label_official.npz
//! <root>/features_mosei/<feature name>/<utterance>.npy
//! <root>/mosei_text_mid_new.csv
//! ```

mod labels;
mod transcripts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use labels::{SplitLabels, read_labels};
pub use transcripts::read_transcripts;

use super::corpus::{Clip, Corpus, Modality, SPLITS, split_name};
use super::npy::{Extent, FeatureFolder, Matrix};
use super::source::Split;
use crate::{Result, TrainerError};

/// Where the parts of the layout lie.
#[derive(Clone, Debug)]
pub struct AuthorsPlaces {
    /// The label archive.
    pub labels: PathBuf,
    /// The table of transcripts; none where they are not wanted.
    pub transcripts: Option<PathBuf>,
    /// The feature folder of each modality.
    pub features: BTreeMap<Modality, PathBuf>,
}

impl AuthorsPlaces {
    /// The names of the published runs below `root`. The transcripts are left out where the file is not there.
    pub fn published(root: &Path) -> Self {
        let features = [
            (Modality::Audio, "wavlm-large-FRA_-5"),
            (Modality::Text, "vicuna-7b-v1.5-FRA-wavlm2vicuna-half-gt"),
            (Modality::Simulated, "vicuna-7b-v1.5-FRA-wavlm2vicuna-half-wav+prompt[take_generate_wordembed_-4]"),
            (Modality::Video, "manet_FRA"),
        ];
        let transcripts = root.join("mosei_text_mid_new.csv");
        Self {
            labels: root.join("datasets_label/cmumosei-process/label_official.npz"),
            transcripts: transcripts.is_file().then_some(transcripts),
            features: features.map(|(m, name)| (m, root.join("features_mosei").join(name))).into(),
        }
    }
}

/// A corpus in the authors' layout.
#[derive(Debug)]
pub struct AuthorsCorpus {
    origin: String,
    clips: [Vec<Clip>; 3],
    features: BTreeMap<Modality, FeatureFolder>,
    remarks: Vec<String>,
}

impl AuthorsCorpus {
    /// Reads labels and transcripts; features stay where they are.
    ///
    /// # Errors
    /// Io, Format and Corpus for labels or transcripts that cannot be read, and for a feature folder that is missing.
    pub fn open(places: &AuthorsPlaces) -> Result<Self> {
        let labels = read_labels(&places.labels)?;
        let mut texts = match &places.transcripts {
            Some(path) => read_transcripts(path)?,
            None => BTreeMap::new(),
        };
        let mut remarks = Vec::new();
        let clips = labels.map(|split| {
            let clip = |(id, label): (String, f64)| Clip { label, speaker: None, transcript: texts.remove(&id), id };
            split.into_iter().map(clip).collect::<Vec<_>>()
        });
        if places.transcripts.is_some() {
            for (split, clips) in SPLITS.iter().zip(&clips) {
                let silent = clips.iter().filter(|c| c.transcript.is_none()).count();
                if silent > 0 {
                    remarks.push(format!("{silent} clips of {} have no transcript", split_name(*split)));
                }
            }
            if !texts.is_empty() {
                remarks.push(format!("{} transcripts belong to no labelled clip", texts.len()));
            }
        }
        let features = places
            .features
            .iter()
            .map(|(&modality, path)| Ok((modality, FeatureFolder::open(path.clone())?)))
            .collect::<Result<_>>()?;
        Ok(Self { origin: format!("authors' layout, {}", places.labels.display()), clips, features, remarks })
    }
}

impl Corpus for AuthorsCorpus {
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
        let name = |f: &FeatureFolder| f.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.features.iter().map(|(m, folder)| (*m, name(folder))).collect()
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
        self.remarks.clone()
    }
}
