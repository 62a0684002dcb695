//! The cases, by their files' places in the folder.

/// Valence of the plain speech by the built-in bundle without its language model, of the plain film, and of that film's sound.
const PLAIN: f64 = 0.0965;
const FILM: f64 = -0.258;
const FILM_SOUND: f64 = 0.0485;
/// Of the speech in lossy files, as another decoder (ffmpeg 5.1) gives it: what the encoder did to it is not the reader's.
const OGG: f64 = 0.0727;
const HE_AAC: f64 = -0.0412;
/// Of the left channel alone of the speech at 8 kHz.
const LEFT_8K: f64 = 0.1969;

/// Which program reads the case's file.
#[derive(Clone, Copy)]
pub(super) enum Program {
    Mien,
    MienTrain,
}

/// What must come out.
#[derive(Clone, Copy)]
pub(super) enum Expect {
    /// The sound is scored, where a valence is given with that one; a note has these words.
    Sound { valence: Option<f64>, note: &'static str },
    /// A face is found, where a valence is given with that one; a note has these words.
    Face { valence: Option<f64>, note: &'static str },
    /// The same valences as with these arguments.
    AsWith(&'static [&'static str]),
    /// Bad input, told in words that hold these.
    Named(&'static [&'static str]),
    /// It ends, within limits of time and memory, with a score or with an error.
    Ends,
}

impl Expect {
    /// For people.
    pub(super) fn shown(self) -> String {
        let with = |note: &str| if note.is_empty() { String::new() } else { format!(", note \"{note}\"") };
        match self {
            Self::Sound { valence: Some(valence), note } => format!("{valence:+.4}{}", with(note)),
            Self::Sound { valence: None, note } => format!("a score{}", with(note)),
            Self::Face { valence: Some(valence), note } => format!("{valence:+.3}, face present{}", with(note)),
            Self::Face { valence: None, note } => format!("face present{}", with(note)),
            Self::AsWith(args) => format!("as with {}", args.last().unwrap_or(&"").trim_start_matches('@')),
            Self::Named(words) => format!("named: {}", words.join(", ")),
            Self::Ends => "ends within 5 s and 428 MiB".to_owned(),
        }
    }
}

/// One file and what must come of it.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) program: Program,
    /// Words that begin with `@` are paths below the folder.
    pub(super) args: &'static [&'static str],
    /// Read under limits of time and memory.
    pub(super) hostile: bool,
    pub(super) expect: Expect,
}

const fn score(name: &'static str, args: &'static [&'static str], expect: Expect) -> Case {
    Case { name, program: Program::Mien, args, hostile: false, expect }
}

const fn attack(name: &'static str, program: Program, args: &'static [&'static str]) -> Case {
    Case { name, program, args, hostile: true, expect: Expect::Ends }
}

const fn sound(note: &'static str) -> Expect {
    of(PLAIN, note)
}

const fn of(valence: f64, note: &'static str) -> Expect {
    Expect::Sound { valence: Some(valence), note }
}

const fn film(note: &'static str) -> Expect {
    Expect::Face { valence: Some(FILM), note }
}

const fn face(note: &'static str) -> Expect {
    Expect::Face { valence: None, note }
}

macro_rules! voice {
    ($path:literal) => {
        &["score", "--no-llm", "--json", concat!("@", $path)]
    };
}

/// The command line of a subtitle case.
macro_rules! words {
    ($path:literal) => {
        &["score", "--json", "@plain/speech.wav", "--text-file", concat!("@", $path)]
    };
}

pub(super) const ROWS: &[Case] = &[
    score("wav of a pipe, size 0x80000000", voice!("03-wav-arecord-pipe/talk.wav"), sound("header")),
    score("wav whose data size is 0", voice!("04-wav-size-zero/talk.wav"), sound("header")),
    score("RF64", voice!("08-wav-rf64/talk.wav"), sound("")),
    score("FLAC behind an ID3v2 tag", voice!("12-flac-id3/talk.flac"), sound("")),
    score("FLAC before an ID3v1 tag", voice!("12-flac-id3/id3v1-tail.flac"), sound("")),
    score("ogg without an end-of-stream flag", voice!("13-flac-pipe/no-eos.ogg"), of(OGG, "never ended")),
    score("HE-AAC in m4a", voice!("17-he-aac/he.m4a"), of(HE_AAC, "HE-AAC")),
    score("right channel inverted", voice!("18-wav-channels/inverted-8k.wav"), of(LEFT_8K, "channel")),
    score("plain film", voice!("20-film-plain/talk.mp4"), film("")),
    score("film with a transposing matrix", voice!("22-film-mirrored/transpose.mp4"), film("")),
    score("film turned by mvhd", voice!("23-film-mvhd/talk.mp4"), film("")),
    score("HEVC film of a phone", voice!("24-mov-hevc/IMG_0001.MOV"), of(FILM_SOUND, "HEVC")),
    score("browser's recording, avc3", voice!("26-mp4-mediarecorder/chrome-avc3.mp4"), film("")),
    score("browser's recording, Opus", voice!("26-mp4-mediarecorder/chrome-opus.mp4"), film("")),
    score("interlaced film", voice!("27-film-odd-h264/interlaced.mp4"), of(FILM_SOUND, "interlaced")),
    score("two sound tracks, the first disabled", voice!("28-film-two-sounds/obs.mp4"), film("")),
    score("motion photo", voice!("32-face-motion-photo/sda-0.jpg"), face("")),
    score("HEIC", voice!("35-face-heic/IMG_0001.HEIC"), Expect::Named(&["HEIC", "heif-convert"])),
    score("WebP", voice!("36-face-webp/face.webp"), face("")),
    score("cue of no length", words!("41-srt-encodings/zero-length.srt"), Expect::Sound { valence: None, note: "cue" }),
    score("rolling captions", words!("42-vtt-youtube/auto.en.vtt"), Expect::AsWith(words!("42-vtt-youtube/plain.vtt"))),
    Case {
        name: "weights of a compiled model",
        program: Program::MienTrain,
        args: &[
            "bundle",
            "build",
            "--wavlm",
            "@52-checkpoint/orig_mod.safetensors",
            "--manet",
            "none.pth",
            "--projector",
            "none.pt",
            "--fusion",
            "none.pt",
            "--out",
            "none",
        ],
        hostile: false,
        // Its tensors are found and read; what no tensor tells is asked for next.
        expect: Expect::Named(&["position table", "config.json"]),
    },
    attack("145 kB of FLAC, 3 GB of sound", Program::Mien, voice!("attack/bomb.flac")),
    attack("m4a with a box of size 0 in its esds", Program::Mien, voice!("attack/hang-mp4-esds0.m4a")),
    attack("bitmap of huge sides", Program::Mien, voice!("attack/mem-bmp-11")),
    attack(
        "texts named many times",
        Program::MienTrain,
        &["import", "@attack", "--layout", "authors", "--labels", "@attack/bomb.npz", "--out", "none"],
    ),
    attack(
        "dictionaries that share a list",
        Program::MienTrain,
        &[
            "bundle",
            "build",
            "--wavlm",
            "@attack/dicts.pt",
            "--manet",
            "none.pth",
            "--projector",
            "none.pt",
            "--fusion",
            "none.pt",
            "--out",
            "none",
        ],
    ),
];
