//! Decoding of sound: from a file to a clip.

use std::fs::File;
use std::path::Path;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known as codec;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::{Hint, Probe, ProbeOptions};
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};
use symphonia::default::formats;

use crate::audio::AudioClip;
use crate::error::Result;

use super::decoder::{Feed, convert, malformed};
use super::format::SoundFormat;
use super::guard::{Progress, guarded_steps};
use super::meter::{Metered, read_error};
use super::mixer::{Mixed, Placement, Promised};
use super::mp4::View;
use super::options::ReadOptions;
use super::window::Window;
use super::{aiff, caf, frames, matroska, ogg, opus, pcm, wav};

/// The boxes of an mp4 begin at its first byte.
const PROBE_BYTES: u32 = 16;

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
            best_channel(&path, &options, progress, |feed| {
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
    options: &ReadOptions,
    progress: &Progress,
    mut decode: impl FnMut(&mut Feed<'_>) -> Result<()>,
) -> Result<Sound> {
    let mut once = |pick| -> Result<Mixed> {
        let mut feed = Feed::new(path, options, progress, pick);
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
    /// Its number in the file.
    pub(super) id: u32,
    /// Its codec's name, for messages.
    pub(super) codec: String,
    /// Where its packets are: offset and size in bytes, ascending in time; all of them lie within the file, none is larger than a
    /// packet may be.
    pub(super) samples: Vec<(u64, u64)>,
    pub(super) placement: Placement,
    /// Ticks a second of the track's own clock, which its length is told in.
    pub(super) timescale: u32,
}

/// Decodes a track of the mp4 at `path`, whose boxes `view` shows, `len` bytes long.
///
/// The packets are read by the sample table: symphonia's own reader searches the tables of all tracks from the start
/// for each packet, which takes minutes where the time between pictures varies.
///
/// # Errors
/// Those of reading and decoding.
pub(super) fn decode_mp4_track(
    path: &Path,
    view: View,
    file: File,
    len: u64,
    track: Mp4Track,
    options: &ReadOptions,
) -> Result<Sound> {
    guarded_steps(path, "symphonia", options, {
        let (path, options) = (path.to_owned(), options.clone());
        move |progress| {
            let reader = open_mp4(&path, Box::new(Metered::new(view, len)))?;
            progress.step();
            let Some(known) = reader.tracks().iter().find(|known| known.id == track.id) else {
                return Err(malformed(&path, "mp4", "no sound track".to_owned()));
            };
            let Some(CodecParameters::Audio(params)) = &known.codec_params else {
                return Err(convert(&path, format!("{} in an mp4", track.codec)));
            };
            let ticks = known.num_frames.filter(|count| *count > 0);
            let promised = ticks.map(|ticks| Promised { ticks, per_second: Some(track.timescale), strict: true });
            best_channel(&path, &options, progress, |feed| {
                let mut placement = track.placement;
                if params.codec == codec::CODEC_ID_OPUS && placement.skip_s == 0.0 {
                    // Without an edit list nothing but its header tells what the encoder added.
                    placement.skip_s = feed.opus_head(params)?.pre_skip as f64 / f64::from(opus::RATE_HZ);
                }
                feed.mixer.promise(promised);
                feed.mixer.place(placement);
                let mut decoder = feed.decoder(params, true)?;
                let own = file.try_clone().map_err(|source| read_error(&path, "mp4", source))?;
                let mut window = Window::new(own, 0, len);
                for (offset, size) in joined(&track.samples, pcm::is_plain(params.codec)) {
                    let data =
                        window.bytes_at(offset, size as usize).map_err(|source| read_error(&path, "mp4", source))?;
                    feed.take(&mut decoder, &Packet::new(track.id, Timestamp::ZERO, Duration::ZERO, data))?;
                    if feed.mixer.is_full() {
                        break;
                    }
                }
                Ok(())
            })
        }
    })
}

/// The packets at `samples`; those that touch as one where they are `plain` samples, which mp4 lists one by one.
fn joined(samples: &[(u64, u64)], plain: bool) -> impl Iterator<Item = (u64, u64)> {
    const BYTES: u64 = 1 << 16;
    let mut samples = samples.iter().copied().peekable();
    std::iter::from_fn(move || {
        let (offset, mut size) = samples.next()?;
        while plain && size < BYTES {
            match samples.next_if(|next| next.0 == offset.saturating_add(size)) {
                Some((_, more)) => size += more,
                None => break,
            }
        }
        Some((offset, size))
    })
}

fn open_mp4(path: &Path, source: Box<dyn MediaSource>) -> Result<Box<dyn FormatReader>> {
    let mut probe = Probe::new_with_options(&ProbeOptions { max_probe_depth: PROBE_BYTES, ..Default::default() });
    probe.register_format::<formats::IsoMp4Reader<'_>>();
    let stream = MediaSourceStream::new(source, Default::default());
    let options = FormatOptions::default();
    probe.probe(&Hint::new(), stream, options, MetadataOptions::default()).map_err(|error| match error {
        SymphoniaError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            malformed(path, "mp4", "the file ends within its header".to_owned())
        }
        SymphoniaError::IoError(source) => read_error(path, "symphonia", source),
        other => malformed(path, "mp4", other.to_string()),
    })
}
