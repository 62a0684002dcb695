//! Recorded speech for trials of the live path.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use hound::{WavReader, WavSpec, WavWriter};

/// Recorded voices of Debian's alsa-utils; each says two or three words.
const VOICES: [&str; 8] =
    ["Front_Center", "Front_Left", "Front_Right", "Rear_Center", "Rear_Left", "Rear_Right", "Side_Left", "Side_Right"];

/// Writes the first `count` voices to `path` (mono, 16 bits, the voices' own rate), each followed by `pause_s` of digital
/// silence.
pub(crate) fn write(path: &Path, count: usize, pause_s: f64) -> Result<()> {
    let mut writer: Option<WavWriter<_>> = None;
    for voice in VOICES.iter().take(count) {
        let source = format!("/usr/share/sounds/alsa/{voice}.wav");
        let mut reader = WavReader::open(&source).with_context(|| format!("{source}; run `cargo xtask setup`"))?;
        let spec = reader.spec();
        ensure!(spec.channels == 1 && spec.bits_per_sample == 16, "{source}: {spec:?}, expected mono, 16 bits");
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(WavWriter::create(path, WavSpec { ..spec })?),
        };
        ensure!(writer.spec() == spec, "{source}: {spec:?}, expected that of the other voices");
        for sample in reader.samples::<i16>() {
            writer.write_sample(sample?)?;
        }
        for _ in 0..(pause_s * f64::from(spec.sample_rate)) as usize {
            writer.write_sample(0i16)?;
        }
    }
    writer.context("no voices")?.finalize()?;
    Ok(())
}
