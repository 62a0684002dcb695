//! Under which conditions a page was made, and what its reader must be warned of.

use std::thread::available_parallelism;

use super::Request;
use super::run::Run;
use super::similarity::Feature;
use crate::data::check::leaks;
use crate::data::corpus::{Modality, split_name};
use crate::data::info::{SplitInfo, info};
use crate::data::store::{SCHEMA, Store};
use crate::data::{Source, Split};
use crate::train::{CHECKPOINT_VERSION, Selection};

/// The version of burn that the root's Cargo.toml pins.
const BURN: &str = "0.22.1";

/// Conditions and warnings.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// What and its value, in the order of the page.
    pub facts: Vec<(&'static str, String)>,
    /// The corpus's splits in numbers.
    pub splits: [SplitInfo; 3],
    /// What makes numbers mean less than they seem to.
    pub warnings: Vec<String>,
}

impl Environment {
    /// Of a page that is made of `runs` on `store`.
    pub fn of(request: &Request<'_>, runs: &[Run], store: &Store) -> Self {
        Self { facts: facts(request, runs, store), splits: info(store), warnings: warnings(request, runs, store) }
    }
}

fn facts(request: &Request<'_>, runs: &[Run], store: &Store) -> Vec<(&'static str, String)> {
    let (index, measuring) = (store.index(), &request.measuring);
    let processors = available_parallelism().map_or_else(|_| "unknown".into(), |n| n.to_string());
    let features: Vec<String> = index
        .modalities
        .iter()
        .map(|(modality, entry)| {
            format!("{modality}: {} ({} numbers a row, {})", entry.features, entry.width, index.rows)
        })
        .collect();
    let mut selections: Vec<&str> = runs.iter().map(|run| selection(run.experiment.training.selection)).collect();
    selections.dedup();
    let mut facts = vec![
        ("made", request.made.clone()),
        (
            "program",
            format!(
                "mien-train {}, burn {BURN}, checkpoints of format {CHECKPOINT_VERSION}, stores of schema {SCHEMA}",
                env!("CARGO_PKG_VERSION")
            ),
        ),
        ("machine", format!("{} on {}, {processors} processors", std::env::consts::OS, std::env::consts::ARCH)),
        ("device", format!("{} for what is measured here; runs do not record theirs", request.device_name)),
        ("corpus", store.name().into()),
        ("corpus made from", format!("{} by {}", index.origin, index.created_by)),
        ("corpus digest", store.digest().into()),
        ("features", features.join("; ")),
    ];
    facts.extend(index.remarks.iter().map(|remark| ("corpus remark", remark.clone())));
    facts.extend([
        ("checkpoint", format!("of each seed the epoch chosen on the validation split by {}", selections.join(", "))),
        (
            "measured on",
            format!(
                "{}, in batches of {} clips in the order of the corpus; intervals of measures from {} bootstrap draws, \
                 seed {}",
                split_name(measuring.split),
                measuring.batch,
                measuring.resamples,
                measuring.seed
            ),
        ),
        ("intervals of scores from", format!("the absolute errors on {}", split_name(measuring.calibrate))),
    ]);
    facts
}

fn selection(by: Selection) -> &'static str {
    match by {
        Selection::Mean => "the mean of both flows' mean absolute errors",
        Selection::Complete => "the mean absolute error with real text",
        Selection::Missing => "the mean absolute error with simulated text",
    }
}

fn warnings(request: &Request<'_>, runs: &[Run], store: &Store) -> Vec<String> {
    let index = store.index();
    let mut found = Vec::new();
    // The words that a made corpus has of itself.
    if index.origin.contains("(synthetic)") || index.remarks.iter().any(|remark| remark.starts_with("synthetic")) {
        found.push("The corpus is synthetic: nothing on this page says how well people's feelings are scored.".into());
    }
    match request.measuring.split {
        Split::Test => {}
        Split::Valid => {
            found.push("Measured on the split that chose the epochs: errors on new clips are larger.".into())
        }
        Split::Train => found.push("Measured on the clips that were learned: errors on new clips are larger.".into()),
    }
    if request.measuring.calibrate == Split::Train {
        found
            .push("Intervals of scores come from clips that were learned: they hold fewer new clips than 90 %.".into());
    }
    for modality in Modality::ALL {
        if !index.modalities.contains_key(&modality) {
            found.push(format!("The corpus has no {modality} rows: one zero row stands in for them in every clip."));
        }
    }
    found.extend(leaks(index).iter().map(|leak| format!("Splits are not apart: {}.", leak.text())));
    for run in runs {
        for curves in run.curves.iter().filter(|curves| curves.best < run.experiment.schedule.warmup) {
            found.push(format!(
                "{}, seed {}: hardly trained; its chosen epoch {} lies before the end of the warm-up ({} epochs).",
                run.title(),
                curves.seed,
                curves.best,
                run.experiment.schedule.warmup
            ));
        }
        if request.feature == Feature::Contrast && run.left_out().contains(&"RNC") {
            found.push(format!(
                "{}: nothing trained its contrastive features, so its similarity matrices are of an untrained head; \
                 --feature fused compares what was trained.",
                run.title()
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_the_one_that_is_pinned() {
        let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let table: toml::Table = toml::from_str(&std::fs::read_to_string(manifest).unwrap()).unwrap();
        let pinned = table["workspace"]["dependencies"]["burn"]["version"].as_str().unwrap();
        assert_eq!(pinned, format!("={BURN}"));
    }
}
