//! Chosen channels of a microphone array.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::session::{Session, mien};
use crate::speech::{assert_same, scored, two_voices};

/// Six channels: speech in the third, a loud tone in all others.
fn array(folder: &Path, speech: &Path) -> PathBuf {
    let path = folder.join("array.wav");
    let tone = "sine=frequency=440:sample_rate=16000:duration=12,volume=6dB";
    let graph = "[0:a]pan=mono|c0=c0[t];[t]asplit=5[a][b][d][e][f];[1:a]apad=whole_dur=12[c];\
                 [a][b][c][d][e][f]amerge=inputs=6[o]";
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", tone, "-i"])
        .arg(speech)
        .args(["-filter_complex", graph, "-map", "[o]", "-shortest", "-c:a", "pcm_s16le"])
        .arg(&path)
        .status();
    assert!(made.expect("ffmpeg is not installed: run `cargo xtask setup`").success());
    path
}

#[test]
fn one_channel_of_six_is_heard_alone() {
    let folder = tempfile::tempdir().unwrap();
    let speech = two_voices(folder.path());
    array(folder.path(), &speech);
    let config = folder.path().join("mien.toml");
    let text = "[microphone]\ndevice = \"file:array.wav\"\nchannels = [2]\n";
    std::fs::write(&config, text).unwrap();
    let mut session = Session::start(&["--no-llm", "--no-camera", "--config", config.to_str().unwrap()], &[]);
    let records = session.records(1, 2);
    assert_same(&records[..2], &scored(&speech, &["--no-llm"]));
    assert_eq!(session.stop().code, Some(0));
}

#[test]
fn a_channel_that_is_not_there_is_told_with_how_many_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let speech = two_voices(folder.path());
    array(folder.path(), &speech);
    let config = folder.path().join("mien.toml");
    for (device, channels, told) in [
        ("array.wav", "[1, 6]", "6 channels, numbers 0 to 5"),
        ("two.wav", "[1]", "one channel, number 0"),
    ] {
        let text = format!("[microphone]\ndevice = \"file:{device}\"\nchannels = {channels}\n");
        std::fs::write(&config, text).unwrap();
        let args = ["--no-llm", "--no-camera", "--config", config.to_str().unwrap()];
        let mut session = Session::start(&args, &[]);
        let lost = session.state("microphone", "reopening");
        let reason = lost["event"]["reason"].as_str().unwrap();
        assert!(reason.contains(told) && reason.contains("microphone.channels"), "{reason}");
        assert_eq!(session.stop().code, Some(0));
    }
    for (channels, told) in [("[]", "0 channels"), ("[0, 0]", "stands twice"), ("[64]", "0 to 63")] {
        std::fs::write(&config, format!("[microphone]\nchannels = {channels}\n")).unwrap();
        let output = mien(&["config", "check"]).arg(&config).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{channels}");
        assert!(stderr.contains("microphone.channels") && stderr.contains(told), "{channels}: {stderr}");
    }
}
