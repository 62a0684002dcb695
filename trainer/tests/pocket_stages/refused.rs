//! What was changed, is missing or does not belong together is refused, and told.

use std::fs;
use std::process::{Command, Output};

use mien_trainer::pocket::corpus::{CorpusSettings, build};

use super::material::{copied, corpus, train, trained, tree};

fn command(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mien-train")).args(args).output().unwrap()
}

#[test]
fn a_changed_corpus_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("corpus");
    copied(&changed);
    let clip = fs::read_dir(changed.join("clips")).unwrap().next().unwrap().unwrap().path();
    let sound = clip.join("sound.wav");
    let mut bytes = fs::read(&sound).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&sound, bytes).unwrap();
    let out = folder.path().join("out");
    for stage in ["llama", "wavlm", "projector", "manet"] {
        let error = train(stage, &changed, &out).unwrap_err().to_string();
        assert!(error.contains(sound.to_str().unwrap()) && error.contains("sha256"), "{stage}: {error}");
    }
    let [corpus, out] = [&changed, &out].map(|path| path.to_str().unwrap());
    let output = command(&["pocket", "llama", "--corpus", corpus, "--out", out]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

#[test]
fn another_corpus_does_not_go_on_with_a_training() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("corpus");
    build(&CorpusSettings { seed: 6, clips: [2, 1, 1] }, &other, &|_| ()).unwrap();
    let out = folder.path().join("out");
    fs::create_dir_all(&out).unwrap();
    train("llama", corpus(), &out).unwrap();
    let error = train("llama", &other, &out).unwrap_err().to_string();
    assert!(error.contains("checkpoints") && error.contains("train into a new folder"), "{error}");
    let error = train("projector", &other, &out).unwrap_err().to_string();
    assert!(error.contains("wavlm") && error.contains("run `mien-train pocket wavlm` first"), "{error}");
}

#[test]
fn earlier_stages_must_be_there_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    for stage in ["llama", "wavlm"] {
        for (name, bytes) in tree(&trained().join(stage)) {
            let path = out.join(stage).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    let weights = out.join("wavlm/wavlm.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    let error = train("projector", corpus(), out).unwrap_err().to_string();
    assert!(error.contains("wavlm.safetensors") && error.contains("writes it anew"), "{error}");
    // As the error says.
    train("wavlm", corpus(), out).unwrap();
    assert_eq!(fs::read(&weights).unwrap(), fs::read(trained().join("wavlm/wavlm.safetensors")).unwrap());
    fs::write(out.join("llama/stage.toml"), "schema = 7").unwrap();
    let error = train("projector", corpus(), out).unwrap_err().to_string();
    assert!(error.contains("stage.toml"), "{error}");
}

#[test]
fn a_command_trains_and_tells_what_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let [corpus, out] = [corpus(), folder.path()].map(|path| path.to_str().unwrap());
    let output = command(&["pocket", "llama", "--corpus", corpus, "--out", out, "--steps", "2"]);
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(printed.contains("llama 2/2  loss") && printed.contains("perplexity_by_counts"), "{printed}");
    assert!(printed.contains("llm.gguf"), "{printed}");
    let output = command(&["pocket", "projector", "--corpus", corpus, "--out", out]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}
