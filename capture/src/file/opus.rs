//! Opus: its header (RFC 7845 section 5.1, also as mp4 stores it) and its decoder.

use opus_decoder::OpusDecoder;

/// The rate at which Opus comes out, whatever went in.
pub(super) const RATE_HZ: u32 = 48_000;
/// Samples of the longest packet, 120 ms, and of the longest frame, 60 ms.
const MAX_PACKET: usize = 5760;
const MAX_FRAME: usize = 2880;
/// Bytes of the largest frame.
const MAX_FRAME_BYTES: usize = 1275;

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

/// A decoder of one Opus stream, or of several that are coded side by side.
///
/// Packets are taken apart here: the library takes 1500 bytes at most and knows no self-delimited packets.
pub(super) struct Opus {
    decoders: Vec<OpusDecoder>,
    /// How many of the first decoders have two channels.
    coupled: usize,
    /// Where each channel comes from, in the order of the decoders' channels; 255 is silence.
    mapping: Vec<u8>,
    gain: f32,
    /// Channels of the decoders, each for itself.
    planes: Vec<Vec<f32>>,
    pcm: Vec<f32>,
}

impl Opus {
    /// # Errors
    /// What the library says.
    pub(super) fn new(head: &OpusHead) -> Result<Self, String> {
        let decoders =
            (0..head.streams).map(|stream| OpusDecoder::new(RATE_HZ, 1 + usize::from(stream < head.coupled)));
        Ok(Self {
            decoders: decoders.collect::<Result<_, _>>().map_err(|error| error.to_string())?,
            coupled: head.coupled,
            mapping: head.mapping.clone(),
            gain: head.gain,
            planes: vec![Vec::new(); head.streams + head.coupled],
            pcm: vec![0.0; MAX_FRAME * 2],
        })
    }

    pub(super) fn channels(&self) -> usize {
        self.mapping.len()
    }

    /// Decodes `packet` into `out`, channels interleaved.
    ///
    /// # Errors
    /// What is wrong with the packet.
    pub(super) fn decode(&mut self, packet: &[u8], out: &mut Vec<f32>) -> Result<(), String> {
        out.clear();
        // An empty packet stands for a lost one; nothing was said then.
        if packet.is_empty() {
            return Ok(());
        }
        self.planes.iter_mut().for_each(Vec::clear);
        let mut planes = self.planes.iter_mut();
        let streams = self.decoders.len();
        let mut rest = packet;
        for (stream, decoder) in self.decoders.iter_mut().enumerate() {
            let (toc, frames) = split(&mut rest, stream + 1 < streams).ok_or("Opus: a packet breaks the rules")?;
            let mut own: Vec<&mut Vec<f32>> = planes.by_ref().take(1 + usize::from(stream < self.coupled)).collect();
            for frame in frames {
                // A packet of one frame.
                let single = [&[toc & 0xfc][..], frame].concat();
                let count =
                    decoder.decode_float(&single, &mut self.pcm, false).map_err(|error| format!("Opus: {error}"))?;
                for sample in self.pcm.chunks_exact(own.len().max(1)).take(count) {
                    own.iter_mut().zip(sample).for_each(|(plane, value)| plane.push(value * self.gain));
                }
            }
        }
        let frames = self.planes.first().map_or(0, Vec::len);
        if self.planes.iter().any(|plane| plane.len() != frames) {
            return Err("Opus: the streams of a packet differ in length".to_owned());
        }
        let sources: Vec<&[f32]> = self
            .mapping
            .iter()
            .map(|index| self.planes.get(usize::from(*index)).map_or(&[][..], Vec::as_slice))
            .collect();
        out.reserve(frames * sources.len());
        for at in 0..frames {
            out.extend(sources.iter().map(|source| source.get(at).copied().unwrap_or(0.0)));
        }
        Ok(())
    }
}

/// Takes a packet off the front of `rest`: its first byte and its frames (RFC 6716 section 3.2). One that is
/// `delimited` tells its last length too (appendix B); any other takes all there is.
fn split<'a>(rest: &mut &'a [u8], delimited: bool) -> Option<(u8, Vec<&'a [u8]>)> {
    let (&toc, mut body) = rest.split_first()?;
    let (mut count, mut variable, mut padding) = (1, false, 0);
    match toc & 3 {
        0 => (),
        1 => count = 2,
        2 => (count, variable) = (2, true),
        _ => {
            let (&flags, tail) = body.split_first()?;
            body = tail;
            (count, variable) = (usize::from(flags & 0x3f), flags & 0x80 != 0);
            let mut more = flags & 0x40 != 0;
            while more {
                let (&byte, tail) = body.split_first()?;
                body = tail;
                more = byte == 255;
                padding += usize::from(byte) - usize::from(more);
            }
        }
    }
    if count == 0 || count * frame_samples(toc) > MAX_PACKET {
        return None;
    }
    let told = if variable { count - 1 } else { 0 } + usize::from(delimited);
    let mut sizes = (0..told).map(|_| length(&mut body)).collect::<Option<Vec<usize>>>()?;
    if !variable && delimited {
        sizes = vec![*sizes.first()?; count];
    } else if !delimited {
        let left = body.len().checked_sub(padding)?.checked_sub(sizes.iter().sum())?;
        let open = count - sizes.len();
        if left % open != 0 {
            return None;
        }
        sizes.resize(count, left / open);
    }
    let mut frames = Vec::with_capacity(count);
    for size in sizes {
        let (frame, tail) = body.split_at_checked(size).filter(|_| size <= MAX_FRAME_BYTES)?;
        frames.push(frame);
        body = tail;
    }
    *rest = body.get(padding..)?;
    Some((toc, frames))
}

/// A frame's length in one or two bytes.
fn length(bytes: &mut &[u8]) -> Option<usize> {
    let (&first, tail) = bytes.split_first()?;
    *bytes = tail;
    if first < 252 {
        return Some(usize::from(first));
    }
    let (&second, tail) = tail.split_first()?;
    *bytes = tail;
    Some(usize::from(first) + 4 * usize::from(second))
}

/// Samples of each frame of a packet that begins with `toc`.
fn frame_samples(toc: u8) -> usize {
    let (config, step) = (toc >> 3, usize::from(toc >> 3 & 3));
    match config {
        16.. => 120 << step,
        12..16 => 480 << (step & 1),
        _ if step == 3 => MAX_FRAME,
        _ => 480 << step,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{OpusHead, frame_samples, split};

    /// Packets of every code, taken apart by hand.
    #[test]
    fn packets_are_taken_apart() {
        let taken = |bytes: &[u8], delimited: bool| {
            let mut rest = bytes;
            let (toc, frames) = split(&mut rest, delimited)?;
            Some((toc, frames.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>(), rest.len()))
        };
        assert_eq!(taken(&[8, 1, 2], false), Some((8, vec![vec![1, 2]], 0)));
        assert_eq!(taken(&[8, 1, 1, 2], true), Some((8, vec![vec![1]], 1)));
        assert_eq!(taken(&[9, 1, 2, 3, 4], false), Some((9, vec![vec![1, 2], vec![3, 4]], 0)));
        assert_eq!(taken(&[9, 1, 2, 3, 4], true), Some((9, vec![vec![2], vec![3]], 1)));
        assert_eq!(taken(&[9, 1, 2, 3], false), None);
        assert_eq!(taken(&[10, 1, 2, 3, 4], false), Some((10, vec![vec![2], vec![3, 4]], 0)));
        assert_eq!(taken(&[10, 1, 2, 2, 3, 4, 5], true), Some((10, vec![vec![2], vec![3, 4]], 1)));
        // Three frames of one length with two bytes of padding; of different lengths.
        assert_eq!(taken(&[11, 0x43, 2, 1, 2, 3, 0, 0], false), Some((11, vec![vec![1], vec![2], vec![3]], 0)));
        assert_eq!(taken(&[11, 0x43, 1, 1, 1, 2, 3, 0, 7], true), Some((11, vec![vec![1], vec![2], vec![3]], 1)));
        assert_eq!(taken(&[11, 0x83, 0, 1, 2, 3, 4], false), Some((11, vec![vec![], vec![2], vec![3, 4]], 0)));
        assert_eq!(taken(&[11, 0], false), None);
        // 120 ms are two frames of 60 ms, not three.
        assert!(taken(&[27, 2], false).is_some() && taken(&[27, 3], false).is_none());
        let samples = [0, 3, 11, 12, 13, 15, 16, 19, 31].map(|config: u8| frame_samples(config << 3));
        assert_eq!(samples, [480, 2880, 2880, 480, 960, 960, 120, 960, 960]);
        for len in 0..6 {
            assert!(taken(&[11, 0xff, 255, 255, 255][..len.min(5)], true).is_none());
        }
    }

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
