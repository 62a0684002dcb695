//! The trained networks as a bundle.

use mien_models::bundle::Bundle;
use mien_runtime::clip::{ClipRequest, TextRequest, score_clip};
use mien_runtime::rung::Rung;
use mien_runtime::scorer::{Scorer, ScorerSettings};
use mien_trainer::data::Split;
use mien_trainer::pocket::clips::Clips;
use mien_trainer::pocket::first;
use mien_trainer::pocket::language::PROMPT;
use mien_trainer::pocket::stage::STATEMENT;

use super::material::{corpus, trained};

#[test]
fn the_first_bundle_hears_sees_and_writes() {
    let built = first::bundle(corpus(), trained(), 3, &mut |_, _| ()).unwrap();
    let manifest = &built.manifest;
    assert!(manifest.statement.starts_with(STATEMENT) && !manifest.trained, "{}", manifest.statement);
    assert_eq!(manifest.method.prompt, PROMPT);
    let bundle = Bundle::open(&built.folder).unwrap();
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
    // Equal networks make equal bundles.
    assert_eq!(first::bundle(corpus(), trained(), 3, &mut |_, _| ()).unwrap().digest, built.digest);
}
