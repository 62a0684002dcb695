//! Evaluations on disk, and two of them compared.

use std::fs;

use mien_trainer::evaluate::{Evaluation, Measure, Mode, Predictions, compare_saved};

use super::{evaluated, message, path, protocol, store};

#[test]
fn a_saved_evaluation_reads_back_in_full_precision() {
    let (_folder, store) = store();
    let folder = tempfile::tempdir().unwrap();
    let (evaluation, predictions) = evaluated(&store, &[Mode::COMPLETE, Mode::NO_LLM]);
    evaluation.save(&predictions, &path(&folder, "a/b")).unwrap();
    let json = fs::read_to_string(path(&folder, "a/b/evaluation.json")).unwrap();
    let read: Evaluation = serde_json::from_str(&json).unwrap();
    assert_eq!(read.protocol, evaluation.protocol);
    for (read, written) in read.modes.iter().zip(&evaluation.modes) {
        // Every digit is there, though a reader of JSON may be off in the last one.
        assert!(json.contains(&format!("\"mae\": {:?},", written.metrics.mae)), "{}", written.metrics.mae);
        assert!((read.metrics.mae - written.metrics.mae).abs() < 1e-15);
        assert_eq!((&read.mode, read.metrics.clips), (&written.mode, written.metrics.clips));
    }
    let table = fs::read_to_string(path(&folder, "a/b/predictions.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!((lines.len(), lines[0]), (1 + 24, "mode,id,label,prediction"));
    let found: Vec<f64> = lines[13..].iter().map(|l| l.rsplit_once(',').unwrap().1.parse().unwrap()).collect();
    assert_eq!(found, predictions.modes[1].1);
    assert!(lines[13].starts_with("no-llm,v31_0,"));
    // Nothing half-written beside them.
    assert_eq!(fs::read_dir(path(&folder, "a/b")).unwrap().count(), 2);
}

#[test]
fn tables_show_four_decimals_and_the_gap() {
    let predictions = Predictions {
        ids: ["a_0", "b_0", "c_0", "d_0"].map(String::from).into(),
        labels: vec![1.0, -1.0, 2.0, -2.0],
        modes: vec![(Mode::COMPLETE, vec![0.5, -0.5, 2.0, -2.0]), (Mode::TEXT_MISSING, vec![0.0, -1.0, 1.0, 1.0])],
    };
    let evaluation = Evaluation::of(protocol(), &predictions, None).unwrap();
    // By hand: MAE 1/4 and (1 + 0 + 1 + 3) / 4; signs 4 of 4, and 2 of 4 (0 counts as negative).
    let gap = evaluation.gap.unwrap();
    assert_eq!((gap.mae, gap.acc2), (1.0, Some(50.0)));
    let table = evaluation.table2("ours").unwrap();
    assert_eq!(table[1], ["ours", "0.2500", "100.00", "1.2500", "50.00", "1.0000", "50.00"]);
    let table = evaluation.table();
    assert_eq!((table[1][0].as_str(), &table[1][1][..6]), ("complete", "0.2500"));
    // No calibration, no interval.
    assert_eq!(table[1][9..], ["-", "-"]);
}

#[test]
fn two_evaluations_are_compared_clip_by_clip() {
    let (_folder, store) = store();
    let folder = tempfile::tempdir().unwrap();
    let (evaluation, predictions) = evaluated(&store, &[Mode::COMPLETE, Mode::NO_LLM]);
    let (a, b) = (path(&folder, "a"), path(&folder, "b"));
    evaluation.save(&predictions, &a).unwrap();
    let mut worse = predictions.clone();
    // In another order, and 0.25 off everywhere.
    for (_, list) in &mut worse.modes {
        list.iter_mut().for_each(|v| *v += 0.25);
        list.reverse();
    }
    worse.ids.reverse();
    worse.labels.reverse();
    evaluation.save(&worse, &b).unwrap();
    let found = compare_saved(&a, &b, 99, 1).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["complete", "no-llm"]);
    let mae = &found["complete"][&Measure::Mae];
    assert!(mae.a.abs() < 1e-6 && (mae.difference - 0.25).abs() < 1e-6);
    assert!((mae.p - 0.02).abs() < 1e-12);
}

#[test]
fn evaluations_of_different_clips_are_not_compared() {
    let (_folder, store) = store();
    let folder = tempfile::tempdir().unwrap();
    let (evaluation, predictions) = evaluated(&store, &[Mode::COMPLETE]);
    let (a, b) = (path(&folder, "a"), path(&folder, "b"));
    evaluation.save(&predictions, &a).unwrap();
    let compared = |change: &dyn Fn(&mut Predictions)| {
        let mut other = predictions.clone();
        change(&mut other);
        evaluation.save(&other, &b).unwrap();
        message(compare_saved(&a, &b, 9, 1))
    };
    assert!(compared(&|p| p.labels[3] += 1.0).contains("has the labels"));
    assert!(compared(&|p| p.ids[3] = "x_0".into()).contains("clip v34_0 is in the first alone"));
    assert!(compared(&|p| drop(p.ids.pop())).contains("12 clips in one and 11 in the other"));
    assert!(compared(&|p| p.modes[0].0 = Mode::NO_LLM).contains("share no mode"));
    assert!(compared(&|p| p.modes[0].1[0] = f64::NAN).contains("row 1 holds no label"));
    fs::write(b.join("predictions.csv"), "mode,id\n").unwrap();
    assert!(message(compare_saved(&a, &b, 9, 1)).contains("expected the columns"));
    assert!(message(compare_saved(&a, &path(&folder, "none"), 9, 1)).contains("predictions.csv"));
}
