//! Times one epoch at true width from a store, as training runs it: read ahead, buckets of similar length, masks. Prints
//! seconds, the loader's alone among them, and peak memory as one JSON line.
//!
//! usage: bench_epoch LENGTHS.JSON STORE DEVICE PRECISION
//!
//! LENGTHS.JSON has a list [audio, text, simulated, video] of rows for each clip. The store is made where none stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use mien_models::fusion::FusionConfig;
use mien_models::tensor::formula;
use mien_trainer::data::corpus::Modality;
use mien_trainer::data::prefetch::each_batch;
use mien_trainer::data::store::{Index, ModalityEntry, RowType, SplitIndex, Store, StoreWriter};
use mien_trainer::data::{ClipLengths, Source, Split};
use mien_trainer::train::{Experiment, Learner, Ordering, Place, device};

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

/// A store of formula rows; every clip's rows begin elsewhere in one block of numbers.
fn make(path: &Path, clips: &[ClipLengths]) {
    let c = FusionConfig::PUBLISHED;
    let widths = [
        (Modality::Audio, c.audio),
        (Modality::Text, c.text),
        (Modality::Simulated, c.text),
        (Modality::Video, c.video),
    ];
    let writer = StoreWriter::create(path, RowType::F16).unwrap();
    let longest = clips.iter().flatten().max().unwrap();
    let block = formula::fill(7, "input.bench", &[longest * c.text + 9973]);
    let split = |clips: &[ClipLengths], split: Split| {
        let mut index = SplitIndex {
            ids: (0..clips.len()).map(|i| format!("v{}_{i}", i / 8)).collect(),
            labels: (0..clips.len()).map(|i| (i * 7 % 19) as f32 / 3.0 - 3.0).collect(),
            ..SplitIndex::default()
        };
        for (place, (modality, width)) in widths.into_iter().enumerate() {
            let lengths: Vec<usize> = clips.iter().map(|l| l[place]).collect();
            let mut file = writer.rows(split, modality, width, &lengths).unwrap();
            for (i, length) in lengths.iter().enumerate() {
                let first = i * 31 % 9973;
                file.write(&"bench", &block[first..first + length * width]).unwrap();
            }
            index.files.insert(modality, file.finish().unwrap());
            index.lengths.insert(modality, lengths);
        }
        index
    };
    let few = &clips[..clips.len().min(2)];
    let index = Index {
        created_by: "bench_epoch".into(),
        origin: "formula rows".into(),
        rows: RowType::F16,
        modalities: widths
            .map(|(modality, width)| (modality, ModalityEntry { width, features: "formula".into() }))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        remarks: Vec::new(),
        train: split(clips, Split::Train),
        valid: split(few, Split::Valid),
        test: split(few, Split::Test),
    };
    writer.finish(&index).unwrap();
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [lengths, store, on, precision] = &arguments[..] else { panic!("usage: see the head of this file") };
    let clips: Vec<ClipLengths> = serde_json::from_slice(&std::fs::read(lengths).unwrap()).unwrap();
    let path = Path::new(store);
    if !path.exists() {
        make(path, &clips);
    }
    let source = Store::open(path).unwrap();
    let experiment = Experiment::default().with_settings(&[format!("training.precision = \"{precision}\"")]).unwrap();
    let training = &experiment.training;
    let ordering = Ordering { batch: training.batch, shuffle: training.shuffle, bucket: training.bucket };
    let batches = ordering.batches(42, 0, source.lengths(Split::Train));
    let mut learner = Learner::new(&experiment, None, 42, &device(on).unwrap()).unwrap();

    // Compiling and tuning of kernels happens once per kind of length, not once per epoch.
    let begun = Instant::now();
    for clips in &batches {
        learner.step(&source.batch(Split::Train, &clips[..]).unwrap(), Place { epoch: 0, step: 0 }).unwrap();
        if on == "cpu" {
            break;
        }
    }
    let first = begun.elapsed().as_secs_f64();

    let begun = Instant::now();
    each_batch(&source, Split::Train, &batches, &mut |_| Ok(())).unwrap();
    let loader = begun.elapsed().as_secs_f64();

    let (begun, before, mut step) = (Instant::now(), cpu(), 0);
    each_batch(&source, Split::Train, &batches, &mut |batch| {
        learner.step(&batch, Place { epoch: 0, step })?;
        step += 1;
        Ok(())
    })
    .unwrap();
    let (wall, cpu, peak) = (begun.elapsed().as_secs_f64(), cpu() - before, peak().unwrap_or(f64::NAN));
    println!(
        "{{\"wall\": {wall:.3}, \"cpu\": {cpu:.3}, \"loader\": {loader:.3}, \"first_pass\": {first:.3}, \
         \"steps\": {step}, \"peak_gb\": {peak:.2}}}"
    );
}
