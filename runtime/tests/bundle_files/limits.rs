//! `ulimit -v` and `ulimit -d`: a score on some tier, or a refusal that says so; never a program that ends in an allocation.

use std::process::Command;

use serde_json::Value;

use crate::place::{SPEECH, ended};

/// Runs `mien` with `args` where `limit` (an option of the shell's `ulimit`) is `kib`.
fn limited(limit: &str, kib: u64, args: &[&str]) -> std::process::Output {
    Command::new("sh")
        .args(["-c", "ulimit \"$0\" \"$1\" && shift && exec \"$@\"", limit])
        .arg(kib.to_string())
        .arg(env!("CARGO_BIN_EXE_mien"))
        .args(args)
        .env_remove("MIEN_BUNDLE")
        .output()
        .unwrap()
}

#[test]
fn every_limit_gives_a_score_on_some_tier_or_a_clear_refusal() {
    for limit in ["-v", "-d"] {
        let mut seen = Vec::new();
        // From what the program itself hardly starts with to what all of it has room in.
        for step in 0..24 {
            let mib = 200 + 60 * step + 7 * (step % 3);
            let run = limited(limit, mib * 1024, &["score", SPEECH, "--json"]);
            let told = match ended(&run) {
                Ok(out) => {
                    let record: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
                    assert!(record["valence"].is_number(), "{limit} {mib} MiB: {out}");
                    record["rung"].as_str().unwrap().to_owned()
                }
                Err(error) => {
                    assert!(error.contains("memory") || error.contains("ulimit"), "{limit} {mib} MiB: {error}");
                    "refused".into()
                }
            };
            seen.push((mib, told));
        }
        println!("ulimit {limit}: {seen:?}");
        assert_eq!(seen.last().unwrap().1, "full", "{limit}: {seen:?}");
        assert_eq!(seen.first().unwrap().1, "refused", "{limit}: {seen:?}");
        // The refusal names the limit.
        let first = limited(limit, 200 * 1024, &["score", SPEECH]);
        let told = String::from_utf8_lossy(&first.stderr).into_owned();
        assert!(told.contains("ulimit"), "{told}");
    }
}

#[test]
fn the_doctor_counts_the_limit() {
    let run = limited("-v", 700 * 1024, &["doctor", "--json"]);
    let out = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(out.contains("ulimit -v"), "{out}");
}
