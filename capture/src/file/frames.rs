//! Sound whose frames follow each other without a container: FLAC, mp3, AAC in ADTS.

use std::io::{self, ErrorKind};

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known as codec;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::{Hint, Probe, ProbeOptions};
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::default::formats;

use crate::error::Result;

use super::decoder::{Feed, codec_name, convert, malformed};
use super::meter::{Metered, read_error};
use super::mixer::Promised;
use super::window::Window;

/// Markers stand in the first bytes; anything further in would be a chance hit.
const PROBE_BYTES: u32 = 16;
/// How far the first frames are looked for: behind what is left of one that the recording began within, or behind a tag of an
/// unknown kind.
pub(super) const SEARCH_BYTES: usize = 1 << 16;
/// Frames that must follow each other to be believed.
const CHAIN: usize = 3;

/// Bytes of a frame's header.
const HEADER_BYTES: usize = 7;

/// Which frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Flac,
    /// MPEG audio or ADTS.
    Mpeg,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Flac => "flac",
            Self::Mpeg => "mp3 or aac",
        }
    }
}

/// Decodes the frames in `file`.
///
/// # Errors
/// Those of reading and decoding.
pub(super) fn decode(feed: &mut Feed<'_>, mut file: Window, kind: Kind) -> Result<()> {
    let path = feed.path;
    if kind == Kind::Mpeg {
        let head = file.bytes_at(0, SEARCH_BYTES).map_err(|source| read_error(path, "symphonia", source))?;
        match first_frames(&head) {
            Some(0) => (),
            Some(start) => {
                feed.mixer.note(format!("The first {start} bytes are no whole frames of sound; they are left out."));
                let len = file.len() - start as u64;
                file = file.part(start as u64, len).map_err(|source| read_error(path, "symphonia", source))?;
            }
            // Fewer than three frames, or damage: the reader tells.
            None => (),
        }
        let start = file.bytes_at(0, HEADER_BYTES).map_err(|source| read_error(path, "symphonia", source))?;
        match layer(&start) {
            Some(1) => return Err(convert(path, codec_name(codec::CODEC_ID_MP1))),
            Some(2) => return Err(convert(path, codec_name(codec::CODEC_ID_MP2))),
            _ => (),
        }
    }
    let mut reader = open(feed, file, kind)?;
    let Some(track) = reader.first_track(TrackType::Audio).cloned() else {
        return Err(malformed(path, kind.name(), "no sound track".to_owned()));
    };
    let Some(CodecParameters::Audio(params)) = &track.codec_params else {
        return Err(convert(path, "sound of an unknown codec".to_owned()));
    };
    // The count of bare frames is an estimate, unless a LAME header wrote it down: the mp3 reader guesses it from the bit
    // rate, and gapless decoding would cut the clip there.
    let lame_header = track.delay.is_some();
    let counted = kind == Kind::Flac;
    let ticks = track.num_frames.filter(|count| *count > 0 && (counted || lame_header));
    feed.mixer.promise(ticks.map(|ticks| Promised { ticks, per_second: None, strict: false }));
    let mut decoder = feed.decoder(params, params.codec != codec::CODEC_ID_MP3 || lame_header)?;
    loop {
        match reader.next_packet() {
            Ok(Some(packet)) if packet.track_id == track.id => {
                if counted && u64::try_from(packet.pts.get()).ok() != Some(feed.mixer.decoded) {
                    return Err(feed.mixer.damaged("samples are missing".to_owned()));
                }
                feed.take(&mut decoder, &packet)?;
            }
            Ok(Some(_)) => (),
            Ok(None) => break,
            Err(SymphoniaError::IoError(error)) if is_end(&error) => {
                feed.mixer.note("The file ends within a frame: it is cut short; what is before is used.");
                break;
            }
            Err(SymphoniaError::IoError(source)) => return Err(read_error(path, "symphonia", source)),
            Err(error) => return Err(feed.mixer.damaged(error.to_string())),
        }
    }
    let checksum = decoder.checksum_holds();
    feed.checksum = checksum;
    Ok(())
}

fn is_end(error: &io::Error) -> bool {
    error.kind() == ErrorKind::UnexpectedEof
}

fn open(feed: &Feed<'_>, file: Window, kind: Kind) -> Result<Box<dyn FormatReader>> {
    // Only readers of the format that the first bytes tell: inside other files their markers come up by chance.
    let mut probe = Probe::new_with_options(&ProbeOptions { max_probe_depth: PROBE_BYTES, ..Default::default() });
    match kind {
        Kind::Flac => probe.register_format::<formats::FlacReader<'_>>(),
        Kind::Mpeg => {
            probe.register_format::<formats::AdtsReader<'_>>();
            probe.register_format::<formats::MpaReader<'_>>();
        }
    }
    let len = file.len();
    let stream = MediaSourceStream::new(Box::new(Metered::new(file, len)), Default::default());
    let options = FormatOptions::default();
    probe.probe(&Hint::new(), stream, options, MetadataOptions::default()).map_err(|error| match error {
        SymphoniaError::IoError(e) if is_end(&e) => {
            malformed(feed.path, kind.name(), "the file ends within its header".to_owned())
        }
        SymphoniaError::IoError(source) => read_error(feed.path, "symphonia", source),
        other => malformed(feed.path, kind.name(), other.to_string()),
    })
}

/// Where the first frames begin of which three follow each other; none where there are none in `bytes`.
pub(super) fn first_frames(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len().saturating_sub(4)).find(|start| {
        let (mut at, mut kind) = (*start, None);
        for _ in 0..CHAIN {
            let Some((this, len)) = bytes.get(at..).and_then(frame) else {
                return false;
            };
            if kind.is_some_and(|kind| kind != this) {
                return false;
            }
            kind = Some(this);
            at += len;
        }
        true
    })
}

/// What stays the same from frame to frame, and the length of the frame at the start of `bytes`.
fn frame(bytes: &[u8]) -> Option<(u32, usize)> {
    adts_frame(bytes).or_else(|| mpeg_frame(bytes))
}

/// An ADTS frame (ISO 14496-3 table 1.A.5).
fn adts_frame(bytes: &[u8]) -> Option<(u32, usize)> {
    let &[0xff, second, third, fourth, fifth, sixth, _] = bytes.first_chunk::<7>()? else {
        return None;
    };
    // Twelve bits of sync word, layer zero; rates of an index.
    if second & 0xf6 != 0xf0 || third >> 2 & 15 > 12 {
        return None;
    }
    let len = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
    let same = u32::from(second) << 16 | u32::from(third & 0xfd) << 8 | u32::from(fourth & 0xc0);
    (len > 7).then_some((same, len))
}

/// A frame of MPEG audio layer 3 (ISO 11172-3 section 2.4.2.3), or of the layers that are named but not decoded.
fn mpeg_frame(bytes: &[u8]) -> Option<(u32, usize)> {
    const V1: [[u32; 16]; 3] = [
        [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 0],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0],
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0],
    ];
    const V2: [[u32; 16]; 3] = [
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256, 0],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
    ];
    let &[0xff, second, third, _] = bytes.first_chunk::<4>()? else {
        return None;
    };
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    if second & 0xe0 != 0xe0 || version == 1 || layer == 0 {
        return None;
    }
    let first = version == 3;
    // Layer 1 is 3 here.
    let layer = usize::from(3 - layer);
    let kilobits = *(if first { V1 } else { V2 }).get(layer)?.get(usize::from(third >> 4))?;
    let rate = *[44_100, 48_000, 32_000, 0].get(usize::from(third >> 2 & 3))?;
    // MPEG 2 halves the rate, 2.5 quarters it.
    let rate = rate >> [2, 0, 1, 0].get(usize::from(version))?;
    if kilobits == 0 || rate == 0 {
        return None;
    }
    let padding = u32::from(third >> 1 & 1);
    let len = match layer {
        0 => (12_000 * kilobits / rate + padding) * 4,
        2 if !first => 72_000 * kilobits / rate + padding,
        _ => 144_000 * kilobits / rate + padding,
    };
    Some((u32::from(second) << 8 | u32::from(third & 0x0c), len as usize))
}

/// The layer of the frame of MPEG audio at the start of `bytes`; none where there is none, or AAC.
fn layer(bytes: &[u8]) -> Option<u8> {
    if adts_frame(bytes).is_some() {
        return None;
    }
    mpeg_frame(bytes)?;
    bytes.get(1).map(|second| 4 - (second >> 1 & 3))
}

#[cfg(test)]
mod tests {
    use super::{first_frames, frame, layer};

    #[test]
    fn lengths_of_frames() {
        // 128 kbit/s at 44.1 kHz, with padding and without; MPEG 2 at 22.05 kHz; ADTS.
        assert_eq!(frame(&[0xff, 0xfb, 0x90, 0x00]).map(|f| f.1), Some(417));
        assert_eq!(frame(&[0xff, 0xfb, 0x92, 0x00]).map(|f| f.1), Some(418));
        assert_eq!(frame(&[0xff, 0xf3, 0x80, 0x00]).map(|f| f.1), Some(208));
        assert_eq!(frame(&[0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc]).map(|f| f.1), Some(16));
        assert_eq!(frame(&[0xff, 0xfb, 0xf0, 0x00]), None);
        assert_eq!(frame(&[0xff, 0xd8, 0xff, 0xe0]), None);
        let layers = [[0xff, 0xfb], [0xff, 0xfd], [0xff, 0xff]].map(|[a, b]| layer(&[a, b, 0x90, 0, 0, 0, 0]));
        assert_eq!(layers, [Some(3), Some(2), Some(1)]);
        assert_eq!(layer(&[0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc]), None);
    }

    #[test]
    fn three_frames_are_believed_and_two_are_not() {
        let frame: Vec<u8> = [&[0xff, 0xfb, 0x90, 0x00][..], &[7; 413]].concat();
        let junk = [0xff, 0xfb, 0x90, 1, 2, 3];
        assert_eq!(first_frames(&[&junk[..], &frame, &frame, &frame].concat()), Some(junk.len()));
        assert_eq!(first_frames(&[&junk[..], &frame, &frame].concat()), None);
    }
}
