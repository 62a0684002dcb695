//! Encoders in bytes: which layers, what they lose, and whether the bundle may have them.

use std::path::{Path, PathBuf};

use mien_models::WorkFolder;
use mien_models::bundle::{Bundle, BundleWriter, Manifest, Origin};
use mien_quantize::{Gate, KeptFloat, LayerNoise, Measured, Pair, manet, suspects, wavlm};
use mien_runtime::rung::Rung;
use mien_runtime::scorer::{BundleFacts, Scorer, ScorerSettings};

use super::clips::{self, Clip, Scored};
use super::graphs::{self, Networks, place};
use super::part::{PARTS, Part};
use super::placement::put;
use crate::{Result, TrainerError};

/// What is asked of encoders in bytes.
#[derive(Clone, Debug)]
pub struct Int8 {
    /// Layers, or parts of the networks, that stay in `f32`.
    pub keep_float: Vec<String>,
    /// Clips to score with the float and with the byte networks; without any, no gate is run.
    pub calibrate: Option<PathBuf>,
    /// How far their valences may move.
    pub gate: Gate,
}

/// What became of the encoders.
#[derive(Clone, Debug)]
pub struct Quantised {
    /// Layers that stayed in `f32`.
    pub kept: KeptFloat,
    /// WavLM's layers in bytes.
    pub wavlm: Vec<LayerNoise>,
    /// MA-Net's layers in bytes.
    pub manet: Vec<LayerNoise>,
    /// What calibration clips showed; none where the gate was not run.
    pub calibration: Option<Calibration>,
}

/// What calibration clips showed. They were scored by voice and face, without the language model.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Clips.
    pub clips: usize,
    /// Utterances with a voice.
    pub with_voice: usize,
    /// Utterances with a face.
    pub with_face: usize,
    /// How far valences moved.
    pub measured: Measured,
    /// How far they might.
    pub gate: Gate,
    /// WavLM block by block; none without a voice.
    pub heard: Option<wavlm::Comparison>,
    /// MA-Net; none without a face.
    pub seen: Option<manet::Comparison>,
}

impl Quantised {
    /// The end of the line that says where `part` comes from; empty for parts that are as they were.
    pub(super) fn remark(&self, part: Part) -> String {
        if !matches!(part, Part::Wavlm | Part::Manet) {
            return String::new();
        }
        let gate = self.calibration.as_ref().map_or("no gate was run".into(), |c| {
            format!("valences moved by p99 {:.4} ({}), gate {}", c.measured.p99, c.measured.basis(), c.gate.limit())
        });
        format!("; computes with bytes, {gate}")
    }
}

/// A calibration that is under way.
pub(super) struct Plan<'a> {
    pub(super) networks: &'a Networks,
    pub(super) kept: KeptFloat,
    pub(super) int8: &'a Int8,
    /// Read before anything that takes long.
    pub(super) clips: Vec<Clip>,
    /// What a bundle with these networks says of itself.
    pub(super) manifest: Manifest,
}

impl Plan<'_> {
    /// Measures the byte graphs that stand in the folder `made`, and decides. Scratch files go beside `out`.
    ///
    /// # Errors
    /// Quantize where the gate refuses; Runtime and Corpus for clips that cannot be scored; Model; Io.
    pub(super) fn measure(self, made: &Path, out: &Path, tell: &mut dyn FnMut(&str, Part)) -> Result<Quantised> {
        let Networks { wavlm, manet, .. } = self.networks;
        tell("weigh", Part::Wavlm);
        let heard = wavlm::weights(&wavlm.config, &wavlm.tensors)?;
        let heard: Vec<_> = heard.into_iter().filter(|layer| !self.kept.wavlm.contains(&layer.layer)).collect();
        tell("weigh", Part::Manet);
        let seen = manet::weights(&manet.config, &manet.tensors)?;
        let seen: Vec<_> = seen.into_iter().filter(|layer| !self.kept.manet.contains(&layer.layer)).collect();
        let calibration = match self.clips.is_empty() {
            true => None,
            false => Some(self.calibrate(made, out, [&heard, &seen], tell)?),
        };
        Ok(Quantised { kept: self.kept, wavlm: heard, manet: seen, calibration })
    }

    fn calibrate(
        &self,
        made: &Path,
        out: &Path,
        noise: [&[LayerNoise]; 2],
        tell: &mut dyn FnMut(&str, Part),
    ) -> Result<Calibration> {
        let scratch = scratch(out)?;
        let byte = self.bundle(&scratch.path().join("bytes"), made, false)?;
        // Bytes first: a clip that cannot be read is found after the quicker half.
        let byte = self.score(&byte, "score in bytes", tell)?;
        let float = self.bundle(&scratch.path().join("floats"), made, true)?;
        let facts = BundleFacts::of(&float);
        let float = self.score(&float, "score in floats", tell)?;
        let measured = Measured::of(&pairs(&float, &byte)?)?;

        let material = clips::material(&self.clips, &facts.segment_settings(), &self.manifest.face)?;
        let folder = |name: &str| {
            let folder = scratch.path().join(name);
            std::fs::create_dir(&folder).map_err(|e| TrainerError::io(&folder, "create", e))?;
            Ok::<_, TrainerError>(folder)
        };
        let Networks { wavlm, audio_layer, manet, .. } = self.networks;
        tell("compare", Part::Wavlm);
        let heard = match material.sounds.is_empty() {
            true => None,
            false => {
                let folder = folder("wavlm")?;
                let sounds = &material.sounds;
                let floats = &self.kept.wavlm;
                Some(wavlm::compare(&wavlm.config, &wavlm.tensors, floats, *audio_layer, sounds, &folder)?)
            }
        };
        tell("compare", Part::Manet);
        let seen = match &material.faces {
            None => None,
            Some(faces) => {
                let folder = folder("manet")?;
                Some(manet::compare(&manet.config, &manet.tensors, &self.kept.manet, faces, &folder)?)
            }
        };
        self.int8.gate.decide(&measured, &suspects(heard.as_ref(), seen.as_ref(), noise))?;
        let count = |has: fn(&Scored) -> bool| float.iter().filter(|scored| has(scored)).count();
        Ok(Calibration {
            clips: self.clips.len(),
            with_voice: count(|scored| scored.has_voice),
            with_face: count(|scored| scored.has_face),
            measured,
            gate: self.int8.gate,
            heard,
            seen,
        })
    }

    /// A bundle in `folder` with the graphs of `made`, with encoders in floats where asked for, and without a language
    /// model.
    fn bundle(&self, folder: &Path, made: &Path, in_floats: bool) -> Result<Bundle> {
        let mut writer = BundleWriter::create(folder)?;
        let origin = Origin { licence: "none", source: "calibration" };
        for (part, roles) in PARTS.into_iter().filter_map(|part| Some((part, place(part)?))) {
            let files = roles.files();
            let encoder = matches!(part, Part::Wavlm | Part::Manet);
            if in_floats && encoder {
                self.networks.build(part, None, &writer.folder().join(&files[0].1))?;
            } else {
                for (_, name) in &files {
                    put(&made.join(name), &writer.folder().join(name), true)?;
                }
            }
            for (role, name) in &files {
                writer.add(*role, name, origin)?;
            }
        }
        graphs::add_detector(&mut writer)?;
        writer.finish(Manifest { llm: None, ..self.manifest.clone() })?;
        Ok(Bundle::open(folder)?)
    }

    fn score(&self, bundle: &Bundle, what: &str, tell: &mut dyn FnMut(&str, Part)) -> Result<Vec<Scored>> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let settings = ScorerSettings { threads, llm_threads: 1, llm_context: 16, gpu_layers: 0, rung: Rung::NoLlm };
        let mut scorer = Scorer::open(bundle, &settings)?;
        let clips = self.clips.len();
        let mut told = |done: usize| tell(&format!("{what} clip {} of {clips} with", done + 1), Part::Wavlm);
        clips::score(&mut scorer, &self.clips, &mut told)
    }
}

/// Both scores of each utterance. Speech and faces are found by the same code whatever the encoders compute with.
fn pairs(float: &[Scored], byte: &[Scored]) -> Result<Vec<Pair>> {
    let same = float.len() == byte.len() && float.iter().zip(byte).all(|(a, b)| a.name == b.name);
    if !same {
        let reason = "two runs found other utterances in the same clips; do the files change meanwhile?";
        return Err(TrainerError::corpus("calibration clips", reason));
    }
    let pair = |(a, b): (&Scored, &Scored)| Pair { name: a.name.clone(), float: a.valence, byte: b.valence };
    Ok(float.iter().zip(byte).map(pair).collect())
}

/// A folder beside `out`, on the disk that has room for a bundle; removed when dropped, or by the next calibration.
fn scratch(out: &Path) -> Result<WorkFolder> {
    let out = std::path::absolute(out).map_err(|e| TrainerError::io(out, "find", e))?;
    let parent = out.parent().unwrap_or(&out);
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    WorkFolder::private(parent, &format!(".{name}.calibrating-"))
        .map_err(|e| TrainerError::io(parent, "create a folder in", e))
}
