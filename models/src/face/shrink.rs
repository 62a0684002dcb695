//! Exact area averaging of grey pictures.

/// `grey` ([height, width], 0..=255) reduced to `to` = (width, height), neither side larger than before.
///
/// Each target pixel is the mean of the source area that it covers, with source pixels on an edge counted by the share
/// that lies inside, rounded to nearest. All sums are integers: the same picture gives the same bytes on every machine.
pub(super) fn area_average(grey: &[u8], width: usize, height: usize, to: (usize, usize)) -> Vec<u8> {
    let (columns, rows) = to;
    debug_assert!(grey.len() == width * height && (1..=width).contains(&columns) && (1..=height).contains(&rows));
    // In units of 1/columns of a source pixel, source pixel x covers [x * columns, (x + 1) * columns) and target pixel
    // c covers [c * width, (c + 1) * width); likewise for rows. Every target pixel covers width * height units.
    let mut sums = vec![0u64; columns * rows];
    let mut line = vec![0u64; columns];
    for (y, source) in grey.chunks_exact(width).enumerate() {
        line.fill(0);
        for (x, &value) in source.iter().enumerate() {
            spread(x, columns, width, |c, units| line[c] += units as u64 * u64::from(value));
        }
        spread(y, rows, height, |r, units| {
            for (sum, part) in sums[r * columns..][..columns].iter_mut().zip(&line) {
                *sum += units as u64 * part;
            }
        });
    }
    let area = (width * height) as u64;
    // A mean of bytes is at most 255.
    sums.into_iter().map(|sum| ((sum + area / 2) / area) as u8).collect()
}

/// Calls `add` with each target index that source element `at` overlaps and the overlap in units; since the target is
/// not longer than the source, these are one or two.
fn spread(at: usize, targets: usize, sources: usize, mut add: impl FnMut(usize, usize)) {
    let (start, end) = (at * targets, (at + 1) * targets);
    let first = start / sources;
    let border = (first + 1) * sources;
    if end <= border {
        add(first, targets);
    } else {
        add(first, border - start);
        add(first + 1, end - border);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::area_average;

    /// The mean over the covered area, by counting the finest common pixels one by one.
    fn counted(grey: &[u8], width: usize, height: usize, (columns, rows): (usize, usize)) -> Vec<u8> {
        let mean = |c: usize, r: usize| {
            let mut sum = 0u64;
            for y in r * height..(r + 1) * height {
                for x in c * width..(c + 1) * width {
                    sum += u64::from(grey[(y / rows) * width + x / columns]);
                }
            }
            let area = (width * height) as f64;
            (sum as f64 / area + 0.5).floor() as u8
        };
        (0..rows).flat_map(|r| (0..columns).map(move |c| (c, r))).map(|(c, r)| mean(c, r)).collect()
    }

    #[test]
    fn equals_counting_over_the_finest_grid() {
        for (width, height, to) in [(7, 5, (3, 2)), (13, 11, (5, 11)), (16, 8, (4, 4)), (9, 9, (9, 9)), (10, 3, (1, 1))]
        {
            let grey: Vec<u8> = (0..width * height).map(|i| (i * 7919 % 256) as u8).collect();
            assert_eq!(area_average(&grey, width, height, to), counted(&grey, width, height, to), "{width}x{height}");
        }
    }

    #[test]
    fn a_flat_picture_stays_flat() {
        assert_eq!(area_average(&[255; 1920 * 3], 1920, 3, (319, 2)), [255; 319 * 2]);
    }
}
