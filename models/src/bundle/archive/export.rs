//! Writing a bundle's archive.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};

use super::super::digest::Hashed;
use super::super::entry::{BundlePath, FileEntry, Role};
use super::super::manifest::{MANIFEST_NAME, Manifest};
use super::super::open::{open_folder, parse, read_manifest};
use super::{BLOCK, END, MODE};
use crate::new_file::NewFile;
use crate::{ModelError, Result};

/// What a language model from outside is called inside; more are tried where a bundle has a file of that name.
const LLM_NAMES: [&str; 3] = ["llm.gguf", "language-model.gguf", "llm/model.gguf"];

/// An archive that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Digest of the bundle in it. It is that of the exported bundle, except where [`Exported::taken_in`].
    pub digest: String,
    /// The archive's size in bytes.
    pub bytes: u64,
    /// Where a language model lay that was outside of the bundle's folder and is a file of the archive: the manifest in the
    /// archive names it there.
    pub taken_in: Option<PathBuf>,
}

/// Writes the bundle in `folder` to the archive `target`, which appears whole or not at all; each file is held against its
/// digest on the way.
///
/// # Errors
/// As [`super::super::Bundle::open`]; [`ModelError::Config`] where something stands at `target`, or for a path that no
/// archive can hold; [`ModelError::Io`].
pub fn export(folder: &Path, target: &Path) -> Result<Exported> {
    if fs::symlink_metadata(target).is_ok() {
        return Err(ModelError::Config {
            what: target.display().to_string(),
            reason: "expected nothing there, found something; remove it or choose another name".into(),
        });
    }
    let folder = open_folder(folder)?;
    let manifest_path = folder.path().join(MANIFEST_NAME);
    let mut text = read_manifest(&folder)?;
    let (manifest, mut digest) = parse(&text, &manifest_path)?;
    // Sizes and kinds first: a missing file is told before gigabytes are written.
    let open = |entry: &FileEntry| Ok((entry.path.within(folder.path()), folder.file(entry)?));
    let files = manifest.files.iter().map(open).collect::<Result<Vec<_>>>()?;

    let (inside, taken_in) = with_llm_inside(&manifest)?;
    if taken_in.is_some() {
        text = inside.to_toml(&manifest_path)?.into_bytes();
        (_, digest) = parse(&text, &manifest_path)?;
    }
    let mut out = NewFile::create(target)?;
    let failed = |e| ModelError::io(target, "write", e);
    let mut bytes = write_header(&mut out, target, MANIFEST_NAME, text.len() as u64)?;
    out.write_all(&text).map_err(failed)?;
    bytes += pad(&mut out, text.len() as u64).map_err(failed)?;
    for (entry, (place, file)) in inside.files.iter().zip(files) {
        bytes += write_header(&mut out, target, entry.path.as_str(), entry.bytes)?;
        copy(&place, file, entry, &mut out, target)?;
        bytes += pad(&mut out, entry.bytes).map_err(failed)?;
    }
    out.write_all(&END).map_err(failed)?;
    out.publish()?;
    Ok(Exported { digest: digest.to_string(), bytes: bytes + END.len() as u64, taken_in })
}

/// The manifest with the language model below the folder, and where it lay when it was outside.
fn with_llm_inside(manifest: &Manifest) -> Result<(Manifest, Option<PathBuf>)> {
    let mut inside = manifest.clone();
    let Some(outside) = inside.files.iter().position(|file| file.path.is_external()) else { return Ok((inside, None)) };
    let taken = |name: &str| manifest.files.iter().any(|file| file.path.as_str() == name);
    let name = LLM_NAMES.into_iter().find(|name| !taken(name)).unwrap_or("llm/outside.gguf");
    let path = BundlePath::try_from(name.to_owned())
        .map_err(|reason| ModelError::Config { what: "bundle archive".into(), reason })?;
    let lay = inside.files.get_mut(outside).map(|file: &mut FileEntry| {
        debug_assert_eq!(file.role, Role::Llm);
        PathBuf::from(std::mem::replace(&mut file.path, path).as_str())
    });
    Ok((inside, lay))
}

/// Writes the entry's header: its size and that of the data without filling.
fn write_header(out: &mut impl Write, target: &Path, name: &str, size: u64) -> Result<u64> {
    let mut header = Header::new_ustar();
    header.set_path(name).map_err(|e| ModelError::Config {
        what: format!("bundle file {name:?}"),
        reason: format!("expected a name that a tar archive can hold, found one that is too long ({e}); shorten it"),
    })?;
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(MODE);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    out.write_all(header.as_bytes()).map_err(|e| ModelError::io(target, "write", e))?;
    Ok(BLOCK + size)
}

/// Copies a file's bytes and holds what was copied against its entry.
fn copy(place: &Path, file: File, entry: &FileEntry, out: &mut impl Write, target: &Path) -> Result<()> {
    // One byte more shows a file that has grown.
    let mut file = Hashed::new(file.take(entry.bytes.saturating_add(1)));
    let mut chunk = vec![0; 1 << 20];
    loop {
        let n = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(ModelError::io(place, "read", e)),
        };
        out.write_all(chunk.get(..n).unwrap_or_default()).map_err(|e| ModelError::io(target, "write", e))?;
    }
    file.finish().check(place, entry)
}

/// Fills the data up to a whole block: how many bytes.
fn pad(out: &mut impl Write, size: u64) -> io::Result<u64> {
    let missing = size.next_multiple_of(BLOCK) - size;
    let zeros = END.get(..usize::try_from(missing).unwrap_or(0)).unwrap_or_default();
    out.write_all(zeros)?;
    Ok(missing)
}
