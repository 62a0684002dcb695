//! Corpora whose making was stopped, and corpora that were changed.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::material::{Room, digest, tree};

fn records(folder: &Path) -> usize {
    fs::read_dir(folder.join("records")).map_or(0, Iterator::count)
}

#[test]
fn a_killed_corpus_goes_on_to_the_same_bytes() {
    let room = Room::new();
    let args = ["--clips", "4,2,2"];
    let whole = digest(&room.corpus("whole", &args).printed());
    let mut killed = 0;
    for wanted in [0, 2, 5] {
        let mut command = room.command("killed", &args);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let folder = room.path("killed");
        while records(&folder) < wanted || !folder.join("settings.toml").exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it had {wanted} records");
            std::thread::sleep(Duration::from_millis(1));
        }
        // Where in the next clip it is hit, differs from run to run.
        std::thread::sleep(Duration::from_millis(9 * wanted as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        if !folder.join("corpus.toml").exists() {
            killed += 1;
            let refused = room.verify("killed").refused(3);
            assert!(refused.contains("not finished"), "{refused}");
        }
    }
    assert!(killed > 0, "no process was killed before its end");
    let printed = room.corpus("killed", &args).printed();
    assert_eq!(digest(&printed), whole);
    assert!(!printed.contains(" 0 stood already"), "{printed}");
    let (a, b) = (room.tree("whole"), room.tree("killed"));
    assert!(a.keys().eq(b.keys()));
    a.iter().for_each(|(name, bytes)| assert!(*bytes == b[name], "{name} differs"));
    // What the killed ones had on their desk is gone.
    assert_eq!(fs::read_dir(room.path("killed/.work")).unwrap().count(), 1);
}

#[test]
fn what_was_changed_lost_or_put_there_is_named_and_made_anew() {
    let room = Room::new();
    let args = ["--clips", "1,1,1"];
    let whole = digest(&room.corpus("corpus", &args).printed());
    let first = fs::read_dir(room.path("corpus/clips")).unwrap().map(|e| e.unwrap().path()).min().unwrap();
    let id = first.file_name().unwrap().to_str().unwrap().to_owned();
    let named = |words: &[&str]| {
        let refused = room.verify("corpus").refused(3);
        words.iter().for_each(|word| assert!(refused.contains(word), "{word:?} in {refused}"));
    };
    let flip = |path: &Path, at: usize| {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    // Each of these is mended by going on, which leaves the two other clips.
    let record = room.path(&format!("corpus/records/{id}.json"));
    let faults: [(&dyn Fn(), &[&str]); 6] = [
        (&|| flip(&first.join("sound.wav"), 3000), &["sound.wav: changed", "sha256"]),
        (&|| fs::write(first.join("01.jpg"), b"short").unwrap(), &["01.jpg: changed", "5 bytes"]),
        (&|| fs::remove_file(first.join("00.jpg")).unwrap(), &["00.jpg: missing"]),
        (&|| fs::write(first.join("more.jpg"), b"").unwrap(), &["more.jpg: foreign"]),
        (&|| flip(&record, 40), &[".json: changed"]),
        (&|| fs::remove_file(&record).unwrap(), &[".json: missing"]),
    ];
    for (hurt, words) in faults {
        hurt();
        named(words);
        let printed = room.corpus("corpus", &args).printed();
        assert!(printed.contains("1 clips made, 2 stood already"), "{printed}");
        assert_eq!(digest(&printed), whole);
        room.verify("corpus").printed();
    }
    // Tables are written anew in any case.
    for (name, word) in [("list.csv", "list.csv: changed"), ("hidden.csv", "hidden.csv: changed")] {
        flip(&room.path(&format!("corpus/{name}")), 300);
        named(&[word]);
        room.corpus("corpus", &args).printed();
    }
    let summary = room.path("corpus/corpus.toml");
    let text = fs::read_to_string(&summary).unwrap();
    fs::write(&summary, text.replacen("clips = 3", "clips = 4", 1)).unwrap();
    named(&["corpus.toml: changed: clips is 4, expected 3"]);
    fs::write(&summary, text.replacen(&whole, &whole.replace(|c: char| c.is_ascii_digit(), "0"), 1)).unwrap();
    named(&["corpus.toml: changed: its digest"]);
    fs::write(&summary, &text).unwrap();
    // What nobody made is left for its owner to take away.
    for name in ["notes.txt", "clips/other_0", "records/other_0.json"] {
        fs::write(room.path(&format!("corpus/{name}")), b"").unwrap();
        named(&[&format!("{name}: foreign")]);
        fs::remove_file(room.path(&format!("corpus/{name}"))).unwrap();
    }
    assert_eq!(digest(&room.verify("corpus").printed()), whole);
    assert_eq!(tree(&room.path("corpus")).keys().filter(|name| name.ends_with("sound.wav")).count(), 3);
}
