//! SubRip and WebVTT: blocks of a time line and text lines.

use std::iter::{Enumerate, Peekable};
use std::str::Lines;

use mien_capture::{Span, Timestamp};

use super::markup::plain;
use super::rolling::{self, Shown};
use super::{Cue, clean};
use crate::{Result, RuntimeError};

/// The two differ in what they hold beside cues and in where a cue ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `.srt`
    SubRip,
    /// `.vtt`
    WebVtt,
}

impl Format {
    /// What such a file looks like, for messages.
    fn example(self) -> &'static str {
        match self {
            Self::SubRip => {
                "expected cues such as \"1 / 00:00:01,000 --> 00:00:02,500 / text\", each part on a line of its own"
            }
            Self::WebVtt => {
                "expected WEBVTT, then cues such as \"00:01.000 --> 00:02.500 / text\", each part on a line of its own"
            }
        }
    }
}

/// Cues in order of their start, and what to tell of the file. `text` has Unix line ends.
///
/// A cue whose times cannot be is left out and counted. What a caption repeats of the one before it while lines roll up or grow
/// is taken once.
///
/// # Errors
/// Transcript for a file without any usable cue, and for characters that [`clean`] refuses.
pub(super) fn parse(text: &str, format: Format, origin: &str) -> Result<(Vec<Cue>, Vec<String>)> {
    // What a file is shows in its first line, whatever its name says.
    let format = if text.starts_with("WEBVTT") { Format::WebVtt } else { format };
    let mut reader = Reader { lines: text.lines().enumerate().peekable(), format, found: Found::default() };
    reader.read();
    let Found { blocks, cues, broken, outside } = reader.found;
    let mut shown = Vec::with_capacity(blocks.len());
    for Block { span, line, lines } in blocks {
        let mut cleaned = Vec::with_capacity(lines.len());
        for (number, line) in (line + 1..).zip(&lines) {
            cleaned.push(clean(&plain(line), &format!("{origin}, line {number}"))?);
        }
        cleaned.retain(|line| !line.is_empty());
        if !cleaned.is_empty() {
            shown.push(Shown { span, lines: cleaned });
        }
    }
    if shown.is_empty() {
        let reason = match &broken {
            Some(Broken { line, reason, .. }) => {
                format!("none of {cues} cues can be used, the first, at line {line}: {reason}; {}", format.example())
            }
            None => format!("no subtitle found; {}", format.example()),
        };
        return Err(RuntimeError::Transcript { origin: origin.into(), reason });
    }
    shown.sort_by_key(|c| c.span.start());
    let mut notes = Vec::new();
    if let Some(Broken { count, line, reason }) = broken {
        notes.push(format!("{origin}: {count} of {cues} cues left out, the first at line {line}: {reason}"));
    }
    if let Some((count, line)) = outside {
        notes.push(format!(
            "{origin}: {count} lines of text belong to no cue and are not used, the first is line {line}"
        ));
    }
    let (cues, repeated) = rolling::words_once(shown);
    if repeated > 0 {
        notes.push(format!("{origin}: {repeated} cues repeat words of the cue before them; those are taken once"));
    }
    Ok((cues, notes))
}

/// A cue as the file has it.
struct Block<'t> {
    span: Span,
    /// Number of the time line, from 1.
    line: usize,
    lines: Vec<&'t str>,
}

/// Cues that were left out.
struct Broken {
    count: usize,
    /// The first one's time line, from 1.
    line: usize,
    reason: &'static str,
}

#[derive(Default)]
struct Found<'t> {
    blocks: Vec<Block<'t>>,
    /// Time lines, usable or not.
    cues: usize,
    broken: Option<Broken>,
    /// Number of text lines outside of cues, and the first of them.
    outside: Option<(usize, usize)>,
}

struct Reader<'t> {
    lines: Peekable<Enumerate<Lines<'t>>>,
    format: Format,
    found: Found<'t>,
}

impl<'t> Reader<'t> {
    fn read(&mut self) {
        let mut opens_block = true;
        let mut header =
            self.format == Format::WebVtt && self.lines.peek().is_some_and(|(_, l)| l.starts_with("WEBVTT"));
        // The counter that the next cue of a numbered file has.
        let mut counter = None;
        // Lines that may be the name of the cue behind them.
        let mut names = 0;
        while let Some((at, line)) = self.lines.next() {
            let opened = std::mem::replace(&mut opens_block, is_blank(line));
            if opens_block {
                header = false;
                self.outside(at, std::mem::take(&mut names));
            } else if header && (at == 0 || time_line(line, false).is_none()) {
                // The title, and what stands below it: Kind, Language.
            } else if self.format == Format::WebVtt && opened && opens_hidden_block(line) {
                while self.lines.next_if(|(_, l)| !is_blank(l)).is_some() {}
            } else if let Some(times) = time_line(line, opened || names == 1) {
                (names, header) = (0, false);
                let shown = self.text(&mut counter);
                self.found.cues += 1;
                match times {
                    Ok(span) => self.found.blocks.push(Block { span, line: at + 1, lines: shown }),
                    Err(reason) => {
                        let first = Broken { count: 0, line: at + 1, reason };
                        self.found.broken.get_or_insert(first).count += 1;
                    }
                }
                opens_block = true;
            } else {
                names += 1;
                if let Some(number) = number(line) {
                    counter = Some(number + 1);
                }
            }
        }
    }

    /// Counts the `lines` lines before line `at` as text that is in no cue. In SubRip all text behind a time line is shown, so
    /// what stands before the first one is no cue's either, and was never counted.
    fn outside(&mut self, at: usize, lines: usize) {
        if lines > 0 && self.format == Format::WebVtt {
            self.found.outside.get_or_insert((0, at + 1 - lines)).0 += lines;
        }
    }

    /// The lines of the cue whose time line was read.
    ///
    /// In WebVTT it ends at an empty line; in SubRip, whose texts hold empty lines, before the counter of the next cue. In both it
    /// ends at the next time line.
    fn text(&mut self, counter: &mut Option<u64>) -> Vec<&'t str> {
        let mut shown = Vec::new();
        let format = self.format;
        let mut opened = false;
        let inside = |line: &str, opened: bool| {
            let blank = match format {
                Format::WebVtt => line.is_empty(),
                Format::SubRip => false,
            };
            !blank && time_line(line, opened).is_none()
        };
        while let Some((_, line)) = self.lines.next_if(|(_, l)| inside(l, opened)) {
            opened = is_blank(line) || (opened && number(line).is_some());
            shown.push(line);
        }
        let next = self.lines.peek().map(|(_, l)| !l.is_empty());
        if next != Some(false) {
            // A number right before the time line is the next cue's, and so is one farther up that goes on counting, or stands at the end
            // of a file that was cut.
            let close = next.is_some() && shown.last().is_some_and(|l| !is_blank(l));
            while shown.last().is_some_and(|l| is_blank(l)) {
                shown.pop();
            }
            if let Some(number) = shown.last().and_then(|l| number(l))
                && (close || *counter == Some(number))
            {
                *counter = Some(number + 1);
                shown.pop();
            }
        }
        shown
    }
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

/// Comments, style sheets and regions (WebVTT section 4.1), whose lines are never shown.
fn opens_hidden_block(line: &str) -> bool {
    let note = line.strip_prefix("NOTE").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
    note || matches!(line.trim_end(), "STYLE" | "REGION")
}

/// The times of a line, or what is wrong with them; `None` for a line that is none of times.
///
/// Where a block `opens`, any line with an arrow is meant as one, so that a cue with broken times is not taken for text; elsewhere
/// only one that begins with digits and marks: `left --> right` is text.
fn time_line(line: &str, opens: bool) -> Option<std::result::Result<Span, &'static str>> {
    let (start, end) = arrow(line)?;
    let written =
        start.contains(':') && start.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | ',' | '.' | '-' | ' '));
    if !opens && !written {
        return None;
    }
    let end = end.split_whitespace().next().unwrap_or_default();
    Some(span(start.trim(), end))
}

/// What stands before and behind the arrow; one that a word processor turned into a dash counts where a time stands before it.
fn arrow(line: &str) -> Option<(&str, &str)> {
    if let Some(found) = line.split_once("-->") {
        return Some(found);
    }
    let (before, after) = line.split_once('>')?;
    let start = before.trim_end_matches(['-', '\u{2013}', '\u{2014}', ' ']);
    (start.len() < before.trim_end().len() && time(start.trim()).is_some()).then_some((start, after))
}

fn span(start: &str, end: &str) -> std::result::Result<Span, &'static str> {
    if start.starts_with('-') || end.starts_with('-') {
        return Err("a time is negative");
    }
    let start = time(start).ok_or("the start is no time")?;
    let end = time(end).ok_or("the end is no time")?;
    if end < start {
        return Err("it ends before it starts");
    }
    if end == start {
        return Err("it has no length");
    }
    Span::new(start, end).map_err(|_| "its times cannot be")
}

/// A line that is a counter.
fn number(line: &str) -> Option<u64> {
    let line = line.trim();
    if line.is_empty() || !line.bytes().all(|b| b.is_ascii_digit()) { None } else { line.parse().ok() }
}

/// `[hh:]mm:ss[.,]mmm` as WebVTT and SubRip write it; some programs leave the fraction out, or write fewer or more digits of it,
/// or a third colon before it.
fn time(text: &str) -> Option<Timestamp> {
    let (clock, fraction) = match text.split_once([',', '.']) {
        Some((clock, fraction)) => (clock, fraction),
        None => match text.rsplit_once(':') {
            Some((clock, millis)) if millis.len() == 3 && clock.matches(':').count() == 2 => (clock, millis),
            _ => (text, "0"),
        },
    };
    let mut parts = clock.rsplit(':');
    let seconds = digits(parts.next()?, 2)?;
    let minutes = digits(parts.next()?, 2)?;
    let hours = match parts.next() {
        Some(h) => digits(h, 4)?,
        None => 0,
    };
    if parts.next().is_some() || seconds > 59 || minutes > 59 {
        return None;
    }
    let nanos = digits(fraction, 9)? * 10u64.pow(9 - fraction.len() as u32);
    Some(Timestamp::from_nanos(((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + nanos))
}

fn digits(text: &str, longest: usize) -> Option<u64> {
    let plain = !text.is_empty() && text.len() <= longest && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Start in seconds and text of each cue.
    fn cues(format: Format, text: &str) -> Vec<(f64, String)> {
        let (cues, notes) = parse(text, format, "test").unwrap();
        assert_eq!(notes, Vec::<String>::new());
        starts(cues)
    }

    fn starts(cues: Vec<Cue>) -> Vec<(f64, String)> {
        cues.into_iter().map(|cue| (cue.span.start().as_secs_f64(), cue.text)).collect()
    }

    fn owned(cues: &[(f64, &str)]) -> Vec<(f64, String)> {
        cues.iter().map(|(start, text)| (*start, (*text).to_owned())).collect()
    }

    #[test]
    fn a_cue_without_an_empty_line_behind_it_ends_at_the_next_time_line() {
        let srt = "1\n00:00:01,000 --> 00:00:02,000\nOne\n2\n00:00:03,000 --> 00:00:04,000\nTwo\n3\n\
                   00:00:05,000 --> 00:00:06,000\n4\n00:00:07,000 --> 00:00:08,000\nNumber\n42\n\n\
                   5\n00:00:09,000 --> 00:00:10,000\nleft --> right\n";
        let expected = owned(&[(1.0, "One"), (3.0, "Two"), (7.0, "Number 42"), (9.0, "left --> right")]);
        assert_eq!(cues(Format::SubRip, srt), expected);
        let vtt = "WEBVTT\n00:01.000 --> 00:02.000\nOne\n00:03.000 --> 00:04.000\nTwo\n";
        assert_eq!(cues(Format::WebVtt, vtt), owned(&[(1.0, "One"), (3.0, "Two")]));
    }

    #[test]
    fn a_cue_of_srt_may_hold_empty_lines() {
        let srt = "1\n00:00:01,000 --> 00:00:02,000\nOne\n\nmore\n \n\n2\n00:00:03,000 --> 00:00:04,000\nTwo\n\n7\n\n\
                   3\n00:00:05,000 --> 00:00:06,000\nThree\n\n";
        assert_eq!(cues(Format::SubRip, srt), owned(&[(1.0, "One more"), (3.0, "Two 7"), (5.0, "Three")]));
        // Every line followed by an empty one: the counter is told by its number.
        let doubled = srt.replace("7\n\n", "").replace('\n', "\n\n");
        assert_eq!(cues(Format::SubRip, &doubled), owned(&[(1.0, "One more"), (3.0, "Two"), (5.0, "Three")]));
        // A file that was cut behind a counter.
        assert_eq!(
            cues(Format::SubRip, &format!("{srt}4\n")),
            owned(&[(1.0, "One more"), (3.0, "Two 7"), (5.0, "Three")])
        );
        assert_eq!(
            cues(Format::SubRip, &format!("{srt}7\n")),
            owned(&[(1.0, "One more"), (3.0, "Two 7"), (5.0, "Three 7")])
        );
        // Without counters, a number is text.
        let bare = "00:00:01,000 --> 00:00:02,000\n12\n\n00:00:03,000 --> 00:00:04,000\nTwo\n";
        assert_eq!(cues(Format::SubRip, bare), owned(&[(1.0, "12"), (3.0, "Two")]));
    }

    #[test]
    fn times_are_read_as_programs_write_them() {
        for (line, start) in [
            ("00:00:01,500 --> 00:00:02,000", 1.5),
            ("00:00:01.500 --> 00:00:02.000", 1.5),
            ("00:01.500 --> 00:02.000", 1.5),
            ("0:00:01,5 --> 0:00:02,0", 1.5),
            ("00:00:01:500 --> 00:00:02:000", 1.5),
            ("00:00:01,500-->00:00:02,000", 1.5),
            ("  00:00:01,500  -->  00:00:02,000  ", 1.5),
            ("00:00:01,500 --> 00:00:02,000  X1:100 X2:600 Y1:050 Y2:100", 1.5),
            ("00:00:01.500 --> 00:00:02.000 align:start position:0%", 1.5),
            ("00:00:01,500 -> 00:00:02,000", 1.5),
            ("00:00:01,500 \u{2013}> 00:00:02,000", 1.5),
            ("00:00:01 --> 00:00:02", 1.0),
            ("00:00:01.500250 --> 00:00:02.000000", 1.500_25),
        ] {
            assert_eq!(cues(Format::SubRip, &format!("1\n{line}\nOne\n")), owned(&[(start, "One")]), "{line}");
            assert_eq!(cues(Format::WebVtt, &format!("WEBVTT\n\n{line}\nOne\n")), owned(&[(start, "One")]), "{line}");
        }
    }

    #[test]
    fn a_cue_that_cannot_be_costs_itself_alone() {
        for (line, reason) in [
            ("00:00:00,000 --> 00:00:00,000", "no length"),
            ("00:00:03,000 --> 00:00:02,000", "ends before it starts"),
            ("-00:00:01,000 --> 00:00:02,000", "negative"),
            ("00:00:01,000 --> -00:00:02,000", "negative"),
            ("00:99:01,000 --> 00:00:02,000", "the start is no time"),
            ("00:00:01,000 --> ", "the end is no time"),
            ("00:00:01,000 --> 00:00:0O,000", "the end is no time"),
            ("O0:00:01,000 --> 00:00:02,000", "the start is no time"),
            ("00000:00:01,000 --> 00000:00:02,000", "the start is no time"),
            ("00:00:01,0000000000 --> 00:00:02,000", "the start is no time"),
            ("NaN --> NaN", "the start is no time"),
        ] {
            let srt = format!("1\n{line}\nbroken\n\n2\n00:00:03,000 --> 00:00:04,000\nTwo\n\n3\n{line}\nbroken\n");
            let (read, notes) = parse(&srt, Format::SubRip, "a.srt").unwrap();
            assert_eq!(starts(read), owned(&[(3.0, "Two")]), "{line}");
            let [note] = notes.as_slice() else { panic!("{notes:?}") };
            assert!(note.contains("2 of 3 cues") && note.contains("a.srt") && note.contains("line 2:"), "{note}");
            assert!(note.contains(reason), "{line}: {note}");
            let alone = parse(&format!("1\n{line}\nbroken\n"), Format::SubRip, "a.srt").unwrap_err().to_string();
            assert!(alone.contains("line 2") && alone.contains("00:00:01,000 --> 00:00:02,500"), "{alone}");
        }
        // Within a cue's text too, where the line in between was left out.
        let srt = "1\n00:00:01,000 --> 00:00:02,000\nOne\n2\n00:99:03,000 --> 00:00:04,000\nTwo\n";
        let (read, notes) = parse(srt, Format::SubRip, "a.srt").unwrap();
        assert_eq!(starts(read), owned(&[(1.0, "One")]));
        assert!(notes[0].contains("line 5"), "{notes:?}");
    }

    #[test]
    fn what_webvtt_hides_is_not_read() {
        let vtt = "WEBVTT a --> b\nKind: captions\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000\n\nNOTE a --> b\n00:01.000 --> 00:02.000\n\
                   hidden\n\nSTYLE\n::cue { --> }\n\nREGION \nid:a --> b\n\nNOTE\nmore\n\n\
                   an id\n00:03.000 --> 00:04.000\nNOTE shown\n";
        assert_eq!(cues(Format::WebVtt, vtt), owned(&[(3.0, "NOTE shown")]));
        // A file is what it begins with.
        assert_eq!(cues(Format::SubRip, vtt), owned(&[(3.0, "NOTE shown")]));
        let lost = "WEBVTT\n\n00:01.000 --> 00:02.000\nOne\n\nlost words\nmore\n\n00:03.000 --> 00:04.000\nTwo\n";
        let (read, notes) = parse(lost, Format::WebVtt, "a.vtt").unwrap();
        assert_eq!(starts(read), owned(&[(1.0, "One"), (3.0, "Two")]));
        assert!(notes[0].contains("2 lines") && notes[0].contains("line 6"), "{notes:?}");
    }

    #[test]
    fn marks_are_no_words() {
        let text = "00:00:01.000 --> 00:00:02.000\n{\\an8}<b>a</b> &amp;lt; &lt;i&gt;&nbsp;&rlm;b&lrm; {c} & {\\d\n";
        let expected = owned(&[(1.0, "a &lt; <i> \u{200f}b\u{200e} {c} & {\\d")]);
        assert_eq!(cues(Format::WebVtt, text), expected);
        assert_eq!(cues(Format::SubRip, text), expected);
    }

    #[test]
    fn long_files_are_read_in_one_pass() {
        let cue = "00:00:01,000 --> 00:00:02,000\n";
        for text in [
            cue.repeat(200_000),
            format!("{cue}{}", "a\n".repeat(3 << 20)),
            "1\n".repeat(3 << 20),
            "\n".repeat(6 << 20),
        ] {
            // The verdict differs; what counts is that it comes.
            let _ = parse(&text, Format::SubRip, "long");
            let _ = parse(&format!("WEBVTT\n\n{text}"), Format::WebVtt, "long");
        }
    }
}
