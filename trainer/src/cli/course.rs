//! What is told of the training of one network before the fusion.

use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Result;
use mien_trainer::course::{Finished, Measures, Told};

use super::import::Progress;
use super::output::{self, shown};

/// Says on a terminal how far a stage is, and everywhere what is measured.
pub(crate) struct Teller {
    progress: Progress,
    /// When the first and the last step since the last measure ended, and how many lie between.
    stretch: Mutex<Option<(Instant, Instant, u32)>>,
}

impl Teller {
    pub(crate) fn new() -> Self {
        Self { progress: Progress::new(), stretch: Mutex::new(None) }
    }

    pub(crate) fn hear(&self, told: Told) {
        let Ok(mut stretch) = self.stretch.lock() else { return };
        match told {
            Told::Prepares { what, done, total, .. } => self.progress.tell(what, done, total),
            Told::Step { stage, step, steps, .. } => {
                let now = Instant::now();
                *stretch = Some(match *stretch {
                    None => (now, now, 0),
                    Some((first, _, between)) => (first, now, between + 1),
                });
                self.progress.tell(stage, step as usize, steps as usize);
            }
            Told::Measured { stage, step, steps, loss, valid } => {
                self.progress.end();
                let loss = loss.map_or(String::new(), |loss| format!("  loss {loss:.4}"));
                let time = match stretch.take() {
                    Some((first, last, between)) if between > 0 => {
                        format!("  {:.0} ms a step", (last - first).as_secs_f64() * 1e3 / f64::from(between))
                    }
                    _ => String::new(),
                };
                // A reader that has gone ends nothing.
                let _ = output::line(&format!("{stage} {step}/{steps}{loss}  {}{time}", measures_text(&valid)));
            }
        }
    }

    pub(crate) fn end(&self) {
        self.progress.end();
    }
}

fn measures_text(measures: &Measures) -> String {
    let texts: Vec<String> = measures.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
    texts.join("  ")
}

/// Says what was measured last and which files `folder` has now.
pub(crate) fn tell_finished(folder: &Path, finished: &Finished) -> Result<()> {
    output::line(&shown(&format!("{}: {}", folder.display(), measures_text(&finished.valid))))?;
    for (name, sha256) in &finished.files {
        output::line(&shown(&format!("{sha256}  {}", folder.join(name).display())))?;
    }
    Ok(())
}
