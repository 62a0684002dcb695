//! Chosen channels of a sound file.

use std::path::Path;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use crate::audio::AudioClip;
use crate::device::ring::check_channels;
use crate::error::{CaptureError, Result};
use crate::file::{MAX_DURATION_S, MAX_SAMPLES};
use crate::quiet::quietly;
use crate::rate::SampleRate;

/// The mean of `channels`, counted from 0, of the sound file at `path`: what a microphone array gives, recorded.
///
/// # Errors
/// [`CaptureError::Device`] for a channel that the file does not have; what reading it raises.
pub(super) fn read(path: &Path, label: &str, channels: &[u16]) -> Result<AudioClip> {
    let outcome = quietly(|| decode(path, label, channels));
    outcome.unwrap_or_else(|_| Err(malformed(path, "its decoder broke down".into())))
}

fn malformed(path: &Path, reason: String) -> CaptureError {
    CaptureError::Malformed { path: path.to_owned(), format: "sound", reason }
}

fn decode(path: &Path, label: &str, channels: &[u16]) -> Result<AudioClip> {
    let file = std::fs::File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => CaptureError::Missing { path: path.to_owned() },
        _ => CaptureError::Io { path: path.to_owned(), action: "open it", source },
    })?;
    let failed = |error: SymphoniaError| malformed(path, error.to_string());
    let stream = MediaSourceStream::new(Box::new(file), symphonia::core::io::MediaSourceStreamOptions::default());
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let mut reader = symphonia::default::get_probe().probe(&Hint::new(), stream, format, metadata).map_err(failed)?;
    let track = reader.first_track(TrackType::Audio).ok_or_else(|| malformed(path, "no sound track".into()))?;
    let Some(CodecParameters::Audio(params)) = &track.codec_params else {
        return Err(malformed(path, "a sound track of an unknown kind".into()));
    };
    let options = AudioDecoderOptions::default();
    let mut decoder = symphonia::default::get_codecs().make_audio_decoder(params, &options).map_err(failed)?;
    let id = track.id;
    let (mut mixed, mut packet_samples, mut spec): (Vec<f32>, Vec<f32>, Option<(u32, usize)>) =
        (Vec::new(), Vec::new(), None);
    while let Some(packet) = reader.next_packet().map_err(failed)? {
        if packet.track_id != id {
            continue;
        }
        let decoded = decoder.decode(&packet).map_err(failed)?;
        let found = (decoded.spec().rate(), decoded.spec().channels().count());
        if *spec.get_or_insert(found) != found {
            return Err(malformed(path, "the sampling rate or the number of channels changes".into()));
        }
        check_channels(label, channels, found.1)?;
        decoded.copy_to_vec_interleaved(&mut packet_samples);
        let mean = |frame: &[f32]| {
            let sum: f32 = channels.iter().filter_map(|&c| frame.get(usize::from(c))).sum();
            sum / channels.len() as f32
        };
        mixed.extend(packet_samples.chunks_exact(found.1.max(1)).map(mean));
        let longest = MAX_SAMPLES.min(MAX_DURATION_S as usize * found.0 as usize);
        if mixed.len() > longest {
            return Err(CaptureError::TooLong { path: path.to_owned(), limit_s: f64::from(MAX_DURATION_S) });
        }
    }
    let Some((rate, _)) = spec else { return Err(CaptureError::NoSamples { path: path.to_owned() }) };
    AudioClip::new(mixed, SampleRate::new(rate)?)
}
