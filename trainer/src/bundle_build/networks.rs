//! Checkpoints as networks: which one a file holds, its sizes, and its tensors.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mien_models::bundle::Sha256;
use mien_models::checkpoint::{Contents, Kind};
use mien_models::fusion::{self, FusionConfig, Mia, MiaResidual};
use mien_models::manet::{self, ManetConfig};
use mien_models::projector::{self, ProjectorConfig};
use mien_models::tensor::{FileFormat, NamedTensors, PassedOver, TensorSpec};
use mien_models::wavlm::{self, LibraryConfig, WavlmConfig};

use super::part::Part;
use crate::Result;

/// The name under which the transformers library keeps a network's sizes beside its weights.
const LIBRARY_CONFIG: &str = "config.json";

/// A network that was read: its sizes, its tensors under the names that its graph builder knows, and what to tell of it.
#[derive(Debug)]
pub struct Network<C> {
    /// Sizes.
    pub config: C,
    /// Tensors; they stay in the file until they are asked for.
    pub tensors: NamedTensors,
    /// What was found in the file.
    pub reading: Reading,
}

/// What was found in a checkpoint file.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The part that it was given for.
    pub part: Part,
    /// The file.
    pub path: PathBuf,
    /// Its digest.
    pub sha256: Sha256,
    /// What it holds, with the sizes.
    pub network: String,
    /// Whether these are the sizes of the published network.
    pub has_published_sizes: bool,
    /// The kind of the file.
    pub format: Option<FileFormat>,
    /// Keys that led to the tensors.
    pub nesting: Option<String>,
    /// What was taken and what was left.
    pub contents: Contents,
    /// What lay beside the tensors.
    pub passed_over: Vec<PassedOver>,
    /// What a user should know besides, each a sentence.
    pub notes: Vec<String>,
}

/// WavLM from a file of the transformers library. `library` is its `config.json`; where none is named, one that lies beside
/// the weights is taken.
///
/// # Errors
/// Model for another network, for sizes that the graph cannot have, and for a `config.json` that says something else.
pub(crate) fn wavlm(path: &Path, library: Option<&Path>) -> Result<Network<WavlmConfig>> {
    let (file, tensors) = File::open(Part::Wavlm, Kind::Wavlm, path)?;
    let beside = path.with_file_name(LIBRARY_CONFIG);
    let library = library.map(Path::to_owned).or_else(|| beside.is_file().then_some(beside));
    let library = library.as_deref().map(LibraryConfig::open).transpose()?;
    let (config, tensors) = wavlm::read(tensors, library.as_ref())?;
    let published = config == WavlmConfig::large();
    let network = format!(
        "WavLM, {} blocks of width {}, {} heads, {} position buckets{}",
        config.layers,
        config.hidden,
        config.heads,
        config.buckets,
        if published { " (WavLM-Large's sizes)" } else { "" }
    );
    let notes = vec![match &library {
        Some(library) => {
            format!("{}: {} keys agree with the tensors", library.path().display(), library.check(&config)?)
        }
        None => format!(
            "no {LIBRARY_CONFIG} beside it: longest position distance {} and epsilon {:e} are WavLM-Large's",
            config.max_distance, config.layer_norm_eps
        ),
    }];
    let reading = file.reading(network, published, &tensors, &wavlm::spelled(&config, &tensors), notes);
    Ok(Network { config, tensors, reading })
}

/// MA-Net from the authors' file.
///
/// # Errors
/// Model.
pub(super) fn manet(path: &Path) -> Result<Network<ManetConfig>> {
    let (file, tensors) = File::open(Part::Manet, Kind::Manet, path)?;
    let tensors = manet::unwrapped(tensors)?;
    let config = ManetConfig::of(&tensors)?;
    let tensors = manet::recognise(&config, tensors)?;
    let published = config.width == ManetConfig::PUBLISHED.width;
    let network = format!(
        "MA-Net, stem of {} channels, embedding of {}, {} classes{}",
        config.width,
        config.embedding(),
        config.classes,
        match (published, config.classes) {
            (true, 7) => " (the sizes of the RAF-DB network)",
            (true, _) => " (the published sizes, other classes than RAF-DB's 7)",
            _ => "",
        }
    );
    let reading = file.reading(network, published, &tensors, &manet::parameters(&config), vec![]);
    Ok(Network { config, tensors, reading })
}

/// The projector for frames of `encoder_width` from a SLAM-LLM file.
///
/// # Errors
/// Model, also for the projector of another encoder.
pub(super) fn projector(path: &Path, encoder_width: usize) -> Result<Network<ProjectorConfig>> {
    let (file, tensors) = File::open(Part::Projector, Kind::Projector, path)?;
    let (config, tensors) = projector::read(encoder_width, tensors)?;
    let published = config == ProjectorConfig::large();
    let network = format!(
        "SLAM-ASR projector, {} frames of {} to {} to {}{}",
        config.k,
        config.encoder_width,
        config.hidden,
        config.llm_width,
        if published { " (from WavLM-Large to a 7B llama)" } else { "" }
    );
    let reading = file.reading(network, published, &tensors, &projector::parameters(&config), vec![]);
    Ok(Network { config, tensors, reading })
}

/// The fusion network, of the authors or trained here; `mia` and `residual` are taken instead of what the file tells.
///
/// # Errors
/// Model.
pub(super) fn fusion(path: &Path, mia: Option<Mia>, residual: Option<MiaResidual>) -> Result<Network<FusionConfig>> {
    let (file, tensors) = File::open(Part::Fusion, Kind::Fusion, path)?;
    let (config, variant, tensors) = fusion::read(tensors, mia, residual)?;
    let widths = [config.audio, config.text, config.video, config.width];
    let FusionConfig { audio, text, video, width, .. } = FusionConfig::PUBLISHED;
    let network = format!(
        "UMCA of width {}, audio rows of {}, text rows of {}, video rows of {}, {}",
        config.width,
        config.audio,
        config.text,
        config.video,
        match (config.mia, config.mia_residual) {
            (Mia::Off, _) => "mia = off",
            (Mia::On, MiaResidual::Text) => "mia = on, mia_residual = text",
            (Mia::On, MiaResidual::Transition) => "mia = on, mia_residual = transition",
        }
    );
    let mut notes = vec![format!("mia: {}; --mia says otherwise", variant.mia_sign)];
    if config.mia == Mia::On {
        notes.push(format!("mia_residual: {}; --mia-residual says otherwise", variant.residual_sign));
    }
    let published = widths == [audio, text, video, width];
    let reading = file.reading(network, published, &tensors, &fusion::parameters(&config), notes);
    Ok(Network { config, tensors, reading })
}

/// What is told of a file whatever it holds.
struct File {
    part: Part,
    kind: Kind,
    path: PathBuf,
    sha256: Sha256,
    names: BTreeSet<String>,
    format: Option<FileFormat>,
    nesting: Option<String>,
    passed_over: Vec<PassedOver>,
}

impl File {
    /// Opens a checkpoint that is to hold a network of `kind`.
    fn open(part: Part, kind: Kind, path: &Path) -> Result<(Self, NamedTensors)> {
        let tensors = NamedTensors::open(path)?;
        let names = tensors.names().map(str::to_owned).collect();
        // A network is told by its names, which a wrapper may have put its own into.
        let tensors = tensors.unwrapped(&[])?;
        kind.require(&tensors)?;
        let file = Self {
            part,
            kind,
            path: path.to_owned(),
            sha256: Sha256::of_file(path)?.1,
            names,
            format: tensors.format(),
            nesting: tensors.nesting().map(str::to_owned),
            passed_over: tensors.passed_over().to_vec(),
        };
        Ok((file, tensors))
    }

    fn reading(
        self,
        network: String,
        has_published_sizes: bool,
        tensors: &NamedTensors,
        specs: &[TensorSpec],
        mut notes: Vec<String>,
    ) -> Reading {
        notes.extend(tensors.taken_off_note());
        let Self { part, kind, path, sha256, names, format, nesting, passed_over } = self;
        let contents = Contents::of(kind, &names, tensors, specs);
        Reading { part, path, sha256, network, has_published_sizes, format, nesting, contents, passed_over, notes }
    }
}
