//! Splits a GGUF file by the rules of `llama-gguf-split`.

use std::path::{Path, PathBuf};

use mien_models::llama::{GgufHeader, TensorInfo};

/// A key with a value of two or four bytes, as GGUF writes it: 2 is U16, 5 is I32.
fn key(name: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&(name.len() as u64).to_le_bytes()[..], name.as_bytes(), &kind.to_le_bytes(), value].concat()
}

fn info(tensor: &TensorInfo, offset: u64) -> Vec<u8> {
    let mut bytes = (tensor.name.len() as u64).to_le_bytes().to_vec();
    bytes.extend(tensor.name.bytes());
    bytes.extend((tensor.dims.len() as u32).to_le_bytes());
    bytes.extend(tensor.dims.iter().flat_map(|d| d.to_le_bytes()));
    bytes.extend(tensor.element.to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes
}

/// What parts say of themselves.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    pub(crate) count: u16,
    pub(crate) tensors: i32,
}

/// Splits the file at `whole` into parts of the tensors in `shares`, named by `stem`; the numbers in the files are those of `told`.
pub(crate) fn split(whole: &Path, stem: &str, shares: &[std::ops::Range<usize>], told: Told) -> Vec<PathBuf> {
    let bytes = std::fs::read(whole).unwrap();
    let header = GgufHeader::read(whole).unwrap();
    let tensors = header.tensors();
    let first = info(&tensors[0], 0);
    let infos = bytes.windows(first.len()).position(|w| w == first).unwrap();
    let end = infos + tensors.iter().map(|t| info(t, 0).len()).sum::<usize>();
    let data = end.next_multiple_of(32);
    let (keys, metadata) = (u64::from_le_bytes(bytes[16..24].try_into().unwrap()), &bytes[24..infos]);
    let mut paths = Vec::new();
    for (number, share) in shares.iter().enumerate() {
        let mut part = b"GGUF\x03\0\0\0".to_vec();
        part.extend((share.len() as u64).to_le_bytes());
        part.extend((if number == 0 { keys + 3 } else { 3 }).to_le_bytes());
        if number == 0 {
            part.extend(metadata);
        }
        part.extend(key("split.no", 2, &(number as u16).to_le_bytes()));
        part.extend(key("split.count", 2, &told.count.to_le_bytes()));
        part.extend(key("split.tensors.count", 5, &told.tensors.to_le_bytes()));
        let mut offset = 0;
        for tensor in &tensors[share.clone()] {
            part.extend(info(tensor, offset));
            offset = (offset + tensor.bytes).next_multiple_of(32);
        }
        part.resize(part.len().next_multiple_of(32), 0);
        for tensor in &tensors[share.clone()] {
            let start = data + tensor.offset as usize;
            part.extend(&bytes[start..start + tensor.bytes as usize]);
            part.resize(part.len().next_multiple_of(32), 0);
        }
        let name = format!("{stem}-{:05}-of-{:05}.gguf", number + 1, told.count);
        let path = whole.with_file_name(name);
        std::fs::write(&path, part).unwrap();
        paths.push(path);
    }
    paths
}
