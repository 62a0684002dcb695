//! Messages of other libraries as one line.

/// `text` with a space in the place of each control character.
///
/// Parsers quote what they found, and a file may hold anything: line ends would make two messages of one, others steer a
/// terminal.
///
/// ```
/// assert_eq!(mien_capture::one_line("unknown variant `a\u{1b}[2J`\n"), "unknown variant `a [2J`");
/// ```
#[must_use]
pub fn one_line(text: &str) -> String {
    text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
