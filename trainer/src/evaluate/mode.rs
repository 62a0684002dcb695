//! Modes of evaluation: what a batch loses before the model sees it (specification, method section 9).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::data::{Batch, Stream};
use crate::hash::{key, mix, unit};

/// Where the text stream comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// The transcript's rows; the imagination is off.
    Real,
    /// Rows simulated from sound; the imagination is on.
    Simulated,
    /// One zero row; the imagination is on.
    Absent,
}

/// Rows that are replaced by noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Share of rows, 0 to 1.
    pub rate: f64,
    /// Which rows, and what stands there instead.
    pub seed: u64,
}

/// What the model is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    /// Whether there is sound; without it one zero row stands in.
    pub audio: bool,
    /// The text.
    pub text: Text,
    /// Whether there is a face; without it one zero row stands in.
    pub face: bool,
    /// Noise in all streams.
    pub noise: Option<Noise>,
}

/// Noise where nothing else is said.
const NOISE: Noise = Noise { rate: 0.3, seed: 1 };

impl Mode {
    /// Everything.
    pub const COMPLETE: Self = Self { audio: true, text: Text::Real, face: true, noise: None };
    /// Text simulated from sound.
    pub const TEXT_MISSING: Self = Self { text: Text::Simulated, ..Self::COMPLETE };
    /// No language model.
    pub const NO_LLM: Self = Self { text: Text::Absent, ..Self::COMPLETE };
    /// No face, real text.
    pub const NO_FACE: Self = Self { face: false, ..Self::COMPLETE };
    /// No face, simulated text.
    pub const TEXT_MISSING_NO_FACE: Self = Self { face: false, ..Self::TEXT_MISSING };
    /// Everything, with noise in place of three rows in ten.
    pub const NOISE: Self = Self { noise: Some(NOISE), ..Self::COMPLETE };

    /// The modes of a usual evaluation, with their names.
    pub const USUAL: [(&'static str, Self); 6] = [
        ("complete", Self::COMPLETE),
        ("text-missing", Self::TEXT_MISSING),
        ("no-llm", Self::NO_LLM),
        ("no-face", Self::NO_FACE),
        ("text-missing-no-face", Self::TEXT_MISSING_NO_FACE),
        ("noise", Self::NOISE),
    ];

    /// Whether the imagination runs: the model's flag `text_missing`.
    pub fn text_missing(&self) -> bool {
        self.text != Text::Real
    }

    /// The mode's name in a bundle's manifest, where a device can be in it: what took part, joined by `+`.
    pub fn device_name(&self) -> Option<String> {
        let text = match self.text {
            Text::Real => Some("text"),
            Text::Simulated => Some("simulated"),
            Text::Absent => None,
        };
        let parts = [self.audio.then_some("audio"), text, self.face.then_some("face")];
        let name = parts.into_iter().flatten().collect::<Vec<_>>().join("+");
        (self.noise.is_none() && !name.is_empty()).then_some(name)
    }

    /// The batch as the model is given it, with the rows of the text that is not used left as they are; borrowed where
    /// nothing is taken away.
    pub fn apply<'b>(&self, batch: &'b Batch) -> Cow<'b, Batch> {
        if self.audio && self.face && self.text != Text::Absent && self.noise.is_none() {
            return Cow::Borrowed(batch);
        }
        let mut out = batch.clone();
        if !self.audio {
            out.audio = absent(&batch.audio);
        }
        if !self.face {
            out.video = absent(&batch.video);
        }
        if self.text == Text::Absent {
            out.simulated = absent(&batch.simulated);
        }
        if let Some(noise) = self.noise {
            let streams = [&mut out.audio, &mut out.text, &mut out.simulated, &mut out.video];
            for (number, stream) in streams.into_iter().enumerate() {
                disturb(stream, &batch.ids, number as u64, noise);
            }
        }
        Cow::Owned(out)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = Self::USUAL.iter().find(|(_, mode)| mode == self) {
            return f.write_str(name);
        }
        let plain = Self { noise: None, ..*self };
        match self.noise {
            Some(Noise { rate, seed }) if plain == Self::COMPLETE => write!(f, "noise:{rate}:{seed}"),
            Some(Noise { rate, seed }) => write!(f, "{}+noise:{rate}:{seed}", plain.device_name().unwrap_or_default()),
            None => f.write_str(&plain.device_name().unwrap_or_else(|| "nothing".into())),
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    /// A usual name, a device's (`audio+simulated+face`), or `noise:RATE` with a seed after another colon.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, mode)) = Self::USUAL.iter().find(|(name, _)| *name == text) {
            return Ok(*mode);
        }
        let unknown = || {
            let usual: Vec<&str> = Self::USUAL.iter().map(|(name, _)| *name).collect();
            format!(
                "expected one of {}, what takes part (audio+simulated+face), or noise:RATE[:SEED]; found {text:?}",
                usual.join(", ")
            )
        };
        if let Some(rest) = text.strip_prefix("noise:") {
            let (rate, seed) = rest.split_once(':').map_or((rest, None), |(rate, seed)| (rate, Some(seed)));
            let rate = rate.parse().ok().filter(|r| (0.0..=1.0).contains(r)).ok_or_else(unknown)?;
            let seed = seed.map_or(Ok(NOISE.seed), |s| s.parse().map_err(|_| unknown()))?;
            return Ok(Self { noise: Some(Noise { rate, seed }), ..Self::COMPLETE });
        }
        let mut mode = Self { audio: false, text: Text::Absent, face: false, noise: None };
        for part in text.split('+') {
            match part {
                "audio" => mode.audio = true,
                "text" => mode.text = Text::Real,
                "simulated" => mode.text = Text::Simulated,
                "face" => mode.face = true,
                _ => return Err(unknown()),
            }
        }
        // In the one order, each part once: the name is a key in manifests.
        if mode.device_name().as_deref() == Some(text) { Ok(mode) } else { Err(unknown()) }
    }
}

/// One zero row for every clip.
fn absent(stream: &Stream) -> Stream {
    let clips = stream.lengths.len();
    Stream { rows: vec![0.0; clips * stream.width], lengths: vec![1; clips], longest: 1, width: stream.width }
}

/// Puts normal noise with the mean and spread of a clip's own numbers in place of some of its rows. Which rows, and what
/// noise, is a function of seed, clip id, stream and row: the same in every batch.
fn disturb(stream: &mut Stream, ids: &[String], number: u64, noise: Noise) {
    let Stream { rows, lengths, longest, width } = stream;
    for ((id, length), clip) in ids.iter().zip(lengths.iter()).zip(rows.chunks_mut((*longest * *width).max(1))) {
        let Some(valid) = clip.get_mut(..length * *width) else { continue };
        let clip_key = key(&[noise.seed, mien_models::tensor::formula::fnv1a64(id), number]);
        let n = valid.len().max(1) as f64;
        let mean = valid.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let spread = (valid.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n).sqrt();
        for (at, row) in valid.chunks_mut((*width).max(1)).enumerate() {
            let row_key = mix(clip_key, at as u64);
            if unit(mix(row_key, 0)) >= noise.rate {
                continue;
            }
            for (k, value) in row.iter_mut().enumerate() {
                *value = (mean + spread * normal(row_key, k as u64)) as f32;
            }
        }
    }
}

/// A number from the normal distribution (Box and Muller).
fn normal(key: u64, k: u64) -> f64 {
    let (radius, angle) = (1.0 - unit(mix(key, 2 * k + 1)), unit(mix(key, 2 * k + 2)));
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use mien_models::bundle::MODES;

    use super::*;

    fn stream(lengths: &[usize], width: usize, start: f32) -> Stream {
        let longest = lengths.iter().copied().max().unwrap();
        let mut rows = vec![0.0; lengths.len() * longest * width];
        for (clip, &length) in rows.chunks_mut(longest * width).zip(lengths) {
            for (k, value) in clip[..length * width].iter_mut().enumerate() {
                *value = start + k as f32;
            }
        }
        Stream { rows, lengths: lengths.into(), longest, width }
    }

    fn batch() -> Batch {
        Batch {
            ids: vec!["a_0".into(), "b_0".into()],
            audio: stream(&[40, 30], 3, 1.0),
            text: stream(&[5, 6], 4, 2.0),
            simulated: stream(&[4, 2], 4, 3.0),
            video: stream(&[9, 9], 2, 4.0),
            labels: vec![1.0, -1.0],
        }
    }

    #[test]
    fn absent_streams_are_one_zero_row() {
        let before = batch();
        let zero = |width| Stream { rows: vec![0.0; 2 * width], lengths: vec![1, 1], longest: 1, width };
        let applied = |mode: Mode| mode.apply(&before).into_owned();
        assert_eq!(applied(Mode::COMPLETE), before);
        assert_eq!(applied(Mode::TEXT_MISSING), before);
        assert_eq!(applied(Mode::NO_LLM), Batch { simulated: zero(4), ..before.clone() });
        assert_eq!(applied(Mode::NO_FACE), Batch { video: zero(2), ..before.clone() });
        assert_eq!(applied(Mode { audio: false, ..Mode::COMPLETE }), Batch { audio: zero(3), ..before.clone() });
        let flags = Mode::USUAL.map(|(_, mode)| mode.text_missing());
        assert_eq!(flags, [false, true, true, false, true, false]);
    }

    #[test]
    fn noise_replaces_whole_rows_at_its_rate_and_leaves_padding() {
        let before = batch();
        let after = Mode { noise: Some(Noise { rate: 0.5, seed: 7 }), ..Mode::COMPLETE }.apply(&before);
        let (mut replaced, mut total) = (0, 0);
        for (old, new) in before.audio.rows.chunks(3).zip(after.audio.rows.chunks(3)) {
            if old == [0.0; 3] {
                assert_eq!(new, old);
                continue;
            }
            total += 1;
            let differ = old.iter().zip(new).filter(|(a, b)| a != b).count();
            assert!(differ == 0 || differ == 3, "{old:?} {new:?}");
            replaced += usize::from(differ == 3);
            assert!(new.iter().all(|v| v.is_finite()));
        }
        // 70 rows at a half: 35, standard deviation 4.2.
        assert_eq!(total, 70);
        assert!((20..=50).contains(&replaced), "{replaced}");
        assert_eq!(after.audio.lengths, before.audio.lengths);
        for (rate, unchanged) in [(0.0, true), (1.0, false)] {
            let after = Mode { noise: Some(Noise { rate, seed: 7 }), ..Mode::COMPLETE }.apply(&before);
            assert_eq!(after.audio.rows[..3] == before.audio.rows[..3], unchanged);
        }
    }

    #[test]
    fn a_clips_noise_does_not_depend_on_its_batch() {
        let whole = batch();
        let both = Mode::NOISE.apply(&whole);
        let alone = Batch {
            ids: vec!["b_0".into()],
            audio: Stream { rows: whole.audio.rows[120..210].to_vec(), lengths: vec![30], longest: 30, width: 3 },
            text: stream(&[6], 4, 2.0),
            simulated: stream(&[2], 4, 3.0),
            video: stream(&[9], 2, 4.0),
            labels: vec![-1.0],
        };
        let alone = Mode::NOISE.apply(&alone);
        assert_eq!(alone.audio.rows, both.audio.rows[120..210]);
        assert_eq!(alone.video.rows, both.video.rows[18..]);
        // Another seed, other rows.
        let other = Mode { noise: Some(Noise { rate: 0.3, seed: 2 }), ..Mode::COMPLETE }.apply(&whole).into_owned();
        assert_ne!(other.audio, both.audio);
    }

    #[test]
    fn noise_has_the_mean_and_spread_of_the_clip() {
        let n = 4000;
        let values: Vec<f32> = (0..n).map(|i| if i % 2 == 0 { 4.0 } else { 8.0 }).collect();
        let mut stream = Stream { rows: values, lengths: vec![n / 4], longest: n / 4, width: 4 };
        disturb(&mut stream, &["a_0".into()], 0, Noise { rate: 1.0, seed: 3 });
        let mean = stream.rows.iter().sum::<f32>() / n as f32;
        let spread = (stream.rows.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n as f32).sqrt();
        // The mean of 4000 with spread 2 is off by 0.03, the spread by 0.02.
        assert!((mean - 6.0).abs() < 0.15 && (spread - 2.0).abs() < 0.12, "{mean} {spread}");
    }

    #[test]
    fn names_read_back_and_are_those_of_the_manifest() {
        for (name, mode) in Mode::USUAL {
            assert_eq!(mode.to_string(), name);
            assert_eq!(name.parse::<Mode>(), Ok(mode));
        }
        for name in MODES {
            let mode: Mode = name.parse().unwrap();
            assert_eq!(mode.device_name().as_deref(), Some(name));
            assert_eq!(mode.to_string().parse::<Mode>(), Ok(mode));
        }
        assert_eq!("noise:0.5:9".parse::<Mode>().unwrap().to_string(), "noise:0.5:9");
        assert_eq!(Mode::NOISE.device_name(), None);
        for name in [
            "",
            "audio+",
            "face+audio",
            "audio+audio",
            "text+simulated",
            "noise:2",
            "noise:x",
            "noise:0.1:x",
            "Complete",
        ] {
            assert!(name.parse::<Mode>().unwrap_err().contains("expected"), "{name}");
        }
    }
}
