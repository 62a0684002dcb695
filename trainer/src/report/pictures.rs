//! Which numbers make which pictures.

use super::calibration::{Bin, WIDTH};
use super::contribution::MODALITIES;
use super::curves::Curves;
use super::draw;
use super::figure::{Axis, Bar, COLOURS, Colour, Entry, Figure, Layer, Panel, colour};
use super::heat;
use super::picture::Picture;
use super::run::Run;
use super::{FLOWS, Report, RunReport};
use crate::Result;
use crate::objective::TERMS;

/// Share of clips that an interval of a score promises to hold.
const PROMISED: f64 = 0.9;
/// Lines that stand for what should be.
const SHOULD: Colour = (120, 120, 120);

/// The pictures of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunPictures {
    /// Terms of the objective.
    pub objective: Picture,
    /// Validation errors and learning rate.
    pub validation: Picture,
    /// Predictions against labels.
    pub calibration: Picture,
    /// Intervals of scores.
    pub coverage: Picture,
    /// Weights of modalities and errors without them.
    pub contribution: Picture,
}

impl RunPictures {
    /// Draws a run.
    ///
    /// # Errors
    /// Report when the drawing library fails.
    pub fn draw(report: &RunReport) -> Result<Self> {
        Ok(Self {
            objective: draw::render(&objective(&report.run))?,
            validation: draw::render(&validation(&report.run))?,
            calibration: draw::render(&calibration(report))?,
            coverage: draw::render(&coverage(report))?,
            contribution: draw::render(&contribution(report))?,
        })
    }

    /// All of them, in the order of the page.
    pub fn all(&self) -> [&Picture; 5] {
        [&self.objective, &self.validation, &self.calibration, &self.coverage, &self.contribution]
    }
}

/// The similarity matrices of all runs: a row for each, both flows side by side.
///
/// # Errors
/// Report when the drawing library fails.
pub fn similarity(report: &Report) -> Result<Picture> {
    let matrices: Vec<_> = report
        .runs
        .iter()
        .flat_map(|run| {
            let title = run.run.title();
            FLOWS.iter().zip(&run.similarity).map(move |(flow, matrix)| (format!("{title}, {flow}"), matrix))
        })
        .collect();
    let about = "Cosine similarity of the clips' features, ordered by label, for each run and flow";
    heat::render("similarity", about, FLOWS.len(), &matrices)
}

fn name(run: &Run, what: &str) -> String {
    format!("{}-{what}", run.letter.to_ascii_lowercase())
}

fn seeds(run: &Run) -> Vec<Entry> {
    let entry = |(k, curves): (usize, &Curves)| Entry {
        text: format!("seed {}", curves.seed),
        colour: colour(k),
        dashed: false,
    };
    run.curves.iter().enumerate().map(entry).collect()
}

fn epochs(run: &Run) -> Axis {
    let last = run.curves.iter().map(|curves| curves.epochs.len()).max().unwrap_or(1).max(1);
    Axis::exact("epoch", 0.0, last as f64 + 0.25)
}

fn objective(run: &Run) -> Figure {
    let panel = |(term, name): (usize, &&str)| {
        let mut layers = Vec::new();
        let mut values = Vec::new();
        for (k, curves) in run.curves.iter().enumerate() {
            if term == 0 {
                values.extend(curves.total.iter().map(|(_, value)| *value));
                let points = curves.total.clone();
                layers.push(Layer::Line { points, colour: colour(k), dashed: false, faint: true });
            }
            let points: Vec<(f64, f64)> =
                curves.epochs.iter().filter_map(|epoch| Some((epoch.epoch as f64, *epoch.means.get(term)?))).collect();
            values.extend(points.iter().map(|(_, value)| *value));
            layers.push(Layer::Line { points, colour: colour(k), dashed: false, faint: false });
        }
        let title = if term == 0 { "total (weighted sum)".into() } else { (*name).to_owned() };
        Panel { title, x: epochs(run), y: Axis::over("", values), names: Vec::new(), layers }
    };
    Figure {
        name: name(run, "objective"),
        about: format!("Terms of the objective over the epochs of run {}, a line for each seed", run.title()),
        panel: (300, 220),
        columns: 3,
        panels: TERMS.iter().enumerate().map(panel).collect(),
        legend: seeds(run),
    }
}

fn validation(run: &Run) -> Figure {
    let mut errors = Vec::new();
    let mut rates = Vec::new();
    let (mut all_errors, mut all_rates) = (Vec::new(), vec![0.0]);
    for (k, curves) in run.curves.iter().enumerate() {
        let line = |value: fn(&super::curves::Epoch) -> f64| -> Vec<(f64, f64)> {
            curves.epochs.iter().map(|epoch| (epoch.epoch as f64, value(epoch))).collect()
        };
        let (complete, missing, rate) =
            (line(|epoch| epoch.valid.complete), line(|epoch| epoch.valid.missing), line(|epoch| epoch.rate));
        all_errors.extend(complete.iter().chain(&missing).map(|(_, value)| *value));
        all_rates.extend(rate.iter().map(|(_, value)| *value));
        let chosen = curves.chosen().map(|epoch| {
            let at = epoch.epoch as f64;
            vec![(at, epoch.valid.complete), (at, epoch.valid.missing)]
        });
        let colour = colour(k);
        errors.push(Layer::Line { points: complete, colour, dashed: false, faint: false });
        errors.push(Layer::Line { points: missing, colour, dashed: true, faint: false });
        errors.push(Layer::Rings { points: chosen.unwrap_or_default(), colour });
        rates.push(Layer::Line { points: rate, colour, dashed: false, faint: false });
    }
    let panel = |title: &str, y: Axis, layers| Panel { title: title.into(), x: epochs(run), y, names: vec![], layers };
    let mut legend = seeds(run);
    let grey = SHOULD;
    legend.extend([
        Entry { text: "complete".into(), colour: grey, dashed: false },
        Entry { text: "text missing".into(), colour: grey, dashed: true },
    ]);
    Figure {
        name: name(run, "validation"),
        about: format!("Mean absolute error on the validation split and learning rate of run {}", run.title()),
        panel: (450, 300),
        columns: 2,
        panels: vec![
            panel("validation, chosen epochs ringed", Axis::over("mean absolute error", all_errors), errors),
            panel("learning rate", Axis::over("", all_rates), rates),
        ],
        legend,
    }
}

fn calibration(report: &RunReport) -> Figure {
    let scale = |label: &str| Axis::exact(label, -3.25, 3.25);
    let mut above = Vec::new();
    let mut below = Vec::new();
    for ((flow, found), colour) in FLOWS.iter().zip(&report.calibration).zip(COLOURS) {
        let bins = found.as_ref().map_or(&[] as &[Bin], |found| found.bins.as_slice());
        let spread = |bin: &Bin| {
            // The standard error of the mean, as far as one clip has any.
            let half = bin.deviation / (bin.clips as f64).sqrt();
            (bin.prediction, bin.label - half, bin.label + half)
        };
        let layers = vec![
            Layer::Line { points: vec![(-3.0, -3.0), (3.0, 3.0)], colour: SHOULD, dashed: true, faint: false },
            Layer::Whiskers { spans: bins.iter().map(spread).collect(), colour },
            Layer::Points { points: bins.iter().map(|bin| (bin.prediction, bin.label)).collect(), colour },
        ];
        above.push(Panel {
            title: (*flow).into(),
            x: scale("mean prediction of a bin"),
            y: scale("mean label"),
            names: vec![],
            layers,
        });
        let most = bins.iter().map(|bin| bin.clips).max().unwrap_or(1) as f64;
        let bars = bins.iter().map(|bin| (bin.low + WIDTH / 2.0, bin.clips as f64)).collect();
        below.push(Panel {
            title: format!("{flow}: clips in a bin"),
            x: scale("prediction"),
            y: Axis::exact("clips", 0.0, most * 1.05),
            names: vec![],
            layers: vec![Layer::Columns { bars, width: WIDTH * 0.92, colour }],
        });
    }
    Figure {
        name: name(&report.run, "calibration"),
        about: format!("Mean label against mean prediction in bins of predictions, run {}", report.run.title()),
        panel: (400, 300),
        columns: FLOWS.len(),
        panels: above.into_iter().chain(below).collect(),
        legend: vec![Entry { text: "a calibrated model".into(), colour: SHOULD, dashed: true }],
    }
}

fn coverage(report: &RunReport) -> Figure {
    let modes = &report.measured.evaluation.modes;
    let value = |place: usize, value: Option<f64>| Some(Bar { place, value: value?, interval: None });
    let held = modes.iter().enumerate().filter_map(|(place, mode)| value(place, mode.covered90));
    let half = modes.iter().enumerate().filter_map(|(place, mode)| value(place, mode.interval90));
    let half: Vec<Bar> = half.collect();
    let widest = half.iter().map(|bar| bar.value).fold(0.1, f64::max);
    let names: Vec<String> = modes.iter().map(|mode| mode.mode.clone()).collect();
    let bottom = names.len() as f64;
    let promise = vec![(PROMISED, -0.5), (PROMISED, bottom - 0.5)];
    Figure {
        name: name(&report.run, "coverage"),
        about: format!("Share of clips within the 90 % intervals of scores, by mode, run {}", report.run.title()),
        panel: (450, 90 + 26 * names.len() as u32),
        columns: 2,
        panels: vec![
            Panel {
                title: "share of labels within the interval".into(),
                x: Axis::exact("share of clips", 0.0, 1.03),
                y: Axis::exact("", 0.0, 1.0),
                names: names.clone(),
                layers: vec![
                    Layer::Bars { bars: held.collect(), of: (0, 1), colour: colour(0) },
                    Layer::Line { points: promise, colour: SHOULD, dashed: true, faint: false },
                ],
            },
            Panel {
                title: "half of the interval's width".into(),
                x: Axis::exact("valence", 0.0, widest * 1.05),
                y: Axis::exact("", 0.0, 1.0),
                names,
                layers: vec![Layer::Bars { bars: half, of: (0, 1), colour: colour(2) }],
            },
        ],
        legend: vec![Entry { text: "promised: 0.9".into(), colour: SHOULD, dashed: true }],
    }
}

fn contribution(report: &RunReport) -> Figure {
    let weights = report.weights.iter().zip(COLOURS).enumerate().map(|(k, (weights, colour))| {
        let bar = |(place, (mean, deviation)): (usize, (&f64, &f64))| Bar {
            place,
            value: *mean,
            interval: Some((mean - deviation, mean + deviation)),
        };
        let bars = weights.iter().flat_map(|w| w.mean.iter().zip(&w.deviation).enumerate().map(bar)).collect();
        Layer::Bars { bars, of: (k, FLOWS.len()), colour }
    });
    let weights: Vec<Layer> = weights.collect();
    let away = &report.taken_away;
    let names: Vec<String> = away.iter().map(|step| format!("{} less {}", step.from, step.what)).collect();
    let bars: Vec<Bar> = away
        .iter()
        .enumerate()
        .map(|(place, step)| Bar {
            place,
            value: step.mae.difference,
            interval: Some((step.mae.interval.low, step.mae.interval.high)),
        })
        .collect();
    let ends = |bars: &[Bar]| -> Vec<f64> {
        let mut ends: Vec<f64> = bars.iter().filter_map(|bar| bar.interval).flat_map(|(a, b)| [a, b]).collect();
        ends.push(0.0);
        ends
    };
    let all_weights: Vec<f64> = weights
        .iter()
        .flat_map(|layer| match layer {
            Layer::Bars { bars, .. } => ends(bars),
            _ => Vec::new(),
        })
        .collect();
    Figure {
        name: name(&report.run, "contribution"),
        about: format!("Weights of the modalities and errors without them, run {}", report.run.title()),
        panel: (450, 90 + 28 * names.len().max(MODALITIES.len()) as u32),
        columns: 2,
        panels: vec![
            Panel {
                title: "weights: mean and standard deviation".into(),
                x: Axis::over("weight (signed, not normalised)", all_weights),
                y: Axis::exact("", 0.0, 1.0),
                names: MODALITIES.map(String::from).into(),
                layers: weights,
            },
            Panel {
                title: "growth of the error, 95 % interval".into(),
                x: Axis::over("mean absolute error", ends(&bars)),
                y: Axis::exact("", 0.0, 1.0),
                names,
                layers: vec![Layer::Bars { bars, of: (0, 1), colour: colour(3) }],
            },
        ],
        legend: FLOWS
            .iter()
            .zip(COLOURS)
            .map(|(flow, colour)| Entry { text: (*flow).into(), colour, dashed: false })
            .collect(),
    }
}
