//! Results on stdout.

use std::io::Write;

use anyhow::{Context, Result};
use mien_runtime::steering::is_steering;

/// One line of results; a reader that has gone (`| head`) is no error, because the exit code still tells.
pub(crate) fn line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e).context("cannot write to stdout"),
        _ => Ok(()),
    }
}

/// A JSON object on a line.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<()> {
    line(&serde_json::to_string(value)?)
}

/// A table whose columns are as wide as their widest cell.
pub(crate) fn table(rows: &[Vec<String>]) -> Result<()> {
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        line(cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// `text` with characters that steer a terminal shown as dots: names and texts come from outside.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|c| if is_steering(c) { '·' } else { c }).collect()
}
