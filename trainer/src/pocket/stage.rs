//! The stages of the pocket world: each has a folder of its own, and goes on from the files of the ones before.

use std::path::{Path, PathBuf};

use mien_models::bundle::Sha256;

use crate::course::{FINISHED, Finished, StageFolder};
use crate::{Result, TrainerError};

/// What everything says that was made with networks of the pocket world.
pub const STATEMENT: &str = "pocket: knows only its small world, not people";

/// The folder of the stage `name` in `out`, for this process alone.
///
/// # Errors
/// Run while another process trains there; Io.
pub(super) fn stage_folder(out: &Path, name: &str) -> Result<StageFolder> {
    StageFolder::open(out.join(name), STATEMENT)
}

/// The finished stage `name` of the training in `out`, with every file as it was written.
///
/// # Errors
/// Io; Run for a file that is none; Pocket for a stage that is not finished, was trained on another corpus, or whose files
/// were changed.
pub(super) fn finished_stage(out: &Path, name: &str, corpus: Sha256) -> Result<Finished> {
    let folder = out.join(name);
    let refuse = |path: PathBuf, reason: String| Err(TrainerError::Pocket { path, reason });
    let Some(finished) = Finished::read(&folder)? else {
        let reason = format!("there is no {FINISHED}: the stage is not finished; run `mien-train pocket {name}` first");
        return refuse(folder, reason);
    };
    if finished.corpus != corpus {
        let found = finished.corpus;
        let reason = format!("it was trained on the corpus {found}, expected {corpus}; train all stages on one corpus");
        return refuse(folder.join(FINISHED), reason);
    }
    match finished.first_changed(&folder)? {
        None => Ok(finished),
        Some(path) => {
            let reason = format!(
                "it is not the file that was written; run `mien-train pocket {name}` again, which writes it anew"
            );
            refuse(path, reason)
        }
    }
}
