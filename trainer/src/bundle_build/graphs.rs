//! The networks' graphs in a bundle's folder, and whether they run.

use std::path::Path;

use mien_models::ModelError;
use mien_models::bundle::{BundleWriter, Origin, Role};
use mien_models::fusion::{self, Fusion, FusionConfig, FusionInput};
use mien_models::manet::{self, FACE_CHANNELS, FACE_SIDE, Manet, ManetConfig};
use mien_models::projector::{self, Projector, ProjectorConfig};
use mien_models::tensor::{Tensor, formula};
use mien_models::wavlm::{self, Wavlm, WavlmConfig};
use mien_quantize::KeptFloat;

use super::networks::Network;
use super::part::{PARTS, Part, Terms};
use crate::Result;

/// Samples of the sound that the check gives WavLM: half a second.
const SAMPLES: usize = 8000;
/// Seed of the numbers that the check gives.
const SEED: u64 = 7;

/// The networks that become graphs.
#[derive(Debug)]
pub struct Networks {
    /// The speech encoder.
    pub wavlm: Network<WavlmConfig>,
    /// Its block whose output gives the audio rows.
    pub audio_layer: usize,
    /// The face encoder.
    pub manet: Network<ManetConfig>,
    /// The map to rows of the language model.
    pub projector: Network<ProjectorConfig>,
    /// The fusion network.
    pub fusion: Network<FusionConfig>,
}

/// Roles of a part's files with their names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) graph: Role,
    pub(super) weights: Role,
    pub(super) name: &'static str,
}

impl Place {
    /// The graph's file and that of its weights.
    pub(super) fn files(&self) -> [(Role, String); 2] {
        [(self.graph, format!("{}.onnx", self.name)), (self.weights, format!("{}.weights", self.name))]
    }
}

/// Where a part lies in a bundle; none for the language model, which is taken as it is.
pub(super) fn place(part: Part) -> Option<Place> {
    let (graph, weights, name) = match part {
        Part::Wavlm => (Role::Wavlm, Role::WavlmWeights, "wavlm"),
        Part::Manet => (Role::Manet, Role::ManetWeights, "manet"),
        Part::Projector => (Role::Projector, Role::ProjectorWeights, "projector"),
        Part::Fusion => (Role::Fusion, Role::FusionWeights, "fusion"),
        Part::Llm => return None,
    };
    Some(Place { graph, weights, name })
}

impl Networks {
    /// Writes every graph with its weights into the folder of a bundle in the making; with `kept`, the encoders in bytes
    /// but for the layers that it names. `tell` is given each part before it is written.
    ///
    /// # Errors
    /// Model, also where a weight is no finite number.
    pub fn write(&self, folder: &Path, kept: Option<&KeptFloat>, tell: &mut dyn FnMut(&str, Part)) -> Result<()> {
        for (part, place) in PARTS.into_iter().filter_map(|part| Some((part, place(part)?))) {
            tell("write", part);
            let [(_, graph), _] = place.files();
            self.build(part, kept, &folder.join(graph))?;
        }
        Ok(())
    }

    /// Adds what [`Networks::write`] wrote to the bundle; `terms` gives each part's.
    ///
    /// # Errors
    /// Model.
    pub fn add(writer: &mut BundleWriter, terms: &dyn Fn(Part) -> Terms) -> Result<()> {
        for (part, place) in PARTS.into_iter().filter_map(|part| Some((part, place(part)?))) {
            let Terms { licence, source } = terms(part);
            let origin = Origin { licence: &licence, source: &source };
            for (role, file) in place.files() {
                writer.add(role, &file, origin)?;
            }
        }
        Ok(())
    }

    /// Writes one part's graph to `path`. This is the one place where a network becomes a graph.
    pub(super) fn build(&self, part: Part, kept: Option<&KeptFloat>, path: &Path) -> mien_models::Result<()> {
        let Self { wavlm, audio_layer, manet, projector, fusion } = self;
        let taps = [*audio_layer];
        match (part, kept) {
            (Part::Wavlm, None) => wavlm::build_fused(&wavlm.config, &wavlm.tensors, &taps, path),
            (Part::Wavlm, Some(kept)) => {
                wavlm::build_quantised(&wavlm.config, &wavlm.tensors, &taps, &kept.wavlm, path)
            }
            (Part::Manet, None) => manet::build_fused(&manet.config, &manet.tensors, path),
            (Part::Manet, Some(kept)) => manet::build_quantised(&manet.config, &manet.tensors, &kept.manet, path),
            (Part::Projector, _) => projector::build(&projector.config, &projector.tensors, path),
            (Part::Fusion, _) => fusion::build(&fusion.config, &fusion.tensors, path),
            (Part::Llm, _) => Ok(()),
        }
    }

    /// Loads each graph as a device does, one at a time, and runs it once.
    ///
    /// # Errors
    /// Model for a graph that does not run, or whose output holds a number that is not finite: the weights are damaged or
    /// none of this network.
    pub fn check(&self, folder: &Path, tell: &mut dyn FnMut(&str, Part)) -> Result<()> {
        let graph = |name: &str| folder.join(format!("{name}.onnx"));
        let random = |shape: &[usize]| Tensor::new(shape, formula::fill(SEED, "input.check", shape));
        let Self { wavlm, audio_layer, manet, projector, fusion } = self;

        tell("check", Part::Wavlm);
        let sound = formula::fill(SEED, "input.check", &[SAMPLES]);
        let heard = Wavlm::load(&graph("wavlm"), &wavlm.config, *audio_layer)?.session()?.run(&sound)?;
        finite(&wavlm.reading.path, &heard.audio)?;
        finite(&wavlm.reading.path, &heard.last)?;

        tell("check", Part::Manet);
        // Formula numbers lie in [-1, 1), pictures in [0, 1].
        let face = formula::fill(SEED, "input.check", &[FACE_CHANNELS * FACE_SIDE * FACE_SIDE]);
        let face =
            Tensor::new([1, FACE_CHANNELS, FACE_SIDE, FACE_SIDE], face.iter().map(|v| v.mul_add(0.5, 0.5)).collect())?;
        let seen = Manet::load(&graph("manet"), &manet.config)?.run(&face)?;
        finite(&manet.reading.path, &seen.embedding)?;

        tell("check", Part::Projector);
        let rows = Projector::load(&graph("projector"), &projector.config)?.run(&heard.last)?;
        finite(&projector.reading.path, &rows)?;

        tell("check", Part::Fusion);
        let text = random(&[2, fusion.config.text])?;
        let mut network = Fusion::load(&graph("fusion"), &fusion.config)?;
        for text_missing in [false, true] {
            let input = FusionInput { audio: &heard.audio, text: &text, video: &seen.embedding, text_missing };
            for output in network.run(&[input])? {
                finite(&fusion.reading.path, &Tensor::new([1], vec![output.valence])?)?;
            }
        }
        Ok(())
    }
}

fn finite(file: &Path, output: &Tensor) -> Result<()> {
    match output.first_not_finite() {
        None => Ok(()),
        Some((index, value)) => Err(ModelError::NotFinite {
            origin: file.display().to_string(),
            what: "the output of its graph".into(),
            index,
            value,
        }
        .into()),
    }
}

/// Adds the face detector and its licence, which come with the program.
///
/// # Errors
/// Model.
pub(super) fn add_detector(writer: &mut BundleWriter) -> Result<()> {
    let detector = mien_models::face::detector_model();
    let origin = Origin { licence: detector.licence, source: detector.source };
    writer.add_bytes(Role::FaceDetector, detector.file_name, detector.bytes, origin)?;
    let licence = format!("{}.LICENSE", detector.file_name);
    writer.add_bytes(Role::Licence, &licence, detector.licence_text.as_bytes(), origin)?;
    Ok(())
}
