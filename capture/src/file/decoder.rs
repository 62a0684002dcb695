//! Packets of any codec to samples.

use std::path::Path;
use std::time::Instant;

use symphonia::core::codecs::audio::well_known as codec;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::packet::Packet;
use symphonia::default::get_codecs;

use crate::error::{CaptureError, Result};

use super::aac::{self, AacConfig};
use super::convert;
use super::guard::Progress;
use super::mixer::{MAX_CHANNELS, Mixer};
use super::options::ReadOptions;
use super::opus::{self, Opus, OpusHead};

/// Frames of AAC that are looked at for an upper band that nothing tells of.
const SBR_FRAMES: u32 = 10;

/// A decoder of one stream.
pub(super) struct Decoder {
    inner: Inner,
    /// Frames of AAC that were and that can be looked at for an upper band; those with one.
    sbr: Option<(u32, u32)>,
}

enum Inner {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Box<Opus>),
}

/// What came out of one packet; the samples lie in the mixer's scratch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Decoded {
    pub(super) rate: u32,
    pub(super) channels: usize,
    /// Samples per channel.
    pub(super) frames: usize,
}

impl Decoder {
    /// A decoder of Opus.
    ///
    /// # Errors
    /// [`CaptureError::Malformed`] for a header that contradicts itself.
    pub(super) fn opus(path: &Path, head: &OpusHead) -> Result<Self> {
        let inner = Opus::new(head).map_err(|reason| malformed(path, "Opus", reason))?;
        Ok(Self { inner: Inner::Opus(Box::new(inner)), sbr: None })
    }

    /// What the checksum in the stream's header says of everything decoded; none where there is none.
    pub(super) fn checksum_holds(&mut self) -> Option<bool> {
        match &mut self.inner {
            Inner::Symphonia(decoder) => decoder.finalize().verify_ok,
            Inner::Opus(_) => None,
        }
    }
}

/// The way from packets to the clip, and what it may cost.
pub(super) struct Feed<'a> {
    pub(super) path: &'a Path,
    pub(super) mixer: Mixer<'a>,
    pub(super) options: &'a ReadOptions,
    /// What the checksum over the whole sound says, where there is one.
    pub(super) checksum: Option<bool>,
    progress: &'a Progress,
    started: Instant,
    /// Seconds of sound that came out of decoders, also what is not taken yet or never will be.
    heard_s: f64,
}

impl<'a> Feed<'a> {
    /// For a file of `bytes` bytes; `pick` is the one channel that is taken instead of the mean.
    pub(super) fn new(
        path: &'a Path,
        bytes: u64,
        options: &'a ReadOptions,
        progress: &'a Progress,
        pick: Option<usize>,
    ) -> Self {
        let mixer = Mixer::new(path, bytes, options.memory, pick);
        Self { path, mixer, options, checksum: None, progress, started: Instant::now(), heard_s: 0.0 }
    }

    /// A part of the file is passed over: the work goes on, though nothing is decoded.
    pub(super) fn step(&self) {
        self.progress.step();
    }

    /// The decoder for `params`; `trims`: what a reader marks as the encoder's is left out.
    ///
    /// # Errors
    /// [`CaptureError::Convert`] for a codec that is not decoded here, [`CaptureError::Malformed`].
    pub(super) fn decoder(&mut self, params: &AudioCodecParameters, trims: bool) -> Result<Decoder> {
        if params.channels.as_ref().is_some_and(|channels| channels.count() > MAX_CHANNELS) {
            return Err(malformed(self.path, "sound", format!("more than {MAX_CHANNELS} channels")));
        }
        if params.codec == codec::CODEC_ID_OPUS {
            let head = self.opus_head(params)?;
            return Decoder::opus(self.path, &head);
        }
        let mut params = params.clone();
        let is_aac = params.codec == codec::CODEC_ID_AAC;
        if is_aac && let Some(bytes) = &params.extra_data {
            let config = AacConfig::read(bytes)
                .ok_or_else(|| malformed(self.path, "aac", "its AudioSpecificConfig cannot be read".to_owned()))?;
            if let Some(found) = config.unsupported() {
                return Err(convert(self.path, found));
            }
            if config.sbr {
                self.note_he_aac(config.rate);
            }
            params.with_extra_data(config.core());
        }
        let options = AudioDecoderOptions::default().gapless(trims).verify(true);
        let decoder = get_codecs().make_audio_decoder(&params, &options).map_err(|error| match error {
            SymphoniaError::Unsupported(_) => convert(self.path, codec_name(params.codec)),
            other => malformed(self.path, "sound", other.to_string()),
        })?;
        Ok(Decoder { inner: Inner::Symphonia(decoder), sbr: is_aac.then_some((0, 0)) })
    }

    /// The header of an Opus stream.
    ///
    /// # Errors
    /// [`CaptureError::Malformed`].
    pub(super) fn opus_head(&self, params: &AudioCodecParameters) -> Result<OpusHead> {
        let bytes = params.extra_data.as_deref().unwrap_or_default();
        OpusHead::read(bytes).map_err(|reason| malformed(self.path, "Opus", reason))
    }

    fn note_he_aac(&mut self, rate: u32) {
        let note = format!("Its sound is HE-AAC, decoded without its upper band (above {} Hz).", rate / 2);
        self.mixer.note(note);
    }

    /// Decodes `packet` into the mixer's scratch.
    ///
    /// # Errors
    /// [`CaptureError::Damaged`]; [`CaptureError::TooSlow`] where decoding takes longer than listening would.
    pub(super) fn decode(&mut self, decoder: &mut Decoder, packet: &Packet) -> Result<Decoded> {
        let scratch = &mut self.mixer.scratch;
        let (rate, channels) = match &mut decoder.inner {
            Inner::Symphonia(inner) => match inner.decode(packet) {
                Ok(decoded) => {
                    decoded.copy_to_vec_interleaved(scratch);
                    (decoded.spec().rate(), decoded.spec().channels().count())
                }
                Err(error) => return Err(self.mixer.damaged(error.to_string())),
            },
            Inner::Opus(inner) => match inner.decode(&packet.data, scratch) {
                Ok(()) => (opus::RATE_HZ, inner.channels()),
                Err(reason) => return Err(self.mixer.damaged(reason)),
            },
        };
        let frames = self.mixer.scratch.len() / channels.max(1);
        if let Some((seen, with)) = decoder.sbr.filter(|(seen, _)| *seen < SBR_FRAMES) {
            let with = with + u32::from(aac::frame_has_sbr(&packet.data));
            decoder.sbr = Some((seen + 1, with));
            if seen + 1 == SBR_FRAMES && with > SBR_FRAMES / 2 {
                self.note_he_aac(rate);
            }
        }
        self.progress.step();
        // Honest codecs are decoded many times faster than they are heard, on any machine.
        self.heard_s += frames as f64 / f64::from(rate.max(1));
        let allowed_s = self.options.patience.as_secs_f64() + self.heard_s;
        if self.started.elapsed().as_secs_f64() > allowed_s {
            return Err(CaptureError::TooSlow { path: self.path.to_owned(), position_s: self.mixer.decoded_s() });
        }
        Ok(Decoded { rate, channels, frames })
    }

    /// Decodes `packet` and takes all that comes out.
    ///
    /// # Errors
    /// As [`Feed::decode`], and those of the mixer.
    pub(super) fn take(&mut self, decoder: &mut Decoder, packet: &Packet) -> Result<()> {
        let decoded = self.decode(decoder, packet)?;
        self.mixer.take(decoded.rate, decoded.channels)
    }
}

pub(super) fn malformed(path: &Path, format: &'static str, reason: String) -> CaptureError {
    CaptureError::Malformed { path: path.to_owned(), format, reason }
}

/// The error for sound of a kind that is not decoded here.
pub(super) fn convert(path: &Path, found: String) -> CaptureError {
    CaptureError::Convert { path: path.to_owned(), found, command: convert::sound(path) }
}

pub(super) fn codec_name(id: AudioCodecId) -> String {
    match id {
        codec::CODEC_ID_OPUS => "Opus".to_owned(),
        codec::CODEC_ID_AC3 => "AC-3".to_owned(),
        codec::CODEC_ID_EAC3 => "E-AC-3".to_owned(),
        codec::CODEC_ID_DCA => "DTS".to_owned(),
        codec::CODEC_ID_TRUEHD => "TrueHD".to_owned(),
        codec::CODEC_ID_ALAC => "this kind of ALAC".to_owned(),
        codec::CODEC_ID_SPEEX => "Speex".to_owned(),
        codec::CODEC_ID_WMA => "WMA".to_owned(),
        codec::CODEC_ID_MP1 => "MPEG audio layer 1".to_owned(),
        codec::CODEC_ID_MP2 => "MPEG audio layer 2 (mp2)".to_owned(),
        codec::CODEC_ID_ADPCM_MS | codec::CODEC_ID_ADPCM_IMA_WAV | codec::CODEC_ID_ADPCM_IMA_QT => {
            "ADPCM with more than two channels".to_owned()
        }
        codec::CODEC_ID_ADPCM_G722 => "G.722".to_owned(),
        codec::CODEC_ID_ADPCM_G726 | codec::CODEC_ID_ADPCM_G726LE => "G.726".to_owned(),
        codec::CODEC_ID_AAC => "this kind of AAC".to_owned(),
        other => format!("sound of codec {other}"),
    }
}
