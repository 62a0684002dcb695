//! Sample descriptions: which codec a track's samples are of, and what its decoder must know (ISO/IEC 14496-12 section 8.5.2,
//! 14496-14, 14496-15; QuickTime for its own kinds).

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known as codec;

use super::avc::Configuration;
use super::boxes::{Boxes, Kind, be16, be32};
use super::movie::Parsed;
use super::samples::Block;

/// Bytes of a description of pictures or sound before the boxes in it.
const PICTURE_HEADER: usize = 78;
const SOUND_HEADER: usize = 28;

/// A description of pictures.
#[derive(Clone, Debug)]
pub(super) struct PictureEntry {
    pub(super) codec: PictureCodec,
    /// Width over height of a pixel, where the file tells it.
    pub(super) pixel: Option<(u32, u32)>,
    /// Matrix coefficients (ISO/IEC 23001-8) and whether the range is full, where the file tells them.
    pub(super) colour: Option<(u8, Option<bool>)>,
}

/// The codec of pictures.
#[derive(Clone, Debug)]
pub(super) enum PictureCodec {
    /// H.264: bytes of the length before each NAL unit, parameter sets, the profile that the description tells.
    H264 { length_bytes: usize, sets: Vec<Vec<u8>>, profile: u8 },
    /// Another one, by its name.
    Other(String),
}

impl PictureEntry {
    /// Reads the description `body` of type `kind`.
    pub(super) fn parse(kind: Kind, body: &[u8]) -> Parsed<Self> {
        let mut entry = Self { codec: PictureCodec::Other(picture_codec(kind)), pixel: None, colour: None };
        let mut has_configuration = false;
        // Some programs leave a few bytes behind the last box.
        for (child, body) in Boxes::new(body.get(PICTURE_HEADER..).unwrap_or_default()).map_while(Result::ok) {
            match &child {
                b"avcC" if matches!(&kind, b"avc1" | b"avc2" | b"avc3" | b"avc4") => {
                    let Configuration { profile, length_bytes, sets, .. } = Configuration::read(body)?;
                    let sets = sets.into_iter().map(<[u8]>::to_vec).collect();
                    entry.codec = PictureCodec::H264 { length_bytes, sets, profile };
                    has_configuration = true;
                }
                b"pasp" => entry.pixel = be32(body, 0).zip(be32(body, 4)).filter(|(h, v)| *h > 0 && *v > 0),
                b"colr" if body.starts_with(b"nclx") || body.starts_with(b"nclc") => {
                    let full = body.get(10).map(|flags| flags & 0x80 != 0).filter(|_| body.starts_with(b"nclx"));
                    entry.colour =
                        be16(body, 8).and_then(|matrix| u8::try_from(matrix).ok()).map(|matrix| (matrix, full));
                }
                b"esds" => {
                    // The kind `mp4v` stands for all of MPEG.
                    let name = match stream(body.get(4..).unwrap_or_default()) {
                        Some((0x60..=0x65, _)) => "MPEG-2",
                        Some((0x6a, _)) => "MPEG-1",
                        Some((0x6c, _)) => "Motion JPEG",
                        Some((0x6d, _)) => "PNG pictures",
                        _ => continue,
                    };
                    entry.codec = PictureCodec::Other(name.to_owned());
                }
                b"sinf" if &kind == b"encv" => entry.codec = PictureCodec::Other("encrypted pictures".to_owned()),
                _ => (),
            }
        }
        if !has_configuration && kind.starts_with(b"avc") {
            return Err("its H.264 pictures have no configuration (box avcC)".to_owned());
        }
        Ok(entry)
    }
}

/// The name of the codec of a description of pictures.
fn picture_codec(kind: Kind) -> String {
    let name = match &kind {
        b"hvc1" | b"hev1" | b"hvc2" | b"hev2" | b"dvh1" | b"dvhe" => "HEVC (H.265)",
        b"vvc1" | b"vvi1" => "VVC (H.266)",
        b"av01" => "AV1",
        b"vp08" => "VP8",
        b"vp09" => "VP9",
        b"mp4v" => "MPEG-4 part 2",
        b"s263" | b"h263" | b"H263" => "H.263",
        b"jpeg" | b"mjpa" | b"mjpb" | b"MJPG" | b"AVDJ" => "Motion JPEG",
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" | b"aprn" | b"aprh" => "ProRes",
        b"AVdn" | b"AVdh" => "DNxHD",
        b"mp1v" | b"mp2v" | b"m2v1" | b"mx5n" | b"hdv1" | b"hdv2" | b"hdv3" | b"xdvc" => "MPEG-2",
        b"dvc " | b"dvcp" | b"dvpp" | b"dv5n" | b"dv5p" => "DV",
        b"CFHD" => "CineForm",
        b"png " => "PNG pictures",
        b"rle " => "QuickTime Animation",
        b"SVQ1" | b"SVQ3" => "Sorenson video",
        b"cvid" => "Cinepak",
        b"raw " | b"2vuy" | b"yuv2" | b"v210" => "uncompressed pictures",
        b"encv" => "encrypted pictures",
        _ => return super::boxes::name(kind),
    };
    name.to_owned()
}

/// A description of sound.
#[derive(Clone, Debug)]
pub(super) struct SoundEntry {
    pub(super) codec: SoundCodec,
    pub(super) channels: u32,
    /// Samples a second as the description tells; zero where it does not.
    pub(super) rate: u32,
    /// Bits of a sample of uncompressed sound.
    pub(super) bits: u32,
    /// What the codec's decoder must know, as it wants it.
    pub(super) config: Vec<u8>,
    /// The length of each packet, where all have one.
    pub(super) block: Option<Block>,
}

/// The codec of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SoundCodec {
    /// One that symphonia may decode, and its name.
    Known(AudioCodecId, &'static str),
    /// Another one, by its name.
    Other(String),
}

impl SoundCodec {
    /// The name for messages.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Known(_, name) => name,
            Self::Other(name) => name,
        }
    }
}

impl SoundEntry {
    /// Reads the description `body` of type `kind`.
    pub(super) fn parse(kind: Kind, body: &[u8]) -> Parsed<Self> {
        let short = || "its description of sound is too short".to_owned();
        let version = be16(body, 8).ok_or_else(short)?;
        let mut entry = Self {
            codec: SoundCodec::Other(sound_codec(kind)),
            channels: be16(body, 16).ok_or_else(short)?.into(),
            rate: be16(body, 24).ok_or_else(short)?.into(),
            bits: be16(body, 18).ok_or_else(short)?.into(),
            config: Vec::new(),
            block: None,
        };
        let (mut boxes, mut lpcm) = (SOUND_HEADER, None);
        match version {
            1 => boxes += 16,
            2 => {
                boxes += 36;
                let rate = super::boxes::be64(body, 32).ok_or_else(short)?;
                entry.rate = f64::from_bits(rate) as u32;
                entry.channels = be32(body, 40).ok_or_else(short)?;
                entry.bits = be32(body, 48).ok_or_else(short)?;
                lpcm = be32(body, 52);
            }
            _ => (),
        }
        let (mut wide_little, mut has_configuration) = (false, false);
        let children = body.get(boxes..).unwrap_or_default();
        let mut codecs: Vec<(Kind, &[u8])> = Vec::new();
        for (child, body) in Boxes::new(children).map_while(Result::ok).take(32) {
            if &child == b"wave" {
                // QuickTime keeps what belongs to the codec in a box of its own.
                codecs.extend(Boxes::new(body).map_while(Result::ok).take(32));
            } else {
                codecs.push((child, body));
            }
        }
        for (child, body) in codecs {
            has_configuration |= configured(kind).is_some_and(|(_, wanted)| child == *wanted.as_bytes());
            match &child {
                b"esds" => entry.descriptor(body.get(4..).unwrap_or_default())?,
                b"alac" if body.len() >= 28 => {
                    entry.codec = SoundCodec::Known(codec::CODEC_ID_ALAC, "ALAC");
                    entry.config = body.get(4..).unwrap_or_default().to_vec();
                }
                // Version and flags, then the header of the block with the stream's parameters.
                b"dfLa" if body.get(4).is_some_and(|kind| kind & 0x7f == 0) => {
                    entry.codec = SoundCodec::Known(codec::CODEC_ID_FLAC, "FLAC");
                    entry.config = body.get(8..42).ok_or_else(short)?.to_vec();
                }
                b"dOps" => {
                    entry.codec = SoundCodec::Known(codec::CODEC_ID_OPUS, "Opus");
                    // As in the other containers, but for the order of bytes, which its version tells.
                    entry.config = [b"OpusHead", body].concat();
                    entry.rate = 48_000;
                }
                b"enda" => wide_little = body.get(1) == Some(&1),
                b"pcmC" => {
                    wide_little = body.get(4).is_some_and(|flags| flags & 1 == 1);
                    entry.bits = body.get(5).copied().unwrap_or(0).into();
                }
                _ => (),
            }
        }
        let channels = entry.channels.max(1);
        if !has_configuration && let Some((codec, child)) = configured(kind) {
            return Err(format!("its {codec} sound has no configuration (box {child})"));
        }
        if let Some(known) = uncompressed(kind, entry.bits, wide_little, lpcm) {
            let width = width_of(known);
            entry.codec = SoundCodec::Known(known, "PCM");
            entry.block = Some(Block { samples: 1, bytes: width.saturating_mul(channels) });
        } else if &kind == b"ima4" {
            entry.codec = SoundCodec::Known(codec::CODEC_ID_ADPCM_IMA_QT, "IMA ADPCM");
            entry.block = Some(Block { samples: 64, bytes: 34_u32.saturating_mul(channels) });
        } else if matches!(&kind, b".mp3" | b"ms\0U") {
            entry.codec = SoundCodec::Known(codec::CODEC_ID_MP3, "MP3");
        }
        Ok(entry)
    }

    /// Takes codec and configuration from the elementary stream descriptor `bytes`.
    fn descriptor(&mut self, bytes: &[u8]) -> Parsed<()> {
        let (object, config) = stream(bytes).ok_or("its sound's descriptor (box esds) is broken")?;
        self.config = config.to_vec();
        self.codec = match object {
            0x40 | 0x66..=0x68 => SoundCodec::Known(codec::CODEC_ID_AAC, "AAC"),
            0x69 | 0x6b => SoundCodec::Known(codec::CODEC_ID_MP3, "MP3"),
            0xa5 => SoundCodec::Other("AC-3".to_owned()),
            0xa6 => SoundCodec::Other("E-AC-3".to_owned()),
            0xa9..=0xac => SoundCodec::Other("DTS".to_owned()),
            0xdd => SoundCodec::Other("Vorbis in mp4".to_owned()),
            0xe1 => SoundCodec::Other("QCELP".to_owned()),
            other => SoundCodec::Other(format!("MPEG-4 sound of object type {other:#04x}")),
        };
        Ok(())
    }
}

/// The object type of an elementary stream and its decoder's configuration (ISO/IEC 14496-1 section 7.2.6.5).
fn stream(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (tag, mut body, _) = descriptor(bytes)?;
    if tag == 3 {
        let flags = *body.get(2)?;
        let mut skip = 3;
        skip += if flags & 0x80 != 0 { 2 } else { 0 };
        skip += if flags & 0x40 != 0 { 1 + usize::from(*body.get(skip)?) } else { 0 };
        skip += if flags & 0x20 != 0 { 2 } else { 0 };
        let (tag, config, _) = descriptor(body.get(skip..)?)?;
        body = Some(config).filter(|_| tag == 4)?;
    } else if tag != 4 {
        return None;
    }
    let config = match body.get(13..).and_then(descriptor) {
        Some((5, config, _)) => config,
        _ => &[],
    };
    Some((*body.first()?, config))
}

/// Tag, content and rest of a descriptor of MPEG-4 systems: lengths come seven bits a byte, four bytes at most.
fn descriptor(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, mut rest) = bytes.split_first()?;
    let mut length = 0;
    for _ in 0..4 {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    // Some programs count more than there is: what there is then is the content.
    let (body, rest) = rest.split_at(length.min(rest.len()));
    Some((*tag, body, rest))
}

/// The codec of uncompressed sound of type `kind`.
fn uncompressed(kind: Kind, bits: u32, little: bool, lpcm: Option<u32>) -> Option<AudioCodecId> {
    let integers = |little: bool, bits: u32| match (bits, little) {
        (8, _) => Some(codec::CODEC_ID_PCM_S8),
        (16, true) => Some(codec::CODEC_ID_PCM_S16LE),
        (16, false) => Some(codec::CODEC_ID_PCM_S16BE),
        (24, true) => Some(codec::CODEC_ID_PCM_S24LE),
        (24, false) => Some(codec::CODEC_ID_PCM_S24BE),
        (32, true) => Some(codec::CODEC_ID_PCM_S32LE),
        (32, false) => Some(codec::CODEC_ID_PCM_S32BE),
        _ => None,
    };
    let floats = |little: bool, bits: u32| match (bits, little) {
        (32, true) => Some(codec::CODEC_ID_PCM_F32LE),
        (32, false) => Some(codec::CODEC_ID_PCM_F32BE),
        (64, true) => Some(codec::CODEC_ID_PCM_F64LE),
        (64, false) => Some(codec::CODEC_ID_PCM_F64BE),
        _ => None,
    };
    match &kind {
        b"sowt" => integers(true, bits.max(8)),
        b"twos" => integers(false, bits.max(8)),
        b"in24" => integers(little, 24),
        b"in32" => integers(little, 32),
        b"fl32" => floats(little, 32),
        b"fl64" => floats(little, 64),
        b"ipcm" => integers(little, bits),
        b"fpcm" => floats(little, bits),
        b"raw " if bits == 16 => Some(codec::CODEC_ID_PCM_U16BE),
        b"raw " => Some(codec::CODEC_ID_PCM_U8),
        b"ulaw" => Some(codec::CODEC_ID_PCM_MULAW),
        b"alaw" => Some(codec::CODEC_ID_PCM_ALAW),
        // Flags: floats, big-endian, signed.
        b"lpcm" => match lpcm? {
            flags if flags & 1 != 0 => floats(flags & 2 == 0, bits),
            flags if flags & 4 == 0 && bits == 8 => Some(codec::CODEC_ID_PCM_U8),
            flags => integers(flags & 2 == 0, bits),
        },
        _ => None,
    }
}

/// Bytes of a sample of one channel.
fn width_of(id: AudioCodecId) -> u32 {
    match id {
        codec::CODEC_ID_PCM_S16LE | codec::CODEC_ID_PCM_S16BE | codec::CODEC_ID_PCM_U16BE => 2,
        codec::CODEC_ID_PCM_S24LE | codec::CODEC_ID_PCM_S24BE => 3,
        codec::CODEC_ID_PCM_S32LE
        | codec::CODEC_ID_PCM_S32BE
        | codec::CODEC_ID_PCM_F32LE
        | codec::CODEC_ID_PCM_F32BE => 4,
        codec::CODEC_ID_PCM_F64LE | codec::CODEC_ID_PCM_F64BE => 8,
        _ => 1,
    }
}

/// Codecs that cannot be read without a configuration, and the box that holds it.
fn configured(kind: Kind) -> Option<(&'static str, &'static str)> {
    match &kind {
        b"mp4a" => Some(("AAC", "esds")),
        b"Opus" => Some(("Opus", "dOps")),
        b"alac" => Some(("ALAC", "alac")),
        b"fLaC" => Some(("FLAC", "dfLa")),
        _ => None,
    }
}

/// The name of the codec of a description of sound.
fn sound_codec(kind: Kind) -> String {
    let name = match &kind {
        b"ac-3" | b"sac3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b"ac-4" => "AC-4",
        b"apac" => "APAC (Apple's spatial sound)",
        b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" | b"dtsx" => "DTS",
        b"mlpa" => "Dolby TrueHD",
        b"samr" => "AMR (narrow band)",
        b"sawb" => "AMR (wide band)",
        b"sawp" => "AMR-WB+",
        b"sevc" => "EVRC",
        b"sqcp" | b"Qclp" => "QCELP",
        b"agsm" | b"GSM " => "GSM",
        b"mhm1" | b"mha1" | b"mhm2" | b"mha2" => "MPEG-H sound",
        b"MAC3" | b"MAC6" => "MACE",
        b"QDMC" | b"QDM2" => "QDesign sound",
        b"spex" => "Speex",
        b"enca" | b"drms" => "encrypted sound",
        _ => return super::boxes::name(kind),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use symphonia::core::codecs::audio::well_known as codec;

    use super::{Block, PictureCodec, PictureEntry, SoundCodec, SoundEntry, descriptor};

    /// A description of sound of version 0 with `boxes` behind it.
    fn sound(channels: u16, bits: u16, rate: u16, boxes: &[u8]) -> Vec<u8> {
        let mut body = vec![0; 16];
        body.extend([channels.to_be_bytes(), bits.to_be_bytes(), [0; 2], [0; 2], rate.to_be_bytes(), [0; 2]].concat());
        body.extend(boxes);
        body
    }

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(8 + body.len() as u32).to_be_bytes()[..], kind, body].concat()
    }

    #[test]
    fn aac_gives_its_configuration_and_other_objects_are_named() {
        let esds = |object: u8, size: u32| {
            let config = [&[4, 15 + 4, object, 0x15][..], &[0; 11], &[5, 0x80, 0x80, 2, 0x12, 0x10]].concat();
            let stream = [&[0, 0, 0, 0, 3, 3 + config.len() as u8, 0, 1, 0][..], &config].concat();
            let mut esds = boxed(b"esds", &stream);
            esds[..4].copy_from_slice(&size.to_be_bytes());
            esds
        };
        let len = esds(0, 0).len() as u32;
        let entry = SoundEntry::parse(*b"mp4a", &sound(2, 16, 44_100, &esds(0x40, len))).unwrap();
        assert_eq!((entry.codec, entry.config), (SoundCodec::Known(codec::CODEC_ID_AAC, "AAC"), vec![0x12, 0x10]));
        let entry = SoundEntry::parse(*b"mp4a", &sound(2, 16, 44_100, &esds(0xa5, len))).unwrap();
        assert_eq!(entry.codec.name(), "AC-3");
        // A box of no size is no configuration, and no reason to go on for ever.
        for size in 0..8 {
            let refused = SoundEntry::parse(*b"mp4a", &sound(2, 16, 44_100, &esds(0x40, size))).unwrap_err();
            assert!(refused.contains("no configuration (box esds)"), "{size}: {refused}");
        }
    }

    #[test]
    fn lengths_of_descriptors_end() {
        assert_eq!(descriptor(&[5, 0x80, 0x80, 0x80, 1, 9, 7]), Some((5, &[9][..], &[7][..])));
        assert_eq!(descriptor(&[5, 0xff, 0xff, 0xff, 0xff, 9]), Some((5, &[9][..], &[][..])));
        assert_eq!(descriptor(&[5, 0x80]), None);
    }

    #[test]
    fn uncompressed_sound_is_known_by_its_kind() {
        let entry = SoundEntry::parse(*b"sowt", &sound(2, 16, 48_000, &[])).unwrap();
        assert_eq!(entry.codec, SoundCodec::Known(codec::CODEC_ID_PCM_S16LE, "PCM"));
        assert_eq!(entry.block, Some(Block { samples: 1, bytes: 4 }));
        let wave = boxed(b"wave", &boxed(b"enda", &[0, 1]));
        let entry = SoundEntry::parse(*b"in24", &sound(1, 16, 48_000, &wave)).unwrap();
        assert_eq!(entry.codec, SoundCodec::Known(codec::CODEC_ID_PCM_S24LE, "PCM"));
    }

    #[test]
    fn descriptions_of_pictures_are_bounded() {
        let mut body = vec![0; 78];
        body.extend(boxed(b"avcC", &[1, 66, 0, 30, 0xff, 0xe1, 0, 1, 0x67, 0]));
        body.extend(boxed(b"pasp", &[0, 0, 0, 4, 0, 0, 0, 3]));
        body.extend(boxed(b"colr", b"nclx\0\x01\0\x01\0\x01\x80"));
        let entry = PictureEntry::parse(*b"avc1", &body).unwrap();
        assert!(matches!(&entry.codec, PictureCodec::H264 { length_bytes: 4, profile: 66, sets } if *sets == [[0x67]]));
        assert_eq!((entry.pixel, entry.colour), (Some((4, 3)), Some((1, Some(true)))));
        for len in 0..body.len() {
            // Never more than an error.
            let _ = PictureEntry::parse(*b"avc1", &body[..len]);
        }
        assert!(PictureEntry::parse(*b"avc1", &[0; 78]).is_err());
        let other = PictureEntry::parse(*b"hvc1", &[]).unwrap();
        assert!(matches!(other.codec, PictureCodec::Other(name) if name.contains("HEVC")));
    }
}
