//! `mien-train quantize-gguf`, as a user runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mien_models::llama::{LlamaConfig, SpmVocabulary, parameters, write_gguf};
use mien_models::tensor::NamedTensors;
use serde_json::Value;

/// A folder with a llama whose rows are whole blocks of every type.
fn with_llama() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let config = LlamaConfig {
        vocab_size: 320,
        hidden_size: 256,
        intermediate_size: 512,
        layers: 4,
        heads: 4,
        kv_heads: 2,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        context_length: 512,
    };
    let path = folder.path().join("float.gguf");
    let tensors = NamedTensors::formula(7, &parameters(&config));
    write_gguf(&path, &config, &SpmVocabulary::tiny(config.vocab_size).unwrap(), &tensors, "formula llama").unwrap();
    (folder, path)
}

fn run(input: &Path, output: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mien-train"));
    command.arg("quantize-gguf").arg(input).arg(output).args(more).output().unwrap()
}

/// The one line of a run that must have ended with `code` and left nothing beside `input`.
fn refused(output: &Output, code: i32, folder: &Path, left: usize) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.starts_with("mien-train: ") && said.trim_end().lines().count() == 1, "{said}");
    let names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), left, "{names:?}");
    said
}

#[test]
fn a_smaller_model_is_told_with_what_it_lost() {
    let (folder, input) = with_llama();
    let output = folder.path().join("small.gguf");
    let said = run(&input, &output, &["--type", "q4_k_m", "--compare", "he said it twice", "--json"]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let told: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(told["bytes"], std::fs::metadata(&output).unwrap().len());
    assert!(told["elements"]["Q4_K"].as_u64() > Some(10), "{told}");
    let cosine = told["hidden_states"]["cosine"].as_f64().unwrap();
    assert!((0.9..1.0).contains(&cosine), "{told}");

    let said = run(&input, &folder.path().join("8.gguf"), &["--type", "q8_0", "--compare", "he said it twice"]);
    let told = String::from_utf8(said.stdout).unwrap();
    assert!(told.contains("q8_0") && told.contains("Q8_0") && told.contains("cosine 0.99"), "{told}");
}

#[test]
fn bad_input_is_told_in_one_line() {
    let (folder, input) = with_llama();
    let (output, place) = (folder.path().join("out.gguf"), folder.path());
    let text = place.join("notes.gguf");
    std::fs::write(&text, "no model at all").unwrap();
    let said = refused(&run(&text, &output, &["--type", "q4_0"]), 3, place, 2);
    assert!(said.contains("notes.gguf") && said.contains("expected GGUF"), "{said}");
    let said = refused(&run(&place.join("none.gguf"), &output, &["--type", "q4_0"]), 3, place, 2);
    assert!(said.contains("none.gguf"), "{said}");
    let said = refused(&run(&input, &input, &["--type", "q4_0"]), 3, place, 2);
    assert!(said.contains("give another name"), "{said}");

    assert!(run(&input, &output, &["--type", "q8_0"]).status.success());
    let again = place.join("again.gguf");
    let said = refused(&run(&output, &again, &["--type", "q4_0"]), 5, place, 3);
    assert!(said.contains("quantised already (Q8_0)"), "{said}");
    let said = run(&input, &again, &["--type", "q4_k_s"]);
    assert_eq!(said.status.code(), Some(2));
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("expected q4_k_m, q4_0 or q8_0, found \"q4_k_s\""), "{said}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_what_was_there() {
    let (folder, input) = with_llama();
    let output = folder.path().join("out.gguf");
    std::fs::write(&output, "what stood there").unwrap();
    for kilobytes in [1, 64, 900] {
        // A limit on file sizes stands in for a full disk: the write fails in the middle, with an error and not a signal.
        let script = format!(r#"trap '' XFSZ; ulimit -f {kilobytes}; exec "$0" "$@""#);
        let mut command = Command::new("bash");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_mien-train"), "quantize-gguf"]);
        let said = command.arg(&input).arg(&output).args(["--type", "q4_0"]).output().unwrap();
        let said = refused(&said, 1, folder.path(), 2);
        assert!(said.contains("out.gguf") && said.contains("disk has room"), "{said}");
        assert_eq!(std::fs::read(&output).unwrap(), b"what stood there");
    }
    assert!(run(&input, &output, &["--type", "q4_0"]).status.success());
}
