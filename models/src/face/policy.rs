//! Which face counts, and where it is between two searches.

use mien_capture::RgbFrame;
use serde::{Deserialize, Serialize};

use super::finder::{FaceBox, FaceFinder};
use crate::{ModelError, Result};

/// Overlap (intersection over union) from which a found face is taken for the followed one.
const SAME_FACE: f64 = 0.3;

/// When to search and when to give a face up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackSettings {
    /// The finder looks at every n-th picture, from the first on; at least 1.
    pub every: u32,
    /// Searches in a row without the face after which it is given up; at least 1.
    pub patience: u32,
}

impl Default for TrackSettings {
    fn default() -> Self {
        Self { every: 5, patience: 3 }
    }
}

impl TrackSettings {
    /// Whether both counts are at least 1.
    ///
    /// # Errors
    /// [`ModelError::Config`] naming the setting.
    pub fn validate(&self) -> Result<()> {
        for (key, value) in [("every", self.every), ("patience", self.patience)] {
            if value == 0 {
                return Err(ModelError::Config {
                    what: format!("face track: {key}"),
                    reason: "expected at least 1, found 0".into(),
                });
            }
        }
        Ok(())
    }
}

/// The choice among found faces: the largest one is the nearest person, who is taken for the speaker.
///
/// The chosen face is followed as long as it is found, unless another one has more than twice its area: two people at
/// nearly the same distance do not take turns from picture to picture.
#[derive(Clone, Debug, Default)]
pub struct LargestFace {
    held: Option<FaceBox>,
    missed: u32,
}

impl LargestFace {
    /// Takes one search's boxes, the largest first, and gives the face that counts from now on.
    ///
    /// A followed face that is not found is held where it was for `patience` - 1 further searches.
    pub fn update(&mut self, found: &[FaceBox], patience: u32) -> Option<FaceBox> {
        let Some(&largest) = found.first() else {
            self.missed = self.missed.saturating_add(1);
            if self.missed >= patience {
                self.held = None;
            }
            return self.held;
        };
        self.missed = 0;
        let followed = self.held.and_then(|held| {
            let nearest = found.iter().max_by(|a, b| a.overlap(&held).total_cmp(&b.overlap(&held)))?;
            (nearest.overlap(&held) >= SAME_FACE && nearest.area() * 2 >= largest.area()).then_some(*nearest)
        });
        self.held = Some(followed.unwrap_or(largest));
        self.held
    }
}

/// Follows one face through the pictures of a camera or clip.
pub struct FaceTracker {
    finder: FaceFinder,
    settings: TrackSettings,
    choice: LargestFace,
    seen: u64,
}

impl FaceTracker {
    /// A tracker that has seen no picture yet.
    ///
    /// # Errors
    /// [`ModelError::Config`] for settings out of range.
    pub fn new(finder: FaceFinder, settings: TrackSettings) -> Result<Self> {
        settings.validate()?;
        Ok(Self { finder, settings, choice: LargestFace::default(), seen: 0 })
    }

    /// Takes the next picture and gives the face that counts, if there is one.
    ///
    /// Pictures between two searches get the last box unchanged: at 25 pictures a second and a search in every fifth it
    /// is at most 0.2 s old, in which a sitting person's head stays inside the crop's margin. A picture on which the
    /// detector fails counts as one without a face, with a warning in the log.
    pub fn observe(&mut self, frame: &RgbFrame) -> Option<FaceBox> {
        let searched = self.seen.is_multiple_of(u64::from(self.settings.every));
        self.seen += 1;
        if !searched {
            return self.choice.held;
        }
        let found = self.finder.find(frame).unwrap_or_else(|e| {
            log::warn!("{e}; taken as a picture without a face");
            Vec::new()
        });
        self.choice.update(&found, self.settings.patience)
    }

    /// As [`Self::reset`], and throws away what the last picture left in the detector.
    pub fn renew(&mut self) {
        self.reset();
        self.finder.renew();
    }

    /// Forgets the face and the count of pictures, as at the start of another clip.
    pub fn reset(&mut self) {
        self.choice = LargestFace::default();
        self.seen = 0;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn face(x: i32, side: u32) -> FaceBox {
        FaceBox { x, y: 0, width: side, height: side, score: 3.0 }
    }

    #[test]
    fn the_largest_face_counts_and_is_followed() {
        let mut choice = LargestFace::default();
        assert_eq!(choice.update(&[face(0, 100), face(300, 90)], 3), Some(face(0, 100)));
        // The other one comes slightly nearer: no change of person.
        assert_eq!(choice.update(&[face(300, 110), face(5, 100)], 3), Some(face(5, 100)));
        // It comes much nearer: it counts from now on.
        assert_eq!(choice.update(&[face(300, 150), face(5, 100)], 3), Some(face(300, 150)));
    }

    #[test]
    fn a_face_that_jumps_is_another_face() {
        let mut choice = LargestFace::default();
        choice.update(&[face(0, 100)], 3);
        assert_eq!(choice.update(&[face(300, 100), face(200, 80)], 3), Some(face(300, 100)));
    }

    #[test]
    fn a_lost_face_is_held_until_patience_ends() {
        let mut choice = LargestFace::default();
        assert_eq!(choice.update(&[], 3), None);
        choice.update(&[face(0, 100)], 3);
        assert_eq!(choice.update(&[], 3), Some(face(0, 100)));
        assert_eq!(choice.update(&[], 3), Some(face(0, 100)));
        assert_eq!(choice.update(&[], 3), None);
        assert_eq!(choice.update(&[face(9, 50)], 3), Some(face(9, 50)));
        // Finding it again starts the count anew.
        assert_eq!(choice.update(&[], 2), Some(face(9, 50)));
        assert_eq!(choice.update(&[face(9, 50)], 2), Some(face(9, 50)));
        assert_eq!(choice.update(&[], 2), Some(face(9, 50)));
    }
}
