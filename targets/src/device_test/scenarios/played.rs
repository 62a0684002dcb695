//! Played speech is scored as its file is: the same segments, the same valence, with and without the language model.

use std::time::Instant;

use anyhow::{Result, anyhow};

use super::configuration;
use crate::report::Report;
use crate::session::Session;
use crate::speech::{compare, play, same, scored};

pub(crate) fn run(report: &mut Report) -> Result<()> {
    // Side by side: starting the program is most of the work, and the machine has two processors.
    let files = std::thread::scope(|scope| {
        let first = scope.spawn(|| scored(&["--no-llm"]));
        let revised = scored(&[]);
        let first = first.join().unwrap_or_else(|_| Err(anyhow!("the thread that scores broke down")));
        Ok::<_, anyhow::Error>([first?, revised?])
    })?;
    let start = Instant::now();
    // Emulation is slower than speech: the second utterance would wait too long behind the first one's language model.
    let patient = format!("{}[llm]\nwaiting_s = 600.0\nlongest_s = 600.0\n", configuration("none"));
    let mut session = Session::start("played", &patient, &["--no-camera"])?;
    session.running(&["microphone"], start)?;
    let since = Instant::now();
    let mut player = play()?;
    let revised = session.records(2, 2, since)?;
    let first = session.records(1, 2, since)?;
    let _ = player.wait();
    session.stop()?;
    for (what, live, file) in [("first scores", &first, &files[0]), ("revised scores", &revised, &files[1])] {
        match compare(live, file, true) {
            Ok(off) => {
                let (times, valences) = off;
                let seen = format!("{} utterances, off by {times:.1e} s, valence {valences:.1e}", live.len());
                report.holds(&format!("{what} are those of the file"), same(off), &seen);
            }
            Err(error) => report.holds(&format!("{what} are those of the file"), false, &error.to_string()),
        }
    }
    for line in &first {
        let after = line.value["latency_ms"]["since_end"].as_f64().unwrap_or(f64::NAN) / 1e3;
        report.note("first score after the end of speech", &format!("{after:6.2} s"));
    }
    Ok(())
}
