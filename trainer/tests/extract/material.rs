//! Clips, lists and bundles to extract with, and the running program.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mien_models::bundle::{DrySize, make_dry};
use tempfile::TempDir;

/// A recorded voice of Debian's alsa-utils: `Front_Center` says "front center".
pub(crate) fn voice(name: &str) -> String {
    let path = format!("/usr/share/sounds/alsa/{name}.wav");
    assert!(Path::new(&path).is_file(), "{path} is missing: run `cargo xtask setup`");
    path
}

/// The public-domain portrait that set-up fetched.
pub(crate) fn portrait() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/assets/astronaut.png");
    assert!(path.is_file(), "{} is missing: run `cargo xtask setup`", path.display());
    path.canonicalize().unwrap().display().to_string()
}

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
        assert!(last.starts_with("mien-train: ") && !last.contains("WARNING"), "{self:?}");
        last
    }
}

/// A folder for one test: a list with its clips, a bundle, and what is extracted.
pub(crate) struct Room(TempDir);

impl Room {
    /// An empty room with a dry bundle.
    pub(crate) fn new() -> Self {
        let room = Self(tempfile::tempdir().unwrap());
        make_dry(&room.path("bundle"), DrySize::Small, 7).unwrap();
        room
    }

    /// A room with a list of six short clips in all three splits; two have a face.
    pub(crate) fn with_six_clips() -> Self {
        let room = Self::new();
        let names = ["Front_Left", "Front_Right", "Front_Center", "Rear_Left", "Rear_Right", "Rear_Center"];
        let mut list = String::from("id,path,split,label,transcript,face,speaker\n");
        for (n, name) in names.into_iter().enumerate() {
            fs::copy(voice(name), room.path(&format!("{name}.wav"))).unwrap();
            let split = ["train", "valid", "test"][n % 3];
            let face = if n < 2 { portrait() } else { String::new() };
            let said = name.replace('_', " ").to_lowercase();
            let label = n as f64 - 2.5;
            writeln!(list, "voice-{n}_0,{name}.wav,{split},{label},\"{said}, he said\",{face},s{n}").unwrap();
        }
        room.write("list.csv", &list);
        room
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// `mien-train extract list.csv --out OUT` with the room's bundle, not yet started.
    pub(crate) fn command(&self, out: &str, args: &[&str]) -> Command {
        let mut command = self.command_without_bundle(out, args);
        command.arg("--bundle").arg(self.path("bundle"));
        command
    }

    pub(crate) fn command_without_bundle(&self, out: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mien-train"));
        command.arg("extract").arg(self.path("list.csv")).arg("--out").arg(self.path(out));
        command.args(args).env_remove("MIEN_BUNDLE");
        command
    }

    pub(crate) fn extract(&self, out: &str, args: &[&str]) -> Run {
        Run::of(self.command(out, args).output().unwrap())
    }

    pub(crate) fn import(&self, out: &str, store: &str, args: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mien-train"));
        command.arg("import").arg(self.path(out)).arg("--out").arg(self.path(store)).args(args);
        Run::of(command.output().unwrap())
    }

    /// Every file of an extraction by its path, what machines leave of their work excepted.
    pub(crate) fn tree(&self, out: &str) -> BTreeMap<String, Vec<u8>> {
        let root = self.path(out);
        let mut files = BTreeMap::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(&root).unwrap().display().to_string();
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

    /// Holds one extraction against another, file by file and byte by byte.
    pub(crate) fn assert_equal(&self, a: &str, b: &str) {
        let (first, second) = (self.tree(a), self.tree(b));
        assert!(first.keys().eq(second.keys()), "{:?} and {:?}", first.keys(), second.keys());
        for (name, bytes) in &first {
            assert!(*bytes == second[name], "{name} differs");
        }
    }

    /// The lines of an extraction's table.
    pub(crate) fn table(&self, out: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(out).join("clips.csv")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The record of a clip.
    pub(crate) fn record(&self, out: &str, id: &str) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.path(out).join(format!("records/{id}.json"))).unwrap()).unwrap()
    }

    /// Records in an extraction.
    pub(crate) fn records(&self, out: &str) -> usize {
        fs::read_dir(self.path(out).join("records")).map_or(0, Iterator::count)
    }
}

/// Mono 16-bit sound at 16 kHz.
pub(crate) fn wav(samples: &[i16]) -> Vec<u8> {
    let data = samples.len() as u32 * 2;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    bytes.extend([1u16, 1].iter().flat_map(|field| field.to_le_bytes()));
    bytes.extend([16_000u32, 32_000].iter().flat_map(|field| field.to_le_bytes()));
    bytes.extend([2u16, 16].iter().flat_map(|field| field.to_le_bytes()));
    bytes.extend(b"data");
    bytes.extend(data.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

/// Copies a folder with everything in it over another.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
