//! `mien bench --live`.

use mien_runtime::bench::{Compared, LiveBenchReport, LiveBenchSettings, run_live};
use mien_runtime::config::Config;

use super::bench::BenchArgs;
use super::output::{self, Failure};
use super::sample::{portrait, speech};
use super::table::Table;

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let speech = speech(args.speech.as_deref())?;
    let face = args.face.clone().or_else(|| Some(portrait()).filter(|p| p.is_file()));
    let engine = &args.engine;
    let mut config = Config { bundle: engine.bundle.clone(), ..Config::default() };
    config.engine.threads = Some(engine.threads);
    config.llm.threads = Some(engine.llm_threads);
    config.llm.context = engine.llm_context;
    config.llm.gpu_layers = engine.gpu_layers.unwrap_or(0);
    config.llm.enabled = !args.no_llm;
    config.engine.rung = args.rung.rung;
    let settings = LiveBenchSettings {
        speech: &speech,
        face: face.as_deref(),
        utterances: args.utterances as usize,
        config: &config,
    };
    let report = run_live(&settings)?;
    if let Some(warning) = &report.warning {
        output::warn(warning, args.json);
    }
    output::warn_statement(report.bundle.statement.as_deref(), args.json);
    if args.json { output::json(&report) } else { print(&report) }
}

fn print(report: &LiveBenchReport) -> Result<(), Failure> {
    output::line(&format!(
        "bundle {}  rung {}  {} utterances each way  {} pictures a second",
        report.bundle.name, report.rung, report.first.live.runs, report.pictures_per_s
    ))?;
    output::line("")?;
    let mut waits = Table::new(&["from the end of speech to", "p50 ms", "p90 ms", "p99 ms", "live over serial"]);
    let mut rows = |name: &str, compared: &Compared| {
        for (way, spread, ratio) in [
            ("live", compared.live, format!("{:.2}", compared.ratio)),
            ("one after the other", compared.serial, String::new()),
        ] {
            waits.row([
                format!("{name}, {way}"),
                format!("{:.1}", spread.median_ms),
                format!("{:.1}", spread.p90_ms),
                format!("{:.1}", spread.p99_ms),
                ratio,
            ]);
        }
    };
    rows("first score", &report.first);
    if let Some(revised) = &report.revised {
        rows("revised score", revised);
    }
    waits.print()?;
    output::line("")?;
    let mut stages = Table::new(&["stage, median ms after the end of speech", "live", "one after the other"]);
    for stage in &report.stages {
        stages.row([stage.stage.into(), format!("{:.1}", stage.live_ms), format!("{:.1}", stage.serial_ms)]);
    }
    stages.print()?;
    output::line("")?;
    output::line(&format!("dropped {:?}, without the language model's text {}", report.dropped, report.unread))
}
