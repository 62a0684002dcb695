//! Running other programs in the project's folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Where set-up puts the picture that tests and trials show.
pub(crate) fn assets() -> PathBuf {
    root().join("target/assets")
}

/// Runs `program` in the project's folder; an exit code other than 0 is an error.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(program: &str, args: &[S]) -> Result<()> {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    let shown = format!("{command:?}").replace('"', "");
    eprintln!("$ {shown}");
    let status = command.status().with_context(|| format!("cannot start {program}; is it installed?"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}

/// Whether `program` can be started and ends with exit code 0.
pub(crate) fn succeeds(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|o| o.status.success())
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

/// Builds the device program and gives its path. The whole workspace is selected so that libraries are built once, with
/// the same features, for demo, tests and lints.
pub(crate) fn mien() -> Result<PathBuf> {
    run(&cargo(), &["build", "--release", "--locked", "--workspace", "--bin", "mien"])?;
    Ok(target().join("release/mien"))
}

/// Builds the workstation's program, likewise, and gives its path.
pub(crate) fn mien_train() -> Result<PathBuf> {
    run(&cargo(), &["build", "--release", "--locked", "--workspace", "--bin", "mien-train"])?;
    Ok(target().join("release/mien-train"))
}
