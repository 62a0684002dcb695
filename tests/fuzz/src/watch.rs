//! Worker processes, watched.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::finding::{Fault, Finding, Kind};
use crate::targets::Target;
use crate::worker::{STATE, Said};

/// Between two looks at a worker.
const LOOK: Duration = Duration::from_millis(20);
/// How long a case may take before its process is ended, beyond what its target allows.
const HANG: Duration = Duration::from_secs(6);
/// The same while a finding is made smaller.
const SHORT_HANG: Duration = Duration::from_secs(3);
/// How often workers of a target are started anew after one ended.
const MOST_RESTARTS: u32 = 24;
/// Inputs of the same fault that are kept where nothing tells causes apart.
const MOST_HANGS: usize = 3;
/// What making a finding smaller may take.
const SMALLER: Duration = Duration::from_secs(20);
/// How long a worker may take to its first case.
const BEGIN: Duration = Duration::from_secs(120);
/// Name of the file with what a worker writes on standard error.
const WORDS: &str = "words";
/// Bytes that a worker may write on standard error before they are thrown away.
const MOST_WORDS: u64 = 1 << 20;

/// How much is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program whose `worker` is started.
    pub program: PathBuf,
    /// Number of the run.
    pub seed: u64,
    /// Cases of a target, over all workers.
    pub cases: u64,
    /// Time of a target.
    pub time: Duration,
    /// Workers at once.
    pub jobs: u64,
    /// Whether inputs that are answered in a new way become seeds.
    pub grow: bool,
    /// Whether findings are made smaller.
    pub smaller: bool,
}

/// What came of a target.
#[derive(Debug, Default)]
pub struct Report {
    /// Cases that were read or refused.
    pub cases: u64,
    /// Inputs that were read.
    pub read: u64,
    /// Inputs that were refused.
    pub refused: u64,
    /// How long it took.
    pub seconds: f64,
    /// One finding for each fault.
    pub findings: Vec<Finding>,
    /// How often each of them came up, hangs and crashes included.
    pub times: u64,
}

/// Runs `target` as `plan` says.
///
/// # Errors
/// A worker that cannot be started or prepared.
pub fn run(target: &Target, plan: &Plan) -> Result<Report> {
    let start = Instant::now();
    let mut report = Report::default();
    let mut seen: HashMap<u64, usize> = HashMap::new();
    let mut restarts = 0;
    let step = plan.jobs.clamp(1, plan.cases.max(1));
    let mut jobs = Vec::new();
    for first in 0..step {
        jobs.push(Job::cases(target, plan, first, step, plan.time)?);
    }
    while !jobs.is_empty() {
        std::thread::sleep(LOOK);
        let mut running = Vec::new();
        for mut job in jobs {
            let ended = job.look(target, HANG)?;
            let mut found = std::mem::take(&mut job.found);
            let Some(end) = ended else {
                note(&mut report, &mut seen, plan, start, found);
                running.push(job);
                continue;
            };
            report.cases += job.count();
            report.read += job.read;
            report.refused += job.refused;
            if let Some(fault) = end {
                found.push((job.case, fault, std::fs::read(job.folder.path().join(target.file))?));
                restarts += 1;
                let left = plan.time.saturating_sub(start.elapsed());
                let next = job.case.saturating_add(step);
                if restarts < MOST_RESTARTS && left > Duration::ZERO && next < plan.cases {
                    running.push(Job::cases(target, plan, next, step, left)?);
                }
            }
            note(&mut report, &mut seen, plan, start, found);
        }
        jobs = running;
    }
    report.seconds = start.elapsed().as_secs_f64();
    if plan.smaller {
        for finding in &mut report.findings {
            make_smaller(target, plan, finding)?;
        }
    }
    Ok(report)
}

/// Reads one file under the limits of `target`: the error that it is refused with, and the fault.
///
/// # Errors
/// A worker that cannot be started or prepared.
pub fn case(target: &Target, program: &Path, file: &Path) -> Result<(Option<String>, Option<Fault>)> {
    let mut job = Job::file(target, program, file)?;
    let end = job.wait(target, HANG)?;
    let found = job.found.pop().map(|(_, fault, _)| fault);
    Ok((job.answer.take(), end.or(found)))
}

/// Keeps what was not found before.
fn note(
    report: &mut Report,
    seen: &mut HashMap<u64, usize>,
    plan: &Plan,
    start: Instant,
    found: Vec<(u64, Fault, Vec<u8>)>,
) {
    for (case, fault, input) in found {
        report.times += 1;
        let times = seen.entry(fault.signature()).or_default();
        *times += 1;
        // Hangs all look the same.
        let most = if fault.kind == Kind::Hang { MOST_HANGS } else { 1 };
        if *times <= most {
            let after_s = start.elapsed().as_secs_f64();
            report.findings.push(Finding { seed: plan.seed, case, after_s, fault, input });
        }
    }
}

/// Takes stretches out of the input as long as the fault stays, the largest first.
fn make_smaller(target: &Target, plan: &Plan, finding: &mut Finding) -> Result<()> {
    let until = Instant::now() + SMALLER;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("candidate");
    let signature = finding.fault.signature();
    let mut stretch = finding.input.len().next_power_of_two() / 2;
    while stretch > 0 && Instant::now() < until {
        let mut at = 0;
        while at < finding.input.len() && Instant::now() < until {
            let mut candidate = finding.input.clone();
            candidate.drain(at..(at + stretch).min(finding.input.len()));
            std::fs::write(&file, &candidate)?;
            let mut job = Job::file(target, &plan.program, &file)?;
            let end = job.wait(target, SHORT_HANG)?;
            match end.or(job.found.pop().map(|(_, fault, _)| fault)) {
                Some(fault) if fault.signature() == signature => {
                    (finding.input, finding.fault) = (candidate, fault);
                }
                _ => at += stretch,
            }
        }
        stretch /= 2;
    }
    Ok(())
}

/// A worker at work.
struct Job {
    child: Child,
    said: Receiver<Said>,
    folder: TempDir,
    state: Option<File>,
    first: u64,
    step: u64,
    /// The case that is being read, and since when it is seen there.
    case: u64,
    since: Instant,
    counted: u64,
    read: u64,
    refused: u64,
    answer: Option<String>,
    done: bool,
    found: Vec<(u64, Fault, Vec<u8>)>,
}

impl Job {
    fn cases(target: &Target, plan: &Plan, first: u64, step: u64, time: Duration) -> Result<Self> {
        let mut command = Command::new(&plan.program);
        command.arg("worker").arg(target.name);
        for number in [plan.seed, first, step, plan.cases, time.as_millis() as u64, u64::from(plan.grow)] {
            command.arg(number.to_string());
        }
        Self::start(command, first, step)
    }

    fn file(target: &Target, program: &Path, file: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("worker").arg(target.name).arg(std::path::absolute(file)?);
        Self::start(command, 0, 1)
    }

    fn start(mut command: Command, first: u64, step: u64) -> Result<Self> {
        // The last line that a worker says is told: why it ended, and not where.
        command.env("RUST_BACKTRACE", "0");
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("mien-fuzz-").tempdir_in(place)?;
        let words = File::options().create(true).append(true).open(folder.path().join(WORDS))?;
        let mut child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(words)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let stdout = child.stdout.take().context("a pipe from the worker")?;
        let (send, said) = sync_channel(1024);
        std::thread::Builder::new().name("worker's words".into()).spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Whatever a library prints there is passed over.
                if let Ok(said) = serde_json::from_str(&line)
                    && send.send(said).is_err()
                {
                    break;
                }
            }
        })?;
        Ok(Self {
            child,
            said,
            folder,
            state: None,
            first,
            step,
            case: first,
            since: Instant::now(),
            counted: 0,
            read: 0,
            refused: 0,
            answer: None,
            done: false,
            found: Vec::new(),
        })
    }

    /// Cases that were looked at: as the worker told, or as far as it came without telling.
    fn count(&self) -> u64 {
        if self.done { self.counted } else { self.counted.max((self.case - self.first) / self.step.max(1) + 1) }
    }

    /// Waits for the end.
    fn wait(&mut self, target: &Target, hang: Duration) -> Result<Option<Fault>> {
        loop {
            if let Some(end) = self.look(target, hang)? {
                return Ok(end);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// None while it runs; then how it ended, a fault where it did not end by itself.
    fn look(&mut self, target: &Target, hang: Duration) -> Result<Option<Option<Fault>>> {
        while let Ok(said) = self.said.try_recv() {
            self.hear(said)?;
        }
        if let Some(status) = self.child.try_wait()? {
            while let Ok(said) = self.said.recv() {
                self.hear(said)?;
            }
            return if self.done && status.success() { Ok(Some(None)) } else { self.ended(status).map(Some) };
        }
        if std::fs::metadata(self.words()).is_ok_and(|m| m.len() > MOST_WORDS) {
            File::options().write(true).open(self.words())?.set_len(0)?;
        }
        if self.state.is_none() {
            self.state = File::open(self.folder.path().join(STATE)).ok();
        }
        let mut number = [0; 8];
        let begun = self.state.as_ref().is_some_and(|state| state.read_exact_at(&mut number, 0).is_ok());
        let case = u64::from_le_bytes(number);
        if begun && case != self.case {
            (self.case, self.since) = (case, Instant::now());
        }
        let input = std::fs::metadata(self.folder.path().join(target.file)).map_or(0, |m| m.len() as usize);
        let most = if begun { hang + target.limits.time(input) } else { BEGIN };
        if self.since.elapsed() < most {
            return Ok(None);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !begun {
            anyhow::bail!("the worker of {} did not begin within {} s", target.name, BEGIN.as_secs());
        }
        let reason = format!("not read after {:.0} s", self.since.elapsed().as_secs_f64());
        Ok(Some(Some(Fault { kind: Kind::Hang, reason })))
    }

    fn hear(&mut self, said: Said) -> Result<()> {
        match said {
            Said::Count { cases, read, refused } => {
                (self.counted, self.read, self.refused) = (cases, read, refused);
            }
            Said::Answer(answer) => self.answer = Some(answer),
            Said::Found { case, fault, file } => {
                let input = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
                self.found.push((case, fault, input));
            }
            Said::Done => self.done = true,
        }
        Ok(())
    }

    fn words(&self) -> PathBuf {
        self.folder.path().join(WORDS)
    }

    /// The fault of a worker that ended by itself too early.
    fn ended(&self, status: ExitStatus) -> Result<Option<Fault>> {
        let words = std::fs::read(self.words()).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        let last = words.lines().rev().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("note:"));
        let last = last.unwrap_or_default();
        if self.state.is_none() && !self.folder.path().join(STATE).exists() {
            anyhow::bail!("a worker did not begin: {status}; {words}");
        }
        let how = match (status.signal(), status.code()) {
            (Some(signal), _) => format!("ended by signal {signal}"),
            (None, code) => format!("ended with exit code {}", code.unwrap_or(-1)),
        };
        let last: String = last.chars().filter(|c| !c.is_control()).take(300).collect();
        Ok(Some(Fault { kind: Kind::Crash, reason: format!("{how}; {last}") }))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
