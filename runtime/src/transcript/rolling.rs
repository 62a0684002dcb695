//! Captions that roll: each one shows lines of the one before it again, and grows by words.
//!
//! Services that caption while somebody speaks write such files: two lines that move up by one, a line that grows word by word, and
//! in between captions of some milliseconds that add nothing. What such a file says is what the screen gains.

use mien_capture::{Span, Timestamp};

use super::Cue;

/// A caption as it is shown.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) span: Span,
    /// None of them empty, no white space but single spaces.
    pub(super) lines: Vec<String>,
}

/// Longest gap in seconds between two captions of which one goes on with the other.
const GAP_S: f64 = 0.2;
/// A caption shorter than this says nothing that its neighbour does not: nobody speaks a word in so short a time.
const FLASH_S: f64 = 0.1;
/// Most lines of a caption that are held against the next: a screen has no more.
const MOST_LINES: usize = 12;

/// Captions as cues whose words are new on the screen, in the order of their start, and how many repeated words.
///
/// A file rolls where a caption goes on with the lines before it and adds words, and at least half of those that follow another
/// without a gap repeat lines of it. In any other file a repetition is what somebody said twice, but for flashes and for what stands
/// there twice at the same time.
pub(super) fn words_once(captions: Vec<Shown>) -> (Vec<Cue>, usize) {
    let rolls = rolls(&captions);
    let mut cues: Vec<Cue> = Vec::with_capacity(captions.len());
    let mut repeated = 0;
    let mut before: Option<&Shown> = None;
    for caption in &captions {
        let carried =
            before.map_or(0, |before| if goes_on(before, caption, rolls) { carried(before, caption) } else { 0 });
        repeated += usize::from(carried > 0);
        let mut words = caption.words().skip(carried).peekable();
        if words.peek().is_some() {
            let text = words.collect::<Vec<_>>().join(" ");
            cues.push(Cue { span: caption.span, text });
        } else if let Some(last) = cues.last_mut()
            && caption.span.duration_s() < FLASH_S
            && last.span.end() < caption.span.end()
            && let Ok(span) = Span::new(last.span.start(), caption.span.end())
        {
            // The words stay where they are for a moment.
            last.span = span;
        }
        before = Some(caption);
    }
    (cues, repeated)
}

impl Shown {
    fn words(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().flat_map(|line| line.split(' '))
    }
}

/// Whether `next` may repeat what `before` shows without that it was said again.
fn goes_on(before: &Shown, next: &Shown, rolls: bool) -> bool {
    let same = before.lines == next.lines;
    let flash = before.span.duration_s() < FLASH_S || next.span.duration_s() < FLASH_S;
    if rolls {
        // A pause does not take the last line off the screen; the same words after a pause were said again.
        return follows(before, next) || (!same && next.words().count() > carried(before, next));
    }
    same && ((follows(before, next) && flash) || before.span == next.span)
}

/// Whether `next` is shown when `before` ends.
fn follows(before: &Shown, next: &Shown) -> bool {
    seconds(next.span.start()) - seconds(before.span.end()) <= GAP_S
}

fn seconds(time: Timestamp) -> f64 {
    time.as_secs_f64()
}

/// Whether the file is one of captions that roll.
fn rolls(captions: &[Shown]) -> bool {
    let (mut following, mut repeating, mut growing) = (0usize, 0usize, 0usize);
    for (before, next) in captions.iter().zip(captions.iter().skip(1)).filter(|(before, next)| follows(before, next)) {
        following += 1;
        let carried = carried(before, next);
        repeating += usize::from(carried > 0);
        growing += usize::from(carried > 0 && carried < next.words().count());
    }
    growing > 0 && 2 * repeating >= following
}

/// Words at the beginning of `next` that `before` shows already.
///
/// Lines leave the screen whole and from above, and the last one may grow. Where lines say nothing, because a converter joined them or
/// a growing text is wrapped anew, the words themselves are held against each other.
fn carried(before: &Shown, next: &Shown) -> usize {
    if before.lines == next.lines {
        return next.words().count();
    }
    let first = before.lines.len().saturating_sub(MOST_LINES);
    (first..before.lines.len())
        .find_map(|from| whole_lines(before.lines.get(from..)?, &next.lines))
        .unwrap_or_else(|| overlapping_words(before, next))
}

/// Words of `lines` where `next` begins with them, the last line perhaps grown.
fn whole_lines(lines: &[String], next: &[String]) -> Option<usize> {
    let (last, above) = lines.split_last()?;
    let grown = next.get(above.len())?;
    let rest = grown.strip_prefix(last.as_str())?;
    let stays = (rest.is_empty() || rest.starts_with(' ')) && next.get(..above.len())? == above;
    stays.then(|| lines.iter().map(|line| line.split(' ').count()).sum())
}

/// Most words at an end of a caption that are held against each other: two lines of a screen.
const MOST_WORDS: usize = 40;
/// Fewest words that are taken for repeated ones where no whole line is.
const FEWEST_WORDS: usize = 2;

/// Length of the longest end of `before` that `next` begins with, in words.
fn overlapping_words(before: &Shown, next: &Shown) -> usize {
    let shown = before.words().count();
    let end: Vec<&str> = before.words().skip(shown.saturating_sub(MOST_WORDS)).collect();
    let begin: Vec<&str> = next.words().take(MOST_WORDS).collect();
    (FEWEST_WORDS..=end.len().min(begin.len()))
        .rev()
        .find(|&count| end.get(end.len() - count..) == begin.get(..count))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn caption(start: f64, end: f64, lines: &[&str]) -> Shown {
        let at = |s| Timestamp::from_secs_f64(s).unwrap();
        Shown { span: Span::new(at(start), at(end)).unwrap(), lines: lines.iter().map(|l| (*l).to_owned()).collect() }
    }

    fn said(captions: Vec<Shown>) -> String {
        words_once(captions).0.into_iter().map(|cue| cue.text).collect::<Vec<_>>().join(" ")
    }

    /// A speech of lines, some of which are equal to others or share words with them.
    fn speech(seed: u64) -> Vec<String> {
        let mut draw = fastrand::Rng::with_seed(seed);
        let words = ["I", "no", "yes", "was", "it", "good", "evening", "and", "the"];
        (0..draw.usize(6..20))
            .map(|_| (0..draw.usize(1..6)).map(|_| words[draw.usize(..words.len())]).collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// Captions of `lines` with `rows` lines on the screen, each line `steps` captions long, with or without flashes.
    fn roll(lines: &[String], rows: usize, grows: bool, flashes: bool) -> Vec<Shown> {
        let mut captions = Vec::new();
        let mut clock = 0.0;
        for (at, line) in lines.iter().enumerate() {
            let above: Vec<&str> = lines[..at].iter().rev().take(rows - 1).rev().map(String::as_str).collect();
            let words: Vec<&str> = line.split(' ').collect();
            for count in (if grows { 1 } else { words.len() })..=words.len() {
                let grown = words[..count].join(" ");
                let shown: Vec<&str> = above.iter().copied().chain([grown.as_str()]).collect();
                captions.push(caption(clock, clock + 1.0, &shown));
                clock += 1.0;
            }
            if flashes {
                // A screen that is full makes room for the next line.
                let room = usize::from(rows > 1 && above.len() == rows - 1);
                let shown: Vec<&str> = above.iter().copied().chain([line.as_str()]).skip(room).collect();
                captions.push(caption(clock, clock + 0.01, &shown));
                clock += 0.01;
            }
        }
        captions
    }

    #[test]
    fn a_rolling_speech_is_said_once_whatever_the_pattern() {
        for seed in 0..200 {
            let lines = speech(seed);
            // Two equal lines one after the other look like one that stays.
            let lines: Vec<String> = lines
                .iter()
                .enumerate()
                .filter(|(i, l)| *i == 0 || lines[i - 1] != **l)
                .map(|(_, l)| l.clone())
                .collect();
            let expected = lines.join(" ");
            for (rows, grows, flashes) in [(2, false, false), (2, false, true), (3, false, false), (3, false, true)] {
                let found = said(roll(&lines, rows, grows, flashes));
                assert_eq!(found, expected, "seed {seed}: {rows} rows, grows {grows}, flashes {flashes}");
            }
        }
        // A converter may have joined the lines of each caption.
        let joined = |shown: Shown| Shown { lines: vec![shown.lines.join(" ")], ..shown };
        let lines: Vec<String> = ["it was a wonderful evening", "and I really", "enjoyed the", "friendly people here"]
            .map(String::from)
            .into();
        for rows in [2, 3] {
            assert_eq!(
                said(roll(&lines, rows, false, true).into_iter().map(joined).collect()),
                lines.join(" "),
                "{rows}"
            );
        }
        // Words that are all different can also grow one by one.
        let lines: Vec<String> =
            ["it was a wonderful evening", "and I really", "enjoyed the friendly people"].map(String::from).into();
        for rows in [1, 2, 3] {
            for flashes in [false, true] {
                assert_eq!(said(roll(&lines, rows, true, flashes)), lines.join(" "), "{rows} rows, {flashes}");
            }
        }
    }

    #[test]
    fn what_is_said_twice_in_a_plain_file_stays() {
        let plain = vec![
            caption(0.0, 1.0, &["No."]),
            caption(1.0, 2.0, &["No."]),
            caption(3.0, 4.0, &["I", "know"]),
            caption(4.0, 5.0, &["know it"]),
            caption(5.0, 6.0, &["Yes."]),
            caption(6.0, 7.0, &["That is it."]),
            caption(7.0, 8.0, &["Well."]),
        ];
        assert_eq!(said(plain), "No. No. I know know it Yes. That is it. Well.");
        // In one that rolls, the same words after a pause were said again.
        let mut rolling = roll(&["a b".into(), "c d".into(), "e f".into()], 2, false, false);
        rolling.push(caption(9.0, 10.0, &["c d", "e f"]));
        assert_eq!(said(rolling), "a b c d e f c d e f");
    }

    #[test]
    fn flashes_and_doubles_count_once_in_any_file() {
        let (cues, repeated) = words_once(vec![
            caption(0.0, 2.0, &["one"]),
            caption(2.0, 2.01, &["one"]),
            caption(2.01, 4.0, &["two"]),
            caption(2.01, 4.0, &["two"]),
            caption(5.0, 6.0, &["three"]),
        ]);
        assert_eq!(cues.iter().map(|c| c.text.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
        assert_eq!((repeated, seconds(cues[0].span.end())), (2, 2.01));
    }

    #[test]
    fn a_caption_of_many_lines_costs_no_more_than_its_length() {
        let many: Vec<String> = (0..500_000).map(|_| "a".to_owned()).collect();
        let span = caption(0.0, 1.0, &[]).span;
        let captions = (0..3).map(|_| Shown { span, lines: many.clone() }).collect();
        assert_eq!(words_once(captions).0.len(), 1);
    }
}
