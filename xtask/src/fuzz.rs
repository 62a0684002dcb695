//! `cargo xtask fuzz`: damaged and hostile inputs for every reader of outside bytes.

use anyhow::Result;

use crate::setup::{self, Need};
use crate::steps::{cargo, run, target};

/// `cargo xtask fuzz [--minutes N | --seconds N | --cases N] [--seed N] [TARGET..]`, `fuzz list`, `fuzz case TARGET FILE`; inputs
/// that break a promise are kept below `target/fuzz`.
pub(crate) fn fuzz(rest: &[String]) -> Result<()> {
    setup::run(Need::Demo)?;
    run(&cargo(), &["build", "--release", "--locked", "--workspace", "--bin", "mien-fuzz"])?;
    let mut args = rest.to_vec();
    if !matches!(rest.first().map(String::as_str), Some("list" | "case" | "help" | "--help" | "-h")) {
        args.splice(0..0, ["--findings".to_owned(), target().join("fuzz").display().to_string()]);
    }
    run(&target().join("release/mien-fuzz").display().to_string(), &args)
}
