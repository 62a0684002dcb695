//! Where an experiment's settings come from: defaults, then a file, then a preset, then single settings.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mien_trainer::objective::{PRESETS, Preset};
use mien_trainer::train::Experiment;

/// Options that make an experiment.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// An experiment file; keys that it leaves out have the full method's values.
    #[arg(long, value_name = "FILE")]
    pub(crate) experiment: Option<PathBuf>,
    /// A row of the paper's Table I.
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(names()))]
    pub(crate) preset: Option<String>,
    /// Changes one setting, for example training.epochs=3; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
    /// Seeds of the runs, for example 1,2,3.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) seeds: Vec<u64>,
}

fn names() -> Vec<clap::builder::PossibleValue> {
    PRESETS.iter().map(|preset| clap::builder::PossibleValue::new(preset.name).help(preset.about)).collect()
}

impl Options {
    /// Whether any option was given.
    pub(crate) fn any(&self) -> bool {
        self.experiment.is_some() || self.preset.is_some() || !self.settings.is_empty() || !self.seeds.is_empty()
    }

    /// The experiment that the options make on top of `base`, or of the file that they name.
    pub(crate) fn experiment(&self, base: Experiment) -> Result<Experiment> {
        let mut experiment = match &self.experiment {
            Some(file) => Experiment::read(file)?,
            None => base,
        };
        if let Some(preset) = self.preset.as_deref().and_then(Preset::find) {
            experiment = experiment.with_preset(preset);
        }
        experiment = experiment.with_settings(&self.settings)?;
        if !self.seeds.is_empty() {
            experiment.training.seeds.clone_from(&self.seeds);
        }
        Ok(experiment)
    }
}

/// Print the experiment that options make, as a file to begin from.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    options: Options,
}

impl Settings {
    pub(crate) fn run(self) -> Result<()> {
        let experiment = self.options.experiment(Experiment::default())?;
        experiment.validate()?;
        print!("{}", experiment.to_toml()?);
        Ok(())
    }
}
