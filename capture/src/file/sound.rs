//! Decoding of sound: from a file to a clip.

use std::fs::File;
use std::path::Path;

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known as codec;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use crate::audio::AudioClip;
use crate::error::Result;

use super::decoder::Feed;
use super::format::SoundFormat;
use super::guard::{Progress, guarded_steps};
use super::meter::read_error;
use super::mixer::{Mixed, Placement};
use super::options::ReadOptions;
use super::window::Window;
use super::{aiff, caf, frames, matroska, ogg, opus, wav};

/// Sound, and what should be known of how it was read.
#[derive(Debug)]
pub(super) struct Sound {
    pub(super) clip: AudioClip,
    pub(super) notes: Vec<String>,
}

/// Decodes the sound file `file`, which is at `path`.
///
/// # Errors
/// Those of reading and decoding.
pub(super) fn decode_file(path: &Path, file: Window, format: SoundFormat, options: &ReadOptions) -> Result<Sound> {
    guarded_steps(path, "symphonia", options, {
        let (path, options) = (path.to_owned(), options.clone());
        move |progress| {
            best_channel(&path, file.len(), &options, progress, |feed| {
                let file = file.part(0, file.len()).map_err(|source| read_error(feed.path, "sound", source))?;
                match format {
                    SoundFormat::Wav => wav::decode(feed, file),
                    SoundFormat::Aiff => aiff::decode(feed, file),
                    SoundFormat::Au => aiff::decode_au(feed, file),
                    SoundFormat::Caf => caf::decode(feed, file),
                    SoundFormat::Ogg => ogg::decode(feed, file),
                    SoundFormat::Matroska => matroska::decode(feed, file),
                    SoundFormat::Flac => frames::decode(feed, file, frames::Kind::Flac),
                    SoundFormat::Frames => frames::decode(feed, file, frames::Kind::Mpeg),
                }
            })
        }
    })
}

/// Decodes by `decode`: the mean of the channels, and where they cancel each other, once more their loudest one.
fn best_channel(
    path: &Path,
    bytes: u64,
    options: &ReadOptions,
    progress: &Progress,
    mut decode: impl FnMut(&mut Feed<'_>) -> Result<()>,
) -> Result<Sound> {
    let mut once = |pick| -> Result<Mixed> {
        let mut feed = Feed::new(path, bytes, options, progress, pick);
        decode(&mut feed)?;
        feed.mixer.finish(feed.checksum)
    };
    let Mixed { clip, notes, cancelled } = once(None)?;
    let Some(best) = cancelled else {
        return Ok(Sound { clip, notes });
    };
    // What cancelled itself is given back before the memory is wanted again.
    drop(clip);
    let Mixed { clip, mut notes, .. } = once(Some(best))?;
    notes.push(format!("Its channels cancel each other when mixed; channel {} alone is used.", best + 1));
    Ok(Sound { clip, notes })
}

/// A sound track of an mp4.
pub(super) struct Mp4Track {
    /// What its codec's decoder must know.
    pub(super) params: AudioCodecParameters,
    /// Its packets, ascending in time; all of them lie within the file, none is larger than a packet may be.
    pub(super) packets: Vec<StoredPacket>,
    pub(super) placement: Placement,
    /// Whether what the encoder put before the sound is left out by `placement` already.
    pub(super) trimmed: bool,
}

/// Where a packet lies, and for how many samples its track counts it.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredPacket {
    pub(super) offset: u64,
    pub(super) size: u32,
    pub(super) duration: u32,
}

/// Decodes a track of the mp4 `file` at `path`, `len` bytes long.
///
/// # Errors
/// Those of reading and decoding.
pub(super) fn decode_mp4_track(
    path: &Path,
    file: File,
    len: u64,
    track: Mp4Track,
    options: &ReadOptions,
) -> Result<Sound> {
    guarded_steps(path, "symphonia", options, {
        let (path, options) = (path.to_owned(), options.clone());
        move |progress| {
            best_channel(&path, len, &options, progress, |feed| {
                let mut placement = track.placement;
                if track.params.codec == codec::CODEC_ID_OPUS && !track.trimmed {
                    // Without an edit list nothing but its header tells what the encoder added.
                    placement.skip_s = feed.opus_head(&track.params)?.pre_skip as f64 / f64::from(opus::RATE_HZ);
                }
                feed.mixer.place(placement);
                let mut decoder = feed.decoder(&track.params, true)?;
                let own = file.try_clone().map_err(|source| read_error(&path, "mp4", source))?;
                let mut window = Window::new(own, 0, len);
                for packet in &track.packets {
                    let data = window
                        .bytes_at(packet.offset, packet.size as usize)
                        .map_err(|source| read_error(&path, "mp4", source))?;
                    let duration = Duration::from(u64::from(packet.duration));
                    feed.take(&mut decoder, &Packet::new(0, Timestamp::ZERO, duration, data))?;
                    if feed.mixer.is_full() {
                        break;
                    }
                }
                feed.checksum = decoder.checksum_holds();
                Ok(())
            })
        }
    })
}
