//! `mien doctor` at a sound server whose microphone hears what is played, hears nothing, or is gone.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::pulse::PulseServer;
use crate::room::{Room, SPEECH};

/// No camera: the server has none.
const CONFIG: &str = "[camera]\nenabled = false\n";

/// The recorded voice again and again for a minute, and its peak in dBFS.
fn speech(room: &Room) -> (PathBuf, f64) {
    let mut reader = hound::WavReader::open(SPEECH).unwrap();
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.bits_per_sample), (1, 16), "as Debian's alsa-utils has it");
    let once: Vec<i16> = reader.samples::<i16>().map(Result::unwrap).collect();
    let path = room.path("speech.wav");
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for &sample in once.iter().cycle().take(60 * spec.sample_rate as usize) {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    let peak = once.iter().map(|s| f64::from(s.unsigned_abs())).fold(0.0, f64::max) / 32_768.0;
    (path, 20.0 * peak.log10())
}

/// Waits until the server plays something.
fn wait_for_playing(server: &PulseServer) {
    let started = Instant::now();
    loop {
        let asked = Command::new("pactl").args(["list", "short", "sink-inputs"]).envs(server.env()).output();
        if asked.expect("pactl is not installed: run `cargo xtask setup`").stdout.len() > 1 {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "nothing is played");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The number before `dBFS` after `name`.
fn dbfs(told: &str, name: &str) -> f64 {
    let after = told.split_once(&format!("{name} ")).unwrap_or_else(|| panic!("no {name}: {told}")).1;
    after.split_once(" dBFS").unwrap().0.parse().unwrap()
}

fn play(server: &PulseServer, path: &Path) -> Playing {
    Playing(server.play(path))
}

/// Ends with the test.
struct Playing(std::process::Child);

impl Drop for Playing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_microphone_is_heard_through_the_sound_server() {
    let room = Room::new();
    let mut server = PulseServer::start();
    server.kill();
    let gone = room.doctor_in(&server.env(), CONFIG, &[]);
    assert_eq!((gone.code, gone.told("microphone").0), (4, "failure"), "{}", gone.report);
    server.restart();
    let silent = room.doctor_in(&server.env(), CONFIG, &[]);
    assert_eq!(silent.told("microphones").0, "ok", "{}", silent.report);
    assert_eq!(silent.told("microphone").0, "ok", "{}", silent.report);
    let (status, told) = silent.told("level");
    assert!(silent.code == 4 && status == "failure" && told.contains("digital silence"), "{told}");

    let (sound, peak) = speech(&room);
    let _playing = play(&server, &sound);
    wait_for_playing(&server);
    let heard = room.doctor_in(&server.env(), CONFIG, &[]);
    let (status, told) = heard.told("level");
    assert!(heard.code == 0 && status == "ok", "{}", heard.report);
    // Two seconds hold the whole recording; the server resamples it.
    assert!((dbfs(&told, "peak") - peak).abs() < 2.0, "{told}, the recording has {peak:.1} dBFS");
}
