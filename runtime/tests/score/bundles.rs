//! Faults in a bundle: exit code 5, before anything is parsed.

use std::path::{Path, PathBuf};

use mien_models::bundle::seal;

use crate::material::{Material, SPEECH, command, mien};

fn dry(material: &Material) -> PathBuf {
    let path = material.path("dry");
    let run = mien(&["bundle", "dry", "--out", path.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    path
}

fn score(bundle: &Path) -> crate::material::Run {
    mien(&["score", SPEECH, "--json", "--bundle", bundle.to_str().unwrap()])
}

#[test]
fn a_dry_bundle_verifies_and_says_what_it_is() {
    let material = Material::new();
    let path = dry(&material);
    let path = path.to_str().unwrap();
    let verified = mien(&["bundle", "verify", path]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    let info = mien(&["bundle", "info", path, "--json"]);
    assert_eq!(info.code, 0, "{}", info.stderr);
    let object: serde_json::Value = serde_json::from_str(&info.stdout).unwrap();
    assert_eq!(object["manifest"]["trained"], false);
    let again = Material::new();
    let twin = dry(&again);
    let twin = mien(&["bundle", "info", twin.to_str().unwrap(), "--json"]);
    let twin: serde_json::Value = serde_json::from_str(&twin.stdout).unwrap();
    assert_eq!(object["digest"], twin["digest"], "the same seed makes the same bundle");
    assert!(
        verified.stdout.starts_with(&format!("manifest.toml holds  sha256 {}", object["digest"].as_str().unwrap()))
    );
}

#[test]
fn a_flipped_byte_in_any_file_is_found() {
    let material = Material::new();
    let bundle = dry(&material);
    let files: Vec<_> = std::fs::read_dir(&bundle).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        let whole = std::fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x10;
        std::fs::write(&file, &flipped).unwrap();
        let run = score(&bundle);
        let error = run.error(5);
        assert!(error.contains(file.file_name().unwrap().to_str().unwrap()), "{error}");
        assert_eq!(run.stdout, "");
        std::fs::write(&file, &whole).unwrap();
    }
    assert_eq!(score(&bundle).code, 0, "the restored bundle works");
}

#[test]
fn manifest_faults_are_named() {
    let material = Material::new();
    let bundle = dry(&material);
    let manifest = bundle.join("manifest.toml");
    let good = std::fs::read_to_string(&manifest).unwrap();
    let with = |text: String| {
        std::fs::write(&manifest, seal(&text)).unwrap();
        score(&bundle).error(5)
    };
    assert!(with(format!("{good}[surprise]\n")).contains("surprise"));
    assert!(with(good.replacen("trained = false", "trained = \"no\"", 1)).contains("trained"));
    assert!(with(good.replacen("schema = 2", "schema = 99", 1)).contains("schema"));
    assert!(with("not toml at all [".into()).contains("manifest.toml"));
    // A manifest that was changed by hand is told, and sealed where it was meant.
    std::fs::write(&manifest, good.replacen("version = \"", "version = \"my ", 1)).unwrap();
    assert!(score(&bundle).error(5).contains("mien bundle seal"));
    assert_eq!(mien(&["bundle", "seal", bundle.to_str().unwrap()]).code, 0);
    assert_eq!(score(&bundle).code, 0);
    std::fs::remove_file(&manifest).unwrap();
    assert!(score(&bundle).error(5).contains("manifest.toml"));
    assert!(mien(&["score", SPEECH, "--bundle", "/nonexistent"]).error(5).contains("nonexistent"));
}

#[test]
fn a_missing_file_is_found() {
    let material = Material::new();
    let bundle = dry(&material);
    let weights = bundle.join("wavlm.weights");
    std::fs::remove_file(&weights).unwrap();
    assert!(score(&bundle).error(5).contains("wavlm.weights"));
}

#[test]
fn a_damaged_bundle_fails_verification_even_if_nobody_reads_the_report() {
    let material = Material::new();
    let bundle = dry(&material);
    std::fs::write(bundle.join("wavlm.weights"), b"short").unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(&["bundle", "verify", bundle.to_str().unwrap()]).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let run = mien(&["bundle", "verify", bundle.to_str().unwrap()]);
    assert!(run.stdout.contains("DIFFERS"), "{}", run.stdout);
    assert!(run.error(5).contains("wavlm.weights"));
}

#[test]
fn an_empty_variable_means_no_variable_and_a_wrong_one_is_an_error() {
    let run = |value: &str| command(&["score", SPEECH, "--no-llm"]).env("MIEN_BUNDLE", value).output().unwrap();
    assert_eq!(run("").status.code(), Some(0));
    assert_eq!(run("/nonexistent").status.code(), Some(5));
}

#[test]
fn a_bundle_travels_as_one_file() {
    let material = Material::new();
    let bundle = dry(&material);
    let text = |name: &str| material.path(name).to_str().unwrap().to_owned();
    let run = mien(&["bundle", "export", bundle.to_str().unwrap(), &text("b.tar"), "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let made = &run.lines()[0];
    let run = mien(&["bundle", "import", &text("b.tar"), &text("installed"), "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.lines()[0]["digest"], made["digest"]);
    let records = |bundle: &Path| score(bundle).records();
    assert_eq!(records(&bundle), records(&material.path("installed")));
    // Faults: exit code 5, one line, and what was installed stays.
    assert!(
        mien(&["bundle", "export", bundle.to_str().unwrap(), &text("b.tar")]).error(5).contains("expected nothing")
    );
    let whole = std::fs::read(material.path("b.tar")).unwrap();
    std::fs::write(material.path("half.tar"), &whole[..whole.len() / 2]).unwrap();
    let error = mien(&["bundle", "import", &text("half.tar"), &text("installed")]).error(5);
    assert!(error.contains("half.tar") && error.contains("not copied whole"), "{error}");
    assert_eq!(mien(&["bundle", "verify", &text("installed")]).code, 0);
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_half_of_nothing() {
    let material = Material::new();
    let bundle = dry(&material);
    let text = |name: &str| material.path(name).to_str().unwrap().to_owned();
    let run = mien(&["bundle", "export", bundle.to_str().unwrap(), &text("b.tar")]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for arguments in
        [["export", bundle.to_str().unwrap(), &text("c.tar")], ["import", &text("b.tar"), &text("installed")]]
    {
        // A limit on file sizes stands in for a full disk: the write fails in the middle, with an error and not a signal.
        let output = std::process::Command::new("bash")
            .args(["-c", r#"trap '' XFSZ; ulimit -f 2000; exec "$0" bundle "$@""#, env!("CARGO_BIN_EXE_mien")])
            .args(arguments)
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(5), "{told}");
        assert!(told.contains("cannot write") && told.contains("disk has room"), "{told}");
        let folder = material.path("b.tar").parent().unwrap().to_owned();
        let left: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        let half = |name: &str| name.contains("c.tar") || name.contains("installed") || name.starts_with(".writing");
        assert!(left.iter().all(|name| !half(&name.to_string_lossy())), "{left:?}");
    }
}
