//! From a store and a model to saved numbers, comparisons, and a bundle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bundle;
#[path = "../plain_corpus/mod.rs"]
mod plain_corpus;
mod saved;

use std::path::PathBuf;

use mien_trainer::data::store::Store;
use mien_trainer::data::{Batch, Split};
use mien_trainer::evaluate::{Evaluation, Mode, Predictions, Protocol, predict};
use mien_trainer::{Result, TrainerError};

/// Clips in each split.
const CLIPS: [(&str, usize); 3] = [("train", 1), ("valid", 30), ("test", 12)];

/// The label of clip `n`: thirds from -3 to 3.
fn label(n: usize) -> f64 {
    ((n * 7) % 19) as f64 / 3.0 - 3.0
}

/// A store whose rows say what a model should find in them: every number of an audio row is the label, of a text row
/// label + 1, of a simulated one label + 2, of a video row label + 3.
fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let (root, out) = (folder.path().join("corpus"), folder.path().join("store"));
    let store = plain_corpus::store(&root, &out, CLIPS, label, |n, modality| label(n) + modality as f64);
    (folder, store)
}

/// A model that is off by exactly what the mode takes away: it answers audio + (text - label - 1), and so on.
#[allow(clippy::unnecessary_wraps)]
fn model(batch: &Batch, text_missing: bool) -> Result<Vec<f32>> {
    let first = |stream: &mien_trainer::data::Stream, i: usize| stream.rows[i * stream.longest * stream.width];
    let said = |i: usize| {
        let text = if text_missing { first(&batch.simulated, i) - 2.0 } else { first(&batch.text, i) - 1.0 };
        (first(&batch.audio, i) + text + first(&batch.video, i) - 3.0) / 3.0
    };
    Ok((0..batch.ids.len()).map(said).collect())
}

fn protocol() -> Protocol {
    Protocol {
        created_by: "test".into(),
        corpus: "corpus".into(),
        corpus_digest: "0".into(),
        split: "test".into(),
        weights: "weights".into(),
        weights_sha256: "0".into(),
        padding: "masked".into(),
        batch: 5,
        resamples: 50,
        seed: 1,
        calibration: "valid".into(),
    }
}

fn evaluated(store: &Store, modes: &[Mode]) -> (Evaluation, Predictions) {
    let ask = |split| predict(store, split, modes, 5, &mut model, &mut |_, _| {}).unwrap();
    let (valid, test) = (ask(Split::Valid), ask(Split::Test));
    (Evaluation::of(protocol(), &test, Some(&valid)).unwrap(), test)
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    let text = result.unwrap_err().to_string();
    assert!(!text.contains('\n'), "{text:?}");
    text
}

/// The test clips' numbers.
fn test_clips() -> impl Iterator<Item = usize> {
    31..43
}

#[test]
fn every_mode_takes_away_what_it_says() {
    let (_folder, store) = store();
    let (evaluation, predictions) = evaluated(&store, &Mode::USUAL.map(|(_, mode)| mode));
    assert_eq!(predictions.ids, test_clips().map(|n| format!("v{n}_0")).collect::<Vec<_>>());
    let mean = |error: &dyn Fn(f64) -> f64| test_clips().map(|n| error(label(n)).abs()).sum::<f64>() / 12.0;
    // The model's error by hand: a zero row in place of simulated text is off by label + 2, in place of the face by
    // label + 3; a third of it reaches the answer.
    let expected = [
        ("complete", 0.0),
        ("text-missing", 0.0),
        ("no-llm", mean(&|y| (y + 2.0) / 3.0)),
        ("no-face", mean(&|y| (y + 3.0) / 3.0)),
        ("text-missing-no-face", mean(&|y| (y + 3.0) / 3.0)),
    ];
    for ((name, mae), result) in expected.iter().zip(&evaluation.modes) {
        assert_eq!(result.mode, *name);
        assert!((result.metrics.mae - mae).abs() < 1e-6, "{name}: {} and {mae}", result.metrics.mae);
        assert_eq!(result.metrics.clips, 12);
        assert!(result.interval90.is_some() && result.covered90.is_some());
    }
    assert_eq!(evaluation.modes[5].mode, "noise");
    // Rows that are all alike have no spread, so their noise is their mean: nothing changes.
    assert!(evaluation.modes[5].metrics.mae < 1e-6);
    // 30 calibration clips: the 28th smallest error of mode no-llm.
    let mut errors: Vec<f64> = (1..31).map(|n| ((label(n) + 2.0) / 3.0).abs()).collect();
    errors.sort_by(f64::total_cmp);
    assert!((evaluation.modes[2].interval90.unwrap() - errors[27]).abs() < 1e-6);
    assert_eq!(evaluation.gap.unwrap().acc2, Some(0.0));
}

#[test]
fn a_model_that_answers_wrongly_is_told_of() {
    let (_folder, store) = store();
    let ask = |model: &mut dyn FnMut(&Batch, bool) -> Result<Vec<f32>>| {
        message(predict(&store, Split::Test, &[Mode::COMPLETE], 5, model, &mut |_, _| {}))
    };
    assert!(ask(&mut |_, _| Ok(vec![0.0])).contains("1 valences for 5 clips"));
    assert!(ask(&mut |batch, _| Ok(vec![f32::NAN; batch.ids.len()])).contains("clip v31_0 has the valence NaN"));
    assert!(ask(&mut |_, _| Err(TrainerError::corpus("model", "tired"))).contains("tired"));
}

#[test]
fn progress_and_order_are_those_of_the_corpus() {
    let (_folder, store) = store();
    let (mut told, mut sizes) = (Vec::new(), Vec::new());
    let mut asked = |batch: &Batch, missing: bool| {
        sizes.push((batch.ids.len(), missing));
        model(batch, missing)
    };
    let modes = [Mode::COMPLETE, Mode::TEXT_MISSING];
    predict(&store, Split::Test, &modes, 5, &mut asked, &mut |done, total| told.push((done, total))).unwrap();
    assert_eq!(told, [(5, 12), (10, 12), (12, 12)]);
    assert_eq!(sizes, [(5, false), (5, true), (5, false), (5, true), (2, false), (2, true)]);
}

fn path(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}
