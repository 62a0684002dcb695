//! This test program as another process: words go to its stdin, words come back on its stderr.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

use super::LIMIT;

/// Set in the other process.
const ROLE: &str = "MIEN_TEST_CHILD";

/// Whether this is the other process.
pub(crate) fn in_child() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Says a line to the parent.
pub(crate) fn tell(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Waits until the parent says `word`; ends the process where the parent has gone.
pub(crate) fn heard(word: &str) {
    let mut line = String::new();
    while line.trim() != word {
        line.clear();
        if std::io::stdin().lock().read_line(&mut line).unwrap() == 0 {
            std::process::exit(1);
        }
    }
}

/// The other process; killed when dropped.
pub(crate) struct Child {
    process: std::process::Child,
    stdin: ChildStdin,
    said: Receiver<String>,
}

impl Child {
    /// Starts the test `name` alone, with further environment variables.
    pub(crate) fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .env(ROLE, "1")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take().unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let (send, said) = sync_channel(256);
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { process, stdin, said }
    }

    /// Says a line to the other process.
    pub(crate) fn say(&mut self, word: &str) {
        writeln!(self.stdin, "{word}").unwrap();
    }

    /// Waits for a line.
    #[track_caller]
    pub(crate) fn expect(&self, line: &str) {
        assert_eq!(self.said.recv_timeout(LIMIT).as_deref(), Ok(line));
    }

    /// Passes over lines until this one comes, at most for `limit`.
    #[track_caller]
    pub(crate) fn expect_in(&self, line: &str, limit: std::time::Duration) {
        let deadline = std::time::Instant::now() + limit;
        let mut passed = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            match self.said.recv_timeout(left) {
                Ok(said) if said == line => return,
                Ok(said) => passed.push(said),
                Err(_) => panic!("{line} was not said, only {passed:#?}"),
            }
        }
    }

    /// Waits for a line that holds `part`.
    #[track_caller]
    pub(crate) fn expect_part(&self, part: &str) {
        let line = self.said.recv_timeout(LIMIT).unwrap();
        assert!(line.contains(part), "{line}");
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.process.id())]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let deadline = std::time::Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(std::time::Instant::now() < deadline, "the other process does not end");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
