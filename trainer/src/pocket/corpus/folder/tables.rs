//! The tables of a corpus: what may be learned from, and what is hidden.

use super::super::plan::Plan;
use super::CLIPS;
use super::record::Record;
use crate::data::corpus::split_name;

/// The list that `mien-train extract` takes.
pub const LIST: &str = "list.csv";
/// The table of what is hidden.
pub const HIDDEN: &str = "hidden.csv";

/// The clips as [`crate::extract::ClipList`] reads them.
pub(super) fn list(made: &[(Plan, Record)]) -> std::io::Result<Vec<u8>> {
    let header = ["id", "path", "split", "label", "transcript", "speaker"].map(str::to_owned);
    table(
        header,
        made.iter().map(|(plan, _)| {
            [
                plan.id.clone(),
                format!("{CLIPS}/{}", plan.id),
                split_name(plan.split).into(),
                plan.valences.label().to_string(),
                plan.sentence.text(),
                plan.role.speaker.name.clone(),
            ]
        }),
    )
}

/// Everything that a clip was made of. Numbers are written so that they are read back to the last bit.
pub(super) fn hidden(made: &[(Plan, Record)]) -> std::io::Result<Vec<u8>> {
    let header = [
        "id",
        "split",
        "transcript",
        "label",
        "text",
        "prosody",
        "face",
        "error",
        "contradict",
        "speaker",
        "identity",
        "accent",
        "variant",
        "pitch",
        "range",
        "rate",
        "level_db",
        "snr_db",
        "seconds",
    ];
    table(
        header.map(str::to_owned),
        made.iter().map(|(plan, record)| {
            let (valences, speaker, prosody) = (&plan.valences, &plan.role.speaker, &plan.prosody);
            [
                plan.id.clone(),
                split_name(plan.split).into(),
                plan.sentence.text(),
                valences.label().to_string(),
                valences.text.to_string(),
                valences.prosody.to_string(),
                valences.face.to_string(),
                valences.error.to_string(),
                valences.contradict().to_string(),
                speaker.name.clone(),
                plan.role.identity(),
                speaker.accent.into(),
                speaker.variant.into(),
                prosody.pitch.to_string(),
                prosody.range.to_string(),
                record.rate.to_string(),
                prosody.level.to_string(),
                record.snr.to_string(),
                record.seconds.to_string(),
            ]
        }),
    )
}

fn table<const N: usize>(header: [String; N], rows: impl Iterator<Item = [String; N]>) -> std::io::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(header).chain(rows) {
        table.write_record(row)?;
    }
    table.into_inner().map_err(|e| std::io::Error::other(e.to_string()))
}
