//! SubRip and WebVTT: blocks of a time line and text lines.

use mien_capture::{Span, Timestamp};

use super::{Cue, clean};
use crate::{Result, RuntimeError};

/// Cues in order of their start. `text` has Unix line ends.
pub(super) fn parse(text: &str, origin: &str) -> Result<Vec<Cue>> {
    let mut cues = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        // Whatever stands before a time line (counter, cue name, header, note) is not shown.
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
        let shown: Vec<&str> = lines.by_ref().map(|(_, l)| l).take_while(|l| !l.trim().is_empty()).collect();
        let text = clean(&without_markup(&shown.join(" ")), &format!("{origin}, line {}", number + 2))?;
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

/// Text outside of `<...>`; an angle bracket that is never closed is text.
fn without_markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let Some(close) = rest[open..].find('>') else { break };
        out.push_str(&rest[..open]);
        rest = &rest[open + close + 1..];
    }
    out.push_str(rest);
    out
}
