//! The file beside an ONNX graph that holds its weights (ONNX "external data").

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::new_file::NewFile;
use crate::{ModelError, Result};

/// Alignment of each tensor in the file, so that a reader may map it.
const ALIGNMENT: u64 = 64;

/// Streams tensors to `<stem>.weights`; one tensor at a time is in memory.
pub(super) struct WeightWriter {
    path: PathBuf,
    out: NewFile,
    written: u64,
}

/// Where a tensor lies in the file.
pub(super) struct Extent {
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl WeightWriter {
    /// Starts the file; nothing appears under `path` before [`Self::finish`].
    pub(super) fn create(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), out: NewFile::create(path)?, written: 0 })
    }

    /// The file's name as the graph refers to it: relative to the graph's folder.
    pub(super) fn location(&self) -> String {
        self.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Appends `data` as little-endian f32.
    pub(super) fn append(&mut self, data: &[f32]) -> Result<Extent> {
        let offset = self.align()?;
        let mut bytes = Vec::with_capacity(CHUNK * 4);
        for chunk in data.chunks(CHUNK) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|v| v.to_le_bytes()));
            self.write(&bytes)?;
        }
        Ok(Extent { offset, length: self.written - offset })
    }

    /// Appends signed bytes.
    pub(super) fn append_bytes(&mut self, data: &[i8]) -> Result<Extent> {
        let offset = self.align()?;
        self.write(bytemuck::cast_slice(data))?;
        Ok(Extent { offset, length: self.written - offset })
    }

    /// Fills up to the next tensor's place.
    fn align(&mut self) -> Result<u64> {
        let offset = self.written.next_multiple_of(ALIGNMENT);
        let padding = [0u8; ALIGNMENT as usize];
        // `offset - written` is below ALIGNMENT by construction.
        self.write(&padding[..(offset - self.written) as usize])?;
        Ok(offset)
    }

    /// Gives the file its final name.
    pub(super) fn finish(self) -> Result<()> {
        self.out.publish()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|e| ModelError::io(&self.path, "write", e))?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// Elements encoded at a time.
const CHUNK: usize = 1 << 16;
