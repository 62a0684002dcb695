//! `mien bench --llm`.

use mien_runtime::bench::{LlmBenchReport, LlmBenchSettings, LlmRate, run_llm};
use mien_runtime::default_bundle::choose;
use mien_runtime::rung::Demand;

use super::bench::{BenchArgs, mebibytes};
use super::output::{self, Failure};
use super::table::Table;

/// Counted runs where none are asked for: a run of a large model takes half a minute.
const RUNS: u32 = 5;

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let chosen = choose(args.engine.bundle.as_deref())?;
    let settings = LlmBenchSettings {
        prompt: args.prompt as usize,
        tokens: args.tokens as usize,
        runs: args.runs.unwrap_or(RUNS),
    };
    let manifest = chosen.bundle.manifest();
    let rung = args.rung.choose(manifest, &args.engine, Demand::Needed("--llm"), Demand::Wanted, args.json)?;
    let report = run_llm(&chosen.bundle, &args.engine.settings(rung), &settings)?;
    output::warn_statement(report.bundle.statement.as_deref(), args.json);
    if args.json { output::json(&report) } else { print(&report) }
}

fn print(report: &LlmBenchReport) -> Result<(), Failure> {
    output::line(&format!("bundle {}  language model's threads {}", report.bundle.name, report.threads))?;
    output::line(&format!("loaded in {:.0} ms", report.load_ms))?;
    output::line("")?;
    let mut table =
        Table::new(&["work", "runs", "tokens", "plain tokens/s", "states read tokens/s", "time with over without"]);
    let mut row = |name: &str, rate: &LlmRate| {
        table.row([
            name.into(),
            rate.plain.runs.to_string(),
            rate.tokens.to_string(),
            format!("{:.2}", rate.plain_per_s),
            format!("{:.2}", rate.states_per_s),
            format!("{:.3}", rate.ratio),
        ]);
    };
    row("prompt", &report.prompt);
    row("generation", &report.generation);
    table.print()?;
    output::line("")?;
    output::line(&format!(
        "memory after loading {}, peak {}",
        mebibytes(report.loaded_bytes),
        mebibytes(report.peak_bytes)
    ))
}
