//! The trained networks as bundles, and what a fusion network learns between the two.

use std::path::Path;

use burn::tensor::Device;
use mien_models::bundle::Bundle;
use mien_runtime::clip::{ClipRequest, TextRequest, score_clip};
use mien_runtime::rung::Rung;
use mien_runtime::scorer::{Scorer, ScorerSettings};
use mien_trainer::data::{Source, Split};
use mien_trainer::pocket::clips::Clips;
use mien_trainer::pocket::device::check;
use mien_trainer::pocket::evaluating::{EVALUATION, evaluate};
use mien_trainer::pocket::language::PROMPT;
use mien_trainer::pocket::stage::STATEMENT;
use mien_trainer::pocket::{bundles, fusing, report};
use mien_trainer::train::Silent;

use super::material::{STAGES, corpus, train, trained};

/// The last bundle stands on the first: one test, so that both are made once.
#[test]
fn bundles_hear_see_and_write_and_are_the_same_when_everything_is_trained_again() {
    let made = |out: &Path| {
        let first = bundles::first(corpus(), out, 3, &mut |_, _| ()).unwrap();
        let store = fusing::rows(corpus(), out, 2, &|_| ()).unwrap();
        assert_eq!([Split::Train, Split::Valid, Split::Test].map(|split| store.len(split)), [8, 3, 1]);
        let (_, weights) = fusing::learn(&store, out, 3, &Device::flex(), &mut Silent).unwrap();
        (first, bundles::last(corpus(), out, &weights, &mut |_, _| ()).unwrap())
    };
    let (first, last) = made(trained());
    assert!(!first.manifest.trained && first.manifest.statement.starts_with(STATEMENT), "{:?}", first.manifest);
    assert!(last.manifest.trained && last.manifest.statement == STATEMENT, "{:?}", last.manifest);
    for built in [&first, &last] {
        assert_eq!(built.manifest.method.prompt, PROMPT);
        scores(&built.folder);
    }
    // Bytes were held against floats on the validation split.
    assert_eq!(last.quantised.as_ref().unwrap().calibration.as_ref().unwrap().clips, 3);
    let other = tempfile::tempdir().unwrap();
    for stage in STAGES {
        train(stage, corpus(), other.path()).unwrap();
    }
    let again = made(other.path());
    assert_eq!((again.0.digest, again.1.digest), (first.digest, last.digest));
    measured(&last.folder);
}

/// What the trainer measures stands in the bundle; what the device scores from the files is near it; one page tells both.
fn measured(bundle: &Path) {
    let out = trained();
    let evaluation = evaluate(out, 3, &mut |_, _, _| ()).unwrap();
    let manifest = Bundle::open(bundle).unwrap().manifest().clone();
    let mut written = 0;
    for result in &evaluation.modes {
        let Some(mode) = &result.device_mode else { continue };
        let metric = manifest.metrics.iter().find(|metric| metric.mode == *mode).unwrap();
        assert_eq!((metric.mae, metric.clips), (result.metrics.mae, 1));
        assert!(metric.protocol.contains("pocket corpus"), "{}", metric.protocol);
        written += 1;
    }
    assert!(written >= 3 && written == manifest.metrics.len(), "{:?}", manifest.metrics);
    let checked = check(corpus(), out, &out.join(EVALUATION), 2, &|_| ()).unwrap();
    assert_eq!((checked.clips, checked.modes.len()), (1, 3));
    for both in &checked.modes {
        println!("{}: device {:.4}, trainer {:.4}", both.mode, both.device, both.trainer);
        // One clip: what lies between the scores, or their errors where both lie on one side of the label.
        assert!(
            (both.device - both.trainer).abs() <= both.apart[1] + 1e-6 && both.apart[0] == both.apart[1],
            "{both:?}"
        );
        assert!(both.apart[1] < 0.3, "{both:?}");
    }
    report::write(out, &checked).unwrap();
    let page = std::fs::read_to_string(out.join(report::FILE)).unwrap();
    let digest = Bundle::open(bundle).unwrap().digest().to_owned();
    for word in [STATEMENT, digest.as_str(), "| projector | 40 |", "Simulated transcripts of 1 clips"] {
        assert!(page.contains(word), "{word} is not in {page}");
    }
    // Predictions of other clips are refused.
    let other = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(out.join(EVALUATION)).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap().replace("-test", "-else");
        std::fs::write(other.path().join(path.file_name().unwrap()), text).unwrap();
    }
    let error = check(corpus(), out, other.path(), 1, &|_| ()).unwrap_err().to_string();
    assert!(error.contains("is not in it; run `mien-train pocket bundle` again"), "{error}");
}

fn scores(bundle: &Path) {
    let bundle = Bundle::open(bundle).unwrap();
    let settings = ScorerSettings { threads: 1, llm_threads: 1, llm_context: 1024, gpu_layers: 0, rung: Rung::Full };
    let mut scorer = Scorer::open(&bundle, &settings).unwrap();
    let clips = Clips::open(corpus()).unwrap();
    let path = &clips.of(Split::Test)[0].path;
    let text = TextRequest::Simulate;
    let request = ClipRequest { path, face: None, text: &text, whole: true, timing: false, first_seq: 0 };
    let records = score_clip(&mut scorer, &request).unwrap();
    assert_eq!(records.len(), 1);
    let mode = serde_json::to_value(records[0].mode).unwrap();
    assert!(records[0].valence.is_some_and(f32::is_finite), "{records:?}");
    assert!(records[0].transcript.is_some() && mode["text"] == "simulated", "{records:?}");
}
