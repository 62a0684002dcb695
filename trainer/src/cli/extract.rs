//! `mien-train extract`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mien_runtime::default_bundle::choose;
use mien_runtime::rung::Rung;
use mien_runtime::scorer::{BundleFacts, ScorerSettings};
use mien_trainer::data::corpus::Modality;
use mien_trainer::data::provenance::Provenance;
use mien_trainer::data::store::RowType;
use mien_trainer::extract::{ClipList, ExtractSettings, Failure, Shard, Standing, Step, collect, extract};

use super::fault::{Fault, INPUT};
use super::import::Progress;
use super::output::{self, shown};

/// Failures that are listed one by one; the others are counted.
const SHOWN: usize = 20;

/// Extract the rows of clips with a device's networks, into the plain layout that import takes.
///
/// The list is a table with the columns id, path, split (train, valid, test) and label, and where wanted transcript,
/// face (pictures that go with a sound file) and speaker; paths are taken from its folder. Each clip is one utterance.
/// Started again, the command goes on where it was stopped. Several machines share the work with --shard, in one
/// folder on a shared disk; or in folders of their own that are then copied into one and finished with --collect.
#[derive(Debug, Args)]
pub(crate) struct Extract {
    /// The list of clips, a table (.csv)
    list: PathBuf,
    /// The folder of the rows; a new one, or one in which the same extraction was begun
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The bundle's folder [default: $MIEN_BUNDLE, else the built-in pocket bundle]
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Part I of N of the list, for this machine
    #[arg(long, value_name = "I/N", default_value_t = Shard::WHOLE)]
    shard: Shard,
    /// Type of the numbers: f16 takes half of the disk
    #[arg(long, value_name = "f16|f32", default_value = "f16")]
    rows: RowType,
    /// Leave the language model out: no text of either kind, which training needs from elsewhere
    #[arg(long)]
    no_llm: bool,
    /// Threads for matrix products; rows do not depend on it
    #[arg(long, value_name = "N", default_value_t = default_threads(), value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Threads of the language model; they wait actively, so never more than the cores that are really free
    /// [default: all cores but one]
    #[arg(long, value_name = "N", default_value_t = default_llm_threads(), hide_default_value = true, value_parser = clap::value_parser!(u16).range(1..=i64::from(default_threads())))]
    llm_threads: u16,
    /// Longest text of the language model, sound rows and prompt included, in tokens
    #[arg(long, value_name = "TOKENS", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(16..=32768))]
    llm_context: u32,
    /// Layers of the language model to put on a GPU, from its end (the output layer is one, each block is one); more than it
    /// has (1000 always is) means all; needs a program built for it. Rows differ from a processor's in the third digit
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    gpu_layers: u32,
    /// End at the first clip that cannot be extracted
    #[arg(long)]
    stop_at_first: bool,
    /// Extract nothing: write the table clips.csv with the clips whose rows stand, even while others are missing
    #[arg(long, conflicts_with_all = ["bundle", "shard", "rows", "no_llm", "stop_at_first"])]
    collect: bool,
}

fn default_threads() -> u16 {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(256) as u16)
}

fn default_llm_threads() -> u16 {
    default_threads().saturating_sub(1).max(1)
}

impl Extract {
    pub(crate) fn run(self) -> Result<()> {
        // Cheap faults first: a wrong list must not cost the loading of a 4 GB model.
        let list = ClipList::read(&self.list)?;
        let progress = Progress::new();
        let mut tell = |step: Step| match step {
            Step::Looked(done, total) => progress.tell("looked at", done, total),
            Step::Extracted(done, total) => progress.tell("extracted", done, total),
        };
        if self.collect {
            let collected = collect(&list, &self.out, &mut tell);
            progress.end();
            let (provenance, standing) = collected?;
            if let Some(statement) = &provenance.statement {
                warn(statement);
            }
            self.tell(&standing, &provenance)?;
            return self.judge(&standing.failed, standing.open.len(), INPUT);
        }
        let chosen = choose(self.bundle.as_deref())?;
        if let Some(statement) = BundleFacts::of(&chosen.bundle).statement() {
            warn(statement);
        }
        let settings = ExtractSettings {
            rows: self.rows,
            shard: self.shard,
            scorer: ScorerSettings {
                threads: self.threads.into(),
                llm_threads: self.llm_threads.into(),
                llm_context: self.llm_context as usize,
                gpu_layers: self.gpu_layers,
                rung: if self.no_llm { Rung::NoLlm } else { Rung::Full },
            },
            stop_at_first: self.stop_at_first,
        };
        let extracted = extract(&list, chosen, &self.out, &settings, &mut tell);
        progress.end();
        let report = extracted?;
        output::line(&format!(
            "{}: shard {}: {} clips extracted, {} stood already, {} failed",
            self.out.display(),
            self.shard,
            report.extracted,
            report.kept,
            report.failed.len()
        ))?;
        self.tell(&report.standing, &report.provenance)?;
        self.judge(&report.failed, 0, report.exit_code)
    }

    /// How the whole list stands, and what comes next.
    fn tell(&self, standing: &Standing, provenance: &Provenance) -> Result<()> {
        for (modality, clips) in &standing.empty {
            output::line(&format!("{clips} clips have no {modality} rows"))?;
        }
        let Some(table) = &standing.table else {
            let open = standing.open.len();
            let text = if open > 0 {
                format!("{open} clips of the list are open; clips.csv is written when none is, or by --collect")
            } else {
                "no clip could be extracted: there is no clips.csv".into()
            };
            return output::line(&text);
        };
        let named = format!("{}: names {} of {} clips", table.display(), standing.extracted, standing.clips());
        output::line(&shown(&named))?;
        if !provenance.modalities.contains(&Modality::Simulated) {
            return output::line("import also needs rows of text or simulated text: put their folders beside these");
        }
        let empty = if standing.empty.is_empty() { "" } else { " --zero-row-for-empty" };
        let out = self.out.display();
        output::line(&shown(&format!("next: mien-train import {out} --out STORE --rows {}{empty}", provenance.rows)))
    }

    /// Lists the failures; an error if there are any, or clips that are missing.
    fn judge(&self, failed: &[Failure], open: usize, exit_code: u8) -> Result<()> {
        for Failure { id, reason } in failed.iter().take(SHOWN) {
            output::line(&shown(&format!("FAILED: {id}: {reason}")))?;
        }
        if failed.len() > SHOWN {
            output::line(&format!("FAILED: and {} more; their records say why", failed.len() - SHOWN))?;
        }
        let cannot = (!failed.is_empty()).then(|| format!("{} clips cannot be extracted", failed.len()));
        let missing = (open > 0).then(|| format!("{open} clips are not extracted yet"));
        let told: Vec<String> = cannot.into_iter().chain(missing).collect();
        if told.is_empty() {
            return Ok(());
        }
        let next = match failed.is_empty() {
            true => "run without --collect first".into(),
            false => format!("mend them or take them out of {}, and run again", self.list.display()),
        };
        let text = format!("{}: {}; {next}", self.out.display(), told.join(", "));
        Err(Fault::of_code(exit_code, text).into())
    }
}

/// The line that every output of untrained weights carries.
fn warn(statement: &str) {
    eprintln!("mien-train: WARNING: {}", shown(statement));
}
