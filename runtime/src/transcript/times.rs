//! Time lines of subtitles: a start, an arrow, an end.

use mien_capture::{Span, Timestamp};

/// The times of a line, or what is wrong with them; `None` for a line that is none of times.
///
/// Where a block `opens`, any line with an arrow is meant as one, so that a cue with broken times is not taken for text; elsewhere
/// only one that begins with digits and marks: `left --> right` is text.
pub(super) fn time_line(line: &str, opens: bool) -> Option<std::result::Result<Span, &'static str>> {
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
