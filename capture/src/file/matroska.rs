//! Matroska and WebM: the sound in them.
//!
//! Browsers write these while they record: sizes and the length stay open, and a recording may end anywhere. So elements
//! are taken as they come.

use crate::error::{CaptureError, Result};

use super::convert as command;
use super::decoder::{Decoder, Feed, convert, malformed};
use super::ebml::{self, Ebml};
use super::matroska_track::{Kind, Track};
use super::meter::read_error;
use super::mixer::Placement;
use super::opus;
use super::window::Window;

use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

mod id {
    pub(super) const EBML: u32 = 0x1a45_dfa3;
    pub(super) const SEGMENT: u32 = 0x1853_8067;
    pub(super) const CLUSTER: u32 = 0x1f43_b675;
    pub(super) const TRACKS: u32 = 0x1654_ae6b;
    pub(super) const TRACK: u32 = 0xae;
    pub(super) const BLOCK_GROUP: u32 = 0xa0;
    pub(super) const BLOCK: u32 = 0xa1;
    pub(super) const SIMPLE_BLOCK: u32 = 0xa3;
    pub(super) const DISCARD: u32 = 0x75a2;
}

/// The largest table of tracks and the largest block accepted, in bytes.
const MAX_TRACKS_BYTES: u64 = 8 << 20;
const MAX_BLOCK_BYTES: u64 = 64 << 20;

/// A sound track that is decoded.
struct Stream {
    track: Track,
    decoder: Decoder,
    /// The frames of the block that was read last: what is to be left out of its end comes behind it.
    held: Vec<Vec<u8>>,
}

/// Decodes the sound in `file`.
///
/// # Errors
/// Those of reading and decoding; [`CaptureError::Convert`] where its sound cannot be decoded here, or there are pictures alone.
pub(super) fn decode(feed: &mut Feed<'_>, file: Window) -> Result<()> {
    let path = feed.path;
    let io = |source| read_error(path, "matroska", source);
    let cut = "The file ends within an element: it is cut short, or was never ended; what is before is used.";
    let mut ebml = Ebml::new(file);
    let mut stream: Option<Stream> = None;
    let (mut headers, mut told) = (0, 0);
    loop {
        feed.step();
        if ebml.left() == 0 {
            // Between two elements, where the one around them tells of more. Without sizes nobody can know.
            if told > ebml.at() {
                feed.mixer.note(cut);
            }
            break;
        }
        let Some(element) = ebml.next().map_err(io)? else {
            if ebml.left() > 0 && stream.is_some() {
                return Err(feed.mixer.damaged("no element where one must begin".to_owned()));
            }
            feed.mixer.note(cut);
            break;
        };
        // These are entered, and their size only tells where the file should end: elements in them are told by their names.
        match element.id {
            id::SEGMENT | id::CLUSTER | id::BLOCK_GROUP => {
                told = told.max(ebml.at().saturating_add(element.size.unwrap_or(0)));
                continue;
            }
            id::EBML => {
                headers += 1;
                if headers > 1 {
                    feed.mixer.note("It has several recordings one after the other; the first one is used.");
                    break;
                }
            }
            _ => (),
        }
        let Some(size) = element.size else {
            return Err(malformed(path, "Matroska", format!("element {:x} has no size", element.id)));
        };
        let wanted = matches!(element.id, id::TRACKS | id::BLOCK | id::SIMPLE_BLOCK | id::DISCARD);
        if !wanted {
            if !ebml.skip(size).map_err(io)? {
                feed.mixer.note(cut);
                break;
            }
            continue;
        }
        let limit = if element.id == id::TRACKS { MAX_TRACKS_BYTES } else { MAX_BLOCK_BYTES };
        if size > limit {
            let (path, unit) = (path.to_owned(), "bytes of one element");
            return Err(CaptureError::TooLarge { path, unit, found: size, limit });
        }
        let Some(bytes) = ebml.bytes(size).map_err(io)? else {
            feed.mixer.note(cut);
            break;
        };
        match (element.id, &mut stream) {
            (id::TRACKS, None) => stream = Some(open(feed, &bytes)?),
            (id::BLOCK | id::SIMPLE_BLOCK, Some(stream)) => {
                let Some(frames) = block(&stream.track, &bytes) else {
                    return Err(feed.mixer.damaged("a block breaks the rules".to_owned()));
                };
                if let Some(frames) = frames {
                    stream.flush(feed, 0)?;
                    stream.held = frames;
                }
            }
            (id::DISCARD, Some(stream)) => {
                // Signed nanoseconds; at the end of a block where positive.
                let negative = bytes.first().is_some_and(|first| *first >= 0x80);
                stream.flush(feed, if negative { 0 } else { ebml::unsigned(&bytes) })?;
            }
            _ => (),
        }
        if feed.mixer.is_full() {
            break;
        }
    }
    match stream {
        Some(mut stream) => stream.flush(feed, 0),
        None => Err(malformed(path, "Matroska", "no table of tracks".to_owned())),
    }
}

/// Chooses the sound track and opens its decoder.
fn open(feed: &mut Feed<'_>, tracks: &[u8]) -> Result<Stream> {
    let path = feed.path;
    let tracks: Vec<Track> =
        ebml::children(tracks).filter(|(id, _)| *id == id::TRACK).map(|(_, body)| Track::read(body)).collect();
    let pictures = tracks.iter().find(|track| track.kind == Kind::Picture);
    let sounds: Vec<&Track> = tracks.iter().filter(|track| track.kind == Kind::Sound).collect();
    let chosen = match feed.options.sound_track {
        Some(number) => {
            let found = (number as usize).checked_sub(1).and_then(|index| sounds.get(index)).copied();
            if found.is_none() && !sounds.is_empty() {
                let named = sounds.iter().zip(1..).map(|(track, number)| format!("{number} ({})", track.codec_name()));
                let found = named.collect::<Vec<String>>().join(", ");
                return Err(CaptureError::NoSuchTrack { path: path.to_owned(), wanted: number, found });
            }
            found
        }
        None => sounds.iter().find(|track| track.enabled).or_else(|| sounds.first()).copied(),
    };
    let Some(track) = chosen else {
        return Err(match pictures {
            Some(pictures) => CaptureError::Convert {
                path: path.to_owned(),
                found: format!("a Matroska or WebM film with {} and without sound", pictures.codec_name()),
                command: command::film(path),
            },
            None => CaptureError::NoMedia { path: path.to_owned() },
        });
    };
    if sounds.len() > 1 && feed.options.sound_track.is_none() {
        feed.mixer.note(format!(
            "It has {} sound tracks; the first one that is enabled is used (--sound-track chooses).",
            sounds.len()
        ));
    }
    if let Some(pictures) = pictures {
        feed.mixer.note(format!(
            "Its pictures ({} in Matroska or WebM) cannot be read; the sound alone is used. For a film with its pictures: {}",
            pictures.codec_name(),
            command::film(path)
        ));
    }
    if track.packed {
        return Err(convert(path, "Matroska with packed or encrypted blocks".to_owned()));
    }
    let params = track.params().map_err(|found| convert(path, found))?;
    let skip_s = if params.codec == symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS {
        feed.opus_head(&params)?.pre_skip as f64 / f64::from(opus::RATE_HZ)
    } else {
        track.delay_ns as f64 / 1e9
    };
    feed.mixer.place(Placement { skip_s, ..Placement::default() });
    let decoder = feed.decoder(&params, true)?;
    Ok(Stream { track: track.clone(), decoder, held: Vec::new() })
}

impl Stream {
    /// Decodes the block that was held, without the last `discard_ns` of it.
    fn flush(&mut self, feed: &mut Feed<'_>, discard_ns: u64) -> Result<()> {
        let frames = std::mem::take(&mut self.held);
        let last = frames.len().saturating_sub(1);
        for (index, data) in frames.into_iter().enumerate() {
            let duration = self.track.frames_in(data.len());
            let packet = Packet::new(0, Timestamp::ZERO, Duration::from(duration), data);
            let decoded = feed.decode(&mut self.decoder, &packet)?;
            let discard = if index == last { discard_ns as f64 / 1e9 * f64::from(decoded.rate) } else { 0.0 };
            let end = decoded.frames.saturating_sub(discard.round() as usize);
            feed.mixer.take_part(decoded.rate, decoded.channels, 0..end)?;
        }
        Ok(())
    }
}

/// The frames in a block (RFC 9559 section 10); `Some(None)` for one of another track, none for one that breaks the rules.
fn block(track: &Track, bytes: &[u8]) -> Option<Option<Vec<Vec<u8>>>> {
    let (number, rest) = ebml::vint(bytes, true)?;
    if number != track.number {
        return Some(None);
    }
    let (&[_, _, flags], mut rest) = rest.split_first_chunk::<3>()?;
    let lacing = flags >> 1 & 3;
    let mut sizes: Vec<usize> = Vec::new();
    if lacing != 0 {
        let (&count, tail) = rest.split_first()?;
        rest = tail;
        for index in 0..usize::from(count) {
            let size = match lacing {
                // Xiph's: sums of bytes, the last of them below 255.
                1 => {
                    let mut size = 0;
                    loop {
                        let (&byte, tail) = rest.split_first()?;
                        rest = tail;
                        size += usize::from(byte);
                        if byte < 255 {
                            break size;
                        }
                    }
                }
                // EBML's: the first size, then signed differences.
                3 => {
                    let before = rest.len();
                    let (value, tail) = ebml::vint(rest, true)?;
                    rest = tail;
                    let bytes = before - rest.len();
                    match sizes.last().filter(|_| index > 0) {
                        Some(previous) => {
                            let bias = (1_i64 << (7 * bytes - 1)) - 1;
                            let difference = i64::try_from(value).ok()? - bias;
                            usize::try_from(i64::try_from(*previous).ok()?.checked_add(difference)?).ok()?
                        }
                        None => usize::try_from(value).ok()?,
                    }
                }
                // All of one size.
                _ => rest.len() / (usize::from(count) + 1),
            };
            sizes.push(size);
        }
    }
    let mut frames = Vec::with_capacity(sizes.len() + 1);
    for size in sizes {
        let (frame, tail) = rest.split_at_checked(size)?;
        rest = tail;
        frames.push([&track.stripped, frame].concat());
    }
    frames.push([&track.stripped, rest].concat());
    Some(Some(frames))
}
