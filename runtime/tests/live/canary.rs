//! Nothing heard or seen stays in the process's memory once it is muted: its whole memory is searched for it.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::LIMIT;
use crate::mute::ask;
use crate::pulse::PulseServer;
use crate::session::Session;
use crate::speech::{as_device, portrait, two_voices};

/// Samples of a canary, and how many of them in a row are searched for.
const SAMPLES: usize = 64;
const SOUGHT: usize = 8;
/// Pixels of a canary, and how many of them in a row are searched for.
const PIXELS: usize = 64;
const SHOWN: usize = 8;

/// What no chance makes.
fn canary() -> Vec<i16> {
    let mut random = fastrand::Rng::with_seed(18);
    (0..SAMPLES).map(|_| random.i16(-3_000..3_000)).collect()
}

fn pixels() -> Vec<[u8; 3]> {
    let mut random = fastrand::Rng::with_seed(81);
    (0..PIXELS).map(|_| std::array::from_fn(|_| random.u8(..))).collect()
}

/// The two voices with a canary in every twentieth of a second.
fn voices(folder: &Path) -> PathBuf {
    let plain = two_voices(folder);
    let mut reader = hound::WavReader::open(&plain).unwrap();
    let mut samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    for place in samples.chunks_exact_mut(800) {
        // Silence stays silence: it ends the utterances.
        if place.iter().any(|sample| sample.unsigned_abs() > 300) {
            place[..SAMPLES].copy_from_slice(&canary());
        }
    }
    let path = folder.join("canary.wav");
    let mut writer = hound::WavWriter::create(&path, reader.spec()).unwrap();
    samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
    writer.finalize().unwrap();
    path
}

/// The portrait with canaries at its left side, away from the face.
fn picture(folder: &Path) -> PathBuf {
    let mut picture = image::open(portrait()).unwrap().to_rgb8();
    for y in (0..picture.height()).step_by(8) {
        for (x, pixel) in pixels().into_iter().enumerate() {
            picture.put_pixel(x as u32, y, image::Rgb(pixel));
        }
    }
    let path = folder.join("canary.png");
    picture.save(&path).unwrap();
    path
}

/// Pieces that are searched for, by their first two bytes, with what they are of.
struct Sought {
    pieces: Vec<(usize, Vec<u8>)>,
    begins: Vec<bool>,
}

impl Sought {
    /// Pieces of sound as f32, of sound as i16, of pictures.
    fn new() -> Self {
        let floats = |piece: &[i16]| piece.iter().flat_map(|s| (f32::from(*s) / 32_768.0).to_le_bytes()).collect();
        let integers = |piece: &[i16]| piece.iter().flat_map(|s| s.to_le_bytes()).collect();
        let mut pieces: Vec<(usize, Vec<u8>)> = Vec::new();
        for piece in canary().chunks_exact(SOUGHT) {
            pieces.extend([(0, floats(piece)), (1, integers(piece))]);
        }
        pieces.extend(pixels().chunks_exact(SHOWN).map(|piece| (2, piece.concat())));
        let mut begins = vec![false; 1 << 16];
        pieces.iter().for_each(|(_, piece)| begins[usize::from(piece[0]) << 8 | usize::from(piece[1])] = true);
        Self { pieces, begins }
    }

    /// How often pieces of each kind are in `bytes`.
    fn count(&self, bytes: &[u8]) -> [usize; 3] {
        let mut counts = [0; 3];
        for (at, begin) in bytes.windows(2).enumerate() {
            if self.begins[usize::from(begin[0]) << 8 | usize::from(begin[1])] {
                let here = self.pieces.iter().filter(|(_, piece)| bytes[at..].starts_with(piece));
                here.for_each(|(kind, _)| counts[*kind] += 1);
            }
        }
        counts
    }
}

/// How often pieces of sound as f32, of sound as i16 and of pictures are in a process's writable memory.
fn found(id: u32) -> [usize; 3] {
    let sought = Sought::new();
    let mut counts = [0; 3];
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
    let mut memory = std::fs::File::open(format!("/proc/{id}/mem")).unwrap();
    let mut bytes = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|n| u64::from_str_radix(n, 16).unwrap());
        bytes.resize((end - start) as usize, 0);
        // What went away meanwhile holds nothing.
        if memory.seek(SeekFrom::Start(start)).is_ok() && memory.read_exact(&mut bytes).is_ok() {
            counts.iter_mut().zip(sought.count(&bytes)).for_each(|(all, here)| *all += here);
        }
    }
    counts
}

/// Mutes a session in whose memory `wanted` was found, and holds that nothing is found from then on.
fn mute_and_search(session: &mut Session, socket: &Path, wanted: [bool; 3]) {
    let deadline = Instant::now() + LIMIT;
    let before = loop {
        let before = found(session.id());
        if before.iter().zip(wanted).all(|(count, wanted)| *count > 0 || !wanted) {
            break before;
        }
        assert!(Instant::now() < deadline, "the search finds nothing in a session that hears and sees: {before:?}");
    };
    let muted = ask(socket, "mute");
    assert_eq!(muted["closed"], true, "{muted}");
    let start = Instant::now();
    // A network that was at work ends its run first.
    let mut after = found(session.id());
    while after != [0; 3] && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(200));
        after = found(session.id());
    }
    println!("sound as f32, as i16, pictures: {before:?} before, {after:?} after mute ({} ms)", muted["closing_ms"]);
    assert_eq!(after, [0; 3], "before: {before:?}");
    assert_eq!(ask(socket, "unmute")["ok"], true);
    session.next_state("microphone", "running");
}

fn start(folder: &Path, settings: &str, more: &[&str], env: &[(String, String)]) -> (Session, PathBuf) {
    let config = folder.join("mien.toml");
    std::fs::write(&config, format!("{settings}[control]\nsocket = \"control\"\n")).unwrap();
    let args = [&["--config", config.to_str().unwrap()], more].concat();
    (Session::start(&args, env), folder.join("control"))
}

/// Mutes a session that hears and sees files twice, started with `more` arguments.
fn played(folder: &Path, more: &[&str]) {
    let (sound, shown) = (as_device(&voices(folder)), as_device(&picture(folder)));
    let settings = format!("[microphone]\ndevice = \"{sound}\"\n[camera]\ndevice = \"{shown}\"\n");
    let (mut session, socket) = start(folder, &settings, more, &[]);
    session.records(2, 2);
    for round in 1..=2 {
        mute_and_search(&mut session, &socket, [true, false, true]);
        // In another moment of hearing and seeing.
        session.records(1, 2 + round);
        std::thread::sleep(Duration::from_millis(700 * round as u64));
    }
    assert_eq!(session.stop().code, Some(0));
}

#[test]
fn nothing_heard_or_seen_is_in_memory_after_a_mute() {
    played(tempfile::tempdir().unwrap().path(), &[]);
}

/// What is recorded is on the disk, and in no buffer before it.
#[test]
#[ignore = "fails now and then: a few pieces of sound are left somewhere, see ARCHITECTURE's limits"]
fn nothing_heard_or_seen_is_in_memory_after_a_mute_of_a_recorded_session() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording");
    played(folder.path(), &["--record", recording.to_str().unwrap()]);
}

#[test]
fn nothing_of_a_sound_server_is_in_memory_after_a_mute() {
    let folder = tempfile::tempdir().unwrap();
    let wav = voices(folder.path());
    let server = PulseServer::start();
    let (mut session, socket) =
        start(folder.path(), "[microphone]\nrate_hz = 16000\n[camera]\nenabled = false\n", &[], &server.env());
    session.state("microphone", "running");
    for round in 1..=2 {
        let mut playing = server.play(&wav);
        session.records(1, round);
        mute_and_search(&mut session, &socket, [true, false, false]);
        let _ = playing.kill();
        let _ = playing.wait();
    }
    assert_eq!(session.stop().code, Some(0));
}
