//! Writing a store so that it appears whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use half::f16;
use half::slice::HalfFloatSliceExt;
use mien_models::bundle::Sha256;
use sha2::Digest;

use super::super::corpus::{Modality, split_name};
use super::super::source::Split;
use super::format::{Cover, FORMAT, FileEntry, INDEX_NAME, Index, RowType, SCHEMA, STORE_NAME, row_file_header};
use crate::new_folder::NewFolder;
use crate::{Result, TrainerError};

/// A store in the making, removed unless [`StoreWriter::finish`] is reached.
#[derive(Debug)]
pub struct StoreWriter {
    folder: NewFolder,
    row_type: RowType,
}

impl StoreWriter {
    /// Starts a store that will stand at `target`.
    ///
    /// # Errors
    /// Store where something stands there already; Io when the folder beside it cannot be made.
    pub fn create(target: &Path, row_type: RowType) -> Result<Self> {
        let refuse = |path: &Path, reason| TrainerError::Store { path: path.to_owned(), reason };
        Ok(Self { folder: NewFolder::create(target, refuse)?, row_type })
    }

    /// Starts the row file of a split's modality; `lengths` are the rows of each clip.
    ///
    /// # Errors
    /// Store for a file larger than any disk; Io.
    pub fn rows(&self, split: Split, modality: Modality, width: usize, lengths: &[usize]) -> Result<RowFile> {
        let name = format!("{}.{modality}.safetensors", split_name(split));
        let path = self.folder.path().join(&name);
        let too_large = || TrainerError::Store { path: path.clone(), reason: "too many rows for one file".into() };
        let mut offsets = vec![0i64];
        let mut rows = 0usize;
        for &length in lengths {
            rows = rows.checked_add(length).ok_or_else(too_large)?;
            offsets.push(i64::try_from(rows).map_err(|_| too_large())?);
        }
        let header = row_file_header(lengths.len(), rows, width, self.row_type).ok_or_else(too_large)?;
        let file = File::create_new(&path).map_err(|e| TrainerError::io(&path, "create", e))?;
        let mut out = RowFile {
            name,
            out: BufWriter::with_capacity(1 << 20, file),
            state: sha2::Sha256::new(),
            bytes: 0,
            left: rows * width,
            row_type: self.row_type,
            block: Vec::new(),
            path,
        };
        out.put(&header)?;
        let offsets: Vec<u8> = offsets.iter().flat_map(|n| n.to_le_bytes()).collect();
        out.put(&offsets)?;
        Ok(out)
    }

    /// Writes the index, brings everything to the disk, and puts the folder in its place.
    ///
    /// # Errors
    /// Io; nothing stands at the target then.
    pub fn finish(self, index: &Index) -> Result<()> {
        let Self { folder, .. } = self;
        let index = json(index, folder.target())?;
        folder.write(INDEX_NAME, &index)?;
        let cover = Cover {
            format: FORMAT.into(),
            schema: SCHEMA,
            index: FileEntry { path: INDEX_NAME.into(), bytes: index.len() as u64, sha256: Sha256::of(&index) },
        };
        folder.write(STORE_NAME, &json(&cover, folder.target())?)?;
        folder.finish()
    }
}

/// One line of JSON.
fn json(value: &impl serde::Serialize, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value).map_err(|e| TrainerError::io(path, "write", e.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The rows of a split's modality, written clip by clip.
#[derive(Debug)]
pub struct RowFile {
    name: String,
    path: PathBuf,
    out: BufWriter<File>,
    state: sha2::Sha256,
    bytes: u64,
    /// Numbers still to come.
    left: usize,
    row_type: RowType,
    block: Vec<u8>,
}

impl RowFile {
    /// Adds the next numbers: whole clips, in the order of the lengths given at the beginning.
    ///
    /// `what` names them in messages.
    ///
    /// # Errors
    /// Corpus for NaN, infinities, and numbers that f16 cannot hold; Store for more numbers than were announced; Io.
    pub fn write(&mut self, what: &dyn std::fmt::Display, values: &[f32]) -> Result<()> {
        let refuse = |reason: String| Err(TrainerError::corpus(what.to_string(), reason));
        if let Some((at, value)) = values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return refuse(format!("number {at} is {value}, expected finite numbers; extract the clip again"));
        }
        if let Some(left) = self.left.checked_sub(values.len()) {
            self.left = left;
        } else {
            return Err(TrainerError::Store { path: self.path.clone(), reason: "more rows than announced".into() });
        }
        let mut block = std::mem::take(&mut self.block);
        block.clear();
        match self.row_type {
            RowType::F32 => block.extend(values.iter().flat_map(|v| v.to_le_bytes())),
            RowType::F16 => {
                let mut halves = vec![f16::ZERO; values.len()];
                halves.convert_from_f32_slice(values);
                if let Some(at) = halves.iter().position(|h| h.is_infinite()) {
                    let value = values.get(at).copied().unwrap_or_default();
                    return refuse(format!(
                        "number {at} is {value}, beyond what f16 holds (65504); import with --rows f32"
                    ));
                }
                block.extend(halves.iter().flat_map(|h| h.to_le_bytes()));
            }
        }
        self.put(&block)?;
        self.block = block;
        Ok(())
    }

    /// Brings the file to the disk.
    ///
    /// # Errors
    /// Store when rows are missing; Io.
    pub fn finish(self) -> Result<FileEntry> {
        let Self { name, path, out, state, bytes, left, .. } = self;
        if left > 0 {
            return Err(TrainerError::Store { path, reason: format!("{left} numbers fewer than announced") });
        }
        let file = out.into_inner().map_err(|e| TrainerError::io(&path, "write", e.into_error()))?;
        file.sync_all().map_err(|e| TrainerError::io(&path, "write", e))?;
        let digest: [u8; 32] = state.finalize().into();
        let digits: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        let sha256 = digits.parse().map_err(|e: String| TrainerError::io(&path, "write", io::Error::other(e)))?;
        Ok(FileEntry { path: name, bytes, sha256 })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|e| TrainerError::io(&self.path, "write", e))?;
        self.state.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}
