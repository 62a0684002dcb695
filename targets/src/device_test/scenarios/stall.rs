//! A camera that delivers nothing any longer: its writer pauses, or ends.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{CAMERA_SEEN, FACE, FACE_CAMERA, back, configuration, reduced, say, seen, whole};
use crate::feeder::Feeder;
use crate::report::Report;
use crate::session::Session;

/// Longer than the longest wait between two attempts to open the camera.
const AWAY: Duration = Duration::from_secs(12);

pub(crate) fn run(report: &mut Report) -> Result<()> {
    let (name, node) = FACE_CAMERA;
    let start = Instant::now();
    let mut feeder = Feeder::start(node, FACE)?;
    let mut session = Session::start("stall", &configuration(name), &["--no-llm"])?;
    session.running(&["microphone", "camera"], start)?;
    whole(&mut session, report, "before: voice and face", "present")?;

    for ends in [false, true] {
        let what = if ends { "writer ended" } else { "writer paused" };
        let since = Instant::now();
        if ends {
            drop(feeder);
            feeder = lost(&mut session, report, what, since, || Feeder::start(node, FACE))?;
        } else {
            feeder.pause();
            feeder = lost(&mut session, report, what, since, || {
                feeder.go_on();
                Ok(feeder)
            })?;
        }
        whole(&mut session, report, "afterwards: voice and face", "present")?;
    }
    drop(feeder);
    session.stop()
}

/// Holds what a loss since then must bring, then lets the camera come back and holds that as well.
fn lost(
    session: &mut Session,
    report: &mut Report,
    what: &str,
    since: Instant,
    give_back: impl FnOnce() -> Result<Feeder>,
) -> Result<Feeder> {
    let records = say(session)?;
    seen(session, report, what, "camera", (since, CAMERA_SEEN))?;
    reduced(&records, report);
    std::thread::sleep(AWAY.saturating_sub(since.elapsed()));
    let returned = Instant::now();
    let feeder = give_back()?;
    back(session, report, "camera", (since, returned))?;
    Ok(feeder)
}
