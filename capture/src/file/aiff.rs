//! AIFF and AIFF-C, and Sun's au.

use symphonia::core::codecs::audio::well_known as codec;

use crate::error::Result;

use super::decoder::{self, Feed, malformed};
use super::meter::read_error;
use super::pcm::{self, Layout, Numbers};
use super::riff::{Chunks, Dialect, OPEN};
use super::window::Window;

/// Decodes the AIFF in `file`.
///
/// # Errors
/// Those of reading and decoding; [`crate::CaptureError::Malformed`] without a format or samples.
pub(super) fn decode(feed: &mut Feed<'_>, mut file: Window) -> Result<()> {
    let path = feed.path;
    let io = |source| read_error(path, "aiff", source);
    let mut chunks = Chunks::new(Dialect::Aiff, 12);
    let (mut form, mut sound) = (None, None);
    while let Some(chunk) = chunks.next(&mut file).map_err(io)? {
        match &chunk.id {
            b"COMM" if form.is_none() => {
                form = Some(file.bytes_at(chunk.body, chunk.size.min(64) as usize).map_err(io)?);
            }
            b"SSND" if sound.is_none() => {
                let head = file.bytes_at(chunk.body, 4).map_err(io)?;
                let offset = head.try_into().map_or(0, u32::from_be_bytes);
                let start = chunk.body + 8 + u64::from(offset);
                let there = file.len().saturating_sub(start);
                // A size that was never filled in.
                let open = chunk.told <= 8 || chunk.told >= OPEN;
                let told = if open { there } else { chunk.told.saturating_sub(8 + u64::from(offset)) };
                if open && there > 0 {
                    feed.mixer.note("Its header does not tell how long it is; all there is is used.");
                } else if told > there {
                    feed.mixer.note(format!(
                        "The file is cut short: its header tells of {told} bytes of sound, {there} are there and are used."
                    ));
                }
                sound = Some((start, told.min(there)));
            }
            _ => (),
        }
    }
    let Some(form) = form else {
        return Err(malformed(path, "aiff", "it has no format chunk (COMM)".to_owned()));
    };
    let Some((start, len)) = sound else {
        return Err(malformed(path, "aiff", "it has no samples (SSND)".to_owned()));
    };
    let (layout, frames) = layout(&form)
        .ok_or_else(|| malformed(path, "aiff", "its format chunk (COMM) is cut short".to_owned()))?
        .map_err(|found| decoder::convert(path, found))?;
    let data = file.part(start, len).map_err(io)?;
    layout.decode(feed, data, Some(frames).filter(|frames| *frames > 0 && layout.frames == 1))
}

/// How the samples lie, and how many per channel; the name of what cannot be decoded here.
fn layout(form: &[u8]) -> Option<std::result::Result<(Layout, u64), String>> {
    let u16_at = |at: usize| Some(u16::from_be_bytes(form.get(at..at + 2)?.try_into().ok()?));
    let (channels, bits) = (u16_at(0)?, u16_at(6)?);
    let frames = u64::from(u32::from_be_bytes(form.get(2..6)?.try_into().ok()?));
    let rate = extended(form.get(8..18)?.try_into().ok()?);
    let width = u64::from(bits).div_ceil(8);
    let integers = |big| pcm::codec_of(Numbers::Signed, width, big).map(|codec| (codec, width, 1));
    let found = match form.get(18..22) {
        None | Some(b"NONE" | b"twos" | b"in24" | b"in32") => integers(true),
        Some(b"sowt") => integers(false),
        Some(b"raw ") => pcm::codec_of(Numbers::Unsigned, width, true).map(|codec| (codec, width, 1)),
        Some(b"fl32" | b"FL32") => Some((codec::CODEC_ID_PCM_F32BE, 4, 1)),
        Some(b"fl64" | b"FL64") => Some((codec::CODEC_ID_PCM_F64BE, 8, 1)),
        Some(b"alaw" | b"ALAW") => Some((codec::CODEC_ID_PCM_ALAW, 1, 1)),
        Some(b"ulaw" | b"ULAW") => Some((codec::CODEC_ID_PCM_MULAW, 1, 1)),
        Some(b"ima4") => Some((codec::CODEC_ID_ADPCM_IMA_QT, 34, 64)),
        Some(other) => return Some(Err(format!("codec {} in an aiff", other.escape_ascii()))),
    };
    let Some((codec, bytes, per_block)) = found else {
        return Some(Err(format!("aiff with samples of {bits} bits")));
    };
    let block = bytes * u64::from(channels);
    Some(Ok((Layout { codec, channels, rate, block, frames: per_block }, frames)))
}

/// An 80-bit float to whole hertz; zero where that cannot be told.
fn extended(bytes: [u8; 10]) -> u32 {
    let [a, b, mantissa @ ..] = bytes;
    let exponent = i32::from(u16::from_be_bytes([a, b]) & 0x7fff) - 16_383 - 63;
    let value = u64::from_be_bytes(mantissa) as f64 * 2_f64.powi(exponent);
    if value.is_finite() && value < f64::from(u32::MAX) { value.round() as u32 } else { 0 }
}

/// Decodes the au in `file`.
///
/// # Errors
/// As [`decode`].
pub(super) fn decode_au(feed: &mut Feed<'_>, mut file: Window) -> Result<()> {
    let path = feed.path;
    let head = file.bytes_at(0, 24).map_err(|source| read_error(path, "au", source))?;
    let number = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let fields = (number(4), number(8), number(12), number(16), number(20));
    let (Some(start), Some(told), Some(encoding), Some(rate), Some(channels)) = fields else {
        return Err(malformed(path, "au", "the file ends within its header".to_owned()));
    };
    let found = match encoding {
        1 => Some((codec::CODEC_ID_PCM_MULAW, 1)),
        27 => Some((codec::CODEC_ID_PCM_ALAW, 1)),
        2..=5 => pcm::codec_of(Numbers::Signed, u64::from(encoding - 1), true).map(|c| (c, u64::from(encoding - 1))),
        6 => Some((codec::CODEC_ID_PCM_F32BE, 4)),
        7 => Some((codec::CODEC_ID_PCM_F64BE, 8)),
        _ => None,
    };
    let Some((codec, bytes)) = found else {
        return Err(decoder::convert(path, format!("au with encoding {encoding}")));
    };
    let (start, told) = (u64::from(start), u64::from(told));
    let there = file.len().saturating_sub(start);
    if told < u64::from(u32::MAX) && told > there {
        feed.mixer.note(format!(
            "The file is cut short: its header tells of {told} bytes of sound, {there} are there and are used."
        ));
    }
    let len = if told == 0 { there } else { told.min(there) };
    let data = file.part(start, len).map_err(|source| read_error(path, "au", source))?;
    let channels = u16::try_from(channels).unwrap_or(u16::MAX);
    Layout { codec, channels, rate, block: bytes * u64::from(channels), frames: 1 }.decode(feed, data, None)
}

#[cfg(test)]
mod tests {
    use super::extended;

    #[test]
    fn rates_as_80_bit_floats() {
        assert_eq!(extended([0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0]), 44_100);
        assert_eq!(extended([0x40, 0x0b, 0xfa, 0, 0, 0, 0, 0, 0, 0]), 8_000);
        assert_eq!(extended([0x7f, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]), 0);
        assert_eq!(extended([0; 10]), 0);
    }
}
