//! Films: mp4 and its relatives.

mod boxes;
mod edits;
mod film;
mod h264;
mod rgb;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use re_mp4::{Mp4, Sample, StsdBoxContent, Track, TrakBox};

use crate::audio::AudioClip;
use crate::error::{CaptureError, Result};

use super::guard::guarded;
use super::meter::Metered;
use super::mixer::Placement;
use super::sound::{self, Mp4Track};
use super::{Media, Pictures, ReadOptions};

pub(crate) use boxes::View;
use edits::Edit;
pub(crate) use film::Film;
pub(crate) use h264::FilmFrames;
use rgb::Rotation;

/// What can be decoded, for messages.
const SUPPORTED_PICTURES: &str = "H.264 with 8 bits and 4:2:0 (Baseline, Main or High)";
/// The largest packet of sound accepted; a block of 64 channels of AAC takes 48 KiB at most.
const MAX_PACKET_BYTES: u64 = 1 << 20;

/// Reads the mp4 at `path`, `len` bytes long, opened at its start.
pub(crate) fn open(path: &Path, file: File, len: u64, options: &ReadOptions) -> Result<Media> {
    let hidden = boxes::check(path, file, len)?;
    let view = View::open(path, &hidden, len)?;
    let own = path.to_owned();
    let mp4 = guarded(path, "re_mp4", options, move || {
        Mp4::read(BufReader::new(Metered::new(view, len)), len).map_err(|error| CaptureError::Malformed {
            path: own,
            format: "mp4",
            reason: error.to_string(),
        })
    })?;
    let mut notes = Vec::new();
    // Pictures first: the reader of sound takes the boxes of a picture codec that it does not know for damage.
    let pictures = match find_track(&mp4, b"vide", "picture", &mut notes) {
        Some((trak, track)) => Some(Pictures::film(film_of(path, len, &mp4, trak, track, &mut notes)?)),
        None => None,
    };
    let audio = match find_track(&mp4, b"soun", "sound", &mut notes) {
        Some((trak, track)) => {
            Some(sound_of(path, View::open(path, &hidden, len)?, len, &mp4, trak, track, &mut notes, options)?)
        }
        None => None,
    };
    if audio.is_none() && pictures.is_none() {
        return Err(CaptureError::NoMedia { path: path.to_owned() });
    }
    Ok(Media { path: path.to_owned(), audio, pictures, notes })
}

/// The first track of a kind that has samples.
fn find_track<'a>(
    mp4: &'a Mp4,
    handler: &[u8; 4],
    kind: &str,
    notes: &mut Vec<String>,
) -> Option<(&'a TrakBox, &'a Track)> {
    let mut tracks = mp4
        .moov
        .traks
        .iter()
        .filter(|trak| trak.mdia.hdlr.handler_type.value == *handler)
        .filter_map(|trak| Some((trak, mp4.tracks().get(&trak.tkhd.track_id)?)))
        .filter(|(_, track)| !track.samples.is_empty());
    let found = tracks.next()?;
    if tracks.next().is_some() {
        notes.push(format!("It has several {kind} tracks; the first one is used."));
    }
    if Edit::first_of(found.0).more {
        notes.push(format!("The edit list of its {kind} track has several parts; the track is read in one piece."));
    }
    Some(found)
}

fn sound_of(
    path: &Path,
    view: View,
    len: u64,
    mp4: &Mp4,
    trak: &TrakBox,
    track: &Track,
    notes: &mut Vec<String>,
    options: &ReadOptions,
) -> Result<AudioClip> {
    check_packets(path, len, &track.samples)?;
    let edit = Edit::first_of(trak);
    let (movie, media) = (f64::from(mp4.moov.mvhd.timescale.max(1)), track.timescale.max(1) as f64);
    let placement = Placement {
        lead_s: edit.lead as f64 / movie,
        skip_s: edit.start as f64 / media,
        // The movie's clock is coarse; a length that reaches the track's end within a tick of it cuts nothing.
        play_s: edit.length.map(|length| length as f64 / movie).filter(|play_s| {
            let track_s = track.duration.saturating_sub(edit.start) as f64 / media;
            play_s + 1.0 / movie < track_s
        }),
    };
    if placement.lead_s > 0.0 {
        notes.push(format!("Its sound starts {:.3} s late; silence stands before it.", placement.lead_s));
    }
    let open = |source| CaptureError::Io { path: path.to_owned(), action: "open it", source };
    let file = File::open(path).map_err(open)?;
    let sound = Mp4Track {
        id: trak.tkhd.track_id,
        codec: codec_name(&trak.mdia.minf.stbl.stsd.contents),
        samples: track.samples.iter().map(|sample| (sample.offset, sample.size)).collect(),
        placement,
        timescale: u32::try_from(track.timescale).unwrap_or(u32::MAX),
    };
    let sound = sound::decode_mp4_track(path, view, file, len, sound, options)?;
    notes.extend(sound.notes);
    Ok(sound.clip)
}

fn film_of(path: &Path, len: u64, mp4: &Mp4, trak: &TrakBox, track: &Track, notes: &mut Vec<String>) -> Result<Film> {
    let StsdBoxContent::Avc1(avc) = &trak.mdia.minf.stbl.stsd.contents else {
        return Err(CaptureError::UnsupportedCodec {
            path: path.to_owned(),
            codec: codec_name(&trak.mdia.minf.stbl.stsd.contents),
            supported: SUPPORTED_PICTURES,
        });
    };
    let film = Film::new(path, len, mp4, trak, track, avc)?;
    let matrix = &trak.tkhd.matrix;
    match Rotation::from_matrix([matrix.a, matrix.b, matrix.c, matrix.d]) {
        Some(rotation) => Ok(film.rotated(rotation)),
        None => {
            notes.push("Its pictures are stored mirrored or skewed; they are read as stored.".to_owned());
            Ok(film)
        }
    }
}

/// The name of a track's codec.
fn codec_name(contents: &StsdBoxContent) -> String {
    match contents {
        StsdBoxContent::Av01(_) => "AV1".to_owned(),
        StsdBoxContent::Avc1(_) => "H.264".to_owned(),
        StsdBoxContent::Hvc1(_) | StsdBoxContent::Hev1(_) => "HEVC (H.265)".to_owned(),
        StsdBoxContent::Vp08(_) => "VP8".to_owned(),
        StsdBoxContent::Vp09(_) => "VP9".to_owned(),
        StsdBoxContent::Mp4a(_) => "AAC".to_owned(),
        StsdBoxContent::Tx3g(_) => "text".to_owned(),
        StsdBoxContent::Unknown(code) => code.value.escape_ascii().to_string(),
    }
}

/// Checks the packets of a sound track in a file `len` bytes long.
///
/// # Errors
/// [`CaptureError::Truncated`] if one lies beyond the file, [`CaptureError::TooLarge`] if one is larger than
/// [`MAX_PACKET_BYTES`], [`CaptureError::Malformed`] if together they hold more bytes than the file: a small file
/// could otherwise ask for the same bytes millions of times.
fn check_packets(path: &Path, len: u64, packets: &[Sample]) -> Result<()> {
    let mut total = 0_u64;
    for packet in packets {
        check_range(path, len, packet)?;
        if packet.size > MAX_PACKET_BYTES {
            return Err(CaptureError::TooLarge {
                path: path.to_owned(),
                unit: "bytes of one packet of sound",
                found: packet.size,
                limit: MAX_PACKET_BYTES,
            });
        }
        total = total.saturating_add(packet.size);
    }
    if total > len {
        return Err(CaptureError::Malformed {
            path: path.to_owned(),
            format: "mp4",
            reason: format!("its packets of sound overlap: {total} bytes in a file of {len}"),
        });
    }
    Ok(())
}

/// Where `sample` ends.
///
/// # Errors
/// [`CaptureError::Truncated`] if that is beyond the file, `len` bytes long.
fn check_range(path: &Path, len: u64, sample: &Sample) -> Result<u64> {
    let end = sample.offset.saturating_add(sample.size);
    if end > len {
        return Err(CaptureError::Truncated { path: path.to_owned(), expected: end, found: len, unit: "bytes" });
    }
    Ok(end)
}
