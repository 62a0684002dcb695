//! The page: all numbers as tables, all pictures in place, in one file that refers to nothing outside of itself.
//!
//! The page is well-formed as XML too, so that a strict parser can hold it to that. Names from outside (folders,
//! corpora, ids) pass through the template's escaping.

use minijinja::{Environment as Templates, UndefinedBehavior};
use serde::Serialize;

use super::calibration::WIDTH;
use super::contribution::MODALITIES;
use super::picture::Picture;
use super::pictures::RunPictures;
use super::{FLOWS, Report, RunReport};
use crate::evaluate::Measure;
use crate::train::{Errors, mean_and_deviation};
use crate::{Result, TrainerError};

/// The page's template; its name's ending switches HTML escaping on.
const TEMPLATE: (&str, &str) = ("page.html", include_str!("page.html"));

/// A table as the template takes it.
#[derive(Serialize)]
struct Table {
    caption: String,
    head: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    cells: Vec<String>,
    /// Whether it stands out.
    strong: bool,
}

/// A picture as the template takes it.
#[derive(Serialize)]
struct Shown {
    about: String,
    file: String,
    svg: Option<String>,
    address: Option<String>,
    width: u32,
    height: u32,
}

/// A run as the template takes it.
#[derive(Serialize)]
struct RunShown {
    title: String,
    seeds: Table,
    objective: Shown,
    validation: Shown,
    measures: Table,
    calibration: Shown,
    bins: Table,
    coverage: Shown,
    contribution: Shown,
    weights: Table,
    taken_away: Table,
}

/// Everything that the template takes.
#[derive(Serialize)]
struct Context {
    title: String,
    program: String,
    made: String,
    warnings: Vec<String>,
    runs_table: Table,
    runs: Vec<RunShown>,
    gaps: Table,
    over_seeds: Option<Table>,
    calibration_split: String,
    feature: &'static str,
    shown: String,
    similarity: Shown,
    orders: Table,
    bin_width: f64,
    settings: Table,
    facts: Table,
    splits: Table,
    checkpoints: Table,
}

/// The page of `report` with its pictures, by run, and that of the similarity.
///
/// # Errors
/// Report when the template cannot be filled.
pub fn render(report: &Report, pictures: &[RunPictures], similarity: &Picture) -> Result<String> {
    let failed = |e: minijinja::Error| TrainerError::Report {
        path: super::PAGE.into(),
        reason: format!("the page could not be filled: {e:#}"),
    };
    let mut templates = Templates::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_trim_blocks(true);
    templates.set_lstrip_blocks(true);
    let (name, text) = TEMPLATE;
    templates.add_template(name, text).map_err(failed)?;
    let page = templates.get_template(name).and_then(|t| t.render(context(report, pictures, similarity)));
    let mut page = page.map_err(failed)?;
    page.push('\n');
    // Characters that no page may hold came with a name from outside.
    let allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    Ok(page.chars().map(|c| if allowed(c) && !matches!(c, '\u{fffe}' | '\u{ffff}') { c } else { '\u{fffd}' }).collect())
}

fn context(report: &Report, pictures: &[RunPictures], similarity: &Picture) -> Context {
    let fact = |what: &str| {
        let found = report.environment.facts.iter().find(|(name, _)| *name == what);
        found.map_or_else(String::new, |(_, value)| value.clone())
    };
    let protocol = report.runs.first().map(|run| &run.measured.evaluation.protocol);
    let titles: Vec<String> = report.runs.iter().map(|run| run.run.title()).collect();
    Context {
        title: format!("Training report: {}", titles.join("; ")),
        program: concat!("mien-train ", env!("CARGO_PKG_VERSION")).into(),
        made: fact("made"),
        warnings: report.environment.warnings.clone(),
        runs_table: runs_table(report),
        runs: report.runs.iter().zip(pictures).map(|(run, pictures)| run_shown(run, pictures)).collect(),
        gaps: gaps(report),
        over_seeds: over_seeds(report),
        calibration_split: protocol.map_or_else(String::new, |protocol| protocol.calibration.clone()),
        feature: report.feature.about(),
        shown: shown_clips(report),
        similarity: shown(similarity),
        orders: orders(report),
        bin_width: WIDTH,
        settings: settings(report),
        facts: facts(report),
        splits: splits(report),
        checkpoints: checkpoints(report),
    }
}

fn run_shown(report: &RunReport, pictures: &RunPictures) -> RunShown {
    RunShown {
        title: report.run.title(),
        seeds: seeds(report),
        objective: shown(&pictures.objective),
        validation: shown(&pictures.validation),
        measures: measures(report),
        calibration: shown(&pictures.calibration),
        bins: bins(report),
        coverage: shown(&pictures.coverage),
        contribution: shown(&pictures.contribution),
        weights: weights(report),
        taken_away: taken_away(report),
    }
}

fn shown(picture: &Picture) -> Shown {
    Shown {
        about: picture.about.clone(),
        file: picture.file(),
        svg: picture.svg.clone(),
        address: picture.svg.is_none().then(|| picture.data_address()),
        width: picture.size.0,
        height: picture.size.1,
    }
}

fn table<const N: usize>(caption: impl Into<String>, head: [&str; N], rows: Vec<Vec<String>>) -> Table {
    let rows = rows.into_iter().map(|cells| Row { cells, strong: false }).collect();
    Table { caption: caption.into(), head: head.map(String::from).into(), rows }
}

fn four(value: f64) -> String {
    format!("{value:.4}")
}

fn optional(value: Option<f64>) -> String {
    value.map_or("-".into(), four)
}

fn runs_table(report: &Report) -> Table {
    let row = |run: &RunReport| {
        let left_out = run.run.left_out();
        let method = if left_out.is_empty() { "nothing".into() } else { left_out.join(", ") };
        let seeds = run.run.experiment.training.seeds.len();
        let folder = run.run.folder.display().to_string();
        vec![run.run.letter.to_string(), folder, method, seeds.to_string(), run.seed.to_string()]
    };
    let head = ["run", "folder", "leaves out", "seeds", "seed of the pictures"];
    table("Runs on this page", head, report.runs.iter().map(row).collect())
}

fn seeds(report: &RunReport) -> Table {
    let summary = &report.run.summary;
    let errors = |errors: &Errors| [four(errors.complete), four(errors.missing)];
    let mut rows: Vec<Vec<String>> = summary
        .runs
        .iter()
        .map(|run| {
            let counts = [run.seed.to_string(), run.epoch.to_string(), run.epochs.to_string(), run.steps.to_string()];
            counts.into_iter().chain(errors(&run.valid)).collect()
        })
        .collect();
    let one = rows.len() == 1;
    if !one {
        for (name, values) in [("mean", &summary.mean), ("standard deviation (n - 1)", &summary.deviation)] {
            let cells = [name.to_owned(), String::new(), String::new(), String::new()];
            rows.push(cells.into_iter().chain(errors(values)).collect());
        }
    }
    let head = ["seed", "chosen epoch", "epochs", "steps", "MAE complete", "MAE text missing"];
    let mut made = table("Result per seed on the validation split, at the epoch that it chose", head, rows);
    for row in made.rows.iter_mut().skip(summary.runs.len()) {
        row.strong = true;
    }
    made
}

fn gaps(report: &Report) -> Table {
    let mut head = Vec::new();
    let mut rows = Vec::new();
    for run in &report.runs {
        for (seed, evaluation) in &run.evaluations {
            let name = format!("{}, seed {seed}", run.run.title());
            let mut found = evaluation.table2(&name).unwrap_or_default().into_iter();
            head = found.next().unwrap_or(head);
            rows.extend(found.map(|cells| Row { cells, strong: false }));
        }
    }
    let split = report.runs.first().map_or("", |run| run.measured.evaluation.protocol.split.as_str());
    Table { caption: format!("With and without text on {split}: the columns of the paper's Table II"), head, rows }
}

/// Means and deviations over seeds, where several were measured.
fn over_seeds(report: &Report) -> Option<Table> {
    let measures = [Measure::Mae, Measure::Corr, Measure::Acc2Non0, Measure::F1Non0, Measure::Acc7];
    let mut rows = Vec::new();
    for run in report.runs.iter().filter(|run| run.evaluations.len() > 1) {
        for mode in run.measured.evaluation.modes.iter().map(|mode| &mode.mode) {
            let of = |measure: Measure| {
                let modes = run.evaluations.iter().filter_map(|(_, e)| e.modes.iter().find(|m| m.mode == *mode));
                let values: Option<Vec<f64>> = modes.map(|m| m.metrics.get(measure)).collect();
                values.map_or("-".into(), |values| {
                    let (mean, deviation) = mean_and_deviation(&values);
                    format!("{mean:.4} ({deviation:.4})")
                })
            };
            let cells = [run.run.title(), run.evaluations.len().to_string(), mode.clone()];
            rows.push(cells.into_iter().chain(measures.map(of)).collect());
        }
    }
    let head = ["run", "seeds", "mode", "MAE", "Corr", "Acc-2 non0", "F1 non0", "Acc-7"];
    (!rows.is_empty()).then(|| table("Means over seeds (standard deviations, n - 1)", head, rows))
}

fn measures(report: &RunReport) -> Table {
    let evaluation = &report.measured.evaluation;
    let mut rows = evaluation.table().into_iter();
    let head = rows.next().unwrap_or_default();
    let clips = report.measured.predictions.ids.len();
    let caption =
        format!("{}, seed {}: {} clips of {}", report.run.title(), report.seed, clips, evaluation.protocol.split);
    Table { caption, head, rows: rows.map(|cells| Row { cells, strong: false }).collect() }
}

fn shown_clips(report: &Report) -> String {
    let (shown, all) = report.shown;
    if shown == all {
        return format!("All {all} clips of the split are shown.");
    }
    format!(
        "Of {all} clips {shown} are shown: from each class of labels as large a share as it has, drawn with seed {}, \
         the same clips for every run.",
        report.sampling.seed
    )
}

fn orders(report: &Report) -> Table {
    let rows = report.runs.iter().map(|run| {
        let [complete, missing] = &run.similarity;
        vec![run.run.title(), run.seed.to_string(), optional(complete.order), optional(missing.order)]
    });
    table("How much similarity is ordered by label", ["run", "seed", FLOWS[0], FLOWS[1]], rows.collect())
}

fn bins(report: &RunReport) -> Table {
    let mut rows = Vec::new();
    let mut captions = Vec::new();
    for (flow, calibration) in FLOWS.iter().zip(&report.calibration) {
        let Some(calibration) = calibration else { continue };
        captions.push(format!("{flow}: bias {}, gap {}", four(calibration.bias), four(calibration.gap)));
        rows.extend(calibration.bins.iter().map(|bin| {
            let high = bin.low + WIDTH;
            vec![
                (*flow).to_owned(),
                format!("{:.1} to {high:.1}", bin.low),
                bin.clips.to_string(),
                four(bin.prediction),
                four(bin.label),
                four(bin.deviation),
            ]
        }));
    }
    let caption = format!(
        "Bins of predictions, the outermost open. {} (bias: mean of label minus prediction; gap: mean distance of a \
         clip's bin from the diagonal)",
        captions.join("; ")
    );
    let head = ["flow", "predictions", "clips", "mean prediction", "mean label", "deviation of labels"];
    table(caption, head, rows)
}

fn weights(report: &RunReport) -> Table {
    let mut rows = Vec::new();
    for (flow, weights) in FLOWS.iter().zip(&report.weights) {
        let Some(weights) = weights else { continue };
        let numbers = weights.mean.iter().zip(&weights.deviation).zip(&weights.share);
        for (modality, ((mean, deviation), share)) in MODALITIES.iter().zip(numbers) {
            let size = format!("{:.1} %", 100.0 * share);
            rows.push(vec![(*flow).to_owned(), (*modality).to_owned(), four(*mean), four(*deviation), size]);
        }
    }
    let head = ["flow", "modality", "mean weight", "standard deviation", "share of all |w|"];
    table("Weights over the clips of the split", head, rows)
}

fn taken_away(report: &RunReport) -> Table {
    let row = |step: &super::contribution::TakenAway| {
        let mae = &step.mae;
        vec![
            step.from.to_string(),
            step.what.into(),
            step.left.to_string(),
            four(mae.a),
            four(mae.b),
            format!("{:+.4} [{:+.4}, {:+.4}]", mae.difference, mae.interval.low, mae.interval.high),
            four(mae.p),
        ]
    };
    let head = ["from", "taken away", "left", "MAE before", "MAE after", "growth with 95 % interval", "p"];
    table("Errors without modalities, compared clip by clip", head, report.taken_away.iter().map(row).collect())
}

fn settings(report: &Report) -> Table {
    let mut head = vec!["setting".to_owned()];
    head.extend(report.runs.iter().map(|run| run.run.letter.to_string()));
    let row = |setting: &super::settings::Setting| {
        let cells = [&setting.key].into_iter().chain(&setting.values).cloned().collect();
        Row { cells, strong: setting.differs() }
    };
    let caption = "Settings as in the runs' experiment files; where runs differ the row stands out".into();
    Table { caption, head, rows: report.settings.iter().map(row).collect() }
}

fn facts(report: &Report) -> Table {
    let rows = report.environment.facts.iter().map(|(what, value)| vec![(*what).to_owned(), value.clone()]);
    table("Conditions", ["what", "value"], rows.collect())
}

fn splits(report: &Report) -> Table {
    let row = |split: &crate::data::info::SplitInfo| {
        let labels = &split.labels;
        vec![
            split.split.into(),
            split.clips.to_string(),
            split.videos.to_string(),
            split.speakers.map_or("-".into(), |n| n.to_string()),
            format!("{:.3} ({:.3})", labels.mean, labels.deviation),
            format!("{} / {} / {}", labels.negative, labels.zero, labels.positive),
        ]
    };
    let head = ["split", "clips", "videos", "speakers", "labels: mean (deviation)", "below / at / above 0"];
    table("Splits of the corpus", head, report.environment.splits.iter().map(row).collect())
}

fn checkpoints(report: &Report) -> Table {
    let rows = report.runs.iter().flat_map(|run| {
        run.evaluations.iter().map(|(seed, evaluation)| {
            let protocol = &evaluation.protocol;
            let (weights, digest) = (protocol.weights.clone(), protocol.weights_sha256.clone());
            vec![run.run.title(), seed.to_string(), weights, digest, protocol.padding.clone()]
        })
    });
    let head = ["run", "seed", "weights", "SHA-256", "padding"];
    table("Weights that were measured", head, rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_template_holds_is_escaped() {
        let mut templates = Templates::new();
        templates.add_template(TEMPLATE.0, "{{ a }}<i title=\"{{ a }}\">").unwrap();
        let page = templates.get_template(TEMPLATE.0).unwrap();
        let made = page.render(minijinja::context! { a => "<script>\"&'</script>" }).unwrap();
        assert!(!made.contains("<script") && !made.contains("\"\"") && made.contains("&lt;script&gt;"), "{made}");
        // The one thing that is not escaped is what this program draws.
        assert_eq!(TEMPLATE.1.matches("| safe").count(), 2);
    }
}
