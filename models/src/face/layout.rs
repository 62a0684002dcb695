//! The layout of a detector model file, checked before the detector reads it.
//!
//! rustface trusts its model file: it allocates what the file asks for, panics on an unknown classifier, and indexes
//! feature maps and buffers through raw pointers by the file's numbers. A file that passes [`check`] keeps all of those
//! inside their bounds. What it cannot bound is where a cascade level's correction puts a box: rustface 0.1.7 skips boxes
//! outside on the left or above, but not on the right or below, and would copy from outside of the picture. No such box was
//! seen in hundreds of pictures, but no proof excludes it. All numbers in the file are little-endian, 32 bits.

/// Side of the detector's window in pixels.
const WINDOW: u32 = 40;
/// A binary feature covers 3 x 3 cells of 3 x 3 pixels; it must lie inside the window.
const LARGEST_OFFSET: u32 = WINDOW - 9;
/// Binary features have one weight for each value of their byte.
const LARGEST_BIN: u32 = 255;
/// The boosted classifier is evaluated in groups of this many features.
const FEATURE_GROUP: u32 = 10;
/// Gradient features are numbered from 1; the last of the pool's 56 is not addressable in rustface 0.1.7.
const LARGEST_FEATURE: u32 = 55;
/// Numbers in one gradient feature: 2 x 2 cells of 8 channels.
const FEATURE_WIDTH: u32 = 32;
/// A perceptron gives a score and the correction of x, y and side.
const OUTPUTS: u32 = 4;
/// -1, by which the published model says "no window sources".
const NONE: u32 = u32::MAX;
/// Larger counts than the published model's, small enough to keep every product below 2^32.
const LARGEST_COUNT: u32 = 4096;

/// Holds `bytes` against the layout; an error says where it breaks and what was expected and found.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let mut reader = Reader { bytes, at: 0 };
    let levels = reader.count("cascade levels", 1, 16)?;
    let mut first_level = 0;
    for level in 0..levels {
        // Later levels are stored in the lists of the first one.
        let most = if level == 0 { 16 } else { first_level };
        let models = reader.count("models of a level", 1, most)?;
        if level == 0 {
            first_level = models;
        }
        for _ in 0..models {
            model(&mut reader, level == 0, first_level)?;
        }
    }
    if reader.at == bytes.len() {
        Ok(())
    } else {
        Err(format!("the model ends at byte {}, but the file has {}", reader.at, bytes.len()))
    }
}

fn model(reader: &mut Reader<'_>, first: bool, lists: u32) -> Result<(), String> {
    let stages = reader.count("stages of a model", 1, if first { 1 } else { 16 })?;
    for _ in 0..stages {
        match (reader.number("classifier kind")?, first) {
            (0, true) => boosted(reader)?,
            (1, false) => perceptron(reader)?,
            (kind, _) => return Err(reader.wrong("classifier kind", if first { "0" } else { "1" }, kind)),
        }
    }
    if first {
        // Windows of the picture itself, written as a count of -1.
        return match reader.number("window sources")? {
            0 | NONE => Ok(()),
            found => Err(reader.wrong("window sources", "none (0 or -1)", found)),
        };
    }
    // Later levels go on with lists of the first one.
    for _ in 0..reader.count("window sources", 1, lists)? {
        reader.count("window source", 0, lists - 1)?;
    }
    Ok(())
}

fn boosted(reader: &mut Reader<'_>) -> Result<(), String> {
    let features = reader.count("binary features", FEATURE_GROUP, LARGEST_COUNT)?;
    if features % FEATURE_GROUP != 0 {
        return Err(reader.wrong("binary features", "a multiple of 10", features));
    }
    let bins = reader.count("largest feature value", LARGEST_BIN, LARGEST_BIN)?;
    for _ in 0..features * 2 {
        reader.count("feature offset", 0, LARGEST_OFFSET)?;
    }
    reader.floats("thresholds", features)?;
    reader.floats("weights", features * (bins + 1))
}

fn perceptron(reader: &mut Reader<'_>) -> Result<(), String> {
    let layers = reader.count("perceptron layers", 3, 16)?;
    let features = reader.count("gradient features", 1, LARGEST_FEATURE)?;
    for _ in 0..features {
        reader.count("feature number", 1, LARGEST_FEATURE)?;
    }
    reader.floats("threshold", 1)?;
    let mut inputs = reader.count("perceptron inputs", features * FEATURE_WIDTH, features * FEATURE_WIDTH)?;
    for layer in 1..layers {
        let (least, most) = if layer + 1 == layers { (OUTPUTS, OUTPUTS) } else { (1, LARGEST_COUNT) };
        let outputs = reader.count("layer outputs", least, most)?;
        reader.floats("layer weights", inputs * outputs)?;
        reader.floats("layer biases", outputs)?;
        inputs = outputs;
    }
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn number(&mut self, what: &str) -> Result<u32, String> {
        let word = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<4>());
        let word = word.ok_or_else(|| format!("it ends at byte {} inside {what}", self.bytes.len()))?;
        self.at += 4;
        Ok(u32::from_le_bytes(*word))
    }

    fn count(&mut self, what: &str, least: u32, most: u32) -> Result<u32, String> {
        let found = self.number(what)?;
        if (least..=most).contains(&found) {
            return Ok(found);
        }
        let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
        Err(self.wrong(what, &expected, found))
    }

    fn floats(&mut self, what: &str, count: u32) -> Result<(), String> {
        for _ in 0..count {
            let value = f32::from_bits(self.number(what)?);
            if !value.is_finite() {
                return Err(self.wrong(what, "finite numbers", value));
            }
        }
        Ok(())
    }

    /// The fault of the number just read.
    fn wrong(&self, what: &str, expected: &str, found: impl std::fmt::Display) -> String {
        format!("{what} at byte {}: expected {expected}, found {found}", self.at.saturating_sub(4))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::check;
    use crate::face::detector_model;

    /// The model with the 32-bit number at byte `at` replaced.
    fn with(at: usize, number: u32) -> Vec<u8> {
        let mut bytes = detector_model().bytes.to_vec();
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    #[test]
    fn the_published_model_passes() {
        check(detector_model().bytes).unwrap();
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = detector_model().bytes;
        for length in (0..400).chain((400..bytes.len()).step_by(4099)).chain([bytes.len() - 1]) {
            let fault = check(&bytes[..length]).unwrap_err();
            assert!(fault.contains("ends at byte"), "{length}: {fault}");
        }
    }

    #[test]
    fn counts_and_indices_out_of_range_are_refused() {
        // Byte 0 levels, 4 models, 8 stages, 12 kind, 16 features, 20 bins, 24 first offset; then floats.
        for (at, number) in
            [(0, 0), (0, u32::MAX), (4, 17), (8, 2), (12, 1), (12, 2), (16, 151), (16, 0), (16, u32::MAX)]
                .into_iter()
                .chain([(20, 254), (24, 32), (24, u32::MAX), (24 + 150 * 8, f32::NAN.to_bits())])
        {
            let fault = check(&with(at, number)).unwrap_err();
            assert!(fault.contains(&format!("at byte {at}: expected")), "{at} {number}: {fault}");
        }
        let mut longer = detector_model().bytes.to_vec();
        longer.push(0);
        assert!(check(&longer).unwrap_err().contains("the model ends at byte"));
    }
}
