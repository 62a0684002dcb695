//! The first line of a manifest: a digest over everything after it.
//!
//! The line is `digest = "<64 digits>"` and nothing else, so a flipped byte anywhere in the manifest is one of a text whose
//! digest is another, or of a line that is none. As the rest holds every file's digest, the line names the whole bundle:
//! `tail -n +2 manifest.toml | sha256sum` shows it.

use std::io::Write;
use std::path::Path;

use super::digest::Sha256;
use super::manifest::{MANIFEST_NAME, SCHEMA};
use super::open::{open_folder, parse, read_manifest};
use crate::new_file::NewFile;
use crate::{HeldFile, ModelError, Result};

/// What stands before the digits.
const START: &str = "digest = \"";
/// What stands after them, and ends the line.
const END: &str = "\"\n";
/// Digits of a digest.
const DIGITS: usize = 64;

/// A manifest's text with its digest in front of it; lines before the first table that are a digest already are left out.
///
/// Whoever changes a manifest by hand must do this, as `mien bundle seal` does.
#[must_use]
pub fn seal(text: &str) -> String {
    let tables = text.find("\n[").map_or(text.len(), |at| at + 1);
    let (keys, tables) = text.split_at(tables);
    let is_digest =
        |line: &&str| line.trim_start().strip_prefix("digest").is_some_and(|rest| rest.trim_start().starts_with('='));
    let keys: String = keys.split_inclusive('\n').filter(|line| !is_digest(line)).collect();
    let body = keys + tables;
    format!("{START}{}{END}{body}", Sha256::of(body.as_bytes()))
}

/// Puts the digest into the manifest of the bundle in `folder`, after somebody has changed it on purpose: the bundle's
/// digest. Every other line stays as it is but the schema's, where it is the one before. The file is replaced at once.
///
/// # Errors
/// As [`super::Bundle::open`], of the sealed manifest and of the files; [`ModelError::Io`]. Nothing is changed then.
pub fn seal_folder(folder: &Path) -> Result<String> {
    let folder = open_folder(folder)?;
    let path = folder.path().join(MANIFEST_NAME);
    let text = String::from_utf8(read_manifest(&folder)?).map_err(|e| ModelError::Manifest {
        path: path.clone(),
        reason: format!("expected UTF-8 text, found another byte at {}", e.utf8_error().valid_up_to()),
    })?;
    let before = format!("schema = {}", SCHEMA - 1);
    let raise = |line: &str| match line.trim_end() == before {
        true => line.replace(&before, &format!("schema = {SCHEMA}")),
        false => line.to_owned(),
    };
    let sealed = seal(&text.split_inclusive('\n').map(raise).collect::<String>());
    let (manifest, digest) = parse(sealed.as_bytes(), &path)?;
    for entry in &manifest.files {
        let place = entry.path.within(folder.path());
        let (_, found) = HeldFile::hash(&place, folder.file(entry)?, entry.bytes)?;
        if found != entry.sha256 {
            let (expected, found) = (entry.sha256.to_string(), found.to_string());
            return Err(ModelError::Digest { path: place, what: "sha256", expected, found });
        }
    }
    let mut out = NewFile::create(&path)?;
    out.write_all(sealed.as_bytes()).map_err(|e| ModelError::io(&path, "write", e))?;
    out.publish()?;
    Ok(digest.to_string())
}

/// The digest of `text` and what follows its first line.
///
/// # Errors
/// Expected and found, where there is no such line or it is another text's.
pub(super) fn opened(text: &str) -> std::result::Result<(Sha256, &str), String> {
    let digest = text.strip_prefix(START).and_then(|rest| rest.split_at_checked(DIGITS));
    let parsed = digest.and_then(|(digits, rest)| Some((digits.parse::<Sha256>().ok()?, rest.strip_prefix(END)?)));
    let Some((said, body)) = parsed else {
        return Err(format!(
            "expected {START}...\", the digest of the lines after it; where the manifest was written by hand or by an \
             earlier version, `mien bundle seal` puts it there"
        ));
    };
    let found = Sha256::of(body.as_bytes());
    if found != said {
        return Err(format!(
            "the lines after it have the digest {found}: the manifest was changed; where that was meant, `mien bundle seal` \
             puts the digest there"
        ));
    }
    Ok((said, body))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_sealed_text_opens_and_no_flipped_byte_of_it_does() {
        let body = "schema = 2\nname = \"é\"\n";
        let text = seal(body);
        assert_eq!(opened(&text).unwrap(), (Sha256::of(body.as_bytes()), body));
        // Done twice it is as done once.
        assert_eq!(seal(&text), text);
        assert_eq!(seal(&format!("digest = \"no digits\"\n{body}")), text);
        assert_eq!(seal(&format!("# ours\n{text}")), seal(&format!("# ours\n{body}")));
        // What a table has under that name is its own.
        let table = format!("{body}[x]\ndigest = 1\n");
        assert!(seal(&table).ends_with(&table));
        assert!(opened(body).unwrap_err().contains("mien bundle seal"));
        assert!(opened("").is_err() && opened(&text[..40]).is_err());
        for at in 0..text.len() {
            for flip in 1..=255 {
                let mut bad = text.clone().into_bytes();
                bad[at] ^= flip;
                let Ok(bad) = String::from_utf8(bad) else { continue };
                assert!(opened(&bad).is_err(), "byte {at}, {flip:08b}");
            }
        }
        for bad in
            [text.replacen('\n', "\r\n", 1), format!("{text} "), format!(" {text}"), text.replacen(" = ", "=", 1)]
        {
            assert!(opened(&bad).is_err(), "{bad}");
        }
    }
}
