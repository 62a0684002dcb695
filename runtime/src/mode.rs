//! Which modalities took part in a score.

use serde::Serialize;

/// Where the text stream of a score came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TextMode {
    /// Hidden states over a transcript.
    Real,
    /// Hidden states while the language model generated from sound.
    Simulated,
    /// No text: one zero row stands in (spec section 9).
    Absent,
}

/// Whether a sensor's stream took part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// At least one row came from the sensor.
    Present,
    /// One zero row stands in (spec section 7).
    Absent,
}

impl Presence {
    /// Present when `there`.
    pub fn of(there: bool) -> Self {
        if there { Self::Present } else { Self::Absent }
    }
}

/// The mode that a score names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Mode {
    /// Sound.
    pub audio: Presence,
    /// Text.
    pub text: TextMode,
    /// Face.
    pub face: Presence,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        if self.audio == Presence::Present {
            parts.push("voice");
        }
        if self.face == Presence::Present {
            parts.push("face");
        }
        match self.text {
            TextMode::Real => parts.push("text"),
            TextMode::Simulated => parts.push("simulated text"),
            TextMode::Absent => {}
        }
        f.write_str(if parts.is_empty() { "nothing" } else { "" })?;
        f.write_str(&parts.join(" + "))
    }
}
