//! `cargo xtask pocket-built-in`: a trained pocket bundle takes the place of the one in the program.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::steps::root;

/// Where the program's own bundle and clips lie.
const ASSETS: &str = "runtime/assets/pocket";
/// Clips that the demo plays.
const CLIPS: usize = 3;
/// Most bytes of the bundle.
const LARGEST: u64 = 12_000_000;

/// `cargo xtask pocket-built-in POCKET`: copies bundle, report and three clips of the test split out of the folder of
/// `mien-train pocket all`, and says from which commit.
pub(crate) fn pocket_built_in(rest: &[String]) -> Result<()> {
    let [pocket] = rest else { bail!("usage: cargo xtask pocket-built-in POCKET") };
    let pocket = PathBuf::from(pocket);
    let (bundle, assets) = (pocket.join("bundle"), root().join(ASSETS));
    let size = bytes(&bundle)?;
    ensure!(size <= LARGEST, "{}: {size} bytes, expected at most {LARGEST}", bundle.display());
    let report = read(&pocket.join("report.md"))?;
    let list = read(&pocket.join("corpus/list.csv"))?;
    for part in ["bundle", "clips"] {
        let folder = assets.join(part);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    copy(&bundle, &assets.join("bundle"))?;
    let mut table = String::from("# Clips of the corpus' test split: the first one of each of the first voices.\n");
    for clip in held_out(&list)? {
        let Clip { id, path, label, transcript } = clip;
        copy(&pocket.join("corpus").join(path), &assets.join("clips").join(&id))?;
        let [id, transcript] = [&id, &transcript].map(|text| toml::Value::from(text.as_str()));
        write!(table, "\n[[clip]]\nid = {id}\ntranscript = {transcript}\nlabel = {label}\n")?;
    }
    write(&assets.join("clips/list.toml"), &table)?;
    write(&assets.join("report.md"), &format!("{report}\nMade by the program of commit {}.\n", commit()?))
}

struct Clip {
    id: String,
    path: String,
    label: f64,
    transcript: String,
}

/// The first clip of each of the first voices of the test split: nobody chose them by how they are scored.
fn held_out(list: &str) -> Result<Vec<Clip>> {
    let mut lines = list.lines();
    let header = "id,path,split,label,transcript,speaker";
    ensure!(lines.next() == Some(header), "list.csv: expected the columns {header}");
    let (mut voices, mut clips) = (Vec::new(), Vec::new());
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let [id, path, split, label, transcript, voice] = cells[..] else { bail!("list.csv: no clip in {line:?}") };
        if split != "test" || voices.contains(&voice) || clips.len() == CLIPS {
            continue;
        }
        voices.push(voice);
        let label = label.parse().with_context(|| format!("list.csv: no label in {line:?}"))?;
        clips.push(Clip { id: id.into(), path: path.into(), label, transcript: transcript.into() });
    }
    ensure!(clips.len() == CLIPS, "list.csv: {} voices in the test split, expected {CLIPS}", clips.len());
    Ok(clips)
}

/// The commit that is checked out; what it lacks is said.
fn commit() -> Result<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(root()).output().context("cannot start git")?;
        ensure!(output.status.success(), "git {args:?}: {}", output.status);
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", "models", "trainer", "quantize"])?;
    Ok(if changed.is_empty() { commit } else { format!("{commit}, with changes that are in none") })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            std::fs::copy(&path, to.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}

fn bytes(folder: &Path) -> Result<u64> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("{}", path.display());
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_clip_of_each_voice_is_held_out() {
        let mut list = String::from("id,path,split,label,transcript,speaker\n");
        for (n, (split, voice)) in
            [("test", "a"), ("train", "b"), ("test", "a"), ("test", "c"), ("test", "d"), ("test", "e")]
                .into_iter()
                .enumerate()
        {
            writeln!(list, "{n},clips/{n},{split},0.5,it is good,{voice}").unwrap();
        }
        let found: Vec<String> = held_out(&list).unwrap().into_iter().map(|clip| clip.id).collect();
        assert_eq!(found, ["0", "3", "4"]);
        assert!(
            held_out(&list.replace("test,0.5,it is good,e", "train,0.5,it is good,e").replace("test", "valid"))
                .is_err()
        );
    }
}
