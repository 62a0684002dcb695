//! Nothing leaves the device: no network, and files only where they were asked for.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::pulse::PulseServer;
use crate::session::{Session, mien};
use crate::speech::{as_device, portrait, two_voices};

/// Calls by which a file can be made or changed, and all sockets.
const TRACED: &str = "socket,connect,bind,sendto,sendmsg,openat,open,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,truncate,link,linkat,symlink,symlinkat";

/// Runs a whole session (microphone, camera, language model, recording, control socket) in a network namespace without
/// interfaces, under a trace of its system calls.
#[test]
fn a_session_opens_unix_sockets_alone_and_writes_where_it_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let wav = two_voices(&root);
    let server = PulseServer::start();
    let (trace, temp, recording) = (root.join("trace"), root.join("tmp"), root.join("recording"));
    std::fs::create_dir(&temp).unwrap();
    let config = root.join("mien.toml");
    let text = format!("[camera]\ndevice = \"{}\"\n[control]\nsocket = \"control\"\n", as_device(&portrait()));
    std::fs::write(&config, text).unwrap();

    let run = mien(&["run", "--json"]);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "--"]);
    command.args([
        "strace",
        "--follow-forks",
        "--quiet=all",
        "--decode-fds=path",
        "-e",
        &format!("trace={TRACED}"),
        "-o",
    ]);
    command.arg(&trace).arg(run.get_program()).args(run.get_args());
    command.arg("--config").arg(&config).arg("--record").arg(&recording);
    // On the built-in bundle, as a device is installed. A path without a folder lies in the trial's own, too.
    command.env_remove("MIEN_BUNDLE").env("TMPDIR", &temp).envs(server.env()).current_dir(&root);
    let mut session = Session::of(command);
    session.state("microphone", "running");
    assert!(server.play(&wav).wait().unwrap().success());
    session.records(2, 2);
    // strace hands no signals on; the traced program is its child.
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", session.id())).unwrap();
    let program = children.split_whitespace().next().unwrap();
    assert!(Command::new("kill").args(["-TERM", program]).status().unwrap().success());
    let ended = session.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let replay = mien(&["replay", "--json"]).env_remove("MIEN_BUNDLE").arg(&recording).output().unwrap();
    assert_eq!(replay.status.code(), Some(0), "{}", String::from_utf8_lossy(&replay.stderr));
    // The built-in bundle says what it knows: aside, where it is taken into use, and in every record.
    let said = "\":\"pocket: knows only its small world";
    let replayed = [replay.stdout, replay.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    for aside in [&ended.stderr, &replayed[1]] {
        assert!(aside.contains(&format!("{{\"warning{said}")), "{aside}");
    }
    let named = |line: &&Value| line.get("revision").is_some() || line["event"]["kind"] == "started";
    for line in ended.seen.iter().filter(named).map(Value::to_string).chain(replayed[0].lines().map(String::from)) {
        assert!(line.contains(&format!("\"statement{said}")), "{line}");
    }

    let trace = std::fs::read_to_string(&trace).unwrap();
    let called = |name: &str| trace.lines().filter(|l| l.contains(&format!(" {name}("))).collect::<Vec<_>>();
    let sockets = called("socket");
    assert!(!sockets.is_empty(), "the sound server was reached by a socket");
    for line in sockets {
        assert!(line.contains("socket(AF_UNIX") || line.contains("socket(PF_UNIX"), "{line}");
    }
    // The sound server's client library keeps its cookie in the home and its run-time folder, which are the trial's.
    let env = server.env();
    let of_server = |key: &str| env.iter().find(|(k, _)| k == key).unwrap().1.clone();
    let root = root.to_str().unwrap().to_owned();
    let allowed = [root, "/dev/".into(), "/proc/".into(), of_server("HOME"), of_server("XDG_RUNTIME_DIR")];
    let mut written = BTreeSet::new();
    for line in trace.lines() {
        let changes = ["O_WRONLY", "O_RDWR", "O_CREAT", "rename(", "renameat", "unlink", "mkdir", "truncate(", "link("];
        if !changes.iter().any(|c| line.contains(c)) || line.contains(") = -1 ") {
            continue;
        }
        let Some(path) = line.split('"').nth(1) else { continue };
        written.insert(path.to_owned());
    }
    assert!(written.iter().any(|p| p.ends_with("sound.wav")), "the trace sees files being made: {written:#?}");
    for path in written {
        let known = allowed.iter().any(|a| path.starts_with(a.as_str())) || !path.starts_with('/');
        assert!(known, "{path} was written");
    }
}
