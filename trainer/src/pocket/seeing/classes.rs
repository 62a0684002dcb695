//! Valences as classes.

/// Classes: one for each whole valence from -3 to 3, as many as the published network has expressions.
pub const CLASSES: usize = 7;

/// The class of a valence.
pub fn class_of(valence: f64) -> u32 {
    (valence.clamp(-3.0, 3.0).round() + 3.0) as u32
}

/// The valence that `shares` of the classes mean.
pub(super) fn valence_of(shares: &[f64]) -> f64 {
    shares.iter().enumerate().map(|(class, share)| share * (class as f64 - 3.0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_the_nearest_whole_valences() {
        for (valence, class) in [(-3.0, 0), (-2.51, 0), (-2.49, 1), (-0.4, 3), (0.0, 3), (0.6, 4), (2.9, 6), (9.0, 6)] {
            assert_eq!(class_of(valence), class, "{valence}");
        }
        let mut shares = [0.0; CLASSES];
        (shares[1], shares[6]) = (0.5, 0.5);
        assert!((valence_of(&shares) - 0.5).abs() < 1e-12);
    }
}
