//! Texts that people write: times of pictures, subtitles, transcripts, the configuration.

use std::path::Path;

use anyhow::{Context, Result};
use mien_capture::{Span, Timestamp};
use mien_runtime::config::Config;
use mien_runtime::transcript::Transcript;

use super::{Case, Limits, Outcome, Reader, Target, corpus, media, texts};
use crate::repair;

const TEXT: Target = Target {
    name: "",
    reads: "",
    file: "input.txt",
    text: true,
    framing: None,
    tokens: &[],
    repair: repair::nothing,
    longest: 4 << 10,
    limits: Limits::PARSER,
    seeds: |_| Ok(Vec::new()),
    prepare: |_| Ok(Box::new(|_| Outcome::Read)),
};

pub(super) const TIMES: Target = Target {
    name: "times",
    reads: "times.csv in a folder of pictures",
    file: "pictures/times.csv",
    tokens: &[b"file", b"time_s", b",", b"\"", b"a.png", b"b.png", b"../a.png", b"0.04", b"14400"],
    limits: Limits { memory: 8 << 20, ..Limits::PARSER },
    seeds: |_| {
        Ok(texts(&[
            "file,time_s\na.png,0\nb.png,0.04\nc.png,0.08\n",
            "\u{feff}file,time_s\r\na.png,0\r\n\"b.png\",1.5\r\n",
        ]))
    },
    prepare: times,
    ..TEXT
};

fn times(folder: &Path) -> Result<Reader> {
    let folder = folder.join("pictures");
    let picture = corpus("png")?.into_iter().next().context("a picture")?;
    for name in ["a.png", "b.png", "c.png"] {
        std::fs::write(folder.join(name), &picture)?;
    }
    Ok(Box::new(move |_| media::read(&folder)))
}

pub(super) const SRT: Target = Target {
    name: "srt",
    reads: "subtitles as SubRip",
    file: "input.srt",
    tokens: &[b"-->", b"00:00:01,000", b"99:59:59,999", b"\n\n", b"<i>", b"{\\an8}", b":", b",", b"- "],
    seeds: |_| {
        Ok(texts(&[
            "1\n00:00:01,500 --> 00:00:03,000\n<i>Hello</i>\nthere\n\n2\n00:00:04,000 --> 01:00:01,250\nBye\n",
            "\u{feff}1\r\n00:00:00,000 --> 00:00:01,000\r\none\r\n\r\n2\r\n00:00:01,000 --> 00:00:02,000\r\none\r\ntwo\r\n",
        ]))
    },
    prepare: |_| Ok(subtitles()),
    ..TEXT
};

pub(super) const VTT: Target = Target {
    name: "vtt",
    reads: "subtitles as WebVTT",
    file: "input.vtt",
    tokens: &[
        b"WEBVTT",
        b"-->",
        b"NOTE",
        b"STYLE",
        b"REGION",
        b"00:01.000",
        b"<v Ann>",
        b"<c>",
        b"<00:00:01.000>",
        b"&amp;",
        b"&lt;",
        b"\n\n",
        b"align:start position:0%",
        b"X-TIMESTAMP-MAP=",
    ],
    seeds: |_| {
        Ok(texts(&[
            "WEBVTT title\n\nNOTE not shown\n\nfirst\n00:01.500 --> 00:03.000 align:start\n<v Ann>Hello\nthere\n\n01:00:00.000 --> 01:00:01.250\nBye\n",
            "WEBVTT\nKind: captions\n\n00:00:00.000 --> 00:00:01.000\n \none<00:00:00.500><c> two</c>\n\n00:00:01.000 --> 00:00:01.010\none two\n \n\n00:00:01.010 --> 00:00:02.000\none two\nthree &amp; four\n",
        ]))
    },
    prepare: |_| Ok(subtitles()),
    ..TEXT
};

pub(super) const TRANSCRIPT: Target = Target {
    name: "transcript",
    reads: "a transcript of a whole clip",
    file: "input.txt",
    tokens: &["\u{202e}".as_bytes(), "\u{2066}".as_bytes(), b"\x1b[0m", b"\t", b"\r"],
    seeds: |_| Ok(texts(&["It was a good day.\nIndeed.\n", "\u{feff}\u{4f60}\u{597d}, world\r\n"])),
    prepare: |_| Ok(subtitles()),
    ..TEXT
};

fn subtitles() -> Reader {
    let at = |s: f64| Timestamp::from_secs_f64(s).unwrap_or(Timestamp::ZERO);
    let utterances: Vec<Span> = [(0.0, 2.0), (2.5, 4.0), (3600.0, 3605.0)]
        .into_iter()
        .filter_map(|(from, to)| Span::new(at(from), at(to)).ok())
        .collect();
    Box::new(move |case: &Case<'_>| {
        let (transcript, notes) = match Transcript::read(case.path) {
            Err(error) => return Outcome::refused(error),
            Ok(read) => read,
        };
        let plain = |text: &str| !text.chars().any(char::is_control);
        if !notes.iter().all(|note| plain(note)) {
            return Outcome::Wrong("a note is not one line".into());
        }
        let (given, lost) = transcript.assign(&utterances);
        if given.len() != utterances.len() {
            return Outcome::Wrong("not one text for each utterance".into());
        }
        match &transcript {
            Transcript::Whole(text) => Outcome::holds(plain(text), || "the text is not one line".into()),
            Transcript::Timed(cues) => {
                let positive = cues.iter().all(|cue| cue.span.end() > cue.span.start());
                let ordered = cues.is_sorted_by_key(|cue| cue.span.start());
                let holds = positive && ordered && cues.iter().all(|c| plain(&c.text)) && lost.len() <= cues.len();
                Outcome::holds(holds, || "cues are not in order, not positive, or not one line".into())
            }
        }
    })
}

pub(super) const CONFIG: Target = Target {
    name: "config",
    reads: "the configuration of a live session",
    file: "mien.toml",
    tokens: &[
        b"[microphone]",
        b"[camera]",
        b"[speech]",
        b"[llm]",
        b"[engine]",
        b"[control]",
        b"enabled = false",
        b"rate_hz = ",
        b"device = \"file:x\"",
        b"\"\"\"",
        b"'''",
        b"[[",
        b"]]",
        b"{",
        b"}",
        b"= ",
        b".",
        b"#",
        b"nan",
        b"inf",
        b"0x",
        b"1979-05-27T07:32:00Z",
        b"\\u0000",
        b"bundle = \"x\"",
    ],
    seeds: |_| {
        Ok(vec![
            toml::to_string(&Config::default())?.into_bytes(),
            b"bundle = \"b\"\n[microphone]\ndevice = \"file:x.wav\"\nrate_hz = 48000\n[camera]\nenabled = false\n"
                .to_vec(),
        ])
    },
    prepare: |_| Ok(Box::new(config)),
    ..TEXT
};

fn config(case: &Case<'_>) -> Outcome {
    if let Err(error) = Config::read(case.path) {
        return Outcome::refused(error);
    }
    let again = std::str::from_utf8(case.bytes).ok().and_then(|text| Config::parse(text, case.path).ok());
    let Some(first) = again else { return Outcome::Wrong("read from the file and not from its text".into()) };
    let written = match toml::to_string(&first) {
        Ok(text) => text,
        Err(error) => return Outcome::Wrong(format!("cannot be written: {error}")),
    };
    match Config::parse(&written, case.path) {
        Ok(second) => Outcome::holds(first == second, || "written and read it is another one".into()),
        Err(error) => Outcome::Wrong(format!("what was read is refused when it is written: {error}")),
    }
}
