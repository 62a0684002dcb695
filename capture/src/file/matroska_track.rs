//! A track of a Matroska file.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known as codec;

use super::ebml::{children, float, unsigned};
use super::pcm::{self, Layout, Numbers};
use super::wav;

/// What a track holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Picture,
    Sound,
    Other,
}

/// What a track's entry tells.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) enabled: bool,
    codec: String,
    private: Vec<u8>,
    /// What decoding gives before the first sample that counts.
    pub(super) delay_ns: u64,
    rate: u32,
    channels: u16,
    bits: u64,
    /// What every frame begins with and the file leaves out.
    pub(super) stripped: Vec<u8>,
    /// Its blocks are compressed or encrypted.
    pub(super) packed: bool,
    /// Blocks of PCM or ADPCM.
    layout: Option<Layout>,
}

impl Track {
    /// Reads a TrackEntry; what it does not tell has its default.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut track = Self {
            number: 0,
            kind: Kind::Other,
            enabled: true,
            codec: String::new(),
            private: Vec::new(),
            delay_ns: 0,
            rate: 8_000,
            channels: 1,
            bits: 0,
            stripped: Vec::new(),
            packed: false,
            layout: None,
        };
        for (id, content) in children(body) {
            match id {
                0xd7 => track.number = unsigned(content),
                0x83 => {
                    track.kind = match unsigned(content) {
                        1 => Kind::Picture,
                        2 => Kind::Sound,
                        _ => Kind::Other,
                    }
                }
                0xb9 => track.enabled = unsigned(content) != 0,
                0x86 => track.codec = String::from_utf8_lossy(content).trim_end_matches('\0').to_owned(),
                0x63a2 => track.private = content.to_vec(),
                0x56aa => track.delay_ns = unsigned(content),
                0xe1 => {
                    for (id, content) in children(content) {
                        match id {
                            0xb5 => track.rate = float(content).round() as u32,
                            0x9f => track.channels = u16::try_from(unsigned(content)).unwrap_or(u16::MAX),
                            0x6264 => track.bits = unsigned(content),
                            _ => (),
                        }
                    }
                }
                0x6d80 => track.encodings(content),
                _ => (),
            }
        }
        track.layout = track.layout();
        track
    }

    /// Header stripping is undone; every other packing is not.
    fn encodings(&mut self, content: &[u8]) {
        for (_, encoding) in children(content).filter(|(id, _)| *id == 0x6240) {
            let stripped = children(encoding).filter(|(id, _)| *id == 0x5034).find_map(|(_, compression)| {
                let algorithm = children(compression).find(|(id, _)| *id == 0x4254).map_or(0, |(_, c)| unsigned(c));
                let settings = children(compression).find(|(id, _)| *id == 0x4255).map(|(_, c)| c);
                (algorithm == 3).then(|| settings.unwrap_or_default().to_vec())
            });
            match stripped {
                Some(stripped) => self.stripped = stripped,
                None => self.packed = true,
            }
        }
    }

    fn layout(&self) -> Option<Layout> {
        let (numbers, big_endian) = match self.codec.as_str() {
            "A_PCM/INT/LIT" if self.bits == 8 => (Numbers::Unsigned, false),
            "A_PCM/INT/LIT" => (Numbers::Signed, false),
            "A_PCM/INT/BIG" => (Numbers::Signed, true),
            "A_PCM/FLOAT/IEEE" => (Numbers::Float, false),
            "A_MS/ACM" => return wav::layout_of(&self.private).ok(),
            _ => return None,
        };
        let bytes = self.bits.div_ceil(8);
        let codec = pcm::codec_of(numbers, bytes, big_endian)?;
        let block = bytes * u64::from(self.channels);
        Some(Layout { codec, channels: self.channels, rate: self.rate, block, frames: 1 })
    }

    /// Samples per channel in a frame of `bytes`, where frames are blocks of PCM or ADPCM; zero otherwise.
    pub(super) fn frames_in(&self, bytes: usize) -> u64 {
        self.layout.map_or(0, |layout| bytes as u64 / layout.block.max(1) * layout.frames)
    }

    /// The decoder's parameters; the name of what cannot be decoded here.
    ///
    /// # Errors
    /// That name.
    pub(super) fn params(&self) -> Result<AudioCodecParameters, String> {
        if let Some(layout) = self.layout {
            let mut params = layout.params();
            // As many as a block of the container may hold.
            params.with_max_frames_per_packet(1 << 16);
            return Ok(params);
        }
        let id = match self.codec.as_str() {
            "A_OPUS" => codec::CODEC_ID_OPUS,
            "A_VORBIS" => codec::CODEC_ID_VORBIS,
            "A_MPEG/L3" => codec::CODEC_ID_MP3,
            "A_FLAC" => codec::CODEC_ID_FLAC,
            "A_ALAC" => codec::CODEC_ID_ALAC,
            name if name.starts_with("A_AAC") => codec::CODEC_ID_AAC,
            _ => return Err(self.codec_name()),
        };
        let mut params = AudioCodecParameters::new();
        params.for_codec(id).with_sample_rate(self.rate).with_channels(Channels::Discrete(self.channels));
        let extra = match id {
            codec::CODEC_ID_VORBIS => vorbis_headers(&self.private),
            // "fLaC", a block's header, STREAMINFO.
            codec::CODEC_ID_FLAC => self.private.get(8..42).map(<[u8]>::to_vec),
            _ => Some(self.private.clone()).filter(|private| !private.is_empty()),
        };
        match extra {
            Some(extra) => drop(params.with_extra_data(extra.into())),
            None if matches!(id, codec::CODEC_ID_VORBIS | codec::CODEC_ID_FLAC) => {
                return Err(format!("{} without its headers", self.codec_name()));
            }
            None => (),
        }
        Ok(params)
    }

    /// The codec's name, for messages.
    pub(super) fn codec_name(&self) -> String {
        let name = match self.codec.as_str() {
            "V_VP8" => "VP8",
            "V_VP9" => "VP9",
            "V_AV1" => "AV1",
            "V_MPEG4/ISO/AVC" => "H.264",
            "V_MPEGH/ISO/HEVC" => "HEVC (H.265)",
            "V_MPEG1" | "V_MPEG2" => "MPEG-2",
            "V_MJPEG" => "MJPEG",
            "V_THEORA" => "Theora",
            "A_OPUS" => "Opus",
            "A_VORBIS" => "Vorbis",
            "A_AC3" => "AC-3",
            "A_EAC3" => "E-AC-3",
            "A_DTS" => "DTS",
            "A_TRUEHD" => "TrueHD",
            "A_MPEG/L1" | "A_MPEG/L2" => "MPEG audio layer 2 (mp2)",
            "A_TTA1" => "TTA",
            "A_WAVPACK4" => "WavPack",
            other => return other.escape_debug().to_string(),
        };
        name.to_owned()
    }
}

/// The first and the third of Vorbis' three headers, one behind the other: as the decoder wants them.
fn vorbis_headers(private: &[u8]) -> Option<Vec<u8>> {
    // The count less one, then two sizes in Xiph's lacing.
    let (2, mut rest) = private.split_first().map(|(count, rest)| (*count, rest))? else {
        return None;
    };
    let mut sizes = [0_usize; 2];
    for size in &mut sizes {
        loop {
            let (&byte, tail) = rest.split_first()?;
            rest = tail;
            *size += usize::from(byte);
            if byte < 255 {
                break;
            }
        }
    }
    let [ident, comment] = sizes;
    let (ident, rest) = rest.split_at_checked(ident)?;
    let (_, setup) = rest.split_at_checked(comment)?;
    Some([ident, setup].concat())
}
