//! Element types of stored tensors and their conversion to f32.

use std::borrow::Cow;
use std::fmt;

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};

/// Type of a stored tensor's elements, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ElementType {
    F32,
    F16,
    Bf16,
    F64,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
    /// A type that nothing here reads (8-bit floats, complex, quantised).
    Unsupported,
}

impl ElementType {
    /// Bytes of one element; `None` when the type is not known here.
    pub(crate) fn size(self) -> Option<usize> {
        match self {
            Self::F64 | Self::I64 => Some(8),
            Self::F32 | Self::I32 => Some(4),
            Self::F16 | Self::Bf16 | Self::I16 => Some(2),
            Self::I8 | Self::U8 | Self::Bool => Some(1),
            Self::Unsupported => None,
        }
    }

    /// Whether elements can serve as weights.
    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::Bf16 | Self::F64)
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F64 => "f64",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::I16 => "i16",
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::Bool => "bool",
            Self::Unsupported => "of an unsupported kind",
        })
    }
}

/// Which elements of a buffer make up a tensor, in row-major order of the tensor.
#[derive(Clone, Copy, Debug)]
pub(super) enum Walk<'a> {
    /// All of them, in order.
    Dense,
    /// From `offset` with one stride per axis, all in elements (a transposed or sliced view).
    Strided { offset: usize, shape: &'a [usize], strides: &'a [usize] },
}

/// The elements as f32, borrowed where `bytes` are aligned f32 of this machine's byte order.
///
/// `None` when the type is no float type or the walk leaves the buffer.
pub(super) fn floats<'a>(element: ElementType, bytes: &'a [u8], walk: Walk<'_>) -> Option<Cow<'a, [f32]>> {
    if let (ElementType::F32, Walk::Dense, true) = (element, walk, cfg!(target_endian = "little"))
        && let Ok(values) = bytemuck::try_cast_slice(bytes)
    {
        return Some(Cow::Borrowed(values));
    }
    let values = match element {
        ElementType::F32 => collect(bytes, walk, f32::from_le_bytes),
        ElementType::F16 => collect(bytes, walk, |b| f16::from_le_bytes(b).to_f32()),
        ElementType::Bf16 => collect(bytes, walk, |b| bf16::from_le_bytes(b).to_f32()),
        ElementType::F64 => collect(bytes, walk, |b| f64::from_le_bytes(b) as f32),
        _ => None,
    }?;
    Some(Cow::Owned(values))
}

/// Writes the elements of `bytes`, in order, into `out` as f32; `None` when the type is no float type or the counts differ.
pub(super) fn copy_floats(element: ElementType, bytes: &[u8], out: &mut [f32]) -> Option<()> {
    if bytes.len() != out.len().checked_mul(element.size()?)? {
        return None;
    }
    match element {
        ElementType::F32 => fill(bytes, out, f32::from_le_bytes),
        // The processor converts eight at once when it is given slices.
        ElementType::F16 => match bytemuck::try_cast_slice::<u8, u16>(bytes) {
            Ok(bits) if cfg!(target_endian = "little") => bits.reinterpret_cast::<f16>().convert_to_f32_slice(out),
            _ => fill(bytes, out, |b| f16::from_le_bytes(b).to_f32()),
        },
        ElementType::Bf16 => fill(bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
        ElementType::F64 => fill(bytes, out, |b| f64::from_le_bytes(b) as f32),
        _ => return None,
    }
    Some(())
}

fn fill<const N: usize>(bytes: &[u8], out: &mut [f32], convert: impl Fn([u8; N]) -> f32) {
    for (out, &b) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *out = convert(b);
    }
}

/// The elements as i64; `None` when the type is no integer type or the walk leaves the buffer.
pub(super) fn integers(element: ElementType, bytes: &[u8], walk: Walk<'_>) -> Option<Vec<i64>> {
    match element {
        ElementType::I64 => collect(bytes, walk, i64::from_le_bytes),
        ElementType::I32 => collect(bytes, walk, |b| i64::from(i32::from_le_bytes(b))),
        ElementType::I16 => collect(bytes, walk, |b| i64::from(i16::from_le_bytes(b))),
        ElementType::I8 => collect(bytes, walk, |b| i64::from(i8::from_le_bytes(b))),
        ElementType::U8 | ElementType::Bool => collect(bytes, walk, |b| i64::from(u8::from_le_bytes(b))),
        _ => None,
    }
}

/// Converts every element that the walk meets.
fn collect<const N: usize, T>(bytes: &[u8], walk: Walk<'_>, convert: impl Fn([u8; N]) -> T) -> Option<Vec<T>> {
    let (elements, rest) = bytes.as_chunks::<N>();
    match walk {
        Walk::Dense => rest.is_empty().then(|| elements.iter().map(|&b| convert(b)).collect()),
        Walk::Strided { offset, shape, strides } => {
            if shape.contains(&0) {
                return Some(Vec::new());
            }
            let (width, step) = (shape.last().copied().unwrap_or(1), strides.last().copied().unwrap_or(0));
            let mut values = Vec::with_capacity(shape.iter().product());
            // An odometer over all axes but the last; the last one is the inner loop.
            let outer = shape.len().saturating_sub(1);
            let mut digits = vec![0usize; outer];
            let mut start = offset;
            loop {
                for k in 0..width {
                    values.push(convert(*elements.get(start + k * step)?));
                }
                let mut axis = outer;
                loop {
                    let Some(next) = axis.checked_sub(1) else { return Some(values) };
                    axis = next;
                    let (digit, length, stride) = (digits.get_mut(axis)?, *shape.get(axis)?, *strides.get(axis)?);
                    *digit += 1;
                    start += stride;
                    if *digit < length {
                        break;
                    }
                    start -= stride * length;
                    *digit = 0;
                }
            }
        }
    }
}
