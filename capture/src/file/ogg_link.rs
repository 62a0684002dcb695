//! One stream of sound in an ogg: headers, samples, where it begins and ends.

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known as codec;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use crate::error::Result;

use super::decoder::{Decoded, Decoder, Feed, malformed};
use super::opus::{self, OpusHead};

/// What a stream is, by its first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapping {
    Vorbis,
    Opus,
    Flac,
    /// Known, and not decoded here.
    Named(&'static str),
    Other,
}

impl Mapping {
    pub(super) fn of(first: &[u8]) -> Self {
        match first {
            [1, b'v', b'o', b'r', b'b', b'i', b's', ..] => Self::Vorbis,
            [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', ..] => Self::Opus,
            [0x7f, b'F', b'L', b'A', b'C', ..] => Self::Flac,
            [b'S', b'p', b'e', b'e', b'x', b' ', ..] => Self::Named("Speex"),
            [b'C', b'E', b'L', b'T', ..] => Self::Named("CELT"),
            [0x80, b't', b'h', b'e', b'o', b'r', b'a', ..] => Self::Named("Theora"),
            [b'O', b'V', b'P', b'8', b'0', ..] => Self::Named("VP8"),
            _ => Self::Other,
        }
    }
}

/// A stream that is decoded.
pub(super) struct Link {
    mapping: Mapping,
    /// Header packets so far that the decoder needs.
    headers: Vec<Vec<u8>>,
    /// Header packets that are still to come; none where the first packet of sound tells.
    headers_left: Option<u32>,
    decoder: Option<Decoder>,
    opus: Option<OpusHead>,
    /// Samples at the start that are the encoder's.
    pre_skip: u64,
    /// Samples per channel that were decoded of this stream.
    decoded: u64,
    /// Granule position of the first sample; told by the first page that a packet of sound ends on.
    start: Option<i64>,
}

impl Link {
    /// A stream that begins with the packet `first`; none where its rate is another one than that of the clip so far.
    ///
    /// # Errors
    /// [`crate::CaptureError::Malformed`].
    pub(super) fn new(feed: &mut Feed<'_>, mapping: Mapping, first: &[u8]) -> Result<Option<Self>> {
        let path = feed.path;
        let short = || malformed(path, "ogg", "the first packet of its stream is too short".to_owned());
        let number = |at: usize| Some(u32::from_le_bytes(first.get(at..at + 4)?.try_into().ok()?));
        let mut link = Self {
            mapping,
            headers: vec![first.to_vec()],
            headers_left: Some(1),
            decoder: None,
            opus: None,
            pre_skip: 0,
            decoded: 0,
            start: None,
        };
        let (rate, channels) = match mapping {
            Mapping::Opus => {
                let head = OpusHead::read(first).map_err(|reason| malformed(path, "ogg", reason))?;
                link.pre_skip = head.pre_skip;
                let channels = head.channels;
                link.opus = Some(head);
                (opus::RATE_HZ, channels)
            }
            Mapping::Vorbis => {
                link.headers_left = Some(2);
                (number(12).ok_or_else(short)?, usize::from(*first.get(11).ok_or_else(short)?))
            }
            _ => {
                // Version, count of headers, "fLaC", block header, STREAMINFO with the rate in 20 bits.
                link.headers_left = None;
                let &[a, b, c] = first.get(27..30).and_then(|bytes| bytes.first_chunk::<3>()).ok_or_else(short)?;
                (u32::from_be_bytes([0, a, b, c]) >> 4, usize::from(c >> 1 & 7) + 1)
            }
        };
        if feed.mixer.rate().is_some_and(|known| known != rate) {
            return Ok(None);
        }
        feed.mixer.next_stream(channels);
        Ok(Some(link))
    }

    /// Takes the packets that end on a page; `granule` counts the samples up to there, `ends`: it is the last page.
    ///
    /// # Errors
    /// Those of decoding.
    pub(super) fn page(&mut self, feed: &mut Feed<'_>, packets: Vec<Vec<u8>>, granule: i64, ends: bool) -> Result<()> {
        let mut sound = Vec::new();
        for packet in packets {
            // Muxers end a stream with an empty packet where nothing is left to say.
            if !packet.is_empty() && !self.header(feed, &packet)? {
                sound.push(packet);
            }
        }
        if sound.is_empty() {
            return Ok(());
        }
        if self.decoder.is_none() {
            self.decoder = Some(self.open(feed)?);
        }
        if self.start.is_some() || granule < 0 {
            for packet in sound {
                let decoded = self.decode(feed, packet)?;
                self.emit(feed, decoded, granule, ends)?;
            }
            return Ok(());
        }
        // The first page with sound: its granule tells where the stream begins once all of it is decoded.
        let mut first = Vec::new();
        let mut last = Decoded::default();
        for packet in sound {
            let decoded = self.decode(feed, packet)?;
            if decoded.frames > 0 {
                last = decoded;
            }
            first.append(&mut feed.mixer.scratch);
        }
        let frames = first.len() / last.channels.max(1);
        feed.mixer.scratch = first;
        let start = granule.saturating_sub_unsigned(self.decoded + frames as u64);
        // Fewer samples than were decoded: at the end of a stream of one page they are missing at its end, else before
        // its start.
        self.start = Some(if ends { start.max(0) } else { start });
        if start < 0 && !ends {
            self.pre_skip = self.pre_skip.max(start.unsigned_abs());
        }
        self.emit(feed, Decoded { frames, ..last }, granule, ends)
    }

    /// Whether `packet` is one of the headers.
    fn header(&mut self, feed: &Feed<'_>, packet: &[u8]) -> Result<bool> {
        match &mut self.headers_left {
            Some(0) => return Ok(false),
            Some(left) => *left -= 1,
            None if packet.first() == Some(&0xff) => {
                self.headers_left = Some(0);
                return Ok(false);
            }
            None => return Ok(true),
        }
        // Of Vorbis the third one, with the codebooks, is needed; comments are not.
        if self.mapping == Mapping::Vorbis && packet.first() == Some(&5) {
            self.headers.push(packet.to_vec());
        } else if self.mapping == Mapping::Vorbis && packet.first().is_none_or(|kind| kind % 2 == 0) {
            return Err(malformed(feed.path, "ogg", "a header of its stream is missing".to_owned()));
        }
        Ok(true)
    }

    fn open(&self, feed: &mut Feed<'_>) -> Result<Decoder> {
        if let Some(head) = &self.opus {
            return Decoder::opus(feed.path, head);
        }
        let mut params = AudioCodecParameters::new();
        if self.mapping == Mapping::Vorbis {
            params.for_codec(codec::CODEC_ID_VORBIS).with_extra_data(self.headers.concat().into());
        } else {
            let info = self.headers.first().and_then(|first| first.get(17..51)).unwrap_or_default();
            params.for_codec(codec::CODEC_ID_FLAC).with_extra_data(info.into());
        }
        feed.decoder(&params, true)
    }

    fn decode(&mut self, feed: &mut Feed<'_>, packet: Vec<u8>) -> Result<Decoded> {
        let packet = Packet::new(0, Timestamp::ZERO, Duration::ZERO, packet);
        match &mut self.decoder {
            Some(decoder) => feed.decode(decoder, &packet),
            None => Ok(Decoded::default()),
        }
    }

    /// Gives the mixer what counts of the samples in its scratch.
    fn emit(&mut self, feed: &mut Feed<'_>, decoded: Decoded, granule: i64, ends: bool) -> Result<()> {
        let before = self.decoded;
        self.decoded += decoded.frames as u64;
        let total = match self.start {
            Some(start) if ends && granule >= start => granule.abs_diff(start).max(self.pre_skip),
            _ => u64::MAX,
        };
        let part = |position: u64| usize::try_from(position.saturating_sub(before)).unwrap_or(usize::MAX);
        if decoded.frames == 0 {
            return Ok(());
        }
        feed.mixer.take_part(decoded.rate, decoded.channels, part(self.pre_skip)..part(total).min(decoded.frames))
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// [`crate::CaptureError::Damaged`] where its checksum does not hold.
    pub(super) fn finish(self, feed: &mut Feed<'_>) -> Result<()> {
        if self.decoder.is_none() && feed.mixer.rate().is_none() {
            return Err(malformed(feed.path, "ogg", "the file ends within its headers".to_owned()));
        }
        Ok(())
    }
}
