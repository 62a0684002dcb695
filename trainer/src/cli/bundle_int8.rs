//! Options of `mien-train bundle build` for encoders in bytes, and what is told of them.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mien_quantize::{Gate, LayerNoise, Similarity};
use mien_trainer::TrainerError;
use mien_trainer::bundle_build::{Calibration, Int8, Quantised};
use serde_json::{Value, json};

use super::fault::Fault;
use super::output::{self, shown};

#[derive(Debug, Args)]
pub(crate) struct Int8Args {
    /// WavLM and MA-Net compute with bytes: their weights take about a quarter of the room. Projector and fusion stay in
    /// floats
    #[arg(long)]
    int8: bool,
    /// Score these clips with the float and with the byte networks, and make no bundle whose valences move too far: a
    /// folder of recordings as `mien score` takes them, or a list as `extract` takes it, which can name faces beside
    /// sound. Voices and faces of the device's place, a hundred of them or more; labels do not matter
    #[arg(long, value_name = "FOLDER|LIST")]
    calibrate: Option<PathBuf>,
    /// A layer, or a part of the network, that stays in floats, as encoder.layers.3 or layer1.0.conv1; several times
    #[arg(long, value_name = "NAME")]
    keep_float: Vec<String>,
    /// How far valences may move: the 99th percentile of |int8 - f32| over all utterances [default: 0.05]
    #[arg(long, value_name = "VALENCE")]
    gate: Option<f64>,
}

impl Int8Args {
    /// What is asked for; none for floats.
    pub(crate) fn asked(&self) -> Result<Option<Int8>> {
        let needs =
            |option: &str, what: &str| Err(Fault::usage(format!("{option} is for {what}; give that as well")).into());
        match self {
            Self { int8: false, calibrate: Some(_), .. } => return needs("--calibrate", "--int8"),
            Self { int8: false, gate: Some(_), .. } => return needs("--gate", "--int8"),
            Self { int8: false, keep_float, .. } if !keep_float.is_empty() => return needs("--keep-float", "--int8"),
            Self { int8: false, .. } => return Ok(None),
            Self { calibrate: None, gate: Some(_), .. } => return needs("--gate", "--calibrate"),
            Self { int8: true, .. } => {}
        }
        let gate = self.gate.map_or_else(|| Ok(Gate::default()), Gate::new).map_err(TrainerError::from)?;
        Ok(Some(Int8 { keep_float: self.keep_float.clone(), calibrate: self.calibrate.clone(), gate }))
    }
}

/// A stretch of layers in the table.
struct Row<'a> {
    part: String,
    layers: Vec<&'a LayerNoise>,
}

impl Row<'_> {
    /// The layer whose weights bytes hold worst.
    fn worst(&self) -> Option<&LayerNoise> {
        self.layers.iter().copied().min_by(|a, b| a.snr_db.total_cmp(&b.snr_db))
    }
}

/// Layers by the parts of their network, in the order of the data.
fn rows(layers: &[LayerNoise]) -> Vec<Row<'_>> {
    let part = |name: &str| match name.strip_prefix("encoder.layers.").and_then(|rest| rest.split_once('.')) {
        Some((block, _)) => format!("encoder.layers.{block}"),
        None if name.starts_with("feature_") || name.starts_with("encoder.") => "frames".into(),
        None => name.split('.').next().unwrap_or(name).to_owned(),
    };
    let mut rows: Vec<Row<'_>> = Vec::new();
    for layer in layers {
        let part = part(&layer.layer);
        match rows.iter_mut().find(|row| row.part == part) {
            Some(row) => row.layers.push(layer),
            None => rows.push(Row { part, layers: vec![layer] }),
        }
    }
    rows
}

fn db(snr: f64) -> String {
    if snr.is_finite() { format!("{snr:.1}") } else { "exact".into() }
}

/// What is told of encoders in bytes.
pub(crate) fn lines(quantised: &Quantised) -> Result<()> {
    let Quantised { kept, wavlm, manet, calibration } = quantised;
    let line = |what: &str, text: String| output::line(&shown(&format!("  {what:<8} {text}")));
    output::line("int8       WavLM and MA-Net compute with bytes")?;
    line("floats", "projector and fusion: small, and the fusion's sums are f64 on purpose".into())?;
    for (name, kept, bytes) in [("WavLM", &kept.wavlm, wavlm), ("MA-Net", &kept.manet, manet)] {
        let of = kept.len() + bytes.len();
        let stay = if kept.is_empty() { "none stays in f32".into() } else { format!("{} stay in f32", kept.len()) };
        line("layers", format!("{name}: {} of {of} in bytes, {stay}", bytes.len()))?;
    }
    output::line("")?;
    let heard = calibration.as_ref().and_then(|c| c.heard.as_ref());
    let mut table = vec![
        ["part", "byte layers", "weights dB", "worst layer", "stream cos", "stream dB", "error share"]
            .map(String::from)
            .to_vec(),
    ];
    let weights = |row: Option<&Row<'_>>| match row.and_then(|row| Some((row, row.worst()?))) {
        Some((row, worst)) => [row.layers.len().to_string(), db(worst.snr_db), worst.layer.clone()],
        None => ["0", "-", "-"].map(String::from),
    };
    let cells = |part: &str, row: Option<&Row<'_>>, stream: Option<&Similarity>, share: Option<f64>| {
        let mut cells = vec![part.to_owned()];
        cells.extend(weights(row));
        cells.push(stream.map_or("-".into(), |s| format!("{:.6}", s.cosine())));
        cells.push(stream.map_or("-".into(), |s| db(s.snr_db())));
        cells.push(share.map_or("-".into(), |s| format!("{:.1} %", 100.0 * s)));
        cells
    };
    let ears = rows(wavlm);
    match heard {
        // All parts, those that stayed in floats too: the error of parts before runs through them.
        Some(heard) => table.extend(heard.blocks.iter().map(|block| {
            let row = ears.iter().find(|row| row.part == block.name);
            cells(&block.name, row, Some(&block.stream), block.share)
        })),
        None => table.extend(ears.iter().map(|row| cells(&row.part, Some(row), None, None))),
    }
    table.extend(rows(manet).iter().map(|row| cells(&row.part, Some(row), None, None)));
    output::table(&table)?;
    output::line("")?;
    match calibration {
        None => line("gate", "NOT RUN: nobody has measured how far scores move; --calibrate FOLDER does".into()),
        Some(calibration) => told(calibration, &line),
    }
}

fn told(calibration: &Calibration, line: &dyn Fn(&str, String) -> Result<()>) -> Result<()> {
    let Calibration { clips, with_voice, with_face, measured, gate, heard, seen } = calibration;
    if let Some(heard) = heard {
        let last = &heard.last;
        let text =
            format!("last layer cosine {:.6}, {} dB, over {:.1} s", last.cosine(), db(last.snr_db()), heard.seconds);
        line("wavlm", text)?;
    }
    if let Some(seen) = seen {
        let branch = |name: &str, s: &Similarity| format!("{name} cosine {:.6}, {} dB", s.cosine(), db(s.snr_db()));
        let text = [branch("local", &seen.local), branch("global", &seen.global), branch("logits", &seen.logits)];
        line("manet", format!("{}; over {} faces", text.join("; "), seen.faces))?;
    }
    line(
        "gate",
        format!(
            "passed: |int8 - f32| of valences: p99 {:.4} <= {}, mean {:.4}, largest {:.4} ({}); {}",
            measured.p99,
            gate.limit(),
            measured.mean,
            measured.largest,
            measured.worst,
            measured.basis()
        ),
    )?;
    line(
        "clips",
        format!(
            "{clips} clips, {with_voice} utterances with a voice, {with_face} with a face; scored without the language model"
        ),
    )?;
    for (count, network) in [(with_voice, "WavLM"), (with_face, "MA-Net")] {
        if *count == 0 {
            line("note", format!("no clip reached {network}: the gate says nothing of it"))?;
        }
    }
    Ok(())
}

/// A ratio as JSON; null where there is no error at all, because JSON has no infinity.
fn ratio(snr_db: f64) -> Option<f64> {
    Some(snr_db).filter(|snr| snr.is_finite())
}

/// The same as an object.
pub(crate) fn object(quantised: &Quantised) -> Value {
    let similarity = |s: &Similarity| json!({ "cosine": s.cosine(), "snr_db": ratio(s.snr_db()) });
    let layers = |layers: &[LayerNoise]| -> Vec<Value> {
        let layer = |l: &LayerNoise| json!({ "layer": l.layer, "weights": l.weights, "snr_db": ratio(l.snr_db) });
        layers.iter().map(layer).collect()
    };
    let calibration = quantised.calibration.as_ref().map(|c| {
        let heard = c.heard.as_ref().map(|heard| {
            let block = |b: &mien_quantize::wavlm::Block| {
                json!({ "part": b.name, "cosine": b.stream.cosine(), "snr_db": ratio(b.stream.snr_db()),
                    "error_share": b.share })
            };
            let blocks: Vec<Value> = heard.blocks.iter().map(block).collect();
            json!({ "seconds": heard.seconds, "last": similarity(&heard.last), "blocks": blocks })
        });
        let seen = c.seen.as_ref().map(|seen| {
            json!({ "faces": seen.faces, "local": similarity(&seen.local), "global": similarity(&seen.global),
                "logits": similarity(&seen.logits) })
        });
        json!({
            "clips": c.clips, "utterances": c.measured.utterances, "with_voice": c.with_voice, "with_face": c.with_face,
            "language_model": false, "p99": c.measured.p99, "mean": c.measured.mean, "largest": c.measured.largest,
            "worst": c.measured.worst, "gate": c.gate.limit(), "basis": c.measured.basis(),
            "wavlm": heard, "manet": seen,
        })
    });
    json!({
        "kept_float": { "wavlm": quantised.kept.wavlm, "manet": quantised.kept.manet },
        "layers": { "wavlm": layers(&quantised.wavlm), "manet": layers(&quantised.manet) },
        "calibration": calibration,
    })
}
