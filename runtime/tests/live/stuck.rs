//! Threads that stand still: strace holds the next system call of one thread back for longer than anybody waits.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::LIMIT;
use crate::session::Session;
use crate::speech::{as_device, portrait, two_voices};

/// How long a thread is held back: 40 s.
const HELD: &str = "inject=all:delay_enter=40000000";
/// What an ending may take at most; a machine that does other things gets more than the promised second.
const ENDING: Duration = Duration::from_secs(5);

/// Holds back the thread `name` of the process `id` from its next system call on. The kernel lets the process's end be seen only once the
/// tracer has let go.
struct Hold {
    process: u32,
    thread: String,
    strace: Child,
}

impl Hold {
    fn start(process: u32, name: &str) -> Self {
        let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap().map(|entry| entry.unwrap().path());
        let named = |path: &PathBuf| std::fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name);
        let thread = threads.into_iter().find(named).unwrap_or_else(|| panic!("no thread {name}"));
        let thread = thread.file_name().unwrap().to_str().unwrap().to_owned();
        let strace = Command::new("strace")
            .args(["-q", "-o", "/dev/null", "-e", HELD, "-p", &thread])
            .stderr(Stdio::null())
            .spawn()
            .expect("strace is not installed: run `cargo xtask setup`");
        Self { process, thread, strace }
    }

    /// Waits until every thread but the held one has ended; gives how long that took.
    #[track_caller]
    fn end(mut self) -> Duration {
        let start = Instant::now();
        let gone = |task: &std::path::Path| {
            let stat = std::fs::read_to_string(task.join("stat")).unwrap_or_default();
            stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
        };
        let held = std::path::Path::new(&self.thread);
        let ended = || {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process));
            let tasks = tasks.map(|tasks| tasks.filter_map(Result::ok).map(|task| task.path()).collect::<Vec<_>>());
            tasks.is_ok_and(|tasks| tasks.iter().all(|task| task.file_name() == held.file_name() || gone(task)))
        };
        while !ended() {
            assert!(start.elapsed() < LIMIT, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        let took = start.elapsed();
        let _ = self.strace.kill();
        let _ = self.strace.wait();
        took
    }
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
        let took = Hold::start(session.id(), name).end();
        let ended = session.ended();
        println!("{name} held back: exit code {:?} after {took:?}", ended.code);
        assert_eq!(ended.code, Some(6), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(&format!("{name}: no progress")), "{}", ended.stderr);
        let told = ended.seen.iter().find(|line| line["event"]["kind"] == "fault");
        assert_eq!(told.unwrap_or_else(|| panic!("no event: {:#?}", ended.seen))["event"]["thread"], name);
    }
}

#[test]
fn an_end_that_is_asked_for_does_not_wait_for_a_thread_that_stands_still() {
    for name in ["listen", "faces", "score", "read", "signals", "supervisor", "notify", "watch", "stdout", "mien"] {
        let (_folder, mut session) = session();
        let hold = Hold::start(session.id(), name);
        std::thread::sleep(Duration::from_secs(2));
        session.signal("TERM");
        let took = hold.end();
        let ended = session.ended();
        println!("SIGTERM while {name} is held back: exit code {:?} after {took:?}", ended.code);
        assert!(took < ENDING, "{name}: {took:?}");
        assert!(matches!(ended.code, Some(0 | 6)), "{name}: {:?}", ended.code);
    }
}
