//! The head as a body: which part of the face a pixel shows, and how it stands to the light.

use super::expression::Expression;
use super::identity::Identity;
use super::scene::Scene;

/// Half of the head's depth, in heads.
const DEPTH: f32 = 0.85;
/// Outermost place that has a surface, as a share of the outline.
const RIM: f32 = 0.999;

/// What a pixel shows of the head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// Place on the face, in heads: x to the picture's right, y down, from between the eyes.
    pub(super) at: [f32; 2],
    /// Distance from the outline, inside positive, in heads.
    pub(super) inside: f32,
    /// Direction that the smooth head faces here, length 1; z points to the viewer.
    pub(super) normal: [f32; 3],
}

/// A hill or hollow of the face.
#[derive(Clone, Copy, Debug)]
struct Hill {
    at: [f32; 2],
    size: [f32; 2],
    height: f32,
}

/// The head of one picture.
#[derive(Clone, Debug)]
pub(super) struct Head {
    width: f32,
    jaw: f32,
    /// Sine and cosine of each turn.
    turns: [[f32; 2]; 3],
    hills: Vec<Hill>,
}

impl Head {
    pub(super) fn new(who: &Identity, scene: &Scene, shown: &Expression) -> Self {
        let hill = |x: f32, y: f32, sx: f32, sy: f32, height: f32| Hill { at: [x, y], size: [sx, sy], height };
        let [tip, wide] = who.nose;
        let eye = who.eyes[0];
        let smile = shown.corners.max(0.0);
        let mut hills = vec![
            // The nose, from the bridge to the tip, and its wings.
            hill(0.0, 0.05, 0.070, 0.12, 0.050),
            hill(0.0, tip - 0.16, 0.072, 0.12, 0.075),
            hill(0.0, tip - 0.02, wide * 0.80, 0.085, 0.130),
            // Lips, the hollow below, the chin, which goes down as the mouth opens.
            hill(0.0, who.mouth_at, 0.20, 0.07, 0.035),
            hill(0.0, who.mouth_at + 0.14 + 0.06 * shown.mouth, 0.16, 0.035, -0.030),
            hill(0.0, 0.90, 0.17, 0.10, 0.050),
            // Between the brows.
            hill(0.0, -0.18, 0.10, 0.08, 0.015),
        ];
        for side in [-1.0, 1.0] {
            hills.extend([
                hill(side * eye, 0.0, 0.17, 0.10, -0.065),
                hill(side * eye, 0.01, 0.10, 0.065, 0.030),
                hill(side * (eye + 0.02), -0.20, 0.20, 0.07, 0.030),
                hill(side * wide, tip, 0.045, 0.05, 0.045),
                hill(side * 0.40, 0.30 - 0.05 * smile, 0.15, 0.13, 0.040 + 0.045 * smile),
            ]);
        }
        Self { width: who.width, jaw: who.jaw, turns: scene.turns.map(|t| [t.sin(), t.cos()]), hills }
    }

    /// What the head shows at `x`, `y` in heads from its middle; outside the distance is negative.
    pub(super) fn spot(&self, x: f32, y: f32) -> Spot {
        let [[side_sin, side_cos], [nod_sin, nod_cos], [roll_sin, roll_cos]] = self.turns;
        let (x, y) = (x * roll_cos + y * roll_sin, y * roll_cos - x * roll_sin);
        // The jaw narrows below the eyes.
        let below = y.clamp(0.0, 1.0);
        let width = self.width * (1.0 - self.jaw * below * below);
        let (sx, sy) = (x / width, y);
        let from_middle = (sx * sx + sy * sy).sqrt();
        let inside = (1.0 - from_middle) * width;
        // A place beside the head is taken for the outline's nearest one, so that edges can be smoothed.
        let inwards = if from_middle > RIM { RIM / from_middle } else { 1.0 };
        let (sx, sy) = (sx * inwards, sy * inwards);
        let square = sx * sx + sy * sy;
        let sz = (1.0 - square).sqrt();
        // Back from the turned head to the face as it looks ahead.
        let (u, w) = (sx * side_cos - sz * side_sin, sz * side_cos + sx * side_sin);
        let v = sy * nod_cos - w * nod_sin;
        let normal = unit([sx / self.width, sy, sz / DEPTH]);
        Spot { at: [u * width, v], inside, normal }
    }

    /// The direction that the face's surface has at `spot`, hills and hollows included.
    pub(super) fn normal(&self, spot: &Spot) -> [f32; 3] {
        let [mut x, mut y] = [0.0, 0.0];
        for hill in &self.hills {
            let [dx, dy] = [(spot.at[0] - hill.at[0]) / hill.size[0], (spot.at[1] - hill.at[1]) / hill.size[1]];
            let apart = dx * dx + dy * dy;
            if apart < 9.0 {
                let slope = hill.height * (-0.5 * apart).exp();
                x -= slope * dx / hill.size[0];
                y -= slope * dy / hill.size[1];
            }
        }
        let [nx, ny, nz] = spot.normal;
        unit([nx - x, ny - y, nz])
    }
}

fn unit(v: [f32; 3]) -> [f32; 3] {
    let length = v.iter().map(|v| v * v).sum::<f32>().sqrt();
    v.map(|v| v / length)
}
