//! Repeated runs of one utterance through the very stages that score clips.

use std::path::Path;
use std::time::Instant;

use mien_capture::{Pictures, SampleRate, file, to_rate};
use serde::Serialize;

use super::memory::{peak_bytes, resident_bytes};
use crate::record::{BundleMark, Latency};
use crate::rung::Rung;
use crate::scorer::{Scorer, TextInput, Utterance};
use crate::speech::segment;
use crate::spread::Spread;
use crate::{Result, RuntimeError};

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct BenchSettings<'a> {
    /// Recorded speech; repeated or cut to `seconds`.
    pub speech: &'a Path,
    /// A picture of a face; no face without.
    pub face: Option<&'a Path>,
    /// Length of the utterance.
    pub seconds: f64,
    /// Measured runs, after one that is not counted.
    pub runs: u32,
    /// Whether text is simulated.
    pub with_llm: bool,
    /// Whether WavLM's time is split by operator.
    pub operators: bool,
}

/// Everything that `mien bench` found.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    /// The weights.
    pub bundle: BundleMark,
    /// Which of its networks are loaded.
    pub rung: Rung,
    /// Length of the utterance, seconds.
    pub seconds: f64,
    /// Pictures searched for a face in each run.
    pub pictures: usize,
    /// Loading, network by network.
    pub load: Vec<LoadCost>,
    /// Time per stage of the pipeline.
    pub stages: Vec<StageTime>,
    /// Resident memory after loading, bytes.
    pub loaded_bytes: Option<u64>,
    /// Most memory that the process held, bytes.
    pub peak_bytes: Option<u64>,
    /// WavLM's time by operator of the engine, longest first; empty unless asked for.
    pub operators: Vec<OperatorShare>,
}

/// Loading one network.
#[derive(Clone, Debug, Serialize)]
pub struct LoadCost {
    /// The network.
    pub stage: &'static str,
    /// Wall-clock time.
    pub ms: f64,
}

/// One stage over all runs.
#[derive(Clone, Debug, Serialize)]
pub struct StageTime {
    /// The stage.
    pub stage: &'static str,
    /// Its times.
    #[serde(flatten)]
    pub spread: Spread,
    /// Median over the utterance's length: below 1 is faster than speech.
    pub real_time_factor: f64,
}

/// Share of one operator kind in WavLM's time.
#[derive(Clone, Debug, Serialize)]
pub struct OperatorShare {
    /// The engine's name.
    pub operator: String,
    /// Nodes of that kind.
    pub nodes: usize,
    /// Their time in one run.
    pub ms: f64,
    /// Percent of the run.
    pub percent: f64,
}

/// Times the stages of `scorer`.
///
/// # Errors
/// What scoring raises; [`RuntimeError::Request`] for a length or number of runs out of range.
pub fn run(scorer: &mut Scorer, settings: &BenchSettings<'_>) -> Result<BenchReport> {
    let loaded_bytes = resident_bytes();
    let samples = utterance(settings, scorer.segment_settings().longest_s)?;
    let pictures = settings.face.map(faces).transpose()?;
    // The first run warms caches and the allocator; a device does the same at start-up.
    once(scorer, &samples, pictures.as_ref(), settings.with_llm)?;
    let mut times: Vec<(f64, Latency)> = Vec::new();
    for _ in 0..settings.runs {
        times.push(once(scorer, &samples, pictures.as_ref(), settings.with_llm)?);
    }
    type Column = (&'static str, fn(&(f64, Latency)) -> f64);
    let columns: [Column; 6] = [
        ("segment", |(_, l)| l.segment),
        ("wavlm", |(_, l)| l.wavlm),
        ("face + manet", |(_, l)| l.manet),
        ("projector + llm", |(_, l)| l.llm),
        ("fusion", |(_, l)| l.fusion),
        ("utterance", |(total, _)| *total),
    ];
    let seconds = samples.len() as f64 / f64::from(SampleRate::HZ_16000.hz());
    let stage = |(stage, value): Column| {
        let values: Vec<f64> = times.iter().map(value).collect();
        let spread = Spread::of(&values)?;
        Some(StageTime { stage, spread, real_time_factor: spread.median_ms / 1e3 / seconds })
    };
    let operators = if settings.operators { operators(scorer, &samples)? } else { Vec::new() };
    Ok(BenchReport {
        bundle: scorer.mark().clone(),
        rung: scorer.facts().rung,
        seconds,
        pictures: pictures.as_ref().map_or(0, Pictures::count),
        load: scorer.load_times().iter().map(|l| LoadCost { stage: l.stage, ms: l.time.as_secs_f64() * 1e3 }).collect(),
        stages: columns.into_iter().filter_map(stage).collect(),
        loaded_bytes,
        peak_bytes: peak_bytes(),
        operators,
    })
}

/// The speech recording, repeated or cut to the wanted length.
fn utterance(settings: &BenchSettings<'_>, longest_s: f64) -> Result<Vec<f32>> {
    let out_of_range = |what: &str, reason: String| RuntimeError::Request { what: what.into(), reason };
    if settings.runs == 0 {
        return Err(out_of_range("--runs", "0, expected at least 1".into()));
    }
    if !(0.025..=longest_s).contains(&settings.seconds) {
        let reason = format!("{}, expected 0.025 to {longest_s}, the bundle's longest utterance", settings.seconds);
        return Err(out_of_range("--seconds", reason));
    }
    let unscorable = |reason: &str| RuntimeError::Unscorable { path: settings.speech.into(), reason: reason.into() };
    let sound = file::open(settings.speech)?
        .audio
        .ok_or_else(|| unscorable("holds no sound, expected a recording of speech"))?;
    let sound = to_rate(sound, SampleRate::HZ_16000)?;
    if sound.samples().is_empty() {
        return Err(unscorable("holds no samples, expected a recording of speech"));
    }
    let wanted = (settings.seconds * f64::from(SampleRate::HZ_16000.hz())).round() as usize;
    Ok(sound.samples().iter().copied().cycle().take(wanted).collect())
}

fn faces(path: &Path) -> Result<Pictures> {
    file::open(path)?.pictures.ok_or_else(|| RuntimeError::Unscorable {
        path: path.into(),
        reason: "holds no picture, expected a picture or a folder of pictures".into(),
    })
}

fn once(scorer: &mut Scorer, samples: &[f32], pictures: Option<&Pictures>, llm: bool) -> Result<(f64, Latency)> {
    let start = Instant::now();
    segment(samples, &scorer.segment_settings());
    let segment_ms = start.elapsed().as_secs_f64() * 1e3;
    let text = if llm { TextInput::Simulate } else { TextInput::Absent };
    let score = scorer.score(Utterance { samples: Some(samples), pictures: pictures.map(|p| (p, None)), text })?;
    let total = start.elapsed().as_secs_f64() * 1e3;
    Ok((total, Latency { segment: segment_ms, ..score.latency }))
}

fn operators(scorer: &mut Scorer, samples: &[f32]) -> Result<Vec<OperatorShare>> {
    let times = scorer.profile_wavlm(samples)?;
    let total: f64 = times.iter().map(|t| t.time.as_secs_f64()).sum();
    let share = |t: mien_models::engine::OperatorTime| OperatorShare {
        ms: t.time.as_secs_f64() * 1e3,
        percent: 100.0 * t.time.as_secs_f64() / total.max(f64::MIN_POSITIVE),
        operator: t.operator,
        nodes: t.nodes,
    };
    Ok(times.into_iter().map(share).collect())
}
