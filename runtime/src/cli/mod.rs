//! The command line.

mod bench;
mod bench_live;
mod bench_llm;
mod bundle;
mod config;
mod demo;
mod devices;
mod doctor;
mod lines;
mod output;
mod replay;
mod run;
mod sample;
mod score;
mod table;
mod tui;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use mien_models::bundle::Manifest;
use mien_runtime::rung::{Demand, Rung, RungSetting, Wish, choose_here};
use mien_runtime::scorer::ScorerSettings;

use output::Failure;

/// Valence in [-3, 3] per utterance from voice and face, offline, with or without words.
#[derive(Parser)]
#[command(name = "mien", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Score recordings: sound files, mp4 films, folders of pictures.
    Score(score::ScoreArgs),
    /// Listen and look: score every utterance as it is said, until stopped.
    Run(Box<run::RunArgs>),
    /// List microphones and cameras with the ids and names that a configuration takes.
    Devices(devices::DevicesArgs),
    /// Examine this machine for `mien run`: devices, level, bundle, memory, processor; each fault with its fix.
    Doctor(doctor::DoctorArgs),
    /// Print, describe and check configurations of `mien run`.
    Config(config::ConfigArgs),
    /// Score a recording of `mien run --record` again, and compare.
    Replay(replay::ReplayArgs),
    /// Score three built-in clips, or speech and a face of your own, with transcript, with simulated text, without language
    /// model.
    Demo(demo::DemoArgs),
    /// Time every stage over repeated runs; real-time factor, load time, peak memory.
    Bench(bench::BenchArgs),
    /// Look at, verify and make bundles.
    Bundle(bundle::BundleArgs),
}

/// Options of every command that runs networks.
#[derive(Args, Clone)]
struct EngineArgs {
    /// The bundle's folder [default: $MIEN_BUNDLE, else the built-in pocket bundle]
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Threads for matrix products; scores do not depend on it
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
    /// has (1000 always is) means all; needs a program built for GPUs [default: 0, for a replay the recording's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1000))]
    gpu_layers: Option<u32>,
}

impl EngineArgs {
    fn settings(&self, rung: Rung) -> ScorerSettings {
        ScorerSettings {
            threads: self.threads.into(),
            llm_threads: self.llm_threads.into(),
            llm_context: self.llm_context as usize,
            gpu_layers: self.gpu_layers.unwrap_or(0),
            rung,
        }
    }
}

/// Which networks are loaded.
#[derive(Args, Clone, Copy)]
struct RungArgs {
    /// Networks to load: full, no-llm (voice and face) or audio-only; auto takes the highest rung whose memory is there
    #[arg(long, value_name = "RUNG", default_value = "auto", value_parser = rungs())]
    rung: RungSetting,
}

impl RungArgs {
    /// Chooses the rung for a bundle on this machine; says so where it is lower than what is wanted.
    fn choose(
        &self,
        manifest: &Manifest,
        engine: &EngineArgs,
        llm: Demand,
        face: Demand,
        json: bool,
    ) -> mien_runtime::Result<Rung> {
        let wish = Wish { setting: self.rung, llm, face };
        let chosen = choose_here(manifest, engine.settings(Rung::Full).llm_use(), &wish)?;
        if let Some(warning) = chosen.warning() {
            output::warn(&warning, json);
        }
        Ok(chosen.rung)
    }
}

/// Takes the name of a rung, or `auto`.
fn rungs() -> impl TypedValueParser<Value = RungSetting> {
    PossibleValuesParser::new(RungSetting::NAMES).try_map(|name| name.parse::<RungSetting>())
}

/// Every core: a device has nothing better to do while a person waits.
fn default_threads() -> u16 {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(256) as u16)
}

/// One core stays free for capture and for everything else that the machine does: a thread of llama.cpp that waits for
/// one that was suspended burns its whole time slice.
fn default_llm_threads() -> u16 {
    default_threads().saturating_sub(1).max(1)
}

/// Help and version go to stdout; wrong usage is one line on stderr, or an object where `--json` is among the words.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let json = std::env::args_os().any(|word| word == "--json");
    let text = error.to_string();
    let told = text.split("\n\nUsage:").next().unwrap_or(&text).trim_start_matches("error:");
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    output::report_text("usage", &format!("{told}; see --help"), USAGE, json);
    ExitCode::from(USAGE)
}

/// Exit code of wrong usage.
const USAGE: u8 = 2;

/// Runs the command; errors go to stderr in one line, or as an object with `--json`.
pub(crate) fn run() -> ExitCode {
    // Before anything that sets a hook around this one.
    std::panic::set_hook(Box::new(output::panicked));
    // Lines without time: two runs of a command say the same. Container readers remark on padding that means nothing.
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn,symphonia=error"))
        .format(|out, record| {
            let text = output::shown(&record.args().to_string());
            writeln!(out, "mien: {}: {text}", record.level().as_str().to_lowercase())
        })
        // A record is written in one piece.
        .target(env_logger::Target::Pipe(Box::new(output::LogLines)))
        .init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let (json, result) = match cli.command {
        Command::Score(args) => (args.json, score::run(&args)),
        Command::Run(args) => (args.json, run::run(&args)),
        Command::Doctor(args) => (args.json, doctor::run(&args)),
        Command::Devices(args) => (args.json, devices::run(&args)),
        Command::Config(args) => (args.json(), config::run(&args)),
        Command::Replay(args) => (args.json, replay::run(&args)),
        Command::Demo(args) => (args.json, demo::run(&args)),
        Command::Bench(args) => (args.json, bench::run(&args)),
        Command::Bundle(args) => (args.json(), bundle::run(&args)),
    };
    let code = match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Reported(code)) => ExitCode::from(code),
        Err(Failure::Error(error)) => {
            output::report(&error, json);
            ExitCode::from(error.exit_code())
        }
    };
    output::finish(&|| {});
    code
}
