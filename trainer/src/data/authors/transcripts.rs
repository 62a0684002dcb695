//! Tables of transcripts: `name`, `english`, and columns that are passed over (specification, data section 1).

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Result, TrainerError, reading};

/// Longest table that is read; MOSEI's takes 3 MB.
const LONGEST: u64 = 256 << 20;

/// Reads the transcripts of a table in UTF-8, by utterance. The header says whether commas or tabs separate.
///
/// # Errors
/// Io; Format for a table without the columns `name` and `english`, a row of another length, text that is not UTF-8;
/// Corpus for a name that comes twice.
pub fn read_transcripts(path: &Path) -> Result<BTreeMap<String, String>> {
    let refuse = |reason: String| TrainerError::Format {
        path: path.into(),
        format: "transcript (.csv)",
        reason,
        fix: "expected a UTF-8 table whose header names the columns name and english",
    };
    let bytes = reading::bytes(path, LONGEST)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let header = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let separator = if header.contains(&b'\t') { b'\t' } else { b',' };
    let mut table = csv::ReaderBuilder::new().delimiter(separator).from_reader(bytes);
    let columns = table.headers().map_err(|e| refuse(e.to_string()))?;
    let column = |name: &str| columns.iter().position(|c| c.trim() == name);
    let (Some(name), Some(english)) = (column("name"), column("english")) else {
        return Err(refuse(format!("its header holds {columns:?}")));
    };
    let mut texts = BTreeMap::new();
    for (line, row) in table.records().enumerate() {
        let row = row.map_err(|e| refuse(e.to_string()))?;
        let (id, text) = (row.get(name).unwrap_or_default(), row.get(english).unwrap_or_default());
        if texts.insert(id.to_owned(), text.to_owned()).is_some() {
            return Err(TrainerError::corpus(
                path.display().to_string(),
                format!("row {}: the name {id:?} comes twice; each clip has one transcript", line + 1),
            ));
        }
    }
    Ok(texts)
}
