//! Opus: its header (RFC 7845 section 5.1, also as mp4 stores it) and its decoder.

use opus_decoder::{OpusDecoder, OpusMultistreamDecoder};

/// The rate at which Opus comes out, whatever went in.
pub(super) const RATE_HZ: u32 = 48_000;
/// The longest packet: 120 ms.
const MAX_FRAMES: usize = 5760;

const MAGIC: &[u8] = b"OpusHead";

/// What an Opus header tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OpusHead {
    pub(super) channels: usize,
    /// Samples at the start that are the encoder's.
    pub(super) pre_skip: u64,
    /// Factor on every sample.
    gain: f32,
    streams: usize,
    coupled: usize,
    mapping: Vec<u8>,
}

impl OpusHead {
    /// Reads the header, with `OpusHead` before it: as Ogg and Matroska store it, or as mp4 does (version 0, big-endian).
    ///
    /// # Errors
    /// What is wrong with it, or not supported.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let short = || "its Opus header is too short".to_owned();
        let body = bytes.strip_prefix(MAGIC).ok_or_else(short)?;
        let (&[version, channels, s0, s1, _, _, _, _, g0, g1, family], rest) =
            body.split_first_chunk::<11>().ok_or_else(short)?;
        // The upper four bits are the major version.
        let (pre_skip, gain) = match version {
            0 => (u16::from_be_bytes([s0, s1]), i16::from_be_bytes([g0, g1])),
            1..16 => (u16::from_le_bytes([s0, s1]), i16::from_le_bytes([g0, g1])),
            other => return Err(format!("its Opus header has version {other}, expected 1")),
        };
        let channels = usize::from(channels);
        let (streams, coupled, mapping) = match family {
            0 if channels == 1 || channels == 2 => (1, channels - 1, vec![0, 1].into_iter().take(channels).collect()),
            0 => return Err(format!("its Opus header tells of {channels} channels, expected 1 or 2")),
            _ => {
                let (&[streams, coupled], table) = rest.split_first_chunk::<2>().ok_or_else(short)?;
                let table = table.get(..channels).ok_or_else(short)?;
                (usize::from(streams), usize::from(coupled), table.to_vec())
            }
        };
        if channels == 0 || streams == 0 || coupled > streams || streams + coupled > 255 {
            return Err(format!("its Opus header tells of {channels} channels in {streams} streams"));
        }
        if let Some(index) = mapping.iter().find(|index| **index != 255 && usize::from(**index) >= streams + coupled) {
            return Err(format!("its Opus header maps a channel to stream {index}, which there is not"));
        }
        // Q7.8 in dB.
        let gain = 10_f32.powf(f32::from(gain) / (20.0 * 256.0));
        Ok(Self { channels, pre_skip: u64::from(pre_skip), gain, streams, coupled, mapping })
    }
}

enum Inner {
    Single(Box<OpusDecoder>),
    Multi(Box<OpusMultistreamDecoder>),
}

/// A decoder of one Opus stream.
pub(super) struct Opus {
    inner: Inner,
    channels: usize,
    gain: f32,
    pcm: Vec<f32>,
}

impl Opus {
    /// # Errors
    /// What the library says.
    pub(super) fn new(head: &OpusHead) -> Result<Self, String> {
        let simple = head.streams == 1
            && head.coupled + 1 == head.channels
            && head.mapping.iter().copied().eq(0..head.channels as u8);
        let inner = if simple {
            Inner::Single(Box::new(OpusDecoder::new(RATE_HZ, head.channels).map_err(|e| e.to_string())?))
        } else {
            let decoder =
                OpusMultistreamDecoder::new(RATE_HZ, head.channels, head.streams, head.coupled, &head.mapping);
            Inner::Multi(Box::new(decoder.map_err(|e| e.to_string())?))
        };
        Ok(Self { inner, channels: head.channels, gain: head.gain, pcm: vec![0.0; MAX_FRAMES * head.channels] })
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Decodes `packet` into `out`, channels interleaved.
    ///
    /// # Errors
    /// What the library says.
    pub(super) fn decode(&mut self, packet: &[u8], out: &mut Vec<f32>) -> Result<(), String> {
        out.clear();
        // An empty packet stands for a lost one; nothing was said then.
        if packet.is_empty() {
            return Ok(());
        }
        let frames = match &mut self.inner {
            Inner::Single(decoder) => decoder.decode_float(packet, &mut self.pcm, false),
            Inner::Multi(decoder) => decoder.decode_float(packet, &mut self.pcm, false),
        };
        let frames = frames.map_err(|error| format!("Opus: {error}"))?;
        let pcm = self.pcm.get(..frames * self.channels).unwrap_or_default();
        if self.gain == 1.0 {
            out.extend_from_slice(pcm);
        } else {
            out.extend(pcm.iter().map(|sample| sample * self.gain));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::OpusHead;

    #[test]
    fn both_forms_of_the_header_say_the_same() {
        let ogg = OpusHead::read(b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\x01\0").unwrap();
        let mp4 = OpusHead::read(b"OpusHead\0\x02\x01\x38\0\0\xbb\x80\x01\0\0").unwrap();
        assert_eq!(ogg, mp4);
        assert_eq!((ogg.channels, ogg.pre_skip), (2, 312));
        assert!((ogg.gain - 10_f32.powf(0.05)).abs() < 1e-6);
    }

    #[test]
    fn headers_that_contradict_themselves_are_refused() {
        for bytes in [
            &b"OpusHead\x01\x03\x38\x01\x80\xbb\0\0\0\0\0"[..],
            b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\x01",
            b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\x01\x01\x02\0\x01",
            b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\x01\x01\x01\0\x07",
            b"OpusHead\x21\x02\x38\x01\x80\xbb\0\0\0\0\0",
            b"OpusHead\x01",
        ] {
            assert!(OpusHead::read(bytes).is_err(), "{bytes:?}");
        }
    }
}
