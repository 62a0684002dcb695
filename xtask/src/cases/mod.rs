//! `cargo xtask cases FOLDER`: files as people have them, one row each: what must come out, and what does.

mod rows;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::setup::{self, Need};
use crate::steps::{mien, mien_train};
use rows::{Case, Expect, Program, ROWS};

/// Seconds that a hostile file may take.
const PATIENCE_S: &str = "5";
/// Address space under which a hostile file is read, in bytes: twice what the built-in bundle needs.
const ADDRESS_SPACE: u64 = (2 * 214) << 20;
/// How far valences of the same sound, and of pictures and sound encoded anew, may lie apart.
const SOUND_TOLERANCE: f64 = 0.01;
const PICTURE_TOLERANCE: f64 = 0.12;

/// The programs that are tried.
struct Programs {
    mien: PathBuf,
    mien_train: PathBuf,
}

/// What became of a case.
struct Outcome {
    holds: bool,
    /// In few words.
    gave: String,
}

/// `cargo xtask cases FOLDER [--before FOLDER_OF_PROGRAMS]`: a table in Markdown; the exit code tells whether every row holds.
pub(crate) fn cases(rest: &[String]) -> Result<()> {
    let (folder, before) = match rest {
        [folder] => (folder, None),
        [folder, flag, before] if flag == "--before" => (folder, Some(Path::new(before))),
        _ => bail!("usage: cargo xtask cases FOLDER [--before FOLDER with another build of mien and mien-train]"),
    };
    let folder = Path::new(folder).canonicalize()?;
    setup::run(Need::Demo)?;
    let now = Programs { mien: mien()?, mien_train: mien_train()? };
    let before = before.map(|b| Programs { mien: b.join("mien"), mien_train: b.join("mien-train") });
    println!("| case | must give | {}now |\n|---|---|{}---|", before.as_ref().map_or("", |_| "before | "), {
        before.as_ref().map_or("", |_| "---|")
    });
    let mut failed = 0;
    for case in ROWS {
        let outcome = try_case(&now, &folder, case);
        let mut row = format!("| {} | {} | ", case.name, case.expect.shown());
        if let Some(before) = &before {
            write!(row, "{} | ", try_case(before, &folder, case).shown())?;
        }
        println!("{row}{} |", outcome.shown());
        failed += u32::from(!outcome.holds);
    }
    println!("\n{} passed, {failed} failed", ROWS.len() as u32 - failed);
    if failed > 0 {
        bail!("{failed} cases do not give what they must");
    }
    Ok(())
}

impl Outcome {
    fn shown(&self) -> String {
        let mark = if self.holds { "ok" } else { "NOT" };
        format!("{mark}: {}", self.gave.replace('|', "/"))
    }
}

fn try_case(programs: &Programs, folder: &Path, case: &Case) -> Outcome {
    match run(programs, folder, case.program, case.args, case.hostile) {
        Ok(output) => judge(programs, folder, case, &output),
        Err(error) => Outcome { holds: false, gave: format!("cannot be run: {error}") },
    }
}

/// Starts the case's program; words that begin with `@` are paths below `folder`.
fn run(programs: &Programs, folder: &Path, program: Program, args: &[&str], hostile: bool) -> Result<Output> {
    let path = match program {
        Program::Mien => &programs.mien,
        Program::MienTrain => &programs.mien_train,
    };
    let mut command = Command::new("timeout");
    if hostile {
        command.args([PATIENCE_S, "prlimit", &format!("--as={ADDRESS_SPACE}")]);
    } else {
        command.arg("60");
    }
    command.arg(path).env_remove("MIEN_BUNDLE");
    for arg in args {
        match arg.strip_prefix('@') {
            Some(below) => command.arg(folder.join(below)),
            None => command.arg(arg),
        };
    }
    Ok(command.output()?)
}

fn judge(programs: &Programs, folder: &Path, case: &Case, output: &Output) -> Outcome {
    let gave = said(output);
    let holds = match case.expect {
        Expect::Sound { valence, note } => scored(output, valence, SOUND_TOLERANCE) && noted(output, note),
        Expect::Face { valence, note } => {
            let seen = first(output).is_some_and(|record| record["mode"]["face"] == "present");
            seen && scored(output, valence, PICTURE_TOLERANCE) && noted(output, note)
        }
        Expect::AsWith(args) => match run(programs, folder, case.program, args, false) {
            Ok(other) => first(output).is_some() && valences(output) == valences(&other),
            Err(_) => false,
        },
        Expect::Named(words) => {
            let text = String::from_utf8_lossy(&output.stderr);
            output.status.code() == Some(3) && words.iter().all(|word| text.contains(word))
        }
        // Killed by its time limit, by a signal or by the allocator: all of them end with another code.
        Expect::Ends => matches!(output.status.code(), Some(0 | 2 | 3)),
    };
    Outcome { holds, gave }
}

/// The records on stdout.
fn records(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|v: &Value| v.get("valence").is_some())
        .collect()
}

fn first(output: &Output) -> Option<Value> {
    records(output).into_iter().next()
}

fn valences(output: &Output) -> Vec<Value> {
    records(output).into_iter().map(|record| record["valence"].clone()).collect()
}

fn scored(output: &Output, expected: Option<f64>, tolerance: f64) -> bool {
    let valence = first(output).and_then(|record| record["valence"].as_f64());
    valence.is_some_and(|valence| expected.is_none_or(|expected| (valence - expected).abs() <= tolerance))
}

fn noted(output: &Output, note: &str) -> bool {
    let notes = first(output).map(|record| record["notes"].to_string()).unwrap_or_default();
    notes.to_lowercase().contains(&note.to_lowercase())
}

/// What a program gave, in one line: of a score valence, face and notes; else the first line of its error, or how it ended.
fn said(output: &Output) -> String {
    if let Some(record) = first(output) {
        let notes: Vec<&str> = record["notes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let valence = record["valence"].as_f64().map_or("no score".to_owned(), |v| format!("{v:+.4}"));
        let face = record["mode"]["face"].as_str().unwrap_or("not looked at");
        return format!("{valence}, face {face}; {}", notes.join("; "));
    }
    let text = String::from_utf8_lossy(&output.stderr);
    // With --json an error is an object; what a bundle says of itself is one as well.
    let error = text.lines().find_map(|line| {
        let object: Value = serde_json::from_str(line).ok()?;
        object["error"]["message"].as_str().map(str::to_owned)
    });
    let plain = || text.lines().last().unwrap_or("nothing on stderr").to_owned();
    match output.status.code() {
        Some(124) => "does not end".to_owned(),
        Some(code) => format!("exit code {code}: {}", error.unwrap_or_else(plain)),
        None => format!("{}: {}", output.status, plain()),
    }
}
