//! Where the picture of a JPEG ends, by its own segments (ITU-T T.81 section B.1).
//!
//! Phones put films, second pictures and data of their own behind it, and small pictures into its segments: only a walk over
//! the segments tells a whole picture from one that is cut short, which the decoder would fill up with grey.

/// What a walk over the segments finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The picture ends before this place; whether it is stored in several passes.
    Whole { end: usize, progressive: bool },
    /// The file ends before the picture does.
    Cut,
    /// A kind that is not read here, by its name.
    Other(&'static str),
}

const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// Walks over the segments of `bytes`, which begin with the start of a picture.
pub(super) fn extent(bytes: &[u8]) -> Extent {
    let mut at = 2;
    let mut progressive = false;
    // Each turn takes a byte at least.
    while let Some(marker) = next_marker(bytes, &mut at) {
        match marker {
            END_OF_IMAGE => return Extent::Whole { end: at, progressive },
            // Restarts and the start of a picture have no content; 01 is left over from arithmetic coding.
            0xd0..=0xd8 | 0x01 => continue,
            _ => (),
        }
        let Some(length) = bytes.get(at..).and_then(<[u8]>::first_chunk).map(|length| u16::from_be_bytes(*length))
        else {
            return Extent::Cut;
        };
        // Frames: baseline, extended and progressive ones with 8 bits are read.
        match marker {
            0xc0..=0xc2 if bytes.get(at + 2).is_some_and(|bits| *bits != 8) => {
                return Extent::Other("a JPEG of 12 bits");
            }
            0xc2 => progressive = true,
            0xc3 | 0xc7 | 0xcb | 0xcf | 0xf7 => return Extent::Other("a lossless JPEG"),
            0xc5 | 0xc6 | 0xcd | 0xce => return Extent::Other("a hierarchical JPEG"),
            0xc9 | 0xca => return Extent::Other("a JPEG in arithmetic coding"),
            _ => (),
        }
        at = at.saturating_add(usize::from(length.max(2)));
        if marker == START_OF_SCAN {
            at = scan_end(bytes, at);
        }
    }
    Extent::Cut
}

/// The next marker from `at` on, which is left behind it. Bytes before it that belong to nothing are passed over, as decoders do.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        let place = bytes.get(*at..)?.iter().position(|byte| *byte == 0xff)?;
        let mut behind = *at + place + 1;
        while bytes.get(behind) == Some(&0xff) {
            behind += 1;
        }
        let marker = *bytes.get(behind)?;
        *at = behind + 1;
        if marker != 0 {
            return Some(marker);
        }
    }
}

/// Where compressed data from `at` on ends: before a marker that is no restart.
fn scan_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(place) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff)) {
        at += place;
        match bytes.get(at + 1) {
            // A byte of data, or a restart.
            Some(0 | 0xd0..=0xd7) => at += 2,
            // Filling.
            Some(0xff) => at += 1,
            Some(_) => return at,
            None => break,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::{Extent, extent};

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        [&[0xff, marker][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat()
    }

    fn picture(frame: u8, bits: u8) -> Vec<u8> {
        // A segment that holds another picture whole, a frame, a scan with an escaped byte, a restart and filling.
        let mut bytes = vec![0xff, 0xd8];
        bytes.extend(segment(0xe1, &[0xff, 0xd8, 0xff, 0xda, 0, 2, 9, 9, 0xff, 0xd9]));
        bytes.extend(segment(frame, &[bits, 0, 8, 0, 8, 1, 1, 0x11, 0]));
        bytes.extend(segment(0xda, &[1, 1, 0, 0, 63, 0]));
        bytes.extend([1, 2, 0xff, 0, 3, 0xff, 0xd3, 4, 0xff, 0xff]);
        bytes.extend([0xff, 0xd9]);
        bytes
    }

    #[test]
    fn the_first_picture_ends_at_its_own_end() {
        let whole = picture(0xc0, 8);
        let end = whole.len();
        assert_eq!(extent(&whole), Extent::Whole { end, progressive: false });
        let behind = [&whole[..], b"\0\0\0\x18ftypmp42\0\0\0\0\xff\xda\0\x02\xff\xd8", &whole].concat();
        assert_eq!(extent(&behind), Extent::Whole { end, progressive: false });
        for len in 2..end {
            assert_eq!(extent(&whole[..len]), Extent::Cut, "{len}");
        }
        // Cut, with the end of another picture behind.
        assert_eq!(extent(&picture(0xc2, 8)), Extent::Whole { end, progressive: true });
    }

    #[test]
    fn kinds_that_no_decoder_here_reads_are_named() {
        assert_eq!(extent(&picture(0xc3, 8)), Extent::Other("a lossless JPEG"));
        assert_eq!(extent(&picture(0xc9, 8)), Extent::Other("a JPEG in arithmetic coding"));
        assert_eq!(extent(&picture(0xc1, 12)), Extent::Other("a JPEG of 12 bits"));
    }

    #[test]
    fn filling_without_end_is_passed_over() {
        let mut bytes = vec![0xff, 0xd8];
        bytes.resize(100_000, 0xff);
        assert_eq!(extent(&bytes), Extent::Cut);
        bytes.fill(0);
        bytes[..2].copy_from_slice(&[0xff, 0xd8]);
        assert_eq!(extent(&bytes), Extent::Cut);
    }
}
