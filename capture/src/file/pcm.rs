//! Sound that lies in a file block by block, without packets: PCM, A-law, mu-law, ADPCM.

use std::io::Read;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known as codec;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use crate::error::Result;

use super::decoder::Feed;
use super::meter::read_error;
use super::mixer::{MAX_CHANNELS, Promised};
use super::window::Window;

/// What is decoded at once, in samples per channel.
const FRAMES: u64 = 4096;

/// How samples lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) codec: AudioCodecId,
    pub(super) channels: u16,
    pub(super) rate: u32,
    /// Bytes of a block, all channels together.
    pub(super) block: u64,
    /// Samples per channel in a block: one for PCM.
    pub(super) frames: u64,
}

/// Numbers of a width and an order of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    Unsigned,
    Signed,
    Float,
}

/// The codec of samples of `bytes` each; none where there is none.
pub(super) fn codec_of(numbers: Numbers, bytes: u64, big_endian: bool) -> Option<AudioCodecId> {
    Some(match (numbers, bytes, big_endian) {
        (Numbers::Unsigned, 1, _) => codec::CODEC_ID_PCM_U8,
        (Numbers::Signed, 1, _) => codec::CODEC_ID_PCM_S8,
        (Numbers::Signed, 2, false) => codec::CODEC_ID_PCM_S16LE,
        (Numbers::Signed, 3, false) => codec::CODEC_ID_PCM_S24LE,
        (Numbers::Signed, 4, false) => codec::CODEC_ID_PCM_S32LE,
        (Numbers::Float, 4, false) => codec::CODEC_ID_PCM_F32LE,
        (Numbers::Float, 8, false) => codec::CODEC_ID_PCM_F64LE,
        (Numbers::Signed, 2, true) => codec::CODEC_ID_PCM_S16BE,
        (Numbers::Signed, 3, true) => codec::CODEC_ID_PCM_S24BE,
        (Numbers::Signed, 4, true) => codec::CODEC_ID_PCM_S32BE,
        (Numbers::Float, 4, true) => codec::CODEC_ID_PCM_F32BE,
        (Numbers::Float, 8, true) => codec::CODEC_ID_PCM_F64BE,
        _ => return None,
    })
}

/// Whether packets of the codec may be joined and cut anywhere between two samples.
pub(super) fn is_plain(id: AudioCodecId) -> bool {
    (codec::CODEC_ID_PCM_S32LE..=codec::CODEC_ID_PCM_MULAW).contains(&id)
}

impl Layout {
    /// The decoder's parameters.
    pub(super) fn params(&self) -> AudioCodecParameters {
        let mut params = AudioCodecParameters::new();
        params
            .for_codec(self.codec)
            .with_sample_rate(self.rate)
            .with_channels(Channels::Discrete(self.channels))
            .with_max_frames_per_packet(self.frames.max(FRAMES))
            .with_frames_per_block(self.frames);
        params
    }

    /// Samples per channel in `bytes`.
    fn frames_in(&self, bytes: u64) -> u64 {
        (bytes / self.block.max(1)).saturating_mul(self.frames)
    }

    /// Decodes all of `data`; of `frames` samples per channel where the file tells that fewer count.
    ///
    /// # Errors
    /// [`crate::CaptureError::Malformed`] for an impossible layout; those of reading and decoding.
    pub(super) fn decode(&self, feed: &mut Feed<'_>, data: Window, frames: Option<u64>) -> Result<()> {
        if self.channels == 0 || usize::from(self.channels) > MAX_CHANNELS {
            let reason = format!("it has {} channels, expected 1 to {MAX_CHANNELS}", self.channels);
            return Err(super::decoder::malformed(feed.path, "sound", reason));
        }
        if self.block == 0 || self.frames == 0 {
            return Err(super::decoder::malformed(feed.path, "sound", "its blocks are empty".to_owned()));
        }
        let there = self.frames_in(data.len());
        let ticks = frames.map_or(there, |frames| frames.min(there));
        feed.mixer.promise(Some(Promised { ticks, per_second: None, strict: true }));
        let mut decoder = feed.decoder(&self.params(), false)?;
        let mut data = data;
        let step = (FRAMES / self.frames).max(1);
        let mut left = data.len() / self.block;
        while left > 0 && !feed.mixer.is_full() {
            let blocks = left.min(step);
            left -= blocks;
            let mut bytes = vec![0; (blocks * self.block) as usize];
            data.read_exact(&mut bytes).map_err(|source| read_error(feed.path, "symphonia", source))?;
            let packet = Packet::new(0, Timestamp::ZERO, Duration::from(blocks * self.frames), bytes);
            feed.take(&mut decoder, &packet)?;
        }
        Ok(())
    }
}
