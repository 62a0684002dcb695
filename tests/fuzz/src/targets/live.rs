//! What a running session and its recordings are told.

use std::path::Path;

use anyhow::Result;
use mien_runtime::config::{LlmSettings, SpeechSettings};
use mien_runtime::live::command::Command;
use mien_runtime::recording::format::{HEADER, PICTURES, RECORDS, SOUND, STEPS, VERSION};
use mien_runtime::recording::reader::Recording;
use serde_json::json;

use super::{Case, Limits, Outcome, Reader, Target, texts};
use crate::repair;

pub(super) const CONTROL: Target = Target {
    name: "control",
    reads: "lines of the control socket",
    file: "lines.txt",
    text: true,
    framing: None,
    tokens: &[b"mute", b"unmute", b"toggle", b"status", b"reload", b"stop", b" ", b"\r", b"\0", b"\xff"],
    repair: repair::nothing,
    longest: 512,
    limits: Limits::PARSER,
    seeds: |_| Ok(texts(&["mute\nstatus\n", "unmute\r\nreload\n", " toggle \n", "stop\n"])),
    prepare: |_| Ok(Box::new(control)),
};

fn control(case: &Case<'_>) -> Outcome {
    let mut refused = None;
    // What follows the last line's end is no line.
    for line in case.bytes.split_inclusive(|byte| *byte == b'\n') {
        // The socket reads lines of text; the rest it does not answer.
        let Ok(line) = std::str::from_utf8(line) else { return Outcome::Refused("no text".into()) };
        match line.trim().parse::<Command>() {
            Ok(_) => {}
            Err(reason) => refused = Some(reason),
        }
    }
    refused.map_or(Outcome::Read, Outcome::Refused)
}

/// Files of a recording by the first byte of an input, which stands in the place of one of them.
const FILES: [&str; 5] = [HEADER, STEPS, SOUND, PICTURES, RECORDS];

pub(super) const RECORDING: Target = Target {
    name: "recording",
    reads: "a recording: a byte for the file, then what stands in it",
    file: "input.bin",
    text: true,
    framing: None,
    tokens: &[
        b"{\"step\":\"sound\",\"samples\":4}\n",
        b"{\"step\":\"begin\",\"time_ns\":0}\n",
        b"{\"step\":\"end\"}\n",
        b"{\"step\":\"forget_faces\"}\n",
        b"\"samples\":",
        b"\"time_ns\":",
        b"\"offset\":",
        b"\"bytes\":",
        b"null",
        b"1e400",
        b"-1",
        b"\\ud800",
        b"[[[[[[[[",
        b"{\"a\":",
        b"\n",
        b"RIFF",
        b"fmt ",
        b"data",
        b"\x03\0",
    ],
    repair: repair::nothing,
    longest: 8 << 10,
    // A step of sound may be a minute.
    limits: Limits { ms: 300, ms_per_kb: 4, memory: 24 << 20, per_byte: 400 },
    seeds: |_| Ok((0..).zip(contents()?).map(|(number, content)| [&[number], content.as_slice()].concat()).collect()),
    prepare: recording,
};

/// What stands in a small recording, in the order of [`FILES`].
fn contents() -> Result<[Vec<u8>; 5]> {
    let header = json!({
        "version": VERSION,
        "mien": "0.1.0",
        "bundle": { "name": "pocket", "digest": "00", "trained": false, "statement": null },
        "speech": SpeechSettings::default(),
        "llm": LlmSettings::default(),
        "rung": "full",
    });
    let steps = [
        json!({ "step": "begin", "time_ns": 0 }),
        json!({ "step": "sound", "samples": 16 }),
        json!({ "step": "picture", "number": 0, "time_ns": 5, "format": "grey", "width": 4, "height": 4, "offset": 0, "bytes": 16 }),
        json!({ "step": "move", "time_ns": 7 }),
        json!({ "step": "forget_faces" }),
        json!({ "step": "sound", "samples": 16 }),
        json!({ "step": "utterance", "start_ns": 0, "end_ns": 9, "faces": [0], "dropped": {}, "notes": [], "failure": null,
            "live": { "utterance": 0, "microphone": "running", "camera": "running", "muted": false, "rms_dbfs": -20.0,
                "peak_dbfs": -3.0, "clipped": 0, "llm": "pending" } }),
        json!({ "step": "llm", "utterance": 0, "outcome": "done" }),
        json!({ "step": "record", "seq": 0, "utterance": 0, "revision": 1 }),
        json!({ "step": "end" }),
    ];
    let steps: String = steps.iter().map(|step| format!("{step}\n")).collect();
    let data: Vec<u8> = (0..32).flat_map(|n: u8| (f32::from(n) / 64.0).to_le_bytes()).collect();
    let mut sound = b"RIFF".to_vec();
    sound.extend((36 + data.len() as u32).to_le_bytes());
    sound.extend(b"WAVEfmt \x10\0\0\0\x03\0\x01\0");
    sound.extend(16_000_u32.to_le_bytes());
    sound.extend(64_000_u32.to_le_bytes());
    sound.extend(b"\x04\0\x20\0data");
    sound.extend((data.len() as u32).to_le_bytes());
    sound.extend(data);
    let records = b"{\"seq\":0}\n{\"seq\":1}\n".to_vec();
    Ok([serde_json::to_vec(&header)?, steps.into_bytes(), sound, (0..16).collect(), records])
}

fn recording(folder: &Path) -> Result<Reader> {
    let folder = folder.join("recording");
    std::fs::create_dir_all(&folder)?;
    let whole = contents()?;
    for (name, content) in FILES.iter().zip(&whole) {
        std::fs::write(folder.join(name), content)?;
    }
    let mut before = None;
    Ok(Box::new(move |case: &Case<'_>| {
        let Some((number, content)) = case.bytes.split_first() else { return Outcome::Refused("no file".into()) };
        let number = usize::from(*number) % FILES.len();
        let put =
            |number: usize, content: &[u8]| FILES.get(number).map(|name| std::fs::write(folder.join(name), content));
        if let Some(before) = before.filter(|before| *before != number) {
            let _ = put(before, whole.get(before).map(Vec::as_slice).unwrap_or_default());
        }
        let _ = put(number, content);
        before = Some(number);
        read(&folder).unwrap_or_else(Outcome::refused)
    }))
}

fn read(folder: &Path) -> mien_runtime::Result<Outcome> {
    let mut recording = Recording::open(folder)?;
    let faces = recording.needed_faces()?.len();
    let steps = recording.read_through()?;
    for record in recording.records()? {
        record?;
    }
    // Each step takes a line of at least some bytes, each face at least two.
    Ok(Outcome::holds(steps < 1 << 16 && faces < 1 << 16, || format!("{steps} steps, {faces} faces")))
}
