//! A sound server with a pretended microphone: PulseAudio with a null sink, whose monitor is the microphone.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server of one test; ends with it.
pub(crate) struct PulseServer {
    folder: TempDir,
    server: Child,
    sink: String,
}

impl PulseServer {
    /// Starts a server and waits until it answers.
    pub(crate) fn start() -> Self {
        Self::start_with("rate=16000 channels=1")
    }

    /// The same, with a null sink of this format.
    pub(crate) fn start_with(sink: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = launch(folder.path(), sink);
        let started = Self { folder, server, sink: sink.into() };
        started.wait();
        started
    }

    /// What a program needs in its environment to use this server.
    pub(crate) fn env(&self) -> Vec<(String, String)> {
        env(self.folder.path())
    }

    /// Plays `wav` into the microphone, from now on.
    pub(crate) fn play(&self, wav: &Path) -> Child {
        Command::new("paplay").arg("--latency-msec=500").arg(wav).envs(self.env()).spawn().expect("paplay starts")
    }

    /// Ends the server as a crash would.
    pub(crate) fn kill(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    /// Starts the server again after [`Self::kill`].
    pub(crate) fn restart(&mut self) {
        let _ = std::fs::remove_dir_all(self.folder.path().join("run/pulse"));
        self.server = launch(self.folder.path(), &self.sink);
        self.wait();
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        let answers = || {
            let info = Command::new("pactl").arg("info").envs(self.env()).output().expect("pactl starts");
            info.status.success()
        };
        while !answers() {
            assert!(Instant::now() < end, "PulseAudio does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for PulseServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn env(folder: &Path) -> Vec<(String, String)> {
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    vec![
        ("HOME".into(), text(folder.join("home"))),
        ("XDG_RUNTIME_DIR".into(), text(folder.join("run"))),
        ("PULSE_SERVER".into(), format!("unix:{}", text(folder.join("run/pulse/native")))),
    ]
}

fn launch(folder: &Path, sink: &str) -> Child {
    for name in ["home", "run"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let script = folder.join("server.pa");
    let feed = format!("load-module module-null-sink sink_name=feed {sink}");
    let lines = [
        "load-module module-native-protocol-unix auth-anonymous=1",
        &feed,
        "load-module module-remap-source source_name=testmic master=feed.monitor",
        "set-default-sink feed",
        "set-default-source testmic",
    ];
    std::fs::write(&script, lines.join("\n")).unwrap();
    std::fs::write(folder.join("home/.asoundrc"), "pcm.!default { type pulse }\nctl.!default { type pulse }\n")
        .unwrap();
    Command::new("pulseaudio")
        .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "-F"])
        .arg(script)
        .envs(env(folder))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("pulseaudio is not installed: run `cargo xtask setup`")
}
