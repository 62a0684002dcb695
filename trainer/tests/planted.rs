//! The planted corpus: laws of its labels, splits and rows, and that the committed experiment trains on it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mien_trainer::data::check::check;
use mien_trainer::data::corpus::{Corpus, Modality, SPLITS};
use mien_trainer::data::import::{ImportSettings, import};
use mien_trainer::data::planted::{PlantedCorpus, PlantedSettings};
use mien_trainer::data::store::Store;
use mien_trainer::data::{Source, Split};
use mien_trainer::train::Summary;

fn corpus(seed: u64, clips: [usize; 3]) -> PlantedCorpus {
    PlantedCorpus::new(PlantedSettings { seed, clips }).unwrap()
}

fn stored(corpus: &PlantedCorpus) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("store");
    import(corpus, &out, &ImportSettings::default(), &|_| {}).unwrap();
    let store = Store::open(&out).unwrap();
    (folder, store)
}

#[test]
fn labels_are_thirds_like_those_of_three_raters() {
    let corpus = corpus(5, [4000, 1, 1]);
    let labels: Vec<f64> = corpus.clips(Split::Train).iter().map(|clip| clip.label).collect();
    for label in &labels {
        let thirds = 3.0 * label;
        assert!((-9.0..=9.0).contains(&thirds) && (thirds - thirds.round()).abs() < 1e-9, "{label}");
    }
    // MOSEI: about half positive, fewer negative, the middle of the scale most frequent, the ends rare but there.
    let share = |what: &dyn Fn(f64) -> bool| labels.iter().filter(|l| what(**l)).count() as f64 / labels.len() as f64;
    let (positive, negative) = (share(&|l| l > 0.0), share(&|l| l < 0.0));
    assert!(positive > negative && positive > 0.45 && negative > 0.25, "{positive} {negative}");
    assert!(share(&|l| l.abs() < 0.5) > share(&|l| (1.5..2.5).contains(&l.abs())) / 2.0);
    assert!(share(&|l| l > 2.5) > 0.0 && share(&|l| l < -2.5) > 0.0);
}

#[test]
fn splits_have_their_sizes_and_share_no_speaker() {
    let planted = corpus(3, [40, 30, 20]);
    let (_folder, store) = stored(&planted);
    assert_eq!(SPLITS.map(|split| store.len(split)), [40, 30, 20]);
    let report = check(&store, &mut |_, _| {}).unwrap();
    assert_eq!((report.faults.len(), report.leaks.len(), report.remarks.len()), (0, 0, 0), "{report:?}");
    let speakers = |split| {
        let clips = planted.clips(split).iter();
        clips.map(|clip| clip.speaker.clone().unwrap()).collect::<BTreeSet<_>>()
    };
    let [train, valid, test] = SPLITS.map(speakers);
    assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
    assert!(train.len() < 20, "speakers have several clips: {train:?}");
    assert!(store.index().origin.contains("synthetic") && store.index().remarks[0].contains("synthetic"));
}

#[test]
fn a_corpus_is_a_function_of_its_seed() {
    let files = |store: &Path| {
        let mut files: Vec<PathBuf> = std::fs::read_dir(store).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|f| (f.file_name().unwrap().to_owned(), std::fs::read(&f).unwrap())).collect::<Vec<_>>()
    };
    let made = |seed| stored(&corpus(seed, [12, 8, 4]));
    let (one, two, other) = (made(7), made(7), made(8));
    assert_eq!(files(one.1.path()), files(two.1.path()));
    assert_eq!(one.1.digest(), two.1.digest());
    assert_ne!(one.1.digest(), other.1.digest());
    let rows = |store: &Store| store.rows(Split::Valid, 3, Modality::Text).unwrap().unwrap();
    assert_ne!(rows(&one.1), rows(&other.1), "not only the seed's name differs");
    let longer = corpus(7, [12, 8, 5]);
    assert_eq!(longer.clips(Split::Valid), corpus(7, [12, 8, 4]).clips(Split::Valid));
}

#[test]
fn numbers_of_clips_that_cannot_be_are_refused() {
    for clips in [[0, 1, 1], [1, 1, 0], [1, 1_000_001, 1]] {
        let error = PlantedCorpus::new(PlantedSettings { seed: 1, clips }).unwrap_err().to_string();
        assert!(error.contains("clips") && error.contains("1000000"), "{error}");
    }
}

/// Means of the rows of the named modalities, side by side, and 1; then the label.
fn means(corpus: &PlantedCorpus, split: Split, modalities: &[Modality]) -> Vec<(Vec<f64>, f64)> {
    let clips = corpus.clips(split).iter().enumerate();
    let features = |n: usize| {
        let mut features = vec![1.0];
        for modality in modalities {
            let rows = corpus.rows(split, n, *modality).unwrap();
            let (count, width) = (rows.extent.rows, rows.extent.width);
            let column = |c| rows.values.iter().skip(c).step_by(width).map(|v| f64::from(*v)).sum::<f64>();
            features.extend((0..width).map(|c| column(c) / count as f64));
        }
        features
    };
    clips.map(|(n, clip)| (features(n), clip.label)).collect()
}

/// The share of the variance of validation labels that a ridge regression on mean rows explains.
fn explained(corpus: &PlantedCorpus, modalities: &[Modality]) -> f64 {
    let train = means(corpus, Split::Train, modalities);
    let width = train[0].0.len();
    // Normal equations [X'X + ridge | X'y], solved by elimination.
    let mut system = vec![vec![0.0; width + 1]; width];
    for (x, y) in &train {
        for i in 0..width {
            for j in 0..width {
                system[i][j] += x[i] * x[j];
            }
            system[i][width] += x[i] * y;
        }
    }
    for (i, row) in system.iter_mut().enumerate().skip(1) {
        row[i] += 1.0;
    }
    for i in 0..width {
        let (above, below) = system.split_at_mut(i + 1);
        for row in below {
            let factor = row[i] / above[i][i];
            row.iter_mut().zip(&above[i]).for_each(|(v, pivot)| *v -= factor * pivot);
        }
    }
    let mut weights = vec![0.0; width];
    for i in (0..width).rev() {
        let known: f64 = (i + 1..width).map(|j| system[i][j] * weights[j]).sum();
        weights[i] = (system[i][width] - known) / system[i][i];
    }
    let valid = means(corpus, Split::Valid, modalities);
    let mean = valid.iter().map(|(_, y)| y).sum::<f64>() / valid.len() as f64;
    let guess = |x: &[f64]| x.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>();
    let errors: f64 = valid.iter().map(|(x, y)| (y - guess(x)).powi(2)).sum();
    1.0 - errors / valid.iter().map(|(_, y)| (y - mean).powi(2)).sum::<f64>()
}

/// An independent look at the structure: linear regression on mean rows, without any network.
#[test]
fn text_tells_most_simulated_text_less_and_voice_and_face_least() {
    for seed in [1, 2] {
        let corpus = corpus(seed, [2000, 1000, 1]);
        let share = |modalities: &[Modality]| explained(&corpus, modalities);
        let text = share(&[Modality::Text]);
        let simulated = share(&[Modality::Simulated]);
        let [audio, video] = [share(&[Modality::Audio]), share(&[Modality::Video])];
        let repaired = share(&[Modality::Audio, Modality::Simulated, Modality::Video]);
        let shares = format!("{text:.3} {simulated:.3} {audio:.3} {video:.3} {repaired:.3}");
        println!("seed {seed}: text, simulated, audio, face, all but text: {shares}");
        assert!(text > simulated + 0.1 && simulated > audio.max(video) + 0.1 && audio.min(video) > 0.03, "{shares}");
        assert!(repaired > simulated + 0.01 && repaired < text, "voice and face repair a part: {shares}");
    }
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mien-train")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_committed_experiment_trains_on_a_planted_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (store, out) = (path("store"), path("run"));
    let make = ["planted", "--out", &store, "--seed", "9", "--clips", "24,12,6"];
    let made = run(&make);
    let said = text(&made.stdout);
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(said.contains("train 24, valid 12, test 6") && said.contains("nothing about people"), "{said}");
    let again = run(&make);
    assert!(!again.status.success() && text(&again.stderr).contains("something stands there"));

    let experiment = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/planted.toml").display().to_string();
    let few = ["--set", "training.epochs=2", "--seeds", "1", "--preset", "table1-row3"];
    let train = [&["train", "--experiment", &experiment, "--data", &store, "--out", &out][..], &few].concat();
    let trained = run(&train);
    assert!(trained.status.success(), "{}", text(&trained.stderr));
    let summary: Summary =
        toml::from_str(&std::fs::read_to_string(folder.path().join("run/result.toml")).unwrap()).unwrap();
    assert_eq!((summary.runs.len(), summary.runs[0].epochs, summary.runs[0].steps), (1, 2, 4));
    // Labels lie in [-3, 3]: errors of a network that gives nonsense would not.
    let errors = summary.runs[0].valid;
    assert!([errors.complete, errors.missing].iter().all(|e| *e > 0.0 && *e < 3.0), "{errors:?}");
}

#[test]
fn wrong_requests_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("store").display().to_string();
    for (clips, expected) in
        [("1,2", "three whole numbers"), ("1,2,x", "three whole numbers"), ("0,1,1", "1 to 1000000")]
    {
        let output = run(&["planted", "--out", &out, "--clips", clips]);
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{said}");
        assert!(!Path::new(&out).exists());
    }
}
