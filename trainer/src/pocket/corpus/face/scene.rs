//! Where a face is in its pictures, how the head is turned, and the light on it: none of it tells a valence.

use super::colour::Colour;
use super::identity::within;
use crate::draw::Draw;

/// Largest turns of the head at rest, radians: to the side, up and down, towards a shoulder.
const TURNS: [f32; 3] = [0.22, 0.13, 0.12];
/// How far each of them wanders within a clip.
const TURNING: [f32; 3] = [0.06, 0.04, 0.03];
/// Soft blots on the wall behind.
const BLOTS: usize = 5;

/// A scene at one moment.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    /// Middle of the head, as shares of the picture's side.
    pub(super) centre: [f32; 2],
    /// Half of the head's height, as a share of the picture's side.
    pub(super) size: f32,
    /// Turns of the head: to the side, up and down, towards a shoulder; radians.
    pub(super) turns: [f32; 3],
    /// Direction of the light, length 1; z points to the viewer.
    pub(super) light: [f32; 3],
    /// Strength of the light from everywhere and of the light from one side.
    pub(super) strengths: [f32; 2],
    /// What the light does to each colour.
    pub(super) tint: Colour,
}

/// The wall behind.
#[derive(Clone, Debug)]
pub(super) struct Wall {
    /// Above and below.
    pub(super) colours: [Colour; 2],
    pub(super) blots: [Blot; BLOTS],
}

/// A soft blot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blot {
    /// Its middle, as shares of the picture's side.
    pub(super) at: [f32; 2],
    pub(super) size: f32,
    pub(super) colour: Colour,
}

/// Scenes of one clip.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    begin: Scene,
    /// Of each turn, then of the middle's x and y: cycles a second and phase.
    wander: [[f32; 2]; 5],
    /// How much brighter the light becomes, and when.
    dimming: [f32; 3],
    /// Angles of the light: around and above.
    angles: [f32; 2],
    /// How far the light moves around while the clip lasts, radians a second.
    moving: f32,
    pub(super) wall: Wall,
    /// Standard deviation of the camera's noise, of 1.
    pub(super) grain: f32,
}

impl Stage {
    /// The stage that `draw` gives.
    pub(super) fn new(draw: &mut Draw) -> Self {
        let turns = TURNS.map(|most| within(draw, -most, most));
        let warm = within(draw, -0.08, 0.08);
        let angles = [within(draw, -0.9, 0.9), within(draw, 0.25, 0.9)];
        let begin = Scene {
            centre: [within(draw, 0.46, 0.54), within(draw, 0.46, 0.53)],
            size: within(draw, 0.27, 0.36),
            turns,
            light: [0.0, 0.0, 1.0],
            strengths: [within(draw, 0.34, 0.55), within(draw, 0.40, 0.75)],
            tint: [1.0 + warm, 1.0, 1.0 - warm],
        };
        let grey = within(draw, 0.25, 0.80);
        let mut near = |by: f32| std::array::from_fn(|_| (grey + within(draw, -by, by)).clamp(0.0, 1.0));
        let colours = [near(0.12), near(0.18)];
        let blots = std::array::from_fn(|_| Blot {
            at: [within(draw, 0.0, 1.0), within(draw, 0.0, 1.0)],
            size: within(draw, 0.06, 0.25),
            colour: std::array::from_fn(|_| (grey + within(draw, -0.2, 0.2)).clamp(0.0, 1.0)),
        });
        let wander = std::array::from_fn(|_| [within(draw, 0.1, 0.45), within(draw, 0.0, 1.0)]);
        let dimming = [within(draw, 0.0, 0.10), within(draw, 0.1, 0.5), within(draw, 0.0, 1.0)];
        let (moving, grain) = (within(draw, -0.12, 0.12), within(draw, 0.004, 0.014));
        Self { begin, wander, dimming, angles, moving, wall: Wall { colours, blots }, grain }
    }

    /// The scene at `time` seconds.
    pub(super) fn at(&self, time: f32) -> Scene {
        let wave = |pace: f32, phase: f32| (std::f32::consts::TAU * (pace * time + phase)).sin();
        let wander = self.wander.map(|[pace, phase]| wave(pace, phase));
        let [around, above] = [self.angles[0] + self.moving * time, self.angles[1]];
        let [much, pace, phase] = self.dimming;
        let dimmed = 1.0 + much * wave(pace, phase);
        let begin = &self.begin;
        Scene {
            centre: [begin.centre[0] + 0.012 * wander[3], begin.centre[1] + 0.010 * wander[4]],
            turns: std::array::from_fn(|i| begin.turns[i] + TURNING[i] * wander[i]),
            light: [above.cos() * around.sin(), -above.sin(), above.cos() * around.cos()],
            strengths: begin.strengths.map(|strength| strength * dimmed),
            ..begin.clone()
        }
    }
}
