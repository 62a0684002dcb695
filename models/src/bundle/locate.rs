//! Lines of a TOML text.

use toml::de::{DeTable, DeValue};

/// One step on the way to a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    /// A key of a table.
    Key(&'a str),
    /// A member of an array, or the n-th of tables of one name, from 0.
    Member(usize),
}

/// The line (from 1) of the byte `offset`.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

/// A line's content without surrounding blanks, cut after 80 characters.
pub(super) fn line_text(text: &str, line: usize) -> String {
    text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim().chars().take(80).collect()
}

/// The line of the value that `path` leads to; of the last table on the way if there is no such value, and none for a
/// text that is no TOML.
pub(super) fn line_of(text: &str, path: &[Step<'_>]) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut offset = root.span().start;
    let mut value = DeValue::Table(root.into_inner());
    for step in path {
        let next = match step {
            Step::Key(key) => value.get(*key),
            Step::Member(index) => value.get(*index),
        };
        let Some(next) = next else { break };
        offset = next.span().start;
        value = next.get_ref().clone();
    }
    Some(line_at(text, offset))
}

#[cfg(test)]
mod tests {
    use super::Step::{Key, Member};
    use super::*;

    const TEXT: &str = "a = 1\n\n[b]\nc = [\n  2,\n  3,\n]\n[[d]]\ne = 4\n[[d]]\ne = 5\n";

    #[test]
    fn values_are_found_by_their_path() {
        for (path, line) in [
            (vec![Key("a")], 1),
            (vec![Key("b"), Key("c")], 4),
            (vec![Key("b"), Key("c"), Member(1)], 6),
            (vec![Key("d"), Member(0), Key("e")], 9),
            (vec![Key("d"), Member(1), Key("e")], 11),
        ] {
            assert_eq!(line_of(TEXT, &path), Some(line), "{path:?}");
        }
        // What is not there is looked for in the table that should hold it.
        assert_eq!(line_of(TEXT, &[Key("b"), Key("x")]), Some(3));
        assert_eq!(line_of("a = ", &[Key("a")]), None);
        assert_eq!(line_text(TEXT, 5), "2,");
    }
}
