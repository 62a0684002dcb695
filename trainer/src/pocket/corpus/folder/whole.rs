//! The file that says that a corpus is whole: its counts and the digest of everything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mien_capture::one_line;
use mien_models::bundle::Sha256;
use serde::{Deserialize, Serialize};

use super::super::plan::Plan;
use super::super::settings::{self, CorpusSettings, MadeBy};
use super::record::Record;
use super::{HIDDEN, LIST, RECORDS, record_path};
use crate::data::corpus::{SPLITS, split_name};
use crate::{Result, TrainerError, versioned};

/// The file's name.
pub const FILE: &str = "corpus.toml";
/// Longest file that is read: some hundred bytes for each clip.
const LONGEST: u64 = 256 << 20;

/// A whole corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whole {
    /// SHA-256 over the lines `<sha256>  <path>` of [`Whole::files`]; equal for equal corpora.
    pub digest: Sha256,
    /// Clips of all splits.
    pub clips: usize,
    /// Their pictures.
    pub pictures: usize,
    /// Their length.
    pub seconds: f64,
    /// Bytes of sound, pictures and tables of times.
    pub bytes: u64,
    /// What the clips are made by.
    pub made_by: MadeBy,
    /// Each split by its name.
    pub splits: BTreeMap<String, SplitCounts>,
    /// Settings, tables and records by their paths; records hold the digests of the clips' files.
    pub files: BTreeMap<String, Sha256>,
}

/// What is in a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitCounts {
    /// Clips.
    pub clips: usize,
    /// Clips in which voice and face contradict the words.
    pub contradicting: usize,
    /// Voices, none of which is in another split.
    pub speakers: usize,
    /// Faces, none of which is in another split.
    pub identities: usize,
    /// Length of the clips.
    pub seconds: f64,
}

impl Whole {
    /// Counts what stands in `root` and takes its digest. Clips are taken by what their records say.
    ///
    /// # Errors
    /// Io; Pocket for a record that cannot be read.
    pub(super) fn of(root: &Path, made_by: &MadeBy) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut add = |name: &str| {
            let (_, sha256) = Sha256::of_file(&root.join(name))?;
            files.insert(name.to_owned(), sha256);
            Ok::<_, TrainerError>(())
        };
        [settings::FILE, LIST, HIDDEN].iter().try_for_each(|name| add(name))?;
        let plans = Plan::all(&CorpusSettings { seed: made_by.seed, clips: made_by.clips });
        let mut records = Vec::with_capacity(plans.len());
        for plan in plans {
            let path = record_path(root, &plan.id);
            let Some(record) = Record::read(&path) else {
                let reason = "no record of a clip; run `mien-train pocket corpus` again, which makes the clip anew";
                return Err(TrainerError::Pocket { path, reason: reason.into() });
            };
            add(&format!("{RECORDS}/{}.json", plan.id))?;
            records.push((plan, record));
        }
        let total = |of: fn(&Record) -> u64| records.iter().map(|(_, record)| of(record)).sum::<u64>();
        let splits = SPLITS.map(|split| {
            let mine = || records.iter().filter(move |(plan, _)| plan.split == split);
            let different = |of: fn(&Plan) -> String| mine().map(|(plan, _)| of(plan)).collect::<BTreeSet<_>>().len();
            let counts = SplitCounts {
                clips: mine().count(),
                contradicting: mine().filter(|(plan, _)| plan.valences.contradict()).count(),
                speakers: different(|plan| plan.role.speaker.name.clone()),
                identities: different(|plan| plan.role.identity()),
                seconds: rounded(mine().map(|(_, record)| record.seconds).sum()),
            };
            (split_name(split).to_owned(), counts)
        });
        Ok(Self {
            digest: digest(&files),
            clips: records.len(),
            pictures: total(|record| record.files.keys().filter(|name| name.ends_with(".jpg")).count() as u64) as usize,
            seconds: rounded(records.iter().map(|(_, record)| record.seconds).sum()),
            bytes: total(Record::bytes),
            made_by: made_by.clone(),
            splits: splits.into(),
            files,
        })
    }

    /// Reads the file in `root`; `None` where there is none.
    ///
    /// # Errors
    /// Io; Pocket for a file that is none, or whose digest is not that of its own list.
    pub(super) fn read(root: &Path) -> Result<Option<Self>> {
        let path = root.join(FILE);
        let refuse = |reason: String| TrainerError::Pocket { path: path.clone(), reason };
        let Some(text) = versioned::text(&path, LONGEST, refuse)? else { return Ok(None) };
        let refuse = |reason: String| Err(refuse(reason));
        match toml::from_str::<Self>(&text) {
            Err(e) => refuse(format!("changed: {}; {MEND}", one_line(e.message()))),
            Ok(whole) if digest(&whole.files) != whole.digest => {
                refuse(format!("changed: its digest {} is not that of the files that it lists; {MEND}", whole.digest))
            }
            Ok(whole) => Ok(Some(whole)),
        }
    }

    /// The file's text.
    ///
    /// # Errors
    /// Pocket for numbers that TOML cannot hold.
    pub(super) fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| TrainerError::Pocket { path: FILE.into(), reason: e.to_string() })
    }
}

/// What to do about a corpus that is not as it was made.
pub(super) const MEND: &str = "run `mien-train pocket corpus` again, which makes anew what differs";

fn digest(files: &BTreeMap<String, Sha256>) -> Sha256 {
    let lines: String = files.iter().map(|(path, sha256)| format!("{sha256}  {path}\n")).collect();
    Sha256::of(lines.as_bytes())
}

/// Sums of seconds are told to the millisecond.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}
