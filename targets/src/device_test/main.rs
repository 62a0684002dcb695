//! The live path on a kernel's own devices: runs inside of an emulated machine with snd-aloop, vivid and v4l2loopback.
//!
//! Starts the real `mien`, makes each fault, and holds what the program says, and when, against what is promised. The host's
//! part is `cargo xtask device-test`.

mod faults;
mod feeder;
mod report;
mod scenarios;
mod session;
mod speech;

use std::process::ExitCode;

use anyhow::Result;

use report::Report;
use scenarios::{card, clock, interval, listing, played, refused, stall, twins, unplug};

/// Name and work of a scenario.
type Scenario = (&'static str, fn(&mut Report) -> Result<()>);

/// In the order of what builds on what.
const SCENARIOS: [Scenario; 9] = [
    ("devices listed", listing::run),
    ("played speech", played::run),
    ("camera stalled", stall::run),
    ("camera unplugged", unplug::run),
    ("sound card unplugged", card::run),
    ("odd frame interval", interval::run),
    ("twin cameras", twins::run),
    ("devices refused", refused::run),
    ("clock jumps", clock::run),
];

/// Runs the scenarios whose names hold one of the words given, or all of them.
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut report = Report::new();
    for (name, run) in SCENARIOS {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            report.scenario(name);
            if let Err(error) = run(&mut report) {
                report.holds("the scenario reaches its end", false, &format!("{error:#}"));
            }
        }
    }
    if report.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
