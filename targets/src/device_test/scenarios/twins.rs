//! Two cameras of one name: the name is refused with both ids, and each id opens its own.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::listing::{cameras, listed};
use super::{FACE, NO_FACE, TWINS, configuration};
use crate::feeder::Feeder;
use crate::report::Report;
use crate::session::Session;

pub(crate) fn run(report: &mut Report) -> Result<()> {
    let (name, nodes) = TWINS;
    let _feeders = (Feeder::start(nodes[0], FACE)?, Feeder::start(nodes[1], NO_FACE)?);
    let ids = cameras(&listed()?, name);
    let [with_face, without] = ids.as_slice() else { bail!("{} cameras are called {name}", ids.len()) };

    // Side by side: starting the program is most of the work. And each twin is in use while the other one is opened.
    let start = Instant::now();
    let open =
        |folder: &str, device: &str| Session::start(folder, &configuration(device), &["--no-microphone", "--no-llm"]);
    let mut by_name = open("twins", name)?;
    let mut by_id =
        [(with_face, true, open("twin-with", with_face)?), (without, false, open("twin-without", without)?)];

    let refused = by_name.change("camera", &["reopening"], start)?;
    let reason = refused.value["event"]["reason"].as_str().unwrap_or_default();
    report.holds("the name is refused with both ids", ids.iter().all(|id| reason.contains(id)), reason);
    by_name.stop()?;

    for (id, face, session) in &mut by_id {
        session.change("camera", &["running"], start)?;
        // Its number tells nothing of whose picture it is; the face does. The second look is at a later picture.
        session.until("showing a picture", |view| !view["picture"].is_null())?;
        std::thread::sleep(Duration::from_secs(2));
        let view = session.status()?;
        let found = &view["picture"]["face"];
        let seen = format!("{}; face {found}", view["camera"]["device"].as_str().unwrap_or_default());
        report.holds(&format!("{id} opens its own"), found.is_null() != *face && seen.contains(id.as_str()), &seen);
    }
    for (_, _, session) in by_id {
        session.stop()?;
    }
    Ok(())
}
