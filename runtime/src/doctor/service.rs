//! The control socket and the service manager.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::patience::within;
use super::{CONFIG, Finding};
use crate::config::Config;

/// Time for asking whether somebody listens on a socket.
const LIMIT: Duration = Duration::from_secs(2);
/// Longest path of a socket that Linux takes, in bytes.
const LONGEST_PATH: usize = 107;

/// Whether the configured control socket can be made.
pub(super) fn examine_socket(config: &Config, add: &mut dyn FnMut(Finding)) {
    let check = "control socket";
    add(match &config.control.socket {
        None => Finding::ok(check, "none configured"),
        Some(path) => socket(check, path),
    });
}

fn socket(check: &'static str, path: &Path) -> Finding {
    let shown = path.display();
    // It is made under a longer name first.
    let made = path.with_extension(format!("new-{}", u32::MAX)).as_os_str().len();
    if made > LONGEST_PATH {
        let found = format!("{shown}: a path of {} bytes is too long", path.as_os_str().len());
        return Finding::failure(
            check,
            CONFIG,
            found,
            "set control.socket to a shorter path, as /run/mien/control.sock",
        );
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let found = format!("{shown}: there is no folder {}", folder.display());
        let fix = format!("`mkdir -p {}`; in a unit file RuntimeDirectory=mien", folder.display());
        return Finding::failure(check, CONFIG, found, fix);
    }
    if let Ok(metadata) = path.symlink_metadata() {
        if !metadata.file_type().is_socket() {
            let found = format!("{shown}: there is another file, no socket");
            return Finding::failure(check, CONFIG, found, "remove it, or set control.socket to another path");
        }
        let asked = path.to_owned();
        if !matches!(within(LIMIT, move || UnixStream::connect(asked).is_err()), Ok(true)) {
            let fix = "end that one before a second one starts, or set control.socket to another path";
            return Finding::note(check, format!("{shown}: a program listens there, mien perhaps"), fix);
        }
    }
    match tempfile::tempfile_in(folder) {
        Ok(_) => Finding::ok(check, format!("{shown} can be made")),
        Err(e) => {
            let found = format!("{shown}: cannot write in {}: {e}", folder.display());
            let fix = format!("`sudo chown $USER {}`, or set control.socket to a folder of yours", folder.display());
            Finding::failure(check, CONFIG, found, fix)
        }
    }
}

/// Whether systemd wants to be told how the program is.
pub(super) fn examine_systemd(add: &mut dyn FnMut(Finding)) {
    let socket = std::env::var_os("NOTIFY_SOCKET").filter(|s| !s.is_empty());
    let watchdog = std::env::var("WATCHDOG_USEC").ok();
    add(systemd(socket.as_deref(), watchdog.as_deref()));
}

fn systemd(socket: Option<&OsStr>, watchdog: Option<&str>) -> Finding {
    let check = "systemd";
    let Some(socket) = socket else {
        let fix = "not needed when started by hand; for a service set Type=notify and WatchdogSec=30 in its unit file";
        return Finding::note(check, "no notify socket: nobody is told when it is ready or stuck", fix);
    };
    // A name that starts with @ is no file.
    if !socket.as_bytes().starts_with(b"@") && !Path::new(socket).exists() {
        let found = format!("NOTIFY_SOCKET is {}, which is not there", Path::new(socket).display());
        return Finding::warning(check, found, "let the unit see /run/systemd/notify, or unset NOTIFY_SOCKET");
    }
    match watchdog.and_then(|w| w.parse::<u64>().ok()) {
        Some(us) => Finding::ok(check, format!("listens, watchdog after {:.1} s", us as f64 / 1e6)),
        None => Finding::note(check, "listens, without watchdog", "WatchdogSec=30 in the unit file"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::super::Status;
    use super::*;

    #[test]
    fn a_socket_needs_a_folder_and_a_free_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let status = |path: &Path| socket("control socket", path).status;
        assert_eq!(status(&path), Status::Ok);
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is left behind");
        let missing = socket("control socket", &folder.path().join("none/control.sock"));
        assert!(missing.exit_code == 3 && missing.fix.unwrap().contains("mkdir"));
        assert_eq!(status(&folder.path().join("x".repeat(120))), Status::Failure);
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(status(&path), Status::Note);
        drop(listener);
        assert_eq!(status(&path), Status::Ok, "what a killed program left behind is replaced");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "a file").unwrap();
        assert_eq!(status(&path), Status::Failure);
    }

    #[test]
    fn systemd_is_told_by_its_variables() {
        assert_eq!(systemd(None, None).status, Status::Note);
        assert_eq!(systemd(Some(OsStr::new("/does/not/exist")), None).status, Status::Warning);
        assert_eq!(systemd(Some(OsStr::new("@abstract")), None).status, Status::Note);
        let watched = systemd(Some(OsStr::new("@abstract")), Some("30000000"));
        assert!(watched.status == Status::Ok && watched.found.contains("30.0 s"), "{watched:?}");
    }
}
