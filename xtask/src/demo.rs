//! The main job on the built-in default, and the true-size trial.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use crate::setup::{self, Need};
use crate::steps::{mien, root, run, target};

/// How long the listing of devices may take, in seconds: a driver may hang.
const LISTING: &str = "10";

/// `cargo xtask demo`: arguments are handed to `mien demo`.
pub(crate) fn demo(rest: &[String]) -> Result<()> {
    setup::run(Need::Demo)?;
    let mien = mien()?;
    run(&mien.display().to_string(), &[&["demo".to_owned()], rest].concat())?;
    let shown = mien.strip_prefix(root()).unwrap_or(&mien).display();
    if let Some(name) = microphone(&mien) {
        eprintln!("\nThere is a microphone ({name}). To score what you say, until Ctrl-C:\n\n    {shown} run");
    }
    Ok(())
}

/// Name of the first microphone that `mien devices` lists.
fn microphone(mien: &Path) -> Option<String> {
    let listed = Command::new("timeout").arg(LISTING).arg(mien).args(["devices", "--json"]).output().ok()?;
    let listed: Value = serde_json::from_slice(&listed.stdout).ok()?;
    let usable = |device: &&Value| device["trouble"].is_null();
    let found = listed["microphones"].as_array()?.iter().find(usable)?;
    found["name"].as_str().map(str::to_owned)
}

/// `cargo xtask true-size`: arguments are handed to `mien bench`.
pub(crate) fn true_size(rest: &[String]) -> Result<()> {
    setup::run(Need::Recordings)?;
    let mien = mien()?.display().to_string();
    let bundle = target().join("true-size").display().to_string();
    run(&mien, &["bundle", "dry", "--size", "true", "--out", &bundle])?;
    let mut args: Vec<String> =
        ["bench", "--bundle", &bundle, "--seconds", "5", "--runs", "3", "--operators"].map(Into::into).into();
    args.extend_from_slice(rest);
    run(&mien, &args)
}
