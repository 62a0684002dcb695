//! Measured errors and intervals on their way to a device.

use mien_models::bundle::{Bundle, DrySize, MODES, make_dry};
use mien_trainer::evaluate::{Mode, write_into_bundle};

use super::{evaluated, message, path, store};

#[test]
fn a_bundle_says_what_was_measured_in_every_mode_of_a_device() {
    let (_folder, store) = store();
    let folder = tempfile::tempdir().unwrap();
    let bundle = path(&folder, "bundle");
    make_dry(&bundle, DrySize::Small, 1).unwrap();
    let before = Bundle::open(&bundle).unwrap();
    assert!(before.manifest().interval90.is_empty());

    let modes: Vec<Mode> = MODES.iter().map(|name| name.parse().unwrap()).collect();
    let (mut evaluation, _) = evaluated(&store, &modes);
    for (k, result) in evaluation.modes.iter_mut().enumerate() {
        result.interval90 = Some(0.5 + 0.1 * k as f64);
    }
    assert_eq!(write_into_bundle(&evaluation, &bundle).unwrap(), MODES.len());
    // Twice changes nothing more, and widths that a manifest cannot hold are brought into its range or left out.
    evaluation.modes[0].interval90 = Some(9.0);
    evaluation.modes[1].interval90 = None;
    write_into_bundle(&evaluation, &bundle).unwrap();
    (evaluation.modes[0].interval90, evaluation.modes[1].interval90) = (Some(6.0), Some(0.6));

    let after = Bundle::open(&bundle).unwrap();
    for (name, result) in MODES.iter().zip(&evaluation.modes) {
        assert_eq!(after.manifest().interval90(name), Some(result.interval90.unwrap() as f32));
        let metrics: Vec<_> = after.manifest().metrics.iter().filter(|m| m.mode == *name).collect();
        assert_eq!(metrics.len(), 1);
        assert_eq!((metrics[0].mae, metrics[0].clips), (result.metrics.mae, 12));
        assert_eq!(metrics[0].protocol, "corpus test, masked padding, batch 5");
    }
    assert_eq!(after.manifest().files, before.manifest().files);
    assert_ne!(after.digest(), before.digest());
}

#[test]
fn what_is_no_bundle_is_left_alone() {
    let (_folder, store) = store();
    let folder = tempfile::tempdir().unwrap();
    let (evaluation, _) = evaluated(&store, &[Mode::NOISE]);
    assert!(message(write_into_bundle(&evaluation, folder.path())).contains("manifest.toml"));
    let manifest = path(&folder, "manifest.toml");
    std::fs::write(&manifest, "schema = 1\n").unwrap();
    assert!(message(write_into_bundle(&evaluation, folder.path())).contains("manifest.toml"));
    assert_eq!(std::fs::read(&manifest).unwrap(), b"schema = 1\n");
}
