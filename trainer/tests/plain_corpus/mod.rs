//! Corpora in the plain layout whose rows say what a model should find in them.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::Path;

use mien_trainer::data::import::{ImportSettings, import};
use mien_trainer::data::plain::PlainCorpus;
use mien_trainer::data::store::{RowType, Store};

/// Modalities and numbers in a row, in the order in which `value` of [`store`] counts them.
pub(crate) const MODALITIES: [(&str, usize); 4] = [("audio", 2), ("text", 3), ("simulated", 3), ("video", 2)];

/// Writes a corpus of `clips` (counts by split) to `root` and imports it into `out`. Clip number n, counted over all
/// splits, is called `v<n>_0`, has the label `label(n)` and 1 + n % 4 rows of each modality, all of whose numbers are
/// `value(n, modality)`.
pub(crate) fn store(
    root: &Path,
    out: &Path,
    clips: [(&str, usize); 3],
    label: impl Fn(usize) -> f64,
    value: impl Fn(usize, usize) -> f64,
) -> Store {
    let mut table = String::from("id,split,label\n");
    let mut n = 0;
    for (split, count) in clips {
        for _ in 0..count {
            table.push_str(&format!("v{n}_0,{split},{}\n", label(n)));
            for (place, (modality, width)) in MODALITIES.iter().enumerate() {
                let file = root.join(modality).join(format!("v{n}_0.npy"));
                write_npy(&file, 1 + n % 4, *width, value(n, place) as f32);
            }
            n += 1;
        }
    }
    std::fs::write(root.join("clips.csv"), table).unwrap();
    let settings = ImportSettings { rows: RowType::F32, ..ImportSettings::default() };
    import(&PlainCorpus::open(root).unwrap(), out, &settings, &|_| {}).unwrap();
    Store::open(out).unwrap()
}

fn write_npy(path: &Path, rows: usize, width: usize, value: f32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    let dict = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {width}), }}");
    bytes.extend(format!("{dict:117}\n").bytes());
    bytes.extend(std::iter::repeat_n(value.to_le_bytes(), rows * width).flatten());
    std::fs::write(path, bytes).unwrap();
}
