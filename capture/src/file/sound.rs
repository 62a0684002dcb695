//! Decoding of sound: packets of a container to one mono clip.

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
use symphonia::default::{formats, get_codecs};

use crate::audio::AudioClip;
use crate::error::{CaptureError, Result};
use crate::rate::SampleRate;

use super::format::SoundFormat;
use super::guard::guarded;
use super::{MAX_DURATION_S, MAX_SAMPLES, id3, ogg};

/// What can be decoded, for messages.
const SUPPORTED: &str = "wav, flac, mp3 or AAC-LC";
/// More channels than any recording device has; a hostile header could ask for 65535.
const MAX_CHANNELS: usize = 64;
/// Markers stand in the first bytes; anything further in would be a chance hit.
const PROBE_BYTES: u32 = 16;

/// A container as the decoder sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Sound(SoundFormat),
    Mp4,
}

impl Container {
    fn name(self) -> &'static str {
        match self {
            Self::Sound(format) => format.name(),
            Self::Mp4 => "mp4",
        }
    }
}

/// How an mp4 lays its sound on the time axis, in seconds (edit list, ISO 14496-12 section 8.6.6).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Placement {
    /// Silence before the first sample.
    pub(crate) lead_s: f64,
    /// Decoded sound that is not played: the encoder's priming.
    pub(crate) skip_s: f64,
    /// Length of what is played; the rest of the track where none.
    pub(crate) play_s: Option<f64>,
}

/// Decodes the sound file at `path`, `len` bytes long and opened at its start.
pub(crate) fn decode_file(path: &Path, mut file: File, len: u64, format: SoundFormat) -> Result<AudioClip> {
    if format == SoundFormat::Ogg {
        ogg::check_end(path, &mut file, len)?;
    }
    guarded(path, "symphonia", || {
        let source: Box<dyn MediaSource> = match format {
            SoundFormat::Frames => Box::new(id3::skip(path, file, len)?),
            _ => Box::new(file),
        };
        decode(path, source, Container::Sound(format), None, Placement::default())
    })
}

/// Decodes the track `track_id` of the mp4 at `path`, opened at its start; `codec` is the name for messages.
pub(crate) fn decode_mp4_track(
    path: &Path,
    file: File,
    track_id: u32,
    codec: &str,
    placement: Placement,
) -> Result<AudioClip> {
    guarded(path, "symphonia", || decode(path, Box::new(file), Container::Mp4, Some((track_id, codec)), placement))
}

fn decode(
    path: &Path,
    source: Box<dyn MediaSource>,
    container: Container,
    mp4_track: Option<(u32, &str)>,
    placement: Placement,
) -> Result<AudioClip> {
    let malformed =
        |reason: String| CaptureError::Malformed { path: path.to_owned(), format: container.name(), reason };
    let mut reader = open_reader(source, container).map_err(|error| match error {
        SymphoniaError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => {
            malformed("the file ends within its header".to_owned())
        }
        SymphoniaError::IoError(source) => CaptureError::Io { path: path.to_owned(), action: "read it", source },
        other => malformed(other.to_string()),
    })?;
    let track = match mp4_track {
        Some((id, _)) => reader.tracks().iter().find(|track| track.id == id),
        None => reader.first_track(TrackType::Audio),
    };
    let Some(track) = track else {
        return Err(malformed("no sound track".to_owned()));
    };
    let Some(CodecParameters::Audio(params)) = &track.codec_params else {
        let codec = mp4_track.map_or("of sound that is not known", |(_, codec)| codec).to_owned();
        return Err(CaptureError::UnsupportedCodec { path: path.to_owned(), codec, supported: SUPPORTED });
    };
    if params.channels.as_ref().is_some_and(|channels| channels.count() > MAX_CHANNELS) {
        return Err(malformed(format!("more than {MAX_CHANNELS} channels")));
    }
    let promise = Promise::of(track, params, container);
    let track_id = track.id;
    // Without a LAME header the mp3 reader guesses the number of samples from the bit rate, and gapless decoding
    // would cut the clip there.
    let options = AudioDecoderOptions::default().gapless(promise.trims).verify(true);
    let mut decoder = get_codecs().make_audio_decoder(params, &options).map_err(|error| match error {
        SymphoniaError::Unsupported(_) => unsupported(path, params.codec),
        other => malformed(other.to_string()),
    })?;

    let mut mixer = Mixer::new(path, placement, promise.samples);
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(SymphoniaError::IoError(e)) if e.kind() == ErrorKind::UnexpectedEof => {
                if promise.samples.is_none() && !promise.open_ended {
                    return Err(mixer.damaged("the file ends within a packet".to_owned()));
                }
                break;
            }
            Err(SymphoniaError::IoError(source)) => {
                return Err(CaptureError::Io { path: path.to_owned(), action: "read it", source });
            }
            Err(error) => return Err(mixer.damaged(error.to_string())),
        };
        if packet.track_id != track_id {
            continue;
        }
        if promise.counted && u64::try_from(packet.pts.get()).ok() != Some(mixer.decoded) {
            return Err(mixer.damaged("samples are missing".to_owned()));
        }
        let decoded = decoder.decode(&packet).map_err(|error| mixer.damaged(error.to_string()))?;
        let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
        decoded.copy_to_vec_interleaved(&mut mixer.scratch);
        mixer.take(rate, channels)?;
    }
    let checksum_holds = decoder.finalize().verify_ok;
    mixer.finish(checksum_holds)
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
    fn of(track: &Track, params: &AudioCodecParameters, container: Container) -> Self {
        let lame_header = track.delay.is_some();
        let samples = match container {
            // The count of bare frames is an estimate, unless a LAME header wrote it down.
            Container::Sound(SoundFormat::Frames) => track.num_frames.filter(|_| lame_header),
            Container::Mp4 => track.num_frames.filter(|count| *count > 0),
            Container::Sound(_) => track.num_frames,
        };
        Self {
            samples,
            open_ended: container == Container::Sound(SoundFormat::Wav),
            counted: container == Container::Sound(SoundFormat::Flac),
            trims: params.codec != codec::CODEC_ID_MP3 || lame_header,
        }
    }
}

fn open_reader(
    source: Box<dyn MediaSource>,
    container: Container,
) -> std::result::Result<Box<dyn FormatReader>, SymphoniaError> {
    // Only readers of the format that the first bytes tell: inside other files their markers come up by chance.
    let mut probe = Probe::new_with_options(&ProbeOptions { max_probe_depth: PROBE_BYTES, ..Default::default() });
    match container {
        Container::Sound(SoundFormat::Wav) => probe.register_format::<formats::WavReader<'_>>(),
        Container::Sound(SoundFormat::Flac) => probe.register_format::<formats::FlacReader<'_>>(),
        Container::Sound(SoundFormat::Ogg) => probe.register_format::<formats::OggReader<'_>>(),
        Container::Sound(SoundFormat::Frames) => {
            probe.register_format::<formats::AdtsReader<'_>>();
            probe.register_format::<formats::MpaReader<'_>>();
        }
        Container::Mp4 => probe.register_format::<formats::IsoMp4Reader<'_>>(),
    }
    let stream = MediaSourceStream::new(source, Default::default());
    probe.probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
}

fn unsupported(path: &Path, id: AudioCodecId) -> CaptureError {
    let codec = match id {
        codec::CODEC_ID_OPUS => "Opus".to_owned(),
        codec::CODEC_ID_AC3 => "AC-3".to_owned(),
        codec::CODEC_ID_ALAC => "ALAC".to_owned(),
        codec::CODEC_ID_SPEEX => "Speex".to_owned(),
        codec::CODEC_ID_MP1 => "MPEG audio layer 1".to_owned(),
        codec::CODEC_ID_MP2 => "MPEG audio layer 2".to_owned(),
        codec::CODEC_ID_ADPCM_MS | codec::CODEC_ID_ADPCM_IMA_WAV => "ADPCM".to_owned(),
        codec::CODEC_ID_AAC => "AAC of a profile other than AAC-LC".to_owned(),
        other => format!("of sound {other}"),
    };
    CaptureError::UnsupportedCodec { path: path.to_owned(), codec, supported: SUPPORTED }
}

/// Averages channels and gathers the clip.
struct Mixer<'a> {
    path: &'a Path,
    placement: Placement,
    promised: Option<u64>,
    /// Rate and channels of the first packet; all others must have the same.
    spec: Option<(SampleRate, usize)>,
    /// Samples per channel that came out of the decoder.
    decoded: u64,
    /// How many of those go to waste before the clip begins.
    skip: u64,
    /// The length at which the clip ends, silence before it included.
    end: usize,
    /// The most samples that are accepted.
    limit: usize,
    /// The clip so far.
    samples: Vec<f32>,
    /// The last packet, channels interleaved.
    scratch: Vec<f32>,
}

impl<'a> Mixer<'a> {
    fn new(path: &'a Path, placement: Placement, promised: Option<u64>) -> Self {
        Self {
            path,
            placement,
            promised,
            spec: None,
            decoded: 0,
            skip: 0,
            end: usize::MAX,
            limit: 0,
            samples: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Takes what `scratch` holds: frames of `channels` samples at `rate`.
    fn take(&mut self, rate: u32, channels: usize) -> Result<()> {
        if self.scratch.is_empty() {
            return Ok(());
        }
        let (rate, channels) = match self.spec {
            Some((known_rate, known_channels)) => {
                if (known_rate.hz(), known_channels) != (rate, channels) {
                    return Err(self.damaged("the sampling rate or the number of channels changes".to_owned()));
                }
                (known_rate, known_channels)
            }
            None => self.begin(rate, channels)?,
        };
        let scale = 1.0 / channels as f32;
        let scratch = std::mem::take(&mut self.scratch);
        for frame in scratch.chunks_exact(channels) {
            // The promise counts what the encoder was given; a last AAC packet decodes to more.
            if self.promised.is_some_and(|promised| self.decoded >= promised) {
                break;
            }
            self.decoded += 1;
            let mean = frame.iter().sum::<f32>() * scale;
            if !mean.is_finite() {
                let position_s = (self.decoded - 1) as f64 / f64::from(rate.hz());
                return Err(CaptureError::NotFiniteInFile { path: self.path.to_owned(), position_s });
            }
            if self.decoded <= self.skip || self.samples.len() >= self.end {
                continue;
            }
            if self.samples.len() >= self.limit {
                return Err(self.too_long(rate));
            }
            self.samples.push(mean);
        }
        self.scratch = scratch;
        Ok(())
    }

    /// Fixes everything that depends on the rate, which only the first decoded packet tells for certain.
    fn begin(&mut self, rate: u32, channels: usize) -> Result<(SampleRate, usize)> {
        let malformed = |reason| CaptureError::Malformed { path: self.path.to_owned(), format: "sound", reason };
        let rate = SampleRate::new(rate).map_err(|_| {
            malformed(format!(
                "its sampling rate is {rate} Hz, expected {} to {} Hz",
                SampleRate::MIN_HZ,
                SampleRate::MAX_HZ
            ))
        })?;
        if channels == 0 || channels > MAX_CHANNELS {
            return Err(malformed(format!("it has {channels} channels, expected 1 to {MAX_CHANNELS}")));
        }
        let samples = |seconds: f64| (seconds * f64::from(rate.hz())).round();
        self.limit = MAX_SAMPLES.min(MAX_DURATION_S as usize * rate.hz() as usize);
        let lead = samples(self.placement.lead_s);
        if lead > self.limit as f64 || self.promised.is_some_and(|promised| promised > self.limit as u64) {
            return Err(self.too_long(rate));
        }
        self.samples = vec![0.0; lead as usize];
        self.skip = samples(self.placement.skip_s) as u64;
        if let Some(play_s) = self.placement.play_s {
            self.end = (lead + samples(play_s)) as usize;
        }
        self.spec = Some((rate, channels));
        Ok((rate, channels))
    }

    fn finish(mut self, checksum_holds: Option<bool>) -> Result<AudioClip> {
        let Some((rate, _)) = self.spec else {
            return match self.promised {
                Some(expected) if expected > 0 => Err(self.truncated(expected)),
                _ => Err(CaptureError::NoSamples { path: self.path.to_owned() }),
            };
        };
        if let Some(expected) = self.promised
            && self.decoded < expected
        {
            return Err(self.truncated(expected));
        }
        if checksum_holds == Some(false) {
            return Err(self.damaged("the checksum over the whole sound does not hold".to_owned()));
        }
        if self.samples.is_empty() {
            return Err(CaptureError::NoSamples { path: self.path.to_owned() });
        }
        self.samples.shrink_to_fit();
        AudioClip::new(self.samples, rate)
    }

    fn truncated(&self, expected: u64) -> CaptureError {
        CaptureError::Truncated { path: self.path.to_owned(), expected, found: self.decoded, unit: "samples" }
    }

    fn too_long(&self, rate: SampleRate) -> CaptureError {
        CaptureError::TooLong { path: self.path.to_owned(), limit_s: self.limit as f64 / f64::from(rate.hz()) }
    }

    fn damaged(&self, reason: String) -> CaptureError {
        let position_s = self.spec.map_or(0.0, |(rate, _)| self.decoded as f64 / f64::from(rate.hz()));
        CaptureError::Damaged { path: self.path.to_owned(), position_s, reason }
    }
}
