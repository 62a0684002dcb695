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

impl Mode {
    /// The mode's name in a bundle's manifest: what took part, joined by `+`; empty where nothing did.
    pub fn name(&self) -> String {
        let audio = (self.audio == Presence::Present).then_some("audio");
        let text = match self.text {
            TextMode::Real => Some("text"),
            TextMode::Simulated => Some("simulated"),
            TextMode::Absent => None,
        };
        let face = (self.face == Presence::Present).then_some("face");
        [audio, text, face].into_iter().flatten().collect::<Vec<_>>().join("+")
    }
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

#[cfg(test)]
mod tests {
    use mien_models::bundle::MODES;

    use super::*;

    #[test]
    fn every_mode_but_nothing_has_its_name_in_the_manifest() {
        let mut names = Vec::new();
        for audio in [Presence::Present, Presence::Absent] {
            for text in [TextMode::Real, TextMode::Simulated, TextMode::Absent] {
                for face in [Presence::Present, Presence::Absent] {
                    names.push(Mode { audio, text, face }.name());
                }
            }
        }
        names.retain(|n| !n.is_empty());
        names.sort();
        let mut known = MODES.to_vec();
        known.sort_unstable();
        assert_eq!(names, known);
    }
}
