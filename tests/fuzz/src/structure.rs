//! Elements of formats that are made of a tag, a size and content, one in the other.

/// How a format writes an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Where the four bytes of the tag stand, from the element's start.
    pub tag_at: usize,
    /// Where the size stands, likewise.
    pub size_at: usize,
    /// Bytes of the size: 4 or 8.
    pub width: usize,
    /// Whether the size's first byte is its highest.
    pub big: bool,
    /// Bytes of the element that the size does not count.
    pub uncounted: u64,
    /// Whether content is filled up to an even number of bytes.
    pub even: bool,
}

impl Framing {
    /// Boxes of ISO base media: a size that counts itself, then the tag.
    pub const BOXES: Self = Self { tag_at: 4, size_at: 0, width: 4, big: true, uncounted: 0, even: false };
    /// Chunks of png: size, tag, content, checksum.
    pub const PNG: Self = Self { tag_at: 4, size_at: 0, width: 4, big: true, uncounted: 12, even: false };
    /// Chunks of RIFF: tag, size, content.
    pub const RIFF: Self = Self { tag_at: 0, size_at: 4, width: 4, big: false, uncounted: 8, even: true };
    /// Chunks of IFF, so of aiff: as RIFF with the highest byte first.
    pub const IFF: Self = Self { tag_at: 0, size_at: 4, width: 4, big: true, uncounted: 8, even: true };
    /// Chunks of caf: tag, size in eight bytes.
    pub const CAF: Self = Self { tag_at: 0, size_at: 4, width: 8, big: true, uncounted: 12, even: false };
}

/// An element as its tag and size tell it; it may reach beyond the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its first byte.
    pub start: usize,
    /// Behind its last byte.
    pub end: u64,
    /// The size that it tells.
    pub size: u64,
}

/// Reads `width` bytes (up to 8) at `at` as a number.
pub(crate) fn number(bytes: &[u8], at: usize, width: usize, big: bool) -> Option<u64> {
    let found = bytes.get(at..at.checked_add(width)?)?;
    let fold = |n: u64, b: &u8| (n << 8) | u64::from(*b);
    Some(if big { found.iter().fold(0, fold) } else { found.iter().rev().fold(0, fold) })
}

/// Writes the lowest `width` bytes of `value` at `at`, if they are there.
pub(crate) fn set_number(bytes: &mut [u8], at: usize, width: usize, big: bool, value: u64) {
    let Some(place) = at.checked_add(width).and_then(|end| bytes.get_mut(at..end)) else { return };
    let all = value.to_le_bytes();
    for (index, byte) in place.iter_mut().enumerate() {
        let from = if big { width - 1 - index } else { index };
        *byte = all.get(from).copied().unwrap_or(0);
    }
}

/// The elements in `bytes` whose tag is one of `tags`, in the order of their places.
pub fn elements(bytes: &[u8], framing: &Framing, tags: &[&[u8]]) -> Vec<Element> {
    let mut found = Vec::new();
    for (at, window) in bytes.windows(4).enumerate() {
        let plausible = window.iter().all(|b| b.is_ascii_graphic() || *b == b' ' || *b == 0xa9);
        if !plausible || !tags.contains(&window) {
            continue;
        }
        let Some(start) = at.checked_sub(framing.tag_at) else { continue };
        let Some(size) = number(bytes, start + framing.size_at, framing.width, framing.big) else { continue };
        let even = if framing.even { size & 1 } else { 0 };
        let end = (start as u64).saturating_add(framing.uncounted).saturating_add(size).saturating_add(even);
        found.push(Element { start, end, size });
    }
    found
}

/// Replaces the bytes of `element` by `content` and corrects the sizes of the elements around it.
pub fn replace(bytes: &mut Vec<u8>, framing: &Framing, all: &[Element], element: Element, content: &[u8]) {
    let end = usize::try_from(element.end).unwrap_or(usize::MAX).min(bytes.len());
    let Some(removed) = end.checked_sub(element.start) else { return };
    for around in all.iter().filter(|a| a.start < element.start && a.end >= element.end) {
        let size = around.size.wrapping_sub(removed as u64).wrapping_add(content.len() as u64);
        set_number(bytes, around.start + framing.size_at, framing.width, framing.big, size);
    }
    bytes.splice(element.start..end, content.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_box_leaves_right_sizes_around_it() {
        let mut bytes = vec![0, 0, 0, 24];
        bytes.extend(b"moov\0\0\0\x0ctrak1234\0\0\0\x04xxxx");
        let tags: [&[u8]; 2] = [b"moov", b"trak"];
        let all = elements(&bytes, &Framing::BOXES, &tags);
        assert_eq!(all.len(), 2);
        replace(&mut bytes, &Framing::BOXES, &all, all[1], &[]);
        assert_eq!(number(&bytes, 0, 4, true), Some(12));
        assert!(!bytes.windows(4).any(|w| w == b"trak"));
    }

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for (width, big) in [(1, true), (2, false), (4, true), (8, false), (8, true)] {
            let mut bytes = [0; 10];
            let value = 0x0102_0304_0506_0708_u64 & (u64::MAX >> (64 - 8 * width));
            set_number(&mut bytes, 1, width, big, value);
            assert_eq!(number(&bytes, 1, width, big), Some(value));
        }
        assert_eq!(number(&[1, 2], 1, 4, true), None);
    }
}
