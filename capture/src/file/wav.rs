//! Wav and its relatives: RIFF, RF64, BW64, Sony Wave64.

use crate::error::Result;

use super::decoder::{self, Feed, malformed};
use super::frames;
use super::meter::read_error;
use super::pcm::{self, Layout, Numbers};
use super::riff::{Chunk, Chunks, Dialect, OPEN};
use super::window::Window;

use symphonia::core::codecs::audio::well_known as codec;

/// Bytes of a Wave64 file's `riff` and `wave`.
const WAVE64_BYTES: u64 = 40;

/// What `fmt ` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    tag: u16,
    channels: u16,
    rate: u32,
    block: u16,
    bits: u16,
}

impl Form {
    /// Reads the content of a `fmt ` chunk, a WAVEFORMATEX; none where it is too short.
    fn read(bytes: &[u8]) -> Option<Self> {
        let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let mut tag = u16_at(0)?;
        // The extensible form has the real one in the first bytes of its GUID.
        if tag == 0xfffe
            && let Some(real) = u16_at(24)
        {
            tag = real;
        }
        let rate = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
        Some(Self { tag, channels: u16_at(2)?, rate, block: u16_at(12)?, bits: u16_at(14).unwrap_or(0) })
    }

    /// How its samples lie; the name of what cannot be decoded here otherwise.
    fn layout(&self) -> std::result::Result<Layout, String> {
        let (channels, block) = (u64::from(self.channels), u64::from(self.block));
        // The block tells the width, for 20 bits may lie in three bytes or four; some writers leave it out.
        let bits = u64::from(self.bits).div_ceil(8);
        let bytes = if channels > 0 && block > 0 && block % channels == 0 { block / channels } else { bits };
        let plain = |codec, bytes: u64| Layout {
            codec,
            channels: self.channels,
            rate: self.rate,
            block: bytes * channels,
            frames: 1,
        };
        let blocks = |codec, head: u64, first: u64| {
            let data = block.checked_sub(head * channels).filter(|_| channels > 0 && self.bits == 4);
            let frames = data.map(|data| data * 2 / channels + first);
            frames
                .map(|frames| Layout { codec, channels: self.channels, rate: self.rate, block, frames })
                .ok_or_else(|| format!("ADPCM of {} bits in blocks of {block} bytes", self.bits))
        };
        match self.tag {
            1 => {
                let numbers = if bytes == 1 { Numbers::Unsigned } else { Numbers::Signed };
                let codec = pcm::codec_of(numbers, bytes, false);
                codec.map(|codec| plain(codec, bytes)).ok_or_else(|| format!("PCM of {} bits", self.bits))
            }
            3 => {
                let codec = pcm::codec_of(Numbers::Float, bytes, false);
                codec.map(|codec| plain(codec, bytes)).ok_or_else(|| format!("floats of {} bits", self.bits))
            }
            6 => Ok(plain(codec::CODEC_ID_PCM_ALAW, 1)),
            7 => Ok(plain(codec::CODEC_ID_PCM_MULAW, 1)),
            2 => blocks(codec::CODEC_ID_ADPCM_MS, 7, 2),
            0x11 => blocks(codec::CODEC_ID_ADPCM_IMA_WAV, 4, 1),
            tag => Err(tag_name(tag)),
        }
    }
}

/// The name of a codec in a wav.
fn tag_name(tag: u16) -> String {
    let name = match tag {
        0x08 | 0x2001 => "DTS",
        0x20 => "Yamaha ADPCM",
        0x22 => "TrueSpeech",
        0x31 => "GSM 6.10",
        0x40 | 0x45 | 0x64 => "G.726",
        0x42 => "G.723.1",
        0x50 => "MPEG audio layer 1 or 2",
        0x65 | 0x28f => "G.722",
        0x83 => "G.729",
        0xff | 0x1600 | 0x1610 | 0xa106 => "AAC",
        0x160..=0x163 => "WMA",
        0x270..=0x272 => "ATRAC",
        0x2000 => "AC-3",
        0x674f..=0x6751 | 0x676f..=0x6771 => "Vorbis",
        0x704f => "Opus",
        0xf1ac => "FLAC",
        0xa109 => "Speex",
        other => return format!("codec 0x{other:04x} in a wav"),
    };
    format!("{name} in a wav")
}

/// The layout of a WAVEFORMATEX that stands in another container; the name of what cannot be decoded here otherwise.
pub(super) fn layout_of(format: &[u8]) -> std::result::Result<Layout, String> {
    Form::read(format).ok_or_else(|| "a wav header that is cut short".to_owned())?.layout()
}

/// The parts of a wav that count.
struct Parts {
    form: Option<Form>,
    /// Where the samples are, and how many bytes.
    data: Option<(u64, u64)>,
    /// Samples per channel, from `fact` or `ds64`.
    samples: Option<u64>,
}

/// Decodes the wav in `file`.
///
/// # Errors
/// Those of reading and decoding; [`crate::CaptureError::Malformed`] without a format or samples.
pub(super) fn decode(feed: &mut Feed<'_>, mut file: Window) -> Result<()> {
    let parts = find(feed, &mut file)?;
    let Some(form) = parts.form else {
        return Err(malformed(feed.path, "wav", "it has no format chunk (fmt)".to_owned()));
    };
    let Some((start, len)) = parts.data else {
        return Err(malformed(feed.path, "wav", "it has no samples (data)".to_owned()));
    };
    let data = file.part(start, len).map_err(|source| read_error(feed.path, "wav", source))?;
    // A wav around an mp3, as telephone systems write them.
    if form.tag == 0x55 {
        return frames::decode(feed, data, frames::Kind::Mpeg);
    }
    let layout = form.layout().map_err(|found| decoder::convert(feed.path, found))?;
    if layout.rate == 0 {
        return Err(malformed(feed.path, "wav", "its sampling rate is 0 Hz".to_owned()));
    }
    // Only codecs in blocks have a last block that is longer than the sound.
    let samples = parts.samples.filter(|samples| layout.frames > 1 && *samples > 0);
    layout.decode(feed, data, samples)
}

fn find(feed: &mut Feed<'_>, file: &mut Window) -> Result<Parts> {
    let path = feed.path;
    let io = |source| read_error(path, "wav", source);
    let head = file.bytes_at(0, 12).map_err(io)?;
    let (mut chunks, wave64) = match head.get(..4) {
        Some(b"riff") => (Chunks::new(Dialect::Wave64, WAVE64_BYTES), true),
        _ => (Chunks::new(Dialect::Riff, 12), false),
    };
    let mut parts = Parts { form: None, data: None, samples: None };
    let mut large = None;
    while let Some(chunk) = chunks.next(file).map_err(io)? {
        match &chunk.id {
            b"fmt " if parts.form.is_none() => {
                let bytes = file.bytes_at(chunk.body, chunk.size.min(64) as usize).map_err(io)?;
                parts.form = Form::read(&bytes);
            }
            b"fact" => {
                let bytes = file.bytes_at(chunk.body, 4).map_err(io)?;
                let count = bytes.try_into().map(u32::from_le_bytes).ok();
                parts.samples = parts.samples.or(count.filter(|count| *count < u32::MAX).map(u64::from));
            }
            b"ds64" => {
                let bytes = file.bytes_at(chunk.body, 24).map_err(io)?;
                let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
                large = number(8);
                parts.samples = number(16);
            }
            b"data" if parts.data.is_none() => {
                let told = large.filter(|_| chunk.told >= u64::from(u32::MAX)).unwrap_or(chunk.told);
                let (size, goes_on) = data_size(feed, file, &chunks, chunk, told, wave64)?;
                parts.data = Some((chunk.body, size));
                if parts.form.is_some() || !goes_on {
                    break;
                }
            }
            _ => (),
        }
    }
    if chunks.searched {
        feed.mixer.note("A chunk of the file reaches beyond its end; the next one was found by its name.");
    }
    Ok(parts)
}

/// How many bytes of samples there are in a `data` chunk that tells of `told`; whether chunks follow.
fn data_size(
    feed: &mut Feed<'_>,
    file: &mut Window,
    chunks: &Chunks,
    chunk: Chunk,
    told: u64,
    wave64: bool,
) -> Result<(u64, bool)> {
    let path = feed.path;
    let io = |source| read_error(path, "wav", source);
    let there = file.len().saturating_sub(chunk.body);
    if told > there {
        if !wave64 && told >= OPEN && told <= u64::from(u32::MAX) {
            feed.mixer
                .note("Its header does not tell how long it is, as of a wav written to a pipe; all there is is used.");
        } else {
            feed.mixer.note(format!(
                "The file is cut short: its header tells of {told} bytes of sound, {there} are there and are used."
            ));
        }
        return Ok((there, false));
    }
    // Where what follows is no chunk, the size was written too early: before the recording was over.
    let follows = chunks.is_chunk(file, chunk.body + told).map_err(io)?;
    let rest = there - told;
    if !follows && (told == 0 || rest > told.max(4096)) {
        feed.mixer.note(format!(
            "Its header tells of {told} bytes of sound, and {there} are there, as after a recording that was not ended; all \
             are used."
        ));
        return Ok((there, false));
    }
    Ok((told, true))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Form, tag_name};

    fn form(tag: u16, channels: u16, block: u16, bits: u16) -> Form {
        Form { tag, channels, rate: 8_000, block, bits }
    }

    #[test]
    fn the_block_tells_the_width() {
        assert_eq!(form(1, 2, 8, 20).layout().unwrap().block, 8);
        assert_eq!(form(1, 2, 6, 20).layout().unwrap().block, 6);
        assert_eq!(form(1, 2, 0, 16).layout().unwrap().block, 4);
        assert_eq!(form(0x11, 1, 256, 4).layout().unwrap().frames, 505);
        assert_eq!(form(2, 2, 1024, 4).layout().unwrap().frames, 1012);
        assert!(form(0x11, 1, 2, 4).layout().is_err());
        assert!(form(3, 1, 2, 16).layout().is_err());
    }

    #[test]
    fn what_cannot_be_decoded_has_a_name() {
        assert_eq!(form(0x31, 1, 65, 0).layout().unwrap_err(), "GSM 6.10 in a wav");
        assert_eq!(tag_name(0x1234), "codec 0x1234 in a wav");
    }
}
