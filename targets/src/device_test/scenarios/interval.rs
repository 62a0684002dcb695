//! A camera that another program left at a frame interval which is no whole number of pictures a second.

use std::time::Instant;

use anyhow::Result;

use super::{BACK, TEST_CAMERA, configuration, test_camera_node};
use crate::faults::leave_odd_interval;
use crate::report::Report;
use crate::session::Session;

pub(crate) fn run(report: &mut Report) -> Result<()> {
    // With 12 asked for, 2/25 s is also what the camera itself would choose.
    for fps in [30, 12] {
        leave_odd_interval(&test_camera_node()?)?;
        let start = Instant::now();
        let configuration = format!("{}fps = {fps}\n", configuration(TEST_CAMERA));
        let mut session = Session::start(&format!("interval{fps}"), &configuration, &["--no-microphone", "--no-llm"])?;
        let started = session.line("start", start, |value| value["event"]["kind"] == "started")?;
        let running = session.change("camera", &["running"], start)?;
        report.timed(&format!("left at 2/25 s, {fps} a second wanted: opened"), running.at - started.at, BACK);
        let view = session.until("showing a picture", |view| !view["picture"].is_null())?;
        report.holds("pictures come", true, view["camera"]["device"].as_str().unwrap_or_default());
        session.stop()?;
    }
    Ok(())
}
