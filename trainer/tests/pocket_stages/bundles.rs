//! The trained networks as bundles, and what a fusion network learns between the two.

use burn::tensor::Device;
use mien_models::bundle::Bundle;
use mien_runtime::clip::{ClipRequest, TextRequest, score_clip};
use mien_runtime::rung::Rung;
use mien_runtime::scorer::{Scorer, ScorerSettings};
use mien_trainer::data::{Source, Split};
use mien_trainer::pocket::clips::Clips;
use mien_trainer::pocket::language::PROMPT;
use mien_trainer::pocket::stage::STATEMENT;
use mien_trainer::pocket::{bundles, fusing};
use mien_trainer::train::Silent;

use super::material::{corpus, trained};

/// The last bundle stands on the first: one test, so that both are made once.
#[test]
fn bundles_hear_see_and_write_and_are_the_same_when_made_again() {
    let made = || {
        let first = bundles::first(corpus(), trained(), 3, &mut |_, _| ()).unwrap();
        let store = fusing::rows(corpus(), trained(), 2, &|_| ()).unwrap();
        assert_eq!([Split::Train, Split::Valid, Split::Test].map(|split| store.len(split)), [8, 3, 1]);
        let (_, weights) = fusing::learn(&store, trained(), 3, &Device::flex(), &mut Silent).unwrap();
        (first, bundles::last(corpus(), trained(), &weights, &mut |_, _| ()).unwrap())
    };
    let (first, last) = made();
    assert!(!first.manifest.trained && first.manifest.statement.starts_with(STATEMENT), "{:?}", first.manifest);
    assert!(last.manifest.trained && last.manifest.statement == STATEMENT, "{:?}", last.manifest);
    for built in [&first, &last] {
        assert_eq!(built.manifest.method.prompt, PROMPT);
        scores(&built.folder);
    }
    // Bytes were held against floats on the validation split.
    assert_eq!(last.quantised.as_ref().unwrap().calibration.as_ref().unwrap().clips, 3);
    let again = made();
    assert_eq!((again.0.digest, again.1.digest), (first.digest, last.digest));
}

fn scores(bundle: &std::path::Path) {
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
