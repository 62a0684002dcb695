//! Rows of one clip in `.npy` files (specification, data section 1).

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use mien_capture::regular;

use super::numpy::{Elements, Header, Kind, LONGEST_HEADER, row_major};
use crate::{Result, TrainerError, reading};

/// Largest file of a clip's rows: an hour of WavLM's rows in f64 takes 1.5 GB.
const LONGEST: u64 = 4 << 30;

/// Rows of one clip: f32, row-major [rows, width].
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// The numbers.
    pub values: Vec<f32>,
    /// How many rows and how wide.
    pub extent: Extent,
}

/// Size of a clip's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Number of rows; 0 for an empty array.
    pub rows: usize,
    /// Numbers in a row.
    pub width: usize,
}

impl Extent {
    /// Axes of length 1 carry nothing; what then has one axis is one row. `None` for more than two axes.
    fn of(shape: &[usize]) -> Option<Self> {
        match shape.iter().copied().filter(|&n| n != 1).collect::<Vec<_>>()[..] {
            [] => Some(Self { rows: 1, width: 1 }),
            [0] => Some(Self { rows: 0, width: 0 }),
            [width] => Some(Self { rows: 1, width }),
            [rows, width] => Some(Self { rows, width }),
            _ => None,
        }
    }
}

/// Reads the size of the array at `path` from its header: f2, f4 or f8; [rows, width], `[width]` or with axes of length 1.
///
/// # Errors
/// Io; Format for anything else than such an array, and for a file that is shorter or longer than its header says.
pub fn extent(path: &Path) -> Result<Extent> {
    let (mut file, length) = regular::open(path, LONGEST).map_err(|e| TrainerError::io(path, "read", e))?;
    let mut head = Vec::with_capacity(128);
    let mut read_to = |upto: usize, head: &mut Vec<u8>| {
        let more = upto.saturating_sub(head.len()) as u64;
        (&mut file).take(more).read_to_end(head).map_err(|e| TrainerError::io(path, "read", e))
    };
    // Nearly every header ends within the first 128 bytes.
    read_to(128, &mut head)?;
    let header = match Header::parse(&head) {
        Ok(header) => header,
        Err(_) => {
            read_to(LONGEST_HEADER, &mut head)?;
            Header::parse(&head).map_err(|reason| refuse(path, reason))?
        }
    };
    check(path, &header, length)
}

/// Reads the array at `path` as rows, as [`extent`] describes it.
///
/// # Errors
/// As [`extent`].
pub fn read(path: &Path) -> Result<Matrix> {
    parse(path, &reading::bytes(path, LONGEST)?)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Matrix> {
    let header = Header::parse(bytes).map_err(|reason| refuse(path, reason))?;
    let extent = check(path, &header, bytes.len() as u64)?;
    let data = bytes.get(header.data_start..).unwrap_or_default();
    let values = Elements { dtype: header.dtype, bytes: data }.floats();
    let values = values.ok_or_else(|| refuse(path, format!("it holds {}", header.dtype)))?;
    let values = if header.fortran { row_major(values, &header.shape) } else { values };
    Ok(Matrix { values, extent })
}

fn check(path: &Path, header: &Header, length: u64) -> Result<Extent> {
    if header.dtype.kind != Kind::Float {
        return Err(refuse(path, format!("it holds {}, expected f2, f4 or f8", header.dtype)));
    }
    let expected = header.data_bytes().and_then(|n| n.checked_add(header.data_start)).map(|n| n as u64);
    if expected != Some(length) {
        let expected = expected.map_or("more than any file".into(), |n| n.to_string());
        return Err(refuse(
            path,
            format!("an array of shape {:?} takes {expected} bytes, the file has {length}", header.shape),
        ));
    }
    Extent::of(&header.shape)
        .ok_or_else(|| refuse(path, format!("its shape is {:?}, expected [rows, width] or [width]", header.shape)))
}

fn refuse(path: &Path, reason: String) -> TrainerError {
    TrainerError::Format { path: path.into(), format: ".npy", reason, fix: "make or copy the file again" }
}

/// A folder with the rows of many clips, as the authors lay them out: `<id>.npy`, or `<id>/` with one file for each
/// row. Names may contain `+`, `[` and `]` and are never taken for patterns.
#[derive(Clone, Debug)]
pub struct FeatureFolder {
    path: PathBuf,
}

/// Where a clip's rows lie.
enum Place {
    File(PathBuf),
    /// One file for each row, in order.
    Rows(PathBuf, Vec<PathBuf>),
}

impl FeatureFolder {
    /// The folder at `path`.
    ///
    /// # Errors
    /// Corpus when there is none.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        if path.is_dir() {
            return Ok(Self { path });
        }
        Err(TrainerError::corpus(
            path.display().to_string(),
            "this feature folder is missing; check the name (quote + [ ] in a shell)",
        ))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the rows of clip `id`, from headers alone; `None` for a clip without a file.
    ///
    /// # Errors
    /// Corpus for an id that cannot be a file's name and for files of a clip that do not fit each other; Format and Io
    /// as [`extent`].
    pub fn extent(&self, id: &str) -> Result<Option<Extent>> {
        match self.place(id)? {
            None => Ok(None),
            Some(Place::File(path)) => extent(&path).map(Some),
            Some(Place::Rows(folder, files)) => {
                let mut whole = Extent { rows: 0, width: 0 };
                for file in files {
                    whole = grown(&folder, whole, &file, extent(&file)?)?;
                }
                Ok(Some(whole))
            }
        }
    }

    /// The rows of clip `id`.
    ///
    /// # Errors
    /// As [`FeatureFolder::extent`], and for a clip without a file.
    pub fn read(&self, id: &str) -> Result<Matrix> {
        match self.place(id)? {
            None => Err(TrainerError::corpus(self.path.display().to_string(), format!("clip {id} has no file"))),
            Some(Place::File(path)) => read(&path),
            Some(Place::Rows(folder, files)) => {
                let mut whole = Matrix { values: Vec::new(), extent: Extent { rows: 0, width: 0 } };
                for file in files {
                    let row = read(&file)?;
                    whole.extent = grown(&folder, whole.extent, &file, row.extent)?;
                    whole.values.extend(row.values);
                }
                Ok(whole)
            }
        }
    }

    fn place(&self, id: &str) -> Result<Option<Place>> {
        super::id::check(id).map_err(|reason| TrainerError::corpus(self.path.display().to_string(), reason))?;
        let file = self.path.join(format!("{id}.npy"));
        if file.exists() {
            return Ok(Some(Place::File(file)));
        }
        let folder = self.path.join(id);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(TrainerError::io(folder, "read", e)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| TrainerError::io(&folder, "read", e))?.path();
            if path.extension().is_none_or(|ending| ending != "npy") {
                return Err(TrainerError::corpus(
                    path.display().to_string(),
                    "expected only .npy files, one for each row",
                ));
            }
            files.push(path);
        }
        files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
        Ok(Some(Place::Rows(folder, files)))
    }
}

/// The size of a folder's rows with one more file.
fn grown(folder: &Path, whole: Extent, file: &Path, row: Extent) -> Result<Extent> {
    if row.rows != 1 || (whole.rows > 0 && row.width != whole.width) {
        let expected = if whole.rows == 0 { "one row".into() } else { format!("one row of {} numbers", whole.width) };
        return Err(TrainerError::corpus(
            file.display().to_string(),
            format!(
                "expected {expected}, as in every file of {}; found {} rows of {} numbers",
                folder.display(),
                row.rows,
                row.width
            ),
        ));
    }
    Ok(Extent { rows: whole.rows + 1, width: row.width })
}
