//! The socket's file: taken only where nobody else has it, removed only while it is ours.

use std::fs::{Metadata, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How long another program may take to accept a connection; one that hangs still has its socket.
const PROBE: Duration = Duration::from_secs(2);
/// How often a file that appears in the moment of taking its place is looked at anew.
const TRIES: usize = 3;

/// A socket's file; removed when dropped, if it is still this socket's.
pub(super) struct Place {
    path: PathBuf,
    file: (u64, u64),
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl Place {
    /// Binds in a fresh folder that only this user may enter, and links the socket to its place once nobody else may use it: a
    /// socket has the permissions of the umask until they are changed, and whoever connects before that stays connected.
    ///
    /// # Errors
    /// Whose the path is, or why it cannot be made.
    pub(super) fn take(path: &Path) -> Result<(UnixListener, Self), String> {
        let cannot =
            |e: std::io::Error| format!("cannot make it: {e}; check the folder, its permissions and the path's length");
        // A socket can be moved to where nobody can name it: paths of sockets are short.
        SocketAddr::from_pathname(path).map_err(cannot)?;
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = tempfile::Builder::new().prefix(".mien").tempdir_in(parent).map_err(cannot)?;
        let made = folder.path().join("s");
        let listener = UnixListener::bind(&made).map_err(cannot)?;
        std::fs::set_permissions(&made, Permissions::from_mode(0o600)).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        let file = identity(&made.symlink_metadata().map_err(cannot)?);
        for _ in 0..TRIES {
            // A link is made only where there is nothing yet.
            match std::fs::hard_link(&made, path) {
                Ok(()) => return Ok((listener, Self { path: path.into(), file })),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => clear(path, folder.path())?,
                Err(e) => return Err(cannot(e)),
            }
        }
        Err("other programs take it at the same time; end them, or name another path".into())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let there = self.path.symlink_metadata();
        if there.is_ok_and(|there| identity(&there) == self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Takes a socket away that nobody listens on: what a killed program left behind.
fn clear(path: &Path, folder: &Path) -> Result<(), String> {
    let unclear = |e: std::io::Error| format!("cannot see whose socket is there: {e}; name another path");
    let metadata = match path.symlink_metadata() {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(unclear)?,
    };
    if !metadata.file_type().is_socket() {
        return Err("there is another file, which is kept; name a new path".into());
    }
    if answers(path).map_err(unclear)? {
        return Err("another program listens there; end it, or name another path".into());
    }
    // Taken away in one step, and looked at once nobody else can take it: another program may have replaced it just now.
    let taken = folder.join("old");
    match std::fs::rename(path, &taken) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        renamed => renamed.map_err(unclear)?,
    }
    if taken.symlink_metadata().is_ok_and(|now| identity(&now) != identity(&metadata)) {
        let _ = std::fs::hard_link(&taken, path);
    }
    Ok(())
}

/// Whether somebody listens at `path`.
fn answers(path: &Path) -> std::io::Result<bool> {
    let (send, connected) = sync_channel(1);
    let path = path.to_owned();
    // A program that hangs lets a connection wait without end.
    std::thread::Builder::new().name("control probe".into()).spawn(move || send.send(UnixStream::connect(path)))?;
    match connected.recv_timeout(PROBE) {
        Ok(Ok(_)) | Err(RecvTimeoutError::Timeout) => Ok(true),
        Ok(Err(e)) if matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(false),
        Ok(Err(e)) => Err(e),
        Err(RecvTimeoutError::Disconnected) => Ok(false),
    }
}
