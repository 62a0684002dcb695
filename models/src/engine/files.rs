//! The two files of a graph: nodes, and the weights beside them.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Mutex;

use tract_onnx::data_resolver::ModelDataResolver;
use tract_onnx::pb;
use tract_onnx::prelude::{TractError, TractResult};

use crate::{HeldFile, HeldReader, Result};

/// The folder and the file in it that tract is told of; it looks whether they are there and opens neither.
pub(super) const NOWHERE: (&str, &str) = ("/", ".");

/// Where a graph is read from.
#[derive(Clone, Debug)]
pub enum GraphSource<'a> {
    /// The ONNX file; its weights have the same name with the ending `weights`.
    Path(&'a Path),
    /// Open files: of the nodes, and of the weights.
    Held(HeldFile, HeldFile),
}

impl<'a> From<&'a Path> for GraphSource<'a> {
    fn from(path: &'a Path) -> Self {
        Self::Path(path)
    }
}

impl<'a> From<&'a std::path::PathBuf> for GraphSource<'a> {
    fn from(path: &'a std::path::PathBuf) -> Self {
        Self::Path(path)
    }
}

impl GraphSource<'_> {
    /// The file of the nodes.
    pub(crate) fn graph(&self) -> Result<HeldFile> {
        match self {
            Self::Path(path) => HeldFile::open(path),
            Self::Held(graph, _) => Ok(graph.clone()),
        }
    }

    /// The file of the weights.
    pub(super) fn weights(&self) -> Result<HeldFile> {
        match self {
            Self::Path(path) => HeldFile::open(&path.with_extension("weights")),
            Self::Held(_, weights) => Ok(weights.clone()),
        }
    }
}

/// Gives tract the weights out of one open file, whatever path it asks for.
pub(super) struct Weights(Mutex<HeldReader>, u64);

impl Weights {
    pub(super) fn of(file: &HeldFile) -> Self {
        Self(Mutex::new(file.reader()), file.len())
    }
}

impl ModelDataResolver for Weights {
    fn read_bytes_from_path(
        &self,
        buf: &mut Vec<u8>,
        _: &Path,
        offset: usize,
        length: Option<usize>,
    ) -> TractResult<()> {
        let (start, len) = (offset as u64, self.1);
        let length = length.map_or(len.saturating_sub(start), |length| length as u64);
        if start.checked_add(length).is_none_or(|end| end > len) {
            return Err(TractError::msg(format!("{length} bytes at {start} of a weight file of {len} bytes")));
        }
        let mut reader = self.0.lock().map_err(|_| TractError::msg("an earlier reading of weights panicked"))?;
        reader.seek(SeekFrom::Start(start))?;
        buf.try_reserve_exact(usize::try_from(length)?)?;
        reader.by_ref().take(length).read_to_end(buf)?;
        Ok(())
    }
}

/// Whether any tensor of `proto` lies in the weight file; each is told of [`NOWHERE`].
pub(super) fn redirect(proto: &mut pb::ModelProto) -> bool {
    let mut any = false;
    for entry in proto.graph.iter_mut().flat_map(|graph| &mut graph.initializer).flat_map(|t| &mut t.external_data) {
        if entry.key == "location" {
            NOWHERE.1.clone_into(&mut entry.value);
            any = true;
        }
    }
    any
}
