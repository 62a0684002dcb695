//! Forms of files: tensors bit for bit, what lies beside them, and what the old form cannot show.

use std::collections::BTreeSet;
use std::path::Path;

use half::bf16;
use mien_models::ModelError;
use mien_models::checkpoint::{Contents, Kind};
use mien_models::tensor::{FileFormat, NamedTensors, formula};
use mien_models::wavlm::{self, LibraryConfig, WavlmConfig};

use super::{SEED, assert_formula, bits, fixture, open};

/// The network in the fixtures.
fn mini() -> WavlmConfig {
    WavlmConfig {
        hidden: 16,
        layers: 1,
        heads: 2,
        intermediate: 24,
        conv_channels: 8,
        conv_pos_kernel: 4,
        conv_pos_groups: 2,
        buckets: 8,
        max_distance: 20,
        layer_norm_eps: 1e-5,
    }
}

/// The fixture of one form with its `config.json`, as it is and as WavLM.
fn wavlm(form: &str, file: &str) -> (NamedTensors, NamedTensors) {
    let path = format!("wavlm/{form}/{file}");
    let library = LibraryConfig::open(&fixture(&format!("wavlm/{form}/config.json"))).unwrap();
    let (config, tensors) = wavlm::read(open(&path), Some(&library)).unwrap();
    assert_eq!(config, mini(), "{form}");
    assert_eq!(library.check(&config).unwrap(), 17, "{form}");
    (open(&path), tensors)
}

fn contents(kind: Kind, before: &NamedTensors, tensors: &NamedTensors) -> Contents {
    let names: BTreeSet<String> = before.names().map(str::to_owned).collect();
    Contents::of(kind, &names, tensors, &wavlm::spelled(&mini(), tensors))
}

#[test]
fn the_old_form_with_the_old_spelling() {
    let (before, tensors) = wavlm("legacy", "pytorch_model.bin");
    assert_eq!(before.format(), Some(FileFormat::TorchLegacy));
    let conv = "encoder.pos_conv_embed.conv";
    for name in tensors.names() {
        // The weights were made under today's names.
        let formula_name = match name.strip_prefix(&format!("{conv}.")) {
            Some("weight_g") => format!("{conv}.parametrizations.weight.original0"),
            Some("weight_v") => format!("{conv}.parametrizations.weight.original1"),
            _ => name.to_owned(),
        };
        assert_formula(&tensors, name, &formula_name);
    }
    let contents = contents(Kind::Wavlm, &before, &tensors);
    assert_eq!((contents.tensors, contents.taken), (tensors.len(), tensors.len() - 1));
    let [unused] = contents.ignored.as_slice() else { panic!("{:?}", contents.ignored) };
    assert_eq!((unused.count, unused.example.as_str(), unused.why), (1, "masked_spec_embed", "used in training only"));
    assert_eq!(contents.conversion(), "f32");
}

#[test]
fn a_file_that_was_saved_with_a_head() {
    let (before, tensors) = wavlm("zip", "pytorch_model.bin");
    assert_eq!(before.format(), Some(FileFormat::TorchZip));
    for name in tensors.names() {
        assert_formula(&tensors, name, name);
    }
    let contents = contents(Kind::Wavlm, &before, &tensors);
    assert_eq!(contents.tensors, contents.taken + 3);
    let head = &contents.ignored[0];
    assert_eq!((head.count, head.example.as_str()), (2, "classifier.bias"));
    assert!(head.why.contains("head"), "{}", head.why);
}

#[test]
fn half_precision_is_converted_without_loss() {
    let (before, tensors) = wavlm("safetensors", "model.safetensors");
    assert_eq!(before.format(), Some(FileFormat::Safetensors));
    for name in tensors.names() {
        let shape = tensors.shape(name).unwrap();
        let expected: Vec<f32> =
            formula::fill(SEED, name, shape).into_iter().map(|v| bf16::from_f32(v).to_f32()).collect();
        assert_eq!(bits(&tensors.get(name, shape).unwrap()), bits(&expected), "{name}");
    }
    let contents = contents(Kind::Wavlm, &before, &tensors);
    assert_eq!(contents.conversion(), "bf16, converted to f32 without loss");
}

#[test]
fn every_spelling_gives_one_parameter_count() {
    let expected: u64 = wavlm::parameters(&mini())
        .iter()
        .filter(|s| s.required)
        .map(|s| s.shape.iter().product::<usize>() as u64)
        .sum();
    for (form, file) in
        [("legacy", "pytorch_model.bin"), ("zip", "pytorch_model.bin"), ("safetensors", "model.safetensors")]
    {
        let (before, tensors) = wavlm(form, file);
        assert_eq!(contents(Kind::Wavlm, &before, &tensors).parameters, expected, "{form}");
    }
}

#[test]
fn what_lies_beside_the_weights_is_told_and_not_built() {
    let tensors = open("recorder_legacy.pth");
    assert_eq!((tensors.format(), tensors.nesting()), (Some(FileFormat::TorchLegacy), Some("state_dict")));
    let beside: Vec<(&str, &str)> = tensors.passed_over().iter().map(|p| (p.key.as_str(), p.what.as_str())).collect();
    assert_eq!(
        beside,
        [
            ("epoch", "a number"),
            ("best_acc", "a tensor"),
            ("optimizer", "a dict"),
            ("recorder", "an object of class checkpoints.RecorderMeter, not built"),
        ]
    );
    // The optimiser numbers parameters, buffers have no number.
    let stepped: Vec<&str> = tensors.stepped().unwrap().iter().map(String::as_str).collect();
    assert_eq!(stepped, ["module.bn1.weight", "module.conv1.weight"]);
    for name in tensors.names().filter(|name| !name.ends_with("num_batches_tracked")) {
        assert_formula(&tensors, name, name.strip_prefix("module.").unwrap());
    }
    assert_eq!(tensors.integers("module.bn1.num_batches_tracked", &[]).unwrap(), [0]);
    assert_eq!(tensors.len(), 6);
}

#[test]
fn views_and_element_types_of_the_old_form() {
    let tensors = open("kinds_legacy.pt");
    let at = |i: usize, j: usize, k: usize| (12 * i + 4 * j + k) as f32;
    let transposed = tensors.get("transposed", &[4, 2, 3]).unwrap();
    for (n, value) in transposed.iter().enumerate() {
        assert_eq!(*value, at(n / 3 % 2, n % 3, n / 6));
    }
    assert_eq!(tensors.get("column", &[2, 3]).unwrap(), [1.0, 5.0, 9.0, 13.0, 17.0, 21.0].as_slice());
    let whole: Vec<f32> = (0..24u8).map(f32::from).collect();
    assert_eq!(tensors.get("whole", &[2, 3, 4]).unwrap(), whole.as_slice());
    assert_eq!(tensors.get("half", &[2, 3, 4]).unwrap(), whole.as_slice());
    assert_eq!(tensors.integers("long", &[2]).unwrap(), [5, 6]);
    assert_eq!(tensors.integers("bool", &[2]).unwrap(), [1, 0]);
    for name in ["complex", "unsigned", "long"] {
        let shape = tensors.shape(name).unwrap();
        assert!(matches!(tensors.get(name, shape), Err(ModelError::TensorDtype { .. })), "{name}");
    }
}

#[test]
fn pickles_with_frames_in_the_old_form() {
    let tensors = open("protocol4_legacy.pt");
    assert_eq!((tensors.format(), tensors.nesting()), (Some(FileFormat::TorchLegacy), None));
    assert_formula(&tensors, "conv1.weight", "conv1.weight");
    assert!(tensors.stepped().is_none());
}

#[test]
fn wrappers_are_followed_and_unknown_ones_are_named() {
    let deep = open("deep.pt");
    assert_eq!(deep.nesting(), Some("checkpoint.model.state_dict"));
    assert_eq!(deep.passed_over().iter().map(|p| p.key.as_str()).collect::<Vec<_>>(), ["epoch"]);
    assert_formula(&deep, "conv1.weight", "conv1.weight");
    let error = NamedTensors::open(&fixture("unknown_nesting.pt")).unwrap_err().to_string();
    for part in [
        "unknown_nesting.pt",
        r#"keys: ["generator", "discriminator", "step"]"#,
        r#"tensors under ["generator", "discriminator"]"#,
        "torch.save(model.state_dict()",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn an_old_file_that_ends_early_is_refused_wherever_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    for name in ["recorder_legacy.pth", "kinds_legacy.pt", "wavlm/legacy/pytorch_model.bin"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for length in (0..whole.len()).step_by(37).chain(whole.len() - 20..whole.len()) {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = NamedTensors::open(&path).unwrap_err();
            assert!(matches!(error, ModelError::Format { .. }), "{name} cut to {length}: {error}");
            assert!(error.to_string().contains("fetch it again"), "{name} cut to {length}: {error}");
        }
    }
}

#[test]
fn changed_bytes_in_an_old_file_end_in_an_error_or_in_numbers() {
    let whole = std::fs::read(fixture("recorder_legacy.pth")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed");
    let read = |path: &Path| -> Result<(), ModelError> {
        let tensors = NamedTensors::open(path)?;
        for name in tensors.names() {
            let shape = tensors.shape(name).unwrap();
            if let Ok(values) = tensors.get(name, shape) {
                assert_eq!(values.len(), shape.iter().product::<usize>());
            }
        }
        Ok(())
    };
    let mut refused = 0;
    // The form has no checksums: this is about what a changed length, count or instruction may do.
    for at in 0..whole.len().min(4000) {
        let mut bytes = whole.clone();
        bytes[at] = [0, 0x7f, 0xff][at % 3];
        std::fs::write(&path, &bytes).unwrap();
        if let Err(error) = read(&path) {
            assert!(!error.to_string().contains('\n'), "{error}");
            refused += 1;
        }
    }
    assert!(refused > 300, "{refused}");
}
