//! The sound tracks of an mp4: which one is heard, and its decoding.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::AudioCodecParameters;

use crate::audio::AudioClip;
use crate::error::{CaptureError, Result};

use super::super::convert;
use super::super::mixer::Placement;
use super::super::options::ReadOptions;
use super::super::sound::{self, Mp4Track, StoredPacket};
use super::boxes::Origin;
use super::entry::{SoundCodec, SoundEntry};
use super::movie::{Movie, Track};
use super::samples::{self, Sample};

/// The largest packet of sound accepted; a block of 64 channels of AAC takes 48 KiB at most.
const MAX_PACKET_BYTES: u64 = 1 << 20;
/// How many tracks are tried for sound.
const MAX_TRIED: usize = 16;

/// A sound track of the film.
pub(super) struct SoundTrack<'a> {
    /// Its number among the sound tracks, from 1, in the order of the file.
    pub(super) number: u32,
    pub(super) track: &'a Track<'a>,
    pub(super) samples: &'a [Sample],
    /// Its description, or why there is none.
    pub(super) entry: std::result::Result<SoundEntry, String>,
}

impl SoundTrack<'_> {
    /// What a person may know it by.
    fn describe(&self) -> String {
        let mut words = match &self.entry {
            Ok(entry) if entry.rate > 0 => format!("{}, {} Hz", entry.codec.name(), entry.rate),
            Ok(entry) => entry.codec.name().to_owned(),
            Err(_) => "a broken description".to_owned(),
        };
        if let Some(language) = &self.track.language {
            words = format!("{words}, {language}");
        }
        if !self.track.enabled {
            words.push_str(", disabled");
        }
        if self.samples.is_empty() {
            words.push_str(", empty");
        }
        words
    }
}

/// Every track with its number, for messages.
fn list(tracks: &[SoundTrack<'_>]) -> String {
    let words: Vec<String> = tracks.iter().map(|track| format!("{} ({})", track.number, track.describe())).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// What decoding needs beside the track.
pub(super) struct Decoding<'a> {
    pub(super) origin: Origin<'a>,
    pub(super) movie: &'a Movie<'a>,
    /// The movie's time that counts as zero, in seconds.
    pub(super) begin_s: f64,
    pub(super) options: &'a ReadOptions,
}

/// Whether an error is of the whole file, so that nothing else of it is used.
pub(super) fn is_of_the_file(error: &CaptureError) -> bool {
    matches!(
        error,
        CaptureError::Truncated { .. }
            | CaptureError::Io { .. }
            | CaptureError::TooLong { .. }
            | CaptureError::TooManyHanging { .. }
    )
}

impl Decoding<'_> {
    /// Decodes the sound track that the options name, else the first enabled one that is not silent; none where the film has no sound.
    ///
    /// # Errors
    /// [`CaptureError::NoSuchTrack`] if the track that the options name is not there; what reading the only tracks raises.
    pub(super) fn choose(&self, tracks: &[SoundTrack<'_>], notes: &mut Vec<String>) -> Result<Option<AudioClip>> {
        if let Some(wanted) = self.options.sound_track {
            let found = tracks.iter().find(|track| track.number == wanted).ok_or_else(|| {
                CaptureError::NoSuchTrack { path: self.origin.path.to_owned(), wanted, found: list(tracks) }
            })?;
            return self.decode(found, notes).map(Some);
        }
        let filled = || tracks.iter().filter(|track| !track.samples.is_empty());
        let order: Vec<_> =
            filled().filter(|track| track.track.enabled).chain(filled().filter(|track| !track.track.enabled)).collect();
        let (mut silent, mut refused) = (None, None);
        for track in order.iter().take(MAX_TRIED) {
            let mut own = Vec::new();
            match self.decode(track, &mut own) {
                Ok(clip) if order.len() > 1 && clip.is_silent() => silent = silent.or(Some(*track)),
                Ok(clip) => {
                    notes.extend(own);
                    notes.extend(self.chosen(track, tracks));
                    return Ok(Some(clip));
                }
                Err(error) if is_of_the_file(&error) => return Err(error),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        match (silent, refused) {
            (Some(track), _) => {
                notes.extend(self.chosen(track, tracks));
                self.decode(track, notes).map(Some)
            }
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    /// What is to be said where there was a choice.
    fn chosen(&self, taken: &SoundTrack<'_>, tracks: &[SoundTrack<'_>]) -> Option<String> {
        let enabled = tracks.iter().filter(|track| track.track.enabled && !track.samples.is_empty()).count();
        if tracks.len() < 2 || (enabled == 1 && taken.track.enabled) {
            return None;
        }
        Some(format!(
            "Of its sound tracks number {} is heard, of {}; --sound-track takes another.",
            taken.number,
            list(tracks)
        ))
    }

    fn decode(&self, sound: &SoundTrack<'_>, notes: &mut Vec<String>) -> Result<AudioClip> {
        let origin = &self.origin;
        samples::check(origin, sound.samples, "sound", MAX_PACKET_BYTES, "bytes of one packet of sound")?;
        let entry = sound.entry.as_ref().map_err(|reason| origin.malformed(reason.clone()))?;
        self.check_entries(sound.track, sound.samples)?;
        if sound.track.edit.more {
            notes
                .push("The edit list of its sound track has several parts; the track is read in one piece.".to_owned());
        }
        let placement = self.placement(sound, entry);
        if placement.lead_s > 0.0 {
            notes.push(format!("Its sound starts {:.3} s late; silence stands before it.", placement.lead_s));
        }
        let SoundCodec::Known(..) = &entry.codec else {
            return Err(self.unread(entry.codec.name()));
        };
        let packets = sound.samples.iter().map(|sample| StoredPacket {
            offset: sample.offset,
            size: sample.size,
            duration: sample.duration,
        });
        let track = Mp4Track {
            params: parameters(entry, sound.samples),
            packets: packets.collect(),
            placement,
            trimmed: placement.skip_s > 0.0,
        };
        let file = super::super::open_ordinary(origin.path)?.0;
        let decoded = sound::decode_mp4_track(origin.path, file, origin.len, track, self.options)?;
        notes.extend(decoded.notes);
        Ok(decoded.clip)
    }

    /// The error for sound in a `codec` that is not read here.
    fn unread(&self, codec: &str) -> CaptureError {
        let path = self.origin.path;
        CaptureError::Convert {
            path: path.to_owned(),
            found: format!("sound in {codec}"),
            command: convert::sound(path),
        }
    }

    /// One decoder reads one description.
    fn check_entries(&self, track: &Track<'_>, samples: &[Sample]) -> Result<()> {
        let description = |sample: &Sample| track.entries.get(usize::from(sample.entry));
        let first = track.entries.first();
        if samples.iter().any(|sample| description(sample).is_some_and(|other| Some(other) != first)) {
            return Err(self.unread("a codec whose settings change"));
        }
        Ok(())
    }

    /// How the track lies on the film's clock.
    fn placement(&self, sound: &SoundTrack<'_>, entry: &SoundEntry) -> Placement {
        let edit = sound.track.edit;
        let (movie, media) = (self.movie.timescale as f64, sound.track.timescale as f64);
        let first = sound.samples.first().map_or(0, |sample| sample.decoded_at);
        let ticks: u64 = sound.samples.iter().map(|sample| u64::from(sample.duration)).sum();
        let late = first.saturating_sub(edit.start) as f64 / media;
        let track_s = first.saturating_add(ticks).saturating_sub(edit.start) as f64 / media;
        // The movie's clock is coarse; a length that reaches the track's end within a tick of it cuts nothing.
        let edited = edit.length.map(|length| length as f64 / movie).filter(|play_s| play_s + 1.0 / movie < track_s);
        // A clock that counts samples tells how many the encoder was given; a last packet decodes to more. That of HE-AAC
        // counts at twice its core's rate.
        let counted = entry.rate > 0 && sound.track.timescale.is_multiple_of(u64::from(entry.rate)) && track_s > 0.0;
        Placement {
            lead_s: (edit.lead as f64 / movie + late - self.begin_s).max(0.0),
            skip_s: edit.start.saturating_sub(first) as f64 / media,
            // Both count from where the edit starts; a first packet that comes later is led in by silence.
            play_s: edited.or(counted.then_some(track_s)).map(|play_s| (play_s - late).max(0.0)),
        }
    }
}

/// What the decoder of a track must know.
fn parameters(entry: &SoundEntry, samples: &[Sample]) -> AudioCodecParameters {
    let mut params = AudioCodecParameters::new();
    if let SoundCodec::Known(id, _) = &entry.codec {
        params.for_codec(*id);
    }
    if entry.rate > 0 {
        params.with_sample_rate(entry.rate);
    }
    // They are mixed into one, so it is only their number that counts.
    if let Ok(count @ 1..) = u16::try_from(entry.channels) {
        params.with_channels(Channels::Discrete(count));
    }
    if let Some(block) = entry.block {
        let most = (samples::largest(samples) / block.bytes.max(1)).saturating_mul(block.samples);
        params.with_max_frames_per_packet(most.max(block.samples).into());
        params.with_frames_per_block(block.samples.into());
    }
    if !entry.config.is_empty() {
        params.with_extra_data(entry.config.clone().into_boxed_slice());
    }
    params
}
