//! Weights saved from compiled, parallel and wrapped models: the same network, whatever was put into its names.

use mien_models::checkpoint::{Contents, Kind};
use mien_models::fusion::{self, FusionConfig, Mia, MiaResidual, Padding};
use mien_models::manet::{self, ManetConfig};
use mien_models::projector::{self, ProjectorConfig};
use mien_models::tensor::{NamedTensors, Tensor, TensorSpec};
use mien_models::wavlm::{self, WavlmConfig};

use super::{SEED, bits};

/// A wrapper's name, and what it makes of a tensor's name.
type Wrapping = (&'static str, fn(&str) -> String);

/// What wrappers make of a name: before it, or between its parts.
fn wrappings() -> Vec<Wrapping> {
    vec![
        ("compiled", |name| format!("_orig_mod.{name}")),
        ("parallel, then compiled", |name| format!("_orig_mod.module.{name}")),
        ("compiled, then parallel", |name| format!("module._orig_mod.{name}")),
        ("in a framework", |name| format!("model.{name}")),
        ("all of it", |name| format!("module.model._orig_mod.{name}")),
        ("a compiled part", |name| match name.split_once('.') {
            Some((part, rest)) => format!("{part}._orig_mod.{rest}"),
            None => name.into(),
        }),
        ("under a name of somebody's own", |name| format!("my_encoder.{name}")),
    ]
}

/// The tensors of `specs` under other names, and beside them what averaging writes.
fn renamed(specs: &[TensorSpec], rename: fn(&str) -> String) -> NamedTensors {
    let formula = NamedTensors::formula(SEED, specs);
    let tensor = |spec: &TensorSpec| {
        let values = formula.get(&spec.name, &spec.shape).unwrap().into_owned();
        (rename(&spec.name), Tensor::new(spec.shape.clone(), values).unwrap())
    };
    NamedTensors::from_tensors("a test", specs.iter().map(tensor).collect::<Vec<_>>())
}

/// Holds `found` against the formula under the network's own names, bit by bit.
fn assert_unwrapped(found: &NamedTensors, specs: &[TensorSpec], what: &str) {
    let formula = NamedTensors::formula(SEED, specs);
    for spec in specs.iter().filter(|spec| spec.required) {
        let expected = formula.get(&spec.name, &spec.shape).unwrap();
        assert_eq!(bits(&found.get(&spec.name, &spec.shape).unwrap()), bits(&expected), "{what}: {}", spec.name);
    }
}

#[test]
fn every_network_is_known_in_every_wrapping() {
    let sizes = WavlmConfig::tiny();
    let faces = ManetConfig { width: 8, classes: 7 };
    let map = ProjectorConfig { k: 5, encoder_width: 6, hidden: 7, llm_width: 11 };
    let rows = FusionConfig {
        audio: 10,
        text: 20,
        video: 12,
        width: 32,
        mia: Mia::On,
        mia_residual: MiaResidual::Text,
        padding: Padding::Masked,
    };
    for (what, rename) in wrappings() {
        let specs = wavlm::parameters(&sizes);
        let file = renamed(&specs, rename);
        let names = file.names().map(str::to_owned).collect();
        Kind::Wavlm.require(&file.unwrapped(&[]).unwrap()).unwrap();
        let found = wavlm::recognise(&sizes, renamed(&specs, rename)).unwrap();
        assert_unwrapped(&found, &specs, what);
        assert!(found.taken_off_note().is_some(), "{what}");
        // The report counts names as the file has them.
        let contents = Contents::of(Kind::Wavlm, &names, &found, &wavlm::spelled(&sizes, &found));
        assert_eq!(
            (contents.tensors, contents.taken),
            (specs.len(), specs.len() - 1),
            "{what}: {:?}",
            contents.ignored
        );
        assert_eq!(contents.ignored[0].why, "used in training only", "{what}");

        let specs = manet::parameters(&faces);
        let file = manet::unwrapped(renamed(&specs, rename)).unwrap();
        assert_eq!(ManetConfig::of(&file).unwrap(), faces, "{what}");
        assert_unwrapped(&manet::recognise(&faces, file).unwrap(), &specs, what);

        let specs = projector::parameters(&map);
        let (config, found) = projector::read(map.encoder_width, renamed(&specs, rename)).unwrap();
        assert_eq!(config, map, "{what}");
        assert_unwrapped(&found, &specs, what);

        let specs = fusion::parameters(&rows);
        let (config, _, found) = fusion::read(renamed(&specs, rename), None, None).unwrap();
        assert_eq!(config, rows, "{what}");
        assert_unwrapped(&found, &specs, what);
    }
}

#[test]
fn a_projector_is_found_beside_other_parts_in_any_wrapping() {
    let map = ProjectorConfig { k: 5, encoder_width: 6, hidden: 7, llm_width: 11 };
    let mut joint: Vec<TensorSpec> = projector::parameters(&map)
        .into_iter()
        .map(|s| TensorSpec::required(format!("encoder_projector.{}", s.name), s.shape))
        .collect();
    // Another part with a layer of the same name.
    joint.push(TensorSpec::required("llm.layers.0.linear1.weight", [3, 3]));
    for (what, rename) in wrappings() {
        let (config, found) = projector::read(map.encoder_width, renamed(&joint, rename)).unwrap();
        assert_eq!((config, found.len()), (map.clone(), 4), "{what}");
    }
}

#[test]
fn two_networks_of_a_kind_are_not_mixed() {
    let specs = wavlm::parameters(&WavlmConfig::tiny());
    let both: Vec<TensorSpec> = ["student.", "teacher."]
        .iter()
        .flat_map(|p| specs.iter().map(move |s| TensorSpec::required(format!("{p}{}", s.name), s.shape.clone())))
        .collect();
    let error = wavlm::recognise(&WavlmConfig::tiny(), NamedTensors::formula(SEED, &both)).unwrap_err().to_string();
    assert!(error.contains("student.") && error.contains("teacher."), "{error}");
}
