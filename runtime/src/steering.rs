//! Characters that steer a terminal instead of being shown.

/// Whether `c` is a control character or reorders the text around it (bidirectional overrides and isolates). File names,
/// transcripts and manifests come from outside and may hold them.
pub fn is_steering(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
