//! Sound servers over the network: refused before anything connects, unless it is allowed; and no internet sockets.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use mien_runtime::config::Config;

use crate::child::{Child, in_child, tell};
use crate::pulse::PulseServer;
use crate::session::{Session, mien};
use crate::speech::{as_device, two_voices};

/// A listener of this machine, on which nobody may have knocked in the end.
struct Trap(TcpListener);

impl Trap {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    fn knocked(&self) -> bool {
        self.0.accept().is_ok()
    }
}

/// Ways to name the server `far`, each as variables and files of a home.
fn ways(home: &Path, port: u16) -> Vec<(String, Vec<(String, String)>)> {
    let far = format!("tcp:127.0.0.1:{port}");
    let at = |name: &str, text: String| {
        let path = home.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let variable = |name: &str, value: String| (format!("{name}={value}"), vec![(name.to_owned(), value)]);
    let mut ways: Vec<_> = [
        far.clone(),
        format!("{{0123456789abcdef0123456789abcdef}}{far}"),
        format!("unix:/nowhere/native {far}"),
        format!("tcp4:localhost:{port}"),
        format!("tcp6:[::1]:{port}"),
        format!("127.0.0.1:{port}"),
        "localhost".to_owned(),
    ]
    .into_iter()
    .map(|servers| variable("PULSE_SERVER", servers))
    .collect();
    let conf = at("named.conf", format!("default-server = {far}\n"));
    ways.push(variable("PULSE_CLIENTCONFIG", conf));
    let folder = home.join("folder");
    at("folder/client.conf", format!(".include {}\n", home.join("named.conf").display()));
    ways.push(variable("PULSE_CONFIG_PATH", folder.to_str().unwrap().to_owned()));
    ways.push(variable("PIPEWIRE_REMOTE", far.clone()));
    let alsa = format!("</usr/share/alsa/alsa.conf>\npcm.far {{ type pulse server \"{far}\" }}\n");
    ways.push(variable("ALSA_CONFIG_PATH", at("asound.conf", alsa)));
    ways
}

#[test]
fn a_sound_server_over_the_network_is_refused_before_anything_connects() {
    let folder = tempfile::tempdir().unwrap();
    let trap = Trap::new();
    let home = folder.path().to_str().unwrap();
    for (way, variables) in ways(folder.path(), trap.port()) {
        for args in [&["devices"][..], &["devices", "--json"], &["run", "--no-llm", "--no-camera"], &["doctor"]] {
            let mut command = mien(args);
            command.env_remove("PULSE_SERVER").env("HOME", home).envs(variables.iter().cloned());
            let output = command.output().unwrap();
            let told =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_ne!(output.status.code(), Some(0), "{way}: {args:?}: {told}");
            assert!(told.contains("over the network"), "{way}: {args:?}: {told}");
            assert!(told.contains("engine.allow_remote_sound_server"), "{way}: {args:?}: {told}");
            let name = &variables[0].0;
            let named = match name.as_str() {
                "PULSE_CLIENTCONFIG" | "PULSE_CONFIG_PATH" => "default-server in ",
                "ALSA_CONFIG_PATH" => "pcm.far.server in ALSA's configuration",
                variable => variable,
            };
            assert!(told.contains(named), "{way}: {args:?}: {told}");
        }
    }
    assert!(!trap.knocked(), "somebody connected");
    // What needs no sound server does not care.
    let sound = as_device(&two_voices(folder.path()));
    let far = [("PULSE_SERVER".to_owned(), format!("tcp:127.0.0.1:{}", trap.port()))];
    let mut session = Session::start(&["--no-llm", "--no-camera", "--microphone", &sound], &far);
    session.records(1, 1);
    assert_eq!(session.stop().code, Some(0));
    assert!(!trap.knocked(), "somebody connected");
}

#[test]
fn a_sound_server_over_the_network_is_heard_where_it_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let server = PulseServer::start();
    let trap = Trap::new();
    let port = trap.port();
    drop(trap);
    let module =
        ["load-module", "module-native-protocol-tcp", &format!("port={port}"), "listen=127.0.0.1", "auth-anonymous=1"];
    assert!(Command::new("pactl").args(module).envs(server.env()).output().unwrap().status.success());
    let config = folder.path().join("mien.toml");
    std::fs::write(&config, "[engine]\nallow_remote_sound_server = true\n").unwrap();
    let mut env = server.env();
    env.retain(|(name, _)| name != "PULSE_SERVER");
    env.push(("PULSE_SERVER".into(), format!("tcp:127.0.0.1:{port}")));
    let config = config.to_str().unwrap();
    let listed = mien(&["devices", "--config", config]).envs(env.iter().cloned()).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("alsa:pulse"), "{listed}");
    let mut session = Session::start(&["--no-llm", "--no-camera", "--config", config], &env);
    session.state("microphone", "running");
    assert_eq!(session.stop().code, Some(0));
}

/// Installs the filter while another thread runs already, and tries sockets on both.
fn filtered() {
    let (ask, asked) = std::sync::mpsc::sync_channel::<()>(1);
    let tries = || {
        let refused = [
            TcpStream::connect(("127.0.0.1", 9)).err(),
            UdpSocket::bind(("127.0.0.1", 0)).err(),
            UdpSocket::bind("[::1]:0").err(),
        ];
        // EAFNOSUPPORT
        let all = refused.iter().all(|e| e.as_ref().is_some_and(|e| e.raw_os_error() == Some(97)));
        let local = UnixStream::pair().is_ok();
        (all, local, format!("{refused:?}"))
    };
    assert!(UdpSocket::bind(("127.0.0.1", 0)).is_ok(), "this machine has sockets");
    let before = std::thread::spawn(move || {
        let _ = asked.recv();
        tries()
    });
    mien_runtime::offline::forbid_internet(&Config::default()).unwrap();
    ask.send(()).unwrap();
    for (refused, local, told) in [tries(), before.join().unwrap(), std::thread::spawn(tries).join().unwrap()] {
        assert!(refused && local, "{told}");
    }
    // A program that is started inherits it.
    let inherited = Command::new("bash").args(["-c", "echo > /dev/udp/127.0.0.1/9"]).output().unwrap();
    assert!(!inherited.status.success());
    tell("well");
}

#[test]
fn the_filter_refuses_internet_sockets_on_every_thread() {
    if in_child() {
        return filtered();
    }
    let mut child = Child::start("remote::the_filter_refuses_internet_sockets_on_every_thread", &[]);
    child.expect_in("well", crate::LIMIT);
    assert_eq!(child.exit_code(), Some(0));
}

#[test]
fn a_session_runs_under_the_filter_unless_it_is_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let sound = as_device(&two_voices(folder.path()));
    let config = folder.path().join("mien.toml");
    let seccomp = |status: &str| status.lines().find_map(|l| Some(l.strip_prefix("Seccomp:")?.trim().to_owned()));
    // Where the tests run under a filter themselves.
    let own = seccomp(&std::fs::read_to_string("/proc/self/status").unwrap()).unwrap();
    for (setting, mode) in [("true", "2"), ("false", own.as_str())] {
        std::fs::write(&config, format!("[engine]\nsocket_filter = {setting}\n")).unwrap();
        let args = ["--no-llm", "--no-camera", "--microphone", &sound, "--config", config.to_str().unwrap()];
        let mut session = Session::start(&args, &[]);
        session.state("microphone", "running");
        for task in std::fs::read_dir(format!("/proc/{}/task", session.id())).unwrap().flatten() {
            let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
            assert!(seccomp(&status).is_none_or(|found| found == mode), "{setting}: {status}");
        }
        assert_eq!(session.stop().code, Some(0));
    }
}

#[test]
fn without_a_server_the_sound_library_writes_nothing_to_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    let quiet = |log: &str| {
        let mut command = mien(&["devices"]);
        command.env("HOME", home).env("XDG_RUNTIME_DIR", home).env("PULSE_SERVER", "unix:/nowhere/native");
        let output = command.env("RUST_LOG", log).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(quiet("warn"), "");
    let lines = quiet("debug");
    assert!(lines.lines().all(|line| line.starts_with("mien: ")), "{lines}");
    assert!(lines.contains("Unable to connect"), "{lines}");
}
