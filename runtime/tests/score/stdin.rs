//! A recording on standard input.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::material::{Material, Run, SPEECH, command, mien};

/// `mien score -` with `input` written into a pipe.
fn piped(input: &[u8], more: &[&str]) -> Run {
    let mut child = command(&[&["score", "-", "--no-llm"], more].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(pipe.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn valences(records: &[Value]) -> Vec<Value> {
    records.iter().map(|record| record["valence"].clone()).collect()
}

#[test]
fn a_recording_in_a_pipe_scores_as_its_file() {
    let file = mien(&["score", SPEECH, "--no-llm", "--json"]).records();
    let mut bytes = std::fs::read(SPEECH).unwrap();
    let records = piped(&bytes, &["--json"]).records();
    assert_eq!(valences(&records), valences(&file));
    assert!(records.iter().all(|record| record["file"] == "-"), "{records:?}");
    // As arecord writes it: it does not know yet how long it will be.
    let data = bytes.windows(4).position(|w| w == b"data").unwrap();
    bytes[data + 4..data + 8].copy_from_slice(&0x8000_0000_u32.to_le_bytes());
    bytes[4..8].copy_from_slice(&0x8000_0024_u32.to_le_bytes());
    let records = piped(&bytes, &["--json"]).records();
    assert_eq!(valences(&records), valences(&file));
    assert!(records[0]["notes"].to_string().contains("pipe"), "{}", records[0]);
    assert!(piped(&bytes, &[]).stdout.contains(" - ") || piped(&bytes, &[]).stdout.contains("- "));
    // A film needs to be read back and forth.
    let material = Material::new();
    let film = std::fs::read(material.film()).unwrap();
    assert!(piped(&film, &["--json"]).records().iter().all(|record| record["file"] == "-"));
}

#[test]
fn errors_name_standard_input_and_not_a_hidden_file() {
    for input in [&b""[..], b"no recording at all", b"#!AMR\n123"] {
        let error = piped(input, &["--json"]).error(3);
        assert!(error.contains("-: ") && !error.contains("/proc/"), "{error}");
    }
    assert!(piped(b"#!AMR\n123", &[]).error(3).contains("ffmpeg -i - -vn -ar 16000 -ac 1 -f wav - | mien score -"));
}

#[test]
fn a_terminal_is_refused_with_what_to_do() {
    // A terminal of its own, which nobody types into.
    let Ok(terminal) = File::options().read(true).write(true).open("/dev/ptmx") else { return };
    let mut command = command(&["score", "-", "--no-llm"]);
    command.stdin(terminal);
    let error = Run::of(command).error(2);
    assert!(error.contains("is a terminal") && error.contains("arecord"), "{error}");
}
