//! `mien run`.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use mien_runtime::RuntimeError;
use mien_runtime::config::{Config, OnClosed};
use mien_runtime::live::command::{Command, Handler};
use mien_runtime::live::control::ControlSocket;
use mien_runtime::live::event::{Event, What};
use mien_runtime::live::graph::Output;
use mien_runtime::live::notify::Notifier;
use mien_runtime::live::pulse::Pulse;
use mien_runtime::live::session::{LeftBehind, Live, OUTPUT_STAGE};
use mien_runtime::live::signals::SignalWatch;
use mien_runtime::live::tape::Tape;
use mien_runtime::live::view::LiveView;
use mien_runtime::live::watch::Fault;
use mien_runtime::offline;
use mien_runtime::record::{LlmOutcome, Record};
use mien_runtime::recording::writer::TapeWriter;
use mien_runtime::rung::RungSetting;

use super::lines::ReaderState;
use super::output::{self, Failure};
use super::tui::{self, Tui};

/// Exit code of a session that a part of the program broke or held up.
const BROKEN: i32 = 6;
/// What the language model gets at the end where nobody reads its last words.
const LAST_WORDS: Duration = Duration::from_millis(300);

#[derive(Args)]
pub(crate) struct RunArgs {
    /// The configuration; `mien config default` prints one [default: built-in settings]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The bundle's folder, instead of the configuration's
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// The microphone's id or whole name, instead of the configuration's; file:PATH plays a recording again and again
    #[arg(long, value_name = "DEVICE")]
    microphone: Option<String>,
    /// The camera's id or whole name, instead of the configuration's; file:PATH plays a film again and again
    #[arg(long, value_name = "DEVICE")]
    camera: Option<String>,
    /// Use no microphone: the camera is watched, nothing is scored
    #[arg(long, conflicts_with = "microphone")]
    no_microphone: bool,
    /// Use no camera
    #[arg(long, conflicts_with_all = ["camera", "no_microphone"])]
    no_camera: bool,
    /// Give first scores only
    #[arg(long)]
    no_llm: bool,
    /// Networks to load, instead of the configuration's: full, no-llm (voice and face) or audio-only; auto takes the highest
    /// rung whose memory is there
    #[arg(long, value_name = "RUNG", value_parser = super::rungs())]
    rung: Option<RungSetting>,
    /// Write sound and pictures into this new folder, for `mien replay`; only with the consent of everybody heard and seen
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// A view of everything in the terminal
    #[arg(long, conflicts_with = "json")]
    tui: bool,
    /// JSON lines instead of lines for people
    #[arg(long)]
    pub(crate) json: bool,
}

impl RunArgs {
    fn config(&self) -> Result<Config, Failure> {
        let mut config = self.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        config.bundle = self.bundle.clone().or(config.bundle);
        let devices = [(&self.microphone, &mut config.microphone.device), (&self.camera, &mut config.camera.device)];
        for (given, setting) in devices {
            if let Some(given) = given {
                setting.clone_from(given);
            }
        }
        config.microphone.enabled &= !self.no_microphone;
        config.camera.enabled &= !self.no_camera;
        config.llm.enabled &= !self.no_llm;
        config.engine.rung = self.rung.unwrap_or(config.engine.rung);
        config.check("command line")?;
        Ok(config)
    }
}

pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    // Before the first line: nobody who reads holds anything up.
    output::queue()?;
    let config = args.config()?;
    if args.tui {
        // Sooner than networks are loaded and devices opened.
        tui::check()?;
    }
    offline::check_sound_server(&config)?;
    // Before the sound libraries are loaded; it holds for the threads that run already, too.
    offline::forbid_internet(&config)?;
    let tape = args.record.as_deref().map(|folder| Arc::new(Tape::new(folder)));
    let writer = tape.clone().map(TapeWriter::start).transpose()?;
    let live = Arc::new(Live::start(&config, tape)?);
    let pulse = live.pulses().stage(OUTPUT_STAGE);
    let json = args.json;
    live.set_last_resort(move |fault| leave(fault, json));
    let ended = catch_unwind(AssertUnwindSafe(|| session(args, &config, &live, &pulse, writer)));
    // A panic of this thread was told of already.
    let broke = |_| (Ok(()), LeftBehind { stuck: vec![OUTPUT_STAGE], ..LeftBehind::default() });
    let (result, left) = ended.unwrap_or_else(broke);
    let broken = live.fault().cloned().or_else(|| {
        let reason = "did not end".to_owned();
        (!left.stuck.is_empty()).then(|| Fault { thread: left.stuck.join(", "), reason })
    });
    let result = match broken {
        Some(fault) => Err(RuntimeError::from(fault).into()),
        None => result,
    };
    let code = match &result {
        Ok(()) => 0,
        Err(Failure::Reported(code)) => *code,
        Err(Failure::Error(error)) => {
            output::report(error, json);
            error.exit_code()
        }
    };
    output::finish(&|| pulse.beat());
    if left != LeftBehind::default() || live.devices_hang() {
        // A thread that was left behind must not meet libraries that take themselves down.
        signal_hook::low_level::exit(code.into());
    }
    if code == 0 { Ok(()) } else { Err(Failure::Reported(code)) }
}

/// Runs the session to its end. Gives how it ended, and which threads had to be left behind.
fn session(
    args: &RunArgs,
    config: &Config,
    live: &Arc<Live>,
    pulse: &Pulse,
    writer: Option<TapeWriter>,
) -> (Result<(), Failure>, LeftBehind) {
    let opened = open(args, config, live);
    let mut result = Ok(());
    let mut readers = Readers::default();
    match opened {
        Err(failure) => result = Err(failure),
        Ok(Opened { signals, socket, notifier, tui }) => {
            let shown = |output: Output| if args.json { json(output) } else { output::line(&line(output)) };
            while !live.stop_asked() && !signals.end_asked() && live.fault().is_none() && result.is_ok() {
                pulse.beat();
                let next = live.next(Duration::from_millis(100));
                readers.look(live, args.json);
                match (next, &tui) {
                    (Some(output), Some(tui)) => tui.tell(&line(output)),
                    (Some(output), None) => result = shown(output),
                    (None, _) => {}
                }
                if let (OnClosed::Stop, ReaderState::Closed(reason), None) =
                    (config.output.on_closed, output::reader(), &tui)
                {
                    let reason = format!(
                        "{reason}, and output.on_closed = \"stop\" ends the session; \"continue\" goes on without a reader"
                    );
                    result = Err(RuntimeError::OutputClosed { reason }.into());
                }
            }
            if let Some(fault) = live.fault() {
                notifier.tell(&format!("ending: {}: {}", fault.thread, fault.reason));
            }
            let exhausted = live.exhausted();
            live.command(Command::Stop);
            if let Some(reason) = tui.and_then(Tui::close) {
                result = Err(RuntimeError::OutputClosed { reason }.into());
            }
            // Nobody hears the last words where nobody reads.
            let patience = (output::reader() != ReaderState::Reading).then_some(LAST_WORDS);
            let mut left = live.stop(patience, |output| {
                pulse.beat();
                readers.look(live, args.json);
                if let (Some(output), true) = (output, result.is_ok()) {
                    result = shown(output);
                }
            });
            if let (Ok(()), Some(error)) = (&result, exhausted) {
                result = Err(error.into());
            }
            pulse.beat();
            drop(socket);
            pulse.beat();
            drop(notifier);
            pulse.beat();
            if writer.is_some_and(|writer| !writer.finish(|| pulse.beat())) {
                left.stuck.push("recording");
            }
            // Held until now: a second signal ends the program at once.
            drop(signals);
            return (result, left);
        }
    }
    let left = live.stop(Some(LAST_WORDS), |_| pulse.beat());
    (result, left)
}

/// What a session's surroundings hold on to.
struct Opened {
    signals: SignalWatch,
    socket: Option<ControlSocket>,
    notifier: Notifier,
    tui: Option<Tui>,
}

/// Tells what is to be known of the session, and opens the ways to it.
fn open(args: &RunArgs, config: &Config, live: &Arc<Live>) -> Result<Opened, Failure> {
    if let Some(warning) = live.warning() {
        output::warn(&warning, args.json);
    }
    output::warn_statement(live.statement().as_deref(), args.json);
    if let Some(folder) = &args.record {
        let told = format!("RECORDING everything heard and seen into {}", folder.display());
        output::warn(&told, args.json);
    }
    let signals = SignalWatch::start(watched(live, "signals"))?;
    let socket = match &config.control.socket {
        Some(path) => {
            let (commands, mutes) = (watched(live, "control"), watched(live, "control mute"));
            let handler: Handler = Arc::new(move |c| if c.mutes() { mutes(c) } else { commands(c) });
            let listening = live.pulses().stage("control listener");
            Some(ControlSocket::open_watched(path, handler, Some(listening))?)
        }
        None => None,
    };
    let told = Arc::clone(live);
    let notifier = Notifier::start(live.pulses().clone(), move || status(&told.view()))?;
    let viewed = Arc::clone(live);
    let tui = args.tui.then(|| Tui::start(Arc::new(move || viewed.view()), watched(live, "keys"))).transpose()?;
    Ok(Opened { signals, socket, notifier, tui })
}

/// Does commands for one who gives one after the other; a command that hangs is seen by the session's watch.
fn watched(live: &Arc<Live>, name: &'static str) -> Handler {
    let pulse = live.pulses().stage(name);
    pulse.end();
    let live = Arc::clone(live);
    Arc::new(move |command| {
        pulse.beat();
        // A command that panics is told of by whoever gave it.
        let answer = catch_unwind(AssertUnwindSafe(|| live.command(command)));
        pulse.end();
        let mut answer = answer.unwrap_or_else(|panic| resume_unwind(panic));
        if let Some(view) = answer.get_mut("view").and_then(serde_json::Value::as_object_mut) {
            view.insert("output".into(), output::readers());
        }
        answer
    })
}

/// What was seen of stdout's reader.
#[derive(Default)]
struct Readers {
    state: Option<ReaderState>,
    lost: u64,
}

impl Readers {
    /// Tells once that the reader stalls or has gone, and him how much he missed once he reads again.
    fn look(&mut self, live: &Live, as_json: bool) {
        let lost = output::lost();
        live.count_lost_lines(lost - self.lost);
        self.lost = lost;
        if let Some(lines) = output::take_lost() {
            let event = live.event_now(What::Lost { lines });
            let told = if as_json { output::json(&event.line()) } else { output::line(&event_line(&event)) };
            drop(told);
        }
        let now = output::reader();
        if self.state.as_ref() == Some(&now) {
            return;
        }
        match (&now, &self.state) {
            (ReaderState::Stalled, _) => {
                output::tell("nobody takes lines from stdout: some wait, then lines are lost and counted", as_json);
            }
            (ReaderState::Closed(reason), _) => {
                output::tell(&format!("stdout: {reason}: its lines are lost and counted"), as_json);
            }
            (ReaderState::Reading, Some(_)) => {
                output::tell(&format!("stdout is read again; {lost} lines were lost so far"), as_json);
            }
            (ReaderState::Reading, None) => {}
        }
        self.state = Some(now);
    }
}

/// Ends the process where the session does not end by itself.
fn leave(fault: Option<&Fault>, json: bool) {
    let fault = fault.cloned().unwrap_or_else(|| {
        let reason = "the end was asked for and makes no progress".into();
        Fault { thread: OUTPUT_STAGE.into(), reason }
    });
    tui::put_back();
    output::report(&fault.into(), json);
    output::finish(&|| {});
    signal_hook::low_level::exit(BROKEN);
}

/// One line of state for the service manager.
fn status(view: &LiveView) -> String {
    let mut parts = vec![
        format!("rung {}", view.rung),
        format!("microphone {}", name(&view.microphone.state)),
        format!("camera {}", name(&view.camera.state)),
        format!("{} utterances scored", view.first_ms.count),
    ];
    for (kind, device) in [("microphone", &view.microphone), ("camera", &view.camera)] {
        parts.extend(device.stuck.as_ref().map(|why| format!("watchdog not served: {kind} {}: {why}", device.device)));
    }
    parts.extend(view.muted.then(|| "MUTED".into()));
    parts.extend(view.recording.as_ref().map(|folder| format!("RECORDING into {}", folder.display())));
    parts.join(", ")
}

/// A value's name as JSON has it.
fn name(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(String::from)).unwrap_or_default()
}

fn json(output: Output) -> Result<(), Failure> {
    match output {
        Output::Record(record) => output::json(&record),
        Output::Event(event) => output::json(&event.line()),
    }
}

fn line(output: Output) -> String {
    match output {
        Output::Record(record) => score_line(&record),
        Output::Event(event) => event_line(&event),
    }
}

/// A score for people: when, which, what, from what.
pub(super) fn score_line(record: &Record) -> String {
    let utterance = record.live.as_ref().map_or(0, |live| live.utterance);
    let valence = record.valence.map_or("no score".into(), |v| format!("{v:+.3}"));
    let mode = record.mode.map(|m| m.to_string()).unwrap_or_default();
    let mut text = format!(
        "{:9.2} s  utterance {utterance}, {:.2} s  {valence}  {}  {mode}",
        record.end_s,
        record.end_s - record.start_s,
        if record.revision == 1 { "first  " } else { "revised" },
    );
    if let Some(ms) = record.latency_ms.and_then(|l| l.since_end) {
        text.push_str(&format!("  after {ms:.0} ms"));
    }
    if let Some(live) =
        record.live.as_ref().filter(|l| !matches!(l.llm, LlmOutcome::Off | LlmOutcome::Pending | LlmOutcome::Done))
    {
        text.push_str(&format!("  language model {}", name(&live.llm)));
    }
    for (stage, lost) in &record.dropped {
        text.push_str(&format!("  lost {lost} {stage}"));
    }
    for note in &record.notes {
        text.push_str(&format!("  ! {note}"));
    }
    text
}

fn event_line(event: &Event) -> String {
    let told = match &event.what {
        What::Started { bundle, rung } => format!("started with bundle {}, rung {rung}", bundle.name),
        What::Device { device, from, to, name: device_name, reason } => {
            let reason = reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
            format!("{device} {device_name}: {} -> {}{reason}", name(from), name(to))
        }
        What::Mute { muted: true, closed: true, closing_ms } => {
            format!("MUTED, devices closed within {closing_ms:.0} ms")
        }
        What::Mute { muted: true, closed: false, .. } => {
            "MUTED, but a driver hangs and keeps its device open; what it gives is thrown away, what it holds cannot be zeroed"
                .into()
        }
        What::Mute { muted: false, .. } => "no longer muted".into(),
        What::Bundle { bundle, rung, refused: None } => {
            let statement = bundle.statement.as_ref().map(|s| format!(": {s}")).unwrap_or_default();
            format!("bundle {} in use, rung {rung}, sha256 {}{statement}", bundle.name, bundle.digest)
        }
        What::Bundle { bundle, refused: Some(reason), .. } => format!("bundle {} stays in use: {reason}", bundle.name),
        What::Recording { folder, on: true, .. } => format!("RECORDING into {}", folder.display()),
        What::Recording { folder, reason, .. } => {
            format!("recording into {} has ended: {}", folder.display(), reason.as_deref().unwrap_or("on request"))
        }
        What::Fault { thread, reason, restarted } => {
            format!("FAULT {thread}: {reason}{}", if *restarted { "" } else { "; the session ends" })
        }
        What::Lost { lines } => format!("{lines} lines before this one were lost: nobody took them"),
        What::Stopping => "stopping".into(),
    };
    format!("{:9.2} s  {told}", event.time_s)
}
