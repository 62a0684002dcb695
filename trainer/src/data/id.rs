//! Utterance ids: `<video>_<segment>` (specification, data section 1).

/// Longest id in bytes; a file name of most file systems holds 255 with its ending.
const LONGEST: usize = 240;

/// The video that an utterance was cut from: what stands before the last underscore, or the whole id without one.
///
/// Video ids contain `_` and `-` themselves.
pub fn video_of(id: &str) -> &str {
    match id.rsplit_once('_') {
        Some((video, _)) if !video.is_empty() => video,
        _ => id,
    }
}

/// Holds an id that came from a file against what may become part of a path and of a line of output.
///
/// # Errors
/// A phrase: expected and found.
pub fn check(id: &str) -> Result<(), String> {
    let bad = |c: char| {
        c.is_control()
            || matches!(c, '/' | '\\' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if id.is_empty() || id.len() > LONGEST || id == "." || id == ".." || id.chars().any(bad) {
        let shown: String = id.chars().take(40).flat_map(char::escape_debug).collect();
        return Err(format!(
            "the id \"{shown}\" cannot be a file name; expected 1 to {LONGEST} bytes without slashes and control characters"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_underscore_splits_an_id() {
        for (id, video) in [
            ("-3g5yACwYnA_13", "-3g5yACwYnA"),
            ("d-Uw_uZyUys_2", "d-Uw_uZyUys"),
            ("_abc_0", "_abc"),
            ("125344_0", "125344"),
            ("alone", "alone"),
            ("_0", "_0"),
        ] {
            assert_eq!(video_of(id), video);
        }
    }

    #[test]
    fn ids_that_leave_their_folder_are_refused() {
        for id in ["", ".", "..", "../x_0", "a/b_0", "a\\b", "a\nb", "a\u{202e}b", &"x".repeat(241)] {
            assert!(check(id).is_err(), "{id:?}");
        }
        for id in ["-3g5yACwYnA_13", "take [1]+2_0", "ü_1", &"x".repeat(240)] {
            assert_eq!(check(id), Ok(()));
        }
    }
}
