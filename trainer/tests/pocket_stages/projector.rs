//! `mien-train projector`: a projector between any WavLM and any llama; here those of the small stages.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use burn::tensor::{DType, Device};
use mien_models::llama::{
    Llama as OnDevice, LlamaRequirement, LlamaSettings, PROMPT, QuantisedType, SpmVocabulary, quantise_gguf, read_gguf,
    write_gguf,
};
use mien_models::projector::{ProjectorConfig, read};
use mien_models::tensor::NamedTensors;
use mien_models::wavlm::{LibraryConfig, Wavlm, build_fused};
use mien_trainer::course::Finished;
use mien_trainer::networks::{Llama, Mode, Projector, Prompted};
use mien_trainer::train::{ProjectorStage, Stage};

use super::material::{corpus, trained, tree};

fn wavlm() -> PathBuf {
    trained().join("wavlm/wavlm.safetensors")
}

fn llm() -> PathBuf {
    trained().join("llama/llm.gguf")
}

/// The command into `out`, with other options than usual, or more. A step takes all eight clips of train.
fn command(out: &Path, others: &[(&str, &str)]) -> Command {
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    let mut options = BTreeMap::from([
        ("--clips", text(list())),
        ("--wavlm", text(wavlm())),
        ("--llm", text(llm())),
        ("--out", text(out.to_owned())),
    ]);
    let usual = [
        ("--hidden", "48"),
        ("--measured", "2"),
        ("--steps", "24"),
        ("--batch", "8"),
        ("--rate", "1e-2"),
        ("--warmup", "4"),
        ("--measure-every", "10"),
        ("--checkpoint-every", "5"),
    ];
    options.extend(usual.iter().chain(others).map(|(name, value)| (*name, (*value).to_owned())));
    let mut command = Command::new(env!("CARGO_BIN_EXE_mien-train"));
    command.arg("projector").args(options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
    command
}

fn list() -> PathBuf {
    corpus().join("list.csv")
}

fn refused(code: i32, output: &Output, words: &[&str]) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    for word in words {
        assert!(told.contains(word), "{word:?} is not in {told}");
    }
}

/// Losses in the log of `out`.
fn losses(out: &Path) -> Vec<f64> {
    let text = fs::read_to_string(out.join("log.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter_map(|line| line["loss"].as_f64()).collect()
}

/// The loss of the first step by the device's WavLM and tokens, on every clip of train.
fn first_loss() -> f64 {
    let library = LibraryConfig::open(&trained().join("wavlm/config.json")).unwrap();
    let (sizes, tensors) = mien_models::wavlm::read(NamedTensors::open(&wavlm()).unwrap(), Some(&library)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let graph = folder.path().join("wavlm.onnx");
    build_fused(&sizes, &tensors, &[sizes.layers], &graph).unwrap();
    let ear = Wavlm::load(&graph, &sizes, sizes.layers).unwrap();
    let mut ear = ear.session().unwrap();
    let settings = LlamaSettings { n_threads: 1, n_ctx: 512, n_batch: 512, ..Default::default() };
    let (config, weights) = read_gguf(&llm()).unwrap();
    let tokens = OnDevice::load(&llm(), &LlamaRequirement::width(config.hidden_size), &settings).unwrap();
    let tokens =
        |text: &str| -> Vec<u32> { tokens.tokenize(text).unwrap().iter().map(|t| t.cast_unsigned()).collect() };
    let (mut frames, mut transcripts) = (Vec::new(), Vec::new());
    for clip in mien_trainer::pocket::clips::Clips::open(corpus()).unwrap().of(mien_trainer::data::Split::Train) {
        frames.push(ear.run(&clip.samples().unwrap()).unwrap().last.into_data());
        transcripts.push([&tokens(&clip.transcript)[1..], &[2]].concat());
    }
    let device = Device::flex().autodiff();
    let sizes = ProjectorConfig { k: 5, encoder_width: sizes.hidden, hidden: 48, llm_width: config.hidden_size };
    let initial = Projector::initial(&sizes, 1).unwrap();
    let stage = ProjectorStage {
        projector: Projector::new(&sizes, &initial, Mode::Learns, &device, DType::F32).unwrap(),
        llama: Llama::new(&config, &weights, Mode::Frozen, &device, DType::F32).unwrap(),
    };
    let batch = Prompted { frames, prompt: tokens(PROMPT), transcripts };
    stage.loss(&batch).unwrap().value.inner().try_into_scalar::<f64>().unwrap()
}

#[test]
fn a_projector_learns_from_a_list_of_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("projector");
    let output = command(&out, &[]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(printed.contains("projector 10/24  loss") && printed.contains("word_errors"), "{printed}");
    let next = format!(
        "next: mien-train bundle build --projector {} --prompt long",
        out.join("projector.safetensors").display()
    );
    assert!(printed.contains(&next), "{printed}");

    // Sound, tokens and order of a sequence are the device's.
    let losses = losses(&out);
    let expected = first_loss();
    assert!((losses[0] - expected).abs() < 1e-3 * expected, "{} against {expected}", losses[0]);
    let (begin, end) = (losses[..6].iter().sum::<f64>(), losses[18..].iter().sum::<f64>());
    assert_eq!(losses.len(), 24);
    assert!(end < begin, "{losses:?}");

    let finished = Finished::read(&out).unwrap().unwrap();
    assert_eq!((finished.stage.as_str(), finished.statement.as_str()), ("projector", ""));
    let measured: Vec<&str> = finished.valid.keys().map(String::as_str).collect();
    assert_eq!(measured, ["perplexity", "whole_sentences", "word_errors"]);
    // What bundles are made of.
    let (sizes, _) = read(32, NamedTensors::open(&out.join("projector.safetensors")).unwrap()).unwrap();
    assert_eq!(sizes, ProjectorConfig { k: 5, encoder_width: 32, hidden: 48, llm_width: 32 });

    // Finished: nothing is done again.
    let before = tree(&out);
    assert!(command(&out, &[]).output().unwrap().status.success());
    assert!(tree(&out) == before);
}

/// Kills the command when its log has so many lines.
fn killed(mut child: Child, log: &Path, lines: usize) {
    let begun = Instant::now();
    while fs::read_to_string(log).map_or(0, |text| text.lines().count()) < lines {
        assert!(begun.elapsed() < Duration::from_secs(120), "no {lines} lines after two minutes");
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_training_ends_in_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, broken] = ["whole", "broken"].map(|name| folder.path().join(name));
    // Batches of three: the order of clips matters.
    let three = |out: &Path| {
        let mut command = command(out, &[("--batch", "3"), ("--seed", "9")]);
        command.stdout(Stdio::null());
        command
    };
    assert!(three(&whole).status().unwrap().success());
    for lines in [3, 13] {
        killed(three(&broken).spawn().unwrap(), &broken.join("log.jsonl"), lines);
        assert!(!broken.join("stage.toml").exists());
    }
    assert!(three(&broken).status().unwrap().success());
    let (found, expected) = (tree(&broken), tree(&whole));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{name} differs");
    }
}

/// bf16 has 8 bits of a number.
#[test]
fn half_the_bytes_give_nearly_the_same_loss() {
    let folder = tempfile::tempdir().unwrap();
    let status = command(folder.path(), &[("--precision", "bf16")]).stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
    let (losses, expected) = (losses(folder.path()), first_loss());
    assert!((losses[0] - expected).abs() < 0.02 * expected, "{} against {expected}", losses[0]);
    assert!(losses[0].to_bits() != expected.to_bits() && losses[23] < losses[0], "{losses:?}");
}

#[test]
fn lists_that_cannot_be_learned_from_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let clips = corpus().join("clips");
    let clip = fs::read_dir(&clips).unwrap().next().unwrap().unwrap().path();
    let good = |id: &str, split: &str| format!("{id}_0,{},{split},our song is good\n", clip.display());
    let sound = |name: &str, samples: usize| {
        let path = folder.path().join(name);
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        (0..samples).for_each(|n| writer.write_sample((n % 100) as i16).unwrap());
        writer.finalize().unwrap();
        path
    };
    let with = |row: &str| format!("id,path,split,transcript\n{}{}{row}", good("a", "train"), good("b", "valid"));
    let short = with(&format!("c_0,{},train,good\n", sound("short.wav", 1500).display()));
    let long = with(&format!("c_0,{},train,good\n", sound("long.wav", 16_000 * 31).display()));
    let wordy = with(&format!("c_0,{},train,{}\n", clip.display(), "good ".repeat(1000)));
    let endless = with(&format!("c_0,{},train,{}\n", clip.display(), "good ".repeat(2000)));
    let none = with(&format!("c_0,{},train,\n", clip.display()));
    let lost = with("c_0,lost.wav,train,good\n");
    let alone = format!("id,path,split,transcript\n{}", good("a", "train"));
    let unknown = "id,path,split,transcript,mood\n".to_owned();
    let cases: [(&str, &[&str]); 8] = [
        (&short, &["c_0", "0.09 s", "4 frames, expected at least 5"]),
        (&long, &["c_0", "31.0 s", "at most 30 s"]),
        (&wordy, &["c_0", "rows for sound, prompt and transcript, the language model takes"]),
        (&endless, &["c_0", "2001 tokens"]),
        (&none, &["c_0", "no transcript"]),
        (&lost, &["1 of the files", "lost.wav"]),
        (&alone, &["no clip of the split valid"]),
        (&unknown, &["mood"]),
    ];
    for (number, (table, words)) in cases.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.csv"));
        fs::write(&path, table).unwrap();
        let out = folder.path().join("out");
        refused(3, &command(&out, &[("--clips", path.to_str().unwrap())]).output().unwrap(), words);
        assert!(!out.join("checkpoints").exists());
    }
}

#[test]
fn networks_and_settings_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str| folder.path().join(name);
    let run = |out: &str, option: (&str, &str)| command(&of(out), &[option]).output().unwrap();
    let small = of("q8_0.gguf");
    quantise_gguf(&llm(), &small, QuantisedType::Q8_0, 1).unwrap();
    let small = small.to_str().unwrap();
    refused(5, &run("a", ("--llm", small)), &["Q8_0", "give the float file that it was made of"]);
    refused(3, &run("a", ("--llm", wavlm().to_str().unwrap())), &["wavlm.safetensors"]);
    refused(3, &run("a", ("--wavlm-config", "/nowhere/config.json")), &["/nowhere/config.json"]);
    refused(4, &run("a", ("--device", "cuda:7")), &["cuda:7"]);
    for name in ["--measured", "--batch", "--measure-every", "--checkpoint-every"] {
        refused(3, &run("a", (name, "0")), &["found 0"]);
    }
    refused(2, &run("a", ("--prompt", " ")), &["--prompt", "expected a text"]);
    refused(3, &run("a", ("--hidden", "0")), &["hidden is 0"]);
    assert!(!of("a").join("checkpoints").exists());

    // Quantised, as a device runs it, the language model may be measured with; another one may not.
    let other = of("other.gguf");
    let (config, weights) = read_gguf(&llm()).unwrap();
    let vocabulary = SpmVocabulary::tiny(config.vocab_size).unwrap();
    write_gguf(&other, &config, &vocabulary, &weights, "other").unwrap();
    refused(5, &run("b", ("--device-llm", other.to_str().unwrap())), &["tokenizer.ggml.tokens"]);
    let output = run("b", ("--device-llm", small));
    assert!(output.status.success(), "{output:?}");
    // Another list does not go on with that training, nor does another seed.
    let fewer = of("fewer.csv");
    let text = fs::read_to_string(list()).unwrap();
    let lines: Vec<&str> = text.lines().enumerate().filter(|(i, _)| *i != 1).map(|(_, line)| line).collect();
    fs::write(&fewer, lines.join("\n").replace("clips/", &format!("{}/clips/", corpus().display()))).unwrap();
    refused(3, &run("b", ("--clips", fewer.to_str().unwrap())), &["checkpoints", "train into a new folder"]);
    refused(3, &run("b", ("--prompt", "short")), &["checkpoints", "train into a new folder"]);
    refused(3, &run("b", ("--seed", "2")), &["checkpoints", "train into a new folder"]);
}
