//! A bundle's manifest and its archive.

use std::path::Path;

use anyhow::{Context, Result};
use mien_models::bundle::archive::{export, import};
use mien_models::bundle::{Bundle, BundleWriter, Manifest, Origin};

use super::{Case, Limits, Outcome, Reader, Target};
use crate::repair;

/// The manifest of the bundle in the program.
const POCKET: &str = include_str!("../../../../runtime/assets/pocket/bundle/manifest.toml");

const KEYS: &[&[u8]] = &[
    b"[[file]]",
    b"[[metric]]",
    b"[llm]",
    b"[memory]",
    b"[interval90]",
    b"schema = 1",
    b"trained = true",
    b"sha256 = \"",
    b"bytes = ",
    b"path = \"",
    b"role = \"licence\"",
    b"role = \"llm\"",
    b"../",
    b"/",
    b"\\u202e",
    b"nan",
    b"inf",
    b"-1",
    b"\"\"\"",
    b"'''",
    b"{",
    b"}",
    b"[",
    b"]",
    b"#",
];

pub(super) const MANIFEST: Target = Target {
    name: "manifest",
    reads: "manifest.toml of a bundle; the digest in its first line is mended",
    file: "manifest.toml",
    text: true,
    framing: None,
    tokens: KEYS,
    repair: repair::manifest,
    longest: 16 << 10,
    limits: Limits::PARSER,
    seeds: |_| Ok(vec![POCKET.as_bytes().to_vec()]),
    prepare: |_| Ok(Box::new(manifest)),
};

fn manifest(case: &Case<'_>) -> Outcome {
    let text = match std::str::from_utf8(case.bytes) {
        Ok(text) => text,
        Err(error) => return Outcome::refused(error),
    };
    let first = match Manifest::parse(text, case.path) {
        Ok(manifest) => manifest,
        Err(error) => return Outcome::refused(error),
    };
    match first.to_toml(case.path).and_then(|written| Manifest::parse(&written, case.path)) {
        Ok(second) => Outcome::holds(first == second, || "written and read it is another one".into()),
        Err(error) => Outcome::Wrong(format!("what was read is refused when it is written: {error}")),
    }
}

pub(super) const ARCHIVE: Target = Target {
    name: "archive",
    reads: "a bundle's archive; sums and digests are mended",
    file: "bundle.tar",
    text: false,
    framing: None,
    tokens: &[
        b"ustar\0",
        b"manifest.toml",
        b"0000000000\0",
        b"7777777777\0",
        b"\x80\0\0\0\0\0\0\0\0\0\0\x01",
        b"L",
        b"x",
        b"K",
        b"g",
        b"S",
        b"5",
        b"2",
        b"../x",
        b"sha256 = \"",
        b"bytes = ",
    ],
    repair: repair::bundle,
    longest: 64 << 10,
    limits: Limits { ms: 500, ms_per_kb: 4, memory: 8 << 20, per_byte: 200 },
    seeds,
    prepare,
};

/// An archive of a bundle whose files are a few bytes each: none of them is parsed before it is used.
fn seeds(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir_in(folder)?;
    let bundle = folder.path().join("bundle");
    let named = Manifest::parse(POCKET, Path::new("manifest.toml"))?;
    let mut writer = BundleWriter::create(&bundle)?;
    for file in &named.files {
        let origin = Origin { licence: &file.licence, source: "a seed" };
        writer.add_bytes(file.role, file.path.as_str(), file.path.as_str().as_bytes(), origin)?;
    }
    writer.finish(named)?;
    let archive = folder.path().join("bundle.tar");
    export(&bundle, &archive)?;
    Ok(vec![std::fs::read(archive)?])
}

fn prepare(folder: &Path) -> Result<Reader> {
    let place = folder.join("place");
    std::fs::create_dir_all(&place).context("a place for bundles")?;
    let target = place.join("bundle");
    Ok(Box::new(move |case: &Case<'_>| {
        let outcome = match import(case.path, &target) {
            Err(error) => Outcome::refused(error),
            Ok(digest) => match Bundle::open(&target) {
                Ok(bundle) => Outcome::holds(bundle.digest() == digest, || "another digest than was told".into()),
                Err(error) => Outcome::Wrong(format!("installed, and refused when it is opened: {error}")),
            },
        };
        let _ = std::fs::remove_dir_all(&target);
        let mut left = std::fs::read_dir(&place).into_iter().flatten().flatten().map(|entry| entry.file_name());
        // A lock may stay, which takes no room.
        match left.find(|name| !name.to_string_lossy().contains("lock")) {
            Some(name) => Outcome::Wrong(format!("{} was left behind", name.to_string_lossy())),
            None => outcome,
        }
    }))
}
