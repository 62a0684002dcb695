//! SubRip and WebVTT: blocks of a time line and text lines.

use mien_capture::{Span, Timestamp};

use super::{Cue, clean};
use crate::{Result, RuntimeError};

/// The two differ in what they hold beside cues and in how they write text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `.srt`
    SubRip,
    /// `.vtt`
    WebVtt,
}

/// Cues in order of their start. `text` has Unix line ends.
///
/// A cue ends at an empty line or, where a program left that out, at the next time line; a counter before that line
/// belongs to the next cue.
pub(super) fn parse(text: &str, format: Format, origin: &str) -> Result<Vec<Cue>> {
    let mut cues = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    let mut opens_block = true;
    while let Some((number, line)) = lines.next() {
        let opened = std::mem::replace(&mut opens_block, is_blank(line));
        if format == Format::WebVtt && (number == 0 && line.starts_with("WEBVTT")) {
            continue;
        }
        if format == Format::WebVtt && opened && opens_hidden_block(line) {
            while lines.next_if(|(_, l)| !is_blank(l)).is_some() {}
            continue;
        }
        // Whatever else stands before a time line (counter, cue name) is not shown.
        let Some((start, end)) = line.split_once("-->") else { continue };
        let fail = |reason: &str| RuntimeError::Transcript {
            origin: origin.into(),
            reason: format!("line {}: {reason}; expected 00:00:01,000 --> 00:00:02,000", number + 1),
        };
        let end = end.split_whitespace().next().unwrap_or_default();
        let start = time(start.trim()).ok_or_else(|| fail("the start is not a time"))?;
        let end = time(end).ok_or_else(|| fail("the end is not a time"))?;
        if end <= start {
            return Err(fail("the end is not after the start"));
        }
        let span = Span::new(start, end).map_err(|e| fail(&e.to_string()))?;
        let mut shown = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, l)| !is_blank(l) && !is_time_line(l)) {
            shown.push(line);
        }
        if lines.peek().is_some_and(|(_, l)| is_time_line(l)) && shown.last().is_some_and(|l| is_counter(l)) {
            shown.pop();
        }
        let shown = shown.join(" ");
        let plain = match format {
            Format::SubRip => without(&without(&shown, "<", ">"), "{\\", "}"),
            Format::WebVtt => decoded(&without(&shown, "<", ">")),
        };
        let text = clean(&plain, &format!("{origin}, line {}", number + 2))?;
        if !text.is_empty() {
            cues.push(Cue { span, text });
        }
    }
    if cues.is_empty() {
        return Err(RuntimeError::Transcript {
            origin: origin.into(),
            reason: "no subtitle found, expected time lines with text; is this a subtitle file?".into(),
        });
    }
    cues.sort_by_key(|c| c.span.start());
    Ok(cues)
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

/// Comments, style sheets and regions (WebVTT section 4.1), whose lines are never shown.
fn opens_hidden_block(line: &str) -> bool {
    let note = line.strip_prefix("NOTE").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
    note || matches!(line.trim_end(), "STYLE" | "REGION")
}

/// Whether a line was meant as a time line, so that one with a wrong time is told of and not taken for text.
fn is_time_line(line: &str) -> bool {
    line.split_once("-->").is_some_and(|(start, _)| {
        start.contains(':') && start.trim().chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | ',' | '.'))
    })
}

fn is_counter(line: &str) -> bool {
    line.trim().bytes().all(|b| b.is_ascii_digit())
}

/// `[hh:]mm:ss[.,]mmm` as WebVTT and SubRip write it.
fn time(text: &str) -> Option<Timestamp> {
    let (clock, millis) = text.split_once([',', '.'])?;
    let mut parts = clock.rsplit(':');
    let seconds = number(parts.next()?, 2)?;
    let minutes = number(parts.next()?, 2)?;
    let hours = match parts.next() {
        Some(h) => number(h, 4)?,
        None => 0,
    };
    if parts.next().is_some() || seconds > 59 || minutes > 59 || millis.len() != 3 {
        return None;
    }
    let total = ((hours * 60 + minutes) * 60 + seconds) * 1000 + number(millis, 3)?;
    Some(Timestamp::from_nanos(total * 1_000_000))
}

fn number(digits: &str, longest: usize) -> Option<u64> {
    let plain = !digits.is_empty() && digits.len() <= longest && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// `text` without the stretches from `open` to `close`; one that is never closed is text.
fn without(text: &str, open: &str, close: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once(open) {
        let Some((_, after)) = inside.split_once(close) else { break };
        out.push_str(before);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// `text` with WebVTT's escapes replaced by what they stand for; other ampersands are text.
fn decoded(text: &str) -> String {
    const ESCAPES: [(&str, char); 6] =
        [("amp;", '&'), ("lt;", '<'), ("gt;", '>'), ("nbsp;", '\u{a0}'), ("lrm;", '\u{200e}'), ("rlm;", '\u{200f}')];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let escape = ESCAPES.iter().find_map(|(name, c)| Some((after.strip_prefix(name)?, *c)));
        let (next, c) = escape.unwrap_or((after, '&'));
        out.push(c);
        rest = next;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Start in seconds and text of each cue.
    fn cues(format: Format, text: &str) -> Vec<(f64, String)> {
        let cues = parse(text, format, "test").unwrap();
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
        // A time line within the block is no text, however wrong it is.
        let wrong = "1\n00:00:01,000 --> 00:00:02,000\nOne\n2\n00:99:03,000 --> 00:00:04,000\nTwo\n";
        assert!(parse(wrong, Format::SubRip, "test").unwrap_err().to_string().contains("line 5"));
    }

    #[test]
    fn what_webvtt_hides_is_not_read() {
        let vtt = "WEBVTT a --> b\n\nNOTE a --> b\n00:01.000 --> 00:02.000\nhidden\n\nSTYLE\n::cue { --> }\n\n\
                   REGION \nid:a --> b\n\nNOTE\nmore\n\nNOTED\n00:03.000 --> 00:04.000\nNOTE shown\n";
        assert_eq!(cues(Format::WebVtt, vtt), owned(&[(3.0, "NOTE shown")]));
    }

    #[test]
    fn text_is_read_as_its_format_writes_it() {
        let text = "00:00:01.000 --> 00:00:02.000\n{\\an8}<b>a</b> &amp;lt; &lt;i&gt;&nbsp;&rlm;b&lrm; {c} & {\\d\n";
        let vtt = cues(Format::WebVtt, text);
        assert_eq!(vtt, owned(&[(1.0, "{\\an8}a &lt; <i> \u{200f}b\u{200e} {c} & {\\d")]));
        let srt = cues(Format::SubRip, text);
        assert_eq!(srt, owned(&[(1.0, "a &amp;lt; &lt;i&gt;&nbsp;&rlm;b&lrm; {c} & {\\d")]));
    }
}
