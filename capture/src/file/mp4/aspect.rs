//! Pictures whose pixels are no squares.

use super::rgb::Rgb;

/// The longest pixel that is believed; real ones reach 80:33.
const MAX_RATIO: u32 = 16;

/// Stretches `picture` so that its pixels, `pixel` (width over height), become squares; none of its sides becomes longer than
/// `max_side`.
///
/// The shorter measure of the pixel grows: nothing that was stored is lost. Between pixels brightness goes in a straight line;
/// integers only, so that every machine gives the same.
pub(super) fn square((width, height, data): Rgb, pixel: (u32, u32), max_side: u32) -> Rgb {
    let (across, down) = (u64::from(pixel.0), u64::from(pixel.1));
    let believed =
        across > 0 && down > 0 && across <= down * u64::from(MAX_RATIO) && down <= across * u64::from(MAX_RATIO);
    if !believed || across == down {
        return (width, height, data);
    }
    let stretched = |side: u32, long: u64, short: u64| {
        let long = (u64::from(side) * long + short / 2) / short;
        u32::try_from(long).unwrap_or(u32::MAX).min(max_side).max(1)
    };
    if across > down {
        let wide = stretched(width, across, down);
        (wide, height, columns(&data, width, wide))
    } else {
        let high = stretched(height, down, across);
        (width, high, rows(&data, width, height, high))
    }
}

/// The two places of `from` between which place `at` of `to` lies, and how far it is from the first in 1/256.
fn between(at: u32, to: u32, from: u32) -> (usize, usize, u32) {
    let twice = (2 * i64::from(at) + 1) * i64::from(from) - i64::from(to);
    let place = (twice * 128 / i64::from(to)).clamp(0, (i64::from(from) - 1) * 256);
    let first = (place / 256) as usize;
    (first, (first + 1).min(from as usize - 1), (place % 256) as u32)
}

fn mix(a: u8, b: u8, share: u32) -> u8 {
    ((u32::from(a) * (256 - share) + u32::from(b) * share + 128) / 256) as u8
}

fn columns(data: &[u8], from: u32, to: u32) -> Vec<u8> {
    let places: Vec<_> = (0..to).map(|at| between(at, to, from)).collect();
    let mut out = Vec::with_capacity(data.len() / from.max(1) as usize * to as usize);
    for row in data.chunks_exact(3 * from as usize) {
        let row = row.as_chunks::<3>().0;
        for (first, second, share) in &places {
            let (a, b) = (row.get(*first).unwrap_or(&[0; 3]), row.get(*second).unwrap_or(&[0; 3]));
            out.extend(a.iter().zip(b).map(|(a, b)| mix(*a, *b, *share)));
        }
    }
    out
}

fn rows(data: &[u8], width: u32, from: u32, to: u32) -> Vec<u8> {
    let length = 3 * width as usize;
    let row = |place: usize| data.get(place * length..(place + 1) * length).unwrap_or_default();
    let mut out = Vec::with_capacity(length * to as usize);
    for at in 0..to {
        let (first, second, share) = between(at, to, from);
        out.extend(row(first).iter().zip(row(second)).map(|(a, b)| mix(*a, *b, share)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::square;

    fn ramp(width: u32, height: u32) -> Vec<u8> {
        (0..height).flat_map(|y| (0..width).flat_map(move |x| [(10 * x) as u8, (10 * y) as u8, 7])).collect()
    }

    #[test]
    fn the_shorter_measure_grows() {
        let (width, height, data) = square((10, 6, ramp(10, 6)), (2, 1), 100);
        assert_eq!((width, height, data.len()), (20, 6, 360));
        // Straight between the pixels, which lie a quarter beside the new ones.
        let red: Vec<u8> = data[..60].iter().step_by(3).copied().collect();
        assert_eq!(&red[..5], [0, 3, 8, 13, 18]);
        assert_eq!(&red[18..], [88, 90]);
        let (width, height, data) = square((10, 6, ramp(10, 6)), (1, 2), 100);
        assert_eq!((width, height, data.len()), (10, 12, 360));
        assert_eq!((data[1], data[30 + 1], data[11 * 30 + 1]), (0, 3, 50));
        let (width, height, data) = square((704, 288, vec![9; 704 * 288 * 3]), (16, 11), 8192);
        assert_eq!((width, height), (1024, 288));
        assert!(data.iter().all(|v| *v == 9) && data.len() == 1024 * 288 * 3);
    }

    #[test]
    fn what_no_camera_has_is_not_believed() {
        for pixel in [(0, 1), (1, 0), (17, 1), (1, 17), (u32::MAX, 1), (5, 5)] {
            assert_eq!(square((2, 2, vec![1; 12]), pixel, 100), (2, 2, vec![1; 12]), "{pixel:?}");
        }
        assert_eq!(square((80, 2, vec![1; 480]), (16, 1), 100).0, 100);
    }
}
