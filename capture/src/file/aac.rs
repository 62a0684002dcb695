//! AAC: which of its kinds a stream is (ISO 14496-3 section 1.6), and the parameters of the core that can be decoded.
//!
//! HE-AAC is AAC-LC at half the rate with a recipe for the upper half of the spectrum (SBR), in version 2 also one for
//! a second channel (PS). A decoder that knows neither still hears the core, by design: speech is whole in it.

/// Sampling rates by their index.
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

const LC: u32 = 2;
const SBR: u32 = 5;
const PS: u32 = 29;

/// What an AudioSpecificConfig tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AacConfig {
    /// The core's audio object type; 2 is LC.
    object: u32,
    /// The core's rate.
    pub(super) rate: u32,
    /// The core's channels; none where a program config element tells them.
    pub(super) channels: Option<u16>,
    /// HE-AAC, and said so.
    pub(super) sbr: bool,
    short_frames: bool,
}

/// Bits of a byte string, the highest first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    fn left(&self) -> usize {
        (self.bytes.len() * 8).saturating_sub(self.at)
    }

    fn object(&mut self) -> Option<u32> {
        match self.take(5)? {
            31 => Some(32 + self.take(6)?),
            object => Some(object),
        }
    }

    fn rate(&mut self) -> Option<u32> {
        match self.take(4)? {
            15 => self.take(24),
            index => RATES.get(index as usize).copied(),
        }
    }
}

impl AacConfig {
    /// Reads an AudioSpecificConfig; none where it is no such thing.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut bits = Bits { bytes, at: 0 };
        let mut object = bits.object()?;
        let rate = bits.rate()?;
        let channels = match bits.take(4)? {
            0 => None,
            7 => Some(8),
            count @ 1..=6 => Some(count as u16),
            11 => Some(7),
            12 | 14 => Some(8),
            _ => return None,
        };
        let mut sbr = false;
        if object == SBR || object == PS {
            sbr = true;
            bits.rate()?;
            object = bits.object()?;
        }
        let short_frames = bits.take(1)? == 1;
        // Depends on a core coder: its delay follows.
        if bits.take(1)? == 1 {
            bits.take(14)?;
        }
        bits.take(1)?;
        // The extension that older decoders do not see.
        if !sbr && channels.is_some() && bits.left() >= 16 && bits.take(11) == Some(0x2b7) && bits.object() == Some(SBR)
        {
            sbr = bits.take(1) == Some(1);
        }
        Some(Self { object, rate, channels, sbr, short_frames })
    }

    /// What cannot be decoded here, for messages; none where the core can be.
    pub(super) fn unsupported(&self) -> Option<String> {
        let name = match self.object {
            LC => match (self.short_frames, self.channels) {
                (true, _) => "AAC with frames of 960 samples".to_owned(),
                (false, None) => "AAC whose channels only its stream tells".to_owned(),
                (false, Some(count)) if count > 2 => format!("AAC with {count} channels"),
                _ => return None,
            },
            1 => "AAC Main".to_owned(),
            3 => "AAC SSR".to_owned(),
            4 => "AAC LTP".to_owned(),
            23 => "AAC-LD".to_owned(),
            39 => "AAC-ELD".to_owned(),
            42 => "xHE-AAC (USAC)".to_owned(),
            other => format!("MPEG-4 audio of object type {other}"),
        };
        Some(name)
    }

    /// The core's own AudioSpecificConfig, as if nothing else were there.
    pub(super) fn core(&self) -> Box<[u8]> {
        let channels = u64::from(self.channels.unwrap_or(0).min(7));
        // Object type, rate, channels, and three flags that are zero.
        let (value, bits) = match RATES.iter().position(|rate| *rate == self.rate) {
            Some(index) => (u64::from(LC) << 11 | (index as u64) << 7 | channels << 3, 16),
            None => (u64::from(LC) << 35 | 15 << 31 | u64::from(self.rate & 0xff_ffff) << 7 | channels << 3, 40),
        };
        value.to_be_bytes().into_iter().skip((64 - bits) / 8).collect()
    }
}

/// Whether the raw frame ends with a fill element that holds the recipe of an upper band (SBR).
///
/// Nothing else tells of it where it is not signalled. Coded samples look so by chance once in some fifty frames: ask several.
pub(super) fn frame_has_sbr(frame: &[u8]) -> bool {
    let total = frame.len() * 8;
    (0..total.saturating_sub(15)).any(|at| sbr_end(frame, at).is_some_and(|end| is_end(frame, end)))
}

/// Where the fill element that begins at bit `at` ends; none where there is none with an SBR payload.
fn sbr_end(frame: &[u8], at: usize) -> Option<usize> {
    let mut bits = Bits { bytes: frame, at };
    if bits.take(3)? != 6 {
        return None;
    }
    let mut count = bits.take(4)? as usize;
    if count == 15 {
        count = (count + bits.take(8)? as usize).saturating_sub(1);
    }
    let body = bits.at;
    matches!(bits.take(4)?, 0xd | 0xe).then_some(body + count * 8)
}

/// Whether bit `at` begins the last bits of a frame: the end element 111, then zeros up to the byte's end.
fn is_end(frame: &[u8], at: usize) -> bool {
    let mut bits = Bits { bytes: frame, at };
    if !(3..11).contains(&bits.left()) || bits.take(3) != Some(7) {
        return false;
    }
    let left = bits.left();
    bits.take(left) == Some(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::AacConfig;

    #[test]
    fn all_ways_to_signal_name_the_same_core() {
        // LC, 24 kHz, mono: alone; with the backward compatible extension; hierarchical; version 2.
        let plain = AacConfig::read(&[0x13, 0x08]).unwrap();
        assert_eq!((plain.rate, plain.channels, plain.sbr, plain.unsupported()), (24_000, Some(1), false, None));
        for bytes in [&[0x13, 0x08, 0x56, 0xe5, 0x98][..], &[0x2b, 0x09, 0x88, 0x00], &[0xeb, 0x09, 0x88, 0x00]] {
            let config = AacConfig::read(bytes).unwrap();
            assert_eq!(config, AacConfig { sbr: true, ..plain.clone() }, "{bytes:x?}");
            assert_eq!(*config.core(), [0x13, 0x08]);
        }
        // The extension may say that there is none.
        assert!(!AacConfig::read(&[0x14, 0x08, 0x56, 0xe5, 0x00]).unwrap().sbr);
    }

    #[test]
    fn a_rate_of_no_index_comes_back() {
        let config = AacConfig { object: 2, rate: 17_000, channels: Some(2), sbr: false, short_frames: false };
        assert_eq!(AacConfig::read(&config.core()).unwrap(), config);
    }

    #[test]
    fn other_kinds_are_named() {
        let named = |bytes: &[u8]| AacConfig::read(bytes).unwrap().unsupported().unwrap();
        assert_eq!(named(&[0x0c, 0x08]), "AAC Main");
        assert_eq!(named(&[0x11, 0xb0]), "AAC with 6 channels");
        assert_eq!(named(&[0x11, 0x94]), "AAC with frames of 960 samples");
        assert_eq!(named(&[0xf9, 0x46, 0x40, 0x00]), "xHE-AAC (USAC)");
    }
}
