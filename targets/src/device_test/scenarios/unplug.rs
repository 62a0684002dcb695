//! A camera that is unplugged for long and plugged in again: its node staying, so that nothing tells of its return; and its node going
//! and coming.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{CAMERA_SEEN, TEST_CAMERA, back, configuration, reduced, say, seen, test_camera_node, whole};
use crate::faults::{CAMERA, gone, unplug};
use crate::report::Report;
use crate::session::Session;

/// How long the camera is away each time: longer than the longest wait between two attempts to open it.
const AWAY: Duration = Duration::from_secs(12);

pub(crate) fn run(report: &mut Report) -> Result<()> {
    let start = Instant::now();
    let mut session = Session::start("unplug", &configuration(TEST_CAMERA), &["--no-llm"])?;
    session.running(&["microphone", "camera"], start)?;
    whole(&mut session, report, "before: both devices run", "absent")?;

    let since = Instant::now();
    let unplugged = unplug(&test_camera_node()?)?;
    seen(&mut session, report, "Disconnect", "camera", (since, CAMERA_SEEN))?;
    std::thread::sleep(AWAY.saturating_sub(since.elapsed()));
    let returned = Instant::now();
    drop(unplugged);
    back(&mut session, report, "camera", (since, returned))?;
    whole(&mut session, report, "afterwards: both devices run", "absent")?;

    let since = Instant::now();
    let answer = CAMERA.unbind();
    let records = say(&mut session)?;
    seen(&mut session, report, "node removed", "camera", (since, CAMERA_SEEN))?;
    reduced(&records, report);
    gone(&answer)?;
    std::thread::sleep(AWAY.saturating_sub(since.elapsed()));
    let returned = Instant::now();
    CAMERA.bind()?;
    back(&mut session, report, "camera", (since, returned))?;
    whole(&mut session, report, "afterwards: both devices run", "absent")?;
    session.stop()
}
