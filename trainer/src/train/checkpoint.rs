//! Checkpoints: a folder of weights, moments and state that is there whole or not at all.
//!
//! Files are written into a folder with another name, brought to the disk and renamed at once. The state holds the
//! digests of the other files, so that damage that came later is not taken for a checkpoint either.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use mien_models::bundle::Sha256;
use mien_models::tensor::{NamedTensors, Tensor as Plain, TensorSpec, write_safetensors};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::adam::{Adam, Moments, Optimiser};
use crate::{Result, TrainerError, reading};

const WEIGHTS: &str = "weights.safetensors";
const MOMENTS: &str = "adam.safetensors";
const STATE: &str = "state.toml";
/// Longest state that is read; it takes some kilobytes.
const LONGEST_STATE: u64 = 16 << 20;
/// Begin of the name of a folder that is being written.
const WRITING: &str = ".writing-";
/// Begin of a checkpoint's name; steps follow.
const STEP: &str = "step-";
/// Checkpoints that are kept: the newest, and one before in case a disk damages it.
const KEPT: usize = 2;

/// What of a run is neither weights nor moments.
pub(super) trait Kept: Clone + Serialize + DeserializeOwned {
    /// Format of its checkpoints; stands in the state under `version`.
    const VERSION: u32;

    /// Steps taken.
    fn step(&self) -> u64;

    /// The optimiser's settings.
    fn optimiser(&self) -> Optimiser;
}

/// The state file: the state and the digests of the files beside it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest<S> {
    state: S,
    sha256: BTreeMap<String, String>,
}

/// The version alone, of whatever version the rest is.
#[derive(Deserialize)]
struct Versioned {
    state: VersionOnly,
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

/// A checkpoint read back.
pub(super) struct Checkpoint<S> {
    pub(super) state: S,
    pub(super) weights: NamedTensors,
    pub(super) adam: Adam,
}

/// Writes a checkpoint of `weights`, named and shaped as `specs` say, `adam` and `state` into `folder`, then removes all
/// but the newest.
///
/// # Errors
/// Io (a full disk), and then the checkpoints before it are as they were.
pub(super) fn write<S: Kept>(
    folder: &Path,
    specs: &[TensorSpec],
    weights: &NamedTensors,
    adam: &Adam,
    state: &S,
) -> Result<PathBuf> {
    fs::create_dir_all(folder).map_err(|e| TrainerError::io(folder, "create", e))?;
    let path = folder.join(format!("{STEP}{:010}", state.step()));
    let new = tempfile::Builder::new()
        .prefix(WRITING)
        .tempdir_in(folder)
        .map_err(|e| TrainerError::io(&path, "create", e))?;
    write_safetensors(&new.path().join(WEIGHTS), weights, &required(specs), &BTreeMap::new())?;
    let (moments, specs) = moments(adam, specs);
    write_safetensors(&new.path().join(MOMENTS), &moments, &specs, &BTreeMap::new())?;
    let mut sha256 = BTreeMap::new();
    for name in [WEIGHTS, MOMENTS] {
        sha256.insert(name.to_owned(), digest(&new.path().join(name))?);
    }
    let manifest = Manifest { state: state.clone(), sha256 };
    let text = toml::to_string(&manifest)
        .map_err(|e| TrainerError::Checkpoint { path: path.clone(), reason: e.to_string() })?;
    write_file(&new.path().join(STATE), text.as_bytes())?;
    sync(new.path())?;
    if path.exists() {
        // A run that went on from an earlier checkpoint has reached this step again.
        fs::remove_dir_all(&path).map_err(|e| TrainerError::io(&path, "replace", e))?;
    }
    fs::rename(new.path(), &path).map_err(|e| TrainerError::io(&path, "rename into place", e))?;
    // Renamed: nothing is left to be removed under the old name.
    let _ = new.keep();
    sync(folder)?;
    for old in list(folder)?.into_iter().rev().skip(KEPT) {
        fs::remove_dir_all(&old).map_err(|e| TrainerError::io(&old, "remove", e))?;
    }
    Ok(path)
}

/// Reads the newest checkpoint of `folder` after removing what a killed run left half-written; `None` when there is
/// none.
///
/// # Errors
/// Io; Checkpoint for another version, a changed or damaged file.
pub(super) fn newest<S: Kept>(folder: &Path) -> Result<Option<Checkpoint<S>>> {
    if !folder.exists() {
        return Ok(None);
    }
    sweep(folder)?;
    list(folder)?.pop().map(|path| read(&path)).transpose()
}

/// Removes what a killed run left half-written in `folder`: nothing under such a name was ever whole.
pub(super) fn sweep(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|e| TrainerError::io(folder, "read", e))? {
        let path = entry.map_err(|e| TrainerError::io(folder, "read", e))?.path();
        if name(&path).starts_with(WRITING) {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|e| TrainerError::io(&path, "remove", e))?;
        }
    }
    Ok(())
}

fn read<S: Kept>(path: &Path) -> Result<Checkpoint<S>> {
    let refused = |reason: String| TrainerError::Checkpoint { path: path.to_owned(), reason };
    const FIX: &str = "remove this folder to resume from the checkpoint before it";
    let file = path.join(STATE);
    let text = reading::text(&file, LONGEST_STATE)?;
    let version = toml::from_str::<Versioned>(&text)
        .map_err(|e| refused(format!("{STATE}: {}; {FIX}", mien_capture::one_line(e.message()))))?
        .state
        .version;
    if version != S::VERSION {
        let reason = format!(
            "it has format {version}, this program reads format {}; resume with the program that wrote it",
            S::VERSION
        );
        return Err(refused(reason));
    }
    let Manifest::<S> { state, sha256 } = toml::from_str(&text)
        .map_err(|e| refused(format!("{STATE}: {}; {FIX}", mien_capture::one_line(e.message()))))?;
    for name in [WEIGHTS, MOMENTS] {
        let (expected, found) = (sha256.get(name), digest(&path.join(name))?);
        if expected != Some(&found) {
            return Err(refused(format!("{name} is not the file that was written: its SHA-256 is {found}; {FIX}")));
        }
    }
    let weights = NamedTensors::open(&path.join(WEIGHTS))?;
    let moments = NamedTensors::open(&path.join(MOMENTS))?;
    let mut adam = Adam::new(state.optimiser());
    adam.steps = state.step();
    for name in weights.names() {
        let [first, second] = names(name);
        if moments.contains(&first) {
            let shape = weights.shape(name).unwrap_or_default();
            let read = |name: &str| Ok::<_, TrainerError>(moments.get(name, shape)?.into_owned());
            adam.moments.insert(name.to_owned(), Moments { first: read(&first)?, second: read(&second)? });
        }
    }
    Ok(Checkpoint { state, weights, adam })
}

/// Checkpoints of `folder`, oldest first.
fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| TrainerError::io(folder, "read", e))? {
        let path = entry.map_err(|e| TrainerError::io(folder, "read", e))?.path();
        if name(&path).starts_with(STEP) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The moments under PyTorch's names, and what to write of them.
fn moments(adam: &Adam, specs: &[TensorSpec]) -> (NamedTensors, Vec<TensorSpec>) {
    let mut tensors = Vec::new();
    let mut written = Vec::new();
    for spec in specs {
        let Some(Moments { first, second }) = adam.moments.get(&spec.name) else { continue };
        for (name, values) in names(&spec.name).into_iter().zip([first, second]) {
            written.push(TensorSpec::required(name.clone(), spec.shape.clone()));
            if let Ok(tensor) = Plain::new(spec.shape.clone(), values.clone()) {
                tensors.push((name, tensor));
            }
        }
    }
    (NamedTensors::from_tensors("the optimiser", tensors), written)
}

fn names(parameter: &str) -> [String; 2] {
    [format!("exp_avg.{parameter}"), format!("exp_avg_sq.{parameter}")]
}

/// `specs`, none of them optional.
fn required(specs: &[TensorSpec]) -> Vec<TensorSpec> {
    specs.iter().map(|spec| TensorSpec::required(spec.name.clone(), spec.shape.clone())).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// SHA-256 of a file, hexadecimal.
fn digest(path: &Path) -> Result<String> {
    Ok(Sha256::of_file(path)?.1.to_string())
}

/// Writes a file that appears under `path` whole or not at all.
pub(super) fn publish_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let new = folder.join(format!("{WRITING}{}", name(path)));
    write_file(&new, bytes)?;
    fs::rename(&new, path).map_err(|e| TrainerError::io(path, "rename into place", e))?;
    sync(folder)
}

/// Writes a whole file and brings it to the disk.
fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e| TrainerError::io(path, "write", e);
    let mut file = File::create(path).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.sync_all().map_err(failed)
}

/// Brings a folder's entries to the disk.
fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| TrainerError::io(folder, "write", e))
}
