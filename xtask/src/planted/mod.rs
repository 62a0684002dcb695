//! `cargo xtask planted-table`: every row of the paper's Table I on a planted corpus, over several seeds.

mod table;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, anyhow, bail, ensure};
use toml::Value;

use crate::setup::{self, Need};
use crate::steps::{mien_train, root, run, target};
use table::{Row, SeedErrors, markdown};

/// The experiment that all rows share.
const EXPERIMENT: &str = "trainer/experiments/planted.toml";
/// Rows of Table I: preset, and what it leaves out. The last is the one that the others are held against.
const ROWS: [(&str, &str); 7] = [
    ("table1-row1", "no LLM_g"),
    ("table1-row2", "no MIA, no MKD"),
    ("table1-row3", "no MIA"),
    ("table1-row4", "no MKD"),
    ("table1-row5", "no RS"),
    ("table1-row6", "no RNC"),
    ("full", "full method"),
];

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
    train_all(&program, &store, &plan)?;
    let row = |(preset, without): (&str, &'static str)| {
        Ok(Row { without, runs: result(&plan.folder.join(preset).join("result.toml"))? })
    };
    let rows = ROWS.into_iter().map(row).collect::<Result<Vec<_>>>()?;
    let text = markdown(&rows)?;
    let file = plan.folder.join("table.md");
    std::fs::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    println!("{text}\n{}", file.display());
    Ok(())
}

/// Trains all rows, one for each core at a time: networks of this size gain little from several threads.
fn train_all(program: &str, store: &str, plan: &Plan) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((preset, without)) = ROWS.get(next.fetch_add(1, Ordering::Relaxed)) {
            train(program, preset, store, plan).with_context(|| format!("{preset} ({without})"))?;
            eprintln!("{preset} ({without}): done");
        }
        Ok(())
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(ROWS.len());
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        working.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
    })
}

/// Trains a row, or goes on with it: a run of another experiment in the folder is refused by the program.
fn train(program: &str, preset: &str, store: &str, plan: &Plan) -> Result<()> {
    let folder = plan.folder.join(preset);
    let shown = folder.display().to_string();
    let data = format!("data={}", Value::from(store));
    let mut args = if folder.join("experiment.toml").exists() {
        vec!["resume", &shown, "--set", &data]
    } else {
        vec!["train", "--out", &shown, "--data", store]
    };
    args.extend(["--experiment", EXPERIMENT, "--preset", preset, "--seeds", &plan.seeds, "--plain"]);
    let log = plan.folder.join(format!("{preset}.log"));
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(program);
    command.args(args).current_dir(root()).env("RAYON_NUM_THREADS", "1");
    command.stdout(file.try_clone()?).stderr(file);
    let status = command.status().with_context(|| format!("cannot start {program}"))?;
    ensure!(status.success(), "{status}; its last words are in {}", log.display());
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
