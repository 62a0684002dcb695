//! Whose face it is: what stays the same in all of a person's pictures.
//!
//! Lengths are in heads: half of a head's height is 1. The origin lies between the eyes, x points to the picture's right,
//! y down.

use super::colour::{Colour, covered};
use crate::draw::Draw;

/// From the lightest to the darkest skin.
const SKINS: [Colour; 4] = [[0.96, 0.80, 0.70], [0.88, 0.68, 0.55], [0.74, 0.54, 0.42], [0.60, 0.43, 0.33]];
const HAIRS: [Colour; 7] = [
    [0.09, 0.07, 0.06],
    [0.20, 0.13, 0.09],
    [0.34, 0.22, 0.13],
    [0.50, 0.24, 0.12],
    [0.70, 0.54, 0.30],
    [0.55, 0.54, 0.53],
    [0.14, 0.12, 0.13],
];
const IRISES: [Colour; 5] =
    [[0.24, 0.14, 0.08], [0.30, 0.44, 0.58], [0.30, 0.42, 0.26], [0.40, 0.28, 0.14], [0.14, 0.09, 0.07]];
const SHIRTS: [Colour; 6] = [
    [0.22, 0.28, 0.42],
    [0.55, 0.20, 0.20],
    [0.80, 0.80, 0.78],
    [0.22, 0.40, 0.30],
    [0.16, 0.16, 0.18],
    [0.62, 0.50, 0.32],
];

/// How hair falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HairStyle {
    /// A cap of hair.
    Short,
    /// Down to the shoulders.
    Long,
    /// None above the ears.
    Bald,
}

/// A person's face.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) skin: Colour,
    pub(super) hair: Colour,
    pub(super) iris: Colour,
    pub(super) shirt: Colour,
    pub(super) lips: Colour,
    pub(super) style: HairStyle,
    /// Half of the head's width.
    pub(super) width: f32,
    /// How much narrower the jaw is, 0 to 1.
    pub(super) jaw: f32,
    /// y of the hairline in the middle, and how far it comes down at the temples.
    pub(super) hairline: [f32; 2],
    /// Distance of each eye's centre from the middle, and half of an eye's width.
    pub(super) eyes: [f32; 2],
    /// Half thickness of the brows, and their height over the eyes.
    pub(super) brows: [f32; 2],
    /// How far the brows are bent.
    pub(super) arch: f32,
    /// y of the nose's tip, and its half width.
    pub(super) nose: [f32; 2],
    /// Half of the mouth's width and the lips' thickness.
    pub(super) mouth: [f32; 2],
    /// y of the mouth.
    pub(super) mouth_at: f32,
    /// How high the corners of the mouth stand at rest: what an expression is to be read against.
    pub(super) rest: f32,
    /// How wide the eyes are open at rest.
    pub(super) rest_eyes: f32,
    pub(super) glasses: Option<Glasses>,
    /// Darkness of beard and moustache, 0 to 1.
    pub(super) beard: f32,
}

/// Glasses: round or not, and how thick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glasses {
    /// Half of a rim's width and height.
    pub(super) rim: [f32; 2],
    /// Half thickness of the rim.
    pub(super) thickness: f32,
    pub(super) colour: Colour,
}

impl Identity {
    /// The face that `draw` gives.
    pub(super) fn new(draw: &mut Draw) -> Self {
        let tone = draw.unit() as f32 * (SKINS.len() - 1) as f32;
        let lower = (tone as usize).min(SKINS.len() - 2);
        let skin = covered(SKINS[lower], SKINS[lower + 1], tone - lower as f32);
        let hair = *one(draw, &HAIRS);
        let style = match draw.unit() {
            p if p < 0.5 => HairStyle::Short,
            p if p < 0.88 => HairStyle::Long,
            _ => HairStyle::Bald,
        };
        let lips = covered(scaled_red(skin), [0.70, 0.25, 0.27], within(draw, 0.3, 0.75));
        let glasses = draw.chance(0.22).then(|| Glasses {
            rim: [within(draw, 0.19, 0.23), within(draw, 0.13, 0.19)],
            thickness: within(draw, 0.010, 0.018),
            colour: *one(draw, &[[0.08, 0.08, 0.09], [0.32, 0.20, 0.12], [0.45, 0.45, 0.48]]),
        });
        Self {
            skin,
            hair,
            style,
            lips,
            glasses,
            iris: *one(draw, &IRISES),
            shirt: *one(draw, &SHIRTS),
            width: within(draw, 0.70, 0.80),
            jaw: within(draw, 0.05, 0.30),
            hairline: [within(draw, -0.72, -0.56), within(draw, 0.10, 0.30)],
            eyes: [within(draw, 0.275, 0.315), within(draw, 0.125, 0.150)],
            brows: [within(draw, 0.022, 0.042), within(draw, 0.19, 0.235)],
            arch: within(draw, 0.02, 0.07),
            nose: [within(draw, 0.34, 0.42), within(draw, 0.085, 0.125)],
            mouth: [within(draw, 0.22, 0.29), within(draw, 0.8, 1.3)],
            mouth_at: within(draw, 0.60, 0.66),
            rest: within(draw, -0.18, 0.18),
            rest_eyes: within(draw, 0.88, 1.12),
            beard: if style != HairStyle::Long && draw.chance(0.3) { within(draw, 0.15, 0.7) } else { 0.0 },
        }
    }
}

/// The skin's colour with more red in it.
fn scaled_red(skin: Colour) -> Colour {
    [skin[0] * 0.92, skin[1] * 0.66, skin[2] * 0.68]
}

/// A number from `least` to `most`.
pub(super) fn within(draw: &mut Draw, least: f32, most: f32) -> f32 {
    least + (most - least) * draw.unit() as f32
}

/// One of `choices`.
pub(super) fn one<'a, T>(draw: &mut Draw, choices: &'a [T]) -> &'a T {
    &choices[draw.between(0, choices.len() - 1)]
}
