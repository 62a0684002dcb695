//! Installing a bundle from its archive.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use tar::{EntryType, Header};

use super::super::digest::Hashed;
use super::super::entry::FileEntry;
use super::super::manifest::{MANIFEST_NAME, Manifest};
use super::super::open::MANIFEST_BYTES_LIMIT;
use super::super::write::BundleWriter;
use super::{BLOCK, END, RECORD, refused};
use crate::tensor::foreign;
use crate::{ModelError, Result};

/// Bytes that are read to tell what a file is.
const START: usize = 512;
/// Where a header holds the sum over itself.
const SUM: std::ops::Range<usize> = 148..156;

/// Installs the bundle in the archive at `path` as the folder `target`: its digest.
///
/// The archive is untrusted. Names are the manifest's own, which lead nowhere but below the folder; links, devices,
/// extensions and sparse files are refused; no more bytes are written than the manifest names; every file is held against
/// its digest while it is written; behind the end there may be nothing. What stands at `target` is treated as
/// [`BundleWriter`] says.
///
/// # Errors
/// [`ModelError::Format`] for anything but an archive of one bundle; [`ModelError::Manifest`]; [`ModelError::Digest`];
/// [`ModelError::Config`] for what stands at `target`; [`ModelError::Io`], also for a full disk. Nothing is installed then,
/// and what stood at `target` is as it was.
pub fn import(path: &Path, target: &Path) -> Result<String> {
    let file = mien_capture::regular::open(path, u64::MAX).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidInput => refused(path, "it is no regular file"),
        _ => ModelError::io(path, "read", e),
    });
    let mut archive = Blocks { path, from: BufReader::with_capacity(1 << 20, file?.0), position: 0 };
    archive.tell_apart()?;
    let text = match archive.entry()? {
        None => return Err(refused(path, "it ends where its manifest is expected")),
        Some(header) => archive.manifest(&header)?,
    };
    let named = path.join(MANIFEST_NAME);
    let (manifest, digest) = Manifest::sealed(&text, &named)?;
    if let Some(outside) = manifest.files.iter().find(|file| file.path.is_external()) {
        let reason =
            format!("its manifest names {:?}, expected paths below the bundle's folder", outside.path.as_str());
        return Err(refused(path, reason));
    }
    // A target that cannot be is told before gigabytes are read, a file that is no archive before folders are made.
    let mut writer = BundleWriter::create(target)?;
    for file in &manifest.files {
        match archive.entry()? {
            None => return Err(refused(path, format!("it ends where {:?} is expected", file.path.as_str()))),
            Some(header) => archive.take(&header, file, &mut writer)?,
        }
    }
    if let Some(header) = archive.entry()? {
        let name = name(&header);
        return Err(refused(path, format!("expected its end after the manifest's files, found {name:?}")));
    }
    archive.end()?;
    writer.finish_with(manifest, &text)?;
    Ok(digest.to_string())
}

/// The archive, block by block.
struct Blocks<'a> {
    path: &'a Path,
    from: BufReader<File>,
    /// Bytes that were read.
    position: u64,
}

impl Blocks<'_> {
    fn refused(&self, reason: impl Into<String>) -> ModelError {
        refused(self.path, reason)
    }

    fn io(&self, e: io::Error) -> ModelError {
        ModelError::io(self.path, "read", e)
    }

    /// Refuses what is something else than a tar archive, by name where it is told.
    fn tell_apart(&mut self) -> Result<()> {
        let start = self.from.fill_buf().map_err(|e| ModelError::io(self.path, "read", e))?;
        let start = start.get(..START).unwrap_or(start);
        if start.get(257..262) == Some(b"ustar") {
            return Ok(());
        }
        let what = foreign::kind(start).map_or("it is no tar archive, or its beginning is missing", |kind| kind.reason);
        Err(self.refused(what))
    }

    /// Fills `out`.
    fn read(&mut self, out: &mut [u8]) -> Result<()> {
        match self.from.read_exact(out) {
            Ok(()) => {
                self.position += out.len() as u64;
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.refused("it is damaged or was not copied whole: it ends early"))
            }
            Err(e) => Err(self.io(e)),
        }
    }

    /// The next entry's header; none where a block of zeros begins the end.
    fn entry(&mut self) -> Result<Option<Header>> {
        let mut header = Header::new_ustar();
        self.read(header.as_mut_bytes())?;
        let bytes = header.as_bytes();
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let blank = |(at, byte): (usize, &u8)| u32::from(if SUM.contains(&at) { b' ' } else { *byte });
        let sum: u32 = bytes.iter().enumerate().map(blank).sum();
        match header.cksum() {
            Ok(said) if said == sum => Ok(Some(header)),
            _ => Err(self.refused(format!(
                "it is damaged or was not copied whole: the block before byte {} is no entry's header",
                self.position
            ))),
        }
    }

    /// Passes over the zeros after an entry's `size` bytes.
    fn padding(&mut self, size: u64) -> Result<()> {
        let mut zeros = [0; BLOCK as usize];
        let missing = (size.next_multiple_of(BLOCK) - size) as usize;
        let zeros = zeros.get_mut(..missing).unwrap_or_default();
        self.read(zeros)?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(self.refused(format!("expected zeros before byte {}, found others", self.position)));
        }
        Ok(())
    }

    /// Whether `header` is a plain file's named `expected`; its size.
    fn require(&self, header: &Header, expected: &str) -> Result<u64> {
        if header.path_bytes().as_ref() != expected.as_bytes() {
            let found = name(header);
            return Err(self.refused(format!("expected the entry {expected:?}, found {found:?}")));
        }
        match header.entry_type() {
            EntryType::Regular => header.entry_size().map_err(|_| self.refused(format!("{expected:?} has no size"))),
            other => Err(self.refused(format!("{expected:?}: expected a regular file, found {other:?}"))),
        }
    }

    fn manifest(&mut self, header: &Header) -> Result<String> {
        let size = self.require(header, MANIFEST_NAME)?;
        if size > MANIFEST_BYTES_LIMIT {
            let reason = format!("{MANIFEST_NAME}: expected at most {MANIFEST_BYTES_LIMIT} bytes, found {size}");
            return Err(self.refused(reason));
        }
        let mut bytes = vec![0; size as usize];
        self.read(&mut bytes)?;
        self.padding(size)?;
        String::from_utf8(bytes).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            self.refused(format!("{MANIFEST_NAME}: expected UTF-8 text, found another byte at {at}"))
        })
    }

    /// Writes an entry's data as the bundle's file `file`.
    fn take(&mut self, header: &Header, file: &FileEntry, writer: &mut BundleWriter) -> Result<()> {
        let name = file.path.as_str();
        let size = self.require(header, name)?;
        if size != file.bytes {
            let reason = format!("{name:?} has {size} bytes, expected {}, the size in its manifest", file.bytes);
            return Err(self.refused(reason));
        }
        let place = file.path.within(writer.folder());
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(|e| ModelError::io(parent, "create", e))?;
        }
        let mut out = File::create_new(&place).map_err(|e| ModelError::io(&place, "create", e))?;
        let mut data = Hashed::new(self.from.by_ref().take(size));
        let mut chunk = vec![0; 1 << 20];
        let mut left = size;
        while left > 0 {
            let n = match data.read(&mut chunk) {
                Ok(0) => return Err(refused(self.path, format!("it ends in {name:?}: it was not copied whole"))),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(ModelError::io(self.path, "read", e)),
            };
            out.write_all(chunk.get(..n).unwrap_or_default()).map_err(|e| ModelError::io(&place, "write", e))?;
            left = left.saturating_sub(n as u64);
        }
        data.finish().check(&self.path.join(name), file)?;
        self.position += size;
        self.padding(size)?;
        writer.list_verified(file.clone());
        Ok(())
    }

    /// Holds that the archive ends here: after a first block of zeros a second one, and then nothing, or the zeros with which
    /// other programs fill the last record.
    fn end(&mut self) -> Result<()> {
        let begun = self.position - BLOCK;
        let mut second = [0; BLOCK as usize];
        self.read(&mut second)?;
        let whole = begun + END.len() as u64;
        let mut rest = Vec::new();
        self.from.by_ref().take(RECORD + 1).read_to_end(&mut rest).map_err(|e| ModelError::io(self.path, "read", e))?;
        let filled = whole.next_multiple_of(RECORD) - whole;
        if second.iter().chain(&rest).all(|byte| *byte == 0) && [0, filled].contains(&(rest.len() as u64)) {
            return Ok(());
        }
        Err(self.refused(format!("expected its end at byte {whole}, found more")))
    }
}

/// The entry's name as a line can show it; names that are no UTF-8 are no bundle's.
fn name(header: &Header) -> String {
    String::from_utf8_lossy(&header.path_bytes()).chars().take(200).collect()
}
