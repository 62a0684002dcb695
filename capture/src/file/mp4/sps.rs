//! Sequence parameter sets of H.264: what a stream says of its pictures (ITU-T H.264 sections 7.3.2.1 and E.1).

/// The most bytes of a set that are looked at; real ones have a few dozen.
const MAX_BYTES: usize = 4096;

/// What is read of a sequence parameter set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sps {
    pub(super) profile: u8,
    /// 0 without colours, 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4.
    pub(super) chroma: u32,
    /// The larger one of brightness and colour.
    pub(super) bits: u32,
    /// Pictures that the decoder must keep for reference.
    pub(super) references: u32,
    /// Stored size in pixels, before it is cropped; rows of both fields together.
    pub(super) width: u64,
    pub(super) height: u64,
    /// Whether pictures may be stored as fields.
    pub(super) interlaced: bool,
    /// Width over height of a pixel, where it is told.
    pub(super) pixel: Option<(u32, u32)>,
    /// Whether brightness goes from 0 to 255, where it is told.
    pub(super) full_range: Option<bool>,
    /// Matrix coefficients (table E-5), where they are told.
    pub(super) matrix: Option<u8>,
}

/// Width over height of a pixel by its number (table E-1), from 1.
const PIXELS: [(u32, u32); 16] = [
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

impl Sps {
    /// Reads the NAL unit `unit`, its header byte included; none for units of other types and for broken ones.
    pub(super) fn parse(unit: &[u8]) -> Option<Self> {
        let (header, payload) = unit.split_first()?;
        if header & 0x1f != 7 {
            return None;
        }
        let mut bits = Bits::new(payload);
        let profile = bits.take(8)? as u8;
        bits.take(16)?;
        bits.number()?;
        let (mut chroma, mut depth) = (1, 8);
        if matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244) {
            chroma = bits.number()?;
            if chroma == 3 {
                bits.take(1)?;
            }
            depth = 8_u32.checked_add(bits.number()?.max(bits.number()?))?;
            bits.take(1)?;
            if bits.take(1)? == 1 {
                for list in 0..if chroma == 3 { 12 } else { 8 } {
                    if bits.take(1)? == 1 {
                        bits.scaling_list(if list < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        bits.number()?;
        match bits.number()? {
            0 => {
                bits.number()?;
            }
            1 => {
                bits.take(1)?;
                bits.number()?;
                bits.number()?;
                let cycle = bits.number()?;
                for _ in 0..cycle.min(256) {
                    bits.number()?;
                }
            }
            _ => (),
        }
        let references = bits.number()?;
        bits.take(1)?;
        let width = 16 * (u64::from(bits.number()?) + 1);
        let rows = u64::from(bits.number()?) + 1;
        let interlaced = bits.take(1)? == 0;
        let height = 16 * rows * if interlaced { 2 } else { 1 };
        let mut sps = Self {
            profile,
            chroma,
            bits: depth,
            references,
            width,
            height,
            interlaced,
            pixel: None,
            full_range: None,
            matrix: None,
        };
        // What follows only helps: a set that ends early is no reason to refuse a film.
        sps.looks(&mut bits);
        Some(sps)
    }

    /// Reads how the pictures are to be looked at.
    fn looks(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        if self.interlaced {
            bits.take(1)?;
        }
        bits.take(1)?;
        if bits.take(1)? == 1 {
            // The decoder crops.
            for _ in 0..4 {
                bits.number()?;
            }
        }
        if bits.take(1)? == 0 {
            return None;
        }
        if bits.take(1)? == 1 {
            self.pixel = match bits.take(8)? {
                255 => Some((bits.take(16)?, bits.take(16)?)).filter(|(w, h)| *w > 0 && *h > 0),
                number => PIXELS.get((number as usize).wrapping_sub(1)).copied(),
            };
        }
        if bits.take(1)? == 1 {
            bits.take(1)?;
        }
        if bits.take(1)? == 1 {
            bits.take(3)?;
            self.full_range = Some(bits.take(1)? == 1);
            if bits.take(1)? == 1 {
                bits.take(16)?;
                self.matrix = Some(bits.take(8)? as u8);
            }
        }
        Some(())
    }
}

/// The bits of a NAL unit, without the bytes that keep start codes out of it.
struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte, and how many bits of `byte` are left.
    at: usize,
    byte: u8,
    left: u32,
    zeros: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.get(..MAX_BYTES).unwrap_or(bytes), at: 0, byte: 0, left: 0, zeros: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            let mut next = *self.bytes.get(self.at)?;
            if self.zeros >= 2 && next == 3 {
                self.at += 1;
                self.zeros = 0;
                next = *self.bytes.get(self.at)?;
            }
            self.zeros = if next == 0 { self.zeros + 1 } else { 0 };
            self.at += 1;
            (self.byte, self.left) = (next, 8);
        }
        self.left -= 1;
        Some(u32::from(self.byte >> self.left & 1))
    }

    /// An unsigned number of `count` bits, 32 at most.
    fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0_u32, |sum, _| Some(sum << 1 | self.bit()?))
    }

    /// An unsigned number in Exp-Golomb code.
    fn number(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1_u32 << zeros) - 1 + self.take(zeros)?)
    }

    fn scaling_list(&mut self, len: u32) -> Option<()> {
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..len {
            if next != 0 {
                let number = i64::from(self.number()?);
                // 0, 1, -1, 2, -2 ..
                let delta = if number % 2 == 1 { number / 2 + 1 } else { -(number / 2) };
                next = (last + delta).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::Sps;

    /// Bits one after the other, as a NAL unit with its escapes.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn put(&mut self, value: u32, count: u32) -> &mut Self {
            self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
            self
        }

        fn number(&mut self, value: u32) -> &mut Self {
            let bits = 32 - (value + 1).leading_zeros();
            self.put(0, bits - 1).put(value + 1, bits)
        }

        fn unit(&self) -> Vec<u8> {
            let mut unit = vec![0x67];
            for bits in self.0.chunks(8) {
                let byte = bits.iter().enumerate().fold(0, |sum, (place, bit)| sum | u8::from(*bit) << (7 - place));
                if unit.ends_with(&[0, 0]) && byte <= 3 {
                    unit.push(3);
                }
                unit.push(byte);
            }
            unit
        }
    }

    fn main_profile(interlaced: bool) -> Writer {
        let mut bits = Writer::default();
        bits.put(77, 8).put(0, 8).put(30, 8).number(0);
        // Frame numbers, order of display, references, gaps; 44 x 18 macroblocks.
        bits.number(0).number(2).number(3).put(0, 1).number(43).number(17).put(u32::from(!interlaced), 1);
        if interlaced {
            bits.put(1, 1);
        }
        bits.put(1, 1).put(0, 1);
        bits
    }

    #[test]
    fn sizes_and_looks_are_read() {
        let mut bits = main_profile(false);
        // Pixels 16:11; full range with BT.709.
        bits.put(1, 1).put(1, 1).put(4, 8).put(0, 1).put(1, 1).put(5, 3).put(1, 1).put(1, 1).put(1, 8).put(1, 8).put(1, 8);
        let sps = Sps::parse(&bits.unit()).unwrap();
        assert_eq!((sps.width, sps.height, sps.references, sps.interlaced), (704, 288, 3, false));
        assert_eq!((sps.pixel, sps.full_range, sps.matrix), (Some((16, 11)), Some(true), Some(1)));
        let mut bits = main_profile(true);
        bits.put(1, 1).put(1, 1).put(255, 8).put(0x0100, 16).put(0x0001, 16).put(0, 4);
        let sps = Sps::parse(&bits.unit()).unwrap();
        assert_eq!((sps.height, sps.interlaced, sps.pixel), (576, true, Some((256, 1))));
        assert_eq!((sps.full_range, sps.matrix), (None, None));
    }

    #[test]
    fn depth_and_colours_of_high_profiles_are_read() {
        let mut bits = Writer::default();
        bits.put(122, 8).put(0, 8).put(30, 8).number(0).number(2).number(2).number(1).put(0, 1).put(1, 1);
        // One scaling list that ends at once, seven that are not there.
        bits.put(1, 1).number(16).put(0, 7);
        bits.number(0).number(0).number(4).number(1).put(0, 1).number(3).number(2).put(1, 1).put(1, 1).put(0, 1).put(0, 1);
        let sps = Sps::parse(&bits.unit()).unwrap();
        assert_eq!((sps.profile, sps.chroma, sps.bits, sps.width, sps.height), (122, 2, 10, 64, 48));
    }

    #[test]
    fn broken_sets_are_none() {
        let mut bits = main_profile(false);
        let unit = bits.put(0, 1).unit();
        for len in 0..8 {
            assert_eq!(Sps::parse(&unit[..len]), None, "{len}");
        }
        assert_eq!(Sps::parse(&[0x67, 77, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(Sps::parse(&[0x68, 1, 2]), None);
        assert!(Sps::parse(&[&[0x67][..], &[0xff; 9000]].concat()).is_some());
    }
}
