//! What a cue's text is without the marks that players read: tags, style blocks and entities.

/// Entities that texts of the field hold, as HTML names them.
const ENTITIES: [(&str, char); 16] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("nbsp", '\u{a0}'),
    ("quot", '"'),
    ("apos", '\''),
    ("lrm", '\u{200e}'),
    ("rlm", '\u{200f}'),
    ("hellip", '\u{2026}'),
    ("ndash", '\u{2013}'),
    ("mdash", '\u{2014}'),
    ("lsquo", '\u{2018}'),
    ("rsquo", '\u{2019}'),
    ("ldquo", '\u{201c}'),
    ("rdquo", '\u{201d}'),
    ("shy", '\u{ad}'),
];
/// Names of the letters of Latin-1 from U+00C0 on, as HTML has them; the two signs among them are named too.
const LETTERS: [&str; 64] = [
    "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml",
    "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute", "Ocirc", "Otilde", "Ouml", "times",
    "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute", "acirc", "atilde",
    "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc", "iuml",
    "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave", "uacute", "ucirc",
    "uuml", "yacute", "thorn", "yuml",
];
/// Longest entity between `&` and `;`.
const LONGEST_ENTITY: usize = 10;

/// `text` without tags and style blocks, entities replaced by what they stand for.
///
/// Tags go first, so that `&lt;i&gt;` stays what was written: `<i>`.
pub(super) fn plain(text: &str) -> String {
    decoded(&untagged(text))
}

/// `text` without `<i>`, `</font>`, `<00:00:01.000>` and `{\an8}`. A `<` that begins no tag, as in `3 < 4`, is text, and so is a
/// tag that is never closed.
fn untagged(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '{']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let length = if from.starts_with('<') { tag(from) } else { block(from) };
        // Both marks are one byte long.
        let (kept, after) = match length {
            Some(length) => ("", from.get(length..).unwrap_or_default()),
            None => from.split_at_checked(1).unwrap_or((from, "")),
        };
        out.push_str(kept);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Length of the tag that `text` begins with.
fn tag(text: &str) -> Option<usize> {
    let inside = text.get(1..)?;
    let name = inside.strip_prefix('/').unwrap_or(inside);
    // A timestamp begins with a digit and holds colons only.
    let clock = name.starts_with(|c: char| c.is_ascii_digit());
    // The end is looked for up to the next beginning, so that no stretch is gone through twice.
    let end = inside.find(['>', '<']).filter(|end| inside.as_bytes().get(*end) == Some(&b'>'))?;
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let timed = clock && inside.get(..end)?.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.' | ','));
    (named || timed).then_some(end + 2)
}

/// Length of the style block that `text` begins with: `{\..}` of SubStation, `{y:i}` of MicroDVD.
fn block(text: &str) -> Option<usize> {
    let inside = text.get(1..)?;
    let letter = inside.starts_with(['y', 'Y', 'f', 'F', 's', 'S', 'c', 'C', 'p', 'P', 'o', 'H']);
    let styled = inside.starts_with('\\')
        || (letter && inside.get(1..).is_some_and(|rest| rest.starts_with(':') && !rest.starts_with(": ")));
    let end = inside.find(['}', '{']).filter(|end| inside.as_bytes().get(*end) == Some(&b'}'))?;
    styled.then_some(end + 2)
}

/// `text` with entities replaced; other ampersands are text.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let end = after.bytes().take(LONGEST_ENTITY + 1).position(|b| b == b';');
        let named = end.and_then(|end| Some((entity(after.get(..end)?)?, after.get(end + 1..)?)));
        let (c, next) = named.unwrap_or(('&', after));
        out.push(c);
        rest = next;
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        // As HTML reads what is no character.
        return code.ok().map(|code| char::from_u32(code).filter(|c| *c != '\0').unwrap_or('\u{fffd}'));
    }
    let known = ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, c)| *c);
    let letter = || LETTERS.iter().position(|known| *known == name).and_then(|at| char::from_u32(0xc0 + at as u32));
    known.or_else(letter)
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn marks_go_and_words_stay() {
        for (text, expected) in [
            ("<i>a</i> <b>b</b>", "a b"),
            ("<font color=\"#fff\">a</font>", "a"),
            ("it<00:00:00.200><c> was</c>", "it was"),
            ("<v Ann>a</v><v.loud Ben>b", "ab"),
            ("{\\an8}a {\\i1}b{\\i0} {y:i}c {d} {\\e", "a b c {d} {\\e"),
            ("3 < 4 and 5 > 2, I <3 you <b", "3 < 4 and 5 > 2, I <3 you <b"),
            ("a <b <i>c</i>", "a <b c"),
            ("&lt;i&gt; &amp;lt; R&D; a&b; &unknown;", "<i> &lt; R&D; a&b; &unknown;"),
            (
                "don&#39;t &quot;d&eacute;j&agrave;&quot; &#x2014; &Uuml; &yuml; &divide;",
                "don't \"déjà\" \u{2014} Ü ÿ ÷",
            ),
            ("&#0; &#xD800; &#99999999999;", "\u{fffd} \u{fffd} &#99999999999;"),
            ("&nbsp;&rlm;a&lrm;", "\u{a0}\u{200f}a\u{200e}"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn marks_that_are_never_closed_cost_no_more_than_their_length() {
        // Gone through once for each mark, either would take minutes.
        for mark in ["<b", "{\\", "&amp", "<", "&"] {
            let text = mark.repeat(1 << 20);
            assert_eq!(plain(&text).len(), text.len());
        }
    }
}
