//! `mien bench`.

use std::path::PathBuf;

use clap::Args;
use mien_runtime::bench::{BenchReport, BenchSettings, run as measure};
use mien_runtime::default_bundle::choose;
use mien_runtime::rung::{Demand, Rung};
use mien_runtime::scorer::Scorer;
use serde::Serialize;

use super::output::{self, Failure};
use super::sample::{portrait, speech};
use super::table::Table;
use super::{EngineArgs, RungArgs, bench_live, bench_llm};

/// Counted runs where none are asked for.
const RUNS: u32 = 20;

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// A recording of speech, repeated or cut to length [default: alsa-utils' recorded voice]
    #[arg(long, value_name = "FILE")]
    pub(super) speech: Option<PathBuf>,
    /// A portrait [default: the astronaut picture of scikit-image, if it is there]
    #[arg(long, value_name = "PATH")]
    pub(super) face: Option<PathBuf>,
    /// Length of the utterance in seconds
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    seconds: f64,
    /// Counted runs, after one that is not counted [default: 20; with --llm 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) runs: Option<u32>,
    /// Measure without the language model
    #[arg(long)]
    pub(super) no_llm: bool,
    /// How long a person waits: the recording is played in real time through the live pipeline, beside the same stages one
    /// after the other
    #[arg(long, conflicts_with_all = ["seconds", "runs", "operators"])]
    live: bool,
    /// Utterances each way
    #[arg(long, requires = "live", value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) utterances: u32,
    /// How fast the language model reads and writes, with hidden states read and without
    #[arg(long, conflicts_with_all = ["seconds", "operators", "live", "no_llm", "speech", "face"])]
    llm: bool,
    /// Tokens of the prompt
    #[arg(long, requires = "llm", value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=32_768))]
    pub(super) prompt: u32,
    /// Tokens to generate
    #[arg(long, requires = "llm", value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=32_768))]
    pub(super) tokens: u32,
    /// Split WavLM's time by the engine's operators
    #[arg(long)]
    operators: bool,
    /// A JSON object instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
    #[command(flatten)]
    pub(super) rung: RungArgs,
}

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    if args.live {
        return bench_live::run(args);
    }
    if args.llm {
        return bench_llm::run(args);
    }
    let speech = speech(args.speech.as_deref())?;
    let face = match &args.face {
        Some(face) => Some(face.clone()),
        None => Some(portrait()).filter(|p| p.is_file()),
    };
    let chosen = choose(args.engine.bundle.as_deref())?;
    let manifest = chosen.bundle.manifest();
    let llm = match (args.no_llm, &manifest.llm) {
        (true, _) => Demand::Off("--no-llm"),
        (false, Some(_)) => Demand::Wanted,
        // There is something to measure all the same, unless it is asked for by name.
        (false, None) if args.rung.rung.rung().is_some_and(Rung::has_llm) => Demand::Wanted,
        (false, None) => Demand::Off("the bundle"),
    };
    let shown = args.face.as_ref().map_or(Demand::Wanted, |_| Demand::Needed("--face"));
    let rung = args.rung.choose(manifest, &args.engine, llm, shown, args.json)?;
    let mut scorer = Scorer::open(&chosen.bundle, &args.engine.settings(rung))?;
    // A loaded network no longer needs its files.
    drop(chosen);
    output::warn_statement(scorer.statement(), args.json);
    let settings = BenchSettings {
        speech: &speech,
        face: face.as_deref().filter(|_| rung.has_face()),
        seconds: args.seconds,
        runs: args.runs.unwrap_or(RUNS),
        with_llm: rung.has_llm(),
        operators: args.operators,
    };
    let report = measure(&mut scorer, &settings)?;
    let language_model = scorer.landing().map(ToString::to_string);
    if args.json {
        output::json(&Placed { report: &report, language_model })
    } else {
        print(&report, args.engine.threads, language_model.as_deref())
    }
}

/// The report, and where it was measured.
#[derive(Serialize)]
struct Placed<'a> {
    #[serde(flatten)]
    report: &'a BenchReport,
    /// Where the language model's layers lie; null without one.
    language_model: Option<String>,
}

fn print(report: &BenchReport, threads: u16, language_model: Option<&str>) -> Result<(), Failure> {
    output::line(&format!(
        "bundle {}  rung {}  threads {threads}  utterance {:.2} s  pictures {}",
        report.bundle.name, report.rung, report.seconds, report.pictures
    ))?;
    if let Some(landing) = language_model {
        output::line(&format!("language model  {landing}"))?;
    }
    output::line("")?;
    let mut load = Table::new(&["loading", "ms"]);
    for cost in &report.load {
        load.row([cost.stage.to_string(), format!("{:.1}", cost.ms)]);
    }
    load.print()?;
    output::line("")?;
    let mut stages = Table::new(&["stage", "runs", "median ms", "p90 ms", "p99 ms", "real-time factor"]);
    for stage in &report.stages {
        stages.row([
            stage.stage.to_string(),
            stage.spread.runs.to_string(),
            format!("{:.2}", stage.spread.median_ms),
            format!("{:.2}", stage.spread.p90_ms),
            format!("{:.2}", stage.spread.p99_ms),
            format!("{:.4}", stage.real_time_factor),
        ]);
    }
    stages.print()?;
    output::line("")?;
    output::line(&format!(
        "memory after loading {}, peak {}",
        mebibytes(report.loaded_bytes),
        mebibytes(report.peak_bytes)
    ))?;
    if !report.operators.is_empty() {
        output::line("")?;
        let mut operators = Table::new(&["WavLM operator", "nodes", "ms", "share"]);
        for share in &report.operators {
            operators.row([
                share.operator.clone(),
                share.nodes.to_string(),
                format!("{:.1}", share.ms),
                format!("{:.1} %", share.percent),
            ]);
        }
        operators.print()?;
    }
    Ok(())
}

/// A number of bytes to be read by people.
pub(super) fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or("unknown".into(), |b| format!("{} MiB", b >> 20))
}
