//! Sound that is played into a sound server's microphone.

use crate::pulse::PulseServer;
use crate::session::{Session, mien};
use crate::speech::{assert_same, scored, two_voices};

/// A session on the server's microphone at the rate at which the server takes sound: nothing is resampled on the way.
fn listen(server: &PulseServer, folder: &std::path::Path, more: &[&str]) -> Session {
    let config = folder.join("mien.toml");
    std::fs::write(&config, "[microphone]\nrate_hz = 16000\n").unwrap();
    let args = [&["--no-camera", "--config", config.to_str().unwrap()], more].concat();
    Session::start(&args, &server.env())
}

#[test]
fn played_speech_is_scored_as_its_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let wav = two_voices(folder.path());
    let server = PulseServer::start();
    let mut session = listen(&server, folder.path(), &[]);
    session.state("microphone", "running");
    assert!(server.play(&wav).wait().unwrap().success());
    session.records(2, 2);
    let ended = session.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let revision = |n: u64| ended.seen.iter().filter(|l| l["revision"] == n).cloned().collect::<Vec<_>>();
    assert_same(&revision(1), &scored(&wav, &["--no-llm"]));
    assert_same(&revision(2), &scored(&wav, &[]));
    for record in revision(1) {
        assert_eq!(record["live"]["microphone"], "running");
        assert_eq!(record["live"]["camera"], "closed");
        assert_eq!(record["live"]["muted"], false);
        assert_eq!(record["dropped"], serde_json::json!({}));
    }
}

#[test]
fn the_servers_microphone_is_listed() {
    let server = PulseServer::start();
    let output = mien(&["devices", "--json"]).envs(server.env()).output().unwrap();
    assert!(output.status.success());
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let microphones = listed["microphones"].as_array().unwrap();
    let ids: Vec<_> = microphones.iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"alsa:pulse"), "{ids:?}");
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "ids name one device each: {ids:?}");
}

#[test]
fn a_server_that_dies_and_returns_costs_the_time_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let wav = two_voices(folder.path());
    let mut server = PulseServer::start();
    let mut session = listen(&server, folder.path(), &["--no-llm"]);
    session.state("microphone", "running");
    server.kill();
    let lost = session.next_state("microphone", "reopening");
    assert!(lost["event"]["reason"].as_str().is_some_and(|r| !r.is_empty()), "{lost}");
    server.restart();
    session.next_state("microphone", "running");
    assert!(server.play(&wav).wait().unwrap().success());
    let records = session.records(1, 2);
    assert_same(&records, &scored(&wav, &["--no-llm"]));
    assert_eq!(session.stop().code, Some(0));
}
