//! A live session from its start to its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mien_capture::{CaptureError, SessionClock};
use mien_capture::device::{
    DeviceKind, DeviceState, PictureDevice, RawPicture, SoundCounters, SoundDevice, sound_ring,
};
use serde_json::{Value, json};

use super::board::Board;
use super::command::Command;
use super::desk::{Desk, Patience};
use super::devices;
use super::event::What;
use super::faces::{FaceInbox, FaceStage};
use super::graph::{OUTPUTS, Output, Swap, UTTERANCES, Wiring};
use super::hearing::{Hearing, Intake};
use super::listen::{ListenStage, Tell, tellings};
use super::losses::Losses;
use super::pulse::Pulses;
use super::queue::{Overflow, Queue};
use super::read::ReadStage;
use super::score::ScoreStage;
use super::supervisor::{CameraSetup, MicrophoneSetup, Supervisor, SupervisorSetup};
use super::tape::{Opening, Tape, TapeItem};
use super::view::LiveView;
use crate::config::Config;
use crate::default_bundle::choose;
use crate::record::LlmOutcome;
use crate::rung::{Chosen, Wish, choose_here};
use crate::scorer::Networks;
use crate::{Result, RuntimeError};

/// How long the listener may take to have room for one more telling.
const TELLING: Duration = Duration::from_secs(1);
/// How long the end waits for the language model.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// A running live session.
pub struct Live {
    wiring: Arc<Wiring>,
    sound: Arc<SoundCounters>,
    pulses: Pulses,
    config: Config,
    /// What a reload may choose from.
    wish: Wish,
    chosen: Chosen,
    stages: Mutex<Vec<JoinHandle<()>>>,
    stop: AtomicBool,
    reloading: Arc<AtomicBool>,
    muting: Mutex<()>,
}

impl Live {
    /// Loads the networks, starts every stage, then opens the devices.
    ///
    /// # Errors
    /// [`RuntimeError::Memory`] where the bundle's networks do not fit; what loading them raises; [`RuntimeError::Thread`]
    /// where a stage cannot be started. A missing device is no error: it is waited for.
    pub fn start(config: &Config, tape: Option<Arc<Tape>>) -> Result<Self> {
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
            stages.push(thread.map_err(|source| RuntimeError::Thread { name, source })?);
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
            unwiped: false,
            silenced: 0,
        };
        let pulse = pulses.stage("listen");
        let ended = Arc::clone(&wiring);
        spawn(
            "listen",
            Box::new(move || {
                listen.run(|| pulse.beat());
                pulse.end();
                ended.listening_ended.store(true, Ordering::Release);
            }),
        )?;
        if let (Some(inbox), Some(optics)) = (faces.clone(), optics) {
            let pulse = pulses.stage("faces");
            let (board, losses, tape) = (Arc::clone(&wiring.board), Arc::clone(&wiring.losses), wiring.tape.clone());
            spawn(
                "faces",
                Box::new(move || {
                    match FaceStage::new(optics, inbox, board, losses, tape) {
                        Ok(stage) => stage.run(|| pulse.beat()),
                        // It was made once already, so this is a machine without memory.
                        Err(error) => log::error!("{error}; scores go on without faces"),
                    }
                    pulse.end();
                }),
            )?;
        }
        if let Some(reader) = reader {
            let pulse = pulses.stage("read");
            let stage = ReadStage {
                reader: Some(reader),
                fuser: fuser.fork()?,
                facts: Arc::clone(&facts),
                wiring: Arc::clone(&wiring),
            };
            spawn(
                "read",
                Box::new(move || {
                    stage.run(|| pulse.beat());
                    pulse.end();
                }),
            )?;
        }
        let pulse = pulses.stage("score");
        let stage = ScoreStage { ear, fuser, facts, wiring: Arc::clone(&wiring) };
        spawn(
            "score",
            Box::new(move || {
                stage.run(|| pulse.beat());
                pulse.end();
            }),
        )?;

        wiring.event(What::Started { bundle: wiring.bundle(), rung });
        if let Some(tape) = &wiring.tape {
            wiring.event(What::Recording { folder: tape.folder().to_owned(), on: true, reason: None });
        }
        let supervisor = supervise(config, &wiring, &pulses, microphone, camera, lender)?;
        let _ = wiring.supervisor.set(supervisor);
        Ok(Self {
            wiring,
            sound,
            pulses,
            config: config.clone(),
            wish: wish.at_most(rung),
            chosen,
            stages: Mutex::new(stages),
            stop: AtomicBool::new(false),
            reloading: Arc::default(),
            muting: Mutex::default(),
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

    /// Whether somebody asked for the end, or a device needs it.
    pub fn stop_asked(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.exhausted().is_some()
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
            Command::Reload => self.reload(),
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
        let closed = supervisor.set_muted(muted);
        if muted {
            // No stream is opened between the two: it would have to be wanted.
            let streams = self.sound.streams();
            self.tell(|| Tell::Wipe(streams));
            if let Some(faces) = &self.wiring.faces {
                faces.wipe();
            }
            while let Some(mut ended) = self.wiring.utterances.pop() {
                zeroize::Zeroize::zeroize(&mut ended.heard.samples);
                self.wiring.losses.add(super::losses::Loss::Muted, 1);
            }
            if let Some(job) = self.wiring.desk.clear() {
                self.wiring.give_up(&job, LlmOutcome::Muted);
            }
            self.wiring.board.no_sound();
        }
        let closing_ms = start.elapsed().as_secs_f64() * 1e3;
        self.wiring.event(What::Mute { muted, closed, closing_ms });
        json!({ "ok": true, "muted": muted, "closed": closed, "closing_ms": closing_ms })
    }

    /// Tells the listener what must not be lost. Its queue holds eight and it takes fifty a second; one that takes none for
    /// so long has broken down.
    fn tell(&self, what: impl Fn() -> Tell) {
        let deadline = Instant::now() + TELLING;
        while self.wiring.tellings.push(what()).is_some() {
            if Instant::now() > deadline {
                log::error!("the listener does not take what it is told");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Loads the bundle anew beside the running one and exchanges them between two utterances.
    fn reload(&self) -> Value {
        if self.reloading.swap(true, Ordering::AcqRel) {
            return json!({ "error": "a bundle is being loaded already; wait for its event" });
        }
        let (wiring, config, wish) = (Arc::clone(&self.wiring), self.config.clone(), self.wish);
        let reloading = Arc::clone(&self.reloading);
        let work = move || {
            let loaded = choose(config.bundle.as_deref()).and_then(|bundle| {
                // The bundle before is still held, so this one must fit beside it.
                let chosen = choose_here(bundle.bundle.manifest(), config.llm_use(), &wish)?;
                if let Some(warning) = chosen.warning() {
                    log::warn!("{warning}");
                }
                let networks = Networks::open(&bundle.bundle, &config.scorer_settings(chosen.rung))?;
                networks.check().map(|()| networks)
            });
            let told = Arc::clone(&wiring);
            let done = Box::new(move |outcome: std::result::Result<(), String>| {
                let refused = outcome.err();
                if let Some(reason) = &refused {
                    log::error!("the new bundle is not used: {reason}; the one before stays in use");
                }
                let facts = told.facts();
                told.event(What::Bundle { bundle: facts.mark.clone(), rung: facts.rung, refused });
                reloading.store(false, Ordering::Release);
            });
            match loaded {
                Ok(networks) => {
                    let swap = Swap { networks, done };
                    *wiring.swap.lock().unwrap_or_else(PoisonError::into_inner) = Some(swap);
                }
                Err(error) => done(Err(error.to_string())),
            }
        };
        match std::thread::Builder::new().name("reload".into()).spawn(work) {
            Ok(_) => json!({ "ok": true, "loading": true }),
            Err(error) => {
                self.reloading.store(false, Ordering::Release);
                json!({ "error": format!("cannot start a thread: {error}") })
            }
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

    /// Closes the devices, scores what was said, and gives the records that were still on their way to `take`.
    pub fn stop(&self, mut take: impl FnMut(Output)) {
        let mut stages = std::mem::take(&mut *self.stages.lock().unwrap_or_else(PoisonError::into_inner));
        self.wiring.event(What::Stopping);
        if let Some(supervisor) = self.wiring.supervisor.get() {
            supervisor.shut();
        }
        self.tell(|| Tell::Finish);
        let deadline = Instant::now() + LAST_WORDS;
        while stages.iter().any(|s| !s.is_finished()) {
            if let Some(output) = self.next(Duration::from_millis(50)) {
                take(output);
            }
            let scored = self.wiring.desk.finished() || stages.iter().all(JoinHandle::is_finished);
            if let (true, Some(faces)) = (scored, &self.wiring.faces) {
                faces.close();
            }
            self.wiring.desk.look();
            if Instant::now() > deadline {
                log::warn!("a stage does not end; leaving without its last scores");
                break;
            }
        }
        for stage in stages.drain(..).filter(JoinHandle::is_finished) {
            let _ = stage.join();
        }
        while let Some(output) = self.wiring.outputs.pop() {
            take(output);
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
