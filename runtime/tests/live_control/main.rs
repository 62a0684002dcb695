//! Signals, the service manager and the control socket, between real processes.
//!
//! Each test starts its own program anew with only that test in it; there it plays the other role.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// Another test program uses the rest of it.
#[allow(dead_code)]
mod child;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mien_capture::SessionClock;
use mien_runtime::live::command::{Command, Handler};
use mien_runtime::live::control::ControlSocket;
use mien_runtime::live::notify::Notifier;
use mien_runtime::live::pulse::Pulses;
use mien_runtime::live::signals::SignalWatch;

use child::{Child, heard, in_child, tell};

/// Far longer than anything here takes, on any machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Tells the parent of every command.
fn telling() -> Handler {
    Arc::new(|command| {
        tell(&format!("{command:?}"));
        serde_json::json!({ "ok": true })
    })
}

/// Watches signals until stdin says `drop`.
fn watch_signals() {
    let watch = SignalWatch::start(telling()).unwrap();
    tell("ready");
    heard("drop");
    drop(watch);
    tell("dropped");
}

#[test]
fn signals_become_commands_and_a_second_end_exits_at_once() {
    if in_child() {
        return watch_signals();
    }
    for (end, code) in [("TERM", 143), ("INT", 130)] {
        let mut child = Child::start("signals_become_commands_and_a_second_end_exits_at_once", &[]);
        child.expect("ready");
        child.signal("USR1");
        child.expect("ToggleMute");
        child.signal("HUP");
        child.expect("Reload");
        child.signal("USR1");
        child.expect("ToggleMute");
        child.signal(end);
        child.expect("Stop");
        // It still ends in its own time.
        child.signal(end);
        assert_eq!(child.exit_code(), Some(code), "after two of {end}");
    }
}

#[test]
fn a_command_that_breaks_costs_no_further_signal() {
    if in_child() {
        let told = telling();
        let handler: Handler = Arc::new(move |command| match command {
            Command::Reload => panic!("a handler's own fault"),
            _ => told(command),
        });
        let _watch = SignalWatch::start(handler).unwrap();
        tell("ready");
        return heard("never");
    }
    let mut child = Child::start("a_command_that_breaks_costs_no_further_signal", &[]);
    child.expect("ready");
    child.signal("HUP");
    child.signal("USR1");
    child.expect_in("ToggleMute", LIMIT);
    child.signal("TERM");
    child.expect_in("Stop", LIMIT);
    child.signal("TERM");
    assert_eq!(child.exit_code(), Some(143));
}

#[test]
fn a_watch_that_is_dropped_ends_its_thread() {
    if in_child() {
        return watch_signals();
    }
    let mut child = Child::start("a_watch_that_is_dropped_ends_its_thread", &[]);
    child.expect("ready");
    child.signal("TERM");
    child.expect("Stop");
    child.say("drop");
    // The drop waits for the thread.
    child.expect("dropped");
    assert_eq!(child.exit_code(), Some(0));
}

/// One stage, which beats until it is told to stand still, and a status that would steer the service manager.
fn notify() {
    env_logger::Builder::new().filter_level(log::LevelFilter::Error).init();
    let pulses = Pulses::new(SessionClock::start());
    let pulse = pulses.stage("hearing");
    let still = Arc::new(AtomicBool::new(false));
    let stands = Arc::clone(&still);
    std::thread::spawn(move || {
        loop {
            if !stands.load(Ordering::Relaxed) {
                pulse.beat();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let notifier = Notifier::start(pulses, || "microphone running\nWATCHDOG=1".into()).unwrap();
    heard("stand still");
    still.store(true, Ordering::Relaxed);
    heard("go on");
    still.store(false, Ordering::Relaxed);
    heard("end");
    drop(notifier);
}

/// What a service manager gets.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        Self(UnixDatagram::bind(path).unwrap())
    }

    /// The next message within `limit`.
    fn next(&self, limit: Duration) -> Option<String> {
        let mut bytes = [0; 4_096];
        self.0.set_read_timeout(Some(limit)).unwrap();
        let count = self.0.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..count].to_vec()).unwrap())
    }

    /// Waits for a message of which one line is `wanted`.
    #[track_caller]
    fn expect(&self, wanted: &str) {
        let deadline = Instant::now() + LIMIT;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            if self.next(left.max(Duration::from_millis(1))).is_some_and(|m| m.lines().any(|line| line == wanted)) {
                return;
            }
        }
        panic!("{wanted} did not come");
    }
}

#[test]
fn a_stuck_stage_withholds_the_watchdog() {
    if in_child() {
        return notify();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = Manager::at(&path);
    let socket = path.to_str().unwrap();
    // An interval of half a second: a stage that stands still is told within one, a starved one is not.
    let mut child =
        Child::start("a_stuck_stage_withholds_the_watchdog", &[("NOTIFY_SOCKET", socket), ("WATCHDOG_USEC", "500000")]);
    assert_eq!(manager.next(LIMIT).as_deref().map(str::trim), Some("READY=1"));
    manager.expect("STATUS=microphone running WATCHDOG=1");
    for _ in 0..3 {
        manager.expect("WATCHDOG=1");
    }
    child.say("stand still");
    child.expect_part("hearing");
    // Messages that were under way may still come; then a pause of many half intervals.
    let deadline = Instant::now() + LIMIT;
    while manager.next(Duration::from_millis(2_500)).is_some() {
        assert!(Instant::now() < deadline, "the watchdog is still served");
    }
    child.say("go on");
    manager.expect("WATCHDOG=1");
    child.say("end");
    manager.expect("STOPPING=1");
    assert_eq!(child.exit_code(), Some(0));
}

#[test]
fn without_a_watchdog_only_the_state_is_told() {
    if in_child() {
        return notify();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = Manager::at(&path);
    let mut child =
        Child::start("without_a_watchdog_only_the_state_is_told", &[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    manager.expect("STATUS=microphone running WATCHDOG=1");
    for word in ["stand still", "go on", "end"] {
        child.say(word);
    }
    let mut rest = Vec::new();
    while rest.last().is_none_or(|m: &String| m.trim() != "STOPPING=1") {
        rest.push(manager.next(LIMIT).unwrap());
    }
    assert!(!rest.iter().any(|m| m.lines().any(|line| line.starts_with("WATCHDOG"))), "{rest:?}");
    assert_eq!(child.exit_code(), Some(0));
}

#[test]
fn a_killed_program_s_socket_is_replaced_a_living_one_s_is_not() {
    const NAME: &str = "a_killed_program_s_socket_is_replaced_a_living_one_s_is_not";
    if let Some(path) = std::env::var_os("CONTROL") {
        let _socket = ControlSocket::open(Path::new(&path), telling()).unwrap();
        tell("ready");
        return heard("never");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control");
    let mut child = Child::start(NAME, &[("CONTROL", path.to_str().unwrap())]);
    child.expect("ready");
    let refused = ControlSocket::open(&path, telling()).err().unwrap().to_string();
    assert!(refused.contains("another program"), "{refused}");
    child.signal("KILL");
    child.exit_code();
    assert!(path.exists(), "a killed program removes nothing");
    let socket = ControlSocket::open(&path, telling()).unwrap();
    drop(socket);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
