//! Means, deviations and paired differences of the rows, as Markdown.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};

use super::spread::Spread;

/// Errors of one seed's chosen epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SeedErrors {
    /// The seed.
    pub(super) seed: i64,
    /// Mean absolute error with simulated text.
    pub(super) missing: f64,
    /// Mean absolute error with real text.
    pub(super) complete: f64,
}

/// A row of the table.
pub(super) struct Measured {
    /// What is left out.
    pub(super) without: &'static str,
    /// One for each seed.
    pub(super) runs: Vec<SeedErrors>,
}

/// The table; the last row is what the others are held against, seed by seed.
///
/// # Errors
/// Rows that do not have the same seeds.
pub(super) fn markdown(rows: &[Measured]) -> Result<String> {
    let full = rows.last().context("no rows")?;
    let mut text = String::from(
        "| row | left out | MAE, text missing | MAE, text complete | missing: above full | full is better |\n\
         |---|---|---|---|---|---|\n",
    );
    for (number, row) in (1..).zip(rows) {
        let seeds = |row: &Measured| row.runs.iter().map(|run| run.seed).collect::<Vec<_>>();
        ensure!(seeds(row) == seeds(full), "{}: other seeds than the full method's", row.without);
        let [missing, complete] = [|run: &SeedErrors| run.missing, |run: &SeedErrors| run.complete].map(|part| {
            let Spread { mean, deviation, .. } = Spread::of(&row.runs.iter().map(part).collect::<Vec<_>>());
            format!("{mean:.4} ± {deviation:.4}")
        });
        let versus = if std::ptr::eq(row, full) { "| | |".into() } else { versus(&row.runs, &full.runs) };
        writeln!(text, "| {number} | {} | {missing} | {complete} {versus}", row.without)?;
    }
    Ok(text)
}

/// How far a row's error with simulated text is above the full method's: mean and standard error of the differences of
/// equal seeds, and in how many seeds.
fn versus(row: &[SeedErrors], full: &[SeedErrors]) -> String {
    let missing = |runs: &[SeedErrors]| runs.iter().map(|run| run.missing).collect::<Vec<_>>();
    let (row, full) = (missing(row), missing(full));
    let Spread { mean, error, .. } = Spread::of_differences(&row, &full);
    let better = row.iter().zip(&full).filter(|(row, full)| row > full).count();
    format!("| {mean:+.4} ± {error:.4} | in {better} of {} |", full.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn row(without: &'static str, missing: [f64; 4]) -> Measured {
        let run = |(seed, missing)| SeedErrors { seed, missing, complete: 0.5 };
        Measured { without, runs: (1..).zip(missing).map(run).collect() }
    }

    #[test]
    fn rows_are_held_against_the_last_seed_by_seed() {
        // Differences 0.02, 0.04, -0.02, 0.04: mean 0.02, deviation sqrt(0.0024 / 3), half of it is the standard error.
        let rows = [row("no RS", [0.62, 0.74, 0.48, 0.64]), row("full method", [0.60, 0.70, 0.50, 0.60])];
        let text = markdown(&rows).unwrap();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| 1 | no RS | 0.6200 ± 0.1071 | 0.5000 ± 0.0000 | +0.0200 ± 0.0141 | in 3 of 4 |",
                "| 2 | full method | 0.6000 ± 0.0816 | 0.5000 ± 0.0000 | | |",
            ]
        );
    }

    #[test]
    fn rows_of_other_seeds_are_refused() {
        let mut rows = [row("no RS", [0.6; 4]), row("full method", [0.6; 4])];
        rows[0].runs.remove(2);
        assert!(markdown(&rows).unwrap_err().to_string().contains("no RS"));
    }
}
