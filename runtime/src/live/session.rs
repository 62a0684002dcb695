//! A live session from its start to its end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mien_capture::device::{
    DeviceKind, DeviceState, PictureDevice, RawPicture, SoundCounters, SoundDevice, sound_ring,
};
use mien_capture::{CaptureError, SessionClock};
use serde_json::{Value, json};

use super::board::Board;
use super::command::Command;
use super::desk::{Desk, Patience};
use super::devices;
use super::event::{Event, What};
use super::faces::{FaceInbox, FaceStage};
use super::graph::{OUTPUTS, Output, UTTERANCES, Wiring};
use super::hearing::{Hearing, Intake};
use super::listen::{ListenStage, Tell, tellings};
use super::losses::{Loss, Losses};
use super::pulse::Pulses;
use super::queue::{Overflow, Queue};
use super::read::ReadStage;
use super::reload::Reloads;
use super::score::ScoreStage;
use super::stage;
use super::supervisor::{CameraSetup, MicrophoneSetup, Supervisor, SupervisorSetup};
use super::tape::{Opening, Tape, TapeItem};
use super::view::LiveView;
use super::watch::{Fault, Watch};
use crate::config::Config;
use crate::default_bundle::choose;
use crate::record::LlmOutcome;
use crate::rung::{Chosen, Wish, choose_here};
use crate::scorer::Networks;
use crate::wiping::{wipe_ended_stacks, wipe_on_free};
use crate::{Result, RuntimeError};

/// How long the listener may take to have room for one more telling.
const TELLING: Duration = Duration::from_secs(1);
/// How long the end waits for the language model.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// How long the end waits for the devices to close.
const CLOSING: Duration = Duration::from_millis(300);
/// A stage without progress for so long is not waited for at the end. One operator of a network takes less on any machine that
/// keeps up with speech.
const LEAVING: Duration = Duration::from_millis(500);
/// As what the thread beats that takes the session's output and ends it.
pub const OUTPUT_STAGE: &str = "output";

/// A running live session.
pub struct Live {
    wiring: Arc<Wiring>,
    sound: Arc<SoundCounters>,
    pulses: Pulses,
    config: Config,
    /// What a reload may choose from.
    wish: Wish,
    chosen: Chosen,
    stages: Mutex<Vec<(&'static str, JoinHandle<()>)>>,
    stop: Arc<AtomicBool>,
    reloads: Reloads,
    muting: Mutex<()>,
    watch: Watch,
}

/// Threads that had not ended when the session did. They may hold anything: the process must end without waiting for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftBehind {
    /// Those that were at work.
    pub busy: Vec<&'static str>,
    /// Those that stood still.
    pub stuck: Vec<&'static str>,
}

impl Live {
    /// Loads the networks, starts every stage, then opens the devices.
    ///
    /// # Errors
    /// [`RuntimeError::Memory`] where the bundle's networks do not fit; what loading them raises; [`RuntimeError::Thread`]
    /// where a stage cannot be started. A missing device is no error: it is waited for.
    pub fn start(config: &Config, tape: Option<Arc<Tape>>) -> Result<Self> {
        wipe_on_free();
        let clock = SessionClock::start();
        let bundle = choose(config.bundle.as_deref())?;
        let wish = config.wish();
        let chosen = choose_here(bundle.bundle.manifest(), config.llm_use(), &wish)?;
        let rung = chosen.rung;
        let networks = Networks::open(&bundle.bundle, &config.scorer_settings(rung))?;
        drop(bundle);
        networks.check()?;
        let Networks { facts, ear, optics, reader, fuser, .. } = networks;

        let microphone = config.microphone.enabled.then(|| devices::microphone(config));
        let camera = (config.camera.enabled && rung.has_face()).then(|| devices::camera(config, clock));
        let faces = camera.as_ref().map(|_| Arc::new(FaceInbox::new()));
        let llm = &config.llm;
        let patience = Patience {
            waiting: Duration::from_secs_f64(llm.waiting_s),
            longest: Duration::from_secs_f64(llm.longest_s),
        };
        let wiring = Arc::new(Wiring {
            clock,
            tellings: tellings(),
            faces: faces.clone(),
            utterances: Queue::new(Overflow::Refuse),
            desk: Desk::new(patience),
            outputs: Queue::new(Overflow::Refuse),
            board: Arc::new(Board::new()),
            losses: Arc::new(Losses::default()),
            tape: tape.clone(),
            supervisor: OnceLock::new(),
            listening_ended: AtomicBool::new(false),
            swap: Mutex::default(),
            new_reader: Mutex::default(),
            facts: Mutex::new(Arc::clone(&facts)),
            speech: config.speech.clone(),
            wipes: AtomicU64::new(0),
            fatal: OnceLock::new(),
            seq: Mutex::new(0),
        });
        wiring.tape(|| {
            let (speech, llm) = (config.speech.clone(), config.llm.clone());
            TapeItem::Opening(Box::new(Opening { facts: Arc::clone(&facts), speech, llm }))
        });
        let pulses = Pulses::new(clock);
        let mut stages = Vec::new();
        let mut spawn = |name: &'static str, work: Box<dyn FnOnce() + Send>| -> Result<()> {
            let thread = std::thread::Builder::new().name(name.into()).spawn(work);
            stages.push((name, thread.map_err(|source| RuntimeError::Thread { name, source })?));
            Ok(())
        };
        let (lender, ring) = sound_ring(clock);
        let sound = Arc::clone(lender.counters());
        let hearing = Hearing::new(config.speech.segment(&facts));
        let listen = ListenStage {
            ring,
            hearing,
            intake: Intake::default(),
            wiring: Arc::clone(&wiring),
            told: None,
            unwiped: false,
            silenced: 0,
            mutes: 0,
        };
        let (pulse, shared) = (pulses.stage("listen"), Arc::clone(&wiring));
        spawn(
            "listen",
            Box::new(move || {
                stage::run("listen", listen, &shared, &pulse);
                shared.listening_ended.store(true, Ordering::Release);
            }),
        )?;
        if let (Some(inbox), Some(optics)) = (faces.clone(), optics) {
            let (pulse, shared) = (pulses.stage("faces"), Arc::clone(&wiring));
            let (board, losses, tape) = (Arc::clone(&wiring.board), Arc::clone(&wiring.losses), wiring.tape.clone());
            spawn(
                "faces",
                Box::new(move || match FaceStage::new(optics, inbox, board, losses, tape) {
                    Ok(stage) => stage::run("faces", stage, &shared, &pulse),
                    // It was made once already, so this is a machine without memory.
                    Err(error) => shared.broke("faces", &error.to_string(), false),
                }),
            )?;
        }
        if let Some(reader) = reader {
            let (pulse, shared) = (pulses.stage("read"), Arc::clone(&wiring));
            let stage = ReadStage {
                reader: Some(reader),
                fuser: fuser.fork()?,
                facts: Arc::clone(&facts),
                wiring: Arc::clone(&wiring),
                wiped: 0,
            };
            stage.set_cancel();
            spawn("read", Box::new(move || stage::run("read", stage, &shared, &pulse)))?;
        }
        let (pulse, shared) = (pulses.stage("score"), Arc::clone(&wiring));
        let stage = ScoreStage {
            ear,
            fuser,
            facts,
            wiring: Arc::clone(&wiring),
            pulse: pulse.clone(),
            utterance: 0,
            dropped: BTreeMap::default(),
            wiped: 0,
        };
        spawn("score", Box::new(move || stage::run("score", stage, &shared, &pulse)))?;

        wiring.event(What::Started { bundle: wiring.bundle(), rung });
        if let Some(tape) = &wiring.tape {
            wiring.event(What::Recording { folder: tape.folder().to_owned(), on: true, reason: None });
        }
        let supervisor = supervise(config, &wiring, &pulses, microphone, camera, lender)?;
        let _ = wiring.supervisor.set(supervisor);
        let stop = Arc::new(AtomicBool::new(false));
        let reloads = Reloads::new(Arc::clone(&wiring));
        let (asked, looked) = (Arc::clone(&stop), reloads.clone());
        let stopping = move || {
            looked.look();
            asked.load(Ordering::Relaxed)
        };
        let watch = Watch::start(Arc::clone(&wiring), pulses.clone(), stopping)?;
        Ok(Self {
            wiring,
            sound,
            pulses,
            config: config.clone(),
            wish: wish.at_most(rung),
            chosen,
            stages: Mutex::new(stages),
            stop,
            reloads,
            muting: Mutex::default(),
            watch,
        })
    }

    /// The next record or event, waiting at most `limit`.
    pub fn next(&self, limit: Duration) -> Option<Output> {
        self.wiring.outputs.pop_wait(limit)
    }

    /// The heartbeats of all stages.
    pub fn pulses(&self) -> &Pulses {
        &self.pulses
    }

    /// Why the session cannot go on, if it cannot: it is to be stopped then, and its process to end with an error.
    pub fn fault(&self) -> Option<&Fault> {
        self.wiring.fatal.get()
    }

    /// What ends the process where the end was asked for, or cannot be avoided, and the thread that beats as [`OUTPUT_STAGE`] makes no
    /// progress towards it.
    pub fn set_last_resort(&self, leave: impl Fn(Option<&Fault>) + Send + 'static) {
        self.watch.set_last_resort(Box::new(leave));
    }

    /// Counts lines of output that nobody took: the next record tells.
    pub fn count_lost_lines(&self, count: u64) {
        self.wiring.losses.add(Loss::Lines, count);
    }

    /// The event that something happened just now.
    pub fn event_now(&self, what: What) -> Event {
        Event { time_s: self.wiring.clock.now().as_secs_f64(), what }
    }

    /// Whether somebody asked for the end, or a device needs it.
    pub fn stop_asked(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.exhausted().is_some()
    }

    /// Whether threads hang in a device's driver.
    pub fn devices_hang(&self) -> bool {
        let hang = |kind| self.wiring.supervisor.get().is_some_and(|s| s.status(kind).abandoned > 0);
        hang(DeviceKind::Microphone) || hang(DeviceKind::Camera)
    }

    /// The device that only another process can have, if there is one: the session is to end with this error.
    pub fn exhausted(&self) -> Option<RuntimeError> {
        let (kind, status) = self.wiring.supervisor.get()?.exhausted()?;
        Some(RuntimeError::Clip(CaptureError::Device {
            kind,
            device: status.device,
            action: "use it any longer",
            reason: status.exhausted?,
            remedy: "start the program anew, which a service does by itself (Restart=on-failure)",
        }))
    }

    /// What every output must say with the bundle in use.
    pub fn statement(&self) -> Option<String> {
        self.wiring.facts().statement().map(String::from)
    }

    /// Why the session began on a lower rung than was wanted; none where it did not.
    pub fn warning(&self) -> Option<String> {
        self.chosen.warning()
    }

    /// Does what a signal, the control socket or a key asks for.
    pub fn command(&self, command: Command) -> Value {
        match command {
            Command::Mute => self.mute(true),
            Command::Unmute => self.mute(false),
            Command::ToggleMute => self.mute(!self.wiring.supervisor.get().is_some_and(Supervisor::muted)),
            Command::Status => match serde_json::to_value(self.view()) {
                Ok(view) => json!({ "ok": true, "view": view }),
                Err(error) => json!({ "error": error.to_string() }),
            },
            Command::Reload => self.reloads.begin(&self.config, self.wish),
            Command::Stop => {
                self.stop.store(true, Ordering::Relaxed);
                json!({ "ok": true, "stopping": true })
            }
        }
    }

    /// Closes the devices and zeroes what was heard and seen, or opens them again.
    fn mute(&self, muted: bool) -> Value {
        let _one = self.muting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(supervisor) = self.wiring.supervisor.get() else { return json!({ "error": "not started yet" }) };
        let start = Instant::now();
        // Before the devices close: what that ends is not scored any longer. The scorer and the reader throw away what their networks
        // hold before they take anything else.
        let mutes = if muted { self.wiring.begin_mute() } else { 0 };
        let closed = supervisor.set_muted(muted);
        if muted {
            // No stream is opened between the two: it would have to be wanted.
            let streams = self.sound.streams();
            self.tell(|| Tell::Wipe { streams, mutes }, TELLING);
            if let Some(faces) = &self.wiring.faces {
                faces.wipe();
            }
            while let Some(mut ended) = self.wiring.utterances.pop() {
                zeroize::Zeroize::zeroize(&mut ended.heard.samples);
                self.wiring.losses.add(Loss::Muted, 1);
            }
            if let Some(job) = self.wiring.desk.clear() {
                self.wiring.give_up(&job, LlmOutcome::Muted);
            }
            // The devices' threads have ended; nobody waits for what they left.
            let _ = std::thread::Builder::new().name("wiping".into()).spawn(wipe_ended_stacks);
            self.wiring.board.no_sound();
        }
        let closing_ms = start.elapsed().as_secs_f64() * 1e3;
        self.wiring.event(What::Mute { muted, closed, closing_ms });
        json!({ "ok": true, "muted": muted, "closed": closed, "closing_ms": closing_ms })
    }

    /// Tells the listener what must not be lost. Its queue holds eight and it takes fifty a second; one that takes none for
    /// so long has broken down.
    fn tell(&self, what: impl Fn() -> Tell, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.wiring.tellings.push(what()).is_some() {
            if Instant::now() > deadline {
                log::error!("the listener does not take what it is told");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What everything looks like now.
    pub fn view(&self) -> LiveView {
        let w = &self.wiring;
        let shown = w.board.shown();
        let facts = w.facts();
        let status = |kind| w.supervisor.get().map(|s| s.status(kind)).unwrap_or_default();
        let mut queues = vec![
            ("utterances", w.utterances.len(), UTTERANCES),
            ("language model", w.desk.len(), 1),
            ("output", w.outputs.len(), OUTPUTS),
        ];
        queues.extend(w.faces.as_ref().map(|f| ("pictures", f.len(), super::faces::PICTURES)));
        LiveView {
            time_s: w.clock.now().as_secs_f64(),
            muted: w.supervisor.get().is_some_and(Supervisor::muted),
            recording: w.tape.as_ref().filter(|t| t.ended().is_none()).map(|t| t.folder().to_owned()),
            bundle: facts.mark.clone(),
            rung: facts.rung,
            microphone: status(DeviceKind::Microphone),
            camera: status(DeviceKind::Camera),
            level: shown.level,
            speaking: shown.speaking,
            picture: shown.picture,
            scores: shown.scores,
            first_ms: shown.first_ms,
            revised_ms: shown.revised_ms,
            dropped: w.losses.totals(),
            queues,
        }
    }

    /// Closes the devices, scores what was said, and gives the records that were still on their way to `take`. The language model
    /// gets ten seconds, or `patience`. A thread that makes no progress is left behind; gives those that were.
    pub fn stop(&self, patience: Option<Duration>, mut take: impl FnMut(Option<Output>)) -> LeftBehind {
        let mut stages = std::mem::take(&mut *self.stages.lock().unwrap_or_else(PoisonError::into_inner));
        self.wiring.event(What::Stopping);
        let deadline = Instant::now() + patience.unwrap_or(LAST_WORDS).min(LAST_WORDS);
        let mut left = LeftBehind::default();
        self.close_devices(&mut take);
        self.tell(|| Tell::Finish, LEAVING);
        while stages.iter().any(|(_, s)| !s.is_finished()) {
            take(self.next(Duration::from_millis(50)));
            let scored = self.wiring.desk.finished() || stages.iter().all(|(_, s)| s.is_finished());
            if let (true, Some(faces)) = (scored, &self.wiring.faces) {
                faces.close();
            }
            self.wiring.desk.look();
            let stuck = self.pulses.still(LEAVING);
            let still = stages.iter().any(|(name, s)| !s.is_finished() && stuck.contains(name));
            if still || Instant::now() > deadline || (self.fault().is_some() && scored) {
                break;
            }
        }
        let stuck = self.pulses.still(LEAVING);
        for (name, stage) in stages.drain(..) {
            if stage.is_finished() {
                let _ = stage.join();
            } else if stuck.contains(&name) {
                log::warn!("the {name} thread stands still; leaving without its last scores");
                left.stuck.push(name);
            } else {
                left.busy.push(name);
            }
        }
        while let Some(output) = self.wiring.outputs.pop() {
            take(Some(output));
        }
        left
    }

    /// Closes the devices; a driver that hangs is not waited for.
    fn close_devices(&self, take: &mut impl FnMut(Option<Output>)) {
        let wiring = Arc::clone(&self.wiring);
        let work = move || wiring.supervisor.get().map(Supervisor::shut);
        let Ok(closing) = std::thread::Builder::new().name("closing".into()).spawn(work) else { return };
        let deadline = Instant::now() + CLOSING;
        while !closing.is_finished() && Instant::now() < deadline {
            take(self.next(Duration::from_millis(5)));
        }
    }
}

/// Starts the supervisor and ties it to the stages.
fn supervise(
    config: &Config,
    wiring: &Arc<Wiring>,
    pulses: &Pulses,
    microphone: Option<Arc<dyn SoundDevice>>,
    camera: Option<Arc<dyn PictureDevice>>,
    lender: mien_capture::device::SoundLender,
) -> Result<Supervisor> {
    let changed = Arc::clone(wiring);
    let on_change = move |change: super::supervisor::DeviceChange| {
        let gone = change.from == DeviceState::Running || change.from == DeviceState::Stalled;
        if change.kind == DeviceKind::Microphone && gone && change.to != DeviceState::Running {
            // A stall may heal within the same stream, but what is said in it is lost: the utterance ends here.
            let _ = changed.tellings.push(Tell::StreamEnded);
        }
        changed.event(change.into());
    };
    let sink = wiring.faces.clone().map(|inbox| picture_sink(inbox, wiring, config.camera.pictures_per_s));
    let pulse = pulses.stage("supervisor");
    let looked = Arc::clone(wiring);
    let told = AtomicBool::new(false);
    Supervisor::start(SupervisorSetup {
        hung_device: Duration::from_secs_f64(config.engine.hung_device_s),
        pulses: Some(pulses.clone()),
        microphone: microphone.map(|device| MicrophoneSetup { device, lender, limits: config.microphone.limits() }),
        camera: camera.zip(sink).map(|(device, sink)| CameraSetup { device, sink, limits: config.camera.limits() }),
        on_change: Box::new(on_change),
        beat: Box::new(move || {
            pulse.beat();
            looked.desk.look();
            let ended = looked.tape.as_ref().and_then(|tape| Some((tape.folder(), tape.ended()?)));
            if let Some((folder, reason)) = ended.filter(|_| !told.swap(true, Ordering::Relaxed)) {
                log::error!("recording {} has ended: {reason}", folder.display());
                let (folder, reason) = (folder.to_owned(), Some(reason.to_owned()));
                looked.event(What::Recording { folder, on: false, reason });
            }
        }),
        ..SupervisorSetup::new(wiring.clock)
    })
}

/// Passes on as many pictures a second as are to be looked at; the others are not wanted, so they are no losses.
fn picture_sink(
    inbox: Arc<FaceInbox>,
    wiring: &Arc<Wiring>,
    pictures_per_s: f64,
) -> Arc<dyn Fn(RawPicture) + Send + Sync> {
    let losses = Arc::clone(&wiring.losses);
    let step = (1e9 / pictures_per_s) as u64;
    let next = std::sync::atomic::AtomicU64::new(0);
    Arc::new(move |picture: RawPicture| {
        let now = picture.time.as_nanos();
        let due = next.load(Ordering::Relaxed);
        if now < due {
            return;
        }
        // On a fixed grid, so that a camera of nearly the wanted rate is not halved; anew after a pause.
        let following =
            if now > due.saturating_add(step) { now.saturating_add(step) } else { due.saturating_add(step) };
        next.store(following, Ordering::Relaxed);
        inbox.picture(picture, &losses);
    })
}
