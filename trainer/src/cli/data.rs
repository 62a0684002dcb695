//! `mien-train data info` and `mien-train data check`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use mien_trainer::data::check::{check, leaks};
use mien_trainer::data::info::info;
use mien_trainer::data::store::Store;
use serde_json::json;

use super::fault::Fault;
use super::import::Progress;
use super::output;

/// Look at feature stores.
#[derive(Debug, Args)]
pub(crate) struct Data {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Show counts, lengths, labels, and what splits share
    Info {
        /// The store's folder
        store: PathBuf,
        /// A JSON object instead of tables
        #[arg(long)]
        json: bool,
    },
    /// Hold every file against its digest, look at every number, and look for videos and speakers in several splits
    Check {
        /// The store's folder
        store: PathBuf,
        /// Do not fail for videos or speakers in several splits
        #[arg(long)]
        allow_leaks: bool,
        /// A JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
}

impl Data {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            DataCommand::Info { store, json } => show(&Store::open(&store)?, json),
            DataCommand::Check { store, allow_leaks, json } => examine(&Store::open(&store)?, allow_leaks, json),
        }
    }
}

fn show(store: &Store, as_json: bool) -> Result<()> {
    use mien_trainer::data::Source;
    let (index, splits) = (store.index(), info(store));
    let leaks = leaks(index);
    if as_json {
        let object = json!({
            "path": store.path(), "digest": store.digest(), "created_by": index.created_by, "origin": index.origin,
            "rows": index.rows, "modalities": index.modalities, "remarks": index.remarks, "splits": splits, "leaks": leaks,
        });
        output::line(&format!("{object}"))?;
        return Ok(());
    }
    output::line(&format!("{}  ({})", index.origin, index.created_by))?;
    output::line(&format!("digest {}", store.digest()))?;
    for (modality, entry) in &index.modalities {
        output::line(&format!("{modality:<10} {} numbers a row, {} ({})", entry.width, index.rows, entry.features))?;
    }
    output::line("")?;
    output::line(
        "split    clips  videos  speakers  transcripts   mean  deviation  negative  zero  positive      -3    -2    -1     0     1     2     3",
    )?;
    for split in &splits {
        let classes: String = split.labels.classes.iter().map(|n| format!("{n:>6}")).collect();
        output::line(&format!(
            "{:<6} {:>7} {:>7} {:>9} {:>12} {:>6.3} {:>10.3} {:>9} {:>5} {:>9}  {classes}",
            split.split,
            split.clips,
            split.videos,
            split.speakers.map_or("-".into(), |n| n.to_string()),
            split.transcripts,
            split.labels.mean,
            split.labels.deviation,
            split.labels.negative,
            split.labels.zero,
            split.labels.positive,
        ))?;
    }
    output::line("")?;
    output::line("split  modality    least  median  95 of 100   most        rows      MiB")?;
    for split in &splits {
        for (modality, rows) in &split.rows {
            output::line(&format!(
                "{:<6} {:<10} {:>6} {:>7} {:>10} {:>6} {:>11} {:>8.1}",
                split.split,
                modality.name(),
                rows.least,
                rows.median,
                rows.percentile95,
                rows.most,
                rows.total,
                rows.bytes as f64 / 1_048_576.0
            ))?;
        }
    }
    for remark in &index.remarks {
        output::line(remark)?;
    }
    for leak in &leaks {
        output::line(&format!("LEAK: {}", leak.text()))?;
    }
    Ok(())
}

fn examine(store: &Store, allow_leaks: bool, as_json: bool) -> Result<()> {
    let progress = Progress::new();
    let report = check(store, &mut |done, total| progress.tell("looked at", done, total));
    progress.end();
    let report = report?;
    if as_json {
        output::json(&report)?;
    } else {
        for fault in &report.faults {
            output::line(&format!("FAULT: {fault}"))?;
        }
        for leak in &report.leaks {
            output::line(&format!("LEAK: {}", leak.text()))?;
        }
        for remark in &report.remarks {
            output::line(remark)?;
        }
    }
    let leaks = if allow_leaks { 0 } else { report.leaks.len() };
    if report.faults.len() + leaks > 0 {
        let text = format!(
            "feature store {}: {} faults, {} leaks; import it again from a whole corpus with splits by video or speaker",
            store.path().display(),
            report.faults.len(),
            report.leaks.len()
        );
        return Err(Fault::input(text).into());
    }
    if !as_json {
        output::line(&format!(
            "{}: whole, and its splits are {}",
            store.path().display(),
            if report.leaks.is_empty() { "apart" } else { "not apart" }
        ))?;
    }
    Ok(())
}
