//! Whether the weights of a GGUF file are numbers.

use std::io::{Read, Seek, SeekFrom};

use half::{bf16, f16};

use super::element::{BF16, F16, F32};
use super::header::GgufHeader;
use crate::{ModelError, Result};

/// A multiple of every element's width.
const CHUNK_BYTES: u64 = 1 << 20;

/// Index and value of the first element in these bytes that is NaN or infinite.
type FirstNotFinite = fn(&[u8]) -> Option<(usize, f32)>;

impl GgufHeader {
    /// Reads every F32, F16 and BF16 tensor and refuses NaN and infinity. Gives whether these were all tensors; blocks
    /// of quantised types are left to llama.cpp's own check.
    ///
    /// # Errors
    /// NotFinite with tensor and index, Io, Changed.
    pub fn check_weights(&self) -> Result<bool> {
        let io = |e| self.file.fault("read", e);
        let mut file = self.file.reader();
        let mut chunk = Vec::new();
        let mut all = true;
        for tensor in &self.tensors {
            let (first, width): (FirstNotFinite, u64) = match tensor.element {
                F32 => (|bytes| first_not_finite(bytes, f32::from_le_bytes), 4),
                F16 => (|bytes| first_not_finite(bytes, |w| f16::from_le_bytes(w).to_f32()), 2),
                BF16 => (|bytes| first_not_finite(bytes, |w| bf16::from_le_bytes(w).to_f32()), 2),
                _ => {
                    all = false;
                    continue;
                }
            };
            file.seek(SeekFrom::Start(self.data_start + tensor.offset)).map_err(io)?;
            let mut passed = 0;
            while passed < tensor.bytes {
                chunk.clear();
                let wanted = CHUNK_BYTES.min(tensor.bytes - passed);
                let got = file.by_ref().take(wanted).read_to_end(&mut chunk).map_err(io)? as u64;
                if got != wanted {
                    return Err(io(std::io::ErrorKind::UnexpectedEof.into()));
                }
                if let Some((index, value)) = first(&chunk) {
                    return Err(ModelError::NotFinite {
                        origin: self.path.display().to_string(),
                        what: tensor.name.clone(),
                        index: (passed / width) as usize + index,
                        value,
                    });
                }
                passed += got;
            }
        }
        Ok(all)
    }
}

fn first_not_finite<const N: usize>(bytes: &[u8], convert: impl Fn([u8; N]) -> f32) -> Option<(usize, f32)> {
    bytes.as_chunks::<N>().0.iter().map(|word| convert(*word)).enumerate().find(|(_, v)| !v.is_finite())
}
