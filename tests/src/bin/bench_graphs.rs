//! One graph of true size in one process: load, time, memory. `cargo xtask bench-rivals` sets the processes side by side.
//!
//! usage: bench_graphs write FOLDER
//!        bench_graphs run FOLDER GRAPH SIZE THREADS REPEATS
//!
//! SIZE is in seconds of sound, or in faces. The variable PROFILE adds the time of each operator, OUTPUT names a file for the
//! first output.
//!
//! Weights are the formula's: what is measured says nothing about accuracy.

// The operators' times go beside the one line of figures.
#![allow(clippy::print_stderr)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use mien_models::engine::{self, Input, LoadedGraph, OperatorTime, Session};
use mien_models::manet::{self, Manet, ManetConfig};
use mien_models::tensor::formula::fill;
use mien_models::tensor::{NamedTensors, Tensor};
use mien_models::wavlm::{self, WavlmConfig, waveform};

/// Seed of the weights.
const SEED: u64 = 3;
/// The layer that is given out beside the last.
const TAP: usize = 20;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["write", folder] => write(Path::new(folder)),
        ["run", folder, graph, size, threads, repeats] => {
            run(Path::new(folder), graph, size.parse()?, threads.parse()?, repeats.parse()?)
        }
        _ => bail!("usage: bench_graphs write FOLDER | run FOLDER GRAPH SIZE THREADS REPEATS"),
    }
}

fn write(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let config = WavlmConfig::large();
    let tensors = NamedTensors::formula(SEED, &wavlm::parameters(&config));
    wavlm::build(&config, &tensors, &[TAP], &folder.join("wavlm.onnx"))?;
    wavlm::build_fused(&config, &tensors, &[TAP], &folder.join("wavlm_fused.onnx"))?;
    wavlm::build_quantised(&config, &tensors, &[TAP], &BTreeSet::new(), &folder.join("wavlm_int8.onnx"))?;
    let config = ManetConfig::PUBLISHED;
    let tensors = NamedTensors::formula(SEED, &manet::parameters(&config));
    manet::build(&config, &tensors, &folder.join("manet.onnx"))?;
    manet::build_fused(&config, &tensors, &folder.join("manet_fused.onnx"))?;
    manet::build_quantised(&config, &tensors, &BTreeSet::new(), &folder.join("manet_int8.onnx"))?;
    Ok(())
}

/// A loaded graph with its input.
enum Loaded {
    Wavlm(Box<Session>, Vec<f32>),
    /// Faces are embedded one by one; two threads take every other one.
    Manet(Vec<Manet>, Vec<Tensor>),
}

impl Loaded {
    fn load(path: &Path, graph: &str, size: f64, threads: usize) -> Result<Self> {
        match graph {
            "wavlm" | "wavlm_fused" | "wavlm_int8" => {
                engine::set_threads(threads);
                let contract = wavlm::contract(&WavlmConfig::large(), &[TAP]);
                let session = LoadedGraph::load(path, contract)?.prepare()?.session()?;
                let noise = fill(SEED, "input.waveform", &[(size * 16_000.0) as usize]);
                Ok(Self::Wavlm(Box::new(session), waveform::prepare(&noise)?))
            }
            "manet" | "manet_fused" | "manet_int8" => {
                let faces = size as usize;
                let workers = threads.min(faces);
                engine::set_threads(if workers > 1 { 1 } else { threads });
                let first = Manet::load(path, &ManetConfig::PUBLISHED)?;
                let forks = (1..workers).map(|_| first.fork()).collect::<Result<Vec<_>, _>>()?;
                let face = |i| Tensor::new([1, 3, 224, 224], fill(i, "input.face", &[3, 224, 224]));
                let faces = (0..faces as u64).map(face).collect::<Result<Vec<_>, _>>()?;
                Ok(Self::Manet([first].into_iter().chain(forks).collect(), faces))
            }
            other => bail!("{other}: expected wavlm or manet, alone or with _fused or _int8"),
        }
    }

    /// The first output.
    fn run(&mut self) -> Result<Vec<f32>> {
        match self {
            Self::Wavlm(session, wave) => {
                let mut states = session.run(&[Input::F32(&[1, wave.len()], wave)])?;
                Ok(states.swap_remove(0).into_data())
            }
            Self::Manet(workers, faces) => {
                let count = workers.len();
                let embed = |(w, worker): (usize, &mut Manet)| -> Result<Vec<f32>> {
                    let mut rows = Vec::new();
                    for face in faces.iter().skip(w).step_by(count) {
                        rows.extend(worker.run(face)?.embedding.into_data());
                    }
                    Ok(rows)
                };
                if let [worker] = workers.as_mut_slice() {
                    return embed((0, worker));
                }
                std::thread::scope(|scope| {
                    let running: Vec<_> =
                        workers.iter_mut().enumerate().map(|job| scope.spawn(move || embed(job))).collect();
                    let mut rows = Vec::new();
                    for worker in running {
                        rows.extend(worker.join().map_err(|_| anyhow!("a worker panicked"))??);
                    }
                    Ok(rows)
                })
            }
        }
    }

    fn profile(&mut self) -> Result<Vec<OperatorTime>> {
        match self {
            Self::Wavlm(session, wave) => Ok(session.run_profiled(&[Input::F32(&[1, wave.len()], wave)])?.1),
            Self::Manet(workers, faces) => {
                let (worker, face) = workers.first_mut().zip(faces.first()).context("no face")?;
                Ok(worker.profile(face)?)
            }
        }
    }
}

fn run(folder: &Path, graph: &str, size: f64, threads: usize, repeats: usize) -> Result<()> {
    let path: PathBuf = folder.join(format!("{graph}.onnx"));
    let start = Instant::now();
    let mut loaded = Loaded::load(&path, graph, size, threads)?;
    let load = start.elapsed().as_secs_f64();
    let mut times = Vec::new();
    let mut output = Vec::new();
    for _ in 0..=repeats {
        let start = Instant::now();
        output = loaded.run()?;
        times.push(start.elapsed().as_secs_f64());
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    if std::env::var_os("PROFILE").is_some() {
        for operator in loaded.profile()?.iter().take(20) {
            eprintln!("{:8.2} ms {:5} x {}", operator.time.as_secs_f64() * 1e3, operator.nodes, operator.operator);
        }
    }
    if let Some(out) = std::env::var_os("OUTPUT") {
        std::fs::write(out, output.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())?;
    }
    let best = times.iter().skip(1).copied().fold(f64::MAX, f64::min);
    println!(
        "{}",
        serde_json::json!({"graph": graph, "size": size, "threads": threads, "load_s": load, "first_s": times[0],
            "best_s": best, "peak_kib": peak.trim().trim_end_matches(" kB").parse::<u64>()?})
    );
    Ok(())
}
