//! The environment that PulseAudio's library finds in this process.
#![allow(unsafe_code)]

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::OnceLock;

use super::client_conf::ClientConf;

/// Where PulseAudio's library looks for its settings.
const VARIABLE: &str = "PULSE_CLIENTCONFIG";

/// What is kept for the life of the process.
struct Taken {
    /// The variables as they were before.
    variables: Vec<(String, OsString)>,
    /// The settings, which the library opens by the descriptor's number.
    _file: OwnedFd,
}

static TAKEN: OnceLock<Taken> = OnceLock::new();

/// The environment's variables as the process was started with.
pub(super) fn variables() -> Vec<(String, OsString)> {
    match TAKEN.get() {
        Some(taken) => taken.variables.clone(),
        None => std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value))).collect(),
    }
}

/// Lets PulseAudio's library read settings of ours over those of `conf`.
pub(super) fn take_settings(conf: &ClientConf) -> Result<(), String> {
    if TAKEN.get().is_some() {
        return Ok(());
    }
    let failed = |what: &str, why: &dyn std::fmt::Display| format!("PulseAudio's settings stay as they are: {what}: {why}");
    let threads = std::fs::read_dir("/proc/self/task").map_err(|e| failed("/proc/self/task", &e))?.count();
    if threads != 1 {
        return Err(failed("threads are running already", &threads));
    }
    let text = settings(conf)?;
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let fd = rustix::fs::memfd_create("pulse-client.conf", flags).map_err(|e| failed("no file in memory", &e))?;
    let mut file = std::fs::File::from(fd);
    file.write_all(text.as_bytes()).map_err(|e| failed("the file in memory", &e))?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::File::open(&path).map_err(|e| failed(&path, &e))?;
    let taken = Taken { variables: variables(), _file: file.into() };
    if TAKEN.set(taken).is_ok() {
        // SAFETY: this thread is the only one of the process, which was counted above and which nobody but this thread could
        // change, so nobody reads the environment meanwhile.
        unsafe { std::env::set_var(VARIABLE, &path) };
    }
    Ok(())
}

/// The settings in use, and after them ours.
fn settings(conf: &ClientConf) -> Result<String, String> {
    let ours = "enable-shm = no\nautospawn = no\n";
    // Before as well: the library stops reading at the first line that it does not know.
    let mut text = ours.to_owned();
    for file in conf.files.iter().filter(|file| file.exists()) {
        let path = std::path::absolute(file).ok().and_then(|p| p.to_str().map(str::to_owned));
        match path.filter(|p| !p.contains(['#', ';', '\n']) && p.trim() == p) {
            Some(path) => text.push_str(&format!(".include {path}\n")),
            None => return Err(format!("PulseAudio's settings stay as they are: {}: cannot be included", file.display())),
        }
    }
    text.push_str(ours);
    Ok(text)
}
