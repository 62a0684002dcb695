//! Array elements as Rust values, in row-major order.

use half::f16;

use super::dtype::{Dtype, Kind};

/// The elements of an array that lie in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elements<'a> {
    pub(crate) dtype: Dtype,
    /// Exactly the elements.
    pub(crate) bytes: &'a [u8],
}

impl Elements<'_> {
    /// Floats of any size as f32, in the order in which they lie; `None` for elements that are no floats.
    pub(crate) fn floats(&self) -> Option<Vec<f32>> {
        if self.dtype.kind != Kind::Float {
            return None;
        }
        match self.dtype.size {
            2 => Some(self.each(|b| f16::from_le_bytes(b).to_f32())),
            4 => Some(self.each(f32::from_le_bytes)),
            8 => Some(self.each(|b| f64::from_le_bytes(b) as f32)),
            _ => None,
        }
    }

    /// Numbers of any kind as f64 (integers above 2^53 are rounded); `None` for elements that are no numbers.
    pub(crate) fn numbers(&self) -> Option<Vec<f64>> {
        match (self.dtype.kind, self.dtype.size) {
            (Kind::Float, 2) => Some(self.each(|b| f16::from_le_bytes(b).to_f64())),
            (Kind::Float, 4) => Some(self.each(|b| f64::from(f32::from_le_bytes(b)))),
            (Kind::Float, 8) => Some(self.each(f64::from_le_bytes)),
            (Kind::Int, 1) => Some(self.each(|b| f64::from(i8::from_le_bytes(b)))),
            (Kind::Int, 2) => Some(self.each(|b| f64::from(i16::from_le_bytes(b)))),
            (Kind::Int, 4) => Some(self.each(|b| f64::from(i32::from_le_bytes(b)))),
            (Kind::Int, 8) => Some(self.each(|b| i64::from_le_bytes(b) as f64)),
            (Kind::Unsigned | Kind::Bool, 1) => Some(self.each(|b| f64::from(u8::from_le_bytes(b)))),
            (Kind::Unsigned, 2) => Some(self.each(|b| f64::from(u16::from_le_bytes(b)))),
            (Kind::Unsigned, 4) => Some(self.each(|b| f64::from(u32::from_le_bytes(b)))),
            (Kind::Unsigned, 8) => Some(self.each(|b| u64::from_le_bytes(b) as f64)),
            _ => None,
        }
    }

    /// Texts; `None` for elements that are none, or hold what is no character.
    pub(crate) fn texts(&self) -> Option<Vec<String>> {
        if self.dtype.size == 0 {
            return None;
        }
        let elements = self.bytes.chunks_exact(self.dtype.size);
        match self.dtype.kind {
            Kind::Text => elements
                .map(|element| {
                    let code = |&b: &[u8; 4]| {
                        if self.dtype.big_endian { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) }
                    };
                    let codes: Vec<u32> = element.as_chunks().0.iter().map(code).collect();
                    let end = codes.iter().rposition(|&c| c != 0).map_or(0, |last| last + 1);
                    codes.get(..end)?.iter().map(|&c| char::from_u32(c)).collect()
                })
                .collect(),
            Kind::Bytes => elements
                .map(|element| {
                    let end = element.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
                    std::str::from_utf8(element.get(..end)?).ok().map(str::to_owned)
                })
                .collect(),
            _ => None,
        }
    }

    fn each<const N: usize, T>(&self, convert: impl Fn([u8; N]) -> T) -> Vec<T> {
        let elements = self.bytes.as_chunks::<N>().0.iter();
        if self.dtype.big_endian {
            elements
                .map(|&(mut b)| {
                    b.reverse();
                    convert(b)
                })
                .collect()
        } else {
            elements.map(|&b| convert(b)).collect()
        }
    }
}

/// Brings elements that lie in column-major order (Fortran's) into row-major order; `shape`'s product is their number.
pub(crate) fn row_major<T: Copy>(elements: Vec<T>, shape: &[usize]) -> Vec<T> {
    // Axes of length one carry no order; with one axis left both orders are the same.
    let axes: Vec<usize> = shape.iter().copied().filter(|&n| n != 1).collect();
    if axes.len() < 2 || axes.contains(&0) {
        return elements;
    }
    let mut strides = Vec::with_capacity(axes.len());
    let mut stride = 1usize;
    for &length in &axes {
        strides.push(stride);
        stride = stride.saturating_mul(length);
    }
    let mut at = vec![0usize; axes.len()];
    let mut out = Vec::with_capacity(elements.len());
    for _ in 0..elements.len() {
        let place: usize = at.iter().zip(&strides).map(|(digit, stride)| digit * stride).sum();
        out.extend(elements.get(place).copied());
        // An odometer whose last axis turns fastest.
        for (digit, &length) in at.iter_mut().zip(&axes).rev() {
            *digit += 1;
            if *digit < length {
                break;
            }
            *digit = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn columns_become_rows() {
        // [2, 3] in column order: a b c over d e f is a d b e c f.
        assert_eq!(row_major(vec!['a', 'd', 'b', 'e', 'c', 'f'], &[2, 3]), ['a', 'b', 'c', 'd', 'e', 'f']);
        assert_eq!(row_major(vec![0, 1, 2], &[1, 3, 1]), [0, 1, 2]);
        // [2, 2, 2]: element (i, j, k) holds 4 i + 2 j + k and lies at i + 2 j + 4 k.
        assert_eq!(row_major(vec![0, 4, 2, 6, 1, 5, 3, 7], &[2, 2, 2]), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(row_major(Vec::<u8>::new(), &[0, 4]).is_empty());
    }

    #[test]
    fn numbers_of_either_byte_order_are_the_same() {
        for (name, bytes) in [
            ("<f2", &[0x00, 0xc1][..]),
            (">f2", &[0xc1, 0x00]),
            ("<f4", &[0, 0, 0x20, 0xc0]),
            (">f8", &[0xc0, 4, 0, 0, 0, 0, 0, 0]),
        ] {
            let elements = Elements { dtype: Dtype::parse(name).unwrap(), bytes };
            assert_eq!(elements.floats().unwrap(), [-2.5], "{name}");
            assert_eq!(elements.numbers().unwrap(), [-2.5], "{name}");
        }
        for (name, bytes) in [("<i2", &[0xfe, 0xff][..]), (">i4", &[0xff, 0xff, 0xff, 0xfe]), ("|i1", &[0xfe])] {
            let elements = Elements { dtype: Dtype::parse(name).unwrap(), bytes };
            assert_eq!(elements.numbers().unwrap(), [-2.0], "{name}");
            assert_eq!(elements.floats(), None);
        }
    }

    #[test]
    fn texts_end_at_the_filling() {
        let dtype = Dtype::parse("<U2").unwrap();
        let bytes = [b'a', 0, 0, 0, 0, 0, 0, 0, 0xe9, 0, 0, 0, b'b', 0, 0, 0];
        assert_eq!(Elements { dtype, bytes: &bytes }.texts().unwrap(), ["a", "éb"]);
        let surrogate = [0, 0xd8, 0, 0, 0, 0, 0, 0];
        assert_eq!(Elements { dtype, bytes: &surrogate }.texts(), None);
        let dtype = Dtype::parse("|S3").unwrap();
        assert_eq!(Elements { dtype, bytes: b"ab\0cde" }.texts().unwrap(), ["ab", "cde"]);
    }
}
