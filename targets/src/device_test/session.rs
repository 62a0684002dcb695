//! A running `mien run --json`: its lines with the moments of their arrival, and its control socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// How long anything is waited for before the scenario is given up; limits are held against what was measured.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two questions to the control socket.
const ASK: Duration = Duration::from_millis(50);

/// A line of output and when it came.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The moment of its arrival.
    pub(crate) at: Instant,
    /// The object.
    pub(crate) value: Value,
}

/// A running session; killed when dropped.
pub(crate) struct Session {
    child: Child,
    lines: Receiver<Line>,
    seen: Vec<Line>,
    folder: PathBuf,
}

/// `mien` on the trial's bundle.
pub(crate) fn mien() -> Command {
    let mut command = Command::new("mien");
    command.env("MIEN_BUNDLE", "/data/bundle");
    command
}

impl Session {
    /// Starts `mien run --json` with this configuration; `name` is that of its folder for files. With `args` in addition.
    pub(crate) fn start(name: &str, configuration: &str, args: &[&str]) -> Result<Self> {
        Self::start_as(name, configuration, args, None)
    }

    /// As [`Self::start`], as the user and group of this number instead of root.
    pub(crate) fn start_as(name: &str, configuration: &str, args: &[&str], user: Option<u32>) -> Result<Self> {
        let folder = Path::new("/tmp").join(name);
        std::fs::create_dir_all(&folder)?;
        let config = folder.join("mien.toml");
        std::fs::write(&config, format!("{configuration}\n[control]\nsocket = \"control\"\n"))?;
        let mut command = mien();
        if let Some(user) = user {
            std::os::unix::fs::chown(&folder, Some(user), Some(user))?;
            command.uid(user).gid(user);
        }
        let mut child = command
            .args(["run", "--json", "--config"])
            .arg(&config)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.join("stderr"))?)
            .spawn()
            .context("cannot start mien")?;
        let stdout = child.stdout.take().context("mien has no output")?;
        // Bounded; a full queue makes the program wait, and it then says what it lost.
        let (sender, lines) = sync_channel(4096);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let at = Instant::now();
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(Line { at, value }).is_err() {
                    return;
                }
            }
        });
        let session = Self { child, lines, seen: Vec::new(), folder };
        Ok(session)
    }

    /// The first line that arrived at or after `since` and that `wanted` accepts.
    pub(crate) fn line(&mut self, what: &str, since: Instant, wanted: impl Fn(&Value) -> bool) -> Result<Line> {
        let fits = |line: &Line| line.at >= since && wanted(&line.value);
        if let Some(line) = self.seen.iter().find(|line| fits(line)) {
            return Ok(line.clone());
        }
        let end = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if fits(&line) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("no {what} within {} s; {}", PATIENCE.as_secs(), self.last_words())
                }
                Err(RecvTimeoutError::Disconnected) => bail!("mien ended before {what}; {}", self.last_words()),
            }
        }
    }

    /// A device's first change to one of `states` since then.
    pub(crate) fn change(&mut self, device: &str, states: &[&str], since: Instant) -> Result<Line> {
        let what = format!("{device} {}", states.join(" or "));
        self.line(&what, since, |value| {
            let event = &value["event"];
            event["device"] == device && event["to"].as_str().is_some_and(|to| states.contains(&to))
        })
    }

    /// Waits until every one of `devices` runs, from the start on.
    pub(crate) fn running(&mut self, devices: &[&str], start: Instant) -> Result<()> {
        for device in devices {
            self.change(device, &["running"], start)?;
        }
        // Sound that is played before the first samples came is lost to any program.
        std::thread::sleep(Duration::from_secs(1));
        Ok(())
    }

    /// The first `count` scores of this revision since then.
    pub(crate) fn records(&mut self, revision: u64, count: usize, since: Instant) -> Result<Vec<Line>> {
        let mut records: Vec<Line> = Vec::new();
        while records.len() < count {
            let known: Vec<u64> = records.iter().filter_map(|r| r.value["seq"].as_u64()).collect();
            let what = format!("score {} of revision {revision}", records.len() + 1);
            let record = self.line(&what, since, |value| {
                value["revision"] == revision && value["seq"].as_u64().is_some_and(|seq| !known.contains(&seq))
            })?;
            records.push(record);
        }
        Ok(records)
    }

    /// What was told of a device since then, each with its time after that.
    pub(crate) fn story(&self, device: &str, since: Instant) -> String {
        let lines = self.seen.iter().filter(|l| l.at >= since && l.value["event"]["device"] == device);
        let words = lines.map(|line| {
            let event = &line.value["event"];
            let reason = event["reason"].as_str().map_or(String::new(), |reason| format!(" ({reason})"));
            let to = event["to"].as_str().unwrap_or_default();
            format!("{:.2} s {to}{reason}", (line.at - since).as_secs_f64())
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// Whether the device has not changed its state since then.
    pub(crate) fn unchanged(&mut self, device: &str, since: Instant) -> bool {
        while let Ok(line) = self.lines.try_recv() {
            self.seen.push(line);
        }
        !self.seen.iter().any(|line| line.at >= since && line.value["event"]["device"] == device)
    }

    /// The answer of the control socket to `status`.
    pub(crate) fn status(&self) -> Result<Value> {
        let mut stream = UnixStream::connect(self.folder.join("control")).context("control socket")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"status\n")?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(serde_json::from_str::<Value>(&answer)?["view"].take())
    }

    /// Asks for the status until `wanted` accepts it.
    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            // The socket is there a moment after the first lines.
            let view = self.status().unwrap_or_default();
            if wanted(&view) {
                return Ok(view);
            }
            ensure!(Instant::now() < end, "not {what} within {} s: {view}", PATIENCE.as_secs());
            std::thread::sleep(ASK);
        }
    }

    /// Asks for the end and waits for it.
    pub(crate) fn stop(mut self) -> Result<()> {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        ensure!(sent.success(), "mien is gone already; {}", self.last_words());
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "mien ended with {status}; {}", self.last_words());
                return Ok(());
            }
            ensure!(Instant::now() < end, "mien does not end; {}", self.last_words());
            std::thread::sleep(ASK);
        }
    }

    /// What it said last, for errors.
    fn last_words(&self) -> String {
        let stderr = std::fs::read_to_string(self.folder.join("stderr")).unwrap_or_default();
        let last = |lines: Vec<String>| lines.iter().rev().take(8).rev().cloned().collect::<Vec<_>>().join("\n    ");
        let lines = last(self.seen.iter().map(|line| line.value.to_string()).collect());
        format!("it said\n    {lines}\n  and\n    {}", last(stderr.lines().map(String::from).collect()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
