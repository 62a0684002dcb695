//! From trained weights to a bundle that a device runs.
//!
//! A bundle is made from another one: its encoders, language model and face detector stay, the fusion network is
//! replaced. Before the bundle appears, the graph that the device will run and the trainer's own network score the same
//! features; where they differ, nothing appears.

mod agreement;

use std::fs;
use std::path::{Path, PathBuf};

use mien_models::bundle::{Bundle, BundleWriter, FileEntry, MODES, Manifest, Origin, Role};
use mien_models::fusion::{Fusion, FusionConfig, Padding, build, recognise};
use mien_models::tensor::NamedTensors;

pub use agreement::{Agreement, Difference, TOLERANCE, agreement};

use crate::evaluate::Mode;
use crate::train::Network;
use crate::{Result, TrainerError};

/// What a bundle says of itself; what is not given is the base bundle's.
#[derive(Clone, Debug, Default)]
pub struct Label {
    /// The bundle's name.
    pub name: Option<String>,
    /// The bundle's version.
    pub version: Option<String>,
    /// Every network of the bundle is trained.
    pub trained: bool,
    /// One line said on every output.
    pub statement: Option<String>,
}

/// A trained fusion network.
#[derive(Clone, Copy, Debug)]
pub struct Trained<'a> {
    /// Sizes and switches.
    pub network: &'a Network,
    /// The file of its weights.
    pub weights: &'a Path,
    /// Where the weights come from: run, seed, corpus.
    pub source: &'a str,
    /// Under which terms they may be passed on: SPDX name or a few words.
    pub licence: &'a str,
}

/// A bundle that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// Its folder.
    pub folder: PathBuf,
    /// Its digest.
    pub digest: String,
    /// Whether it says that its weights mean something.
    pub trained: bool,
    /// What it says on every output; may be empty.
    pub statement: String,
    /// How far the device's scores were from the trainer's.
    pub agreement: Agreement,
}

/// Makes the bundle `out` from the bundle `base` and a trained network. `check` is given the graph that the device will
/// run and the modes that a device can be in with this bundle, and says how far it agrees with the trainer.
///
/// Intervals and errors of the base were measured with other weights and are left out: `evaluate --bundle` writes new
/// ones. A bundle that stands at `out` is kept as [`BundleWriter`] says.
///
/// # Errors
/// Export where the network cannot stand in this bundle, or the device's scores are more than [`TOLERANCE`] off; Model
/// for bundles and weights; Io. Nothing appears at `out` then.
pub fn export(
    base: &Path,
    out: &Path,
    trained: &Trained<'_>,
    label: &Label,
    check: &mut dyn FnMut(&mut Fusion, &[Mode]) -> Result<Agreement>,
) -> Result<Exported> {
    let base = Bundle::open(base)?;
    let config = trained.network.fusion();
    fitting(base.manifest(), trained.network, base.folder())?;
    let mut writer = BundleWriter::create(out)?;
    let kept = copy_others(&base, &mut writer)?;
    let graph = fusion_graph(&base, &mut writer, &config, trained)?;
    let written: u64 = writer.files().iter().map(|f| f.bytes).sum::<u64>() - kept;

    let modes = modes(base.manifest());
    let found = check(&mut Fusion::load(&graph, &config)?, &modes)?;
    if let Some(worst) = found.worst.as_ref().filter(|worst| !worst.holds()) {
        return Err(TrainerError::Export {
            path: out.to_owned(),
            reason: format!(
                "{worst}; the graph or this machine's arithmetic is at fault, so the bundle was not written"
            ),
        });
    }

    let manifest = manifest(base.manifest(), config, label, written);
    let (trained, statement) = (manifest.trained, manifest.statement.clone());
    writer.finish(manifest)?;
    let made = Bundle::open(out)?;
    Ok(Exported { folder: out.to_owned(), digest: made.digest().to_owned(), trained, statement, agreement: found })
}

/// Whether the network can stand where the base's stands.
fn fitting(base: &Manifest, network: &Network, folder: &Path) -> Result<()> {
    let refused = |reason: String| Err(TrainerError::Export { path: folder.to_owned(), reason });
    let FusionConfig { audio, text, video, .. } = network.fusion();
    for (stream, encoder, found, expected) in [
        ("audio", "WavLM", audio, base.fusion.audio),
        ("text", "language model", text, base.fusion.text),
        ("video", "MA-Net", video, base.fusion.video),
    ] {
        if found != expected {
            return refused(format!(
                "its {encoder} gives {stream} rows of {expected}, the network was trained on rows of {found}; \
                 give the bundle whose encoders made the features"
            ));
        }
    }
    if !network.simulated_text && base.llm.is_some() {
        return refused(
            "the network was trained without simulated text, which this bundle's language model would give it; \
             give a bundle without a language model, or train with network.simulated_text = true"
                .into(),
        );
    }
    Ok(())
}

/// The modes that a device can be in.
fn modes(base: &Manifest) -> Vec<Mode> {
    let has_text = |name: &str| name.split('+').any(|part| part == "text" || part == "simulated");
    MODES.iter().filter(|name| base.llm.is_some() || !has_text(name)).filter_map(|name| name.parse().ok()).collect()
}

/// Copies every file but the fusion network's: how many bytes.
fn copy_others(base: &Bundle, writer: &mut BundleWriter) -> Result<u64> {
    let mut bytes = 0;
    for (entry, held) in base.files() {
        let FileEntry { role, path, licence, source, .. } = entry;
        if matches!(role, Role::Fusion | Role::FusionWeights) {
            continue;
        }
        if !path.is_external() {
            let to = path.within(writer.folder());
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).map_err(|e| TrainerError::io(parent, "create", e))?;
            }
            let written = fs::File::create_new(&to).and_then(|mut out| std::io::copy(&mut held.reader(), &mut out));
            written.map_err(|e| TrainerError::io(&to, "write", e))?;
        }
        writer.add(*role, path.as_str(), Origin { licence, source })?;
        bytes += entry.bytes;
    }
    Ok(bytes)
}

/// Writes the fusion network: where its graph is.
fn fusion_graph(
    base: &Bundle,
    writer: &mut BundleWriter,
    config: &FusionConfig,
    trained: &Trained<'_>,
) -> Result<PathBuf> {
    let place = |role| base.manifest().file(role).map(|entry| entry.path.clone());
    let (Some(graph), Some(weights)) = (place(Role::Fusion), place(Role::FusionWeights)) else {
        let reason = "it names no fusion network to replace; give a whole bundle".into();
        return Err(TrainerError::Export { path: base.folder().to_owned(), reason });
    };
    let path = graph.within(writer.folder());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| TrainerError::io(parent, "create", e))?;
    }
    build(config, &recognise(config, NamedTensors::open(trained.weights)?)?, &path)?;
    let origin = Origin { licence: trained.licence, source: trained.source };
    writer.add(Role::Fusion, graph.as_str(), origin)?;
    writer.add(Role::FusionWeights, weights.as_str(), origin)?;
    Ok(path)
}

/// The base's manifest with the new network in it.
fn manifest(base: &Manifest, config: FusionConfig, label: &Label, written: u64) -> Manifest {
    let replaced: u64 = [Role::Fusion, Role::FusionWeights]
        .into_iter()
        .filter_map(|role| base.file(role))
        .map(|entry| entry.bytes)
        .sum();
    let mut made = base.clone();
    made.created_by = concat!("mien-train ", env!("CARGO_PKG_VERSION")).into();
    made.fusion = config;
    made.memory = made.memory.with_fusion(replaced, written);
    made.interval90.clear();
    made.metrics.clear();
    if let Some(name) = &label.name {
        made.name.clone_from(name);
    }
    if let Some(version) = &label.version {
        made.version.clone_from(version);
    }
    if label.trained {
        made.trained = true;
        made.statement.clear();
    }
    if let Some(statement) = &label.statement {
        made.statement.clone_from(statement);
    }
    made
}

/// What a user must know of a network whose padding takes part: the device never pads, so what was measured in batches
/// is not what it gives.
pub fn caution(network: &Network) -> Option<&'static str> {
    (network.padding == Padding::Reference).then_some(
        "trained with padding = reference: a device scores clip by clip, so errors measured in batches are not the \
         device's; evaluate with --batch 1",
    )
}
