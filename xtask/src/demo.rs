//! The main job on the built-in default, and the true-size trial.

use anyhow::Result;

use crate::setup::{self, Need};
use crate::steps::{assets, mien, run, target};

/// `cargo xtask demo`: arguments are handed to `mien demo`.
pub(crate) fn demo(rest: &[String]) -> Result<()> {
    setup::run(Need::Demo)?;
    let mien = mien()?;
    let portrait = assets().join("astronaut.png");
    let mut args = vec!["demo".into(), "--face".into(), portrait.display().to_string()];
    args.extend_from_slice(rest);
    run(&mien.display().to_string(), &args)
}

/// `cargo xtask true-size`: arguments are handed to `mien bench`.
pub(crate) fn true_size(rest: &[String]) -> Result<()> {
    setup::run(Need::Demo)?;
    let mien = mien()?.display().to_string();
    let bundle = target().join("true-size").display().to_string();
    run(&mien, &["bundle", "dry", "--size", "true", "--out", &bundle])?;
    let mut args: Vec<String> =
        ["bench", "--bundle", &bundle, "--seconds", "5", "--runs", "3", "--operators"].map(Into::into).into();
    args.extend_from_slice(rest);
    run(&mien, &args)
}
