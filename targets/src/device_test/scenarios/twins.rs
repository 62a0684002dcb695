//! Two cameras of one name: the name is refused with both ids, and each id opens its own.

use std::time::Instant;

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

    let start = Instant::now();
    let mut session = Session::start("twins", &configuration(name), &["--no-microphone", "--no-llm"])?;
    let refused = session.change("camera", &["reopening"], start)?;
    let reason = refused.value["event"]["reason"].as_str().unwrap_or_default();
    report.holds("the name is refused with both ids", ids.iter().all(|id| reason.contains(id)), reason);
    session.stop()?;

    for (id, face) in [(with_face, true), (without, false)] {
        let start = Instant::now();
        let folder = if face { "twin-with" } else { "twin-without" };
        let mut session = Session::start(folder, &configuration(id), &["--no-microphone", "--no-llm"])?;
        session.change("camera", &["running"], start)?;
        // Its number tells nothing of whose picture it is; the face does. The second look is at a later picture.
        session.until("showing a picture", |view| !view["picture"].is_null())?;
        std::thread::sleep(std::time::Duration::from_secs(2));
        let view = session.status()?;
        let found = &view["picture"]["face"];
        let seen = format!("{}; face {found}", view["camera"]["device"].as_str().unwrap_or_default());
        report.holds(&format!("{id} opens its own"), found.is_null() != face && seen.contains(id.as_str()), &seen);
        session.stop()?;
    }
    Ok(())
}
