//! Decoded pictures to upright RGB.

use openh264::decoder::DecodedYUV;
use openh264::formats::YUVSource;

use super::orientation::Orientation;

/// How brightness and colour difference become RGB: coefficients in 1/256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colours {
    /// Brightness of black.
    black: i32,
    brightness: i32,
    red: i32,
    green_of_u: i32,
    green_of_v: i32,
    blue: i32,
}

impl Colours {
    /// The colours of a stream that tells `matrix` (table E-5 of H.264) and whether its range is full.
    ///
    /// A stream that tells nothing is taken for BT.601 with the video range (16 to 235), whatever its height: OpenCV does the same,
    /// and through it OpenFace, whose crops the face network was trained on (spec section 2.2).
    pub(super) fn told(matrix: Option<u8>, full: Option<bool>) -> Self {
        // Shares of red and blue in brightness.
        let (red, blue) = match matrix {
            Some(1) => (0.2126, 0.0722),
            Some(4) => (0.30, 0.11),
            Some(7) => (0.212, 0.087),
            Some(9 | 10) => (0.2627, 0.0593),
            _ => (0.299, 0.114),
        };
        Self::of(red, blue, full.unwrap_or(false))
    }

    fn of(red: f64, blue: f64, full: bool) -> Self {
        let green = 1.0 - red - blue;
        let (brightness, difference) = if full { (1.0, 1.0) } else { (255.0 / 219.0, 255.0 / 224.0) };
        let fixed = |value: f64| (value * 256.0).round() as i32;
        Self {
            black: if full { 0 } else { 16 },
            brightness: fixed(brightness),
            red: fixed(2.0 * (1.0 - red) * difference),
            green_of_u: fixed(2.0 * (1.0 - blue) * blue / green * difference),
            green_of_v: fixed(2.0 * (1.0 - red) * red / green * difference),
            blue: fixed(2.0 * (1.0 - blue) * difference),
        }
    }

    /// One pixel. Integers only, so that every machine gives the same.
    fn pixel(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let (y, u, v) = (self.brightness * (i32::from(y) - self.black), i32::from(u) - 128, i32::from(v) - 128);
        [y + self.red * v, y - self.green_of_u * u - self.green_of_v * v, y + self.blue * u]
            .map(|sum| ((sum + 128) >> 8).clamp(0, 255) as u8)
    }
}

/// Width, height and pixels, shape [height, width, 3].
pub(crate) type Rgb = (u32, u32, Vec<u8>);

/// Converts `picture` to RGB and turns it by `orientation`; none if its planes are smaller than its sides tell or a side
/// is longer than `max_side`.
pub(crate) fn convert(
    picture: &DecodedYUV<'_>,
    colours: Colours,
    orientation: Orientation,
    max_side: u32,
) -> Option<Rgb> {
    let (width, height) = picture.dimensions();
    let (y_stride, u_stride, v_stride) = picture.strides();
    let (stored_width, stored_height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    if stored_width == 0 || stored_height == 0 || stored_width.max(stored_height) > max_side {
        return None;
    }
    let mut data = vec![0; width * height * 3];
    let pixels = data.as_chunks_mut::<3>().0;
    for row in 0..height {
        let y = picture.y().get(row * y_stride..)?.get(..width)?;
        let u = picture.u().get(row / 2 * u_stride..)?.get(..width.div_ceil(2))?;
        let v = picture.v().get(row / 2 * v_stride..)?.get(..width.div_ceil(2))?;
        let (mut at, step) = orientation.row(row, width, height);
        let chroma = u.iter().zip(v).flat_map(|pair| [pair, pair]);
        for (y, (u, v)) in y.iter().zip(chroma) {
            *pixels.get_mut(at as usize)? = colours.pixel(*y, *u, *v);
            at += step;
        }
    }
    Some(if orientation.swaps_sides() {
        (stored_height, stored_width, data)
    } else {
        (stored_width, stored_height, data)
    })
}

#[cfg(test)]
mod tests {
    use super::Colours;

    /// The coefficients that ITU-R BT.601 gives for the video range, and black, white and the primaries of each matrix.
    #[test]
    fn colours_are_those_of_their_standards() {
        let usual = Colours::told(None, None);
        assert_eq!(
            (usual.brightness, usual.red, usual.green_of_u, usual.green_of_v, usual.blue),
            (298, 409, 100, 208, 516)
        );
        for (matrix, red, blue) in [(5, 0.299, 0.114), (1, 0.2126, 0.0722), (9, 0.2627, 0.0593)] {
            for full in [false, true] {
                let colours = Colours::told(Some(matrix), Some(full));
                for rgb in [[0.0_f64, 0.0, 0.0], [1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.2, 0.4, 0.9]] {
                    let [r, g, b] = rgb;
                    let y = red * r + (1.0 - red - blue) * g + blue * b;
                    let (u, v) = ((b - y) / (2.0 * (1.0 - blue)), (r - y) / (2.0 * (1.0 - red)));
                    let stored = if full {
                        [255.0 * y, 255.0 * u + 128.0, 255.0 * v + 128.0]
                    } else {
                        [219.0 * y + 16.0, 224.0 * u + 128.0, 224.0 * v + 128.0]
                    };
                    let [y, u, v] = stored.map(|value| value.round().clamp(0.0, 255.0) as u8);
                    for (found, expected) in colours.pixel(y, u, v).iter().zip(rgb) {
                        let off = (f64::from(*found) - 255.0 * expected).abs();
                        assert!(off < 3.0, "matrix {matrix}, full {full}, {rgb:?}: off by {off}");
                    }
                }
            }
        }
    }
}
