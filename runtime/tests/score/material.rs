//! Running the binary, and recordings to run it on.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::dry::dry;

/// Recorded human voice of Debian's alsa-utils: "front center".
pub(crate) const SPEECH: &str = "/usr/share/sounds/alsa/Front_Center.wav";

/// A finished run of `mien`.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Runs `command` to its end.
    pub(crate) fn of(mut command: Command) -> Self {
        let Output { status, stdout, stderr } = command.output().expect("the binary starts");
        Self {
            code: status.code().expect("the program ends by itself, not by a signal"),
            stdout: String::from_utf8(stdout).expect("UTF-8"),
            stderr: String::from_utf8(stderr).expect("UTF-8"),
        }
    }

    /// The JSON lines of a run that must have succeeded.
    pub(crate) fn records(&self) -> Vec<Value> {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.lines()
    }

    /// The JSON lines, whatever the exit code.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|l| serde_json::from_str(l).expect("one JSON object per line")).collect()
    }

    /// The one error line of a run that must have failed with `code`; warnings are left out.
    pub(crate) fn error(&self, code: i32) -> String {
        let warning = |l: &&str| l.contains("WARNING") || l.starts_with("{\"warning\"");
        let errors: Vec<&str> = self.stderr.lines().filter(|l| !warning(l)).collect();
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        assert_eq!(errors.len(), 1, "one line of error, found: {}", self.stderr);
        errors[0].into()
    }
}

/// `mien` with `args` on the dry bundle, not yet started.
pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mien"));
    command.args(args).env("MIEN_BUNDLE", dry());
    command
}

/// Runs `mien` with `args` on the dry bundle.
pub(crate) fn mien<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Run {
    Run::of(command(args))
}

/// Runs `mien` with `args` on the built-in bundle.
pub(crate) fn built_in<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Run {
    let mut command = command(args);
    command.env_remove("MIEN_BUNDLE");
    Run::of(command)
}

/// A folder for one test, with the recordings that it makes there.
pub(crate) struct Material(TempDir);

impl Material {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes `content` under `name`.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Mono 16-bit sound.
    pub(crate) fn wav(&self, name: &str, rate: u32, samples: &[i16]) -> PathBuf {
        let data = samples.len() as u32 * 2;
        let mut bytes = Vec::new();
        bytes.extend_from_slice(b"RIFF");
        bytes.extend_from_slice(&(36 + data).to_le_bytes());
        bytes.extend_from_slice(b"WAVEfmt ");
        bytes.extend_from_slice(&16u32.to_le_bytes());
        for field in [1u16, 1] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        for field in [rate, rate * 2] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        for field in [2u16, 16] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(b"data");
        bytes.extend_from_slice(&data.to_le_bytes());
        bytes.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
        self.file(name, &bytes)
    }

    /// What ffmpeg makes of `args`, under `name`.
    pub(crate) fn ffmpeg(&self, name: &str, args: &[&str]) -> PathBuf {
        let path = self.path(name);
        let output = Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "error", "-y"])
            .args(args)
            .arg(&path)
            .output()
            .expect("ffmpeg is not installed: run `cargo xtask setup`");
        assert!(output.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&output.stderr));
        path
    }

    /// A film of the portrait saying "front center": H.264 and AAC.
    pub(crate) fn film(&self) -> PathBuf {
        let portrait = portrait();
        let portrait = portrait.to_str().unwrap();
        self.ffmpeg(
            "film.mp4",
            &[
                "-loop",
                "1",
                "-framerate",
                "10",
                "-i",
                portrait,
                "-i",
                SPEECH,
                "-shortest",
                "-c:v",
                "libx264",
                "-pix_fmt",
                "yuv420p",
                "-c:a",
                "aac",
            ],
        )
    }
}

/// The public-domain portrait that set-up fetched.
pub(crate) fn portrait() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/assets/astronaut.png");
    assert!(path.is_file(), "{} is missing: run `cargo xtask setup`", path.display());
    path
}

/// Seconds of noise or tone are not speech; silence certainly is not.
pub(crate) fn silence(seconds: f64) -> Vec<i16> {
    vec![0; (seconds * 16_000.0) as usize]
}
