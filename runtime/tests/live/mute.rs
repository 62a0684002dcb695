//! Muting by signal and by socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use crate::session::Session;
use crate::speech::{as_device, portrait, two_voices};

pub(crate) fn ask(socket: &Path, command: &str) -> Value {
    let mut stream = UnixStream::connect(socket).unwrap();
    writeln!(stream, "{command}").unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn a_signal_closes_the_devices_and_opens_them_again() {
    let folder = tempfile::tempdir().unwrap();
    let (sound, picture) = (as_device(&two_voices(folder.path())), as_device(&portrait()));
    let mut session = Session::start(&["--no-llm", "--microphone", &sound, "--camera", &picture], &[]);
    session.records(1, 1);
    session.signal("USR1");
    let muted = session.next("mute", |line| line["event"]["kind"] == "mute");
    assert_eq!(muted["event"]["muted"], true);
    for device in ["microphone", "camera"] {
        session.state(device, "closed");
    }
    let heard = session.seen.iter().filter(|l| l["revision"] == 1).count();
    // The recording would have given several utterances in this time.
    std::thread::sleep(std::time::Duration::from_secs(4));
    session.signal("USR1");
    let back = session.next("the end of the mute", |line| line["event"]["kind"] == "mute");
    assert_eq!(back["event"]["muted"], false);
    assert_eq!(session.seen.iter().filter(|l| l["revision"] == 1).count(), heard, "nothing is scored while muted");
    session.records(1, heard + 1);
    assert_eq!(session.stop().code, Some(0));
}

#[test]
fn the_socket_mutes_tells_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let sound = two_voices(folder.path());
    let config = folder.path().join("mien.toml");
    let text = "[microphone]\ndevice = \"file:two.wav\"\n[camera]\nenabled = false\n[llm]\nenabled = false\n[control]\nsocket = \"control\"\n";
    std::fs::write(&config, text).unwrap();
    assert!(sound.is_file());
    let mut session = Session::start(&["--config", config.to_str().unwrap()], &[]);
    session.state("microphone", "running");
    let socket = folder.path().join("control");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "for its owner alone");
    let muted = ask(&socket, "mute");
    assert_eq!((&muted["ok"], &muted["muted"]), (&true.into(), &true.into()), "{muted}");
    assert!(muted["closing_ms"].as_f64().is_some());
    let status = ask(&socket, "status");
    assert_eq!(status["view"]["muted"], true);
    assert_eq!(status["view"]["microphone"]["state"], "closed");
    assert_eq!(ask(&socket, "unmute")["muted"], false);
    assert!(
        ask(&socket, "sing")["error"].as_str().unwrap().contains("mute"),
        "an unknown command names the known ones"
    );
    session.next_state("microphone", "running");
    assert_eq!(ask(&socket, "stop")["ok"], true);
    let ended = session.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!socket.exists(), "the socket goes with the program");
}

#[test]
fn a_sentence_that_is_being_spoken_at_a_mute_is_neither_scored_nor_written_down() {
    let folder = tempfile::tempdir().unwrap();
    two_voices(folder.path());
    let config = folder.path().join("mien.toml");
    let text = "[microphone]\ndevice = \"file:two.wav\"\n[camera]\nenabled = false\n[control]\nsocket = \"control\"\n";
    std::fs::write(&config, text).unwrap();
    let mut session = Session::start(&["--config", config.to_str().unwrap()], &[]);
    session.state("microphone", "running");
    let socket = folder.path().join("control");
    for round in 0..4 {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while ask(&socket, "status")["view"]["speaking"] != true {
            assert!(std::time::Instant::now() < deadline, "nobody speaks in round {round}");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(ask(&socket, "mute")["muted"], true);
        session.next("the mute", |line| line["event"]["kind"] == "mute" && line["event"]["muted"] == true);
        let before = session.seen.len();
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert_eq!(ask(&socket, "unmute")["muted"], false);
        session.next("its end", |line| line["event"]["kind"] == "mute" && line["event"]["muted"] == false);
        for line in session.seen[before..].iter().filter(|line| line.get("valence").is_some()) {
            // A sentence that was scored before may still be told to have got no text.
            assert_eq!((&line["revision"], &line["live"]["llm"]), (&2.into(), &"muted".into()), "{line}");
            assert!(line["transcript"].is_null(), "{line}");
        }
    }
    assert_eq!(session.stop().code, Some(0));
}

#[test]
fn a_mute_gets_through_whatever_two_hundred_clients_do() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let folder = tempfile::tempdir().unwrap();
    two_voices(folder.path());
    let config = folder.path().join("mien.toml");
    let text = "[microphone]\ndevice = \"file:two.wav\"\n[camera]\nenabled = false\n[llm]\nenabled = false\n[control]\nsocket = \"control\"\n";
    std::fs::write(&config, text).unwrap();
    let mut session = Session::start(&["--config", config.to_str().unwrap()], &[]);
    session.state("microphone", "running");
    let socket = folder.path().join("control");
    let told = |case: &str| {
        let slowest = ["mute", "unmute"].repeat(5).into_iter().map(|command| {
            let start = std::time::Instant::now();
            let answer = ask(&socket, command);
            assert_eq!(answer["ok"], true, "{case}: {answer}");
            start.elapsed()
        });
        let slowest = slowest.max().unwrap();
        println!("{case}: the slowest of ten mutes and their ends took {slowest:?}");
        // Promised within a fifth of a second; more for a machine that does other things.
        assert!(slowest < std::time::Duration::from_secs(5), "{case}: {slowest:?}");
    };
    let idle: Vec<UnixStream> = (0..200).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    told("200 idle clients");
    drop(idle);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for kind in 0..200 {
            let (over, socket) = (&over, &socket);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let Ok(mut client) = UnixStream::connect(socket) else { continue };
                    let mut answers = BufReader::new(client.try_clone().unwrap());
                    let mut answer = String::new();
                    // Whatever fails, it was sent away.
                    let _ = match kind % 4 {
                        0 => (0..50).try_for_each(|_| {
                            client.write_all(b"status\n").and_then(|()| answers.read_line(&mut answer).map(drop))
                        }),
                        1 => (0..20).try_for_each(|_| {
                            std::thread::sleep(std::time::Duration::from_millis(50));
                            client.write_all(b"s")
                        }),
                        2 => client.write_all(&[b'x'; 5_000]),
                        _ => client.write_all(&b"status\n".repeat(30)),
                    };
                }
            });
        }
        told("200 clients that ask, drip, flood and do not listen");
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(session.stop().code, Some(0));
}
