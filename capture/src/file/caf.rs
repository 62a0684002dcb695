//! Apple's Core Audio Format.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known as codec;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use crate::error::Result;

use super::decoder::{self, Feed, malformed};
use super::meter::read_error;
use super::mixer::{Placement, Promised};
use super::pcm::{self, Layout, Numbers};
use super::window::Window;

/// The header of a file, and of a chunk.
const FILE_BYTES: u64 = 8;
const CHUNK_BYTES: u64 = 12;
/// The most chunks that are looked at; a file may hold nothing else, twelve bytes each.
const MAX_CHUNKS: u32 = 4096;
/// The edit count before the samples.
const DATA_BYTES: u64 = 4;
/// The largest packet accepted, in bytes.
const MAX_PACKET_BYTES: u64 = 1 << 20;
/// The largest table of packets and the largest set of parameters accepted, in bytes.
const MAX_TABLE_BYTES: u64 = 64 << 20;
const MAX_COOKIE_BYTES: u64 = 1 << 16;

/// What `desc` tells.
struct Description {
    rate: f64,
    format: [u8; 4],
    flags: u32,
    packet_bytes: u32,
    packet_frames: u32,
    channels: u32,
    bits: u32,
}

/// What `pakt` tells.
#[derive(Default)]
struct Table {
    packets: u64,
    valid_frames: u64,
    priming: u64,
    entries: Vec<u8>,
}

/// Decodes the CAF in `file`.
///
/// # Errors
/// Those of reading and decoding; [`crate::CaptureError::Malformed`] without a format or samples.
pub(super) fn decode(feed: &mut Feed<'_>, mut file: Window) -> Result<()> {
    let path = feed.path;
    let io = |source| read_error(path, "caf", source);
    let (mut description, mut table, mut cookie, mut data) = (None, Table::default(), Vec::new(), None);
    let mut at = FILE_BYTES;
    for _ in 0..MAX_CHUNKS {
        let head = file.bytes_at(at, CHUNK_BYTES as usize).map_err(io)?;
        let Some(&[a, b, c, d, size @ ..]) = head.first_chunk::<12>() else {
            break;
        };
        let told = i64::from_be_bytes(size);
        let body = at + CHUNK_BYTES;
        let there = file.len().saturating_sub(body);
        let id = [a, b, c, d];
        // Only the samples may have an open size, written as -1.
        let Ok(told) = u64::try_from(told) else {
            if id == *b"data" {
                feed.mixer.note("Its header does not tell how long it is; all there is is used.");
                data = Some((body, there));
            }
            break;
        };
        let size = told.min(there);
        let read = |file: &mut Window, limit: u64| file.bytes_at(body, size.min(limit) as usize).map_err(io);
        match &id {
            b"desc" => description = Description::read(&read(&mut file, 32)?),
            b"pakt" => table = Table::read(&read(&mut file, MAX_TABLE_BYTES)?),
            b"kuki" => cookie = read(&mut file, MAX_COOKIE_BYTES)?,
            b"data" => {
                if told > there {
                    feed.mixer.note(format!(
                        "The file is cut short: its header tells of {told} bytes of sound, {there} are there and are used."
                    ));
                }
                data = Some((body, size));
            }
            _ => (),
        }
        at = body + size;
    }
    let Some(description) = description else {
        return Err(malformed(path, "caf", "it has no description of its format (desc)".to_owned()));
    };
    let Some((start, len)) = data.filter(|(_, len)| *len >= DATA_BYTES) else {
        return Err(malformed(path, "caf", "it has no samples (data)".to_owned()));
    };
    let samples = file.part(start + DATA_BYTES, len - DATA_BYTES).map_err(io)?;
    match description.layout() {
        Some(layout) => layout.decode(feed, samples, Some(table.valid_frames).filter(|frames| *frames > 0)),
        None => packets(feed, &description, &table, &cookie, samples),
    }
}

impl Description {
    fn read(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        Some(Self {
            rate: f64::from_be_bytes(bytes.get(..8)?.try_into().ok()?),
            format: bytes.get(8..12)?.try_into().ok()?,
            flags: number(12)?,
            packet_bytes: number(16)?,
            packet_frames: number(20)?,
            channels: number(24)?,
            bits: number(28)?,
        })
    }

    fn rate(&self) -> u32 {
        if self.rate.is_finite() && self.rate > 0.0 { self.rate.round().min(f64::from(u32::MAX)) as u32 } else { 0 }
    }

    fn channels(&self) -> u16 {
        u16::try_from(self.channels).unwrap_or(u16::MAX)
    }

    /// How samples lie that need no packets.
    fn layout(&self) -> Option<Layout> {
        let (float, little) = (self.flags & 1 != 0, self.flags & 2 != 0);
        let bytes = match &self.format {
            // The packet tells the width, for 20 bits may lie in three bytes or four.
            b"lpcm" => u64::from(self.packet_bytes).checked_div(u64::from(self.channels))?,
            b"alaw" | b"ulaw" => 1,
            b"ima4" => 34,
            _ => return None,
        };
        let (codec, frames) = match &self.format {
            b"lpcm" => (pcm::codec_of(if float { Numbers::Float } else { Numbers::Signed }, bytes, !little)?, 1),
            b"alaw" => (codec::CODEC_ID_PCM_ALAW, 1),
            b"ulaw" => (codec::CODEC_ID_PCM_MULAW, 1),
            _ => (codec::CODEC_ID_ADPCM_IMA_QT, 64),
        };
        let block = bytes * u64::from(self.channels);
        Some(Layout { codec, channels: self.channels(), rate: self.rate(), block, frames })
    }
}

impl Table {
    fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes);
        let priming = bytes.get(16..20).and_then(|b| b.try_into().ok()).map_or(0, i32::from_be_bytes);
        Self {
            packets: number(0),
            valid_frames: number(8),
            priming: u64::try_from(priming).unwrap_or(0),
            entries: bytes.get(24..).unwrap_or_default().to_vec(),
        }
    }
}

/// Decodes sound in packets.
fn packets(
    feed: &mut Feed<'_>,
    description: &Description,
    table: &Table,
    cookie: &[u8],
    mut data: Window,
) -> Result<()> {
    let path = feed.path;
    let id = match &description.format {
        b"aac " | b"aach" | b"aacp" => codec::CODEC_ID_AAC,
        b"alac" => codec::CODEC_ID_ALAC,
        b"opus" => codec::CODEC_ID_OPUS,
        b".mp3" => codec::CODEC_ID_MP3,
        b"lpcm" => {
            return Err(decoder::convert(path, format!("PCM of {} bits in a caf", description.bits)));
        }
        other => return Err(decoder::convert(path, format!("codec {} in a caf", other.escape_ascii()))),
    };
    let rate = description.rate();
    let mut params = AudioCodecParameters::new();
    params.for_codec(id).with_sample_rate(rate).with_channels(Channels::Discrete(description.channels()));
    let extra = match id {
        codec::CODEC_ID_AAC => decoder_config(cookie).unwrap_or(cookie).to_vec(),
        codec::CODEC_ID_ALAC => alac_config(cookie).to_vec(),
        // Without a header of its own: as RFC 7845 would have it.
        codec::CODEC_ID_OPUS if !cookie.starts_with(b"OpusHead") => {
            let channels = description.channels.min(255) as u8;
            [&b"OpusHead\x01"[..], &[channels, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0]].concat()
        }
        _ => cookie.to_vec(),
    };
    if !extra.is_empty() {
        params.with_extra_data(extra.into());
    }
    let per_second = Some(rate).filter(|rate| *rate > 0);
    let valid = Some(table.valid_frames).filter(|frames| *frames > 0);
    feed.mixer.promise(valid.map(|frames| Promised {
        ticks: frames.saturating_add(table.priming),
        per_second,
        strict: false,
    }));
    feed.mixer.place(Placement { skip_s: table.priming as f64 / f64::from(rate.max(1)), ..Placement::default() });
    let mut decoder = feed.decoder(&params, false)?;
    let mut entries = table.entries.as_slice();
    let mut at = 0;
    let mut left = table.packets;
    while left > 0 {
        let mut size = u64::from(description.packet_bytes);
        if size == 0 {
            let Some(told) = number(&mut entries) else { break };
            size = told;
        }
        if description.packet_frames == 0 && number(&mut entries).is_none() {
            break;
        }
        if size == 0 || size > MAX_PACKET_BYTES {
            return Err(feed.mixer.damaged(format!("a packet of {size} bytes, expected 1 to {MAX_PACKET_BYTES}")));
        }
        let bytes = data.bytes_at(at, size as usize).map_err(|source| read_error(path, "caf", source))?;
        if (bytes.len() as u64) < size {
            break;
        }
        at += size;
        feed.take(&mut decoder, &Packet::new(0, Timestamp::ZERO, Duration::ZERO, bytes))?;
        left -= 1;
        if feed.mixer.is_full() {
            break;
        }
    }
    // Some programs count whole packets as valid, though the last one tells that it is shorter.
    if left == 0 {
        feed.mixer.promise(None);
    }
    Ok(())
}

/// A number of seven bits a byte, the highest first.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for _ in 0..9 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// ALAC's own parameters, without the atoms that older files have before and behind them.
fn alac_config(cookie: &[u8]) -> &[u8] {
    let mut config = cookie;
    for atom in [b"frma", b"alac"] {
        if config.get(4..8) == Some(atom.as_slice()) {
            config = config.get(12..).unwrap_or_default();
        }
    }
    // With a channel layout they are 48 bytes.
    if config.len() == 48 { config } else { config.get(..24).unwrap_or(config) }
}

/// The AudioSpecificConfig in an MPEG-4 descriptor (ISO 14496-1 section 7.2.6).
fn decoder_config(mut bytes: &[u8]) -> Option<&[u8]> {
    // Each holds the next one: ES (3), decoder (4), its own (5).
    for _ in 0..8 {
        let (&tag, mut rest) = bytes.split_first()?;
        let size = number(&mut rest)? as usize;
        bytes = match tag {
            3 => rest.get(3..)?,
            4 => rest.get(13..)?,
            5 => return rest.get(..size),
            _ => rest.get(size..)?,
        };
    }
    None
}
