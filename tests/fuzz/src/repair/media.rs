//! Checksums of sound and pictures.

use super::sums::{FLAC_FRAME, FLAC_HEADER, OGG, crc32};
use crate::structure::{number, set_number};

/// The checks of png chunks.
pub fn png(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(size) = number(bytes, at, 4, true) {
        let end = (at as u64 + 8).saturating_add(size);
        let Some(end) = usize::try_from(end).ok().filter(|end| end.saturating_add(4) <= bytes.len()) else { return };
        let sum = crc32(bytes.get(at + 4..end).unwrap_or_default());
        set_number(bytes, end, 4, true, u64::from(sum));
        at = end + 4;
    }
}

/// The checks of ogg pages.
pub fn ogg(bytes: &mut [u8]) {
    let starts: Vec<usize> =
        bytes.windows(4).enumerate().filter(|(_, w)| *w == b"OggS").map(|(start, _)| start).collect();
    for start in starts {
        let Some(segments) = bytes.get(start + 26).map(|n| usize::from(*n)) else { continue };
        let table = start + 27;
        let Some(lacing) = bytes.get(table..table + segments) else { continue };
        let end = table + segments + lacing.iter().map(|n| usize::from(*n)).sum::<usize>();
        if end > bytes.len() {
            continue;
        }
        set_number(bytes, start + 22, 4, false, 0);
        let sum = OGG.of(bytes.get(start..end).unwrap_or_default());
        set_number(bytes, start + 22, 4, false, u64::from(sum));
    }
}

/// The checks of flac frames; the digest of all samples is taken out, which means that there is none.
pub fn flac(bytes: &mut [u8]) {
    let Some(first) = bytes.windows(4).position(|w| w == b"fLaC") else { return };
    if let Some(digest) = bytes.get_mut(first + 26..first + 42) {
        digest.fill(0);
    }
    let mut starts = Vec::new();
    for at in first..bytes.len() {
        if let Some(length) = header_length(bytes.get(at..).unwrap_or_default()) {
            starts.push((at, length));
        }
    }
    for (index, (start, length)) in starts.iter().enumerate() {
        let sum = FLAC_HEADER.of(bytes.get(*start..start + length).unwrap_or_default());
        set_number(bytes, start + length, 1, true, u64::from(sum));
        let end = starts.get(index + 1).map_or(bytes.len(), |(next, _)| *next);
        // What looks like a header within a frame is not the end of one.
        if let Some(sum_at) = end.checked_sub(2).filter(|at| *at > start + length + 1) {
            let sum = FLAC_FRAME.of(bytes.get(*start..sum_at).unwrap_or_default());
            set_number(bytes, sum_at, 2, true, u64::from(sum));
        }
    }
}

/// Bytes before the check of the frame header at the beginning of `bytes`, if there may be one.
fn header_length(bytes: &[u8]) -> Option<usize> {
    let &[0xff, 0xf8 | 0xf9, sizes, channels, number, ..] = bytes else { return None };
    if channels & 1 == 1 || sizes >> 4 == 0 || sizes & 0xf == 0xf || channels >> 4 > 10 {
        return None;
    }
    let number = match number.leading_ones() {
        0 => 1,
        n @ 2..=7 => n as usize,
        _ => return None,
    };
    let size = match sizes >> 4 {
        6 => 1,
        7 => 2,
        _ => 0,
    };
    let rate = match sizes & 0xf {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    Some(4 + number + size + rate).filter(|length| *length < bytes.len())
}

/// The size of a RIFF file as a whole.
pub fn riff(bytes: &mut [u8]) {
    if bytes.starts_with(b"RIFF") {
        let size = bytes.len().saturating_sub(8) as u64;
        set_number(bytes, 4, 4, false, size);
    }
}
