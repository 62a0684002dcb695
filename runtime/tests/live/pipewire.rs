//! A PipeWire server with a pretended microphone: a null sink, whose monitor is what ALSA's plug-in (pipewire-alsa) hears.
//!
//! It needs a session manager, and that a message bus: one of the test's own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The server's settings: a null sink and what WirePlumber needs.
const SETTINGS: &str = r#"
context.properties = { core.daemon = true core.name = pipewire-0 support.dbus = false
  default.clock.rate = 16000 default.clock.allowed-rates = [ 16000 ] }
context.spa-libs = { audio.convert.* = audioconvert/libspa-audioconvert support.* = support/libspa-support }
context.modules = [
  { name = libpipewire-module-protocol-native }
  { name = libpipewire-module-metadata }
  { name = libpipewire-module-spa-node-factory }
  { name = libpipewire-module-client-node }
  { name = libpipewire-module-access }
  { name = libpipewire-module-adapter }
  { name = libpipewire-module-link-factory }
  { name = libpipewire-module-session-manager }
]
context.objects = [
  { factory = metadata args = { metadata.name = default } }
  { factory = adapter args = { factory.name = support.null-audio-sink node.name = feed media.class = Audio/Sink
    object.linger = true audio.position = [ MONO ] audio.rate = 16000 } }
]
"#;

/// ALSA's plug-in as set-up took it out of its package, which cannot be installed beside PulseAudio.
fn plugin() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/assets/libasound_module_pcm_pipewire.so");
    assert!(path.is_file(), "{} is missing: run `cargo xtask setup`", path.display());
    path.canonicalize().unwrap()
}

/// A server of one test; ends with it.
pub(crate) struct PipeWireServer {
    folder: TempDir,
    bus: Child,
    server: Child,
    manager: Child,
}

impl PipeWireServer {
    /// Starts a server and waits until it answers.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "run"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("pipewire.conf"), SETTINGS).unwrap();
        let lib = plugin();
        let alsa = format!(
            "pcm_type.pipewire {{ lib \"{}\" }}\npcm.!default {{ type pipewire capture_node \"-1\" playback_node \"-1\" }}\n",
            lib.display()
        );
        std::fs::write(folder.path().join("home/.asoundrc"), alsa).unwrap();
        let address = format!("--address=unix:path={}", folder.path().join("run/bus").display());
        let bus = started(Command::new("dbus-daemon").args(["--session", "--nofork", "--nopidfile", &address]));
        let (server, manager) = launch(folder.path());
        let started = Self { folder, bus, server, manager };
        started.wait();
        started
    }

    /// What a program needs in its environment to use this server.
    pub(crate) fn env(&self) -> Vec<(String, String)> {
        env(self.folder.path())
    }

    /// Plays `wav` into the microphone, from now on.
    pub(crate) fn play(&self, wav: &Path) -> Child {
        Command::new("pw-play").arg(wav).envs(self.env()).stderr(Stdio::null()).spawn().expect("pw-play starts")
    }

    /// Ends the server and its session manager as a crash would.
    pub(crate) fn kill(&mut self) {
        for child in [&mut self.server, &mut self.manager] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts the server again after [`Self::kill`].
    pub(crate) fn restart(&mut self) {
        (self.server, self.manager) = launch(self.folder.path());
        self.wait();
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        let answers = || {
            let listed = Command::new("pw-cli").args(["ls", "Node"]).envs(self.env()).output().expect("pw-cli starts");
            String::from_utf8_lossy(&listed.stdout).contains("feed")
        };
        while !answers() {
            assert!(Instant::now() < end, "PipeWire does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for PipeWireServer {
    fn drop(&mut self) {
        self.kill();
        let _ = self.bus.kill();
        let _ = self.bus.wait();
    }
}

fn env(folder: &Path) -> Vec<(String, String)> {
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    vec![
        ("HOME".into(), text(folder.join("home"))),
        ("XDG_CONFIG_HOME".into(), text(folder.join("home/.config"))),
        ("XDG_STATE_HOME".into(), text(folder.join("home/.state"))),
        ("XDG_RUNTIME_DIR".into(), text(folder.join("run"))),
        ("DBUS_SESSION_BUS_ADDRESS".into(), format!("unix:path={}", text(folder.join("run/bus")))),
    ]
}

fn started(command: &mut Command) -> Child {
    let name = command.get_program().to_owned();
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    child.unwrap_or_else(|e| panic!("{}: {e}: run `cargo xtask setup`", name.display()))
}

fn launch(folder: &Path) -> (Child, Child) {
    let server = started(Command::new("pipewire").arg("-c").arg(folder.join("pipewire.conf")).envs(env(folder)));
    // The manager ends where it finds no server.
    let socket = folder.join("run/pipewire-0");
    let end = Instant::now() + Duration::from_secs(30);
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(Instant::now() < end, "PipeWire does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    (server, started(Command::new("wireplumber").envs(env(folder))))
}
