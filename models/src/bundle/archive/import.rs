//! Installing a bundle from its archive.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use tar::{Archive, Entry, EntryType};

use super::super::digest::{Hashed, Sha256};
use super::super::entry::FileEntry;
use super::super::manifest::{MANIFEST_NAME, Manifest};
use super::super::open::MANIFEST_BYTES_LIMIT;
use super::super::write::BundleWriter;
use super::refused;
use crate::tensor::foreign;
use crate::{ModelError, Result};

/// Bytes that are read to tell what a file is.
const START: usize = 512;

/// Installs the bundle in the archive at `path` as the folder `target`: its digest.
///
/// The archive is untrusted. Names are the manifest's own, which lead nowhere but below the folder; links, devices,
/// extensions and sparse files are refused; no more bytes are written than the manifest names; every file is held against
/// its digest while it is written. What stands at `target` is treated as [`BundleWriter`] says.
///
/// # Errors
/// [`ModelError::Format`] for anything but an archive of one bundle; [`ModelError::Manifest`]; [`ModelError::Digest`];
/// [`ModelError::Config`] for what stands at `target`; [`ModelError::Io`], also for a full disk. Nothing is installed then,
/// and what stood at `target` is as it was.
pub fn import(path: &Path, target: &Path) -> Result<String> {
    let found = fs::metadata(path).map_err(|e| ModelError::io(path, "read", e))?;
    // Asked before opening: opening a pipe would wait for a writer for ever.
    if !found.is_file() {
        return Err(refused(path, "it is no regular file"));
    }
    let file = File::open(path).map_err(|e| ModelError::io(path, "read", e))?;
    let mut file = BufReader::with_capacity(1 << 20, file);
    tell_apart(path, &mut file)?;
    let mut archive = Archive::new(file);
    // Raw: extensions that give another name, size or kind to the next entry are seen as entries, and refused.
    let mut entries = archive.entries().map_err(|e| damaged(path, &e))?.raw(true);
    let mut next = || entries.next().transpose().map_err(|e| damaged(path, &e));

    let text = match next()? {
        None => return Err(refused(path, "it ends where its manifest is expected")),
        Some(entry) => manifest_text(path, entry)?,
    };
    let named = path.join(MANIFEST_NAME);
    let manifest = Manifest::parse(&text, &named)?;
    if let Some(outside) = manifest.files.iter().find(|file| file.path.is_external()) {
        let reason =
            format!("its manifest names {:?}, expected paths below the bundle's folder", outside.path.as_str());
        return Err(refused(path, reason));
    }
    // A target that cannot be is told before gigabytes are read, a file that is no archive before folders are made.
    let mut writer = BundleWriter::create(target)?;
    for file in &manifest.files {
        match next()? {
            None => return Err(refused(path, format!("it ends where {:?} is expected", file.path.as_str()))),
            Some(entry) => take(path, entry, file, &mut writer)?,
        }
    }
    if let Some(entry) = next()? {
        let name = name(&entry);
        return Err(refused(path, format!("expected its end after the manifest's files, found {name:?}")));
    }
    writer.finish_with(manifest, &text)?;
    Ok(Sha256::of(text.as_bytes()).to_string())
}

/// Refuses what is something else than a tar archive, by name where it is told.
fn tell_apart(path: &Path, file: &mut BufReader<File>) -> Result<()> {
    use std::io::BufRead;
    let start = file.fill_buf().map_err(|e| ModelError::io(path, "read", e))?;
    let start = start.get(..START).unwrap_or(start);
    if start.get(257..262) == Some(b"ustar") {
        return Ok(());
    }
    let what = foreign::kind(start).map_or("it is no tar archive, or its beginning is missing", |kind| kind.reason);
    Err(refused(path, what))
}

fn damaged(path: &Path, e: &io::Error) -> ModelError {
    refused(path, format!("it is damaged or was not copied whole: {e}"))
}

/// The entry's name as a line can show it; names that are no UTF-8 are no bundle's.
fn name<R: Read>(entry: &Entry<'_, R>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).chars().take(200).collect()
}

/// Whether `entry` is a plain file named `expected`.
fn require<R: Read>(path: &Path, entry: &Entry<'_, R>, expected: &str) -> Result<()> {
    if entry.path_bytes().as_ref() != expected.as_bytes() {
        let found = name(entry);
        return Err(refused(path, format!("expected the entry {expected:?}, found {found:?}")));
    }
    match entry.header().entry_type() {
        EntryType::Regular => Ok(()),
        other => Err(refused(path, format!("{expected:?}: expected a regular file, found {other:?}"))),
    }
}

fn manifest_text<R: Read>(path: &Path, entry: Entry<'_, R>) -> Result<String> {
    require(path, &entry, MANIFEST_NAME)?;
    let size = entry.size();
    if size > MANIFEST_BYTES_LIMIT {
        let reason = format!("{MANIFEST_NAME}: expected at most {MANIFEST_BYTES_LIMIT} bytes, found {size}");
        return Err(refused(path, reason));
    }
    let mut bytes = Vec::new();
    entry.take(size).read_to_end(&mut bytes).map_err(|e| damaged(path, &e))?;
    if bytes.len() as u64 != size {
        return Err(refused(path, format!("it ends in {MANIFEST_NAME}: it was not copied whole")));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        refused(path, format!("{MANIFEST_NAME}: expected UTF-8 text, found another byte at {at}"))
    })
}

/// Writes an entry's data as the bundle's file `file`.
fn take<R: Read>(path: &Path, entry: Entry<'_, R>, file: &FileEntry, writer: &mut BundleWriter) -> Result<()> {
    let name = file.path.as_str();
    require(path, &entry, name)?;
    if entry.size() != file.bytes {
        let reason = format!("{name:?} has {} bytes, expected {}, the size in its manifest", entry.size(), file.bytes);
        return Err(refused(path, reason));
    }
    let place = file.path.within(writer.folder());
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent).map_err(|e| ModelError::io(parent, "create", e))?;
    }
    let mut out = File::create_new(&place).map_err(|e| ModelError::io(&place, "create", e))?;
    let mut data = Hashed::new(entry.take(file.bytes));
    let mut chunk = vec![0; 1 << 20];
    let mut left = file.bytes;
    while left > 0 {
        let n = match data.read(&mut chunk) {
            Ok(0) => return Err(refused(path, format!("it ends in {name:?}: it was not copied whole"))),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(damaged(path, &e)),
        };
        out.write_all(chunk.get(..n).unwrap_or_default()).map_err(|e| ModelError::io(&place, "write", e))?;
        left = left.saturating_sub(n as u64);
    }
    data.finish().check(&path.join(name), file)?;
    writer.list_verified(file.clone());
    Ok(())
}
