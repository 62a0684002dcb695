//! The program's data commands as a user runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::process::{Command, Output};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mien-train")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a command that must succeed prints.
fn printed(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What a command says that must fail with exit code `code`.
fn refused(code: i32, args: &[&str]) -> String {
    let output = run(args);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    assert!(said.starts_with("mien-train: ") && said.trim().lines().count() == 1, "{said}");
    said
}

#[test]
fn a_corpus_is_imported_shown_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store").display().to_string();
    let corpus = fixture("authors").display().to_string();
    assert!(printed(&["import", &corpus, "--out", &store]).contains("train 4, valid 2, test 3"));
    let json: serde_json::Value = serde_json::from_str(&printed(&["data", "info", &store, "--json"])).unwrap();
    assert_eq!(json["splits"][0]["clips"], 4);
    assert_eq!(json["splits"][0]["videos"], 3);
    assert_eq!(json["modalities"]["simulated"]["width"], 6);
    assert_eq!(json["splits"][2]["labels"]["zero"], 1);
    assert!(printed(&["data", "check", &store]).contains("whole, and its splits are apart"));
    assert!(refused(3, &["import", &corpus, "--out", &store]).contains("something stands there"));

    let rows = folder.path().join("store/test.video.safetensors");
    let mut bytes = std::fs::read(&rows).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&rows, bytes).unwrap();
    let output = run(&["data", "check", &store]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stdout).contains("FAULT") && text(&output.stdout).contains("test.video.safetensors"));
}

#[test]
fn layouts_are_told_apart_and_splits_that_leak_fail_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("mmsa").display().to_string();
    printed(&["import", &fixture("mmsa/unaligned.pkl").display().to_string(), "--out", &store, "--rows", "f32"]);
    assert!(printed(&["data", "info", &store]).contains("MMSA"));

    // One video in two splits.
    let root = folder.path().join("plain");
    for (modality, folder) in
        [("audio", "wavlm-large-FRA_-5"), ("text", "vicuna-7b-v1.5-FRA-wavlm2vicuna-half-gt"), ("video", "manet_FRA")]
    {
        std::fs::create_dir_all(root.join(modality)).unwrap();
        let from = fixture("authors/features_mosei").join(folder);
        for id in ["a_b-c_0", "a_b-c_1", "end_0"] {
            let name = format!("{id}.npy");
            if from.join(&name).exists() {
                std::fs::copy(from.join(&name), root.join(modality).join(&name)).unwrap();
            } else {
                let target = root.join(modality).join(id);
                std::fs::create_dir_all(&target).unwrap();
                for frame in std::fs::read_dir(from.join(id)).unwrap() {
                    let frame = frame.unwrap();
                    std::fs::copy(frame.path(), target.join(frame.file_name())).unwrap();
                }
            }
        }
    }
    std::fs::write(root.join("clips.csv"), "id,split,label\na_b-c_0,train,1\na_b-c_1,valid,0\nend_0,test,-1\n")
        .unwrap();
    let store = folder.path().join("leaking").display().to_string();
    printed(&["import", &root.display().to_string(), "--out", &store]);
    let output = run(&["data", "check", &store]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stdout).contains("LEAK: 1 videos are in train and valid (1 clips of valid): a_b-c"));
    assert!(printed(&["data", "check", &store, "--allow-leaks"]).contains("not apart"));
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_leaves_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    // A limit on file sizes stands in for a full disk: the write fails in the middle, with an error and not a signal.
    let script = r#"trap '' XFSZ; ulimit -f 1; exec "$0" "$@""#;
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_mien-train"), "import"])
        .arg(fixture("authors"))
        .arg("--out")
        .arg(&store)
        .output()
        .unwrap();
    let said = text(&output.stderr);
    // The data are as they must be: the machine is not.
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write") && said.contains("disk has room"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn wrong_requests_are_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x").display().to_string();
    assert!(refused(3, &["import", "no/such/corpus", "--out", &out]).contains("label_official.npz"));
    let said = refused(3, &["data", "info", "no/such/store"]);
    assert!(said.contains("store.json"), "{said}");
    let said = refused(3, &["import", "no/such/corpus", "--layout", "plain", "--out", &out]);
    assert!(said.contains("clips.csv: cannot read"), "{said}");
    assert_eq!(said.matches("No such file").count(), 1, "a cause is told once: {said}");
    assert!(refused(3, &["evaluate", "no/such/run"]).contains("no/such/run"));
    let pickle = fixture("mmsa/aligned.pkl").display().to_string();
    assert!(refused(2, &["import", &pickle, "--out", &out, "--labels", "l.npz"]).contains("--layout authors"));
    assert!(refused(2, &["evaluate", "--calibrate", "test"]).contains("--calibrate"));
    assert!(refused(2, &["evaluate"]).contains("--data"));
    let foreign = fixture("labels/foreign.npz").display().to_string();
    assert!(refused(3, &["import", &foreign, "--out", &out]).contains("MMSA"));
    let output = run(&["import", &pickle, "--out", &out, "--features", "smell=x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("audio, text, simulated or video"));
}

#[test]
fn a_device_that_is_not_there_has_its_own_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    printed(&["import", &fixture("authors").display().to_string(), "--out", &path("store")]);
    let said = refused(4, &["train", "--data", &path("store"), "--out", &path("run"), "--device", "cuda:99"]);
    assert!(said.contains("cuda:99"), "{said}");
    assert!(!std::path::Path::new(&path("run")).exists(), "told before anything is written");
    assert!(printed(&["devices"]).starts_with("cpu\n"));
}

/// A pipe that nobody writes into, zeros without end, a folder, and a file that is too long, all of whose names end in `ending`.
#[cfg(unix)]
fn odd(folder: &std::path::Path, ending: &str) -> Vec<PathBuf> {
    let path = |name: &str| folder.join(format!("{name}{ending}"));
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", path("zero")).unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    std::fs::File::create(path("long")).unwrap().set_len(64 << 30).unwrap();
    ["pipe", "zero", "folder", "long"].map(path).into()
}

#[cfg(unix)]
#[test]
fn each_option_that_takes_a_file_refuses_what_is_none() {
    let store = tempfile::tempdir().unwrap();
    let store = store.path().join("store").display().to_string();
    let authors = fixture("authors").display().to_string();
    printed(&["import", &authors, "--out", &store]);
    let mmsa = fixture("mmsa/aligned.pkl").display().to_string();
    let build = |option: &'static str| -> Vec<&str> {
        let mut arguments = vec!["bundle", "build", "--out", "OUT"];
        // Each is read before the others are looked at, or the others are odd too.
        for other in ["--wavlm", "--manet", "--projector", "--fusion"] {
            arguments.extend([other, "FILE"]);
        }
        arguments.extend([option, "FILE"].iter().filter(|_| option == "--wavlm-config" || option == "--llm"));
        arguments
    };
    let cases: Vec<(&str, Vec<&str>)> = vec![
        (".pkl", vec!["import", "FILE", "--layout", "mmsa", "--out", "OUT"]),
        ("", vec!["import", "FILE", "--layout", "plain", "--out", "OUT"]),
        (".npz", vec!["import", &authors, "--layout", "authors", "--labels", "FILE", "--out", "OUT"]),
        (".csv", vec!["import", &authors, "--layout", "authors", "--transcripts", "FILE", "--out", "OUT"]),
        (".py", vec!["import", &mmsa, "--folds", "FILE", "--out", "OUT"]),
        ("", vec!["data", "info", "FILE"]),
        ("", vec!["data", "check", "FILE"]),
        (".toml", vec!["train", "--data", &store, "--experiment", "FILE", "--out", "OUT"]),
        (".safetensors", vec!["train", "--data", &store, "--weights", "FILE", "--out", "OUT"]),
        (".safetensors", vec!["evaluate", "--data", &store, "--weights", "FILE"]),
        (".csv", vec!["extract", "FILE", "--out", "OUT"]),
        (".gguf", vec!["quantize-gguf", "FILE", "OUT", "--type", "q8_0"]),
        (".safetensors", build("")),
        (".safetensors", build("--wavlm-config")),
        (".gguf", build("--llm")),
        ("", vec!["report", "FILE", "--out", "OUT"]),
        ("", vec!["resume", "FILE"]),
    ];
    for (ending, arguments) in cases {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out").display().to_string();
        for path in odd(folder.path(), ending) {
            let path = path.display().to_string();
            let given = arguments.iter().map(|a| match *a {
                "FILE" => path.as_str(),
                "OUT" => out.as_str(),
                other => other,
            });
            let output =
                Command::new("timeout").args(["60", env!("CARGO_BIN_EXE_mien-train")]).args(given).output().unwrap();
            let said = text(&output.stderr);
            assert!(matches!(output.status.code(), Some(1..=5)), "{arguments:?}, {path}: {:?}, {said}", output.status);
            assert!(said.len() < 2000, "{arguments:?}: {said}");
            assert!(!std::path::Path::new(&out).exists(), "{arguments:?}, {path}");
        }
    }
}

#[test]
fn numbers_that_are_none_are_told_with_the_option_that_replaces_them() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().join("corpus");
    let copied = Command::new("cp").arg("-r").arg(fixture("authors")).arg(&corpus).status().unwrap();
    assert!(copied.success());
    let path = corpus.join("features_mosei/wavlm-large-FRA_-5/-3g5yACwYnA_13.npy");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let (corpus, store) = (corpus.display().to_string(), folder.path().join("store").display().to_string());
    let said = refused(3, &["import", &corpus, "--out", &store]);
    assert!(said.contains("--non-finite zero") && said.contains("NaN"), "{said}");
    let expected = "0 stands for 1 NaN and 0 infinities in the audio rows of 1 clips of train";
    assert!(printed(&["import", &corpus, "--out", &store, "--non-finite", "zero"]).contains(expected));
    assert!(printed(&["data", "info", &store]).contains(expected));
    let json: serde_json::Value = serde_json::from_str(&printed(&["data", "info", &store, "--json"])).unwrap();
    assert!(json["remarks"].as_array().unwrap().iter().any(|remark| remark == expected), "{json}");
    assert!(printed(&["data", "check", &store]).contains("whole"));
}

#[test]
fn names_cannot_steer_the_terminal() {
    let said = refused(3, &["data", "info", "no/\u{1b}[31msuch"]);
    assert!(!said.contains('\u{1b}'), "{said:?}");
}
