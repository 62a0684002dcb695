//! How long a person waits for a score: the live pipeline beside the same stages one after the other.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mien_capture::{RgbFrame, SampleRate, file, to_rate};
use mien_models::tensor::Tensor;
use serde::Serialize;

use crate::config::Config;
use crate::default_bundle::choose;
use crate::live::faces::FaceRows;
use crate::live::graph::Output;
use crate::live::read::revised_score;
use crate::live::score::{first_score, millis};
use crate::live::session::Live;
use crate::record::{BundleMark, LlmOutcome, Record};
use crate::rung::{Chosen, Rung, choose_here};
use crate::scorer::{Ear, Eye, Fuser, Networks, Reader, eye};
use crate::speech::segment;
use crate::spread::Spread;
use crate::{Result, RuntimeError};

/// Utterances that one way scores before it is the other's turn: what disturbs the machine meets both.
const TURN: usize = 20;
/// How long the next score may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct LiveBenchSettings<'a> {
    /// Recorded speech, played again and again.
    pub speech: &'a Path,
    /// A picture of a face for the camera; no camera without.
    pub face: Option<&'a Path>,
    /// Utterances each way.
    pub utterances: usize,
    /// Bundle, engine and language model.
    pub config: &'a Config,
}

/// From the decision that speech has ended to a score, both ways.
#[derive(Clone, Debug, Serialize)]
pub struct LiveBenchReport {
    /// The weights.
    pub bundle: BundleMark,
    /// Which of its networks are loaded.
    pub rung: Rung,
    /// Why that is less than was wanted, where it is.
    pub warning: Option<String>,
    /// Pictures looked at per second of speech.
    pub pictures_per_s: f64,
    /// Waiting for the first score.
    pub first: Compared,
    /// Waiting for the revised score; none without the language model.
    pub revised: Option<Compared>,
    /// Where the time goes.
    pub stages: Vec<StageCompared>,
    /// What the live pipeline lost.
    pub dropped: std::collections::BTreeMap<String, u64>,
    /// Revised scores that the language model did not give in time.
    pub unread: usize,
}

/// One wait both ways.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Compared {
    /// In the live pipeline.
    pub live: Spread,
    /// With the stages one after the other.
    pub serial: Spread,
    /// Live over serial, by medians.
    pub ratio: f64,
}

/// Median time of one stage both ways.
#[derive(Clone, Debug, Serialize)]
pub struct StageCompared {
    /// The stage.
    pub stage: &'static str,
    /// In the live pipeline: what is waited for after the end of speech.
    pub live_ms: f64,
    /// One after the other.
    pub serial_ms: f64,
}

/// Waits and stages of one utterance, milliseconds.
#[derive(Clone, Copy, Default)]
struct Waits {
    faces: f64,
    wavlm: f64,
    fusion: f64,
    first: f64,
    llm: f64,
    revised: f64,
}

/// A stage's name and its part of an utterance's waits.
type Column = (&'static str, fn(&Waits) -> f64);

/// Plays the recording until each way has scored as many utterances as are wanted.
///
/// # Errors
/// What loading and scoring raise; [`RuntimeError::Unscorable`] for a recording without speech.
pub fn run_live(settings: &LiveBenchSettings<'_>) -> Result<LiveBenchReport> {
    let mut config = configured(settings)?;
    let (mut serial, chosen) = Serial::open(settings, &config)?;
    // Both ways run the same networks; the live ones must fit beside those of the sequence.
    config.engine.rung = chosen.rung.into();
    config.llm.enabled &= chosen.rung.has_llm();
    config.camera.enabled &= chosen.rung.has_face();
    let (mut live_waits, mut serial_waits) = (Vec::new(), Vec::new());
    let (mut dropped, mut unread, mut bundle) = (Default::default(), 0, None);
    while live_waits.len() < settings.utterances {
        let turn = TURN.min(settings.utterances - live_waits.len());
        let heard = listen(&config, turn, &mut dropped)?;
        bundle = bundle.or_else(|| heard.first().map(|u| u.first.bundle.clone()));
        unread += heard.iter().filter(|u| u.unread()).count();
        live_waits.extend(heard.iter().map(Scored::waits));
        for _ in 0..turn {
            serial_waits.push(serial.next()?);
        }
    }
    let column = |of: fn(&Waits) -> f64| {
        let values = |waits: &[Waits]| Spread::of(&waits.iter().map(of).collect::<Vec<_>>());
        Some((values(&live_waits)?, values(&serial_waits)?))
    };
    let compared = |of| {
        let (live, serial) = column(of)?;
        Some(Compared { live, serial, ratio: live.median_ms / serial.median_ms.max(f64::MIN_POSITIVE) })
    };
    let stages: [Column; 4] = [
        ("WavLM", |w| w.wavlm),
        ("faces and MA-Net", |w| w.faces),
        ("fusion", |w| w.fusion),
        ("projector and language model", |w| w.llm),
    ];
    let stage = |(stage, of)| {
        let (live, serial) = column(of)?;
        Some(StageCompared { stage, live_ms: live.median_ms, serial_ms: serial.median_ms })
    };
    let none = || RuntimeError::Request { what: "--utterances".into(), reason: "0, expected at least 1".into() };
    Ok(LiveBenchReport {
        bundle: bundle.ok_or_else(none)?,
        rung: chosen.rung,
        warning: chosen.warning(),
        pictures_per_s: if config.camera.enabled { config.camera.pictures_per_s } else { 0.0 },
        first: compared(|w| w.first).ok_or_else(none)?,
        revised: config.llm.enabled.then(|| compared(|w| w.revised)).flatten(),
        stages: stages.into_iter().filter_map(stage).collect(),
        dropped,
        unread,
    })
}

/// The session's configuration: files as devices.
fn configured(settings: &LiveBenchSettings<'_>) -> Result<Config> {
    let device = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
        format!("file:{}", path.display())
    };
    let mut config = settings.config.clone();
    config.microphone.device = device(settings.speech);
    match settings.face {
        Some(face) => config.camera.device = device(face),
        None => config.camera.enabled = false,
    }
    config.check("bench")?;
    Ok(config)
}

/// The records of one utterance.
struct Scored {
    first: Box<Record>,
    revised: Option<Box<Record>>,
}

impl Scored {
    fn unread(&self) -> bool {
        let outcome = self.revised.as_ref().and_then(|r| r.live.as_ref()).map(|live| live.llm);
        outcome.is_some_and(|outcome| outcome != LlmOutcome::Done)
    }

    fn waits(&self) -> Waits {
        let first = self.first.latency_ms.unwrap_or_default();
        let revised = self.revised.as_ref().and_then(|r| r.latency_ms).unwrap_or_default();
        Waits {
            faces: first.manet,
            wavlm: first.wavlm,
            fusion: first.fusion,
            first: first.since_end.unwrap_or(0.0),
            llm: revised.llm,
            revised: revised.since_end.unwrap_or(0.0),
        }
    }
}

/// A session of `count` utterances; the pipeline is loaded anew for each.
fn listen(config: &Config, count: usize, dropped: &mut std::collections::BTreeMap<String, u64>) -> Result<Vec<Scored>> {
    let live = Live::start(config, None)?;
    let mut scored: Vec<Scored> = Vec::new();
    let mut last = Instant::now();
    let with_llm = config.llm.enabled;
    while scored.len() < count || (with_llm && scored.iter().any(|s| s.revised.is_none())) {
        match live.next(Duration::from_millis(200)) {
            Some(Output::Record(record)) => {
                last = Instant::now();
                if record.revision == 1 {
                    scored.push(Scored { first: record, revised: None });
                } else if let Some(entry) = record.live.as_ref().and_then(|l| scored.get_mut(l.utterance as usize)) {
                    entry.revised = Some(record);
                }
            }
            Some(Output::Event(_)) => {}
            None if last.elapsed() > LIMIT => {
                return Err(RuntimeError::Unscorable {
                    path: config.microphone.device.clone().into(),
                    reason: format!("no score within {LIMIT:?}, expected a recording of speech"),
                });
            }
            None => {}
        }
    }
    for (stage, lost) in live.view().dropped {
        *dropped.entry(stage).or_default() += lost;
    }
    live.stop(None, drop);
    scored.truncate(count);
    Ok(scored)
}

/// The same stages on one thread, each after the other, once speech has ended.
struct Serial {
    ear: Ear,
    eye: Option<Eye>,
    width: usize,
    fuser: Fuser,
    reader: Option<Reader>,
    utterances: Vec<Vec<f32>>,
    face: Option<RgbFrame>,
    pictures_per_s: f64,
    turn: usize,
}

impl Serial {
    fn open(settings: &LiveBenchSettings<'_>, config: &Config) -> Result<(Self, Chosen)> {
        let bundle = choose(config.bundle.as_deref())?;
        let chosen = choose_here(bundle.bundle.manifest(), config.llm_use(), &config.wish())?;
        let Networks { facts, ear, optics, reader, fuser, .. } =
            Networks::open(&bundle.bundle, &config.scorer_settings(chosen.rung))?;
        let refuse = |path: &Path, reason: &str| RuntimeError::Unscorable { path: path.into(), reason: reason.into() };
        let sound = file::open(settings.speech)?.audio.ok_or_else(|| refuse(settings.speech, "holds no sound"))?;
        let sound = to_rate(sound, SampleRate::HZ_16000)?;
        let samples = sound.samples();
        let cut = segment(samples, &config.speech.segment(&facts));
        let utterances: Vec<Vec<f32>> = cut.into_iter().filter_map(|r| samples.get(r)).map(<[f32]>::to_vec).collect();
        if utterances.is_empty() {
            return Err(refuse(settings.speech, "holds no speech, expected a recording of speech"));
        }
        let shown = |path: &Path| -> Result<RgbFrame> {
            let pictures = file::open(path)?.pictures.ok_or_else(|| refuse(path, "holds no picture"))?;
            let first = pictures.frames().next();
            Ok(first.ok_or_else(|| refuse(path, "holds no picture"))??)
        };
        let face = settings.face.map(shown).transpose()?;
        let eye = optics.map(eye).transpose()?;
        let width = facts.manifest.manet.embedding();
        let pictures_per_s = config.camera.pictures_per_s;
        Ok((Self { ear, eye, width, fuser, reader, utterances, face, pictures_per_s, turn: 0 }, chosen))
    }

    /// Scores the next utterance.
    fn next(&mut self) -> Result<Waits> {
        let Self { ear, eye, width, fuser, reader, utterances, face, pictures_per_s, turn } = self;
        let Some(samples) = utterances.get(*turn % utterances.len()) else { return Ok(Waits::default()) };
        *turn += 1;
        let seconds = samples.len() as f64 / f64::from(SampleRate::HZ_16000.hz());
        let count = (seconds * *pictures_per_s).round() as usize;
        if let Some(eye) = eye {
            eye.forget();
        }
        let start = Instant::now();
        let mut data = Vec::new();
        let mut rows = 0;
        if let Some(eye) = eye {
            for frame in face.iter().cycle().take(count) {
                if let Some((_, crop)) = eye.look(frame)? {
                    data.extend(eye.embed(crop)?);
                    rows += 1;
                }
            }
        }
        let rows = Tensor::new([rows, *width], data).map_err(RuntimeError::stage("MA-Net"))?;
        let seen = millis(start);
        let faces = FaceRows { numbers: Vec::new(), rows };
        let (features, faces, score) = first_score(ear, fuser, samples, || faces)?;
        let (first, latency) = (millis(start), score.latency);
        let mut waits = Waits { faces: seen, wavlm: latency.wavlm, fusion: latency.fusion, first, ..Waits::default() };
        if let Some(reader) = reader {
            waits.llm = revised_score(reader, fuser, &features, &faces.rows)?.latency.llm;
            waits.revised = millis(start);
        }
        Ok(waits)
    }
}
