//! A wall clock that jumps, forwards and back, while somebody speaks: nobody may notice.

use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::{FACE, FACE_CAMERA, configuration};
use crate::feeder::Feeder;
use crate::report::Report;
use crate::session::Session;
use crate::speech::{compare, play, same, scored};

/// The jumps in seconds: a day ahead, then to the day before yesterday.
const JUMPS: [i64; 2] = [86_400, -3 * 86_400];

/// Sets the wall clock ahead by so many seconds.
fn jump(seconds: i64) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs();
    let set = now.saturating_add_signed(seconds);
    let status = Command::new("busybox").args(["date", "-s", &format!("@{set}")]).output()?.status;
    ensure!(status.success(), "date -s: {status}");
    Ok(())
}

pub(crate) fn run(report: &mut Report) -> Result<()> {
    let file = scored(&["--no-llm"])?;
    let start = Instant::now();
    let _feeder = Feeder::start(FACE_CAMERA.1, FACE)?;
    let mut session = Session::start("clock", &configuration(FACE_CAMERA.0), &["--no-llm"])?;
    session.running(&["microphone", "camera"], start)?;
    let since = Instant::now();
    let mut player = play()?;
    for seconds in JUMPS {
        std::thread::sleep(Duration::from_millis(800));
        jump(seconds)?;
    }
    let records = session.records(1, 2, since)?;
    let _ = player.wait();
    for device in ["microphone", "camera"] {
        report.holds(&format!("the {device} runs on"), session.unchanged(device, since), "no change of its state");
    }
    session.stop()?;
    // With a face beside the voice the valence is another one; the cuts are the same.
    match compare(&records, &file, false) {
        Ok(off) => report.holds("utterances are cut as ever", same(off), &format!("off by {:.1e} s", off.0)),
        Err(error) => report.holds("utterances are cut as ever", false, &error.to_string()),
    }
    jump(-JUMPS.iter().sum::<i64>())
}
