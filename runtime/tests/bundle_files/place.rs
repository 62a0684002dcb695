//! A folder with two dry bundles, and the program.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mien_models::bundle::{Bundle, DrySize, archive, make_dry};
use tempfile::TempDir;

/// Recorded human voice of Debian's alsa-utils: "front center".
pub(crate) const SPEECH: &str = "/usr/share/sounds/alsa/Front_Center.wav";

/// Two bundles and a place for one of them.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) digests: [String; 2],
}

impl Place {
    /// Bundles of the seeds 8 and 9 and their archives.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("place")).unwrap();
        let digests = ["0", "1"].map(|name| {
            let path = folder.path().join(name);
            make_dry(&path, DrySize::Small, 8 + name.parse::<u64>().unwrap()).unwrap();
            archive::export(&path, &folder.path().join(format!("{name}.tar"))).unwrap();
            Bundle::open(&path).unwrap().digest().to_owned()
        });
        Self { folder, digests }
    }

    pub(crate) fn bundle(&self, which: usize) -> PathBuf {
        self.folder.path().join(which.to_string())
    }

    pub(crate) fn archive(&self, which: usize) -> PathBuf {
        self.folder.path().join(format!("{which}.tar"))
    }

    /// The folder in which bundles are put.
    pub(crate) fn place(&self) -> PathBuf {
        self.folder.path().join("place")
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.place().join("bundle")
    }

    /// Makes the place anew: the first bundle at the target, and with `kept` one under the kept one's name.
    pub(crate) fn reset(&self, kept: bool) {
        fs::remove_dir_all(self.place()).unwrap();
        fs::create_dir(self.place()).unwrap();
        copy(&self.bundle(0), &self.target());
        if kept {
            copy(&self.bundle(0), &self.place().join("bundle.previous"));
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(self.place()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Copies a folder of files.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

pub(crate) fn mien(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mien"));
    command.args(args);
    command
}

/// What a run of `mien` must be, whatever happens around it: a success or one line of an error, never a signal.
pub(crate) fn ended(output: &Output) -> Result<String, String> {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.signal(), None, "{stderr}");
    let code = output.status.code().unwrap();
    if code == 0 {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    assert!([1, 2, 3, 4, 5].contains(&code), "exit code {code}: {stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains("abort"), "{stderr}");
    Err(stderr)
}
