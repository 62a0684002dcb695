//! Pictures pixel by pixel: wall, hair behind, neck and shirt, head; then the camera's noise.

use super::SIDE;
use super::colour::{Colour, covered, ramp, scaled};
use super::expression::Expression;
use super::head::Head;
use super::identity::{HairStyle, Identity};
use super::scene::{Scene, Stage, Wall};
use super::skin::Skin;
use crate::draw::Draw;

/// Pixels [[`SIDE`], [`SIDE`], 3] of `who` on `stage` at `time` seconds.
pub(super) fn picture(who: &Identity, shown: Expression, stage: &Stage, time: f32, draw: &mut Draw) -> Vec<u8> {
    let scene = &stage.at(time);
    let head = Head::new(who, scene, &shown);
    let soft = 0.75 / (scene.size * SIDE as f32);
    let skin = Skin::new(who, shown, soft);
    let mut pixels = Vec::with_capacity((SIDE * SIDE * 3) as usize);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let [px, py] = [column, row].map(|n| (n as f32 + 0.5) / SIDE as f32);
            let [x, y] = [(px - scene.centre[0]) / scene.size, (py - scene.centre[1]) / scene.size];
            let spot = head.spot(x, y);
            let cover = ramp(-soft, soft, spot.inside);
            let mut colour =
                if cover < 1.0 { behind(who, scene, &stage.wall, [px, py], [x, y], soft) } else { [0.0; 3] };
            if cover > 0.0 {
                let (surface, gloss) = skin.colour(spot.at);
                colour = covered(colour, lit(surface, head.normal(&spot), gloss, scene), cover);
            }
            for (channel, tint) in colour.into_iter().zip(scene.tint) {
                // A sum of uniform numbers is near enough to a camera's noise.
                let noise = (draw.unit() + draw.unit() + draw.unit() - 1.5) as f32 * 2.0 * stage.grain;
                pixels.push(((channel * tint + noise).clamp(0.0, 1.0) * 255.0).round() as u8);
            }
        }
    }
    pixels
}

/// A surface of `colour` that faces `normal` in the scene's light.
fn lit(colour: Colour, normal: [f32; 3], gloss: f32, scene: &Scene) -> Colour {
    let [everywhere, one] = scene.strengths;
    let dot: f32 = normal.iter().zip(scene.light).map(|(n, l)| n * l).sum();
    // Skin lets light through: its shadow begins late.
    let side = ((dot + 0.25) / 1.25).max(0.0);
    let mirrored = 2.0 * dot * normal[2] - scene.light[2];
    let shine = gloss * mirrored.max(0.0).powi(12);
    let seen = scaled(colour, everywhere + one * side);
    seen.map(|channel| channel + shine * one)
}

/// What is seen beside the head at `p` (shares of the side) and `at` (heads from its middle).
fn behind(who: &Identity, scene: &Scene, wall: &Wall, p: [f32; 2], at: [f32; 2], soft: f32) -> Colour {
    let [x, y] = at;
    let mut colour = covered(wall.colours[0], wall.colours[1], p[1]);
    for blot in &wall.blots {
        let [dx, dy] = [(p[0] - blot.at[0]) / blot.size, (p[1] - blot.at[1]) / blot.size];
        colour = covered(colour, blot.colour, 0.7 * ramp(1.2, 0.6, dx * dx + dy * dy));
    }
    let light = scene.strengths[0] + 0.6 * scene.strengths[1];
    let hair = scaled(who.hair, 0.75 * light);
    let wide = who.width + 0.10;
    // Hair around the head; long hair falls behind the neck.
    let around = match who.style {
        HairStyle::Bald => 1.0,
        HairStyle::Short if y > 0.15 => 1.0,
        HairStyle::Long if y > 0.0 => x.abs() - wide * (1.0 + 0.12 * y),
        _ => ((x / wide).powi(2) + (y / 1.09).powi(2)).sqrt() - 1.0,
    };
    let long_end = if who.style == HairStyle::Long { ramp(1.35, 1.15, y) } else { 1.0 };
    colour = covered(colour, hair, ramp(soft, -soft, around) * long_end);
    // Ears.
    let ear = (((x.abs() - who.width) / 0.09).powi(2) + ((y - 0.12) / 0.20).powi(2)).sqrt() - 1.0;
    if who.style != HairStyle::Long {
        colour = covered(colour, scaled(who.skin, 0.72 * light), ramp(soft * 8.0, -soft * 8.0, ear));
    }
    // The neck lies in the head's shadow; shoulders below.
    let neck = x.abs() - 0.40 - 0.10 * (y - 1.0).max(0.0);
    let shadow = 0.50 + 0.25 * ramp(0.9, 1.5, y);
    colour = covered(colour, scaled(who.skin, shadow * light), ramp(soft, -soft, neck) * ramp(0.3, 0.4, y));
    let shirt = 1.22 + 0.16 * x * x + 0.10 * ramp(0.35, 0.0, x.abs()) - y;
    let fold = 0.9 + 0.1 * (x * 7.0 + 2.0 * y).sin();
    covered(colour, scaled(who.shirt, 0.85 * light * fold), ramp(soft * 2.0, -soft * 2.0, shirt))
}
