//! A stage that is killed and started again ends in the same bits.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use super::material::{corpus, train, trained, tree};

const STAGE: &str = "POCKET_STAGES_STAGE";
const CORPUS: &str = "POCKET_STAGES_CORPUS";
const OUT: &str = "POCKET_STAGES_OUT";

#[test]
#[ignore = "started by the test below"]
fn child() {
    let of = |name| std::env::var(name).unwrap();
    train(&of(STAGE), of(CORPUS).as_ref(), of(OUT).as_ref()).unwrap();
}

#[test]
fn killed_stages_end_in_the_same_bits() {
    for stage in ["llama", "wavlm"] {
        let out = tempfile::tempdir().unwrap();
        let log = out.path().join(stage).join("log.jsonl");
        // In the first stretch, and in a later one.
        for lines in [4, 25] {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["killed::child", "--exact", "--ignored"])
                .env(STAGE, stage)
                .env(CORPUS, corpus())
                .env(OUT, out.path())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap();
            let begun = Instant::now();
            while fs::read_to_string(&log).map_or(0, |text| text.lines().count()) < lines {
                assert!(begun.elapsed() < Duration::from_secs(60), "no {lines} lines of {stage} after a minute");
                assert!(child.try_wait().unwrap().is_none(), "{stage} ended before it could be killed");
                std::thread::sleep(Duration::from_millis(2));
            }
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(!out.path().join(stage).join("stage.toml").exists());
        }
        train(stage, corpus(), out.path()).unwrap();
        let (found, expected) = (tree(&out.path().join(stage)), tree(&trained().join(stage)));
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, bytes) in &expected {
            assert!(found[name] == *bytes, "{stage}/{name} differs");
        }
        // Finished: nothing is done again.
        train(stage, corpus(), out.path()).unwrap();
        assert!(tree(&out.path().join(stage)) == expected);
    }
}
