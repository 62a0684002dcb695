//! Whether a GGUF file's tokenizer is a SentencePiece vocabulary that llama.cpp can use without aborting.

use std::collections::HashSet;

use super::check::Fields;
use super::header::{GgufHeader, MetaValue};
use crate::Result;

/// Values of `tokenizer.ggml.token_type`.
pub(super) mod kind {
    pub(in super::super) const NORMAL: i32 = 1;
    pub(in super::super) const UNKNOWN: i32 = 2;
    pub(in super::super) const CONTROL: i32 = 3;
    pub(in super::super) const BYTE: i32 = 6;
}

/// Longest token; Vicuna's longest has 48 bytes.
const MAX_TOKEN_BYTES: usize = 1024;

/// The checked vocabulary.
pub(super) struct Tokens {
    pub(super) len: usize,
    pub(super) bos: i32,
    pub(super) eos: i32,
    pub(super) longest: usize,
}

pub(super) fn check(header: &GgufHeader, fields: &Fields<'_>, warnings: &mut Vec<String>) -> Result<Tokens> {
    match header.get("tokenizer.ggml.model") {
        Some(MetaValue::String(model)) if model == "llama" => {}
        _ => {
            let found = fields.found("tokenizer.ggml.model");
            return Err(fields.refuse("tokenizer.ggml.model", "\"llama\" (SentencePiece)", found));
        }
    }
    if let Some(other) = header.get("tokenizer.ggml.pre")
        && !matches!(other, MetaValue::String(_))
    {
        return Err(fields.refuse("tokenizer.ggml.pre", "a string", "another type"));
    }
    let tokens = tokens(header, fields)?;
    scores(header, fields, tokens.len())?;
    kinds(header, fields, tokens)?;
    let bos = special(fields, "tokenizer.ggml.bos_token_id", 1, tokens.len())?;
    let eos = special(fields, "tokenizer.ggml.eos_token_id", 2, tokens.len())?;
    if bos == eos {
        return Err(fields.refuse("tokenizer.ggml.eos_token_id", "another token than BOS", eos.to_string()));
    }
    let unknown = special(fields, "tokenizer.ggml.unknown_token_id", 0, tokens.len())?;
    let mut warn = |text: String| warnings.push(format!("{}: {text}", header.path().display()));
    if unknown != 0 {
        warn(format!("tokenizer.ggml.unknown_token_id is {unknown}, a llama has 0"));
    }
    if fields.flag("tokenizer.ggml.add_bos_token")? == Some(false) {
        warn("tokenizer.ggml.add_bos_token is false; BOS is put in front all the same, as the method needs it".into());
    }
    if fields.flag("tokenizer.ggml.add_eos_token")? == Some(true) {
        warn("tokenizer.ggml.add_eos_token is true; no EOS is appended all the same, as the method has none".into());
    }
    if fields.flag("tokenizer.ggml.add_space_prefix")? == Some(false) {
        warn("tokenizer.ggml.add_space_prefix is false, Vicuna's tokenizer puts a space in front of a text".into());
    }
    fields.flag("tokenizer.ggml.remove_extra_whitespaces")?;
    let longest = tokens.iter().map(String::len).max().unwrap_or(1);
    Ok(Tokens { len: tokens.len(), bos, eos, longest })
}

/// Token strings: unique (llama.cpp aborts otherwise), none empty, none with NUL (C strings end there).
fn tokens<'a>(header: &'a GgufHeader, fields: &Fields<'_>) -> Result<&'a [String]> {
    const KEY: &str = "tokenizer.ggml.tokens";
    let Some(MetaValue::Strings(tokens)) = header.get(KEY) else {
        return Err(fields.refuse(KEY, "a list of strings", "absent or of another type"));
    };
    let mut seen = HashSet::with_capacity(tokens.len());
    for (id, token) in tokens.iter().enumerate() {
        if token.is_empty() || token.len() > MAX_TOKEN_BYTES || token.contains('\0') {
            let expected = format!("tokens of 1 to {MAX_TOKEN_BYTES} bytes without NUL");
            return Err(fields.refuse(KEY, expected, format!("token {id} with {} bytes", token.len())));
        }
        if !seen.insert(token.as_str()) {
            return Err(fields.refuse(KEY, "each token once", format!("{token:?} twice (again at {id})")));
        }
    }
    for byte in 0..=255u8 {
        if !seen.contains(byte_token(byte).as_str()) {
            return Err(fields.refuse(KEY, "all 256 byte tokens", format!("no token {}", byte_token(byte))));
        }
    }
    Ok(tokens)
}

/// The spelling of the token that stands for one byte.
pub(super) fn byte_token(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

fn scores(header: &GgufHeader, fields: &Fields<'_>, tokens: usize) -> Result<()> {
    const KEY: &str = "tokenizer.ggml.scores";
    match header.get(KEY) {
        Some(MetaValue::F32s(scores)) if scores.len() == tokens => match scores.iter().position(|s| !s.is_finite()) {
            None => Ok(()),
            Some(id) => Err(fields.refuse(KEY, "finite numbers", format!("a score that is not finite at {id}"))),
        },
        _ => Err(fields.refuse(KEY, format!("a list of {tokens} F32"), "absent, or another type or length")),
    }
}

fn kinds(header: &GgufHeader, fields: &Fields<'_>, tokens: &[String]) -> Result<()> {
    const KEY: &str = "tokenizer.ggml.token_type";
    let kinds = match header.get(KEY) {
        Some(MetaValue::I32s(kinds)) if kinds.len() == tokens.len() => kinds,
        _ => {
            let expected = format!("a list of {} I32", tokens.len());
            return Err(fields.refuse(KEY, expected, "absent, or another type or length"));
        }
    };
    let bytes: HashSet<String> = (0..=255).map(byte_token).collect();
    for (id, (&found, token)) in kinds.iter().zip(tokens).enumerate() {
        if !(kind::NORMAL..=kind::BYTE).contains(&found) {
            return Err(fields.refuse(KEY, "1 to 6", format!("{found} for token {id}")));
        }
        if (found == kind::BYTE) != bytes.contains(token) {
            let expected = format!("type {} for byte tokens and for them alone", kind::BYTE);
            return Err(fields.refuse(KEY, expected, format!("{found} for {token:?}")));
        }
    }
    Ok(())
}

fn special(fields: &Fields<'_>, key: &str, default: i32, tokens: usize) -> Result<i32> {
    let last = u32::try_from(tokens.saturating_sub(1)).unwrap_or(u32::MAX);
    Ok(fields.optional_size(key, 0..=last)?.map_or(default, |id| id as i32))
}
