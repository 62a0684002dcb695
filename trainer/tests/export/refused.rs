//! Networks that cannot stand in a bundle, and scores that differ.

use mien_trainer::TrainerError;
use mien_trainer::data::store::Store;
use mien_trainer::data::{Batch, Split};
use mien_trainer::export::{Agreement, Difference, Exported, Label, TOLERANCE, Trained, agreement, export};
use mien_trainer::train::{Learner, WEIGHTS_FILE, device, saved, seed_folder};

use super::Place;

/// Exports through the library, with the trainer's answers changed by `change`.
fn exported(place: &Place, change: &dyn Fn(&str, bool, f32) -> f32) -> Result<Exported, TrainerError> {
    let (run, store) = (place.path("run"), Store::open(&place.path("store")).unwrap());
    let experiment = saved(&run).unwrap();
    let weights = seed_folder(&run, 42).join(WEIGHTS_FILE);
    let tensors = mien_models::tensor::NamedTensors::open(&weights).unwrap();
    let learner = Learner::new(&experiment, Some(tensors), 42, &device("cpu").unwrap()).unwrap();
    let mut model = |batch: &Batch, text_missing: bool| {
        let said = learner.valences(batch, text_missing)?;
        Ok(batch.ids.iter().zip(said).map(|(id, v)| change(id, text_missing, v)).collect())
    };
    let trained = Trained { network: &experiment.network, weights: &weights, source: "a test", licence: "not stated" };
    export(&place.path("base"), &place.path("bundle"), &trained, &Label::default(), &mut |fusion, modes| {
        agreement(&store, Split::Valid, 100, modes, fusion, &mut model, &mut |_, _| {})
    })
}

#[test]
fn a_score_that_differs_stops_the_export() {
    let place = Place::new(&[]);
    // One clip in the flow without text is off by three times what is allowed.
    let off = |id: &str, missing: bool, v: f32| if id == "v9_0" && missing { v + 3e-5 } else { v };
    let fault = exported(&place, &off).unwrap_err().to_string();
    for part in ["bundle", "clip v9_0", "the device's valence is", "1e-5 allowed", "was not written"] {
        assert!(fault.contains(part), "{part:?} in {fault}");
    }
    let nan = |id: &str, _: bool, v: f32| if id == "v8_0" { f32::NAN } else { v };
    let fault = exported(&place, &nan).unwrap_err().to_string();
    assert!(fault.contains("clip v8_0") && fault.contains("NaN"), "{fault}");
    let left: Vec<_> = std::fs::read_dir(place.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("bundle")), "{left:?}");

    let Exported { agreement: Agreement { clips, modes, worst }, .. } = exported(&place, &|_, _, v| v).unwrap();
    assert_eq!((clips, modes), (5, 11));
    assert!(worst.is_some_and(|worst| worst.size() < TOLERANCE));
}

#[test]
fn not_a_number_is_the_largest_difference() {
    let mode = mien_trainer::evaluate::Mode::COMPLETE;
    let difference = |device: f64, trainer: f64| Difference { id: "a_0".into(), mode, device, trainer };
    assert!(difference(1.0, 1.000_009).holds() && !difference(1.0, 0.999_98).holds());
    assert!(!difference(f64::NAN, 1.0).holds() && difference(f64::NAN, f64::NAN).size() > 1e300);
}

#[test]
fn networks_for_other_encoders_are_refused() {
    let place = Place::with(1, &[]);
    let (run, out) = (place.text("run"), place.text("bundle"));
    let said = place.refused(&["export", &run, "--base", &place.text("base"), "--out", &out]);
    assert!(said.contains("WavLM gives audio rows of") && said.contains("whose encoders made the features"), "{said}");
    let said = place.refused(&["export", &run, "--base", &place.text("store"), "--out", &out]);
    assert!(said.contains("manifest.toml"), "{said}");
    assert!(!place.path("bundle").exists());
}

#[test]
fn a_network_without_simulated_text_gets_no_language_model() {
    let place = Place::new(&["--preset", "table1-row1"]);
    let said =
        place.refused(&["export", &place.text("run"), "--base", &place.text("base"), "--out", &place.text("bundle")]);
    assert!(said.contains("trained without simulated text"), "{said}");
    assert!(!place.path("bundle").exists());
}

#[test]
fn reference_padding_is_told_of() {
    let place = Place::new(&["--set", "network.padding=\"reference\""]);
    let (run, base, out) = (place.text("run"), place.text("base"), place.text("bundle"));
    let told = place.done(&["export", &run, "--base", &base, "--out", &out]);
    assert!(told.contains("NOTE: trained with padding = reference"), "{told}");
}
