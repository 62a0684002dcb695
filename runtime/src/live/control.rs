//! Commands from other programs: a socket file, one line a command, one JSON object an answer.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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
            match UnixStream::connect(path) {
                Ok(_) => return Err(refused("another program listens there; end it, or name another path".into())),
                // What a killed program left behind; moving the new one there replaces it.
                Err(e) if e.kind() == ErrorKind::ConnectionRefused => {}
                Err(e) => return Err(refused(format!("cannot see whose socket is there: {e}; name another path"))),
            }
        }
        let listener = bind(path).map_err(|e| {
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

/// Binds in a fresh folder that only this user may enter, and moves the socket to its place once nobody else may use it:
/// a socket has the permissions of the umask until they are changed, and whoever connects before that stays connected.
fn bind(path: &Path) -> std::io::Result<UnixListener> {
    // A socket can be moved to where nobody can name it: paths of sockets are short.
    SocketAddr::from_pathname(path)?;
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = tempfile::Builder::new().prefix(".mien").tempdir_in(parent)?;
    let made = folder.path().join("s");
    let listener = UnixListener::bind(&made)?;
    std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&made, path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A client's place among the few; free again when dropped, however its thread ends.
struct Place(Arc<AtomicUsize>);

impl Place {
    /// Only the listener takes places.
    fn take(clients: &Arc<AtomicUsize>) -> Self {
        clients.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(clients))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
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
        if clients.load(Ordering::Acquire) >= CLIENTS {
            let _ = writeln!(client, "{}", json!({ "error": "too many clients; try again" }));
            continue;
        }
        let (handler, place) = (Arc::clone(handler), Place::take(&clients));
        let work = move || {
            serve(&client, &handler);
            drop(place);
        };
        // Where the system has no thread left, the client is sent away without a word.
        let _ = std::thread::Builder::new().name("control client".into()).spawn(work);
    }
}

/// A client that must have sent its command by a certain moment: bytes in drops do not hold a place for long.
struct Awaited<'a> {
    client: &'a UnixStream,
    until: Instant,
}

impl Read for Awaited<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.client.set_read_timeout(Some(left))?;
        self.client.read(bytes)
    }
}

/// Answers a client's lines until it goes, falls silent, or sends what cannot be a command.
fn serve(mut client: &UnixStream, handler: &Handler) {
    let _ = client.set_write_timeout(Some(PATIENCE));
    let mut lines = BufReader::new(Awaited { client, until: Instant::now() });
    loop {
        lines.get_mut().until = Instant::now() + PATIENCE;
        let mut line = String::new();
        let read = (&mut lines).take(LINE).read_line(&mut line);
        if !matches!(read, Ok(1..)) || !line.ends_with('\n') {
            return;
        }
        let answer = match line.trim().parse::<Command>() {
            Ok(command) => handler(command),
            Err(reason) => json!({ "error": reason }),
        };
        if writeln!(client, "{answer}").is_err() {
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
        // Who is sent away may be so before the last byte.
        let _ = client.write_all(words.as_bytes());
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
    /// A socket in a fresh folder that answers every command.
    fn open() -> (tempfile::TempDir, PathBuf, ControlSocket) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let socket = ControlSocket::open(&path, Arc::new(|_| json!({ "ok": true }))).unwrap();
        (folder, path, socket)
    }

    /// Asks until a place is free again: a client that went is noticed a moment later.
    #[track_caller]
    fn answers(path: &Path) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !ask(path, "status\n").contains("ok") {
            assert!(Instant::now() < deadline, "no place became free");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[test]
    fn a_fifth_client_is_sent_away_with_a_line() {
        let (_folder, path, _socket) = open();
        // A silent client has its place for two seconds; on a slow machine the first may have gone before the last came.
        let mut held: Vec<_> = (0..CLIENTS).map(|_| UnixStream::connect(&path).unwrap()).collect();
        let deadline = Instant::now() + Duration::from_secs(30);
        while !ask(&path, "status\n").contains("too many") {
            assert!(Instant::now() < deadline, "there is always a place");
            held.push(UnixStream::connect(&path).unwrap());
        }
        drop(held);
        answers(&path);
    }

    #[test]
    fn several_lines_of_one_client_are_answered_in_order() {
        let (_folder, path, _socket) = open();
        let mut client = UnixStream::connect(&path).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.write_all(b"mute\nnonsense\r\nunmute\n").unwrap();
        let answers: Vec<String> = BufReader::new(client).lines().take(3).map(|line| line.unwrap()).collect();
        let errors: Vec<bool> = answers.iter().map(|a| a.contains("error")).collect();
        assert_eq!(errors, [false, true, false], "{answers:?}");
    }

    #[test]
    fn bytes_in_drops_do_not_hold_a_place() {
        let (_folder, path, _socket) = open();
        let mut client = UnixStream::connect(&path).unwrap();
        let start = Instant::now();
        // The client is sent away in the midst of its line, long before the line's end would come.
        while client.write_all(b"s").is_ok() {
            assert!(start.elapsed() < Duration::from_secs(40), "it may go on for ever");
            std::thread::sleep(Duration::from_millis(200));
        }
        assert!(start.elapsed() >= PATIENCE - Duration::from_millis(100), "it was sent away too early");
        answers(&path);
    }

    #[test]
    fn rubbish_of_many_clients_leaves_it_alive() {
        let (_folder, path, _socket) = open();
        let mut random = fastrand::Rng::with_seed(7);
        for length in [0, 1, 2, 255, 256, 257, 4_000] {
            for _ in 0..4 {
                let mut bytes = vec![0; length];
                random.fill(&mut bytes);
                let mut client = UnixStream::connect(&path).unwrap();
                // It may have been sent away already.
                let _ = client.write_all(&bytes);
            }
        }
        answers(&path);
    }

    #[test]
    fn dropping_it_ends_it_soon_even_with_a_silent_client() {
        let (_folder, path, socket) = open();
        let client = UnixStream::connect(&path).unwrap();
        let start = Instant::now();
        drop(socket);
        // Promised within half a second; more for a machine that does other things.
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(!path.exists());
        assert!(UnixStream::connect(&path).is_err());
        drop(client);
    }

    #[test]
    fn a_path_that_cannot_be_is_an_error_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let handler: Handler = Arc::new(|_| json!({}));
        for path in [folder.path().join("nowhere/control"), folder.path().join("x".repeat(120))] {
            let error = ControlSocket::open(&path, Arc::clone(&handler)).err().unwrap();
            assert!(error.to_string().contains("cannot make it"), "{error}");
            assert_eq!(error.exit_code(), 3);
        }
        // Nothing of the attempt stays.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_handler_may_fail_without_taking_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let handler: Handler = Arc::new(|command| match command {
            Command::Mute => panic!("a handler's own fault"),
            _ => json!({ "ok": true }),
        });
        let _socket = ControlSocket::open(&path, handler).unwrap();
        for _ in 0..2 * CLIENTS {
            ask(&path, "mute\n");
        }
        answers(&path);
    }
}
