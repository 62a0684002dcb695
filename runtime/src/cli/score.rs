//! `mien score`.

use std::path::PathBuf;

use clap::Args;
use mien_runtime::clip::{ClipRequest, TextRequest, score_clip};
use mien_runtime::default_bundle::choose;
use mien_runtime::record::Record;
use mien_runtime::rung::Demand;
use mien_runtime::scorer::Scorer;
use mien_runtime::transcript::Transcript;

use super::output::{self, Failure};
use super::table::Table;
use super::{EngineArgs, RungArgs};

#[derive(Args)]
pub(crate) struct ScoreArgs {
    /// Sound files (wav, flac, mp3, aac, ogg), mp4 films, pictures, or folders of pictures with at most one sound file
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What is said in the clip; the clip is scored as one utterance
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["text_file", "no_llm"])]
    text: Option<String>,
    /// What is said in the clip: .srt or .vtt with times, or .txt for the clip as one utterance
    #[arg(long, value_name = "FILE", conflicts_with = "no_llm")]
    text_file: Option<PathBuf>,
    /// Score voice and face only
    #[arg(long)]
    no_llm: bool,
    /// Pictures for a sound file: a picture, or a folder of pictures
    #[arg(long, value_name = "PATH")]
    face: Option<PathBuf>,
    /// Score each recording as one utterance instead of cutting it where speech pauses
    #[arg(long)]
    whole: bool,
    /// JSON lines instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Record wall-clock times per stage (two runs then differ in them)
    #[arg(long)]
    timing: bool,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    rung: RungArgs,
}

pub(crate) fn run(args: &ScoreArgs) -> Result<(), Failure> {
    // Cheap faults first: a wrong transcript must not cost the loading of a 4 GB model.
    let mut text_notes = Vec::new();
    let mut text = match (&args.text, &args.text_file) {
        (Some(text), _) => TextRequest::Given(Transcript::inline(text)?),
        (None, Some(path)) => {
            let (transcript, notes) = Transcript::read(path)?;
            text_notes = notes;
            TextRequest::Given(transcript)
        }
        (None, None) if args.no_llm => TextRequest::Absent,
        (None, None) => TextRequest::Simulate,
    };
    let chosen = choose(args.engine.bundle.as_deref())?;
    // What was given must be used; what merely could be is left out where memory is short.
    let llm = match (&args.text, &args.text_file) {
        (Some(_), _) => Demand::Needed("--text"),
        (None, Some(_)) => Demand::Needed("--text-file"),
        (None, None) if args.no_llm => Demand::Off("--no-llm"),
        (None, None) => Demand::Wanted,
    };
    let face = args.face.as_ref().map_or(Demand::Wanted, |_| Demand::Needed("--face"));
    let rung = args.rung.choose(chosen.bundle.manifest(), &args.engine, llm, face, args.json)?;
    if !rung.has_llm() {
        text = TextRequest::Absent;
    }
    let mut scorer = Scorer::open(&chosen.bundle, &args.engine.settings(rung))?;
    // A loaded network no longer needs its files.
    drop(chosen);
    output::warn_statement(scorer.statement(), args.json);
    if let Some(landing) = scorer.landing().filter(|landing| landing.on_gpu() > 0) {
        output::tell(&format!("language model: {landing}"), args.json);
    }
    let mut shown = Vec::new();
    let mut seq = 0;
    let mut worst = 0;
    for file in &args.files {
        let request = ClipRequest {
            path: file,
            face: args.face.as_deref(),
            text: &text,
            whole: args.whole,
            timing: args.timing,
            first_seq: seq,
        };
        // One bad clip of many costs its own score only; the exit code tells.
        match score_clip(&mut scorer, &request) {
            Ok(mut records) => {
                if let Some(first) = records.first_mut() {
                    first.notes.extend(text_notes.iter().cloned());
                }
                seq += records.len() as u64;
                if args.json {
                    records.iter().try_for_each(output::json)?;
                } else {
                    shown.extend(records);
                }
            }
            Err(error) => {
                output::report(&error, args.json);
                worst = worst.max(error.exit_code());
            }
        }
    }
    print(&shown)?;
    if worst > 0 { Err(Failure::Reported(worst)) } else { Ok(()) }
}

/// A table of records; nothing without any.
pub(crate) fn print(records: &[Record]) -> Result<(), Failure> {
    if records.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["file", "start", "end", "valence", "90 %", "mode", "said"]);
    for record in records {
        let notes = record.notes.join("; ");
        let said = record.transcript.as_deref().map(|t| format!("\"{}\"", shortened(t, 48))).unwrap_or_default();
        table.row([
            record.file.clone(),
            format!("{:.2} s", record.start_s),
            format!("{:.2} s", record.end_s),
            record.valence.map_or("-".into(), |v| format!("{v:+.3}")),
            record.interval90.map_or("-".into(), |[lo, hi]| format!("{lo:+.2} .. {hi:+.2}")),
            record.mode.map_or("-".into(), |m| m.to_string()),
            [said, notes].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("  ! "),
        ]);
    }
    table.print()
}

/// At most `longest` characters, and dots for what is left out.
pub(crate) fn shortened(text: &str, longest: usize) -> String {
    let mut out: String = text.chars().take(longest).collect();
    if text.chars().nth(longest).is_some() {
        out.push('…');
    }
    out
}
