//! Whether a store is whole, and whether its splits are apart.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::corpus::{Modality, SPLITS, split_name};
use super::id::video_of;
use super::source::Split;
use super::store::{Index, Store};
use crate::Result;

/// Names that a message shows; the others are counted.
const SHOWN: usize = 5;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CheckReport {
    /// Things that make results wrong: changed files, numbers that are none.
    pub faults: Vec<String>,
    /// Videos or speakers that are in several splits.
    pub leaks: Vec<Leak>,
    /// Things to know: clips whose rows are zero throughout.
    pub remarks: Vec<String>,
}

/// Something that two splits share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// `video` or `speaker`.
    pub what: &'static str,
    /// The splits.
    pub splits: [&'static str; 2],
    /// The names that both have.
    pub names: Vec<String>,
    /// Clips of the second split that belong to them.
    pub clips: usize,
}

impl Leak {
    /// In words.
    pub fn text(&self) -> String {
        let shown = self.names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        let more = self.names.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let [a, b] = self.splits;
        format!("{} {}s are in {a} and {b} ({} clips of {b}): {shown}{more}", self.names.len(), self.what, self.clips)
    }
}

/// Holds every file against its digest, looks at every number, and looks for videos and speakers in several splits.
/// `tell` hears of clips looked at, of all.
///
/// # Errors
/// Io while reading; faults of the store are reported, not returned.
pub fn check(store: &Store, tell: &mut dyn FnMut(usize, usize)) -> Result<CheckReport> {
    let mut report = CheckReport { leaks: leaks(store.index()), ..CheckReport::default() };
    for file in store.files() {
        if let Some(fault) = store.verify(file) {
            report.faults.push(format!("{}: {}", fault.path.display(), fault.reason));
        }
    }
    let total: usize = SPLITS.iter().map(|split| store.index().split(*split).ids.len()).sum();
    let mut done = 0;
    for split in SPLITS {
        let mut zeros: BTreeMap<Modality, usize> = BTreeMap::new();
        for (clip, id) in store.index().split(split).ids.iter().enumerate() {
            for modality in Modality::ALL {
                let Some(rows) = store.rows(split, clip, modality)? else { continue };
                if let Some(value) = rows.iter().find(|v| !v.is_finite()) {
                    let split = split_name(split);
                    report.faults.push(format!(
                        "{split}: the {modality} rows of clip {id} hold {value}; import the corpus again"
                    ));
                }
                if rows.iter().all(|v| *v == 0.0) {
                    *zeros.entry(modality).or_default() += 1;
                }
            }
            done += 1;
            tell(done, total);
        }
        for (modality, n) in zeros {
            report.remarks.push(format!("{}: the {modality} rows of {n} clips are zero throughout", split_name(split)));
        }
    }
    Ok(report)
}

/// Videos and speakers that are in several splits.
pub fn leaks(index: &Index) -> Vec<Leak> {
    let videos = |split: Split| -> Vec<Option<String>> {
        index.split(split).ids.iter().map(|id| Some(video_of(id).to_owned())).collect()
    };
    let speakers = |split: Split| index.split(split).speakers.clone().unwrap_or_default();
    let mut found = Vec::new();
    for (a, b) in [(Split::Train, Split::Valid), (Split::Train, Split::Test), (Split::Valid, Split::Test)] {
        for (what, first, second) in [("video", videos(a), videos(b)), ("speaker", speakers(a), speakers(b))] {
            let first: BTreeSet<String> = first.into_iter().flatten().collect();
            let shared: Vec<String> = second.into_iter().flatten().filter(|name| first.contains(name)).collect();
            if shared.is_empty() {
                continue;
            }
            let clips = shared.len();
            let names = shared.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
            found.push(Leak { what, splits: [split_name(a), split_name(b)], names, clips });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::store::{RowType, SplitIndex};
    use super::*;

    fn split(ids: &[&str], speakers: &[&str]) -> SplitIndex {
        SplitIndex {
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            speakers: Some(speakers.iter().map(|s| (!s.is_empty()).then(|| (*s).to_owned())).collect()),
            ..SplitIndex::default()
        }
    }

    #[test]
    fn what_two_splits_share_is_found() {
        let index = Index {
            created_by: String::new(),
            origin: String::new(),
            rows: RowType::F16,
            modalities: BTreeMap::new(),
            remarks: Vec::new(),
            train: split(&["a_b_0", "a_b_1", "c_0"], &["ann", "ann", ""]),
            valid: split(&["d_0", "e_0"], &["ben", "ann"]),
            test: split(&["a_b_7", "f_1", "a_b_9", "a_0"], &["", "ben", "", ""]),
        };
        let found = leaks(&index);
        let leak = |what, splits, names: &[&str], clips| Leak {
            what,
            splits,
            names: names.iter().map(|n| (*n).to_owned()).collect(),
            clips,
        };
        assert_eq!(
            found,
            [
                leak("speaker", ["train", "valid"], &["ann"], 1),
                // a_b, not a: ids are split at the last underscore.
                leak("video", ["train", "test"], &["a_b"], 2),
                leak("speaker", ["valid", "test"], &["ben"], 1),
            ]
        );
        assert_eq!(found[1].text(), "1 videos are in train and test (2 clips of test): a_b");
    }
}
