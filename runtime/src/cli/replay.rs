//! `mien replay`.

use std::path::PathBuf;

use clap::Args;
use mien_runtime::RuntimeError;
use mien_runtime::record::Record;
use mien_runtime::recording::replay::Replay;
use mien_runtime::rung::Rung;

use super::EngineArgs;
use super::output::{self, Failure};
use super::run::score_line;

/// Exit code of a replay that differs from the session.
const DIFFERS: u8 = 1;

#[derive(Args)]
pub(crate) struct ReplayArgs {
    /// A folder that `mien run --record` wrote
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// JSON lines instead of lines for people
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    engine: EngineArgs,
}

pub(crate) fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let engine = &args.engine;
    // The recording says which networks are loaded.
    let settings = engine.settings(Rung::Full);
    let mut replay = Replay::open(&args.folder, engine.bundle.as_deref(), &settings, engine.gpu_layers)?;
    output::warn_statement(replay.statement(), args.json);
    let mut live = replay.recording().records()?;
    let (mut count, mut different) = (0u64, 0u64);
    while let Some(record) = replay.next_record()? {
        if args.json {
            output::json(&record)?;
        } else {
            output::line(&score_line(&record))?;
        }
        count += 1;
        if live.next().transpose()?.as_deref() != Some(&written(&record)?) {
            different += 1;
            output::warn(&format!("record {} differs from that of the live session", record.seq), args.json);
        }
    }
    let missing = live.count() as u64;
    if replay.recording().torn() {
        output::warn("the recording's end is missing: the session was ended while it wrote", args.json);
    } else if missing > 0 {
        output::warn(&format!("{missing} records of the live session did not come again"), args.json);
        different += missing;
    }
    if different > 0 {
        output::report_text(
            "replay",
            &format!(
                "{}: {different} records differ from the live session's; were files changed, or is this another processor, GPU or version?",
                args.folder.display()
            ),
            DIFFERS,
            args.json,
        );
        return Err(Failure::Reported(DIFFERS));
    }
    if !args.json {
        output::line(&format!("{count} records, each equal to the live session's"))?;
    }
    Ok(())
}

/// A record as the recording has it.
fn written(record: &Record) -> Result<String, Failure> {
    serde_json::to_string(record)
        .map_err(|e| RuntimeError::Write { path: PathBuf::from("stdout"), source: e.into() }.into())
}
