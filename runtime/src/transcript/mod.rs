//! Transcripts that the host gives: plain text for a whole clip, or subtitles with times.

mod encoding;
mod markup;
mod rolling;
mod subtitles;

use std::path::Path;

use mien_capture::{Span, regular};

use crate::steering::is_steering;
use crate::{Result, RuntimeError};

use subtitles::Format;

/// Largest transcript file that is read: a day of subtitles takes two million bytes.
const BYTES_LIMIT: u64 = 8 << 20;

/// What was said, as the host knows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Transcript {
    /// One text for the whole clip; the clip is scored as one utterance.
    Whole(String),
    /// Texts with times, in order of their start.
    Timed(Vec<Cue>),
}

/// One subtitle.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    /// When it is shown.
    pub span: Span,
    /// What it says, one line, markup removed.
    pub text: String,
}

impl Transcript {
    /// A transcript given on the command line.
    ///
    /// # Errors
    /// [`RuntimeError::Transcript`] for control characters and marks that turn the direction of text.
    pub fn inline(text: &str) -> Result<Self> {
        Self::whole(text, "--text")
    }

    /// One text for a whole clip, white space folded to single spaces; `origin` is where it stands, for messages.
    ///
    /// # Errors
    /// [`RuntimeError::Transcript`] for control characters and marks that turn the direction of text.
    pub fn whole(text: &str, origin: &str) -> Result<Self> {
        Ok(Self::Whole(clean(text, origin)?))
    }

    /// Reads `.srt`, `.vtt` or `.txt`, told apart by the file's ending; with what a reader of the scores should know: how the
    /// file is encoded where that is not UTF-8, which cues were left out, that captions roll.
    ///
    /// # Errors
    /// [`RuntimeError::Transcript`] for another ending, a missing or oversized file, a folder, pipe or device, bytes that are
    /// no text, control characters, marks that turn the direction of text, or a file without any usable cue.
    pub fn read(path: &Path) -> Result<(Self, Vec<String>)> {
        let origin = path.display().to_string();
        let fail = |reason: String| RuntimeError::Transcript { origin: origin.clone(), reason };
        let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        let format = match ending.as_deref() {
            Some("txt") => None,
            Some("srt") => Some(Format::SubRip),
            Some("vtt") => Some(Format::WebVtt),
            Some("ass" | "ssa" | "smi" | "sami" | "sub" | "lrc" | "mpl" | "stl" | "jss" | "pjs" | "rt" | "psb") => {
                let srt = path.with_extension("srt");
                return Err(fail(format!(
                    "subtitles of this kind are not read, expected .srt, .vtt or .txt; convert them: ffmpeg -i {origin:?} {:?}",
                    srt.display().to_string()
                )));
            }
            _ => return Err(fail("the name must end in .srt, .vtt or .txt".into())),
        };
        let bytes = regular::read(path, BYTES_LIMIT)
            .map_err(|e| fail(format!("cannot read: {e}; give a file with the text")))?;
        let encoding::Decoded { text, note } = encoding::decode(&bytes).map_err(fail)?;
        let mut notes: Vec<String> = note.map(|note| format!("{origin}: {note}")).into_iter().collect();
        let transcript = match format {
            None => Self::Whole(clean(&text, &origin)?),
            Some(format) => {
                let (cues, told) = subtitles::parse(&text, format, &origin)?;
                notes.extend(told);
                Self::Timed(cues)
            }
        };
        Ok((transcript, notes))
    }

    /// The text of each utterance; `None` where nothing was said according to the subtitles.
    ///
    /// A cue belongs to the utterance that it overlaps longest. Cues that overlap none are returned as their indices.
    pub fn assign(&self, utterances: &[Span]) -> (Vec<Option<String>>, Vec<usize>) {
        match self {
            Self::Whole(text) => (utterances.iter().map(|_| Some(text.clone())).collect(), Vec::new()),
            Self::Timed(cues) => {
                let mut texts: Vec<Option<String>> = vec![None; utterances.len()];
                let mut lost = Vec::new();
                for (index, cue) in cues.iter().enumerate() {
                    let overlap = |i: usize| utterances[i].overlap_s(&cue.span);
                    // The first of equals wins: an earlier utterance.
                    let best = (0..utterances.len()).rev().max_by(|&a, &b| overlap(a).total_cmp(&overlap(b)));
                    match best.filter(|&i| overlap(i) > 0.0) {
                        None => lost.push(index),
                        Some(i) => {
                            let text = texts[i].get_or_insert_default();
                            if !text.is_empty() {
                                text.push(' ');
                            }
                            text.push_str(&cue.text);
                        }
                    }
                }
                (texts, lost)
            }
        }
    }
}

/// White space folded to single spaces; control characters are refused, because they are a sign of a wrong file and a
/// tokenizer would turn them into tokens that no transcript holds. So are the marks that embed, override or isolate a
/// direction (Unicode annex 9), with which a text can be shown as another one than is scored.
fn clean(text: &str, origin: &str) -> Result<String> {
    if let Some((at, c)) = text.char_indices().find(|(_, c)| is_refused(*c)) {
        return Err(RuntimeError::Transcript {
            origin: origin.into(),
            reason: format!("control character U+{:04X} at byte {at}, expected plain text; remove it", u32::from(c)),
        });
    }
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Line ends and tabs are control characters too, but only part the words.
fn is_refused(c: char) -> bool {
    is_steering(c) && !c.is_whitespace()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use mien_capture::Timestamp;

    use super::*;

    fn span(start: f64, end: f64) -> Span {
        Span::new(Timestamp::from_secs_f64(start).unwrap(), Timestamp::from_secs_f64(end).unwrap()).unwrap()
    }

    fn read(name: &str, content: &[u8]) -> Result<Transcript> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let (transcript, notes) = Transcript::read(&path)?;
        assert_eq!(notes, Vec::<String>::new());
        Ok(transcript)
    }

    #[test]
    fn srt_and_vtt_with_the_same_cues_are_equal() {
        let srt = "1\r\n00:00:01,500 --> 00:00:03,000\r\n<i>Hello</i>\r\nthere\r\n\r\n2\r\n01:00:00,000 --> 01:00:01,250\r\nBye\r\n";
        let vtt = "WEBVTT title\n\nNOTE not shown\n\nfirst\n00:01.500 --> 00:03.000 align:start\n<v Ann>Hello\nthere\n\n01:00:00.000 --> 01:00:01.250\nBye\n";
        let expected = Transcript::Timed(vec![
            Cue { span: span(1.5, 3.0), text: "Hello there".into() },
            Cue { span: span(3600.0, 3601.25), text: "Bye".into() },
        ]);
        assert_eq!(read("a.srt", srt.as_bytes()).unwrap(), expected);
        assert_eq!(read("a.srt", srt.replace("\r\n", "\r").as_bytes()).unwrap(), expected);
        assert_eq!(read("a.vtt", vtt.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn a_cue_goes_to_the_utterance_it_overlaps_longest() {
        let cue = |a, b, t: &str| Cue { span: span(a, b), text: t.into() };
        let timed = Transcript::Timed(vec![
            cue(0.0, 2.0, "one"),
            cue(2.0, 5.0, "two"),
            cue(5.0, 6.0, "three"),
            cue(8.0, 9.0, "lost"),
        ]);
        let (texts, lost) = timed.assign(&[span(0.5, 2.2), span(2.8, 5.9), span(6.5, 7.0)]);
        assert_eq!(texts, [Some("one".into()), Some("two three".into()), None]);
        assert_eq!(lost, [3]);
    }

    #[test]
    fn faults_are_named() {
        let message = |name: &str, content: &[u8]| read(name, content).unwrap_err().to_string();
        assert!(message("a.srt", b"1\n00:00:05,000 --> 00:00:04,000\nx\n").contains("line 2"));
        assert!(message("a.srt", b"1\n00:99:05,000 --> 00:00:04,000\nx\n").contains("line 2"));
        assert!(message("a.srt", b"no times at all").contains("no subtitle"));
        assert!(message("a.srt", b"").contains("00:00:01,000 --> 00:00:02,500"));
        assert!(message("a.txt", b"bell \x07").contains("U+0007"));
        assert!(message("a.txt", b"\x81\xff").contains("UTF-8"));
        assert!(message("a.doc", b"x").contains(".srt"));
        assert!(message("a.ass", b"x").contains("ffmpeg -i"));
        assert!(Transcript::read(Path::new("/nonexistent.txt")).unwrap_err().to_string().contains("cannot read"));
    }

    #[test]
    fn what_a_file_is_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.srt");
        std::fs::write(&path, b"1\n00:00:00,000 --> 00:00:00,000\nx\n\n2\n00:00:01,000 --> 00:00:02,000\ncaf\xe9\n")
            .unwrap();
        let (transcript, notes) = Transcript::read(&path).unwrap();
        assert_eq!(transcript, Transcript::Timed(vec![Cue { span: span(1.0, 2.0), text: "café".into() }]));
        assert!(notes[0].contains("Windows-1252") && notes[1].contains("1 of 2 cues"), "{notes:?}");
        assert!(notes.iter().all(|note| note.contains("a.srt")));
    }

    /// The file of a service that captions while somebody speaks, against the same words as plain cues.
    #[test]
    fn rolling_captions_are_the_plain_ones() {
        let rolling = "WEBVTT\nKind: captions\nLanguage: en\n\n\
            00:00:00.000 --> 00:00:01.990 align:start position:0%\n \nthe<00:00:00.200><c> sun</c><00:00:00.400><c> is</c><00:00:00.500><c> up</c>\n\n\
            00:00:01.990 --> 00:00:02.000 align:start position:0%\nthe sun is up\n \n\n\
            00:00:02.000 --> 00:00:04.090 align:start position:0%\nthe sun is up\nand<00:00:02.200><c> I</c><00:00:02.400><c> am</c><00:00:02.700><c> glad</c>\n\n\
            00:00:04.090 --> 00:00:04.100 align:start position:0%\nand I am glad\n \n\n";
        let plain = "WEBVTT\n\n00:00.000 --> 00:02.000\nthe sun is up\n\n00:02.000 --> 00:04.100\nand I am glad\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.vtt");
        std::fs::write(&path, rolling).unwrap();
        let (found, notes) = Transcript::read(&path).unwrap();
        assert_eq!(found, read("plain.vtt", plain.as_bytes()).unwrap());
        assert!(notes[0].contains("taken once"), "{notes:?}");
        // The same file as converters write it.
        let srt = "1\n00:00:00,000 --> 00:00:01,990\nthe sun is up\n\n2\n00:00:01,990 --> 00:00:02,000\nthe sun is up\n \n\n\
            3\n00:00:02,000 --> 00:00:04,090\nthe sun is up\nand I am glad\n\n4\n00:00:04,090 --> 00:00:04,100\nand I am glad\n \n\n";
        let path = folder.path().join("a.srt");
        std::fs::write(&path, srt).unwrap();
        assert_eq!(Transcript::read(&path).unwrap().0, found);
    }

    #[test]
    fn what_is_no_ordinary_file_is_neither_opened_nor_read_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let message = |path: &Path| Transcript::read(path).unwrap_err().to_string();
        let path = folder.path().join("long.txt");
        std::fs::File::create(&path).unwrap().set_len(BYTES_LIMIT + 1).unwrap();
        assert!(message(&path).contains("at most"));
        let path = folder.path().join("folder.srt");
        std::fs::create_dir(&path).unwrap();
        assert!(message(&path).contains("ordinary file"));
        #[cfg(unix)]
        {
            assert!(message(Path::new("/dev/zero")).contains(".srt"));
            let path = folder.path().join("zero.txt");
            std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
            assert!(message(&path).contains("ordinary file"));
            let path = folder.path().join("pipe.vtt");
            assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
            assert!(message(&path).contains("ordinary file"));
        }
    }

    #[test]
    fn a_file_at_the_limit_is_read() {
        let text = "a".repeat(BYTES_LIMIT as usize);
        assert_eq!(read("full.txt", text.as_bytes()).unwrap(), Transcript::Whole(text));
    }

    #[test]
    fn marks_that_turn_the_direction_are_refused() {
        for mark in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            let message = Transcript::inline(&format!("a{mark}b")).unwrap_err().to_string();
            assert!(message.contains(&format!("U+{:04X}", u32::from(mark))), "{message}");
        }
        // Neighbours that texts of any script may hold.
        for mark in ['\u{200e}', '\u{200f}', '\u{202f}', '\u{2060}'] {
            assert!(Transcript::inline(&format!("a{mark}b")).is_ok(), "{mark:?}");
        }
    }

    #[test]
    fn inline_text_is_folded_to_one_line() {
        assert_eq!(Transcript::inline(" a\n b\tc ").unwrap(), Transcript::Whole("a b c".into()));
        assert!(Transcript::inline("a\u{1b}[0m").is_err());
    }
}
