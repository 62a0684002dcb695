//! Every device of the machine is listed.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{FACE, FACE_CAMERA, MICROPHONE, TEST_CAMERA, TWINS};
use crate::feeder::Feeder;
use crate::report::Report;
use crate::session::mien;

/// What `mien devices` lists.
pub(crate) fn listed() -> Result<Value> {
    let output = mien().args(["devices", "--json"]).output().context("cannot start mien")?;
    ensure!(output.status.success(), "mien devices: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The ids of cameras with this name.
pub(crate) fn cameras(listed: &Value, name: &str) -> Vec<String> {
    let cameras = listed["cameras"].as_array().into_iter().flatten();
    cameras.filter(|c| c["name"] == name).filter_map(|c| c["id"].as_str().map(String::from)).collect()
}

pub(crate) fn run(report: &mut Report) -> Result<()> {
    let nodes = [FACE_CAMERA.1, TWINS.1[0], TWINS.1[1]];
    let _feeders = nodes.map(|node| Feeder::start(node, FACE));
    let listed = listed()?;
    let ids = |kind: &str| -> Vec<String> {
        let devices = listed[kind].as_array().into_iter().flatten();
        devices.filter_map(|d| d["id"].as_str().map(String::from)).collect()
    };
    report.holds("the microphone is listed", ids("microphones").iter().any(|id| id == MICROPHONE), MICROPHONE);
    let found = ids("cameras");
    let vivid = found.iter().any(|id| id == TEST_CAMERA);
    let face = cameras(&listed, FACE_CAMERA.0);
    let twins = cameras(&listed, TWINS.0);
    let all = vivid && face.len() == 1 && twins.len() == 2 && found.len() == 4;
    report.holds("the four cameras are listed", all, &found.join(", "));
    Ok(())
}
