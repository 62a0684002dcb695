//! What the face's surface looks like at a place: skin, eyes, brows, mouth, hair and glasses.
//!
//! Places are in heads ([`super::head::Spot`]); `soft` is the width of a pixel in heads, over which edges are smoothed.

use super::colour::{Colour, covered, ramp, scaled};
use super::expression::Expression;
use super::identity::{HairStyle, Identity};

const LASH: Colour = [0.07, 0.05, 0.05];
const WHITE: Colour = [0.93, 0.92, 0.90];
const TEETH: Colour = [0.90, 0.88, 0.83];
const THROAT: Colour = [0.16, 0.05, 0.06];
/// Radius of an iris and of a pupil.
const IRIS: f32 = 0.066;
const PUPIL: f32 = 0.030;

/// A face with an expression, ready to be looked at place by place.
pub(super) struct Skin<'a> {
    who: &'a Identity,
    shown: Expression,
    soft: f32,
}

impl<'a> Skin<'a> {
    pub(super) fn new(who: &'a Identity, shown: Expression, soft: f32) -> Self {
        Self { who, shown, soft }
    }

    /// Colour at `at` before light, and how glossy it is, 0 to 1.
    pub(super) fn colour(&self, at: [f32; 2]) -> (Colour, f32) {
        let [x, y] = at;
        let mut colour = self.bare(x, y);
        colour = self.mouth(x, y, colour);
        let mut gloss = 0.12;
        // Both halves are alike, but for the irises.
        let (half, side) = (x.abs(), x.signum());
        if (half - self.who.eyes[0]).abs() < 0.30 && y.abs() < 0.45 {
            let eye = self.eye(half, y, side, colour);
            if eye.1 > 0.5 {
                gloss = 0.0;
            }
            colour = self.brow(half, y, eye.0);
        }
        colour = self.hair(x, y, colour);
        (self.glasses(half, y, colour), gloss)
    }

    /// 1 where `distance` is negative, 0 where it is positive.
    fn within(&self, distance: f32) -> f32 {
        ramp(self.soft, -self.soft, distance)
    }

    /// Skin with its shades.
    fn bare(&self, x: f32, y: f32) -> Colour {
        let who = self.who;
        let mut colour = who.skin;
        let half = x.abs();
        let blot = |cx: f32, cy: f32, sx: f32, sy: f32| {
            let [dx, dy] = [(half - cx) / sx, (y - cy) / sy];
            (-0.5 * (dx * dx + dy * dy)).exp()
        };
        let [tip, wide] = who.nose;
        let smile = self.shown.corners.max(0.0);
        // Cheeks are redder.
        colour = covered(colour, [colour[0], colour[1] * 0.80, colour[2] * 0.80], 0.45 * blot(0.42, 0.34, 0.16, 0.14));
        // Hollows of the eyes, the side of the nose's bridge, below the nose and below the lip are darker.
        let dark = 0.30 * blot(who.eyes[0], -0.04, 0.15, 0.09)
            + 0.16 * blot(0.11, 0.02, 0.04, 0.09)
            + 0.22 * blot(0.0, tip + 0.10, wide * 1.1, 0.035)
            + 0.16 * blot(0.0, who.mouth_at + 0.13 + 0.08 * self.shown.mouth, 0.13, 0.03)
            + 0.12 * blot(who.eyes[0], 0.13, 0.11, 0.03);
        colour = scaled(colour, 1.0 - dark);
        // A fold from the nose to the corner of the mouth, deeper with a smile.
        let t = ((y - tip) / (who.mouth_at + 0.05 - tip)).clamp(0.0, 1.0);
        let fold = wide + 0.04 + (who.mouth[0] * 1.05 - wide) * t * t;
        let along = ramp(tip - 0.06, tip + 0.06, y) * ramp(who.mouth_at + 0.06, who.mouth_at - 0.06, y);
        let line = (-0.5 * ((half - fold) / 0.022).powi(2)).exp();
        colour = scaled(colour, 1.0 - (0.10 + 0.24 * smile) * line * along);
        // Lines between the brows.
        let frown = self.shown.frown * (-0.5 * ((half - 0.055) / 0.014).powi(2)).exp();
        colour = scaled(colour, 1.0 - 0.28 * frown * ramp(-0.30, -0.22, y) * ramp(-0.06, -0.14, y));
        // Nostrils.
        let nostril = ((half - wide * 0.55) / 0.042).powi(2) + ((y - tip - 0.055) / 0.024).powi(2);
        colour = covered(colour, scaled(who.skin, 0.28), ramp(1.6, 0.5, nostril) * 0.9);
        if who.beard > 0.0 {
            let chin = ramp(0.44, 0.60, y) * ramp(0.06, 0.20, y - 0.28 + 0.4 * half);
            let lip = ((half / (who.mouth[0] * 1.2)).powi(2) + ((y - who.mouth_at) / 0.11).powi(2)).min(1.0);
            colour = covered(colour, scaled(who.hair, 0.9), who.beard * chin * (0.35 + 0.65 * lip));
        }
        colour
    }

    fn mouth(&self, x: f32, y: f32, under: Colour) -> Colour {
        let who = self.who;
        let lift = self.shown.corners + who.rest;
        let open = self.shown.mouth;
        // A smile is broad, an open mouth narrow.
        let half = who.mouth[0] * (1.0 + 0.14 * lift - 0.14 * open);
        let t = x / half;
        if t.abs() > 1.25 || (y - who.mouth_at).abs() > 0.35 {
            return under;
        }
        let bow = (1.0 - t * t).max(0.0);
        // Corners go up and the middle down, or the other way round.
        let line = who.mouth_at + lift * (0.055 - 0.105 * t * t);
        let gap = 0.15 * open * bow.powf(0.6);
        let (top, bottom) = (line - 0.25 * gap, line + 0.75 * gap);
        let full = who.mouth[1];
        let cupid = 1.0 - 0.30 * (-0.5 * (t / 0.16).powi(2)).exp();
        let upper = top - 0.055 * full * cupid * bow.powf(0.65);
        let lower = bottom + 0.070 * full * bow.powf(0.55);
        let ends = ramp(1.04, 0.97, t.abs());
        let mut colour = covered(under, who.lips, self.within(upper - y) * self.within(y - lower) * ends);
        // The lower lip shines.
        let shine = (-0.5 * ((y - (bottom + lower) / 2.0) / 0.016).powi(2) - 2.0 * t * t).exp();
        colour = covered(colour, [1.0, 0.93, 0.90], 0.20 * shine * bow);
        let inside = self.within(top - y) * self.within(y - bottom) * ends * ramp(0.0, 0.02, gap);
        let teeth = self.within(y - top - 0.38 * gap) * ramp(0.9, 0.7, t.abs());
        colour = covered(colour, covered(THROAT, TEETH, teeth), inside);
        // The line between the lips and the corners' ends.
        let parting = (-0.5 * ((y - line) / 0.013).powi(2)).exp() * ramp(1.12, 0.98, t.abs()) * ramp(0.05, 0.0, gap);
        colour = covered(colour, scaled(who.lips, 0.28), 0.9 * parting);
        let corner = ((t.abs() - 1.0) * half / 0.024).powi(2) + ((y - line) / 0.020).powi(2);
        covered(colour, scaled(who.skin, 0.42), 0.75 * (-0.5 * corner).exp())
    }

    /// The eye; how much of the place belongs to it as well.
    fn eye(&self, half: f32, y: f32, side: f32, under: Colour) -> (Colour, f32) {
        let who = self.who;
        let [middle, wide] = who.eyes;
        let open = self.shown.eyes * who.rest_eyes;
        let t = (half - middle) / wide;
        if t.abs() > 1.3 {
            return (under, 0.0);
        }
        let bow = (1.0 - t * t).max(0.0);
        // Outer corners stand a little higher.
        let line = 0.02 - 0.014 * t;
        let (top, bottom) = (line - 0.082 * open * bow.powf(0.8), line + 0.048 * open * bow);
        // The crease of the upper lid.
        let crease = (-0.5 * ((y - top + 0.045) / 0.012).powi(2)).exp() * ramp(1.15, 0.8, t.abs());
        let mut colour = scaled(under, 1.0 - 0.25 * crease);
        let inside = self.within(top - y) * self.within(y - bottom) * ramp(1.02, 0.96, t.abs());
        let shade = 1.0 - 0.35 * ramp(top + 0.05, top, y);
        let mut eye = scaled(WHITE, shade);
        let [right, down] = self.shown.gaze;
        let [ix, iy] = [half - middle - side * 0.045 * right, y - 0.004 - 0.02 * down];
        let away = (ix * ix + iy * iy).sqrt();
        let ring = covered(who.iris, scaled(who.iris, 0.35), ramp(IRIS * 0.6, IRIS, away));
        eye = covered(eye, scaled(ring, shade), self.within(away - IRIS));
        eye = covered(eye, LASH, self.within(away - PUPIL));
        let glint = ((ix - side * 0.022).powi(2) + (iy + 0.024).powi(2)).sqrt();
        eye = covered(eye, [1.0, 1.0, 1.0], self.within(glint - 0.013) * 0.9);
        colour = covered(colour, eye, inside);
        // Lashes: the upper edge is dark, the lower one thin.
        let upper = (-0.5 * ((y - top) / 0.017).powi(2)).exp() * ramp(1.14, 0.98, t.abs());
        colour = covered(colour, LASH, 0.95 * upper);
        let lower = (-0.5 * ((y - bottom) / 0.009).powi(2)).exp() * ramp(1.08, 0.9, t.abs());
        (covered(colour, scaled(who.skin, 0.35), 0.55 * lower), inside)
    }

    fn brow(&self, half: f32, y: f32, under: Colour) -> Colour {
        let who = self.who;
        let shown = self.shown;
        let inner = 0.12 - 0.03 * shown.frown;
        let outer = who.eyes[0] + 0.19;
        let t = (half - inner) / (outer - inner);
        if !(-0.1..=1.1).contains(&t) {
            return under;
        }
        let arch = who.arch * (1.0 - (2.0 * t - 1.1).powi(2));
        let drawn = 0.085 * shown.frown * (1.0 - t) * (1.0 - t);
        let line = -who.brows[1] - 0.055 * shown.brows + drawn - arch + 0.04 * t * t;
        let thick = who.brows[0] * (1.0 - 0.55 * t) * ramp(-0.06, 0.06, t) * ramp(1.06, 0.90, t);
        let cover = ramp(thick + 0.012, (thick - 0.012).max(0.0), (y - line).abs()) * ramp(0.0, 0.008, thick);
        let colour = if who.style == HairStyle::Bald { scaled(who.hair, 0.8) } else { who.hair };
        covered(under, scaled(colour, 0.75), 0.88 * cover)
    }

    fn hair(&self, x: f32, y: f32, under: Colour) -> Colour {
        let who = self.who;
        if who.style == HairStyle::Bald {
            return under;
        }
        let [middle, temple] = who.hairline;
        let t = (x / who.width).abs();
        let front = middle + temple * t * t;
        // Strands.
        let strand = 0.5 + 0.5 * ((x * 46.0 + 3.0 * y).sin() * (x * 19.0 - 5.0 * y).cos());
        let colour = scaled(who.hair, 0.80 + 0.45 * strand);
        let edge = 0.04;
        let crown = ramp(front + edge, front - edge, y);
        let down = if who.style == HairStyle::Long { 0.85 } else { 0.20 };
        let sides = ramp(0.80, 0.92, t + 0.12 * y.min(0.0)) * ramp(down, down - 0.15, y);
        covered(under, colour, crown.max(sides))
    }

    fn glasses(&self, half: f32, y: f32, under: Colour) -> Colour {
        let Some(glasses) = self.who.glasses else { return under };
        let [wide, high] = glasses.rim;
        let [dx, dy] = [(half - self.who.eyes[0] - 0.01) / wide, (y - 0.03) / high];
        let away = (dx.powi(4) + dy.powi(4)).powf(0.25);
        let rim = (away - 1.0).abs() * wide.min(high) - glasses.thickness;
        let bridge = if half < self.who.eyes[0] - wide { (y + 0.02).abs() - glasses.thickness } else { 1.0 };
        let arm = if half > self.who.eyes[0] + wide { (y + 0.01).abs() - glasses.thickness } else { 1.0 };
        covered(under, glasses.colour, self.within(rim.min(bridge).min(arm)) * 0.85)
    }
}
