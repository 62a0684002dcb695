//! `mien run`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use mien_runtime::config::Config;
use mien_runtime::live::command::{Command, Handler};
use mien_runtime::live::control::ControlSocket;
use mien_runtime::live::event::{Event, What};
use mien_runtime::live::graph::Output;
use mien_runtime::live::notify::Notifier;
use mien_runtime::live::session::Live;
use mien_runtime::live::signals::SignalWatch;
use mien_runtime::live::tape::Tape;
use mien_runtime::live::view::LiveView;
use mien_runtime::offline;
use mien_runtime::record::{LlmOutcome, Record};
use mien_runtime::recording::writer::TapeWriter;
use mien_runtime::rung::RungSetting;

use super::output::{self, Failure};
use super::tui::{self, Tui};

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
    let config = args.config()?;
    if args.tui {
        // Sooner than networks are loaded and devices opened.
        tui::check()?;
    }
    offline::check_sound_server(&config)?;
    // Before any thread that could want a socket; it holds for all of them.
    offline::forbid_internet(&config)?;
    let tape = args.record.as_deref().map(|folder| Arc::new(Tape::new(folder)));
    let writer = tape.clone().map(TapeWriter::start).transpose()?;
    let live = Arc::new(Live::start(&config, tape)?);
    if let Some(warning) = live.warning() {
        output::warn(&warning, args.json);
    }
    output::warn_statement(live.statement().as_deref(), args.json);
    if let Some(folder) = &args.record {
        let told = format!("RECORDING everything heard and seen into {}", folder.display());
        output::warn(&told, args.json);
    }
    let commanded = Arc::clone(&live);
    let handler: Handler = Arc::new(move |command| commanded.command(command));
    // Held until the end: a second signal ends the program at once.
    let _signals = SignalWatch::start(Arc::clone(&handler))?;
    let socket =
        config.control.socket.as_deref().map(|path| ControlSocket::open(path, Arc::clone(&handler))).transpose()?;
    let pulse = live.pulses().stage("output");
    let told = Arc::clone(&live);
    let notifier = Notifier::start(live.pulses().clone(), move || status(&told.view()))?;
    let viewed = Arc::clone(&live);
    let tui = args.tui.then(|| Tui::start(Arc::new(move || viewed.view()), Arc::clone(&handler))).transpose()?;
    let shown = |output: Output| if args.json { json(output) } else { output::line(&line(output)) };
    let mut result = Ok(());
    while !live.stop_asked() && result.is_ok() {
        pulse.beat();
        if let Some(output) = live.next(Duration::from_millis(100)) {
            match &tui {
                Some(tui) => tui.tell(&line(output)),
                None => result = shown(output),
            }
        }
        if output::reader_gone() {
            live.command(Command::Stop);
        }
    }
    pulse.end();
    drop(notifier);
    drop(tui);
    let exhausted = live.exhausted();
    live.stop(|output| {
        if result.is_ok() {
            result = shown(output);
        }
    });
    drop(socket);
    if let Some(writer) = writer {
        writer.finish();
    }
    match exhausted {
        Some(error) => Err(error.into()),
        None => result,
    }
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
        What::Stopping => "stopping".into(),
    };
    format!("{:9.2} s  {told}", event.time_s)
}
