//! The header of a `.npy` file: magic, version, and a Python dict of three keys.

use super::dtype::{Dtype, Kind};

/// Longest header that is read, the bytes before the dict included. numpy writes 128 bytes for plain arrays.
pub(crate) const LONGEST_HEADER: usize = 1 << 16;
const MAGIC: &[u8] = b"\x93NUMPY";
/// Most axes of an array; numpy's own limit.
const MOST_AXES: usize = 64;

/// What a `.npy` file holds, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) dtype: Dtype,
    /// Whether elements lie in column-major order.
    pub(crate) fortran: bool,
    pub(crate) shape: Vec<usize>,
    /// Offset of the first element.
    pub(crate) data_start: usize,
}

impl Header {
    /// Reads the header at the beginning of `bytes`.
    ///
    /// # Errors
    /// A phrase that says what is wrong.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let cut = || "it ends within its header".to_owned();
        if bytes.is_empty() {
            return Err("it has 0 bytes".into());
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin as numpy.save writes")?;
        let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
        let (length, dict) = match version {
            [1, 0] => rest.split_first_chunk().map(|(n, rest)| (usize::from(u16::from_le_bytes(*n)), rest)),
            [2 | 3, 0] => rest.split_first_chunk().map(|(n, rest)| (u32::from_le_bytes(*n) as usize, rest)),
            [major, minor] => return Err(format!("format version {major}.{minor} is none of 1.0, 2.0, 3.0")),
        }
        .ok_or_else(cut)?;
        let data_start = bytes.len() - dict.len() + length;
        if length > LONGEST_HEADER || data_start > LONGEST_HEADER {
            return Err(format!("its header takes {length} bytes, at most {LONGEST_HEADER} are read"));
        }
        let dict = dict.get(..length).ok_or_else(cut)?;
        let dict = std::str::from_utf8(dict).map_err(|_| "its header is no text")?;
        let mut reader = Reader { rest: dict };
        let (dtype, fortran, shape) = reader.dict()?;
        Ok(Self { dtype, fortran, shape, data_start })
    }

    /// Bytes of all elements; `None` for objects and for sizes beyond any memory.
    pub(crate) fn data_bytes(&self) -> Option<usize> {
        if self.dtype.kind == Kind::Object {
            return None;
        }
        self.shape.iter().try_fold(self.dtype.size, |n, &d| n.checked_mul(d))
    }
}

/// A reader of the few literals that the dict is made of.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\t']);
    }

    /// Whether `token` comes next; it is then taken.
    fn take(&mut self, token: &str) -> bool {
        self.skip();
        let found = self.rest.strip_prefix(token);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) {
            return Ok(());
        }
        let found: String = self.rest.chars().take(12).collect();
        Err(format!("its header: expected {token:?}, found {found:?}"))
    }

    fn string(&mut self) -> Result<&'a str, String> {
        self.skip();
        let quote = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let inside = quote.and_then(|quote| self.rest.get(1..)?.split_once(quote));
        let (text, rest) = inside.ok_or("its header: expected a quoted text")?;
        self.rest = rest;
        Ok(text)
    }

    fn number(&mut self) -> Result<usize, String> {
        self.skip();
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end).unwrap_or(("", self.rest));
        // Python 2 marked long integers.
        self.rest = rest.strip_prefix('L').unwrap_or(rest);
        digits.parse().map_err(|_| "its header: expected an axis length".into())
    }

    fn shape(&mut self) -> Result<Vec<usize>, String> {
        self.expect("(")?;
        let mut shape = Vec::new();
        while !self.take(")") {
            if shape.len() == MOST_AXES {
                return Err(format!("its header: more than {MOST_AXES} axes"));
            }
            shape.push(self.number()?);
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }

    fn dict(&mut self) -> Result<(Dtype, bool, Vec<usize>), String> {
        let (mut dtype, mut fortran, mut shape) = (None, None, None);
        self.expect("{")?;
        while !self.take("}") {
            let key = self.string()?;
            self.expect(":")?;
            let fresh = match key {
                "descr" => {
                    self.skip();
                    if self.rest.starts_with(['[', '(']) {
                        return Err("it holds records; expected one array of floats".into());
                    }
                    dtype.replace(Dtype::parse(self.string()?)?).is_none()
                }
                "fortran_order" => {
                    let order = self.take("True");
                    if !order {
                        self.expect("False")?;
                    }
                    fortran.replace(order).is_none()
                }
                "shape" => shape.replace(self.shape()?).is_none(),
                _ => return Err(format!("its header: unknown key {key:?}")),
            };
            if !fresh {
                return Err(format!("its header: key {key:?} comes twice"));
            }
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        self.skip();
        match (dtype, fortran, shape, self.rest) {
            (Some(dtype), Some(fortran), Some(shape), "") => Ok((dtype, fortran, shape)),
            (.., "") => Err("its header: expected the keys descr, fortran_order and shape".into()),
            _ => Err("its header: text after the closing brace".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(dict: &str) -> Result<Header, String> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend_from_slice(&(dict.len() as u16).to_le_bytes());
        bytes.extend_from_slice(dict.as_bytes());
        Header::parse(&bytes)
    }

    #[test]
    fn the_dict_is_read_in_any_order_and_spacing() {
        let header = parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n").unwrap();
        assert_eq!((header.shape.as_slice(), header.fortran, header.data_bytes()), (&[3, 4][..], false, Some(48)));
        let header = parse("{\"shape\":(5,),\"descr\":\"<f2\",\"fortran_order\":True}").unwrap();
        assert_eq!((header.shape.as_slice(), header.fortran, header.data_bytes()), (&[5][..], true, Some(10)));
        let header = parse("{'descr': '|O', 'fortran_order': False, 'shape': (), }\n").unwrap();
        assert_eq!((header.shape.as_slice(), header.data_bytes()), (&[][..], None));
        assert_eq!(parse("{'descr':'<f8','fortran_order':False,'shape':(2L, 3L)}").unwrap().shape, [2, 3]);
    }

    #[test]
    fn other_headers_are_refused() {
        for (dict, expected) in [
            ("", "expected \"{\""),
            ("{}", "expected the keys"),
            ("{'descr': '<f4', 'fortran_order': False}", "expected the keys"),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", "\"False\""),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}", "records"),
            ("{'descr': '<c8', 'fortran_order': False, 'shape': (3,)}", "not read"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", "axis length"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3 4)}", "\")\""),
            ("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "twice"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1}", "unknown key"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x", "after the closing"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "axis length"),
        ] {
            assert!(parse(dict).unwrap_err().contains(expected), "{dict}: {:?}", parse(dict));
        }
        assert!(parse(&format!("{{'shape': ({})}}", "1,".repeat(65))).unwrap_err().contains("axes"));
        // Nesting costs nothing.
        assert!(parse(&"(".repeat(60_000)).is_err());
        assert!(Header::parse(b"\x93NUMPY\x09\x00").unwrap_err().contains("9.0"));
        assert!(Header::parse(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").unwrap_err().contains("at most"));
        let huge = parse("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999, 9999999999999)}").unwrap();
        assert_eq!(huge.data_bytes(), None);
    }
}
