//! Table I of the paper on synthetic corpora: every row over several seeds, as a table.

mod measured;
mod planted;
mod pocket;
mod spread;
mod table;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, anyhow, ensure};
use toml::Value;

use crate::steps::root;

pub(crate) use planted::planted_table;
pub(crate) use pocket::pocket_table;

/// A row of Table I.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    preset: &'static str,
    /// What it leaves out.
    without: &'static str,
}

/// The rows; the last is the one that the others are held against.
const ROWS: [Row; 7] = [
    Row { preset: "table1-row1", without: "no LLM_g" },
    Row { preset: "table1-row2", without: "no MIA, no MKD" },
    Row { preset: "table1-row3", without: "no MIA" },
    Row { preset: "table1-row4", without: "no MKD" },
    Row { preset: "table1-row5", without: "no RS" },
    Row { preset: "table1-row6", without: "no RNC" },
    Row { preset: "full", without: "full method" },
];

/// Runs of all rows on one store.
struct Trial<'a> {
    /// `mien-train`.
    program: &'a str,
    /// The experiment that all rows share.
    experiment: &'a str,
    store: &'a str,
    seeds: &'a str,
    /// A folder for each row's runs.
    folder: &'a Path,
}

impl Trial<'_> {
    /// Trains all rows, one for each core at a time: networks of this size gain little from several threads. Rows whose
    /// runs stand in the folder are not trained again.
    fn train(&self) -> Result<()> {
        self.each_row(|row| {
            self.train_row(row)?;
            eprintln!("{} ({}): trained", row.preset, row.without);
            Ok(())
        })
    }

    /// Does `work` for every row, one for each core at a time.
    fn each_row(&self, work: impl Fn(Row) -> Result<()> + Sync) -> Result<()> {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(row) = ROWS.get(next.fetch_add(1, Ordering::Relaxed)) {
                work(*row).with_context(|| format!("{} ({})", row.preset, row.without))?;
            }
            Ok(())
        };
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(ROWS.len());
        std::thread::scope(|scope| {
            let working: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            working.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
        })
    }

    /// The runs of `row`.
    fn runs(&self, row: Row) -> PathBuf {
        self.folder.join(row.preset)
    }

    /// Trains a row, or goes on with it: a run of another experiment in the folder is refused by the program.
    fn train_row(&self, row: Row) -> Result<()> {
        let folder = self.runs(row);
        let shown = folder.display().to_string();
        let data = format!("data={}", Value::from(self.store));
        let mut args = if folder.join("experiment.toml").exists() {
            vec!["resume", &shown, "--set", &data]
        } else {
            vec!["train", "--out", &shown, "--data", self.store]
        };
        args.extend(["--experiment", self.experiment, "--preset", row.preset, "--seeds", self.seeds, "--plain"]);
        self.run(row, &args)
    }

    /// Runs the program on one thread; what it says is added to the row's log.
    fn run(&self, row: Row, args: &[&str]) -> Result<()> {
        let log = self.folder.join(format!("{}.log", row.preset));
        let file = File::options().create(true).append(true).open(&log);
        let file = file.with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(self.program);
        command.args(args).current_dir(root()).env("RAYON_NUM_THREADS", "1");
        command.stdout(file.try_clone()?).stderr(file);
        let status = command.status().with_context(|| format!("cannot start {}", self.program))?;
        ensure!(status.success(), "{status}; its last words are in {}", log.display());
        Ok(())
    }
}
