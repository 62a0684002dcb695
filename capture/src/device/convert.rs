//! From a camera's pixels to R G B.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::one_line::one_line;

/// R G B bytes of a picture, or why it is none.
type Converted = Result<Vec<u8>, String>;

/// The first `needed` bytes; drivers hand over whole buffers, longer than the picture.
fn enough(bytes: &[u8], needed: Option<usize>) -> Result<&[u8], String> {
    let needed = needed.ok_or("its sides are too large")?;
    bytes.get(..needed).ok_or_else(|| format!("{} bytes, expected at least {needed}", bytes.len()))
}

fn product(width: usize, height: usize, bytes: usize) -> Option<usize> {
    width.checked_mul(height)?.checked_mul(bytes)
}

/// A JPEG file of the given sides; what follows its end is ignored.
pub(super) fn mjpeg(bytes: &[u8], width: usize, height: usize) -> Converted {
    let options =
        DecoderOptions::default().set_max_width(width).set_max_height(height).jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let rgb = decoder.decode().map_err(|e| one_line(&e.to_string()))?;
    match decoder.dimensions() {
        Some(found) if found == (width, height) => Ok(rgb),
        found => Err(format!("a picture of other sides: {found:?}")),
    }
}

/// Y U Y V: two pixels share one colour.
pub(super) fn yuyv(bytes: &[u8], width: usize, height: usize) -> Converted {
    if !width.is_multiple_of(2) {
        return Err("an odd width".into());
    }
    let pairs = enough(bytes, product(width, height, 2))?;
    let mut rgb = Vec::with_capacity(width * height * 3);
    for &[y0, u, y1, v] in pairs.as_chunks::<4>().0 {
        rgb.extend(bt601(y0, u, v));
        rgb.extend(bt601(y1, u, v));
    }
    Ok(rgb)
}

/// A plane of Y, then one of U V pairs for two by two pixels.
pub(super) fn nv12(bytes: &[u8], width: usize, height: usize) -> Converted {
    if !width.is_multiple_of(2) || !height.is_multiple_of(2) {
        return Err("an odd side".into());
    }
    let planes = enough(bytes, product(width, height, 3).map(|n| n / 2))?;
    let (luma, colour) = planes.split_at(width * height);
    let mut rgb = Vec::with_capacity(width * height * 3);
    for (row, line) in luma.chunks_exact(width.max(1)).enumerate() {
        let colours = colour.chunks_exact(width).nth(row / 2).unwrap_or_default().as_chunks::<2>().0;
        for (pair, &[u, v]) in line.as_chunks::<2>().0.iter().zip(colours) {
            rgb.extend(pair.iter().flat_map(|&y| bt601(y, u, v)));
        }
    }
    Ok(rgb)
}

pub(super) fn rgb(bytes: &[u8], width: usize, height: usize) -> Converted {
    enough(bytes, product(width, height, 3)).map(<[u8]>::to_vec)
}

pub(super) fn bgr(bytes: &[u8], width: usize, height: usize) -> Converted {
    let pixels = enough(bytes, product(width, height, 3))?;
    Ok(pixels.as_chunks::<3>().0.iter().flat_map(|&[b, g, r]| [r, g, b]).collect())
}

pub(super) fn grey(bytes: &[u8], width: usize, height: usize) -> Converted {
    Ok(enough(bytes, product(width, height, 1))?.iter().flat_map(|&y| [y, y, y]).collect())
}

/// ITU-R BT.601, limited range (Y 16 to 235, U and V 16 to 240), in 16 bits of fraction, rounded.
fn bt601(y: u8, u: u8, v: u8) -> [u8; 3] {
    let (y, u, v) = (i32::from(y) - 16, i32::from(u) - 128, i32::from(v) - 128);
    let luma = 76_309 * y + 32_768;
    let byte = |value: i32| (value >> 16).clamp(0, 255) as u8;
    [byte(luma + 104_597 * v), byte(luma - 25_675 * u - 53_279 * v), byte(luma + 132_201 * u)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The standard's formula in floating point.
    fn exact(y: u8, u: u8, v: u8) -> [f64; 3] {
        let (y, u, v) = (f64::from(y) - 16.0, f64::from(u) - 128.0, f64::from(v) - 128.0);
        let (y, u, v) = (y * 255.0 / 219.0, u * 255.0 / 224.0, v * 255.0 / 224.0);
        let (kr, kb) = (0.299, 0.114);
        let kg = 1.0 - kr - kb;
        let rgb = [y + 2.0 * (1.0 - kr) * v, 0.0, y + 2.0 * (1.0 - kb) * u];
        let green = y - 2.0 * kb * (1.0 - kb) / kg * u - 2.0 * kr * (1.0 - kr) / kg * v;
        [rgb[0], green, rgb[2]].map(|x| x.clamp(0.0, 255.0))
    }

    #[test]
    fn colours_are_the_standards() {
        for y in (0..=255).step_by(5) {
            for u in (0..=255).step_by(15) {
                for v in (0..=255).step_by(15) {
                    for (got, want) in bt601(y, u, v).iter().zip(exact(y, u, v)) {
                        assert!((f64::from(*got) - want).abs() <= 1.0, "{y} {u} {v}: {got} instead of {want}");
                    }
                }
            }
        }
        assert_eq!([bt601(16, 128, 128), bt601(235, 128, 128)], [[0; 3], [255; 3]]);
    }

    #[test]
    fn every_pixel_finds_its_place() {
        let yuyv_bytes = [50, 90, 60, 200, 70, 30, 80, 140, 9, 9];
        let expected = [bt601(50, 90, 200), bt601(60, 90, 200), bt601(70, 30, 140), bt601(80, 30, 140)].concat();
        assert_eq!(yuyv(&yuyv_bytes, 4, 1).unwrap(), expected);
        assert_eq!(yuyv(&yuyv_bytes, 2, 2).unwrap(), expected);
        let planes = [10, 20, 30, 40, 50, 60, 70, 80, 100, 110, 150, 160];
        let got = nv12(&planes, 4, 2).unwrap();
        assert_eq!(got[0..3], bt601(10, 100, 110));
        assert_eq!(got[9..12], bt601(40, 150, 160));
        assert_eq!(got[12..15], bt601(50, 100, 110));
        assert_eq!(bgr(&[1, 2, 3, 4, 5, 6], 2, 1).unwrap(), [3, 2, 1, 6, 5, 4]);
        assert_eq!(grey(&[7, 8], 2, 1).unwrap(), [7, 7, 7, 8, 8, 8]);
        for (bytes, width, height) in [(&[0u8; 5][..], 2, 2), (&[], 2, 2), (&[0; 100], usize::MAX, 2)] {
            assert!(yuyv(bytes, width, height).is_err() && nv12(bytes, width, height).is_err());
            assert!(rgb(bytes, width, height).is_err() && bgr(bytes, width, height).is_err());
        }
        assert!(yuyv(&[0; 100], 3, 2).is_err() && nv12(&[0; 100], 2, 3).is_err());
    }

    #[test]
    fn jpegs_decode_with_rubbish_behind_them_and_damaged_ones_are_refused() {
        let picture = image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([(x * 4) as u8, (y * 5) as u8, 128]));
        let mut file = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut file, image::ImageFormat::Jpeg).unwrap();
        let file = file.into_inner();
        let mut padded = file.clone();
        padded.extend([0xAB; 1_000]);
        let decoded = mjpeg(&padded, 64, 48).unwrap();
        let off: u32 = decoded.iter().zip(picture.as_raw()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        assert!(off / (64 * 48 * 3) < 4, "mean error {off}");
        assert!(mjpeg(&file, 64, 47).is_err() && mjpeg(&file, 32, 48).is_err() && mjpeg(&file, 640, 480).is_err());
        assert!(mjpeg(&[], 64, 48).is_err() && mjpeg(&[0xFF, 0xD8], 64, 48).is_err());
        let mut state = 7u32;
        for _ in 0..300 {
            let mut damaged = file.clone();
            for _ in 0..8 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let place = (state >> 8) as usize % damaged.len();
                damaged[place] = (state >> 3) as u8;
            }
            let outcome = crate::quiet::quietly(|| mjpeg(&damaged, 64, 48));
            assert!(!matches!(outcome, Ok(Ok(rgb)) if rgb.len() != 64 * 48 * 3));
        }
    }
}
