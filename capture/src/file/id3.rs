//! Tags around sound: ID3v2 before it; ID3v1, Lyrics3 and APE behind it.

use std::io;

use super::window::Window;

/// An ID3v2 header, and the footer that may repeat it at the end of the tag.
const HEADER_BYTES: u64 = 10;
const FOOTER_FLAG: u8 = 0x10;
/// The most tags that are passed over at each end. Programs leave one or two; a file may hold nothing else, ten bytes each.
pub(super) const MAX_TAGS: u32 = 16;

const ID3V1_BYTES: u64 = 128;
const APE_BYTES: u64 = 32;
const APE_HEADER_FLAG: u32 = 1 << 31;

/// Where the ID3v2 tags end that the file may begin with.
///
/// # Errors
/// The system's; `Ok(Err(..))` tells where they would end if there are more than [`MAX_TAGS`], or if they are longer than the file.
pub(super) fn front(file: &mut Window) -> io::Result<Result<u64, Front>> {
    let mut start = 0;
    // Some programs put a new tag before an old one instead of replacing it.
    for _ in 0..=MAX_TAGS {
        let Some(tag) = tag_len(file, start)? else {
            return Ok(Ok(start));
        };
        start += tag;
        if start >= file.len() {
            return Ok(Err(Front::Longer(start)));
        }
    }
    Ok(Err(Front::TooMany))
}

/// Why there is nothing behind the tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// They end here, beyond the file.
    Longer(u64),
    /// More than [`MAX_TAGS`].
    TooMany,
}

/// Length of the tag at `start`, none where there is no tag.
fn tag_len(file: &mut Window, start: u64) -> io::Result<Option<u64>> {
    let head = file.bytes_at(start, HEADER_BYTES as usize)?;
    let &[b'I', b'D', b'3', _, _, flags, a, b, c, d] = head.as_slice() else {
        return Ok(None);
    };
    // Four times seven bits.
    let body = [a, b, c, d].iter().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7f));
    let footer = if flags & FOOTER_FLAG == 0 { 0 } else { HEADER_BYTES };
    Ok(Some(HEADER_BYTES + body + footer))
}

/// How long the file is without the tags at its end.
///
/// # Errors
/// The system's.
pub(super) fn back(file: &mut Window) -> io::Result<u64> {
    let mut end = file.len();
    for _ in 0..MAX_TAGS {
        let Some(tag) = last_tag(file, end)?.filter(|tag| *tag <= end) else {
            break;
        };
        end -= tag;
    }
    Ok(end)
}

/// Length of the tag that ends at `end`.
fn last_tag(file: &mut Window, end: u64) -> io::Result<Option<u64>> {
    let mut before = |count: u64| match end.checked_sub(count) {
        Some(at) => file.bytes_at(at, count as usize),
        None => Ok(Vec::new()),
    };
    if before(ID3V1_BYTES)?.starts_with(b"TAG") {
        return Ok(Some(ID3V1_BYTES));
    }
    let ape = before(APE_BYTES)?;
    if let (Some(b"APETAGEX"), Some(size), Some(flags)) = (ape.get(..8), little(&ape, 12), little(&ape, 20)) {
        // The size counts the footer, not the header.
        let header = if flags & APE_HEADER_FLAG == 0 { 0 } else { APE_BYTES };
        return Ok(Some((u64::from(size) + header).max(APE_BYTES)));
    }
    // "LYRICSBEGIN", the text, its length in six digits, "LYRICS200".
    let lyrics = before(15)?;
    if lyrics.get(6..) == Some(b"LYRICS200") {
        let size = lyrics.get(..6).and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
        return Ok(size.map(|size| size + 15));
    }
    Ok(None)
}

fn little(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
