//! `cargo xtask soak`: the live path in real time for a long time, and what it leaves behind.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::setup::{self, Need};
use crate::speech;
use crate::steps::{assets, mien, target};

/// Resident memory may grow by so much, MB an hour.
const SLOPE_MB_H: f64 = 1.0;
/// Caches fill and pools settle before the slope counts, in minutes; a quarter of shorter trials.
const SETTLING_MIN: f64 = 10.0;
/// Between two looks at the process.
const LOOK: Duration = Duration::from_secs(5);
/// Descriptors and threads are counted from here on: everything is open by then.
const WARM: Duration = Duration::from_secs(20);

/// What the process held at a moment.
#[derive(Clone, Copy)]
struct Held {
    minutes: f64,
    resident_mb: f64,
    descriptors: usize,
    threads: usize,
}

/// What came out of it.
#[derive(Default)]
struct Heard {
    first: u64,
    revised: u64,
    /// Lengths of the utterances, in the order of their numbers.
    lengths: Vec<f64>,
    lost: u64,
    events: Vec<String>,
}

/// `cargo xtask soak [--minutes N] [-- arguments of mien run]`.
pub(crate) fn soak(rest: &[String]) -> Result<()> {
    let (minutes, more) = arguments(rest)?;
    setup::run(Need::Recordings)?;
    let mien = mien()?;
    let folder = target().join("soak");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let wav = folder.join("speech.wav");
    speech::write(&wav, 8, 1.5)?;
    let expected = segments(&mien, &wav)?;
    let socket = folder.join("control");
    std::fs::write(folder.join("mien.toml"), configuration(&wav))?;
    println!("{minutes} minutes of {} utterances a round; samples in {}", expected.len(), folder.display());

    let mut child = Command::new(&mien)
        .args(["run", "--json", "--config"])
        .arg(folder.join("mien.toml"))
        .args(&more)
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(folder.join("stderr.log"))?)
        .spawn()?;
    let outcome = watch(&mut child, minutes, &folder, &socket);
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    let status = child.wait()?;
    let (held, heard, view) = outcome?;
    report(&held, &heard, &view, &expected, minutes)?;
    ensure!(status.success(), "mien run ended with {status}; see {}", folder.join("stderr.log").display());
    Ok(())
}

fn arguments(rest: &[String]) -> Result<(f64, Vec<String>)> {
    match rest {
        [] => Ok((2.0, Vec::new())),
        [flag, minutes, more @ ..] if flag == "--minutes" => {
            let minutes: f64 = minutes.parse().context("--minutes takes a number")?;
            ensure!((1.0..=100_000.0).contains(&minutes), "--minutes {minutes}: expected 1 or more");
            Ok((minutes, more.iter().filter(|m| *m != "--").cloned().collect()))
        }
        _ => bail!("usage: cargo xtask soak [--minutes N] [-- arguments of mien run]"),
    }
}

fn configuration(wav: &Path) -> String {
    format!(
        "[microphone]\ndevice = \"file:{}\"\n[camera]\ndevice = \"file:{}\"\n[control]\nsocket = \"control\"\n",
        wav.display(),
        assets().join("astronaut.png").display(),
    )
}

/// Lengths of the utterances of one round, as scoring the file cuts them.
fn segments(mien: &Path, wav: &Path) -> Result<Vec<f64>> {
    let output = Command::new(mien).args(["score", "--json", "--no-llm"]).arg(wav).output()?;
    ensure!(output.status.success(), "mien score: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)?.lines().map(|line| length(&serde_json::from_str(line)?)).collect()
}

fn length(record: &Value) -> Result<f64> {
    let time = |key: &str| record[key].as_f64().with_context(|| format!("{key} is missing in {record}"));
    Ok(time("end_s")? - time("start_s")?)
}

/// Looks at the process every few seconds until the time is over.
fn watch(child: &mut Child, minutes: f64, folder: &Path, socket: &Path) -> Result<(Vec<Held>, Heard, Value)> {
    let lines = reader(child)?;
    let start = Instant::now();
    let end = Duration::from_secs_f64(minutes * 60.0);
    let mut samples = std::fs::File::create(folder.join("samples.csv"))?;
    writeln!(samples, "minutes,resident_mb,descriptors,threads,first,revised")?;
    let (mut held, mut heard) = (Vec::new(), Heard::default());
    let mut next = LOOK;
    while start.elapsed() < end {
        if let Ok(line) = lines.recv_timeout(next.saturating_sub(start.elapsed())) {
            take(&mut heard, &line)?;
            continue;
        }
        if let Some(status) = child.try_wait()? {
            bail!("mien run ended by itself with {status}; see {}", folder.join("stderr.log").display());
        }
        next += LOOK;
        let now = look(child.id(), start.elapsed())?;
        let Held { minutes, resident_mb, descriptors, threads } = now;
        let (first, revised) = (heard.first, heard.revised);
        writeln!(samples, "{minutes:.3},{resident_mb:.3},{descriptors},{threads},{first},{revised}")?;
        if start.elapsed() > WARM {
            held.push(now);
        }
    }
    let view = status(socket)?;
    Ok((held, heard, view))
}

/// The program's lines, read on a thread so that looking at the process never waits for them. Bounded; a full queue makes
/// that thread wait, and the program then counts what it could not say.
fn reader(child: &mut Child) -> Result<Receiver<String>> {
    let stdout = child.stdout.take().context("no output")?;
    let (sender, receiver) = sync_channel(1024);
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

fn take(heard: &mut Heard, line: &str) -> Result<()> {
    let value: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
    if value.get("event").is_some() {
        heard.events.push(line.to_owned());
        return Ok(());
    }
    if let Some(dropped) = value["dropped"].as_object() {
        heard.lost += dropped.get("utterances").and_then(Value::as_u64).unwrap_or(0);
    }
    if value["revision"] == 1 {
        let number = value["live"]["utterance"].as_u64().context("no utterance number")?;
        ensure!(number == heard.first, "utterance {number} came after {}", heard.first);
        heard.first += 1;
        heard.lengths.push(length(&value)?);
    } else {
        heard.revised += 1;
    }
    Ok(())
}

fn look(process: u32, since: Duration) -> Result<Held> {
    let folder = PathBuf::from(format!("/proc/{process}"));
    let status = std::fs::read_to_string(folder.join("status"))?;
    let number = |key: &str| -> Option<f64> {
        status.lines().find_map(|l| l.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
    };
    Ok(Held {
        minutes: since.as_secs_f64() / 60.0,
        resident_mb: number("VmRSS:").context("no VmRSS")? * 1024.0 / 1e6,
        descriptors: std::fs::read_dir(folder.join("fd"))?.count(),
        threads: number("Threads:").context("no Threads")? as usize,
    })
}

/// Asks the running program how it stands.
fn status(socket: &Path) -> Result<Value> {
    let mut stream = UnixStream::connect(socket).context("control socket")?;
    stream.write_all(b"status\n")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str::<Value>(&answer)?["view"].take())
}

/// MB an hour: the slope of the least-squares line.
fn slope(held: &[Held]) -> f64 {
    let n = held.len() as f64;
    let mean = |of: &dyn Fn(&Held) -> f64| held.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(&|h| h.minutes / 60.0), mean(&|h| h.resident_mb));
    let both: f64 = held.iter().map(|h| (h.minutes / 60.0 - x) * (h.resident_mb - y)).sum();
    let square: f64 = held.iter().map(|h| (h.minutes / 60.0 - x).powi(2)).sum();
    if square > 0.0 { both / square } else { 0.0 }
}

fn report(held: &[Held], heard: &Heard, view: &Value, expected: &[f64], minutes: f64) -> Result<()> {
    let (Some(first), Some(last)) = (held.first(), held.last()) else { bail!("too short for a single look") };
    let settled = SETTLING_MIN.min(minutes / 4.0);
    let after: Vec<Held> = held.iter().copied().filter(|h| h.minutes >= settled).collect();
    let slope = slope(&after);
    // The trial begins with the file's first utterance and ends anywhere.
    let wrong = heard.lengths.iter().zip(expected.iter().cycle()).filter(|(a, b)| (*a - *b).abs() > 1e-6).count();
    let most = after.iter().map(|h| h.resident_mb).fold(0.0, f64::max);
    let mut text = String::new();
    writeln!(text, "utterances    {} first scores, {} revised; {} lost", heard.first, heard.revised, heard.lost)?;
    writeln!(text, "as the file   {wrong} of {} are cut otherwise than by mien score", heard.lengths.len())?;
    writeln!(text, "dropped       {}", view["dropped"])?;
    writeln!(text, "latency ms    first {}  revised {}", view["first_ms"], view["revised_ms"])?;
    writeln!(
        text,
        "resident MB   {:.2} at {:.1} min, {:.2} at {:.1} min, at most {most:.2}; slope after {settled:.1} min {slope:+.3} MB/h",
        first.resident_mb, first.minutes, last.resident_mb, last.minutes
    )?;
    writeln!(text, "descriptors   {} -> {}", first.descriptors, last.descriptors)?;
    writeln!(text, "threads       {} -> {}", first.threads, last.threads)?;
    writeln!(text, "events        {}", heard.events.len())?;
    print!("{text}");
    ensure!(heard.first > 0, "nothing was scored");
    ensure!(heard.lost == 0, "{} utterances were lost", heard.lost);
    ensure!(wrong == 0, "{wrong} utterances were cut otherwise than those of the file");
    ensure!(last.descriptors <= first.descriptors, "descriptors grew");
    ensure!(last.threads <= first.threads, "threads grew");
    // A shorter trial tells the noise, not the slope.
    ensure!(minutes < 30.0 || slope <= SLOPE_MB_H, "resident memory grows by {slope:.2} MB/h, expected {SLOPE_MB_H}");
    Ok(())
}
