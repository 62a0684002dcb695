//! The header of a GGUF file: metadata and tensor infos, with limits on everything (GGUF versions 2 and 3).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::element::element;
use super::reader::Reader;
use crate::tensor::foreign::{self, Foreign};
use crate::{HeldFile, ModelError, Result};

/// Most metadata keys that are read; published models have some thirty.
const MAX_KEYS: u64 = 4096;
/// Most tensors that are read; a llama of 512 blocks has 4611.
const MAX_TENSORS: u64 = 16_384;
/// Most elements of an array of strings, so of a vocabulary.
const MAX_STRINGS: u64 = 1 << 20;
/// Longest key; GGUF allows more, none is needed.
const MAX_KEY_BYTES: u64 = 256;
/// Longest string value (chat templates are some kilobytes long).
const MAX_STRING_BYTES: u64 = 4 << 20;
/// Bytes at the start of a file of another kind that are looked at to name it.
const FOREIGN_BYTES: u64 = 512;
/// llama.cpp stores names in 64 bytes with the final NUL.
const MAX_TENSOR_NAME_BYTES: u64 = 63;

/// A metadata value with the type that the file gives it; llama.cpp refuses another integer width.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum MetaValue {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(String),
    Strings(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
    /// An array of another element type, passed over: GGUF's number of the element type, and the length.
    OtherArray {
        element: u32,
        len: u64,
    },
}

impl MetaValue {
    /// The value as a message can show it: a text or a list may be megabytes long.
    pub fn brief(&self) -> String {
        match self {
            Self::String(text) => format!("{:?}", text.chars().take(80).collect::<String>()),
            Self::Strings(list) => format!("a list of {} strings", list.len()),
            Self::F32s(list) => format!("a list of {} numbers", list.len()),
            Self::I32s(list) => format!("a list of {} numbers", list.len()),
            other => format!("{other:?}"),
        }
    }
}

/// Where a tensor lies in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// GGUF name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Axis lengths, **innermost first** (GGUF's order: columns, then rows).
    pub dims: Vec<u64>,
    /// GGUF's number of the element type.
    pub element: u32,
    /// Bytes from the start of the data section.
    pub offset: u64,
    /// Size in bytes.
    pub bytes: u64,
}

impl TensorInfo {
    /// Name of the element type as llama.cpp prints it.
    pub fn element_name(&self) -> &'static str {
        element(self.element).map_or("unknown", |element| element.name)
    }
}

/// Metadata and tensor infos of a GGUF file whose sizes agree with the file's length.
#[derive(Clone, Debug)]
pub struct GgufHeader {
    pub(super) file: HeldFile,
    pub(super) path: PathBuf,
    pub(super) metadata: BTreeMap<String, MetaValue>,
    pub(super) tensors: Vec<TensorInfo>,
    /// Where the weights start in the file.
    pub(super) data_start: u64,
    pub(super) entries: Entries,
}

impl GgufHeader {
    /// Reads the header of `path`. No weight is read.
    ///
    /// # Errors
    /// Io, or Format for anything that is not a whole little-endian GGUF file of version 2 or 3: wrong magic, cut
    /// short, lengths beyond the file or beyond sane limits, repeated keys or names, tensors that do not follow each
    /// other.
    pub fn read(path: &Path) -> Result<Self> {
        let file = HeldFile::open(path).map_err(|e| match e {
            ModelError::Io { source, .. } if source.kind() == std::io::ErrorKind::InvalidInput => ModelError::Format {
                path: path.into(),
                format: "GGUF",
                reason: source.to_string(),
                fix: "give the path of a .gguf file",
            },
            other => other,
        })?;
        Self::of(&file)
    }

    /// As [`GgufHeader::read`], of an open file; the weights are checked in the same one.
    ///
    /// # Errors
    /// As [`GgufHeader::read`].
    pub fn of(file: &HeldFile) -> Result<Self> {
        let path = file.path();
        let mut reader = Reader::new(file);
        let magic = reader.array::<4>("the magic number")?;
        if &magic != b"GGUF" {
            return Err(foreign(&reader, file, magic));
        }
        let version = reader.u32("the version")?;
        if !(2..=3).contains(&version) {
            return Err(reader.malformed(format!("version {version}, expected 2 or 3 (little-endian)")));
        }
        let tensor_count = count(&mut reader, "the number of tensors", MAX_TENSORS)?;
        let key_count = count(&mut reader, "the number of metadata keys", MAX_KEYS)?;
        let (metadata, entries) = read_metadata(&mut reader, key_count)?;
        let alignment = alignment(&reader, &metadata)?;
        let tensors = read_tensors(&mut reader, tensor_count, alignment)?;
        let data_start = reader.position().next_multiple_of(alignment);
        let data_bytes = tensors.last().map_or(0, |t| t.offset + t.bytes);
        let needed = data_start.checked_add(data_bytes);
        if needed.is_none_or(|n| n > reader.file_len()) {
            return Err(reader.malformed(format!(
                "{data_bytes} bytes of weights start at byte {data_start}, the file has {} bytes: it is cut short",
                reader.file_len()
            )));
        }
        Ok(Self { file: file.clone(), path: path.into(), metadata, tensors, data_start, entries })
    }

    /// The open file.
    pub(in crate::llama) fn file(&self) -> &HeldFile {
        &self.file
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The value of a metadata key.
    pub fn get(&self, key: &str) -> Option<&MetaValue> {
        self.metadata.get(key)
    }

    /// All tensors in the order of the file.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// Width of hidden states as the file tells it; 0, which no requirement has, where it does not.
    pub(in crate::llama) fn told_width(&self) -> usize {
        match self.get("llama.embedding_length") {
            Some(MetaValue::U32(width)) => *width as usize,
            _ => 0,
        }
    }

    /// Refuses quantised weights; `fix` tells what to do.
    ///
    /// # Errors
    /// Gguf.
    pub(in crate::llama) fn require_floats(&self, fix: &'static str) -> Result<()> {
        match self.first_quantised() {
            None => Ok(()),
            Some(tensor) => Err(ModelError::Gguf {
                path: self.path.clone(),
                key: tensor.name.clone(),
                expected: "F32, F16 or BF16".into(),
                found: format!("quantised already ({})", tensor.element_name()),
                fix,
            }),
        }
    }

    /// The first tensor whose elements are not plain floats.
    pub(in crate::llama) fn first_quantised(&self) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| !matches!(tensor.element_name(), "F32" | "F16" | "BF16"))
    }
}

/// A refusal of a file that begins with something else.
fn foreign(reader: &Reader, file: &HeldFile, magic: [u8; 4]) -> ModelError {
    let mut start = Vec::new();
    // What cannot be read now was readable a moment ago; the magic number alone is told then.
    let _ = file.reader().take(FOREIGN_BYTES).read_to_end(&mut start);
    let told = format!("it starts with {}, expected GGUF", magic.escape_ascii());
    match foreign::kind(&start) {
        None => reader.malformed(told),
        Some(Foreign { reason, .. }) => ModelError::Format {
            path: file.path().into(),
            format: "GGUF",
            reason: format!("{told}: {reason}"),
            fix: "give the path of a .gguf file, downloaded whole",
        },
    }
}

fn count(reader: &mut Reader, what: &str, limit: u64) -> Result<u64> {
    let n = reader.u64(what)?;
    if n > limit {
        return Err(reader.malformed(format!("{what} is {n}, at most {limit} are expected")));
    }
    Ok(n)
}

/// Values by key.
pub(super) type Metadata = BTreeMap<String, MetaValue>;

/// Keys in the order of the file, each with the bytes from its length to the end of its value.
type Entries = Vec<(String, Range<u64>)>;

fn read_metadata(reader: &mut Reader, keys: u64) -> Result<(Metadata, Entries)> {
    let mut metadata = BTreeMap::new();
    let mut entries = Vec::new();
    for _ in 0..keys {
        let start = reader.position();
        let key = reader.name(MAX_KEY_BYTES, "a metadata key")?;
        let value = read_value(reader, &key)?;
        if metadata.contains_key(&key) {
            return Err(reader.malformed(format!("metadata key {key} appears twice")));
        }
        entries.push((key.clone(), start..reader.position()));
        metadata.insert(key, value);
    }
    Ok((metadata, entries))
}

fn read_value(reader: &mut Reader, key: &str) -> Result<MetaValue> {
    Ok(match reader.u32(key)? {
        0 => MetaValue::U8(u8::from_le_bytes(reader.array(key)?)),
        1 => MetaValue::I8(i8::from_le_bytes(reader.array(key)?)),
        2 => MetaValue::U16(u16::from_le_bytes(reader.array(key)?)),
        3 => MetaValue::I16(i16::from_le_bytes(reader.array(key)?)),
        4 => MetaValue::U32(reader.u32(key)?),
        5 => MetaValue::I32(i32::from_le_bytes(reader.array(key)?)),
        6 => MetaValue::F32(f32::from_le_bytes(reader.array(key)?)),
        7 => MetaValue::Bool(reader.array::<1>(key)? != [0]),
        8 => MetaValue::String(reader.string(MAX_STRING_BYTES, key)?),
        9 => read_array(reader, key)?,
        10 => MetaValue::U64(reader.u64(key)?),
        11 => MetaValue::I64(i64::from_le_bytes(reader.array(key)?)),
        12 => MetaValue::F64(f64::from_le_bytes(reader.array(key)?)),
        other => return Err(reader.malformed(format!("metadata key {key} has the unknown value type {other}"))),
    })
}

fn read_array(reader: &mut Reader, key: &str) -> Result<MetaValue> {
    let element = reader.u32(key)?;
    let len = reader.u64(key)?;
    let width = match element {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        8 => {
            if len > MAX_STRINGS {
                return Err(reader.malformed(format!("{key} has {len} strings, at most {MAX_STRINGS} are expected")));
            }
            reader.claim(len.checked_mul(8), key)?;
            let strings = (0..len).map(|_| reader.string(MAX_STRING_BYTES, key)).collect::<Result<_>>()?;
            return Ok(MetaValue::Strings(strings));
        }
        other => return Err(reader.malformed(format!("{key} is an array of the unsupported type {other}"))),
    };
    let bytes = len.checked_mul(width);
    Ok(match element {
        5 => MetaValue::I32s(words(&reader.bytes(bytes, key)?, i32::from_le_bytes)),
        6 => MetaValue::F32s(words(&reader.bytes(bytes, key)?, f32::from_le_bytes)),
        _ => {
            reader.skip(bytes, key)?;
            MetaValue::OtherArray { element, len }
        }
    })
}

fn words<T>(bytes: &[u8], convert: impl Fn([u8; 4]) -> T) -> Vec<T> {
    bytes.as_chunks::<4>().0.iter().map(|word| convert(*word)).collect()
}

/// The key of the padding unit.
const ALIGNMENT_KEY: &str = "general.alignment";

/// Padding unit of tensors where it was checked.
pub(super) fn padding_unit(metadata: &Metadata) -> u64 {
    match metadata.get(ALIGNMENT_KEY) {
        Some(MetaValue::U32(n)) => u64::from((*n).max(1)),
        _ => 32,
    }
}

/// Padding unit of tensors. llama.cpp takes any power of two; below 32 its memory map would give unaligned weights.
fn alignment(reader: &Reader, metadata: &Metadata) -> Result<u64> {
    match metadata.get(ALIGNMENT_KEY) {
        None => Ok(padding_unit(metadata)),
        Some(MetaValue::U32(n)) if n.is_power_of_two() && (32..=65_536).contains(n) => Ok(padding_unit(metadata)),
        Some(other) => Err(reader.malformed(format!(
            "general.alignment is {}, expected a power of two between 32 and 65536 as U32",
            other.brief()
        ))),
    }
}

fn read_tensors(reader: &mut Reader, tensors: u64, alignment: u64) -> Result<Vec<TensorInfo>> {
    let mut names = BTreeSet::new();
    let mut infos = Vec::new();
    let mut expected_offset = 0u64;
    for _ in 0..tensors {
        let name = reader.name(MAX_TENSOR_NAME_BYTES, "a tensor's name")?;
        let rank = reader.u32(&name)?;
        if !(1..=4).contains(&rank) {
            return Err(reader.malformed(format!("tensor {name} has {rank} axes, expected 1 to 4")));
        }
        let dims = (0..rank).map(|_| reader.u64(&name)).collect::<Result<Vec<_>>>()?;
        let element_id = reader.u32(&name)?;
        let offset = reader.u64(&name)?;
        let Some(kind) = element(element_id) else {
            return Err(reader.malformed(format!("tensor {name} has the unsupported element type {element_id}")));
        };
        let bytes = kind.tensor_bytes(&dims).filter(|&n| n > 0 && n < 1 << 48);
        let Some(bytes) = bytes else {
            return Err(reader.malformed(format!("tensor {name} has the impossible shape {dims:?} for {}", kind.name)));
        };
        if offset != expected_offset {
            return Err(reader.malformed(format!("tensor {name} lies at offset {offset}, expected {expected_offset}")));
        }
        // At most MAX_TENSORS * 2^48, so no overflow.
        expected_offset = (offset + bytes).next_multiple_of(alignment);
        if !names.insert(name.clone()) {
            return Err(reader.malformed(format!("tensor {name} appears twice")));
        }
        infos.push(TensorInfo { name, dims, element: element_id, offset, bytes });
    }
    Ok(infos)
}
