//! `mien doctor`.

use std::path::PathBuf;

use clap::Args;
use mien_runtime::config::Config;
use mien_runtime::doctor::{self, Finding, Status};
use mien_runtime::offline;

use super::output::{self, Failure};

#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// The configuration of the live program [default: every setting's default]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The bundle's folder [default: the configuration's, else $MIEN_BUNDLE, else the built-in pocket bundle]
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// A JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Width of a check's name.
const CHECK: usize = 15;
/// Width of a status.
const STATUS: usize = 8;

pub(crate) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    // A configuration that cannot be read allows nothing; the report says what is wrong with it.
    let config = args.config.as_deref().and_then(|path| Config::read(path).ok()).unwrap_or_default();
    offline::forbid_internet(&config)?;
    let mut written = Ok(());
    let mut tell = |finding: &Finding| {
        if !args.json && written.is_ok() {
            written = show(finding);
        }
    };
    let report = doctor::examine(args.config.as_deref(), args.bundle.as_deref(), &mut tell);
    if args.json {
        written = output::json(&report);
    }
    written?;
    match report.exit_code {
        0 => Ok(()),
        code => Err(Failure::Reported(code)),
    }
}

/// A row as soon as it is known: listening and reading digests take some seconds.
fn show(finding: &Finding) -> Result<(), Failure> {
    let status = match finding.status {
        Status::Ok => "ok",
        Status::Note => "note",
        Status::Warning => "WARNING",
        Status::Failure => "FAILURE",
    };
    output::line(&format!("{status:STATUS$}  {:CHECK$}  {}", finding.check, finding.found))?;
    match &finding.fix {
        None => Ok(()),
        Some(fix) => output::line(&format!("{:STATUS$}  {:CHECK$}  -> {fix}", "", "")),
    }
}
