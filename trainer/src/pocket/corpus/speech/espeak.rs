//! espeak-ng, a program of its own: text and prosody in, sound out.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::{Command, Stdio};

use mien_capture::{AudioClip, SampleRate};
use mien_models::bundle::Sha256;
use rayon::prelude::*;

use super::prosody::Prosody;
use super::voices::{ACCENTS, MEN, WOMEN};
use crate::{Result, TrainerError};

const PROGRAM: &str = "espeak-ng";
/// Said by every voice before a corpus is begun, so that a digest tells another program or other data of it.
const PROBE: &str = "perhaps not";
/// Most bytes that the program may write for one sentence: two minutes of sound.
const MOST_BYTES: u64 = 8 << 20;
/// Bytes before the samples.
const HEADER: usize = 44;

/// espeak-ng, looked at and found to have every voice that is wanted.
#[derive(Clone, Debug)]
pub struct Espeak {
    version: String,
    probe: Sha256,
}

impl Espeak {
    /// Asks the program for its version and voices.
    ///
    /// # Errors
    /// Program where it is not there, does not answer as espeak-ng does, or lacks a voice.
    pub fn open() -> Result<Self> {
        let said = String::from_utf8_lossy(&run(&["--version".into()])?).into_owned();
        let version = said.split_once("text-to-speech:").and_then(|(_, rest)| rest.split_whitespace().next());
        let Some(version) = version.map(str::to_owned) else {
            return Err(failed(format!("expected its version, found {:?}", said.chars().take(80).collect::<String>())));
        };
        let variants = column(&run(&["--voices=variant".into()])?, 4);
        // A variant that is not there would be passed over in silence.
        let named = |name: &&&str| !variants.contains(&format!("!v/{name}"));
        if let Some(missing) = WOMEN.iter().chain(MEN).find(named) {
            return Err(failed(format!("version {version} has no voice variant {missing:?}; install espeak-ng-data")));
        }
        let accents = column(&run(&["--voices=en".into()])?, 1);
        if let Some(missing) = ACCENTS.iter().find(|name| !accents.contains(**name)) {
            return Err(failed(format!("version {version} has no voice {missing:?}; install espeak-ng-data")));
        }
        let prosody = Prosody { pitch: 60, range: 70, rate: 200, level: 0.0 };
        let voices: Vec<(&str, &str)> =
            WOMEN.iter().chain(MEN).zip(ACCENTS.iter().cycle()).map(|(variant, accent)| (*accent, *variant)).collect();
        let said = |(accent, variant): &(&str, &str)| run(&asked(accent, variant, &prosody, PROBE));
        let said: Vec<Vec<u8>> = voices.par_iter().map(said).collect::<Result<_>>()?;
        let probe = Sha256::of(&said.concat());
        Ok(Self { version, probe })
    }

    /// The version that the program tells.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// SHA-256 of a few words as every voice says them.
    pub fn probe(&self) -> Sha256 {
        self.probe
    }

    /// `text` as the voice `accent` with the timbre `variant` says it; `prosody.level` is left to the mixing.
    ///
    /// `text` may hold letters, digits, blanks and simple punctuation alone: it becomes part of a marked-up text.
    ///
    /// # Errors
    /// Program for a program that fails or writes something else than sound; Setting for other characters.
    pub fn say(&self, text: &str, accent: &str, variant: &str, prosody: &Prosody) -> Result<AudioClip> {
        if let Some(other) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || " ,.'".contains(*c))) {
            let reason = format!("expected letters, digits, blanks, commas and points, found {other:?} in {text:?}");
            return Err(TrainerError::setting("text", reason));
        }
        sound(&run(&asked(accent, variant, prosody, text))?)
    }
}

fn asked(accent: &str, variant: &str, prosody: &Prosody, text: &str) -> [String; 9] {
    let Prosody { pitch, range, rate, .. } = prosody;
    let marked = format!("<prosody range=\"{range}\">{text}</prosody>");
    let voice = format!("{accent}+{variant}");
    let [pitch, rate] = [pitch.to_string(), rate.to_string()];
    let options = ["--stdout", "-m", "-v", &voice, "-p", &pitch, "-s", &rate, &marked];
    options.map(str::to_owned)
}

/// What the program writes to its output.
fn run(arguments: &[String]) -> Result<Vec<u8>> {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|e| {
        failed(format!("cannot be started: {e}; install it with `cargo xtask setup` (or apt install espeak-ng)"))
    })?;
    let mut written = Vec::new();
    let mut output = child.stdout.take().map(|output| output.take(MOST_BYTES + 1));
    let read = output.as_mut().map_or(Ok(0), |output| output.read_to_end(&mut written));
    // Its output is closed here: a program that still writes ends.
    drop(output);
    let status = child.wait().map_err(|e| failed(format!("cannot be waited for: {e}")))?;
    read.map_err(|e| failed(format!("its output cannot be read: {e}")))?;
    if written.len() as u64 > MOST_BYTES {
        return Err(failed(format!("wrote more than {MOST_BYTES} bytes for one sentence; is it espeak-ng?")));
    }
    if !status.success() {
        return Err(failed(format!("ended with {status}; try `{PROGRAM} --version`")));
    }
    Ok(written)
}

/// Column number `at` of a table of voices.
fn column(table: &[u8], at: usize) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(table);
    text.lines().filter_map(|line| line.split_whitespace().nth(at).map(str::to_owned)).collect()
}

/// The sound in a wav stream. A stream's header cannot know the length, so it is no wav file for other readers.
fn sound(bytes: &[u8]) -> Result<AudioClip> {
    let number = |at: usize, size: usize| {
        bytes.get(at..at + size).map_or(0, |b| b.iter().rev().fold(0u32, |n, &byte| n << 8 | u32::from(byte)))
    };
    let is_wav = bytes.get(..4) == Some(b"RIFF") && bytes.get(8..16) == Some(b"WAVEfmt ");
    let format = [number(20, 2), number(22, 2), number(34, 2)];
    if !is_wav || format != [1, 1, 16] || bytes.get(36..40) != Some(b"data") || bytes.len() <= HEADER {
        return Err(failed("expected mono 16-bit sound, found something else; install espeak-ng-data".into()));
    }
    let samples = bytes[HEADER..].chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0);
    let rate = SampleRate::new(number(24, 4)).map_err(mien_runtime::RuntimeError::from)?;
    Ok(AudioClip::new(samples.collect(), rate).map_err(mien_runtime::RuntimeError::from)?)
}

fn failed(reason: String) -> TrainerError {
    TrainerError::Program { program: PROGRAM, reason }
}
