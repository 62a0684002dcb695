//! What was made and measured, as one page beside the bundle.

use std::fmt::Write;
use std::path::Path;

use mien_models::bundle::Bundle;
use mien_runtime::RuntimeError;

use super::bundles::LAST;
use super::device::{Both, Checked};
use super::stage::STATEMENT;
use super::{hearing, language, projection, seeing};
use crate::Result;
use crate::course::{Finished, Measures};
use crate::evaluate::write_whole;

/// The page's name in the folder of the stages.
pub const FILE: &str = "report.md";

/// The stages in their order, and what each was measured by, told in words.
const STAGES: [(&str, &[(&str, &str)]); 4] = [
    (
        language::STAGE,
        &[
            ("perplexity", "perplexity of a word"),
            ("perplexity_by_counts", "the same by how often words come"),
            ("judged_mae", "what sentences mean: mean absolute error of its verdicts"),
            ("judged_correlation", "and correlation"),
            ("repeated_word_errors", "word error rate of what it repeats from rows"),
        ],
    ),
    (
        hearing::STAGE,
        &[
            ("word_errors", "word error rate of the likeliest labels"),
            ("valence_mae", "the voice's hidden valence: mean absolute error"),
            ("valence_correlation", "and correlation"),
        ],
    ),
    (
        projection::STAGE,
        &[
            ("word_errors", "word error rate of what the llama writes"),
            ("whole_sentences", "share of sentences without an error"),
        ],
    ),
    (
        seeing::STAGE,
        &[
            ("accuracy", "share of right classes, of seven"),
            ("valence_mae", "the face's hidden valence: mean absolute error"),
            ("valence_correlation", "and correlation"),
        ],
    ),
];

/// Writes the page about the last bundle in `out`, which `checked` is of.
///
/// # Errors
/// Runtime for a bundle that cannot be opened; Pocket and Io for stages that cannot be read; Io.
pub fn write(out: &Path, checked: &Checked) -> Result<()> {
    write_whole(&out.join(FILE), page(out, checked)?.as_bytes())
}

fn page(out: &Path, checked: &Checked) -> Result<String> {
    let bundle = Bundle::open(&out.join(LAST)).map_err(RuntimeError::Bundle)?;
    let mut page = format!("# The pocket bundle\n\n{STATEMENT}.\n\n");
    let mut line = |text: String| page.push_str(&(text + "\n"));
    line(format!("- bundle: sha256 {}", bundle.digest()));
    let mut corpus = None;
    let mut measures = String::from("| stage | steps | measured on the validation split | |\n|---|---|---|---|\n");
    for (stage, told) in STAGES {
        let Some(finished) = Finished::read(&out.join(stage))? else { continue };
        corpus = Some(finished.corpus);
        rows(&mut measures, stage, finished.pace.steps, told, &finished.valid);
    }
    if let Some(corpus) = corpus {
        line(format!("- corpus: sha256 {corpus}"));
    }
    line(format!("- made by {}", bundle.manifest().created_by));
    for file in &bundle.manifest().files {
        line(format!("- {}: {} bytes", file.path, file.bytes));
    }
    line(format!("\n## What the networks learned\n\n{measures}"));
    line("## On the test split\n".into());
    line(
        "| given | MAE, device (bytes) | MAE, trainer (floats) | scores apart: mean | largest |\n|---|---|---|---|---|"
            .into(),
    );
    for Both { mode, device, trainer, apart: [mean, largest] } in &checked.modes {
        line(format!("| {mode} | {device:.4} | {trainer:.4} | {mean:.4} | {largest:.4} |"));
    }
    let words = &checked.simulated;
    line(format!(
        "\nSimulated transcripts of {} clips: word error rate {:.3}, {:.1} % of the sentences without an error.",
        checked.clips,
        words.rate(),
        100.0 * words.whole_share()
    ));
    Ok(page)
}

fn rows(table: &mut String, stage: &str, steps: u64, told: &[(&str, &str)], valid: &Measures) {
    for (place, (name, words)) in told.iter().enumerate() {
        let Some(value) = valid.get(*name) else { continue };
        let (stage, steps) = if place == 0 { (stage, steps.to_string()) } else { ("", String::new()) };
        // Writing into a string does not fail.
        let _ = writeln!(table, "| {stage} | {steps} | {words} | {value:.3} |");
    }
}
