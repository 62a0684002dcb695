//! Recorded speech: played into the loopback card, and scored from its file.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::session::{Line, mien};

/// Two voices, each followed by silence that ends an utterance; mono, 16 bits, 16 kHz.
pub(crate) const TWO_VOICES: &str = "/data/speech.wav";
/// The side of the loopback card that plays.
const PLAY: &str = "plughw:CARD=Loopback,DEV=0";
/// Valences of untrained weights can be large numbers: near 0 the difference counts, else its share.
const SAME: f64 = 1e-6;

/// Plays both voices from now on.
pub(crate) fn play() -> Result<Child> {
    Command::new("aplay")
        .args(["-q", "-D", PLAY, TWO_VOICES])
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start aplay")
}

/// The records of `mien score` on the file.
pub(crate) fn scored(args: &[&str]) -> Result<Vec<Value>> {
    let output = mien().args(["score", "--json"]).args(args).arg(TWO_VOICES).output().context("cannot start mien")?;
    ensure!(output.status.success(), "mien score: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Holds what was heard against what scoring the file gives: the same segments and, with `scores`, the same valence. Gives the
/// largest differences: of times in seconds, of valences.
pub(crate) fn compare(live: &[Line], file: &[Value], scores: bool) -> Result<(f64, f64)> {
    ensure!(live.len() == file.len() && !file.is_empty(), "{} utterances, {} in the file", live.len(), file.len());
    let number = |record: &Value, key: &str| record[key].as_f64().with_context(|| format!("no {key} in {record}"));
    let (Some(first_live), Some(first_file)) = (live.first(), file.first()) else { bail!("nothing was scored") };
    let (from_live, from_file) = (number(&first_live.value, "start_s")?, number(first_file, "start_s")?);
    let (mut times, mut valences) = (0f64, 0f64);
    for (live, file) in live.iter().map(|line| &line.value).zip(file) {
        for key in ["start_s", "end_s"] {
            times = times.max(((number(live, key)? - from_live) - (number(file, key)? - from_file)).abs());
        }
        if !scores {
            continue;
        }
        let (heard, expected) = (number(live, "valence")?, number(file, "valence")?);
        valences = valences.max((heard - expected).abs() / expected.abs().max(1.0));
        ensure!(live["mode"] == file["mode"], "mode {}, expected {}", live["mode"], file["mode"]);
        ensure!(live["transcript"] == file["transcript"], "the transcript is another one");
    }
    Ok((times, valences))
}

/// Whether both differences are within what counts as the same.
pub(crate) fn same((times, valences): (f64, f64)) -> bool {
    times <= SAME && valences <= SAME
}
