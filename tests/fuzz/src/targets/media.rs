//! Sound, films and pictures, as a user gives them.

use std::path::Path;
use std::time::Duration;

use mien_capture::file::{self, MAX_DURATION_S, ReadOptions};
use mien_capture::{Media, Timestamp};

use super::{Case, Limits, Outcome, Reader, Target, corpus};
use crate::repair;
use crate::structure::Framing;

/// Memory that a recording may take; what the program gives on the smallest machine is more.
const MEMORY: u64 = 48 << 20;
/// Frames of a film that are looked at.
const MOST_FRAMES: usize = 16;

/// Memory as the options say and some for tables; time for decoding so much.
const LIMITS: Limits = Limits { ms: 1500, ms_per_kb: 4, memory: (MEMORY as usize) + (16 << 20), per_byte: 200 };

/// What the targets below have in common.
const MEDIA: Target = Target {
    name: "",
    reads: "",
    file: "input.bin",
    text: false,
    framing: None,
    tokens: &[],
    repair: repair::nothing,
    longest: 16 << 10,
    limits: LIMITS,
    seeds: |_| Ok(Vec::new()),
    prepare: |_| Ok(reader()),
};

pub(super) const WAV: Target = Target {
    name: "wav",
    reads: "wav and RF64: integers, floats, A-law, ADPCM",
    framing: Some(Framing::RIFF),
    tokens: &[
        b"RIFF",
        b"RF64",
        b"RIFX",
        b"BW64",
        b"WAVE",
        b"fmt ",
        b"data",
        b"ds64",
        b"LIST",
        b"INFO",
        b"fact",
        b"id3 ",
        b"JUNK",
        b"bext",
        b"PAD ",
        b"\xff\xff\xff\xff",
        b"\xfe\xff",
        b"\x01\0",
        b"\x03\0",
        b"\x02\0",
        b"\x11\0",
    ],
    seeds: |_| corpus("wav"),
    ..MEDIA
};

pub(super) const AIFF: Target = Target {
    name: "aiff",
    reads: "AIFF and AIFF-C",
    framing: Some(Framing::IFF),
    tokens: &[
        b"FORM",
        b"AIFF",
        b"AIFC",
        b"COMM",
        b"SSND",
        b"FVER",
        b"MARK",
        b"NONE",
        b"sowt",
        b"fl32",
        b"ulaw",
        b"alaw",
        b"ima4",
        b"ID3 ",
        b"\x40\x0e\xac\x44",
        b"\x7f\xff\xff\xff",
    ],
    seeds: |_| corpus("aiff"),
    ..MEDIA
};

pub(super) const CAF: Target = Target {
    name: "caf",
    reads: "CAF with PCM and ALAC",
    framing: Some(Framing::CAF),
    tokens: &[
        b"caff",
        b"desc",
        b"data",
        b"pakt",
        b"kuki",
        b"chan",
        b"info",
        b"free",
        b"lpcm",
        b"alac",
        b"ima4",
        b"frma",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
    seeds: |_| corpus("caf"),
    ..MEDIA
};

pub(super) const FLAC: Target = Target {
    name: "flac",
    reads: "native FLAC; its checks are mended",
    tokens: &[b"fLaC", b"ID3\x04", b"TAG", b"\xff\xf8", b"\xff\xf9", b"\x84\0\0\0", b"\x03\0\0\x12", b"\x81\0\0\0"],
    repair: repair::flac,
    seeds: |_| corpus("flac"),
    ..MEDIA
};

pub(super) const OGG: Target = Target {
    name: "ogg",
    reads: "ogg with Vorbis and Opus; the checks of its pages are mended",
    tokens: &[
        b"OggS",
        b"\x01vorbis",
        b"\x03vorbis",
        b"\x05vorbis",
        b"BCV",
        b"OpusHead",
        b"OpusTags",
        b"\x7fFLAC",
        b"Speex   ",
        b"fishead\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
    repair: repair::ogg,
    seeds: |_| corpus("ogg"),
    ..MEDIA
};

pub(super) const FRAMES: Target = Target {
    name: "frames",
    reads: "mp3 and ADTS frames, with ID3 tags and without",
    tokens: &[
        b"ID3\x03",
        b"ID3\x04",
        b"APIC",
        b"TXXX",
        b"TAG",
        b"Xing",
        b"Info",
        b"VBRI",
        b"LAME",
        b"APETAGEX",
        b"\xff\xfb",
        b"\xff\xf1",
        b"\xff\xe3",
        b"\x7f\x7f\x7f\x7f",
    ],
    seeds: |_| corpus("frames"),
    ..MEDIA
};

pub(super) const MKV: Target = Target {
    name: "mkv",
    reads: "Matroska and WebM with Opus, FLAC and PCM",
    tokens: &[
        b"\x1a\x45\xdf\xa3",
        b"\x18\x53\x80\x67",
        b"\x11\x4d\x9b\x74",
        b"\x15\x49\xa9\x66",
        b"\x16\x54\xae\x6b",
        b"\x1f\x43\xb6\x75",
        b"\x1c\x53\xbb\x6b",
        b"\xae",
        b"\xe1",
        b"\xa3",
        b"\xa0",
        b"\xa1",
        b"\xec",
        b"\x63\xa2",
        b"\x01\xff\xff\xff\xff\xff\xff\xff",
        b"\x01\0\0\0\0\0\0\0",
        b"\xff",
        b"\x80",
        b"\x40\x7f",
        b"A_OPUS",
        b"A_FLAC",
        b"A_PCM/INT/LIT",
        b"A_AAC",
        b"A_VORBIS",
        b"V_VP8",
        b"webm",
        b"matroska",
    ],
    seeds: |_| corpus("mkv"),
    ..MEDIA
};

/// Boxes of ISO base media.
const BOXES: &[&[u8]] = &[
    b"ftyp", b"moov", b"mvhd", b"trak", b"tkhd", b"edts", b"elst", b"mdia", b"mdhd", b"hdlr", b"minf", b"smhd",
    b"vmhd", b"dinf", b"dref", b"url ", b"stbl", b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stz2", b"stco",
    b"co64", b"stss", b"mp4a", b"esds", b"alac", b"Opus", b"dOps", b"avc1", b"avc3", b"avcC", b"hvc1", b"hvcC",
    b"av01", b"av1C", b"vp09", b"vpcC", b"tx3g", b"colr", b"pasp", b"btrt", b"wave", b"chan", b"moof", b"mfhd",
    b"traf", b"tfhd", b"tfdt", b"trun", b"mvex", b"mehd", b"trex", b"sidx", b"mfra", b"tfra", b"mfro", b"udta",
    b"meta", b"ilst", b"data", b"free", b"mdat", b"uuid", b"emsg", b"sbgp", b"sgpd", b"soun", b"vide", b"text",
    b"isom", b"qt  ",
];

pub(super) const M4A: Target = Target {
    name: "m4a",
    reads: "mp4 with sound alone: AAC, ALAC, Opus",
    framing: Some(Framing::BOXES),
    tokens: BOXES,
    seeds: |_| corpus("m4a"),
    ..MEDIA
};

pub(super) const MP4: Target = Target {
    name: "mp4",
    reads: "films: mp4 with H.264 and AAC, fragmented, turned",
    framing: Some(Framing::BOXES),
    tokens: BOXES,
    seeds: |_| corpus("mp4"),
    ..MEDIA
};

pub(super) const JPEG: Target = Target {
    name: "jpeg",
    reads: "JPEG pictures",
    tokens: &[
        b"\xff\xd8",
        b"\xff\xd9",
        b"\xff\xc0",
        b"\xff\xc2",
        b"\xff\xc4",
        b"\xff\xda",
        b"\xff\xdb",
        b"\xff\xdd",
        b"\xff\xe0",
        b"\xff\xe1",
        b"\xff\xe2",
        b"\xff\xee",
        b"\xff\xd0",
        b"Exif\0\0II*\0",
        b"JFIF\0",
        b"MPF\0",
        b"ICC_PROFILE\0",
    ],
    seeds: |_| corpus("jpeg"),
    ..MEDIA
};

pub(super) const PNG: Target = Target {
    name: "png",
    reads: "PNG pictures; the checks of their chunks are mended",
    framing: Some(Framing::PNG),
    tokens: &[
        b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"iCCP", b"sRGB", b"tEXt", b"zTXt", b"iTXt",
        b"eXIf", b"acTL", b"fcTL", b"fdAT", b"pHYs",
    ],
    repair: repair::png,
    seeds: |_| corpus("png"),
    ..MEDIA
};

pub(super) const BMP: Target = Target {
    name: "bmp",
    reads: "BMP pictures",
    tokens: &[b"BM", b"\x28\0\0\0", b"\x7c\0\0\0", b"\0\0\0\x80", b"\x01\0\x18\0", b"\x01\0\x08\0", b"\x01\0\x04\0"],
    seeds: |_| corpus("bmp"),
    ..MEDIA
};

pub(super) const WEBP: Target = Target {
    name: "webp",
    reads: "WebP pictures, with and without loss",
    framing: Some(Framing::RIFF),
    tokens: &[
        b"RIFF",
        b"WEBP",
        b"VP8 ",
        b"VP8L",
        b"VP8X",
        b"ANIM",
        b"ANMF",
        b"ALPH",
        b"ICCP",
        b"EXIF",
        b"\x9d\x01\x2a",
    ],
    repair: repair::riff,
    seeds: |_| corpus("webp"),
    ..MEDIA
};

fn reader() -> Reader {
    Box::new(|case: &Case<'_>| read(case.path))
}

/// Opens the recording at `path` and looks at what is in it.
pub(super) fn read(path: &Path) -> Outcome {
    let options = ReadOptions { memory: MEMORY, patience: Duration::from_secs(4), ..ReadOptions::default() };
    match file::open_with(path, &options) {
        Err(error) => Outcome::refused(error),
        Ok(media) => look(&media).unwrap_or_else(Outcome::refused),
    }
}

fn look(media: &Media) -> mien_capture::Result<Outcome> {
    let wrong = |reason: &str| Ok(Outcome::Wrong(reason.to_owned()));
    if media.audio.is_none() && media.pictures.is_none() {
        return wrong("neither sound nor pictures");
    }
    if media.notes.iter().any(|note| note.chars().any(char::is_control)) {
        return wrong("a note is not one line");
    }
    if let Some(sound) = &media.audio {
        if sound.samples().iter().any(|sample| !sample.is_finite()) {
            return wrong("a sample is not finite");
        }
        if sound.duration_s() > f64::from(MAX_DURATION_S) {
            return wrong("the sound is too long");
        }
    }
    if let Some(pictures) = &media.pictures {
        let mut before: Option<Timestamp> = None;
        for frame in pictures.frames().take(MOST_FRAMES) {
            let frame = frame?;
            if frame.data().len() != frame.width() as usize * frame.height() as usize * 3 {
                return wrong("a picture's size is not that of its pixels");
            }
            if before.is_some_and(|before| frame.time() < before) {
                return wrong("pictures go back in time");
            }
            before = Some(frame.time());
        }
    }
    Ok(Outcome::Read)
}
