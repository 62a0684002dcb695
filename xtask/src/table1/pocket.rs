//! `cargo xtask pocket-table`: Table I, the gap of Table II and the method's claims in the pocket world, on its test split.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use super::measured::{Evaluated, best_constant};
use super::spread::Spread;
use super::table::{Measured, SeedErrors, markdown};
use super::{ROWS, Row, Trial};
use crate::setup::{self, Need};
use crate::steps::{mien_train, target};

/// The experiment that all rows share.
const EXPERIMENT: &str = "trainer/experiments/pocket.toml";
/// What a network is given, from everything to least.
const MODES: [&str; 3] = ["complete", "text-missing", "no-llm"];
/// The paper's gap between text and no text: MAE.
const PAPER_GAP: f64 = 0.044;
/// The method's claims: what helps, and the row without it.
const CLAIMS: [(&str, usize); 5] = [
    ("simulated text (LLM_g)", 0),
    ("imagination (MIA)", 2),
    ("distillation (MKD)", 3),
    ("alignment of both flows (RS)", 4),
    ("rank-N-contrast (RNC)", 5),
];

/// What the arguments say.
struct Plan {
    /// Where `mien-train pocket rows` made a store.
    pocket: PathBuf,
    folder: PathBuf,
    seeds: Vec<i64>,
}

/// `cargo xtask pocket-table --pocket FOLDER [--seeds LIST] [--out FOLDER]`: rows whose runs stand in the folder are not
/// trained again.
pub(crate) fn pocket_table(rest: &[String]) -> Result<()> {
    let plan = arguments(rest)?;
    setup::run(Need::Demo)?;
    let store = plan.pocket.join("store");
    ensure!(store.is_dir(), "{}: no such folder; run `mien-train pocket rows` first", store.display());
    let (program, store) = (mien_train()?.display().to_string(), store.display().to_string());
    std::fs::create_dir_all(&plan.folder)?;
    let seeds = plan.seeds.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let trial = Trial { program: &program, experiment: EXPERIMENT, store: &store, seeds: &seeds, folder: &plan.folder };
    trial.train()?;
    // The test split is looked at when nothing is left to be chosen.
    trial.each_row(|row| plan.seeds.iter().try_for_each(|seed| evaluate(&trial, row, *seed)))?;
    let rows = ROWS.into_iter().map(|row| evaluated(&trial, row, &plan.seeds)).collect::<Result<Vec<_>>>()?;
    let text = text(&rows, &plan.seeds)?;
    let file = plan.folder.join("table.md");
    std::fs::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    println!("{text}\n{}", file.display());
    Ok(())
}

fn evaluation(trial: &Trial, row: Row, seed: i64) -> PathBuf {
    trial.folder.join(format!("{}-test-{seed}", row.preset))
}

fn evaluate(trial: &Trial, row: Row, seed: i64) -> Result<()> {
    let out = evaluation(trial, row, seed);
    if out.join("evaluation.json").exists() {
        return Ok(());
    }
    let (run, out) = (trial.runs(row).display().to_string(), out.display().to_string());
    let (seed, modes) = (seed.to_string(), MODES.join(","));
    trial.run(row, &["evaluate", &run, "--seed", &seed, "--data", trial.store, "--modes", &modes, "--out", &out])
}

fn evaluated(trial: &Trial, row: Row, seeds: &[i64]) -> Result<Vec<Evaluated>> {
    seeds.iter().map(|seed| Evaluated::read(&evaluation(trial, row, *seed))).collect()
}

/// All tables, as Markdown; `rows` are those of [`ROWS`], each with one evaluation for each seed.
fn text(rows: &[Vec<Evaluated>], seeds: &[i64]) -> Result<String> {
    let full = rows.last().context("no rows")?;
    let mut text = table1(rows, seeds)?;
    text += "\n";
    text += &ladder(full)?;
    text += "\n";
    text += &gap(full)?;
    text += "\n";
    text += &claims(rows)?;
    Ok(text)
}

/// Mean absolute errors in `mode`, one for each seed.
fn errors(seeds: &[Evaluated], mode: &str) -> Result<Vec<f64>> {
    seeds.iter().map(|seed| Ok(Spread::of(seed.off(mode)?).mean)).collect()
}

fn table1(rows: &[Vec<Evaluated>], seeds: &[i64]) -> Result<String> {
    let mut measured = Vec::new();
    for (row, evaluations) in ROWS.iter().zip(rows) {
        let (complete, missing) = (errors(evaluations, MODES[0])?, errors(evaluations, MODES[1])?);
        let runs = seeds.iter().zip(complete.into_iter().zip(missing));
        let runs = runs.map(|(&seed, (complete, missing))| SeedErrors { seed, missing, complete });
        measured.push(Measured { without: row.without, runs: runs.collect() });
    }
    markdown(&measured)
}

/// The full method with less and less, down to the best constant: errors of the clips, each the mean over seeds, and how
/// much is lost from step to step.
fn ladder(full: &[Evaluated]) -> Result<String> {
    let labels = &full.first().context("no seeds")?.labels;
    let mut steps = Vec::new();
    for mode in MODES {
        let mut mean = vec![0.0; labels.len()];
        for seed in full {
            let share = 1.0 / full.len() as f64;
            mean.iter_mut().zip(seed.off(mode)?).for_each(|(mean, off)| *mean += share * off);
        }
        steps.push((mode, mean));
    }
    steps.push(("best constant", best_constant(labels)));
    let mut text = String::from("| given | MAE | above the line before | twice its error |\n|---|---|---|---|\n");
    for (number, (name, off)) in steps.iter().enumerate() {
        let before = number.checked_sub(1).and_then(|before| steps.get(before));
        let above = before.map_or("| |".into(), |(_, before)| {
            let Spread { mean, error, .. } = Spread::of_differences(off, before);
            format!("{mean:+.4} | {:.4} |", 2.0 * error)
        });
        writeln!(text, "| {name} | {:.4} | {above}", Spread::of(off).mean)?;
    }
    Ok(text)
}

/// The gap columns of Table II.
fn gap(full: &[Evaluated]) -> Result<String> {
    let accuracy = |mode: &str| full.iter().filter_map(|seed| seed.accuracy.get(mode).copied()).collect::<Vec<_>>();
    let (with, without) = (errors(full, MODES[0])?, errors(full, MODES[1])?);
    let (right, right_without) = (accuracy(MODES[0]), accuracy(MODES[1]));
    let mean = |values: &[f64]| Spread::of(values).mean;
    let lost = Spread::of_differences(&without, &with);
    let mut text =
        String::from("| | with text MAE | ACC | w/o text MAE | ACC | dMAE | dACC |\n|---|---|---|---|---|---|---|\n");
    writeln!(
        text,
        "| pocket world | {:.4} | {:.2} | {:.4} | {:.2} | {:.4} ± {:.4} | {:.2} |",
        mean(&with),
        mean(&right),
        mean(&without),
        mean(&right_without),
        lost.mean,
        lost.deviation,
        mean(&right) - mean(&right_without)
    )?;
    writeln!(text, "| paper, MOSEI | | | | | {PAPER_GAP} | |")?;
    Ok(text)
}

/// Whether each claim held: the error where text is missing without a part, less the full method's.
fn claims(rows: &[Vec<Evaluated>]) -> Result<String> {
    let full = errors(rows.last().context("no rows")?, MODES[1])?;
    let mut text = String::from("| what helps where text is missing | MAE without it, above full | |\n|---|---|---|\n");
    for (claim, row) in CLAIMS {
        let without = errors(rows.get(row).context("a row is missing")?, MODES[1])?;
        let apart = Spread::of_differences(&without, &full);
        let against = Spread::of_differences(&full, &without);
        let held = match (apart.is_above(), against.is_above()) {
            (true, _) => "held",
            (_, true) => "not held: the error is lower without it",
            _ => "not held: no difference beyond twice its error",
        };
        writeln!(text, "| {claim} | {:+.4} ± {:.4} | {held} |", apart.mean, apart.error)?;
    }
    Ok(text)
}

fn arguments(rest: &[String]) -> Result<Plan> {
    let usage = "usage: cargo xtask pocket-table --pocket FOLDER [--seeds LIST] [--out FOLDER]";
    let (mut pocket, mut folder, mut seeds) = (None, None, vec![1, 2, 3, 4, 5]);
    let mut rest = rest.iter();
    while let Some(flag) = rest.next() {
        let value = rest.next().with_context(|| format!("{flag}: a value is missing"))?;
        match flag.as_str() {
            "--pocket" => pocket = Some(std::path::absolute(value)?),
            "--out" => folder = Some(std::path::absolute(value)?),
            "--seeds" => {
                let numbers: Result<Vec<i64>, _> = value.split(',').map(str::parse).collect();
                seeds = numbers.with_context(|| format!("--seeds: expected whole numbers, found {value:?}"))?;
            }
            _ => bail!(usage),
        }
    }
    let pocket = pocket.context(usage)?;
    Ok(Plan { folder: folder.unwrap_or_else(|| target().join("pocket-table")), pocket, seeds })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Two clips whose scores are off by so much in each mode.
    fn seed(off: [[f64; 2]; 3]) -> Evaluated {
        let modes = MODES.iter().zip(off).map(|(mode, off)| ((*mode).to_owned(), off.to_vec()));
        let accuracy = MODES.iter().map(|mode| ((*mode).to_owned(), 75.0));
        Evaluated { off: modes.collect(), labels: vec![-1.0, 2.0], accuracy: accuracy.collect() }
    }

    #[test]
    fn what_is_lost_is_told_step_by_step() {
        let full = [seed([[0.1, 0.3], [0.2, 0.4], [0.5, 0.9]]), seed([[0.3, 0.5], [0.4, 0.6], [0.7, 1.1]])];
        let text = ladder(&full).unwrap();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        // The median of two labels is the greater one here: errors 3 and 0.
        assert_eq!(
            lines,
            [
                "| complete | 0.3000 | | |",
                "| text-missing | 0.4000 | +0.1000 | 0.0000 |",
                "| no-llm | 0.8000 | +0.4000 | 0.2000 |",
                "| best constant | 1.5000 | +0.7000 | 3.4000 |",
            ]
        );
        assert!(gap(&full).unwrap().contains("| 0.3000 | 75.00 | 0.4000 | 75.00 | 0.1000 ± 0.0000 | 0.00 |"));
    }

    #[test]
    fn a_claim_holds_where_its_row_is_worse_beyond_noise() {
        let row = |first: f64, second: f64| {
            vec![seed([[0.0; 2], [first; 2], [0.0; 2]]), seed([[0.0; 2], [second; 2], [0.0; 2]])]
        };
        let rows =
            [row(0.9, 0.91), row(0.5, 0.5), row(0.5, 0.7), row(0.4, 0.41), row(0.6, 0.6), row(0.6, 0.6), row(0.5, 0.5)];
        let text = claims(&rows).unwrap();
        let ends: Vec<&str> = text.lines().skip(2).map(|line| line.rsplit(" | ").next().unwrap()).collect();
        let noise = "not held: no difference beyond twice its error |";
        assert_eq!(ends, ["held |", noise, "not held: the error is lower without it |", "held |", "held |"]);
    }
}
