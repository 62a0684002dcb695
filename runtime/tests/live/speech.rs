//! Recorded speech, and what scoring its file gives.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::session::mien;

/// The public-domain portrait that set-up fetched.
pub(crate) fn portrait() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/assets/astronaut.png");
    assert!(path.is_file(), "{} is missing: run `cargo xtask setup`", path.display());
    path
}

/// Two voices of alsa-utils, 1.5 s of digital silence after each; mono, 16 bits, 16 kHz.
pub(crate) fn two_voices(folder: &Path) -> PathBuf {
    let path = folder.join("two.wav");
    let graph = "[0:a]apad=pad_dur=1.5[a];[1:a]apad=pad_dur=1.5[b];[a][b]concat=n=2:v=0:a=1,aresample=16000";
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i", "/usr/share/sounds/alsa/Front_Center.wav"])
        .args(["-i", "/usr/share/sounds/alsa/Rear_Right.wav", "-filter_complex", graph])
        .args(["-ac", "1", "-c:a", "pcm_s16le"])
        .arg(&path)
        .status();
    assert!(made.expect("ffmpeg is not installed: run `cargo xtask setup`").success());
    path
}

/// `file:PATH`, as devices take it.
pub(crate) fn as_device(path: &Path) -> String {
    format!("file:{}", path.display())
}

/// The records of `mien score` on `path`.
pub(crate) fn scored(path: &Path, more: &[&str]) -> Vec<Value> {
    let output = mien(&["score", "--json"]).args(more).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// Holds that a session heard in `live` what scoring the file heard in `file`: as many utterances of the same lengths at
/// the same distances, and the same valence.
pub(crate) fn assert_same(live: &[Value], file: &[Value]) {
    let number = |record: &Value, key: &str| record[key].as_f64().unwrap_or_else(|| panic!("no {key} in {record}"));
    assert_eq!(live.len(), file.len(), "live: {live:#?}\nfile: {file:#?}");
    let (Some(first_live), Some(first_file)) = (live.first(), file.first()) else { panic!("nothing was scored") };
    for (live, file) in live.iter().zip(file) {
        for key in ["start_s", "end_s"] {
            let since =
                (number(live, key) - number(first_live, "start_s"), number(file, key) - number(first_file, "start_s"));
            assert!((since.0 - since.1).abs() < 1e-6, "{key}: {since:?}");
        }
        let (heard, expected) = (number(live, "valence"), number(file, "valence"));
        assert!((heard - expected).abs() <= 1e-6 * expected.abs().max(1.0), "valence {heard}, expected {expected}");
        assert_eq!(live["mode"], file["mode"]);
        assert_eq!(live["transcript"], file["transcript"]);
    }
}
