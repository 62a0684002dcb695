//! What is no ordinary file, or one without end, in the place of each file that the program reads: an error at once.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use crate::room::command;

/// Longest time that a refusal may take; a read of a pipe or of zeros would never end.
const DEADLINE: Duration = Duration::from_secs(30);
/// Bytes of a file that is longer than any text.
const LONG: u64 = 64 << 30;

/// A pipe that nobody writes into, zeros without end, a folder, and a file that is too long, all of whose names end in `ending`.
fn odd(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let path = |name: &str| folder.join(format!("{name}{ending}"));
    let pipe = path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", path("zero")).unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    std::fs::File::create(path("long")).unwrap().set_len(LONG).unwrap();
    vec![pipe, path("zero"), path("folder"), path("long")]
}

/// The program's output, within the deadline.
fn ended(arguments: &[&str]) -> Output {
    let mut child = command(arguments)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > DEADLINE {
            child.kill().unwrap();
            panic!("{arguments:?} still runs");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn each_option_that_takes_a_file_refuses_what_is_none() {
    let sound = crate::room::SPEECH;
    let cases: [(&str, &[&str], i32); 6] = [
        (".toml", &["config", "check", "FILE"], 3),
        (".toml", &["run", "--config", "FILE"], 3),
        (".srt", &["score", sound, "--text-file", "FILE"], 3),
        (".vtt", &["score", sound, "--text-file", "FILE"], 3),
        (".txt", &["score", sound, "--text-file", "FILE"], 3),
        ("", &["replay", "FILE"], 3),
    ];
    for (ending, arguments, code) in cases {
        let folder = tempfile::tempdir().unwrap();
        for path in odd(folder.path(), ending) {
            let path = path.to_str().unwrap();
            let arguments: Vec<&str> = arguments.iter().map(|a| if *a == "FILE" { path } else { a }).collect();
            let output = ended(&arguments);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
            assert!(told.contains(path) && told.len() < 2000, "{arguments:?}: {told}");
        }
    }
    // The doctor goes on with what it finds.
    let folder = tempfile::tempdir().unwrap();
    for path in odd(folder.path(), ".toml") {
        let output = ended(&["doctor", "--json", "--config", path.to_str().unwrap()]);
        assert_ne!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains(path.to_str().unwrap()));
    }
}
