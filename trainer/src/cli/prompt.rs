//! What the language model is asked when it listens, as an option.

use mien_models::bundle::check_prompt;
use mien_models::llama::{PROMPT, SHORT_PROMPT};

/// Names of the two published ones.
const LONG: &str = "long";
const SHORT: &str = "short";

/// The prompt that `text` names, or is; `\n` in it is a line end, because shells have none to type.
pub(crate) fn prompt(text: &str) -> Result<String, String> {
    let prompt = match text {
        LONG => PROMPT.to_owned(),
        SHORT => SHORT_PROMPT.to_owned(),
        text => text.replace("\\n", "\n"),
    };
    check_prompt(&prompt)?;
    Ok(prompt)
}

/// `prompt` as the option takes it.
pub(crate) fn as_option(prompt: &str) -> String {
    match prompt {
        PROMPT => LONG.into(),
        SHORT_PROMPT => SHORT.into(),
        other => format!("'{}'", other.replace('\n', "\\n").replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_go_both_ways() {
        for (text, expected) in [("long", PROMPT), ("short", SHORT_PROMPT), ("Say it.\\n It:", "Say it.\n It:")] {
            let found = prompt(text).unwrap();
            assert_eq!(found, expected);
            assert_eq!(as_option(&found).trim_matches('\''), text);
        }
        assert_eq!(as_option("it's"), r"'it'\''s'");
        for wrong in ["", " ", "\\n", "a\tb", "a\u{202e}b"] {
            assert!(prompt(wrong).is_err(), "{wrong:?}");
        }
    }
}
