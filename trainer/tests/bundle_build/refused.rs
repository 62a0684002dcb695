//! Files that hold something else, are damaged, or do not fit each other.

use std::fs;
use std::path::{Path, PathBuf};

use mien_models::llama::{LlamaConfig, SpmVocabulary, parameters, write_gguf};
use mien_models::projector::{self, ProjectorConfig};
use mien_models::tensor::{NamedTensors, write_safetensors};
use safetensors::tensor::{Dtype, TensorView};

use super::{NETWORKS, Place};

/// What a tensor is to hold instead of zeros, by its name.
type Change<'a> = dyn Fn(&str) -> Option<(Dtype, Vec<u8>)> + 'a;

/// A file that PyTorch wrote, of the tests of mien-models.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models/tests/fixtures/checkpoints").join(name)
}

#[test]
fn the_checkpoint_of_another_network_is_named() {
    let place = Place::new();
    for expected in NETWORKS {
        for given in NETWORKS.into_iter().filter(|given| *given != expected) {
            let path = place.checkpoint(given);
            let said = place.refused(3, Some((expected, &path)), &[]);
            let name = |network| match network {
                "wavlm" => "WavLM (",
                "manet" => "MA-Net (",
                "projector" => "a SLAM-ASR projector (",
                _ => "a fusion network (",
            };
            let told = (format!("it holds {}", name(given)), format!("expected {}", name(expected)));
            assert!(said.contains(&told.0) && said.contains(&told.1), "{said}");
            assert!(said.contains(&path.display().to_string()), "{said}");
        }
        // A language model in a network's place, and a network in the language model's.
        let said = place.refused(3, Some((expected, &place.path("dry/llm.gguf"))), &[]);
        assert!(said.contains("it is a GGUF language model"), "{said}");
    }
    let said = place.refused(3, None, &["--llm", &place.text("wavlm.safetensors")]);
    assert!(said.contains("not a readable GGUF file"), "{said}");
    let said = place.refused(3, None, &["--llm", fixture("wavlm/zip/pytorch_model.bin").to_str().unwrap()]);
    assert!(said.contains("zip archive") && said.contains(".gguf"), "{said}");
}

#[test]
fn half_downloaded_files_of_every_form_are_told() {
    let place = Place::new();
    let cut = |from: &Path, name: &str| {
        let whole = fs::read(from).unwrap();
        let path = place.path(name);
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        path
    };
    for (form, expected) in [
        ("wavlm/zip/pytorch_model.bin", "no complete zip archive"),
        ("wavlm/legacy/pytorch_model.bin", "it ends in storage"),
        ("wavlm/safetensors/model.safetensors", "the header describes"),
    ] {
        let path = cut(&fixture(form), "cut.bin");
        let said = place.refused(3, Some(("wavlm", &path)), &[]);
        assert!(said.contains(expected) && said.contains("fetch it again"), "{form}: {said}");
    }
    let llm = cut(&place.path("dry/llm.gguf"), "cut.gguf");
    let said = place.refused(3, None, &["--llm", llm.to_str().unwrap()]);
    assert!(said.contains("cut short"), "{said}");
    for (bytes, expected) in [
        (&b"<!DOCTYPE html>\n<html><title>Sign in</title>"[..], "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
        (b"{\"error\": \"not found\"}", "JSON"),
        (b"", "0 bytes"),
    ] {
        let path = place.path("not.bin");
        fs::write(&path, bytes).unwrap();
        let said = place.refused(3, Some(("manet", &path)), &[]);
        assert!(said.contains(expected) && said.contains("not.bin"), "{said}");
        if !bytes.is_empty() {
            let said = place.refused(3, None, &["--llm", path.to_str().unwrap()]);
            assert!(said.contains(expected) && said.contains("expected GGUF"), "{said}");
        }
    }
}

#[test]
fn wrong_weights_are_named_by_their_tensor() {
    let place = Place::new();
    let with = |change: &Change<'_>| {
        let specs = place.specs("projector");
        let stored: Vec<_> = specs
            .iter()
            .map(|spec| {
                let elements = spec.shape.iter().product::<usize>();
                let (dtype, bytes) = change(&spec.name).unwrap_or((Dtype::F32, vec![0; 4 * elements]));
                (spec.name.clone(), dtype, spec.shape.clone(), bytes)
            })
            .collect();
        let views = stored
            .iter()
            .map(|(name, dtype, shape, bytes)| (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
        let path = place.path("changed.safetensors");
        safetensors::serialize_to_file(views, None, &path).unwrap();
        place.refused(3, Some(("projector", &path)), &[])
    };
    let hidden = place.dry.projector.hidden;
    let said = with(&|name| (name == "linear1.bias").then(|| (Dtype::I64, vec![0; 8 * hidden])));
    assert!(said.contains("tensor linear1.bias has element type i64, expected f32, f16 or bf16"), "{said}");
    let said = with(&|name| (name == "linear1.bias").then(|| (Dtype::F32, f32::NAN.to_le_bytes().repeat(hidden))));
    assert!(said.contains("linear1.bias holds NaN at index 0"), "{said}");
}

#[test]
fn an_unknown_nesting_and_the_original_release_say_what_to_do() {
    let place = Place::new();
    let said = place.refused(3, Some(("manet", &fixture("unknown_nesting.pt"))), &[]);
    assert!(said.contains("\"generator\", \"discriminator\", \"step\""), "{said}");
    let original = place.path("original.safetensors");
    let names = ["encoder.pos_conv.0.weight_g", "encoder.layers.0.self_attn.grep_linear.weight"];
    let specs: Vec<_> = names.map(|name| mien_models::tensor::TensorSpec::required(name, [2, 2])).into();
    write_safetensors(&original, &NamedTensors::formula(7, &specs), &specs, &Default::default()).unwrap();
    let said = place.refused(3, Some(("wavlm", &original)), &[]);
    assert!(said.contains("fairseq-style") && said.contains("pytorch_model.bin"), "{said}");
}

#[test]
fn networks_that_do_not_meet_are_both_named() {
    let place = Place::new();
    // The projector of HuBERT-XL.
    let hubert = ProjectorConfig { k: 5, encoder_width: 1280, hidden: 8, llm_width: 64 };
    let write = |config: &ProjectorConfig| {
        let path = place.path("other.safetensors");
        let specs = projector::parameters(config);
        write_safetensors(&path, &NamedTensors::formula(7, &specs), &specs, &Default::default()).unwrap();
        path
    };
    let said = place.refused(3, Some(("projector", &write(&hubert))), &[]);
    assert!(said.contains("HuBERT-XL") && said.contains("take the projector that was trained with WavLM"), "{said}");
    // One for another language model.
    let wider = ProjectorConfig { llm_width: 72, ..place.dry.projector.clone() };
    let said = place.refused(3, Some(("projector", &write(&wider))), &[]);
    for part in
        ["fusion.safetensors", "frame_dim_reshape_1.weight takes text rows of 64", "other.safetensors gives rows of 72"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_language_model_of_another_width_is_refused() {
    let place = Place::new();
    let config = LlamaConfig {
        vocab_size: 320,
        hidden_size: 32,
        intermediate_size: 80,
        layers: 4,
        heads: 4,
        kv_heads: 4,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        context_length: 4096,
    };
    let path = place.path("narrow.gguf");
    let tensors = NamedTensors::formula(7, &parameters(&config));
    write_gguf(&path, &config, &SpmVocabulary::tiny(config.vocab_size).unwrap(), &tensors, "narrow").unwrap();
    let said = place.refused(5, None, &["--llm", path.to_str().unwrap()]);
    for part in
        ["narrow.gguf", "llama.embedding_length is 32", "expected 64", "projector.safetensors", "was trained with"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn options_are_held_against_the_files() {
    let place = Place::new();
    place.write_library(|keys| drop(keys.insert("hidden_size".into(), 1024.into())));
    let said = place.refused(3, None, &[]);
    assert!(said.contains("config.json") && said.contains("hidden_size is 1024, expected 64"), "{said}");
    // Another file may be named instead.
    let beside = place.path("config.json");
    place.write_library(|_| {});
    fs::rename(&beside, place.path("right.json")).unwrap();
    let said = place.refused(3, None, &[]);
    assert!(said.contains("32 buckets") && said.contains("config.json"), "{said}");
    place.built("made", &["--wavlm-config", &place.text("right.json")]);
    fs::rename(place.path("right.json"), &beside).unwrap();

    let arguments = place.arguments("never", None);
    let without_layer: Vec<String> = arguments[..arguments.len() - 2].to_vec();
    let output = place.run(&without_layer, &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("--audio-layer") && said.contains("has 4 blocks"), "{said}");
    let output = place.run(&without_layer, &["--audio-layer", "5"]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("expected 0 to 4"));

    for (option, value) in [("--licence", "face=MIT"), ("--licence", "wavlm"), ("--source", "wavlm= ")] {
        let output = place.run(&arguments, &[option, value]);
        assert_eq!(output.status.code(), Some(2), "{option} {value}");
    }
    let said = place.refused(2, None, &["--statement", " "]);
    assert!(said.contains("must say something"), "{said}");
    let said = place.refused(3, Some(("fusion", Path::new("no/such/file.pt"))), &[]);
    assert!(said.contains("no/such/file.pt: cannot read"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing() {
    let place = Place::new();
    // A limit on file sizes stands in for a full disk: the write fails in the middle, with an error and not a signal.
    let script = r#"trap '' XFSZ; ulimit -f 100; exec "$0" "$@""#;
    let output = std::process::Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_mien-train")])
        .args(place.arguments("never", None))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write") && said.contains("disk has room"), "{said}");
    let left: Vec<_> = fs::read_dir(place.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("never")), "{left:?}");
}
