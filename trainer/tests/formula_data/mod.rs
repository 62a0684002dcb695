//! Formula batches and corpora for the trainer's tests.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use mien_models::fusion::parameters;
use mien_models::tensor::{NamedTensors, Tensor, formula};
use mien_trainer::Result;
use mien_trainer::data::{Batch, ClipLengths, Source, Split, Stream};
use mien_trainer::train::{Experiment, Network};

/// Formula rows [B, T, width] of the input `name`; rows past a clip's length are zero.
pub(crate) fn stream(seed: u64, name: &str, lengths: &[usize], width: usize) -> Stream {
    let longest = lengths.iter().copied().max().unwrap();
    let mut rows = formula::fill(seed, &format!("input.{name}"), &[lengths.len(), longest, width]);
    for (clip, rows) in rows.chunks_exact_mut(longest * width).enumerate() {
        rows[lengths[clip] * width..].fill(0.0);
    }
    Stream { rows, lengths: lengths.to_vec(), longest, width }
}

/// A batch of formula rows: lengths of audio, text, simulated text, video.
pub(crate) fn batch(seed: u64, lengths: [&[usize]; 4], [audio, text, video]: [usize; 3], labels: Vec<f32>) -> Batch {
    Batch {
        ids: (0..labels.len()).map(|i| format!("video{i}_{i}")).collect(),
        audio: stream(seed, "audio", lengths[0], audio),
        text: stream(seed, "text", lengths[1], text),
        simulated: stream(seed, "simulated_text", lengths[2], text),
        video: stream(seed, "video", lengths[3], video),
        labels,
    }
}

pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The golden outputs of the authors' module.
pub(crate) fn fusion_golden() -> NamedTensors {
    NamedTensors::open(&project().join("tests/golden/fusion.safetensors")).unwrap()
}

/// What `tests/reference/golden_training.py` wrote.
pub(crate) struct TrainingGolden {
    entries: std::collections::BTreeMap<String, Vec<f64>>,
    pub(crate) metadata: std::collections::HashMap<String, String>,
}

impl TrainingGolden {
    pub(crate) fn open() -> Self {
        let bytes =
            std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/training.safetensors")).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let floats = |data: &[u8]| data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect();
        Self {
            entries: file.iter().map(|(name, view)| (name.to_owned(), floats(view.data()))).collect(),
            metadata: header.metadata().clone().unwrap(),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&[f64]> {
        self.entries.get(name).map(Vec::as_slice)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    fn json<T: serde::de::DeserializeOwned>(&self, key: &str) -> T {
        serde_json::from_str(&self.metadata[key]).unwrap()
    }

    pub(crate) fn seed(&self) -> u64 {
        self.json("seed")
    }

    pub(crate) fn number(&self, key: &str) -> f64 {
        self.json(key)
    }

    pub(crate) fn dims(&self) -> [usize; 3] {
        self.json("dims")
    }

    pub(crate) fn batch(&self) -> Batch {
        let lengths: std::collections::BTreeMap<String, Vec<usize>> = self.json("lengths");
        let [a, t, s, v] = ["audio", "text", "simulated_text", "video"].map(|n| lengths[n].as_slice());
        batch(self.seed(), [a, t, s, v], self.dims(), vec![1.0, -2.0 / 3.0, 0.0, 1.0, 7.0 / 3.0, -2.0])
    }

    pub(crate) fn experiment(&self) -> Experiment {
        let [audio, text, video] = self.dims();
        Experiment { network: Network { audio, text, video, ..Network::default() }, ..Experiment::default() }
    }

    /// Formula weights times the file's scale.
    pub(crate) fn weights(&self) -> NamedTensors {
        let scale = self.number("scale") as f32;
        let tensors = parameters(&self.experiment().network.fusion()).into_iter().map(|spec| {
            let data = formula::fill(self.seed(), &spec.name, &spec.shape).iter().map(|v| v * scale).collect();
            (spec.name, Tensor::new(spec.shape, data).unwrap())
        });
        NamedTensors::from_tensors("scaled formula weights", tensors)
    }

    /// The unit formula vector that gradients and weights are multiplied with.
    pub(crate) fn probe(&self, name: &str, n: usize) -> Vec<f64> {
        unit(self.seed(), &format!("probe.{name}"), n)
    }
}

/// `fill.py`'s `unit`: the formula without any rule.
pub(crate) fn unit(seed: u64, name: &str, n: usize) -> Vec<f64> {
    let base = seed.wrapping_add(formula::fnv1a64(name));
    (0..n as u64)
        .map(|i| {
            let mut z = base.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            f64::from((z >> 40) as u32) / 16_777_216.0 * 2.0 - 1.0
        })
        .collect()
}

/// A corpus in memory: formula features whose mean carries the label, so that there is something to learn.
pub(crate) struct Memory {
    widths: [usize; 3],
    splits: [Vec<ClipLengths>; 3],
    digest: String,
    /// A clip of the training split whose audio rows are NaN.
    pub(crate) poisoned: Option<usize>,
}

impl Memory {
    pub(crate) fn new(clips: [usize; 3], widths: [usize; 3]) -> Self {
        let mut first = 0;
        let splits = clips.map(|n| {
            first += n;
            (first - n..first).map(|i| [2 + i * 7 % 6, 1 + i * 3 % 4, 1 + i * 5 % 3, 1 + i * 11 % 5]).collect()
        });
        Self { widths, splits, digest: format!("{clips:?}{widths:?}"), poisoned: None }
    }

    pub(crate) fn experiment(&self) -> Experiment {
        let [audio, text, video] = self.widths;
        let mut experiment = Experiment::default();
        experiment.network = Network { audio, text, video, ..experiment.network };
        experiment.training.batch = 4;
        experiment.training.validation_batch = 4;
        experiment.training.bucket = 2;
        experiment.training.epochs = 3;
        experiment
    }

    pub(crate) fn relabelled(mut self, digest: &str) -> Self {
        self.digest = digest.into();
        self
    }
}

impl Source for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn digest(&self) -> &str {
        &self.digest
    }

    fn widths(&self) -> [usize; 3] {
        self.widths
    }

    fn lengths(&self, split: Split) -> &[ClipLengths] {
        &self.splits[split as usize]
    }

    fn batch(&self, split: Split, clips: &[usize]) -> Result<Batch> {
        let all = self.lengths(split);
        let label = |clip: usize| ((clip * 13 + split as usize * 5) % 19) as f32 / 3.0 - 3.0;
        let stream = |kind: usize, name: &str, width: usize| {
            let lengths: Vec<usize> = clips.iter().map(|&clip| all[clip][kind]).collect();
            let longest = lengths.iter().copied().max().unwrap();
            let mut rows = vec![0.0; clips.len() * longest * width];
            for (place, &clip) in clips.iter().enumerate() {
                let key = format!("input.{name}.{split:?}.{clip}");
                let values = formula::fill(3, &key, &[lengths[place], width]);
                let carried = if name == "simulated" { 0.15 } else { 0.3 } * label(clip);
                for (out, value) in rows[place * longest * width..].iter_mut().zip(values) {
                    *out = value + carried;
                }
                if kind == 0 && split == Split::Train && self.poisoned == Some(clip) {
                    rows[place * longest * width] = f32::NAN;
                }
            }
            Stream { rows, lengths, longest, width }
        };
        let [audio, text, video] = self.widths;
        Ok(Batch {
            ids: clips.iter().map(|clip| format!("{split:?}{clip}_0")).collect(),
            audio: stream(0, "audio", audio),
            text: stream(1, "text", text),
            simulated: stream(2, "simulated", text),
            video: stream(3, "video", video),
            labels: clips.iter().map(|&clip| label(clip)).collect(),
        })
    }
}
