//! Running `mien doctor` on devices that are files, and reading what it says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::dry::dry;

/// Recorded human voice of Debian's alsa-utils: "front center".
pub(crate) const SPEECH: &str = "/usr/share/sounds/alsa/Front_Center.wav";

/// A folder for one test, with a configuration.
pub(crate) struct Room(TempDir);

impl Room {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the doctor with this configuration.
    pub(crate) fn doctor(&self, config: &str, args: &[&str]) -> Examined {
        self.doctor_in(&[], config, args)
    }

    /// Runs the doctor with these variables besides the machine's, and with this configuration.
    pub(crate) fn doctor_in(&self, variables: &[(String, String)], config: &str, args: &[&str]) -> Examined {
        let path = self.path("mien.toml");
        std::fs::write(&path, config).unwrap();
        let mut command = command(&["doctor", "--json", "--config", path.to_str().unwrap()]);
        let output = command.args(args).envs(variables.iter().cloned()).output().unwrap();
        examined(&output)
    }

    /// Mono 16-bit sound of 16 kHz.
    pub(crate) fn wav(&self, name: &str, samples: &[i16]) -> PathBuf {
        let path = self.path(name);
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        samples.iter().for_each(|&s| writer.write_sample(s).unwrap());
        writer.finalize().unwrap();
        path
    }

    /// A film of these colours, as a camera.
    pub(crate) fn film(&self, colour: &str) -> PathBuf {
        let path = self.path("film.mp4");
        let source = format!("color=c={colour}:s=320x240:r=10:d=2");
        let output = Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "error", "-y", "-f", "lavfi", "-i", &source])
            .args(["-c:v", "libx264", "-pix_fmt", "yuv420p"])
            .arg(&path)
            .output()
            .expect("ffmpeg is not installed: run `cargo xtask setup`");
        assert!(output.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&output.stderr));
        path
    }

    /// A dry bundle, whose manifest may be changed: no digest covers it.
    pub(crate) fn bundle(&self) -> PathBuf {
        let path = self.path("dry");
        let made = command(&["bundle", "dry", "--out", path.to_str().unwrap()]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        path
    }
}

/// `mien` on the dry bundle, without what the machine's environment says of services.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mien"));
    command.args(args).env("MIEN_BUNDLE", dry()).env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC");
    command
}

/// A configuration whose microphone plays `sound`, without camera.
pub(crate) fn listening_to(sound: &Path) -> String {
    format!("[microphone]\ndevice = \"file:{}\"\n[camera]\nenabled = false\n", sound.display())
}

/// What the doctor says.
pub(crate) struct Examined {
    pub(crate) code: i32,
    pub(crate) report: Value,
}

pub(crate) fn examined(output: &Output) -> Examined {
    let Output { status, stdout, stderr } = output;
    let stderr = String::from_utf8_lossy(stderr);
    let code = status.code().expect("it ends by itself, not by a signal");
    let report: Value = serde_json::from_slice(stdout).unwrap_or_else(|e| panic!("one JSON object: {e}; {stderr}"));
    let found = Examined { code, report };
    assert_eq!(found.report["exit_code"], code);
    let rank = |status: &Value| ["ok", "note", "warning", "failure"].iter().position(|s| status == s).unwrap();
    let worst = found.findings().iter().map(|f| rank(&f["status"])).max().unwrap();
    assert_eq!(rank(&found.report["worst"]), worst);
    assert_eq!(code != 0, worst == 3, "only failures end with a code: {}", found.report);
    for finding in found.findings() {
        let fix = finding["fix"].as_str();
        assert_eq!(fix.is_none(), finding["status"] == "ok", "each fault has a fix, nothing else has: {finding}");
        assert!(fix.is_none_or(|f| f.len() > 5), "{finding}");
        assert!(finding["found"].as_str().is_some_and(|f| !f.is_empty() && !f.contains('\n')), "{finding}");
    }
    found
}

impl Examined {
    pub(crate) fn findings(&self) -> &[Value] {
        self.report["findings"].as_array().unwrap()
    }

    /// The one finding of `check`.
    pub(crate) fn finding(&self, check: &str) -> &Value {
        let mut of_check = self.findings().iter().filter(|f| f["check"] == check);
        let finding = of_check.next().unwrap_or_else(|| panic!("no {check}: {}", self.report));
        assert!(of_check.next().is_none(), "{check} is there once: {}", self.report);
        finding
    }

    /// The status of `check`, and what was found, with the fix.
    pub(crate) fn told(&self, check: &str) -> (&str, String) {
        let finding = self.finding(check);
        let text = |key: &str| finding[key].as_str().unwrap_or_default();
        (text("status"), format!("{} -> {}", text("found"), text("fix")))
    }

    pub(crate) fn has(&self, check: &str) -> bool {
        self.findings().iter().any(|f| f["check"] == check)
    }
}
