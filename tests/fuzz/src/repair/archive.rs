//! Checksums of archives.

use mien_models::bundle::Sha256;

use super::sums::crc32;
use crate::structure::{number, set_number};

/// The checks of the entries of a zip archive that are stored as they are; of compressed ones the checks stay.
pub fn zip(bytes: &mut [u8]) {
    let places: Vec<usize> =
        bytes.windows(4).enumerate().filter(|(_, w)| *w == b"PK\x01\x02").map(|(at, _)| at).collect();
    for central in places {
        let field = |at: usize, width: usize| number(bytes, central + at, width, false);
        let (Some(method), Some(size), Some(local)) = (field(10, 2), field(20, 4), field(42, 4)) else { continue };
        let Ok(local) = usize::try_from(local) else { continue };
        let lengths =
            (number(bytes, local.saturating_add(26), 2, false), number(bytes, local.saturating_add(28), 2, false));
        let (0, (Some(name), Some(extra))) = (method, lengths) else { continue };
        let start = local + 30 + name as usize + extra as usize;
        let Some(data) = bytes.get(start..start.saturating_add(size as usize)) else { continue };
        let sum = u64::from(crc32(data));
        set_number(bytes, central + 16, 4, false, sum);
        set_number(bytes, local + 14, 4, false, sum);
    }
}

/// The digest in a manifest's first line.
pub fn manifest(bytes: &mut [u8]) {
    // What stands before the digits, and after them.
    let (start, end) = (b"digest = \"", b"\"\n");
    let (digits, body) = (start.len() + 64, start.len() + 64 + end.len());
    if bytes.starts_with(start) && bytes.get(digits..body) == Some(end.as_slice()) {
        let digest = Sha256::of(bytes.get(body..).unwrap_or_default()).to_string();
        if let Some(old) = bytes.get_mut(start.len()..digits) {
            old.copy_from_slice(digest.as_bytes());
        }
    }
}

/// Bytes of a tar block.
const BLOCK: usize = 512;

/// The checks of a tar archive's headers, and the digests and sizes that the manifest in its first entry names.
pub fn bundle(bytes: &mut [u8]) {
    // Where the data of each entry lies.
    let mut entries = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + BLOCK) {
        if header.get(257..262) != Some(b"ustar") {
            break;
        }
        let size = header.get(124..135).and_then(|octal| std::str::from_utf8(octal).ok());
        let size = size.and_then(|octal| usize::from_str_radix(octal.trim_matches(['\0', ' ']), 8).ok());
        let Some(size) = size.filter(|size| *size <= bytes.len()) else { break };
        let data = at + BLOCK;
        entries.push((data, data.saturating_add(size).min(bytes.len())));
        at = data + size.next_multiple_of(BLOCK);
    }
    if let Some(&(start, end)) = entries.first() {
        let digests: Vec<String> = entries
            .iter()
            .skip(1)
            .map(|&(from, to)| Sha256::of(bytes.get(from..to).unwrap_or_default()).to_string())
            .collect();
        let key = b"sha256 = \"";
        let mut digests = digests.iter();
        let mut from = start;
        while let Some(found) = bytes.get(from..end).and_then(|m| m.windows(key.len()).position(|w| w == key)) {
            let place = from + found + key.len();
            let Some(digest) = digests.next() else { break };
            if place + digest.len() <= end
                && let Some(old) = bytes.get_mut(place..place + digest.len())
            {
                old.copy_from_slice(digest.as_bytes());
            }
            from = place;
        }
        if let Some(text) = bytes.get_mut(start..end) {
            manifest(text);
        }
    }
    for (data, _) in entries {
        let Some(header) = bytes.get_mut(data - BLOCK..data) else { continue };
        if let Some(sum) = header.get_mut(148..156) {
            sum.fill(b' ');
        }
        let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
        if let Some(place) = header.get_mut(148..155) {
            place.copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
    }
}
