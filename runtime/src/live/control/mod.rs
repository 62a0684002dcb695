//! Commands from other programs: a socket file, one line a command, one JSON object an answer.
//!
//! One thread takes all clients' bytes and waits for none of them; two do the commands: one those that close or open the devices,
//! one all others. So a mute is done at once, whatever other clients do: idle ones, then those that wait for other answers, give way to a
//! new one; bytes in drops and lines without end are cut off. Only this user and root can connect at all.

mod client;
mod place;

use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

use super::command::{Command, Handler};
use super::pulse::Pulse;
use super::queue::{Overflow, Queue};
use super::stage::message;
use crate::{Result, RuntimeError};

use client::{Client, Line};
use place::Place;

/// Clients at once; for one more, another one is sent away.
const CLIENTS: usize = 64;
/// Clients that are let in before those inside are listened to again: each is heard before it can be sent away.
const AT_ONCE: usize = 16;
/// How often the listener looks whether it is to end.
const TURN: Duration = Duration::from_millis(20);
/// How soon it is looked for a place again where there is none.
const CROWDED: Duration = Duration::from_millis(2);
/// How long the end waits for a command under way.
const ENDING: Duration = Duration::from_millis(200);

/// A command whose answer a client waits for.
struct Asked {
    command: Command,
    client: Client,
}

/// Commands that wait for their thread: one of each client at most, so it is never full.
type Commands = Queue<Asked, CLIENTS>;

/// An open control socket; dropping it removes the file, if it is still this socket's.
pub struct ControlSocket {
    _place: Place,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl ControlSocket {
    /// Opens the socket at `path`, for this user alone.
    ///
    /// # Errors
    /// [`RuntimeError::Control`] for a path that another program listens on, that is no socket, or that cannot be made.
    pub fn open(path: &Path, handler: Handler) -> Result<Self> {
        Self::open_watched(path, handler, None)
    }

    /// As [`Self::open`]; the listening thread beats.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_watched(path: &Path, handler: Handler, pulse: Option<Pulse>) -> Result<Self> {
        let (listener, place) =
            Place::take(path).map_err(|reason| RuntimeError::Control { path: path.into(), reason })?;
        let ended = Arc::new(AtomicBool::new(false));
        let [mutes, others]: [Arc<Commands>; 2] = std::array::from_fn(|_| Arc::new(Queue::new(Overflow::Refuse)));
        let mut socket = Self { _place: place, ended: Arc::clone(&ended), threads: Vec::new() };
        for (name, commands) in [("control mute", &mutes), ("control", &others)] {
            let (commands, handler, stop) = (Arc::clone(commands), Arc::clone(&handler), Arc::clone(&ended));
            socket.spawn(name, move || answer(&commands, &handler, &stop))?;
        }
        socket.spawn("control listener", move || {
            let beat = || pulse.iter().for_each(Pulse::beat);
            while !ended.load(Ordering::Relaxed) {
                let listening = AssertUnwindSafe(|| listen(&listener, &mutes, &others, &ended, &beat));
                if let Err(panic) = catch_unwind(listening) {
                    log::error!("the control socket broke down and goes on without its clients: {}", message(&*panic));
                }
            }
            pulse.iter().for_each(Pulse::end);
        })?;
        Ok(socket)
    }

    fn spawn(&mut self, name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new().name(name.into()).spawn(work);
        self.threads.push(thread.map_err(|source| RuntimeError::Thread { name, source })?);
        Ok(())
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + ENDING;
        for thread in self.threads.drain(..) {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
            // One whose command hangs is left behind.
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

/// Does commands, one after the other.
fn answer(commands: &Commands, handler: &Handler, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        let Some(Asked { command, client }) = commands.pop_wait(TURN) else { continue };
        // A command that only tells something is of use to who still waits for it.
        if client.gone() && command == Command::Status {
            continue;
        }
        let answer = catch_unwind(AssertUnwindSafe(|| handler(command))).unwrap_or_else(|panic| {
            let reason = message(&*panic);
            log::error!("{command:?} broke down: {reason}");
            json!({ "error": format!("the command broke down: {reason}") })
        });
        client.answer(&answer);
    }
}

/// Takes clients and their lines until the end.
fn listen(listener: &UnixListener, mutes: &Commands, others: &Commands, ended: &AtomicBool, beat: &dyn Fn()) {
    let mut clients: Vec<Client> = Vec::new();
    let mut at_the_door = None;
    while !ended.load(Ordering::Relaxed) {
        beat();
        wait(listener, &clients, at_the_door.is_some());
        for _ in 0..AT_ONCE {
            let Some(client) = at_the_door.take().or_else(|| listener.accept().ok().map(|(s, _)| Client::new(s)))
            else {
                // Nobody waits, or there is no descriptor left: another turn may find one.
                break;
            };
            if clients.len() >= CLIENTS {
                let Some(index) = least(&clients) else {
                    at_the_door = Some(client);
                    break;
                };
                clients.swap_remove(index).send_away();
            }
            clients.push(client);
        }
        clients.retain_mut(|client| match client.line() {
            Line::None => true,
            Line::Gone => false,
            Line::Unknown(reason) => {
                client.answer(&json!({ "error": reason }));
                true
            }
            Line::Command(command) => {
                let commands = if command.mutes() { mutes } else { others };
                commands.push(Asked { command, client: client.clone() }).is_none()
            }
        });
    }
}

/// The client that makes room for a new one: the one that has been idle for the longest, else the one that has waited for the longest
/// for an answer to anything but a mute.
fn least(clients: &[Client]) -> Option<usize> {
    let mine = clients.iter().enumerate().filter(|(_, client)| client.may_go());
    mine.min_by_key(|(_, client)| (client.waits(), client.since())).map(|(index, _)| index)
}

/// Waits until somebody has something to say, for a turn at most.
fn wait(listener: &UnixListener, clients: &[Client], full: bool) {
    let pause = match (full, clients.iter().any(Client::has_line)) {
        // A line that is here already waits for nobody.
        (_, true) => Duration::ZERO,
        (true, false) => CROWDED,
        (false, false) => TURN,
    };
    let heard = clients.iter().filter(|c| !c.waits());
    let mut polled: Vec<PollFd<'_>> = (!full)
        .then(|| listener.as_fd())
        .into_iter()
        .chain(heard.map(AsFd::as_fd))
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    let limit = Timespec { tv_sec: 0, tv_nsec: pause.subsec_nanos().into() };
    if poll(&mut polled, Some(&limit)).is_err() {
        std::thread::sleep(TURN);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;
    use std::sync::Mutex;

    use super::client::PATIENCE;
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
    fn a_client_always_gets_in_and_an_idle_one_makes_room() {
        let (_folder, path, _socket) = open();
        let held: Vec<_> = (0..3 * CLIENTS).map(|_| UnixStream::connect(&path).unwrap()).collect();
        let start = Instant::now();
        assert!(ask(&path, "mute\n").contains("ok"));
        assert!(start.elapsed() < PATIENCE, "it had to wait until the others went");
        let mut first = held.into_iter().next().unwrap();
        first.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut told = String::new();
        BufReader::new(&mut first).read_line(&mut told).unwrap();
        assert!(told.contains("too many"), "{told}");
    }

    #[test]
    fn a_command_that_hangs_does_not_hold_up_a_mute() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let hanging = Arc::new(Mutex::new(()));
        let held = hanging.lock().unwrap();
        let hangs = Arc::clone(&hanging);
        let handler: Handler = Arc::new(move |command| {
            if !command.mutes() {
                drop(hangs.lock().unwrap());
            }
            json!({ "ok": true })
        });
        let _socket = ControlSocket::open(&path, handler).unwrap();
        let mut clients: Vec<_> = (0..8).map(|_| UnixStream::connect(&path).unwrap()).collect();
        clients.iter_mut().for_each(|client| client.write_all(b"status\n").unwrap());
        assert!(ask(&path, "mute\n").contains("ok"));
        drop(held);
        assert!(ask(&path, "status\n").contains("ok"));
    }

    #[test]
    fn another_program_s_socket_in_the_same_place_stays() {
        let (_folder, path, socket) = open();
        std::fs::remove_file(&path).unwrap();
        let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(socket);
        assert!(path.exists(), "it was somebody else's");
        drop(other);
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
