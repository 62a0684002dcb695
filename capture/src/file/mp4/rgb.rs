//! Decoded pictures to RGB.

use openh264::decoder::DecodedYUV;
use openh264::formats::YUVSource;

/// How a stored picture is turned to be upright, clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rotation {
    #[default]
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

impl Rotation {
    /// The rotation of a track header's matrix, given as a, b, c, d in 16.16; none for mirrored or skewed pictures.
    pub(crate) fn from_matrix(matrix: [i32; 4]) -> Option<Self> {
        const ONE: i32 = 1 << 16;
        match matrix {
            [ONE, 0, 0, ONE] => Some(Self::None),
            [0, ONE, b, 0] if b == -ONE => Some(Self::Quarter),
            [a, 0, 0, d] if a == -ONE && d == -ONE => Some(Self::Half),
            [0, b, ONE, 0] if b == -ONE => Some(Self::ThreeQuarters),
            _ => None,
        }
    }
}

/// Width, height and pixels, shape [height, width, 3].
pub(crate) type Rgb = (u32, u32, Vec<u8>);

/// Converts `picture` to RGB and turns it by `rotation`; none if its planes are smaller than its sides tell or a side
/// is longer than `max_side`.
///
/// Brightness and colour are taken for BT.601 with the video range (16 to 235), whatever the stream says of itself:
/// OpenCV does the same, and through it OpenFace, whose crops the face network was trained on (spec section 2.2).
/// Integers only, so that every machine gives the same pixels.
pub(crate) fn convert(picture: &DecodedYUV<'_>, rotation: Rotation, max_side: u32) -> Option<Rgb> {
    let (width, height) = picture.dimensions();
    let (y_stride, u_stride, v_stride) = picture.strides();
    let (stored_width, stored_height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    if stored_width == 0 || stored_height == 0 || stored_width.max(stored_height) > max_side {
        return None;
    }
    let mut data = vec![0; width * height * 3];
    let pixels = data.as_chunks_mut::<3>().0;
    let (w, h) = (width as isize, height as isize);
    for row in 0..height {
        let y = picture.y().get(row * y_stride..)?.get(..width)?;
        let u = picture.u().get(row / 2 * u_stride..)?.get(..width.div_ceil(2))?;
        let v = picture.v().get(row / 2 * v_stride..)?.get(..width.div_ceil(2))?;
        let r = row as isize;
        // Where the row's first pixel goes, and how far the next one is from it.
        let (mut at, step) = match rotation {
            Rotation::None => (r * w, 1),
            Rotation::Quarter => (h - 1 - r, h),
            Rotation::Half => ((h - 1 - r) * w + w - 1, -1),
            Rotation::ThreeQuarters => ((w - 1) * h + r, -h),
        };
        let chroma = u.iter().zip(v).flat_map(|pair| [pair, pair]);
        for (y, (u, v)) in y.iter().zip(chroma) {
            *pixels.get_mut(at as usize)? = bt601(*y, *u, *v);
            at += step;
        }
    }
    Some(match rotation {
        Rotation::None | Rotation::Half => (stored_width, stored_height, data),
        Rotation::Quarter | Rotation::ThreeQuarters => (stored_height, stored_width, data),
    })
}

/// One pixel, ITU-R BT.601 with the video range, coefficients in 1/256.
fn bt601(y: u8, u: u8, v: u8) -> [u8; 3] {
    let (y, u, v) = (298 * (i32::from(y) - 16), i32::from(u) - 128, i32::from(v) - 128);
    [y + 409 * v, y - 100 * u - 208 * v, y + 516 * u].map(|sum| ((sum + 128) >> 8).clamp(0, 255) as u8)
}
