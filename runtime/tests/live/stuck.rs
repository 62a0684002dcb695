//! Threads that stand still: strace holds the next system call of one thread back for longer than anybody waits.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::session::Session;
use crate::speech::{as_device, portrait, two_voices};

/// How long a thread is held back: 40 s.
const HELD: &str = "inject=all:delay_enter=40000000";
/// What an ending may take at most; a machine that does other things gets more than the promised second.
const ENDING: Duration = Duration::from_secs(5);

/// Holds back the thread `name` of the process `id` from its next system call on.
fn hold(id: u32, name: &str) -> Child {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| std::fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name);
    let thread = threads.into_iter().find(named).unwrap_or_else(|| panic!("no thread {name}"));
    let thread = thread.file_name().unwrap().to_str().unwrap().to_owned();
    Command::new("strace")
        .args(["-q", "-o", "/dev/null", "-e", HELD, "-p", &thread])
        .stderr(Stdio::null())
        .spawn()
        .expect("strace is not installed: run `cargo xtask setup`")
}

fn session() -> (tempfile::TempDir, Session) {
    let folder = tempfile::tempdir().unwrap();
    let (sound, picture) = (as_device(&two_voices(folder.path())), as_device(&portrait()));
    let mut session = Session::start(&["--microphone", &sound, "--camera", &picture], &[]);
    session.records(2, 1);
    (folder, session)
}

#[test]
fn a_thread_that_stands_still_ends_the_session_with_its_own_exit_code() {
    for name in ["listen", "faces", "score", "read"] {
        let (_folder, mut session) = session();
        let mut strace = hold(session.id(), name);
        let start = Instant::now();
        let ended = session.ended();
        let took = start.elapsed();
        println!("{name} held back: exit code {:?} after {took:?}", ended.code);
        let _ = strace.kill();
        let _ = strace.wait();
        assert_eq!(ended.code, Some(6), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(&format!("{name}: no progress")), "{}", ended.stderr);
        let told = ended.seen.iter().find(|line| line["event"]["kind"] == "fault");
        assert_eq!(told.unwrap_or_else(|| panic!("no event: {:#?}", ended.seen))["event"]["thread"], name);
    }
}

#[test]
fn an_end_that_is_asked_for_does_not_wait_for_a_thread_that_stands_still() {
    for name in ["listen", "faces", "score", "read", "signals", "supervisor", "notify", "mien"] {
        let (_folder, mut session) = session();
        let mut strace = hold(session.id(), name);
        std::thread::sleep(Duration::from_secs(2));
        session.signal("TERM");
        let start = Instant::now();
        let ended = session.ended();
        let took = start.elapsed();
        println!("SIGTERM while {name} is held back: exit code {:?} after {took:?}", ended.code);
        let _ = strace.kill();
        let _ = strace.wait();
        assert!(took < ENDING, "{name}: {took:?}");
        assert!(ended.code.is_some(), "{name}");
    }
}
