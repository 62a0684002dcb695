//! One optimiser step, and the two flows without gradients.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use mien_models::fusion::{FusionConfig, Padding, parameters};
use mien_models::tensor::{NamedTensors, Tensor as Plain, write_safetensors};

use super::adam::Adam;
use super::experiment::{Experiment, Precision};
use super::frames::without_frames;
use crate::data::{Batch, Stream};
use crate::model::{Flow, Noise, Projected, Sequence, Umca, initial};
use crate::objective::{Losses, TERMS};
use crate::{Result, TrainerError};

/// Ids shown of a batch.
const SHOWN: usize = 8;

/// The optimiser keeps squares, which must be finite in f32.
const LARGEST_GRADIENT: f32 = 1e19;

/// A network in training: weights, optimiser and what a step needs to know.
pub struct Learner {
    experiment: Experiment,
    seed: u64,
    model: Umca,
    /// Master copies of the weights by name, row-major.
    values: BTreeMap<String, Vec<f32>>,
    adam: Adam,
}

/// Where in a run a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Epoch, counted from 0.
    pub epoch: usize,
    /// Steps taken before.
    pub step: u64,
}

impl Learner {
    /// A network that begins from `weights`, or from values drawn from `seed`.
    ///
    /// # Errors
    /// As [`Umca::new`].
    pub fn new(experiment: &Experiment, weights: Option<NamedTensors>, seed: u64, device: &Device) -> Result<Self> {
        let adam = Adam::new(experiment.optimiser);
        let config = experiment.network.fusion();
        let weights = weights.unwrap_or_else(|| initial(&config, seed));
        Self::continued(experiment, weights, adam, seed, device)
    }

    /// A network with an optimiser that has taken steps.
    ///
    /// # Errors
    /// As [`Umca::new`].
    pub(crate) fn continued(
        experiment: &Experiment,
        weights: NamedTensors,
        adam: Adam,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let device = device.clone().autodiff();
        let config = experiment.network.fusion();
        let exact = Umca::new(&config, weights, seed, &device, DType::F32)?;
        let values = exact.values()?;
        let model = match dtype(experiment) {
            DType::F32 => exact,
            half => Umca::new(&config, named(&config, &values), seed, &device, half)?,
        };
        Ok(Self { experiment: experiment.clone(), seed, model, values, adam })
    }

    /// What the network is trained by.
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// The network.
    pub fn model(&self) -> &Umca {
        &self.model
    }

    /// The weights by name, row-major.
    pub fn values(&self) -> &BTreeMap<String, Vec<f32>> {
        &self.values
    }

    pub(crate) fn adam(&self) -> &Adam {
        &self.adam
    }

    /// One step on `batch`: the terms in the order of [`TERMS`], before the step.
    ///
    /// # Errors
    /// Batch; NotFinite, and then nothing has changed.
    pub fn step(&mut self, batch: &Batch, place: Place) -> Result<[f64; TERMS.len()]> {
        let shares = self.experiment.dropout;
        let noise = |flow| Noise::new(shares, self.seed, place.step, flow);
        check(batch, self.model.config())?;
        let batch = &*without_frames(batch, shares.frames, self.seed, place.step);
        let [complete, missing] =
            flows(&self.model, &self.experiment, batch, [noise(0), noise(1)], dtype(&self.experiment))?;
        let losses: Losses = self.experiment.objective.losses(&complete, &missing, &batch.labels);
        let values = losses.values();
        // Parts before the sum: a part names the cause.
        for (name, value) in TERMS.iter().zip(values).rev() {
            if !value.is_finite() {
                return Err(not_finite(batch, place, (*name).to_owned(), value));
            }
        }
        let gradients = self.model.gradients::<f32>(&mut losses.total.backward())?;
        for (name, gradient) in &gradients {
            if let Some(value) = gradient.iter().find(|g| g.is_nan() || g.abs() > LARGEST_GRADIENT) {
                return Err(not_finite(batch, place, format!("the gradient of {name}"), f64::from(*value)));
            }
        }
        let factor = self.experiment.schedule.factor(place.epoch);
        self.adam.step(factor, &mut self.values, &gradients);
        self.model = self.model.clone().with_values(&self.values);
        Ok(values)
    }

    /// Valences of `batch` with real text, or with simulated text where `text_missing`; without dropout.
    ///
    /// # Errors
    /// Batch; Engine.
    pub fn valences(&self, batch: &Batch, text_missing: bool) -> Result<Vec<f32>> {
        let model = self.exact()?;
        let prepared = Prepared::new(&model, &self.experiment, batch, DType::F32)?;
        numbers(prepared.flow(text_missing, &mut Noise::off()).valence, "read the valences")
    }

    /// Both flows of `batch` without gradients and dropout: real text, then missing text.
    ///
    /// # Errors
    /// Batch.
    pub fn flows(&self, batch: &Batch) -> Result<[Flow; 2]> {
        flows(&self.exact()?, &self.experiment, batch, [Noise::off(), Noise::off()], DType::F32)
    }

    /// The network in f32, without gradients: what validation and evaluation ask.
    ///
    /// # Errors
    /// As [`Umca::new`].
    pub fn exact(&self) -> Result<Umca> {
        match dtype(&self.experiment) {
            DType::F32 => Ok(self.model.valid()),
            _ => {
                let device = self.model.devices().into_iter().next().unwrap_or_else(Device::flex).inner();
                Umca::new(self.model.config(), self.tensors(), self.seed, &device, DType::F32)
            }
        }
    }

    /// Writes all 106 tensors in f32 as one safetensors file: whole, or not at all. Same values, same bytes.
    ///
    /// # Errors
    /// Io; NotFinite.
    pub fn save(&self, path: &Path, metadata: &BTreeMap<String, String>) -> Result<()> {
        Ok(write_safetensors(path, &self.tensors(), &self.model.specs(), metadata)?)
    }

    /// The weights as named tensors.
    pub(crate) fn tensors(&self) -> NamedTensors {
        named(self.model.config(), &self.values)
    }
}

/// Numbers that the network computes with in a step.
fn dtype(experiment: &Experiment) -> DType {
    match experiment.training.precision {
        Precision::F32 => DType::F32,
        Precision::Bf16 => DType::BF16,
    }
}

fn named(config: &FusionConfig, values: &BTreeMap<String, Vec<f32>>) -> NamedTensors {
    let tensors = parameters(config).into_iter().filter_map(|spec| {
        let values = values.get(&spec.name)?.clone();
        Some((spec.name, Plain::new(spec.shape, values).ok()?))
    });
    NamedTensors::from_tensors("the network in training", tensors)
}

/// Valences of `batch` with real and with simulated text from a network without gradients.
///
/// # Errors
/// Batch; Engine.
pub fn valences(model: &Umca, experiment: &Experiment, batch: &Batch) -> Result<[Vec<f32>; 2]> {
    let [complete, missing] = flows(model, experiment, batch, [Noise::off(), Noise::off()], DType::F32)?;
    Ok([numbers(complete.valence, "read the valences")?, numbers(missing.valence, "read the valences")?])
}

/// A tensor's numbers on the host, row-major; `action` is what a message says of it.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>, action: &'static str) -> Result<Vec<f32>> {
    let values = tensor.inner().try_into_vec_as::<f32>();
    values.map_err(|e| TrainerError::Engine { action, reason: format!("{e:?}") })
}

/// Both flows of `batch`: real text, then missing text. `dtype` is that of the network's weights; what flows give is f32
/// where that is shorter.
///
/// # Errors
/// Batch.
pub fn flows(
    model: &Umca,
    experiment: &Experiment,
    batch: &Batch,
    [mut complete, mut missing]: [Noise; 2],
    dtype: DType,
) -> Result<[Flow; 2]> {
    let prepared = Prepared::new(model, experiment, batch, dtype)?;
    Ok([prepared.flow(false, &mut complete), prepared.flow(true, &mut missing)])
}

/// A batch on its way into the network. Before any dropout audio and video are the same in both flows: they are
/// projected once.
struct Prepared<'a> {
    model: &'a Umca,
    batch: &'a Batch,
    masked: bool,
    simulated_text: bool,
    device: Device,
    dtype: DType,
    audio: Projected,
    video: Projected,
}

impl<'a> Prepared<'a> {
    fn new(model: &'a Umca, experiment: &Experiment, batch: &'a Batch, dtype: DType) -> Result<Self> {
        check(batch, model.config())?;
        let masked = experiment.network.padding == Padding::Masked;
        let device = model.devices().into_iter().next().unwrap_or_else(Device::flex).inner();
        let audio = model.project_audio(&Sequence::new(&batch.audio, masked, &device, dtype));
        let video = model.project_video(&Sequence::new(&batch.video, masked, &device, dtype));
        let simulated_text = experiment.network.simulated_text;
        Ok(Self { model, batch, masked, simulated_text, device, dtype, audio, video })
    }

    fn flow(&self, missing: bool, noise: &mut Noise) -> Flow {
        let project =
            |stream: &Stream| self.model.project_text(&Sequence::new(stream, self.masked, &self.device, self.dtype));
        let text = match (missing, self.simulated_text) {
            (false, _) => project(&self.batch.text),
            (true, true) => project(&self.batch.simulated),
            (true, false) => project(&absent(&self.batch.simulated)),
        };
        let flow = self.model.flow([&self.audio, &text, &self.video], missing, noise);
        if self.dtype == DType::BF16 { flow.in_f32() } else { flow }
    }
}

/// One zero row per clip (spec section 9).
fn absent(stream: &Stream) -> Stream {
    let clips = stream.lengths.len();
    Stream { rows: vec![0.0; clips * stream.width], lengths: vec![1; clips], longest: 1, width: stream.width }
}

/// Whether `batch` fits the network and itself.
fn check(batch: &Batch, config: &FusionConfig) -> Result<()> {
    let clips = batch.ids.len();
    let refused = |what: &str, expected: String, found: String| TrainerError::Batch {
        clips: shown(batch),
        what: what.into(),
        expected,
        found,
    };
    if clips == 0 {
        return Err(refused("the number of clips", "at least 1".into(), "0".into()));
    }
    if batch.labels.len() != clips {
        return Err(refused("the number of labels", clips.to_string(), batch.labels.len().to_string()));
    }
    if let Some(label) = batch.labels.iter().find(|l| !l.is_finite()) {
        return Err(refused("a label", "a finite number".into(), label.to_string()));
    }
    for (name, stream, width) in [
        ("audio", &batch.audio, config.audio),
        ("text", &batch.text, config.text),
        ("simulated text", &batch.simulated, config.text),
        ("video", &batch.video, config.video),
    ] {
        if stream.width != width {
            return Err(refused(&format!("the width of {name} rows"), width.to_string(), stream.width.to_string()));
        }
        let fits = stream.lengths.len() == clips && stream.lengths.iter().all(|l| (1..=stream.longest).contains(l));
        if !fits {
            let expected = format!("{clips} numbers from 1 to {}", stream.longest);
            return Err(refused(&format!("the list of {name} lengths"), expected, format!("{:?}", stream.lengths)));
        }
        if Some(stream.rows.len()) != clips.checked_mul(stream.longest).and_then(|n| n.checked_mul(width)) {
            let expected = format!("{clips} x {} x {width}", stream.longest);
            return Err(refused(&format!("the number of {name} values"), expected, stream.rows.len().to_string()));
        }
    }
    Ok(())
}

/// The batch's ids in a message.
fn shown(batch: &Batch) -> String {
    let mut text = batch.ids.iter().take(SHOWN).map(|id| id.escape_debug().to_string()).collect::<Vec<_>>().join(", ");
    if batch.ids.len() > SHOWN {
        text += &format!(" and {} more", batch.ids.len() - SHOWN);
    }
    text
}

fn not_finite(batch: &Batch, place: Place, what: String, value: f64) -> TrainerError {
    // Where a clip's features are the cause, the message names that clip alone.
    let clips = match culprit(batch) {
        Some((id, stream)) => format!("{}, whose {stream} rows are not finite", id.escape_debug()),
        None => shown(batch),
    };
    TrainerError::NotFinite { epoch: place.epoch + 1, step: place.step + 1, what, value, clips }
}

/// The first clip with features that are not finite, and the stream.
fn culprit(batch: &Batch) -> Option<(&str, &'static str)> {
    let streams =
        [("audio", &batch.audio), ("text", &batch.text), ("simulated text", &batch.simulated), ("video", &batch.video)];
    streams.into_iter().find_map(|(name, stream)| {
        let at = stream.rows.iter().position(|v| !v.is_finite())?;
        let clip = at / (stream.longest * stream.width).max(1);
        Some((batch.ids.get(clip)?.as_str(), name))
    })
}
