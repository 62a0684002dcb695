//! PyTorch checkpoints: a zip archive with a pickle `<root>/data.pkl` and one entry `<root>/data/<key>` per storage.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use zip::{CompressionMethod, ZipArchive};

use super::archive::{self, Allowance};
use super::container::{Container, FileFormat};
use super::map::FileMap;
use super::named::Entry;
use super::pickle::{LONGEST_PROGRAM, Pickle};
use super::state_dict::{self, DAMAGED, NO_STATE_DICT};
use super::stored::Region;
use super::torch_views;
use crate::{ModelError, Result};

/// Whether `bytes` begin as a zip archive does.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// Tensors of the state dict in a mapped file, and what lay beside them.
///
/// Uncompressed entries (torch.save writes no others) stay in the map; their checksums are verified once here.
///
/// # Errors
/// Format when the archive, the pickle or a tensor's place is not as torch.save writes them.
pub(super) fn read(path: &Path, map: &Arc<FileMap>) -> Result<(BTreeMap<String, Entry>, Container)> {
    let refuse = |fix: &'static str| {
        move |reason: String| ModelError::Format { path: path.into(), format: "PyTorch", reason, fix }
    };
    let damaged = refuse(DAMAGED);
    let mut archive = Archive::open(map).map_err(&damaged)?;
    let program = archive.program().map_err(&damaged)?;
    let pickle = Pickle::parse(program.bytes()).map_err(&damaged)?;
    let state = state_dict::find(&pickle).map_err(refuse(NO_STATE_DICT))?;
    let container = state.container(FileFormat::TorchZip);
    let tensors = torch_views::entries(state.tensors, |key, bytes| archive.storage(key, bytes)).map_err(&damaged)?;
    Ok((tensors, container))
}

/// The archive's entries by their torch names.
struct Archive<'m> {
    map: &'m Arc<FileMap>,
    zip: ZipArchive<Cursor<&'m [u8]>>,
    /// What comes before `data.pkl` in entry names, with its slash.
    root: String,
    allowance: Allowance,
}

impl<'m> Archive<'m> {
    fn open(map: &'m Arc<FileMap>) -> std::result::Result<Self, String> {
        let mut zip = ZipArchive::new(Cursor::new(&map[..])).map_err(|e| format!("no complete zip archive: {e}"))?;
        archive::apart(&mut zip)?;
        let mut programs = zip.file_names_raw().filter_map(|name| {
            let root = std::str::from_utf8(name).ok()?.strip_suffix("data.pkl")?;
            (root.is_empty() || root.ends_with('/')).then(|| root.to_owned())
        });
        let root = match (programs.next(), programs.next()) {
            (Some(root), None) => root,
            (None, _) => return Err("the zip archive has no entry data.pkl, so torch.save did not write it".into()),
            (Some(_), Some(_)) => return Err("the zip archive has several entries data.pkl".into()),
        };
        drop(programs);
        let mut archive = Self { map, zip, root, allowance: Allowance::of(map.len() as u64) };
        archive.check_byte_order()?;
        Ok(archive)
    }

    /// Newer files say in which byte order they were written.
    fn check_byte_order(&mut self) -> std::result::Result<(), String> {
        let name = format!("{}byteorder", self.root);
        if self.zip.index_for_name_raw(name.as_bytes()).is_none() {
            return Ok(());
        }
        let order = self.entry(&name, 16, None)?;
        if order.bytes() == b"little" { Ok(()) } else { Err("its numbers are big-endian, which is not read".into()) }
    }

    /// The pickle.
    fn program(&mut self) -> std::result::Result<Region, String> {
        self.entry(&format!("{}data.pkl", self.root), LONGEST_PROGRAM as u64, None)
    }

    /// The storage `key`, of which its tensors say that it has `bytes` bytes.
    fn storage(&mut self, key: &str, bytes: Option<usize>) -> std::result::Result<Region, String> {
        self.entry(&format!("{}data/{key}", self.root), u64::MAX, bytes)
    }

    /// Bytes of an entry, checked against the archive's checksum; in the map where they are not compressed. What is compressed and
    /// `declared` to have another length is not inflated.
    fn entry(&mut self, name: &str, longest: u64, declared: Option<usize>) -> std::result::Result<Region, String> {
        let wrong = |e: &dyn std::fmt::Display| format!("entry {name:?}: {e}");
        let index = self.zip.index_for_name_raw(name.as_bytes()).ok_or_else(|| wrong(&"it is not in the archive"))?;
        let raw = self.zip.by_index_raw(index).map_err(|e| wrong(&e))?;
        let (size, compressed, checksum) = (raw.size(), raw.compressed_size(), raw.crc32());
        let (start, method) = (raw.data_start(), raw.compression());
        if raw.encrypted() {
            return Err(wrong(&"it is encrypted"));
        }
        drop(raw);
        if size > longest {
            return Err(wrong(&format_args!("it takes {size} bytes, at most {longest} are read")));
        }
        if method != CompressionMethod::Stored {
            return self.inflate(name, index, [size, compressed], declared);
        }
        let range = start
            .and_then(|start| usize::try_from(start).ok())
            .and_then(|start| Some(start..start.checked_add(usize::try_from(size).ok()?)?))
            .filter(|range| range.end <= self.map.len() && size == compressed)
            .ok_or_else(|| wrong(&"it reaches beyond the end of the file"))?;
        // Zero stands where torch.save was told to compute no checksums.
        if checksum != 0 {
            let mut checked = self.zip.by_index(index).map_err(|e| wrong(&e))?;
            io::copy(&mut checked, &mut io::sink()).map_err(|e| wrong(&e))?;
        }
        Ok(Region::Mapped { map: Arc::clone(self.map), range })
    }

    /// Inflates an entry; its size is made plausible before memory is taken.
    fn inflate(
        &mut self,
        name: &str,
        index: usize,
        [size, compressed]: [u64; 2],
        declared: Option<usize>,
    ) -> std::result::Result<Region, String> {
        let wrong = |e: &dyn std::fmt::Display| format!("entry {name:?}: {e}");
        if let Some(bytes) = declared.filter(|bytes| *bytes as u64 != size) {
            return Err(wrong(&format_args!("it announces {size} bytes, {bytes} expected")));
        }
        self.allowance.take(size, compressed, declared.is_some()).map_err(|e| wrong(&e))?;
        let entry = self.zip.by_index(index).map_err(|e| wrong(&e))?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(usize::try_from(size).map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
        // One byte more than announced shows an entry that lies about its size.
        entry.take(size.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| wrong(&e))?;
        if bytes.len() as u64 != size {
            return Err(wrong(&format_args!("it does not hold the {size} bytes that it announces")));
        }
        Ok(Region::Inflated(Arc::new(bytes)))
    }
}
