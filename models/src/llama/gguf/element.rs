//! Element types of GGUF tensors: how many bytes a row takes.

/// An element type: elements come in blocks of fixed size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// Name as llama.cpp prints it.
    pub(super) name: &'static str,
    /// Elements per block; a row is a whole number of blocks.
    pub(super) block: u64,
    /// Bytes per block.
    pub(super) bytes: u64,
}

/// f32, the only type that norms may have.
pub(super) const F32: u32 = 0;
/// IEEE half precision.
pub(super) const F16: u32 = 1;

/// The upper half of an f32.
pub(super) const BF16: u32 = 30;

/// The element type with GGUF's number `id`; `None` for types that llama weights of the kinds used here do not have.
pub(super) fn element(id: u32) -> Option<Element> {
    let (name, block, bytes) = match id {
        F32 => ("F32", 1, 4),
        F16 => ("F16", 1, 2),
        2 => ("Q4_0", 32, 18),
        3 => ("Q4_1", 32, 20),
        6 => ("Q5_0", 32, 22),
        7 => ("Q5_1", 32, 24),
        8 => ("Q8_0", 32, 34),
        10 => ("Q2_K", 256, 84),
        11 => ("Q3_K", 256, 110),
        12 => ("Q4_K", 256, 144),
        13 => ("Q5_K", 256, 176),
        14 => ("Q6_K", 256, 210),
        20 => ("IQ4_NL", 32, 18),
        23 => ("IQ4_XS", 256, 136),
        BF16 => ("BF16", 1, 2),
        _ => return None,
    };
    Some(Element { name, block, bytes })
}

impl Element {
    /// Bytes of a tensor with GGUF dimensions `ne` (innermost first); `None` when rows are no whole number of blocks or
    /// the size does not fit.
    pub(super) fn tensor_bytes(&self, ne: &[u64]) -> Option<u64> {
        let (&row, rest) = ne.split_first()?;
        if row % self.block != 0 {
            return None;
        }
        rest.iter().try_fold((row / self.block).checked_mul(self.bytes)?, |n, &d| n.checked_mul(d))
    }
}
