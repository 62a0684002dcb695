//! Commands from other programs: a socket file, one line a command, one JSON object an answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use super::command::{Command, Handler};
use crate::{Result, RuntimeError};

/// Clients at once; one more is sent away.
const CLIENTS: usize = 4;
/// Longest command in bytes.
const LINE: u64 = 256;
/// How long a client may take for its command.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the listener looks whether it is to end.
const TURN: Duration = Duration::from_millis(50);

/// An open control socket; dropping it removes the file.
pub struct ControlSocket {
    path: PathBuf,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ControlSocket {
    /// Opens the socket at `path`, for this user alone.
    ///
    /// # Errors
    /// [`RuntimeError::Control`] for a path that another program listens on, that is no socket, or that cannot be made.
    pub fn open(path: &Path, handler: Handler) -> Result<Self> {
        let refused = |reason: String| RuntimeError::Control { path: path.into(), reason };
        if let Ok(metadata) = path.symlink_metadata() {
            if !metadata.file_type().is_socket() {
                return Err(refused("there is another file, which is kept; name a new path".into()));
            }
            if UnixStream::connect(path).is_ok() {
                return Err(refused("another program listens there; end it, or name another path".into()));
            }
            // What a killed program left behind.
            std::fs::remove_file(path).map_err(|e| refused(format!("cannot replace the old socket: {e}")))?;
        }
        // Made under another name and moved once only its owner may use it: there is no moment at which others may.
        let made = path.with_extension(format!("new-{}", std::process::id()));
        let open = || {
            let listener = UnixListener::bind(&made)?;
            std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600))?;
            std::fs::rename(&made, path)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = open().map_err(|e: std::io::Error| {
            let _ = std::fs::remove_file(&made);
            refused(format!("cannot make it: {e}; check the folder, its permissions and the path's length"))
        })?;
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        let thread = std::thread::Builder::new()
            .name("control".into())
            .spawn(move || listen(&listener, &handler, &stop))
            .map_err(|source| RuntimeError::Thread { name: "control", source })?;
        Ok(Self { path: path.into(), ended, thread: Some(thread) })
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

fn listen(listener: &UnixListener, handler: &Handler, ended: &AtomicBool) {
    let clients = Arc::new(AtomicUsize::new(0));
    while !ended.load(Ordering::Relaxed) {
        let Ok((mut client, _)) = listener.accept() else {
            std::thread::sleep(TURN);
            continue;
        };
        // The listener does not wait; a client may, for a while.
        let _ = client.set_nonblocking(false);
        if clients.load(Ordering::Relaxed) >= CLIENTS {
            let _ = writeln!(client, "{}", json!({ "error": "too many clients; try again" }));
            continue;
        }
        clients.fetch_add(1, Ordering::Relaxed);
        let (handler, count) = (Arc::clone(handler), Arc::clone(&clients));
        let work = move || {
            serve(client, &handler);
            count.fetch_sub(1, Ordering::Relaxed);
        };
        if std::thread::Builder::new().name("control client".into()).spawn(work).is_err() {
            clients.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Answers a client's lines until it goes, falls silent, or sends what is no command.
fn serve(client: UnixStream, handler: &Handler) {
    let _ = client.set_read_timeout(Some(PATIENCE));
    let _ = client.set_write_timeout(Some(PATIENCE));
    let mut lines = BufReader::new(&client);
    loop {
        let mut line = String::new();
        let read = (&mut lines).take(LINE).read_line(&mut line);
        if !matches!(read, Ok(1..)) || !line.ends_with('\n') {
            return;
        }
        let answer = match line.trim().parse::<Command>() {
            Ok(command) => handler(command),
            Err(reason) => json!({ "error": reason }),
        };
        if writeln!(&client, "{answer}").is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn ask(path: &Path, words: &str) -> String {
        let mut client = UnixStream::connect(path).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.write_all(words.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = BufReader::new(client).read_line(&mut answer);
        answer
    }

    #[test]
    fn commands_are_done_and_rubbish_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let done = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&done);
        let handler: Handler = Arc::new(move |command| {
            seen.lock().unwrap().push(command);
            json!({ "ok": true })
        });
        let socket = ControlSocket::open(&path, Arc::clone(&handler)).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(ask(&path, "mute\n").contains("ok"));
        assert!(ask(&path, "dance\n").contains("unmute"));
        assert_eq!(ask(&path, &"x".repeat(5_000)), "");
        drop(UnixStream::connect(&path).unwrap());
        assert!(ask(&path, "status\n").contains("ok"));
        assert_eq!(*done.lock().unwrap(), [Command::Mute, Command::Status]);

        let twice = ControlSocket::open(&path, Arc::clone(&handler)).err().unwrap().to_string();
        assert!(twice.contains("another program"), "{twice}");
        drop(socket);
        assert!(!path.exists());

        // A socket that nobody listens on any longer is replaced, another file never.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let socket = ControlSocket::open(&path, Arc::clone(&handler)).unwrap();
        assert!(ask(&path, "unmute\n").contains("ok"));
        drop(socket);
        std::fs::write(&path, "precious").unwrap();
        assert!(ControlSocket::open(&path, handler).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
