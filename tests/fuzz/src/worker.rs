//! A process that reads one input after the other.
//!
//! What it does stands in its folder before each case: the input, and the number of the case in the file [`STATE`]. So whoever
//! watches it knows which input hung or ended the process. What it finds itself, it tells on standard output, a JSON object a
//! line.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::finding::{Fault, Kind, signature};
use crate::memory::{Moment, Taken};
use crate::mutate::Mutator;
use crate::random::of_case;
use crate::targets::{Case, Outcome, Reader, Target};

/// Name of the file with the number of the case that is being read, eight bytes, lowest first.
pub const STATE: &str = "state";
/// Between two counts on standard output.
const TURN: Duration = Duration::from_millis(500);
/// How often a slow case is read before it counts as slow: machines have other things to do as well.
const TRIES: u32 = 3;
/// Address space that the process may take; libraries that are no Rust are held by this alone.
const MOST_ADDRESSES: u64 = 12 << 30;
/// Live bytes that may come to stay over a whole run.
const MOST_KEPT: usize = 512 << 20;

/// Which cases a worker reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Cases `first`, `first + step`, ... below `end`, for at most `time`.
    Cases {
        /// Number of the run.
        seed: u64,
        /// The first case.
        first: u64,
        /// From one case to the next.
        step: u64,
        /// The first case that is none.
        end: u64,
        /// How long.
        time: Duration,
        /// Whether inputs that are answered in a new way become seeds. Then a case depends on those before it.
        grow: bool,
    },
    /// This file alone.
    File(PathBuf),
}

/// What a worker tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Cases so far; how many inputs were read, and how many refused.
    Count {
        /// Cases.
        cases: u64,
        /// Read.
        read: u64,
        /// Refused.
        refused: u64,
    },
    /// The answer to a single file.
    Answer(String),
    /// A fault; its input is copied to the file.
    Found {
        /// The case.
        case: u64,
        /// What is wrong.
        fault: Fault,
        /// The input.
        file: PathBuf,
    },
    /// There is nothing more to read.
    Done,
}

/// The last panic, with its place.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

fn hear_panics() {
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let words = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        let place = info.location().map_or(String::new(), |l| format!(" at {}:{}", l.file(), l.line()));
        let thread = std::thread::current().name().unwrap_or("?").to_owned();
        let words: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        let mut last = PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *last = Some(format!("{words}{place} (thread {thread})"));
    }));
}

fn last_panic() -> Option<String> {
    PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
}

/// One input after the other through one reader.
struct Bench<'t> {
    target: &'t Target,
    reader: Reader,
    path: PathBuf,
    file: File,
    state: File,
    written: usize,
}

/// What reading an input came to.
struct Looked {
    outcome: Option<Outcome>,
    fault: Option<Fault>,
    taken: Taken,
}

impl<'t> Bench<'t> {
    fn new(target: &'t Target, folder: &Path) -> Result<Self> {
        let path = folder.join(target.file);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let reader = (target.prepare)(folder).with_context(|| format!("target {}", target.name))?;
        let file = File::options().create(true).truncate(true).write(true).open(&path)?;
        let state = File::options().create(true).truncate(false).write(true).open(folder.join(STATE))?;
        Ok(Self { target, reader, path, file, state, written: 0 })
    }

    /// Puts the input where the reader finds it and a watcher too.
    fn lay_out(&mut self, case: u64, bytes: &[u8]) -> Result<()> {
        if bytes.len() < self.written {
            self.file.set_len(bytes.len() as u64)?;
        }
        self.file.write_all_at(bytes, 0)?;
        self.written = bytes.len();
        self.state.write_all_at(&case.to_le_bytes(), 0)?;
        Ok(())
    }

    fn look(&mut self, bytes: &[u8]) -> Looked {
        let limits = &self.target.limits;
        let case = Case { path: &self.path, bytes };
        let (mut shortest, mut tries) = (Duration::MAX, 0);
        let (outcome, taken) = loop {
            let start = Instant::now();
            let moment = Moment::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| (self.reader)(&case)));
            let taken = moment.taken();
            shortest = shortest.min(start.elapsed());
            tries += 1;
            if outcome.is_err() || shortest <= limits.time(bytes.len()) || tries == TRIES {
                break (outcome.ok(), taken);
            }
        };
        let panic = last_panic();
        let fault = |kind, reason| Some(Fault { kind, reason });
        let told = match &outcome {
            Some(Outcome::Refused(message)) => format!("refused: {message}"),
            Some(_) => "read".to_owned(),
            None => String::new(),
        };
        let fault = match (&outcome, panic) {
            (None, panic) => fault(Kind::Panic, panic.unwrap_or_else(|| "without a message".into())),
            // A panic on another thread of the reader's, whatever it made of it.
            (_, Some(panic)) => fault(Kind::Panic, panic),
            (Some(Outcome::Wrong(reason)), _) => fault(Kind::Wrong, reason.clone()),
            (Some(Outcome::Refused(message)), _) if message.chars().any(char::is_control) => {
                fault(Kind::Wrong, format!("the error is not one line: {}", message.escape_debug()))
            }
            _ if taken.peak > limits.memory(bytes.len()) => {
                let most = limits.memory(bytes.len());
                fault(Kind::Memory, format!("{} bytes, at most {most} for {}; {told}", taken.peak, bytes.len()))
            }
            _ if shortest > limits.time(bytes.len()) => {
                let most = limits.time(bytes.len()).as_millis();
                let took = shortest.as_millis();
                fault(Kind::Slow, format!("{took} ms, at most {most} for {} bytes; {told}", bytes.len()))
            }
            _ => None,
        };
        Looked { outcome, fault, taken }
    }
}

/// A number for the way in which an input was answered: the words of its error, the magnitude of its memory.
fn way(looked: &Looked) -> u64 {
    let told = match &looked.outcome {
        Some(Outcome::Refused(message)) => signature(message),
        _ => 1,
    };
    let magnitude = |n: usize| u64::from(n.max(1).ilog2());
    told ^ magnitude(looked.taken.calls) << 32 ^ (magnitude(looked.taken.peak) / 2) << 40
}

/// Reads what `work` says in `folder` and tells of it on `out`.
///
/// # Errors
/// A target that cannot be prepared; what the system says. Faults of readers are no errors here.
pub fn run(target: &Target, work: &Work, folder: &Path, out: &mut dyn Write) -> Result<()> {
    limit_process();
    // Before there is a state: a corpus that cannot be made is no fault of a reader.
    let seeds = match work {
        Work::Cases { .. } => (target.seeds)(folder).with_context(|| format!("corpus of {}", target.name))?,
        Work::File(_) => Vec::new(),
    };
    hear_panics();
    let mut bench = Bench::new(target, folder)?;
    let mut tell = |said: &Said| -> Result<()> {
        writeln!(out, "{}", serde_json::to_string(said)?)?;
        Ok(out.flush()?)
    };
    match work {
        Work::File(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            bench.lay_out(0, &bytes)?;
            let looked = bench.look(&bytes);
            if let Some(Outcome::Refused(message)) = &looked.outcome {
                tell(&Said::Answer(message.clone()))?;
            }
            if let Some(fault) = looked.fault {
                tell(&Said::Found { case: 0, fault, file: path.clone() })?;
            }
        }
        Work::Cases { seed, first, step, end, time, grow } => {
            let mut mutator = Mutator::new(target, seeds);
            let (mut cases, mut read, mut refused) = (0_u64, 0_u64, 0_u64);
            let (mut faults, mut ways) = (HashSet::new(), HashSet::new());
            let start = Instant::now();
            let mut turn = start;
            let begun = Moment::now();
            let mut case = *first;
            while case < *end {
                let bytes = mutator.input(*seed, case);
                bench.lay_out(case, &bytes)?;
                let looked = bench.look(&bytes);
                cases += 1;
                match looked.outcome {
                    Some(Outcome::Read) => read += 1,
                    Some(Outcome::Refused(_)) => refused += 1,
                    _ => {}
                }
                if let Some(fault) = &looked.fault
                    && faults.insert(fault.signature())
                {
                    let file = folder.join(format!("found-{case}"));
                    std::fs::write(&file, &bytes)?;
                    tell(&Said::Found { case, fault: fault.clone(), file })?;
                } else if *grow && looked.fault.is_none() && ways.insert(way(&looked)) {
                    mutator.keep(&bytes, of_case(*seed, case).u64(..));
                }
                let now = Instant::now();
                if now.duration_since(turn) >= TURN {
                    turn = now;
                    tell(&Said::Count { cases, read, refused })?;
                    if begun.taken().kept > MOST_KEPT {
                        let reason = format!("{} bytes were never given back, by {cases} cases", begun.taken().kept);
                        let file = folder.join(target.file);
                        tell(&Said::Found { case, fault: Fault { kind: Kind::Memory, reason }, file })?;
                        break;
                    }
                    if now.duration_since(start) >= *time {
                        break;
                    }
                }
                case = case.saturating_add(*step);
            }
            tell(&Said::Count { cases, read, refused })?;
        }
    }
    tell(&Said::Done)
}

/// No core files, an end to the addresses, and the end with whoever watches.
fn limit_process() {
    use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let limit = |n| Rlimit { current: Some(n), maximum: Some(n) };
    let _ = setrlimit(Resource::Core, limit(0));
    let _ = setrlimit(Resource::As, limit(MOST_ADDRESSES));
}
