//! Devices that are there and cannot be had: in use, forbidden, without a format that can be read.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use v4l::Device;
use v4l::buffer::Type;
use v4l::io::mmap::Stream;
use v4l::io::traits::CaptureStream;

use super::{BACK, FACE, FACE_CAMERA, MICROPHONE, TEST_CAMERA, configuration, test_camera_node};
use crate::feeder::Feeder;
use crate::report::Report;
use crate::session::{Session, mien};

/// How long the devices stay in use: longer than the longest wait between two attempts to open one.
const IN_USE: Duration = Duration::from_secs(12);
/// A user and a group that no device belongs to.
const NOBODY: u32 = 65_534;

/// Holds that a device is refused with a reason that has each of these words.
fn refused(session: &mut Session, report: &mut Report, device: &str, start: Instant, words: &[&str]) -> Result<()> {
    let told = session.change(device, &["reopening"], start)?;
    let reason = told.value["event"]["reason"].as_str().unwrap_or_default();
    let said = words.iter().all(|word| reason.contains(word));
    report.holds(&format!("{device}: the reason and the remedy are told"), said, reason);
    Ok(())
}

pub(crate) fn run(report: &mut Report) -> Result<()> {
    busy(report)?;
    forbidden(report)?;
    unreadable(report)
}

/// Another program has both devices; then it ends.
fn busy(report: &mut Report) -> Result<()> {
    let mut recorder = Command::new("aplay")
        .args(["-C", "-q", "-D", MICROPHONE.trim_start_matches("alsa:"), "-f", "S16_LE", "-r", "16000", "-c", "1"])
        .arg("/dev/null")
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start aplay")?;
    let device = Device::with_path(test_camera_node()?)?;
    let mut stream = Stream::with_buffers(&device, Type::VideoCapture, 2).context("ask for buffers")?;
    CaptureStream::next(&mut stream).context("a picture")?;
    let start = Instant::now();
    let mut session = Session::start("busy", &configuration(TEST_CAMERA), &["--no-llm"])?;
    refused(&mut session, report, "microphone", start, &["fuser"])?;
    refused(&mut session, report, "camera", start, &["fuser"])?;
    std::thread::sleep(IN_USE.saturating_sub(start.elapsed()));
    recorder.kill()?;
    recorder.wait()?;
    drop(stream);
    drop(device);
    // Nothing tells that a device is free: the next attempt finds it, after waits that have grown to their longest.
    let free = Instant::now();
    for device in ["microphone", "camera"] {
        let running = session.change(device, &["running"], free)?;
        report.timed(&format!("{device}: runs once it is free"), running.at - free, BACK);
    }
    session.stop()
}

/// A user without rights to the devices.
fn forbidden(report: &mut Report) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let _feeder = Feeder::start(FACE_CAMERA.1, FACE)?;
    let output = mien().args(["doctor", "--json"]).uid(NOBODY).gid(NOBODY).output().context("cannot start mien")?;
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    for (check, group) in [("sound access", "audio"), ("camera access", "video")] {
        let findings = told["findings"].as_array().into_iter().flatten();
        let fix = findings.filter(|f| f["check"] == check).find_map(|f| f["fix"].as_str()).unwrap_or_default();
        report.holds(&format!("doctor, {check}: the fix names the group"), fix.contains(group), fix);
    }
    report.holds("doctor's exit code is that of devices", output.status.code() == Some(4), &output.status.to_string());
    let start = Instant::now();
    let mut session = Session::start_as("forbidden", &configuration(FACE_CAMERA.0), &["--no-llm"], Some(NOBODY))?;
    refused(&mut session, report, "microphone", start, &["audio"])?;
    refused(&mut session, report, "camera", start, &["video"])?;
    session.stop()
}

/// A format that the camera does not have.
fn unreadable(report: &mut Report) -> Result<()> {
    let start = Instant::now();
    let configuration = format!("{}format = \"mjpeg\"\n", configuration(TEST_CAMERA));
    let mut session = Session::start("unreadable", &configuration, &["--no-microphone", "--no-llm"])?;
    refused(&mut session, report, "camera", start, &["YUYV", "camera.format"])?;
    session.stop()
}
