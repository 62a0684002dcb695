//! Bundles that come out right.

use half::f16;
use mien_models::bundle::{Bundle, Manifest, Role};
use mien_models::llama::{GgufHeader, PROMPT, SHORT_PROMPT};
use mien_models::tensor::NamedTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::split::{Told, split};
use super::{NETWORKS, Place};

fn manifest(place: &Place, name: &str) -> Manifest {
    Bundle::open(&place.path(name)).unwrap().manifest().clone()
}

/// Roles of graphs and weights with their digests.
fn graphs(manifest: &Manifest) -> Vec<(Role, String)> {
    let mut graphs: Vec<_> = manifest
        .files
        .iter()
        .filter(|file| !matches!(file.role, Role::Llm | Role::Licence | Role::FaceDetector))
        .map(|file| (file.role, file.sha256.to_string()))
        .collect();
    graphs.sort();
    graphs
}

#[test]
fn a_bundle_from_checkpoints_has_the_graphs_of_the_weights_in_them() {
    let place = Place::new();
    let llm = place.text("dry/llm.gguf");
    let told = place.built("made", &["--llm", &llm]);
    let made = manifest(&place, "made");
    assert_eq!(graphs(&made), graphs(&place.dry), "formula weights through files or directly");
    assert_eq!(made.llm, place.dry.llm);
    assert_eq!(
        (&made.wavlm, &made.manet, &made.projector, &made.fusion, &made.method),
        (&place.dry.wavlm, &place.dry.manet, &place.dry.projector, &place.dry.fusion, &place.dry.method)
    );
    assert!(made.memory.with_llm > Some(made.memory.without_llm));
    for part in [
        "WavLM, 4 blocks of width 64",
        "MA-Net, stem of 8 channels",
        "SLAM-ASR projector, 5 frames of 64",
        "mia = on, mia_residual = text",
        "GGUF llama, 6 blocks of width 64",
        "masked_spec_embed: used in training only",
        "7 such as fc_out_e.bias: declared by the authors' code, read by nothing",
        "17 keys agree with the tensors",
        "588 of 692 tensors",
        "104 such as bn1.num_batches_tracked: counters, not used at inference",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // The same files give the same bundle.
    place.built("again", &["--llm", &llm]);
    let digest = |name: &str| Bundle::open(&place.path(name)).unwrap().digest().to_owned();
    assert_eq!(digest("made"), digest("again"));
}

#[test]
fn prefixes_heads_and_other_parts_make_no_difference() {
    let place = Place::new();
    place.built("plain", &[]);
    place.write("wavlm", "wavlm.", &[("classifier.weight", &[3, 4]), ("classifier.bias", &[3])]);
    place.write("manet", "module.", &[]);
    place.write("projector", "encoder_projector.", &[("llm.lora_A.weight", &[2, 2])]);
    place.write("fusion", "module.model.", &[]);
    let told = place.built("wrapped", &["--json"]);
    assert_eq!(graphs(&manifest(&place, "wrapped")), graphs(&manifest(&place, "plain")));
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let ignored = |part: usize| told["parts"][part]["ignored"].to_string();
    assert!(ignored(0).contains("\"count\":2") && ignored(0).contains("head"), "{}", ignored(0));
    assert!(ignored(2).contains("trained along with the projector"), "{}", ignored(2));
    assert_eq!(told["parts"][3]["taken"], 99);
    assert_eq!(told["parts"][0]["types"]["f32"], told["parts"][0]["taken"]);
}

#[test]
fn half_precision_becomes_the_same_numbers_in_f32() {
    let place = Place::new();
    // The same rounded numbers in two types.
    let rounded = |network: &str, dtype: Dtype| {
        let specs = place.specs(network);
        let formula = NamedTensors::formula(super::SEED, &specs);
        let stored: Vec<(String, Vec<usize>, Vec<u8>)> = specs
            .iter()
            .map(|spec| {
                let halves =
                    formula.get(&spec.name, &spec.shape).unwrap().iter().map(|v| f16::from_f32(*v)).collect::<Vec<_>>();
                let bytes = match dtype {
                    Dtype::F16 => halves.iter().flat_map(|h| h.to_le_bytes()).collect(),
                    _ => halves.iter().flat_map(|h| h.to_f32().to_le_bytes()).collect(),
                };
                (spec.name.clone(), spec.shape.clone(), bytes)
            })
            .collect();
        let views =
            stored.iter().map(|(name, shape, bytes)| (name, TensorView::new(dtype, shape.clone(), bytes).unwrap()));
        safetensors::serialize_to_file(views, None, &place.checkpoint(network)).unwrap();
    };
    NETWORKS.iter().for_each(|network| rounded(network, Dtype::F32));
    place.built("f32", &[]);
    NETWORKS.iter().for_each(|network| rounded(network, Dtype::F16));
    let told = place.built("f16", &[]);
    assert_eq!(graphs(&manifest(&place, "f16")), graphs(&manifest(&place, "f32")));
    assert_eq!(told.matches("f16, converted to f32 without loss").count(), 4, "{told}");
}

#[test]
fn nothing_is_claimed_that_was_not_said() {
    let place = Place::new();
    let told = place.built("made", &[]);
    let made = manifest(&place, "made");
    assert!(!made.trained && made.statement.contains("scores mean nothing"));
    assert!(told.contains("NOTE: weights that nobody has vouched for"), "{told}");
    assert_eq!(made.file(Role::Llm), None);
    assert_eq!(made.memory.with_llm, None);
    // Networks that are not as large as the published ones are not said to be them.
    for role in [Role::Wavlm, Role::Manet, Role::Projector, Role::Fusion] {
        let file = made.file(role).unwrap();
        assert_eq!(file.licence, "unknown; see the source", "{role}");
        assert!(file.source.starts_with("not stated; file ") && file.source.contains("sha256 "), "{}", file.source);
        assert!(!file.source.contains(&place.text("")), "this machine's folders stay out of it");
    }

    let said =
        ["--trained", "--name", "ours", "--bundle-version", "3", "--licence", "wavlm=MIT", "--source", "wavlm=a shop"];
    place.built("made", &said);
    let made = manifest(&place, "made");
    assert_eq!((made.trained, made.statement.as_str()), (true, ""));
    assert_eq!((made.name.as_str(), made.version.as_str()), ("ours", "3"));
    for role in [Role::Wavlm, Role::WavlmWeights] {
        let file = made.file(role).unwrap();
        assert_eq!(file.licence, "MIT");
        assert!(file.source.starts_with("a shop; file wavlm.safetensors, sha256 "), "{}", file.source);
    }
    assert_eq!(made.file(Role::Manet).unwrap().licence, "unknown; see the source");
    assert!(place.path("made.previous/manifest.toml").exists());
}

#[cfg(unix)]
#[test]
fn the_language_model_is_linked_copied_or_left_where_it_is() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let llm = place.path("dry/llm.gguf");
    // As download caches keep files: under a link.
    let link = place.text("linked.gguf");
    std::os::unix::fs::symlink(&llm, &link).unwrap();
    let inode = |path: &std::path::Path| std::fs::symlink_metadata(path).unwrap().ino();
    place.built("second", &["--llm", &link]);
    assert_eq!(inode(&place.path("second/llm.gguf")), inode(&llm));
    place.built("copied", &["--llm", &link, "--llm-place", "copy"]);
    assert_ne!(inode(&place.path("copied/llm.gguf")), inode(&llm));
    let told = place.built("outside", &["--llm", &link, "--llm-place", "outside"]);
    assert!(told.contains("it stays at"), "{told}");
    let outside = manifest(&place, "outside");
    assert_eq!(outside.file(Role::Llm).unwrap().path.as_str(), std::fs::canonicalize(&llm).unwrap().to_str().unwrap());
    let digests: std::collections::BTreeSet<_> = ["second", "copied", "outside"]
        .map(|name| manifest(&place, name).file(Role::Llm).unwrap().sha256.to_string())
        .into();
    assert_eq!(digests.len(), 1);
}

#[test]
fn the_imagination_blocks_follow_the_file_and_the_option() {
    let place = Place::new();
    let mia = |name: &str| manifest(&place, name).fusion.mia;
    place.built("on", &[]);
    place.built("off", &["--mia", "off"]);
    assert_ne!(mia("on"), mia("off"));
    let told = place.built("off", &["--mia", "off"]);
    assert!(told.contains("as was asked for, though") && told.contains("83 of 106 tensors"), "{told}");
    assert!(told.contains("16 such as missing_cross_text_query_imagination_mlp"), "{told}");
    place.built("copy", &["--mia-residual", "transition"]);
    assert_ne!(manifest(&place, "copy").fusion.mia_residual, manifest(&place, "on").fusion.mia_residual);
}

#[test]
fn the_prompt_is_that_of_the_option() {
    let place = Place::new();
    let llm = place.text("dry/llm.gguf");
    let cases = [
        ("long", PROMPT),
        ("short", SHORT_PROMPT),
        ("[INST] Say it again.\\n [/INST]", "[INST] Say it again.\n [/INST]"),
    ];
    for (number, (option, expected)) in cases.into_iter().enumerate() {
        let name = number.to_string();
        place.built(&name, &["--llm", &llm, "--prompt", option]);
        assert_eq!(manifest(&place, &name).method.prompt, expected, "{option}");
    }
}

#[test]
fn wrapped_weights_make_the_same_bundle() {
    let place = Place::new();
    place.built("plain", &[]);
    NETWORKS.iter().for_each(|network| place.write(network, "module._orig_mod.", &[]));
    let told = place.built("wrapped", &[]);
    assert_eq!(told.matches("prefixes of wrappers were taken off names: _orig_mod.").count(), NETWORKS.len(), "{told}");
    assert_eq!(graphs(&manifest(&place, "wrapped")), graphs(&manifest(&place, "plain")));
}

#[test]
fn a_language_model_in_parts_is_read_by_its_first_and_merged() {
    let place = Place::new();
    let whole = place.path("dry/llm.gguf");
    let count = GgufHeader::read(&whole).unwrap().tensors().len();
    let told = Told { count: 2, tensors: count as i32 };
    let parts = split(&whole, "model", &[0..3, 3..count], told);
    let parts: Vec<String> = parts.iter().map(|part| part.display().to_string()).collect();
    let said = place.built("merged", &["--llm", &parts[0]]);
    assert!(said.contains("its 2 parts merged"), "{said}");
    place.built("whole", &["--llm", &place.text("dry/llm.gguf")]);
    let digest = |name: &str| manifest(&place, name).file(Role::Llm).unwrap().sha256.to_string();
    assert_eq!(digest("merged"), digest("whole"));
    for (code, more, expected) in [
        (5, ["--llm", parts[1].as_str(), "--llm-place", "copy"], "give the first part"),
        (3, ["--llm", parts[0].as_str(), "--llm-place", "outside"], "names one file outside"),
    ] {
        let said = place.refused(code, None, &more);
        assert!(said.contains(expected), "{said}");
    }
    std::fs::remove_file(&parts[1]).unwrap();
    let said = place.refused(3, None, &["--llm", &parts[0]]);
    assert!(said.contains("model-00002-of-00002.gguf") && said.contains("part 2 of 2 is missing"), "{said}");
}
