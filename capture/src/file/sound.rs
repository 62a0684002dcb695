//! Decoding of sound: from a container's packets to a clip.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known as codec;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::{Hint, Probe, ProbeOptions};
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::default::{formats, get_codecs};

use crate::audio::AudioClip;
use crate::error::{CaptureError, Result};

use super::format::SoundFormat;
use super::guard::guarded;
use super::mixer::{MAX_CHANNELS, Mixer, Placement};
use super::{id3, ogg};

/// What can be decoded, for messages.
const SUPPORTED: &str = "PCM wav, flac, mp3, AAC-LC or ogg (Vorbis)";
/// Markers stand in the first bytes; anything further in would be a chance hit.
const PROBE_BYTES: u32 = 16;

/// Decodes the sound file at `path`, `len` bytes long and opened at its start.
pub(super) fn decode_file(path: &Path, mut file: File, len: u64, format: SoundFormat) -> Result<AudioClip> {
    if format == SoundFormat::Ogg {
        ogg::check_end(path, &mut file, len)?;
    }
    guarded(path, "symphonia", || {
        let source: Box<dyn MediaSource> = match format {
            SoundFormat::Frames => Box::new(id3::skip(path, file, len)?),
            _ => Box::new(file),
        };
        let mut reader = open_reader(path, source, format)?;
        let Some(track) = reader.first_track(TrackType::Audio).cloned() else {
            return Err(malformed(path, format.name(), "no sound track".to_owned()));
        };
        let params = audio_params(path, &track, "of sound that is not known")?;
        let promise = Promise::of(&track, params, format);
        decode(path, params, promise, Placement::default(), |mixer| {
            loop {
                match reader.next_packet() {
                    Ok(Some(packet)) if packet.track_id == track.id => {
                        if promise.counted && u64::try_from(packet.pts.get()).ok() != Some(mixer.decoded) {
                            return Err(mixer.damaged("samples are missing".to_owned()));
                        }
                        return Ok(Some(packet));
                    }
                    Ok(Some(_)) => (),
                    Ok(None) => return Ok(None),
                    Err(SymphoniaError::IoError(e)) if e.kind() == ErrorKind::UnexpectedEof => {
                        // Where the length is known, the missing samples are counted at the end.
                        return if promise.samples.is_some() || promise.open_ended {
                            Ok(None)
                        } else {
                            Err(mixer.damaged("the file ends within a packet".to_owned()))
                        };
                    }
                    Err(SymphoniaError::IoError(source)) => return Err(unread(path, source)),
                    Err(error) => return Err(mixer.damaged(error.to_string())),
                }
            }
        })
    })
}

/// Decodes the packets of a track of an mp4 at `path`, whose codec has the `params` and the name `name`.
pub(super) fn decode_packets(
    path: &Path,
    params: &AudioCodecParameters,
    name: &str,
    placement: Placement,
    mut packets: impl Iterator<Item = Result<Packet>>,
) -> Result<AudioClip> {
    guarded(path, "symphonia", || {
        let promise = Promise { samples: None, open_ended: false, counted: false, trims: params.codec != codec::CODEC_ID_MP3 };
        decode(path, params, promise, placement, |_| packets.next().transpose())
    })
}

/// Decodes all packets that `next` gives.
fn decode(
    path: &Path,
    params: &AudioCodecParameters,
    promise: Promise,
    placement: Placement,
    mut next: impl FnMut(&Mixer<'_>) -> Result<Option<Packet>>,
) -> Result<AudioClip> {
    // Without a LAME header the mp3 reader guesses the number of samples from the bit rate, and gapless decoding
    // would cut the clip there.
    let options = AudioDecoderOptions::default().gapless(promise.trims).verify(true);
    let mut decoder = get_codecs().make_audio_decoder(params, &options).map_err(|error| match error {
        SymphoniaError::Unsupported(_) => unsupported(path, codec_name(params.codec)),
        other => malformed(path, "sound", other.to_string()),
    })?;
    let mut mixer = Mixer::new(path, placement, promise.samples);
    while let Some(packet) = next(&mixer)? {
        let decoded = decoder.decode(&packet).map_err(|error| mixer.damaged(error.to_string()))?;
        let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
        decoded.copy_to_vec_interleaved(&mut mixer.scratch);
        mixer.take(rate, channels)?;
    }
    mixer.finish(decoder.finalize().verify_ok)
}

/// What the container tells of the track before it is decoded.
#[derive(Clone, Copy, Debug)]
struct Promise {
    /// Samples per channel, where the container counts them.
    samples: Option<u64>,
    /// The length is left open on purpose: a wav written to a pipe.
    open_ended: bool,
    /// Each packet tells the number of its first sample.
    counted: bool,
    /// The reader knows what the encoder added.
    trims: bool,
}

impl Promise {
    fn of(track: &Track, params: &AudioCodecParameters, format: SoundFormat) -> Self {
        let lame_header = track.delay.is_some();
        let samples = match format {
            // The count of bare frames is an estimate, unless a LAME header wrote it down.
            SoundFormat::Frames => track.num_frames.filter(|_| lame_header),
            _ => track.num_frames,
        };
        Self {
            samples,
            open_ended: format == SoundFormat::Wav,
            counted: format == SoundFormat::Flac,
            trims: params.codec != codec::CODEC_ID_MP3 || lame_header,
        }
    }
}

fn open_reader(path: &Path, source: Box<dyn MediaSource>, format: SoundFormat) -> Result<Box<dyn FormatReader>> {
    // Only readers of the format that the first bytes tell: inside other files their markers come up by chance.
    let mut probe = Probe::new_with_options(&ProbeOptions { max_probe_depth: PROBE_BYTES, ..Default::default() });
    match format {
        SoundFormat::Wav => probe.register_format::<formats::WavReader<'_>>(),
        SoundFormat::Flac => probe.register_format::<formats::FlacReader<'_>>(),
        SoundFormat::Ogg => probe.register_format::<formats::OggReader<'_>>(),
        SoundFormat::Frames => {
            probe.register_format::<formats::AdtsReader<'_>>();
            probe.register_format::<formats::MpaReader<'_>>();
        }
    }
    let stream = MediaSourceStream::new(source, Default::default());
    let options = FormatOptions::default();
    probe.probe(&Hint::new(), stream, options, MetadataOptions::default()).map_err(|error| match error {
        SymphoniaError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => {
            malformed(path, format.name(), "the file ends within its header".to_owned())
        }
        SymphoniaError::IoError(source) => unread(path, source),
        other => malformed(path, format.name(), other.to_string()),
    })
}

/// The parameters of a track's codec; `name` is for the message where they are not known.
fn audio_params<'a>(path: &Path, track: &'a Track, name: &str) -> Result<&'a AudioCodecParameters> {
    let Some(CodecParameters::Audio(params)) = &track.codec_params else {
        return Err(unsupported(path, name.to_owned()));
    };
    if params.channels.as_ref().is_some_and(|channels| channels.count() > MAX_CHANNELS) {
        return Err(malformed(path, "sound", format!("more than {MAX_CHANNELS} channels")));
    }
    Ok(params)
}

fn codec_name(id: AudioCodecId) -> String {
    match id {
        codec::CODEC_ID_OPUS => "Opus".to_owned(),
        codec::CODEC_ID_AC3 => "AC-3".to_owned(),
        codec::CODEC_ID_ALAC => "ALAC".to_owned(),
        codec::CODEC_ID_SPEEX => "Speex".to_owned(),
        codec::CODEC_ID_MP1 => "MPEG audio layer 1".to_owned(),
        codec::CODEC_ID_MP2 => "MPEG audio layer 2".to_owned(),
        codec::CODEC_ID_ADPCM_MS | codec::CODEC_ID_ADPCM_IMA_WAV => "ADPCM".to_owned(),
        codec::CODEC_ID_AAC => "AAC of a profile other than AAC-LC".to_owned(),
        other => format!("of sound {other}"),
    }
}

fn malformed(path: &Path, format: &'static str, reason: String) -> CaptureError {
    CaptureError::Malformed { path: path.to_owned(), format, reason }
}

fn unsupported(path: &Path, codec: String) -> CaptureError {
    CaptureError::UnsupportedCodec { path: path.to_owned(), codec, supported: SUPPORTED }
}

fn unread(path: &Path, source: std::io::Error) -> CaptureError {
    CaptureError::Io { path: path.to_owned(), action: "read it", source }
}
