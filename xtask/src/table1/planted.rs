//! `cargo xtask planted-table`: Table I on a planted corpus, by the validation errors of the chosen epochs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use toml::Value;

use super::table::{Measured, SeedErrors, markdown};
use super::{ROWS, Row, Trial};
use crate::setup::{self, Need};
use crate::steps::{mien_train, run, target};

/// The experiment that all rows share.
const EXPERIMENT: &str = "trainer/experiments/planted.toml";

/// What the arguments say.
struct Plan {
    folder: PathBuf,
    corpus: String,
    seeds: String,
}

/// `cargo xtask planted-table [--corpus SEED] [--seeds LIST] [--out FOLDER]`: rows whose runs stand in the folder are not
/// trained again.
pub(crate) fn planted_table(rest: &[String]) -> Result<()> {
    let plan = arguments(rest)?;
    setup::run(Need::Demo)?;
    let program = mien_train()?.display().to_string();
    std::fs::create_dir_all(&plan.folder)?;
    let store = plan.folder.join("store");
    // Made anew each time: equal settings give equal bytes, and runs that stand refuse a corpus of another digest.
    if store.exists() {
        std::fs::remove_dir_all(&store)?;
    }
    let store = store.display().to_string();
    run(&program, &["planted", "--out", &store, "--seed", &plan.corpus])?;
    let trial =
        Trial { program: &program, experiment: EXPERIMENT, store: &store, seeds: &plan.seeds, folder: &plan.folder };
    trial.train()?;
    let measured =
        |row: Row| Ok(Measured { without: row.without, runs: result(&trial.runs(row).join("result.toml"))? });
    let rows = ROWS.into_iter().map(measured).collect::<Result<Vec<_>>>()?;
    let text = markdown(&rows)?;
    let file = plan.folder.join("table.md");
    std::fs::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    println!("{text}\n{}", file.display());
    Ok(())
}

/// What a run's `result.toml` says of each seed.
fn result(path: &Path) -> Result<Vec<SeedErrors>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file: toml::Table = toml::from_str(&text).with_context(|| path.display().to_string())?;
    let read = |run: &Value| {
        let error = |flow: &str| run.get("valid")?.get(flow)?.as_float();
        let seed = run.get("seed")?.as_integer()?;
        Some(SeedErrors { seed, missing: error("missing")?, complete: error("complete")? })
    };
    let runs = file.get("runs").and_then(Value::as_array);
    let runs: Option<Vec<_>> = runs.and_then(|runs| runs.iter().map(read).collect());
    runs.with_context(|| format!("{}: expected [[runs]] with a seed and valid errors of both flows", path.display()))
}

fn arguments(rest: &[String]) -> Result<Plan> {
    let mut plan = Plan { folder: target().join("planted"), corpus: "2".into(), seeds: "1,2,3,4,5".into() };
    let mut rest = rest.iter();
    while let Some(flag) = rest.next() {
        let value = rest.next().with_context(|| format!("{flag}: a value is missing"))?;
        match flag.as_str() {
            "--corpus" => plan.corpus.clone_from(value),
            "--seeds" => plan.seeds.clone_from(value),
            "--out" => plan.folder = std::path::absolute(value)?,
            _ => bail!("usage: cargo xtask planted-table [--corpus SEED] [--seeds LIST] [--out FOLDER]"),
        }
    }
    Ok(plan)
}
