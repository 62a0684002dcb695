//! Files of a bundle are replaced, written over and cut off while programs read them.
//!
//! A few tries each; `MIEN_TRIES=300` makes as many.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::place::{Place, SPEECH, copy, ended, mien};

fn tries() -> u32 {
    std::env::var("MIEN_TRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(12)
}

/// Files on which a score depends.
const FILES: [&str; 6] =
    ["wavlm.weights", "fusion.weights", "projector.weights", "llm.gguf", "wavlm.onnx", "manifest.toml"];

/// One change to the bundle at `target`, another one for each `number`.
fn change(place: &Place, number: u32) {
    let target = place.target();
    let name = FILES[number as usize / 5 % FILES.len()];
    let (there, other) = (target.join(name), place.bundle(1).join(name));
    match number % 5 {
        // Written over in place by what would be read as well.
        0 => fs::write(&there, fs::read(&other).unwrap()).unwrap(),
        // Cut off under the reader.
        1 => File::options().write(true).open(&there).unwrap().set_len(100).unwrap(),
        // Replaced by renaming.
        2 => {
            let beside = target.join("beside");
            fs::copy(&other, &beside).unwrap();
            fs::rename(&beside, &there).unwrap();
        }
        // A few bytes of it.
        3 => {
            let mut file = File::options().write(true).open(&there).unwrap();
            std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(4096)).unwrap();
            file.write_all(&[0x3f; 64]).unwrap();
        }
        // The whole bundle, as it is meant to be done.
        _ => {
            let [archive, target] = [place.archive(1), target].map(|path| path.to_str().unwrap().to_owned());
            ended(&mien(&["bundle", "import", &archive, &target]).output().unwrap()).unwrap();
        }
    }
}

/// The score of the speech by the bundle at `path`, as JSON without times.
fn score(path: &Path) -> Result<Value, String> {
    let run = mien(&["score", SPEECH, "--json", "--bundle", path.to_str().unwrap()]).output().unwrap();
    ended(&run).map(|out| scored(&out))
}

fn scored(out: &str) -> Value {
    let record: Value = serde_json::from_str(out.lines().next().expect("a record")).unwrap();
    serde_json::json!([record["bundle"]["digest"], record["valence"], record["transcript"]])
}

#[test]
fn a_score_is_that_of_its_digest_or_none_whatever_happens_to_the_files() {
    let place = Place::new();
    let expected = [0, 1].map(|which| score(&place.bundle(which)).unwrap());
    assert_ne!(expected[0][1], expected[1][1]);
    place.reset(false);
    let begun = Instant::now();
    score(&place.target()).unwrap();
    let usual = begun.elapsed();
    let mut told = BTreeMap::<String, u32>::new();
    for number in 0..tries() {
        place.reset(false);
        let target = place.target();
        let args = ["score", SPEECH, "--json", "--bundle", target.to_str().unwrap()];
        let running = mien(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // At all moments of a run, in an order that visits early and late ones by turns.
        std::thread::sleep(usual.mul_f64(f64::from(number * 61 % 97) / 97.0));
        change(&place, number);
        let kind = match ended(&running.wait_with_output().unwrap()) {
            Ok(out) => {
                let found = scored(&out);
                assert!(expected.contains(&found), "try {number}: {found}, expected one of {expected:?}");
                if found == expected[0] { "the score before" } else { "the score after" }
            }
            Err(error) => {
                assert!(error.contains("bundle") || error.contains("manifest"), "try {number}: {error}");
                if error.contains("was changed while it was in use") { "changed in use" } else { "refused" }
            }
        };
        *told.entry(kind.into()).or_default() += 1;
    }
    println!("{} tries: {told:?}", tries());
    assert!(told.contains_key("the score before"), "{told:?}");
}

#[test]
fn a_session_that_is_reloaded_gives_scores_of_its_digests_alone() {
    let place = Place::new();
    place.reset(false);
    let out = place.archive(0).with_file_name("session.jsonl");
    let mut session = mien(&["run", "--json", "--no-camera", "--no-llm", "--microphone"])
        .arg(format!("file:{SPEECH}"))
        .args(["--bundle", place.target().to_str().unwrap()])
        .stdout(File::create(&out).unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = || -> Vec<Value> {
        // The last line may be half written.
        fs::read_to_string(&out).unwrap().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let wait = |what: &str, there: &dyn Fn(&[Value]) -> bool| {
        let end = Instant::now() + Duration::from_secs(60);
        while !there(&lines()) {
            assert!(Instant::now() < end, "no {what} within a minute: {:#?}", lines());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let reloads = |lines: &[Value]| lines.iter().filter(|line| line["event"]["kind"] == "bundle").count();
    wait("first score", &|lines| lines.iter().any(|line| line["valence"].is_number()));
    let id = session.id().to_string();
    for number in 0..tries() {
        // The place is filled anew as people do it, by renaming.
        let fresh = place.place().join("fresh");
        copy(&place.bundle(0), &fresh);
        let gone = place.place().join("gone");
        fs::rename(place.target(), &gone).unwrap();
        fs::rename(&fresh, place.target()).unwrap();
        fs::remove_dir_all(&gone).unwrap();
        let before = reloads(&lines());
        assert!(std::process::Command::new("kill").args(["-s", "HUP", &id]).status().unwrap().success());
        std::thread::sleep(Duration::from_millis(u64::from(number * 37 % 101)));
        change(&place, number);
        wait("end of the reload", &|lines| reloads(lines) > before);
        assert!(session.try_wait().unwrap().is_none(), "the session goes on");
    }
    let scores = |lines: &[Value]| lines.iter().filter(|line| line["valence"].is_number()).count();
    let before = scores(&lines());
    wait("score after all of it", &|lines| scores(lines) > before + 1);
    assert!(std::process::Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    ended(&session.wait_with_output().unwrap()).unwrap();
    // The same words again and again: one valence for each digest.
    let mut valences = BTreeMap::<String, Vec<f64>>::new();
    for line in lines().iter().filter(|line| line["valence"].is_number()) {
        let digest = line["bundle"]["digest"].as_str().unwrap();
        assert!(place.digests.iter().any(|known| known == digest), "{digest}");
        valences.entry(digest.into()).or_default().push(line["valence"].as_f64().unwrap());
    }
    for (digest, found) in &valences {
        let (least, most) = found.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
        assert!(most - least < 1e-6, "{digest}: {found:?}");
    }
    println!("{} reloads, scores by digest: {:?}", tries(), valences.values().map(Vec::len).collect::<Vec<_>>());
}
