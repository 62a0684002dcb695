//! An experiment: everything that a result depends on besides the corpus, as one TOML file.

use std::path::{Path, PathBuf};

use mien_models::fusion::{FusionConfig, Mia, MiaResidual, Padding};
use serde::{Deserialize, Serialize};

use super::adam::Optimiser;
use super::order::Ordering;
use super::schedule::Schedule;
use crate::model::Dropout;
use crate::objective::{Objective, Preset};
use crate::{Result, TrainerError, changed};

/// The whole of an experiment. Missing keys have the full method's values; unknown keys are refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Experiment {
    /// The corpus, a feature store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Weights to begin from instead of drawn ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// The network.
    pub network: Network,
    /// Dropout.
    pub dropout: Dropout,
    /// What is minimised.
    pub objective: Objective,
    /// Adam.
    pub optimiser: Optimiser,
    /// The learning rate over epochs.
    pub schedule: Schedule,
    /// Epochs, batches, seeds, selection.
    pub training: Training,
}

/// Sizes and switches of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Width of an audio row.
    pub audio: usize,
    /// Width of a text row.
    pub text: usize,
    /// Width of a video row.
    pub video: usize,
    /// D: width inside the network (published: 256).
    pub width: usize,
    /// Whether missing text passes through the imagination blocks.
    pub mia: Mia,
    /// What an imagination block adds to its decoder's output.
    pub mia_residual: MiaResidual,
    /// Whether rows that fill a batch up take part in the softmax over time.
    pub padding: Padding,
    /// Whether missing text is simulated; if not, the flow without text gets one zero row.
    pub simulated_text: bool,
}

impl Default for Network {
    fn default() -> Self {
        let FusionConfig { audio, text, video, width, mia, mia_residual, padding } = FusionConfig::PUBLISHED;
        Self { audio, text, video, width, mia, mia_residual, padding, simulated_text: true }
    }
}

impl Network {
    /// The part that makes the architecture.
    pub fn fusion(&self) -> FusionConfig {
        let Self { audio, text, video, width, mia, mia_residual, padding, simulated_text: _ } = *self;
        FusionConfig { audio, text, video, width, mia, mia_residual, padding }
    }
}

/// By which validation error the epoch is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// The mean of both flows' errors.
    #[default]
    Mean,
    /// The error with real text.
    Complete,
    /// The error with simulated text.
    Missing,
}

/// Numbers that the network computes with while it is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// f32 throughout.
    #[default]
    F32,
    /// Mixed: the network's products in bf16; losses, weights, moments and validation in f32. For cards; bf16 has the
    /// range of f32, so losses need no scaling.
    Bf16,
}

/// Epochs, batches, seeds, selection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Most epochs.
    pub epochs: usize,
    /// Clips per batch.
    pub batch: usize,
    /// Clips per batch of validation; its result depends on it with reference padding alone.
    pub validation_batch: usize,
    /// Whether each epoch has an order of its own.
    pub shuffle: bool,
    /// Batches filled together from clips sorted by length; 1 for none.
    pub bucket: usize,
    /// One run per seed.
    pub seeds: Vec<u64>,
    /// By which validation error the epoch is chosen.
    pub selection: Selection,
    /// Epochs without a better one after which a run ends; 0 for never.
    pub patience: usize,
    /// Steps between checkpoints within an epoch; 0 for one per epoch only.
    pub checkpoint_every: u64,
    /// Numbers that the network computes with in a step.
    pub precision: Precision,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            epochs: 25,
            batch: 96,
            validation_batch: 96,
            shuffle: true,
            bucket: 8,
            seeds: vec![42],
            selection: Selection::Mean,
            patience: 0,
            checkpoint_every: 50,
            precision: Precision::F32,
        }
    }
}

impl Training {
    pub(super) fn ordering(&self) -> Ordering {
        Ordering { batch: self.batch, shuffle: self.shuffle, bucket: self.bucket }
    }
}

/// File name of the experiment in a run's folder.
pub const FILE: &str = "experiment.toml";
/// Longest experiment that is read; all its keys take some kilobytes.
const LONGEST: u64 = 1 << 20;

impl Experiment {
    /// Reads an experiment file.
    ///
    /// # Errors
    /// Io; Setting for text that is no experiment, naming file, line and key.
    pub fn read(path: &Path) -> Result<Self> {
        let text = crate::reading::text(path, LONGEST)?;
        Self::parse(&text, path)
    }

    /// The experiment that `text` is; `path` names it in errors.
    ///
    /// # Errors
    /// Setting for text that is no experiment, naming file, line and key.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        toml::from_str(text).map_err(|e| {
            let line =
                e.span().and_then(|span| text.get(..span.start)).map_or(1, |before| 1 + before.matches('\n').count());
            TrainerError::setting(format!("{}, line {line}", path.display()), one_line(e.message()))
        })
    }

    /// The experiment as a file's text; it reads back equal.
    ///
    /// # Errors
    /// Setting for a number that TOML cannot hold (a seed of 2^63 or more).
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| TrainerError::setting("experiment", e.to_string()))
    }

    /// The experiment with a preset's switches.
    pub fn with_preset(mut self, preset: &Preset) -> Self {
        self.network.simulated_text = preset.simulated_text;
        self.network.mia = preset.mia;
        self.objective = preset.objective(self.objective);
        self
    }

    /// The experiment with single settings changed, each `table.key=value` with a TOML value.
    ///
    /// # Errors
    /// Setting for text of another form, keys that there are not, values of another type.
    pub fn with_settings(self, settings: &[String]) -> Result<Self> {
        let mut whole: toml::Table =
            toml::Table::try_from(&self).map_err(|e| TrainerError::setting("experiment", e.to_string()))?;
        for setting in settings {
            // A line of a TOML file means what the option means: `a.b = value`.
            let line: toml::Table = toml::from_str(setting).map_err(|e| {
                let reason = format!("expected table.key=value with a TOML value: {}", one_line(e.message()));
                TrainerError::setting(setting.clone(), reason)
            })?;
            merge(&mut whole, line);
        }
        whole
            .try_into()
            .map_err(|e: toml::de::Error| TrainerError::setting(settings.join(" "), one_line(&e.to_string())))
    }

    /// Whether every setting can be.
    ///
    /// # Errors
    /// Setting, naming the key; Model for widths.
    pub fn validate(&self) -> Result<()> {
        self.network.fusion().validate()?;
        self.dropout.validate()?;
        self.objective.validate()?;
        self.optimiser.validate()?;
        self.schedule.validate()?;
        let t = &self.training;
        for (key, value) in [
            ("epochs", t.epochs),
            ("batch", t.batch),
            ("validation_batch", t.validation_batch),
            ("seeds", t.seeds.len()),
        ] {
            if value == 0 {
                return Err(TrainerError::setting(format!("training.{key}"), "expected at least 1, found 0"));
            }
        }
        let mut seeds = t.seeds.clone();
        seeds.sort_unstable();
        if let Some(pair) = seeds.windows(2).find(|pair| pair[0] == pair[1]) {
            let reason = format!("{} is listed twice; a seed gives the same run each time", pair[0]);
            return Err(TrainerError::setting("training.seeds", reason));
        }
        self.to_toml().map(|_| ())
    }

    /// The first setting in which `other` differs: key, value here, value there.
    pub fn difference(&self, other: &Self) -> Option<(String, String, String)> {
        changed::first(self, other)
    }
}

/// A parser's message without its line breaks.
fn one_line(message: &str) -> String {
    mien_capture::one_line(message).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes `new` over `old`, table by table.
fn merge(old: &mut toml::Table, new: toml::Table) {
    for (key, value) in new {
        match (old.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            (_, value) => {
                old.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_reads_back_equal() {
        let mut experiment = Experiment { data: Some("corpus".into()), ..Experiment::default() };
        experiment.objective.rs = 0.1 + 0.2;
        experiment.optimiser.epsilon = 1e-300;
        let text = experiment.to_toml().unwrap();
        assert_eq!(toml::from_str::<Experiment>(&text).unwrap(), experiment, "{text}");
        assert_eq!(toml::from_str::<Experiment>("").unwrap(), Experiment::default());
    }

    #[test]
    fn single_settings_are_changed_by_key() {
        let changed = Experiment::default()
            .with_settings(&["training.epochs=3".into(), "training.seeds=[1, 2]".into(), "objective.rnc = 0.8".into()])
            .unwrap();
        assert_eq!((changed.training.epochs, changed.objective.rnc), (3, 0.8));
        assert_eq!(changed.training.seeds, [1, 2]);
        assert_eq!(Experiment::default().difference(&changed).unwrap().0, "objective.rnc");
        for wrong in ["training.epoch=3", "training.epochs=\"three\"", "training.epochs", "network=1", "padding=masked"]
        {
            let error = Experiment::default().with_settings(&[wrong.into()]).unwrap_err().to_string();
            assert!(error.contains(wrong.split('=').next().unwrap()), "{error}");
        }
    }

    #[test]
    fn differences_are_named() {
        let a = Experiment::default();
        assert_eq!(a.difference(&a), None);
        let b = Experiment { data: Some("x".into()), ..a.clone() };
        assert_eq!(a.difference(&b), Some(("data".into(), "not set".into(), "\"x\"".into())));
    }

    #[test]
    fn settings_that_cannot_be_are_refused() {
        Experiment::default().validate().unwrap();
        for wrong in [
            "training.batch=0",
            "training.epochs=0",
            "training.seeds=[]",
            "training.seeds=[3, 3]",
            "network.audio=0",
            "dropout.mlp=1.0",
            "objective.temperature=0.0",
            "objective.mkd1=nan",
            "optimiser.rate=-1.0",
        ] {
            let experiment = Experiment::default().with_settings(&[wrong.into()]).unwrap();
            assert!(experiment.validate().is_err(), "{wrong}");
        }
    }
}
