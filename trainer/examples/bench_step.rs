//! Times training steps at true size on formula data; prints seconds and peak memory as one JSON line.
//!
//! usage: bench_step BATCH AUDIO_ROWS TEXT_ROWS VIDEO_ROWS STEPS [DEVICE [PRECISION]]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Instant;

use mien_models::fusion::FusionConfig;
use mien_models::tensor::formula;
use mien_trainer::data::{Batch, Stream};
use mien_trainer::train::{Experiment, Learner, Place, device};

fn stream(name: &str, clips: usize, longest: usize, width: usize) -> Stream {
    let rows = formula::fill(7, &format!("input.{name}"), &[clips, longest, width]);
    Stream { rows, lengths: vec![longest; clips], longest, width }
}

/// CPU seconds of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // utime and stime, in hundredths of a second.
    [11, 12].iter().filter_map(|&i| fields.get(i)?.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1e6)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<usize> = arguments.iter().take(5).map(|a| a.parse().expect("a number")).collect();
    let [clips, audio, text, video, steps] = numbers.try_into().expect("BATCH AUDIO TEXT VIDEO STEPS");
    let device = device(arguments.get(5).map_or("cpu", String::as_str)).unwrap();
    let c = FusionConfig::PUBLISHED;
    let batch = Batch {
        ids: (0..clips).map(|i| i.to_string()).collect(),
        audio: stream("audio", clips, audio, c.audio),
        text: stream("text", clips, text, c.text),
        simulated: stream("simulated_text", clips, text, c.text),
        video: stream("video", clips, video, c.video),
        labels: (0..clips).map(|i| (i % 19) as f32 / 3.0 - 3.0).collect(),
    };
    let precision = arguments.get(6).map_or("f32", String::as_str);
    let experiment = Experiment::default().with_settings(&[format!("training.precision = \"{precision}\"")]).unwrap();
    let mut learner = Learner::new(&experiment, None, 42, &device).unwrap();
    learner.step(&batch, Place { epoch: 0, step: 0 }).unwrap();
    let mut wall = Vec::new();
    let cpu_before = cpu();
    for step in 1..=steps as u64 {
        let begun = Instant::now();
        learner.step(&batch, Place { epoch: 0, step }).unwrap();
        wall.push(begun.elapsed().as_secs_f64());
    }
    let cpu = (cpu() - cpu_before) / steps as f64;
    wall.sort_by(f64::total_cmp);
    let gigabytes = peak().unwrap_or(f64::NAN);
    println!("{{\"wall\": {:.3}, \"cpu\": {cpu:.3}, \"peak_gb\": {gigabytes:.2}}}", wall[steps / 2]);
}
