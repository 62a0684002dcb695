//! The running program, the folders that it makes, and their tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

/// A finished run of `mien-train`.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("the program ends by itself, not by a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What a run printed that must have succeeded.
    pub(crate) fn printed(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// The error line of a run that must have ended with `code`.
    pub(crate) fn refused(&self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        let last = self.stderr.trim_end().lines().last().unwrap().to_owned();
        assert!(last.starts_with("mien-train: "), "{self:?}");
        last
    }
}

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mien-train"));
    command.args(args).env_remove("MIEN_BUNDLE");
    command
}

/// A folder for one test.
pub(crate) struct Room(TempDir);

impl Room {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `mien-train pocket corpus --out OUT`, not yet started.
    pub(crate) fn command(&self, out: &str, args: &[&str]) -> Command {
        let mut command = command(&["pocket", "corpus", "--out"]);
        command.arg(self.path(out)).args(args);
        command
    }

    pub(crate) fn corpus(&self, out: &str, args: &[&str]) -> Run {
        Run::of(self.command(out, args).output().unwrap())
    }

    pub(crate) fn verify(&self, out: &str) -> Run {
        Run::of(command(&["pocket", "verify"]).arg(self.path(out)).output().unwrap())
    }

    /// Every file of a corpus by its path, the desk excepted.
    pub(crate) fn tree(&self, out: &str) -> BTreeMap<String, Vec<u8>> {
        tree(&self.path(out))
    }
}

pub(crate) fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                if name != ".work" {
                    folders.push(path);
                }
            } else {
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// The digest in what a run printed.
pub(crate) fn digest(printed: &str) -> String {
    let (_, digest) = printed.split_once("sha256 ").unwrap();
    digest.lines().next().unwrap().to_owned()
}

/// A row of a table by its columns' names.
pub(crate) type Row = BTreeMap<String, String>;

pub(crate) fn rows(path: &Path) -> Vec<Row> {
    let mut table = csv::Reader::from_path(path).unwrap();
    table.deserialize().map(Result::unwrap).collect()
}

pub(crate) fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap()
}

/// A corpus of 24 clips that several tests look at and none changes.
pub(crate) fn shared() -> &'static Room {
    static ROOM: OnceLock<Room> = OnceLock::new();
    ROOM.get_or_init(|| {
        let room = Room::new();
        room.corpus("corpus", &["--clips", "12,6,6", "--seed", "5"]).printed();
        room
    })
}
