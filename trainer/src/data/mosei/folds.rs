//! The official folds: three lists of video ids, read from a file of the user's (specification, data section 5).

use std::collections::BTreeMap;
use std::path::Path;

use super::super::corpus::{SPLITS, split_name};
use super::super::source::Split;
use crate::{Result, TrainerError};

/// Longest file that is read; the 3,227 ids take 50 kB.
const LONGEST: u64 = 16 << 20;

/// Which split a video belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Folds {
    split_of: BTreeMap<String, Split>,
}

impl Folds {
    /// Reads a Python file with the lists `standard_train_fold`, `standard_valid_fold` and `standard_test_fold` (the
    /// SDK's own), or a folder with `train.txt`, `valid.txt` and `test.txt`, one id per line. Python is not run.
    ///
    /// # Errors
    /// Io; Format when a list is missing or empty; Corpus for a video in two folds.
    pub fn read(path: &Path) -> Result<Self> {
        let mut split_of = BTreeMap::new();
        if path.is_dir() {
            for split in SPLITS {
                let file = path.join(format!("{}.txt", split_name(split)));
                let text = text(&file)?;
                let ids = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
                add(&mut split_of, &file, split, ids)?;
            }
        } else {
            let text = text(path)?;
            for split in SPLITS {
                let ids = python_list(&text, &format!("standard_{}_fold", split_name(split)))
                    .map_err(|reason| refuse(path, reason))?;
                add(&mut split_of, path, split, ids.into_iter())?;
            }
        }
        Ok(Self { split_of })
    }

    /// The split of a video; `None` for one that is in no fold.
    pub fn split_of(&self, video: &str) -> Option<Split> {
        self.split_of.get(video).copied()
    }

    /// Number of videos in a split.
    pub fn videos(&self, split: Split) -> usize {
        self.split_of.values().filter(|s| **s == split).count()
    }
}

fn text(path: &Path) -> Result<String> {
    crate::reading::text(path, LONGEST)
}

fn add<'a>(
    split_of: &mut BTreeMap<String, Split>,
    path: &Path,
    split: Split,
    ids: impl Iterator<Item = &'a str>,
) -> Result<()> {
    let before = split_of.len();
    for id in ids {
        match split_of.insert(id.to_owned(), split) {
            Some(other) if other != split => {
                let (other, split) = (split_name(other), split_name(split));
                return Err(TrainerError::corpus(
                    path.display().to_string(),
                    format!("video {id:?} is in the folds {other} and {split}; each belongs to one"),
                ));
            }
            _ => {}
        }
    }
    if split_of.len() == before {
        return Err(refuse(path, format!("the fold {} names no video", split_name(split))));
    }
    Ok(())
}

/// The quoted texts of the list that `name` is bound to.
fn python_list<'a>(text: &'a str, name: &str) -> std::result::Result<Vec<&'a str>, String> {
    let missing = || format!("the list {name} is missing");
    let assigned = |at: usize| {
        let rest = text.get(at + name.len()..)?.trim_start().strip_prefix('=')?.trim_start();
        // Only what begins a line binds a name: no comment, no longer name, no comparison. What stands before is looked at up to the
        // first letter, so that a long line is not gone through for each place of the name in it.
        let before = text.get(..at)?.chars().rev().find(|c| *c == '\n' || !c.is_whitespace());
        let begins = before.is_none_or(|c| c == '\n');
        rest.strip_prefix('[').filter(|_| begins)
    };
    let inside = text.match_indices(name).find_map(|(at, _)| assigned(at)).ok_or_else(missing)?;
    let mut ids = Vec::new();
    let mut rest = inside.trim_start();
    loop {
        if rest.starts_with(']') {
            return Ok(ids);
        }
        let broken = || format!("the list {name} is no list of quoted ids");
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or_else(broken)?;
        let (id, after) = rest.get(1..).and_then(|r| r.split_once(quote)).ok_or_else(broken)?;
        ids.push(id);
        let after = after.trim_start();
        match after.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None if after.starts_with(']') => rest = after,
            None => return Err(broken()),
        }
    }
}

fn refuse(path: &Path, reason: String) -> TrainerError {
    TrainerError::Format {
        path: path.into(),
        format: "folds",
        reason,
        fix: "give the SDK's Python file with standard_train_fold, standard_valid_fold, standard_test_fold, or a folder with \
              train.txt, valid.txt and test.txt",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(text: &str) -> Result<Folds> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cmu_mosei_std_folds.py");
        std::fs::write(&path, text).unwrap();
        Folds::read(&path)
    }

    #[test]
    fn the_lists_of_a_python_file_are_read() {
        let folds = read(
            "#standard_train_fold = ['x']\nimport os\nstandard_train_fold=['a-1_', \"b\",\n 'c',]\n\
             standard_valid_fold = [ 'd' ]\nstandard_test_fold=['e','f']\nprint(standard_train_fold)\n",
        )
        .unwrap();
        let split = |v: &str| folds.split_of(v);
        assert_eq!(["a-1_", "b", "c"].map(split), [Some(Split::Train); 3]);
        assert_eq!(["d", "e", "f", "g"].map(split), [Some(Split::Valid), Some(Split::Test), Some(Split::Test), None]);
        assert_eq!(SPLITS.map(|s| folds.videos(s)), [3, 1, 2]);
    }

    #[test]
    fn a_folder_of_lists_is_read() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("train", "a\n# no id\n\nb\r\n"), ("valid", "c\n"), ("test", "d")] {
            std::fs::write(folder.path().join(format!("{name}.txt")), text).unwrap();
        }
        let folds = Folds::read(folder.path()).unwrap();
        assert_eq!(
            ["a", "b", "c", "d"].map(|v| folds.split_of(v)).map(|s| s.map(split_name)),
            [Some("train"), Some("train"), Some("valid"), Some("test")]
        );
        std::fs::remove_file(folder.path().join("valid.txt")).unwrap();
        assert!(Folds::read(folder.path()).unwrap_err().to_string().contains("valid.txt"));
    }

    #[test]
    fn broken_lists_are_refused() {
        let rest = "standard_valid_fold=['d']\nstandard_test_fold=['e']\n";
        for (text, expected) in [
            (format!("standard_train_fold=['a'\n{rest}"), "quoted ids"),
            (format!("standard_train_fold=[1]\n{rest}"), "quoted ids"),
            (format!("standard_train_fold=[]\n{rest}"), "no video"),
            (format!("my_standard_train_fold=['a']\n{rest}"), "missing"),
            (format!("standard_train_fold=['d']\n{rest}"), "folds train and valid"),
        ] {
            assert!(read(&text).unwrap_err().to_string().contains(expected), "{text}");
        }
    }
}
