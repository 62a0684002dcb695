//! Another bundle while the program runs.

use std::path::Path;

use crate::session::{Session, mien};
use crate::speech::{as_device, two_voices};

fn bundle(path: &Path, seed: &str) {
    let made = mien(&["bundle", "dry", "--seed", seed, "--out"]).arg(path).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn a_new_bundle_comes_into_use_between_utterances_and_a_broken_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (used, other) = (folder.path().join("bundle"), folder.path().join("other"));
    bundle(&used, "7");
    bundle(&other, "8");
    let sound = as_device(&two_voices(folder.path()));
    let args = ["--no-camera", "--microphone", &sound, "--bundle", used.to_str().unwrap()];
    let mut session = Session::start(&args, &[]);
    let before = session.records(1, 1)[0]["bundle"]["digest"].clone();

    std::fs::rename(&used, folder.path().join("old")).unwrap();
    std::fs::rename(&other, &used).unwrap();
    session.signal("HUP");
    let told = session.next("bundle", |line| line["event"]["kind"] == "bundle");
    assert_eq!(told["event"]["refused"], serde_json::Value::Null);
    let after = told["event"]["bundle"]["digest"].clone();
    assert_ne!(before, after);
    let record =
        session.next("a score of the new bundle", |line| line["revision"] == 2 && line["bundle"]["digest"] == after);
    assert_eq!(record["live"]["llm"], "done");

    // A bundle whose network was cut off in the copying: refused by its digest, the one before goes on.
    let network = std::fs::read_dir(&used).unwrap().map(|e| e.unwrap().path());
    let network = network.into_iter().find(|p| p.extension().is_some_and(|e| e == "onnx")).unwrap();
    let bytes = std::fs::read(&network).unwrap();
    std::fs::write(&network, &bytes[..bytes.len() / 2]).unwrap();
    session.signal("HUP");
    let told = session.next("bundle", |line| line["event"]["kind"] == "bundle");
    let name = network.file_name().unwrap().to_str().unwrap();
    assert!(told["event"]["refused"].as_str().unwrap().contains(name), "{told}");
    assert_eq!(told["event"]["bundle"]["digest"], after);
    let record = session.next("a score after the refusal", |line| line["revision"] == 1);
    assert_eq!(record["bundle"]["digest"], after);
    assert_eq!(session.stop().code, Some(0));
}
