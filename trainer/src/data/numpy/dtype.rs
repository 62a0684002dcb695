//! Element types as numpy names them.

use std::fmt;

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// IEEE 754 of 2, 4 or 8 bytes.
    Float,
    /// Two's complement of 1, 2, 4 or 8 bytes.
    Int,
    /// Unsigned, of 1, 2, 4 or 8 bytes.
    Unsigned,
    /// One byte, 0 or 1.
    Bool,
    /// A Python object, held outside of the array.
    Object,
    /// Text, four bytes for a character, filled up with zeros.
    Text,
    /// Bytes, filled up with zeros.
    Bytes,
}

/// An element type: kind, size and byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dtype {
    pub(crate) kind: Kind,
    /// Bytes of one element.
    pub(crate) size: usize,
    pub(crate) big_endian: bool,
}

impl Dtype {
    /// Reads a name such as `<f4`, `|O` or `U12`; without a byte order it is little-endian.
    ///
    /// # Errors
    /// A phrase, for types that nothing here reads: complex, dates, records.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let refuse = || format!("element type {name:?} is not read; expected floats, integers or text");
        let (order, rest) = match name.split_at_checked(1) {
            Some((order @ ("<" | ">" | "|" | "="), rest)) => (order, rest),
            _ => ("<", name),
        };
        let (letter, digits) = rest.split_at_checked(1).ok_or_else(refuse)?;
        let plain = digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit());
        let count = if digits.is_empty() { None } else { digits.parse::<usize>().ok().filter(|_| plain) };
        let (kind, size) = match (letter, count) {
            ("f", Some(size @ (2 | 4 | 8))) => (Kind::Float, size),
            ("i", Some(size @ (1 | 2 | 4 | 8))) => (Kind::Int, size),
            ("u", Some(size @ (1 | 2 | 4 | 8))) => (Kind::Unsigned, size),
            ("b", Some(1)) => (Kind::Bool, 1),
            // Pickles write O8, files write O: the size is that of a pointer, which is not in the file.
            ("O", None | Some(8)) => (Kind::Object, 0),
            ("U", Some(characters)) => (Kind::Text, 4 * characters),
            ("S", Some(bytes)) => (Kind::Bytes, bytes),
            _ => return Err(refuse()),
        };
        Ok(Self { kind, size, big_endian: order == ">" })
    }

    /// The same type in the byte order that a pickle tells apart from the name.
    ///
    /// # Errors
    /// A phrase, for an order that numpy does not write.
    pub(crate) fn ordered(self, order: &str) -> Result<Self, String> {
        match order {
            "<" | "|" | "=" => Ok(Self { big_endian: false, ..self }),
            ">" => Ok(Self { big_endian: true, ..self }),
            _ => Err(format!("byte order {order:?} is none of < > | =")),
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            Kind::Float => "f",
            Kind::Int => "i",
            Kind::Unsigned => "u",
            Kind::Bool => return f.write_str("bool"),
            Kind::Object => return f.write_str("Python objects"),
            Kind::Text => return f.write_str("text"),
            Kind::Bytes => return f.write_str("bytes"),
        };
        write!(f, "{name}{}", self.size)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_are_read_as_numpy_writes_them() {
        let dtype = |kind, size, big_endian| Ok(Dtype { kind, size, big_endian });
        for (name, expected) in [
            ("<f4", dtype(Kind::Float, 4, false)),
            (">f8", dtype(Kind::Float, 8, true)),
            ("f2", dtype(Kind::Float, 2, false)),
            ("|b1", dtype(Kind::Bool, 1, false)),
            ("|u1", dtype(Kind::Unsigned, 1, false)),
            ("<i8", dtype(Kind::Int, 8, false)),
            ("|O", dtype(Kind::Object, 0, false)),
            ("O8", dtype(Kind::Object, 0, false)),
            ("<U12", dtype(Kind::Text, 48, false)),
            ("|S5", dtype(Kind::Bytes, 5, false)),
        ] {
            assert_eq!(Dtype::parse(name), expected, "{name}");
        }
        for name in ["", "<", "f", "<f3", "<f16", "c8", "<M8[ns]", "|V4", "<f+4", "U99999999999", "é4", "<é"] {
            assert!(Dtype::parse(name).unwrap_err().contains("not read"), "{name}");
        }
    }
}
