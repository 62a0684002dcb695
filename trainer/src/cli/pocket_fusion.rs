//! `mien-train pocket rows | fusion | bundle | check`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mien_models::bundle::Bundle;
use mien_trainer::data::corpus::split_name;
use mien_trainer::data::store::Store;
use mien_trainer::pocket::device::{Both, TOLERANCE, check};
use mien_trainer::pocket::evaluating::{EVALUATION, evaluate};
use mien_trainer::pocket::{bundles, fusing, report};
use mien_trainer::train::{WEIGHTS_FILE, device, seed_folder};

use super::fault::Fault;
use super::import::Progress;
use super::output::{self, shown};
use super::show::reporter;

/// Exit code where device and trainer disagree, as for an export that is refused.
const DISAGREES: u8 = 5;

/// Where everything is.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// The corpus: a folder of `mien-train pocket corpus`
    #[arg(long, value_name = "FOLDER")]
    pub(crate) corpus: PathBuf,
    /// Where the stages' folders are; equal for all stages
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// The fusion network's first values and the order of its batches depend on it
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Options of the fusion network's training.
#[derive(Debug, Args)]
pub(crate) struct Fusing {
    #[command(flatten)]
    pub(crate) place: Place,
    /// What computes: cpu, or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(crate) device: String,
    /// Plain lines even where there is a terminal
    #[arg(long)]
    pub(crate) plain: bool,
}

impl Place {
    /// Makes the first bundle and the rows.
    pub(crate) fn rows(&self) -> Result<Store> {
        let first = bundles::first(&self.corpus, &self.out, self.seed, &mut |_, _| ())?;
        told(&Bundle::open(&first.folder)?)?;
        let progress = Progress::new();
        let store = fusing::rows(&self.corpus, &self.out, threads(), &|step| {
            progress.tell(step.what, step.done, step.total);
        });
        progress.end();
        let store = store?;
        output::line(&shown(&format!("{}: rows of every clip", self.out.join(fusing::STORE).display())))?;
        Ok(store)
    }

    /// Makes the last bundle and measures it: what is measured on the test split stands in its manifest.
    pub(crate) fn bundle(&self) -> Result<()> {
        let weights = seed_folder(&self.out.join(fusing::RUN), self.seed).join(WEIGHTS_FILE);
        let built = bundles::last(&self.corpus, &self.out, &weights, &mut |_, _| ())?;
        let progress = Progress::new();
        let evaluation = evaluate(&self.out, self.seed, &mut |split, done, total| {
            progress.tell(split_name(split), done, total);
        });
        progress.end();
        let evaluation = evaluation?;
        told(&Bundle::open(&built.folder)?)?;
        if let Some(calibration) = built.quantised.as_ref().and_then(|quantised| quantised.calibration.as_ref()) {
            let (p99, clips) = (calibration.measured.p99, calibration.clips);
            output::line(&format!("bytes move the valence of {clips} clips by {p99:.4} (p99)"))?;
        }
        output::table(&evaluation.table())?;
        Ok(())
    }

    /// Holds the device's scores against the trainer's predictions.
    pub(crate) fn check(&self) -> Result<()> {
        let progress = Progress::new();
        let evaluation = self.out.join(EVALUATION);
        let checked = check(&self.corpus, &self.out, &evaluation, threads(), &|step| {
            progress.tell(step.what, step.done, step.total);
        });
        progress.end();
        let checked = checked?;
        let mut rows = vec![["mode", "MAE device", "MAE trainer", "apart", "largest"].map(str::to_owned).to_vec()];
        for Both { mode, device, trainer, apart: [mean, largest] } in &checked.modes {
            let mut row = vec![mode.to_string()];
            row.extend([device, trainer, mean, largest].map(|value| format!("{value:.4}")));
            rows.push(row);
        }
        output::table(&rows)?;
        report::write(&self.out, &checked)?;
        let words = &checked.simulated;
        output::line(&format!(
            "simulated transcripts of {} clips: word error rate {:.3}, {:.0} % of the sentences whole",
            checked.clips,
            words.rate(),
            100.0 * words.whole_share()
        ))?;
        match checked.worst().filter(|both| (both.device - both.trainer).abs() > TOLERANCE) {
            None => Ok(()),
            Some(Both { mode, device, trainer, .. }) => Err(Fault::of_code(
                DISAGREES,
                format!(
                    "{}: in mode {mode} the device is off by {device:.4} and the trainer by {trainer:.4}, expected within \
                     {TOLERANCE} of each other; keep layers in float (`mien-train bundle build --keep-float`)",
                    self.out.join(bundles::LAST).display()
                ),
            )
            .into()),
        }
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Fusing {
    pub(crate) fn run(self) -> Result<()> {
        let Place { out, seed, .. } = &self.place;
        let store = Store::open(&out.join(fusing::STORE))?;
        let device = device(&self.device)?;
        let mut report = reporter(self.plain);
        let learned = fusing::learn(&store, out, *seed, &device, report.as_mut());
        drop(report);
        let (summary, weights) = learned?;
        let mean = &summary.mean;
        output::line(&shown(&format!(
            "{}: validation MAE {:.4} with text, {:.4} with simulated text",
            weights.display(),
            mean.complete,
            mean.missing
        )))
    }
}

/// Says what was made.
fn told(bundle: &Bundle) -> Result<()> {
    let manifest = bundle.manifest();
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let folder = bundle.folder().display();
    output::line(&shown(&format!("{folder}: {:.1} MB, digest {}", bytes as f64 / 1e6, bundle.digest())))?;
    output::line(&format!("NOTE: {}", manifest.statement))
}
