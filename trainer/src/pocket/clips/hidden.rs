//! The table of what is hidden: targets of encoders, for evaluation otherwise.

use std::collections::HashMap;
use std::path::Path;

use mien_capture::regular;

use super::super::corpus::HIDDEN;
use crate::{Result, TrainerError};

/// Longest table that is read; a million clips take 40 MB.
const LONGEST: u64 = 256 << 20;

/// Valences of voice and face by clip id.
///
/// # Errors
/// Format for a table that is none; Io.
pub(super) fn read(root: &Path) -> Result<HashMap<String, (f64, f64)>> {
    let path = root.join(HIDDEN);
    let refuse = |reason: String| TrainerError::Format {
        path: path.clone(),
        format: "table of what is hidden (.csv)",
        reason,
        fix: "run `mien-train pocket corpus` again, which writes it anew",
    };
    let bytes = regular::read(&path, LONGEST).map_err(|e| refuse(e.to_string()))?;
    let mut table = csv::Reader::from_reader(bytes.as_slice());
    let header = table.headers().map_err(|e| refuse(e.to_string()))?.clone();
    let column = |name: &str| {
        header.iter().position(|found| found == name).ok_or_else(|| refuse(format!("it has no column {name:?}")))
    };
    let (id, prosody, face) = (column("id")?, column("prosody")?, column("face")?);
    let mut hidden = HashMap::new();
    for row in table.records() {
        let row = row.map_err(|e| refuse(e.to_string()))?;
        let id = row.get(id).unwrap_or_default();
        let number = |at: usize| {
            let found = row.get(at).unwrap_or_default();
            let valence = found.parse::<f64>().ok().filter(|valence| (-3.0..=3.0).contains(valence));
            valence.ok_or_else(|| refuse(format!("{id}: expected a valence from -3 to 3, found {found:?}")))
        };
        hidden.insert(id.to_owned(), (number(prosody)?, number(face)?));
    }
    Ok(hidden)
}
