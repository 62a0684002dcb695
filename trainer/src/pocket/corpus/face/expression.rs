//! What a face shows at one moment: valence in the corners of the mouth, brows and eyes, and what moves for other reasons.

use super::identity::within;
use crate::draw::Draw;

/// Standard deviations of a clip's error in corners, brows, frown and eyes: none tells the valence alone.
const CLIP_ERROR: [f32; 4] = [0.16, 0.25, 0.25, 0.07];
/// How far the same parts wander within a clip.
const WANDER: [f32; 4] = [0.08, 0.10, 0.10, 0.04];
/// A blink comes about this often, seconds, and takes so long.
const BLINK_EVERY_S: f32 = 3.2;
const BLINK_S: f32 = 0.22;

/// A face's expression at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Expression {
    /// Corners of the mouth: 1 up, -1 down.
    pub(super) corners: f32,
    /// Brows: 1 raised, -1 lowered.
    pub(super) brows: f32,
    /// Inner ends of the brows drawn together and down, 0 to 1.
    pub(super) frown: f32,
    /// How wide the eyes are open; 1 is usual, 0 closed.
    pub(super) eyes: f32,
    /// How far the mouth is open, 0 to 1.
    pub(super) mouth: f32,
    /// Where the eyes look: right and down, -1 to 1.
    pub(super) gaze: [f32; 2],
}

/// Expressions of one clip.
#[derive(Clone, Debug)]
pub(super) struct Play {
    /// Corners, brows, frown, eyes without what wanders.
    held: [f32; 4],
    /// Of each part: cycles a second and phase.
    wander: [[f32; 2]; 4],
    blinks: [f32; 2],
    gaze: [[f32; 3]; 2],
}

impl Play {
    /// Expressions of valence `valence`, -3 to 3.
    pub(super) fn new(valence: f64, draw: &mut Draw) -> Self {
        let shown = (valence / 3.0).clamp(-1.0, 1.0) as f32;
        // A smile narrows the eyes a little, and a bad mood much more; a neutral face has them widest.
        let meant = [shown, 0.55 * shown, -0.9 * shown, 1.0 + 0.16 * shown];
        let held = std::array::from_fn(|i| meant[i] + CLIP_ERROR[i] * draw.normal() as f32);
        let wander = std::array::from_fn(|_| [within(draw, 0.15, 0.6), within(draw, 0.0, 1.0)]);
        let blinks = [BLINK_EVERY_S * within(draw, 0.8, 1.3), within(draw, 0.0, 1.0)];
        let gaze = std::array::from_fn(|_| [within(draw, 0.0, 0.35), within(draw, 0.1, 0.4), within(draw, 0.0, 1.0)]);
        Self { held, wander, blinks, gaze }
    }

    /// The expression at `time` seconds, with the mouth as far open as the voice is loud, 0 to 1.
    pub(super) fn at(&self, time: f32, loudness: f32) -> Expression {
        let wave = |pace: f32, phase: f32| (std::f32::consts::TAU * (pace * time + phase)).sin();
        let part = |i: usize| self.held[i] + WANDER[i] * wave(self.wander[i][0], self.wander[i][1]);
        let [every, phase] = self.blinks;
        let since = (time / every + phase).fract() * every;
        let lid = if since < BLINK_S { (2.0 * since / BLINK_S - 1.0).abs() } else { 1.0 };
        Expression {
            corners: part(0).clamp(-1.2, 1.2),
            brows: part(1).clamp(-1.0, 1.0),
            frown: part(2).clamp(0.0, 1.2),
            eyes: (part(3).clamp(0.6, 1.35)) * lid,
            mouth: loudness.clamp(0.0, 1.0),
            gaze: self.gaze.map(|[size, pace, phase]| size * wave(pace, phase)),
        }
    }
}
