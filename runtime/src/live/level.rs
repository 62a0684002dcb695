//! How loud it is, whether the converter clips, and whether a microphone is dead.

use super::view::LevelView;

/// Samples per second.
const RATE: usize = 16_000;
/// Samples that a level is taken over: a tenth of a second.
const WINDOW: usize = RATE / 10;
/// Magnitude of full scale, less what converting to and from integers takes.
const FULL_SCALE: f32 = 0.999;
/// Full-scale samples in a row that are no chance.
const CLIPPED_RUN: u32 = 3;
/// How long clipping is shown.
const CLIPPING_SHOWN: usize = RATE;
/// Below it a room is quieter than any converter's own noise: -80 dBFS.
const DEAD_PEAK: f32 = 1e-4;
/// How long before a silent microphone is called dead.
const DEAD_AFTER: usize = 5 * RATE;
/// What digital silence is called.
const FLOOR_DBFS: f32 = -120.0;

/// Level of a stretch of sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loudness {
    /// Root mean square, dB below full scale.
    pub rms_dbfs: f32,
    /// Largest magnitude, dB below full scale.
    pub peak_dbfs: f32,
    /// Samples at full scale in runs of at least three.
    pub clipped: u64,
}

/// The loudness of `samples` in [-1, 1].
pub fn loudness(samples: &[f32]) -> Loudness {
    let mut runs = Runs::default();
    let clipped = samples.iter().map(|&s| runs.take(s)).sum();
    let power: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>() / samples.len().max(1) as f64;
    let peak = samples.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
    Loudness { rms_dbfs: dbfs(power.sqrt() as f32), peak_dbfs: dbfs(peak), clipped }
}

/// `magnitude` in dB below full scale.
fn dbfs(magnitude: f32) -> f32 {
    if magnitude > 0.0 { (20.0 * magnitude.log10()).max(FLOOR_DBFS) } else { FLOOR_DBFS }
}

/// Counts full-scale samples that stand in runs.
#[derive(Default)]
struct Runs(u32);

impl Runs {
    /// Samples that are known to be clipped now.
    fn take(&mut self, sample: f32) -> u64 {
        self.0 = if sample.abs() >= FULL_SCALE { self.0.saturating_add(1) } else { 0 };
        match self.0 {
            0..CLIPPED_RUN => 0,
            CLIPPED_RUN => u64::from(CLIPPED_RUN),
            _ => 1,
        }
    }
}

/// The running level of a stream.
pub struct LevelMeter {
    window: Vec<f32>,
    runs: Runs,
    /// Samples since the last clipped one.
    since_clipping: usize,
    /// Samples since the last one above the dead line.
    quiet: usize,
    shown: LevelView,
}

impl Default for LevelMeter {
    fn default() -> Self {
        Self {
            window: Vec::with_capacity(WINDOW),
            runs: Runs::default(),
            since_clipping: CLIPPING_SHOWN,
            quiet: 0,
            shown: LevelView { rms_dbfs: FLOOR_DBFS, peak_dbfs: FLOOR_DBFS, clipping: false, dead: false },
        }
    }
}

impl LevelMeter {
    /// Takes samples at 16 kHz.
    pub fn take(&mut self, samples: &[f32]) {
        for &sample in samples {
            self.since_clipping = if self.runs.take(sample) > 0 { 0 } else { self.since_clipping.saturating_add(1) };
            self.quiet = if sample.abs() > DEAD_PEAK { 0 } else { self.quiet.saturating_add(1) };
            self.window.push(sample);
            if self.window.len() == WINDOW {
                let Loudness { rms_dbfs, peak_dbfs, .. } = loudness(&self.window);
                self.window.clear();
                self.shown = LevelView { rms_dbfs, peak_dbfs, ..self.shown };
            }
        }
        self.shown.clipping = self.since_clipping < CLIPPING_SHOWN;
        self.shown.dead = self.quiet >= DEAD_AFTER;
    }

    /// The level now.
    pub fn shown(&self) -> LevelView {
        self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_known_waves() {
        let sine: Vec<f32> = (0..RATE).map(|i| (0.5 * (i as f64 * 0.3).sin()) as f32).collect();
        let of = loudness(&sine);
        // A sine of amplitude 0.5: peak 20 log10 0.5, rms 3.01 dB below.
        assert!((of.peak_dbfs + 6.02).abs() < 0.02 && (of.rms_dbfs + 9.03).abs() < 0.02, "{of:?}");
        assert_eq!(of.clipped, 0);
        assert_eq!(loudness(&[]), Loudness { rms_dbfs: -120.0, peak_dbfs: -120.0, clipped: 0 });
        assert_eq!(loudness(&[1.0, -1.0, 0.2, 1.0, 1.0, 1.0, 1.0, 0.0, -1.0, -1.0, -1.0]).clipped, 7);
    }

    #[test]
    fn a_dead_microphone_and_clipping_are_told_and_end() {
        let mut meter = LevelMeter::default();
        meter.take(&vec![0.00005; DEAD_AFTER - 1]);
        assert!(!meter.shown().dead);
        meter.take(&[0.0]);
        assert!(meter.shown().dead);
        meter.take(&[0.01]);
        assert!(!meter.shown().dead && !meter.shown().clipping);
        meter.take(&[1.0; 3]);
        assert!(meter.shown().clipping);
        meter.take(&vec![0.1; CLIPPING_SHOWN]);
        assert!(!meter.shown().clipping);
    }
}
