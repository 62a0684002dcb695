//! Colours of pictures: red, green and blue, each 0 to 1.

/// Red, green, blue.
pub(super) type Colour = [f32; 3];

/// `under` with a share `cover` (0 to 1) of it covered by `over`.
pub(super) fn covered(under: Colour, over: Colour, cover: f32) -> Colour {
    let cover = cover.clamp(0.0, 1.0);
    std::array::from_fn(|i| under[i] + (over[i] - under[i]) * cover)
}

/// `colour` lighter or darker.
pub(super) fn scaled(colour: Colour, by: f32) -> Colour {
    colour.map(|channel| channel * by)
}

/// 0 below `from`, 1 above `to`, smooth between; the other way round where `to` is less than `from`.
pub(super) fn ramp(from: f32, to: f32, at: f32) -> f32 {
    let t = ((at - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
