//! Whether predictions mean what they say: bins of predictions against the labels in them.

/// Width of a bin on the scale of valence.
pub const WIDTH: f64 = 0.5;
/// Ends of the scale; predictions beyond count into the outermost bins.
const END: f64 = 3.0;
/// Bins from -3 to 3.
const BINS: usize = 12;

/// Clips whose predictions are near each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Where the bin begins; it holds predictions from here to below `low` + [`WIDTH`].
    pub low: f64,
    /// Clips in it, at least 1.
    pub clips: usize,
    /// Mean of the predictions.
    pub prediction: f64,
    /// Mean of the labels.
    pub label: f64,
    /// Standard deviation of the labels (n - 1); 0 for one clip.
    pub deviation: f64,
}

/// Predictions against labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Bins with clips in them, ascending.
    pub bins: Vec<Bin>,
    /// Mean of label minus prediction over all clips: 0 for a model that is right on average.
    pub bias: f64,
    /// Mean over clips of the distance of their bin's mean label and mean prediction: 0 for a calibrated model.
    pub gap: f64,
}

impl Calibration {
    /// Of `pairs` of prediction and label; `None` without pairs.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        if pairs.is_empty() {
            return None;
        }
        let (clips, bins) = (pairs.len() as f64, bins(pairs));
        let gap = bins.iter().map(|bin| bin.clips as f64 * (bin.label - bin.prediction).abs()).sum::<f64>() / clips;
        let bias = pairs.iter().map(|(prediction, label)| label - prediction).sum::<f64>() / clips;
        Some(Self { bins, bias, gap })
    }
}

/// Bins of `pairs` of prediction and label; those without clips are left out.
pub fn bins(pairs: &[(f64, f64)]) -> Vec<Bin> {
    let mut members: [Vec<(f64, f64)>; BINS] = Default::default();
    for pair in pairs {
        let place = ((pair.0 + END) / WIDTH).floor().clamp(0.0, BINS as f64 - 1.0);
        if let Some(bin) = members.get_mut(place as usize) {
            bin.push(*pair);
        }
    }
    let bin = |(place, members): (usize, &Vec<(f64, f64)>)| {
        let n = members.len() as f64;
        let mean = |part: fn(&(f64, f64)) -> f64| members.iter().map(part).sum::<f64>() / n;
        let label = mean(|pair| pair.1);
        let squares = members.iter().map(|pair| (pair.1 - label).powi(2)).sum::<f64>();
        Bin {
            low: place as f64 * WIDTH - END,
            clips: members.len(),
            prediction: mean(|pair| pair.0),
            label,
            deviation: (squares / (n - 1.0).max(1.0)).sqrt(),
        }
    };
    members.iter().enumerate().filter(|(_, members)| !members.is_empty()).map(bin).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::hash::{mix, unit};

    fn pairs(n: u64) -> Vec<(f64, f64)> {
        // Predictions from -4 to 4: some beyond the scale.
        (0..n).map(|i| (unit(mix(1, i)) * 8.0 - 4.0, unit(mix(2, i)) * 6.0 - 3.0)).collect()
    }

    #[test]
    fn bins_keep_clips_and_means() {
        let pairs = pairs(1000);
        let bins = bins(&pairs);
        assert_eq!(bins.iter().map(|b| b.clips).sum::<usize>(), 1000);
        let whole = |part: fn(&(f64, f64)) -> f64| pairs.iter().map(part).sum::<f64>();
        let binned = |part: fn(&Bin) -> f64| bins.iter().map(|b| b.clips as f64 * part(b)).sum::<f64>();
        assert!((whole(|p| p.0) - binned(|b| b.prediction)).abs() < 1e-9);
        assert!((whole(|p| p.1) - binned(|b| b.label)).abs() < 1e-9);
        // Every clip is in the bin that holds its prediction, the outermost ones being open.
        for (k, bin) in bins.iter().enumerate() {
            let low = if k == 0 { f64::NEG_INFINITY } else { bin.low };
            let high = if k == 11 { f64::INFINITY } else { bin.low + WIDTH };
            let members: Vec<f64> = pairs.iter().filter(|p| (low..high).contains(&p.0)).map(|p| p.1).collect();
            assert_eq!(members.len(), bin.clips, "{bin:?}");
            let variance = members.iter().map(|y| (y - bin.label).powi(2)).sum::<f64>() / (members.len() - 1) as f64;
            assert!((bin.deviation - variance.sqrt()).abs() < 1e-9);
        }
        assert_eq!((bins.len(), bins[0].low, bins[11].low), (12, -3.0, 2.5));
    }

    #[test]
    fn edges_belong_to_the_bin_above() {
        let bins = bins(&[(-3.0, -3.0), (-0.5, 0.0), (-0.25, 1.0), (0.0, 0.5), (3.0, 3.0)]);
        let found: Vec<_> = bins.iter().map(|b| (b.low, b.clips, b.prediction, b.label)).collect();
        assert_eq!(found, [(-3.0, 1, -3.0, -3.0), (-0.5, 2, -0.375, 0.5), (0.0, 1, 0.0, 0.5), (2.5, 1, 3.0, 3.0)]);
        assert_eq!(bins[0].deviation, 0.0);
    }

    #[test]
    fn a_calibrated_model_has_no_gap_and_a_shifted_one_has_its_shift() {
        let labels = |shift: f64| -> Vec<(f64, f64)> { pairs(500).iter().map(|(p, _)| (*p, p + shift)).collect() };
        let right = Calibration::of(&labels(0.0)).unwrap();
        assert!(right.gap < 1e-12 && right.bias.abs() < 1e-12);
        let shifted = Calibration::of(&labels(-0.75)).unwrap();
        assert!((shifted.gap - 0.75).abs() < 1e-9 && (shifted.bias + 0.75).abs() < 1e-9);
        assert_eq!(Calibration::of(&[]), None);
    }
}
