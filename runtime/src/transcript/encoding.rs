//! The bytes of a text file as text: UTF-8, UTF-16 and UTF-32 with their marks, UTF-16 without one, Windows-1252.

/// A text with Unix line ends, and what to tell of its encoding.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) text: String,
    /// None for UTF-8, which is what everybody expects.
    pub(super) note: Option<&'static str>,
}

/// What Windows-1252 has at 0x80 to 0x9F, where it differs from Latin-1; NUL where it has nothing.
const WINDOWS_1252: [char; 32] = [
    '\u{20ac}', '\0', '\u{201a}', '\u{0192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{02c6}', '\u{2030}',
    '\u{0160}', '\u{2039}', '\u{0152}', '\0', '\u{017d}', '\0', '\0', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}',
    '\u{2022}', '\u{2013}', '\u{2014}', '\u{02dc}', '\u{2122}', '\u{0161}', '\u{203a}', '\u{0153}', '\0', '\u{017e}',
    '\u{0178}',
];
/// Bytes that are looked at to recognise UTF-16 without a mark.
const LOOKED_AT: usize = 4096;

/// Decodes `bytes`.
///
/// # Errors
/// A phrase that names the byte and what to do.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, String> {
    let (text, note) = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => (utf8(rest, 3)?, None),
        [0xff, 0xfe, 0, 0, rest @ ..] => (utf32(rest, u32::from_le_bytes)?, Some("read as UTF-32")),
        [0, 0, 0xfe, 0xff, rest @ ..] => (utf32(rest, u32::from_be_bytes)?, Some("read as UTF-32")),
        [0xff, 0xfe, rest @ ..] => (utf16(rest, u16::from_le_bytes)?, Some("read as UTF-16")),
        [0xfe, 0xff, rest @ ..] => (utf16(rest, u16::from_be_bytes)?, Some("read as UTF-16")),
        _ => match std::str::from_utf8(bytes) {
            // UTF-16 of Western text is UTF-8 as well, with a NUL beside every letter.
            Ok(_) | Err(_) if zeros(bytes, 1) => {
                (utf16(bytes, u16::from_le_bytes)?, Some("read as UTF-16 without its mark"))
            }
            Ok(_) | Err(_) if zeros(bytes, 0) => {
                (utf16(bytes, u16::from_be_bytes)?, Some("read as UTF-16 without its mark"))
            }
            Ok(text) => (text.to_owned(), None),
            Err(e) => (
                windows_1252(bytes, e.valid_up_to())?,
                Some("not UTF-8, read as Windows-1252; where letters come out wrong, save it as UTF-8"),
            ),
        },
    };
    // Some editors doubled the carriage returns of a file that had them already.
    let text = text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace('\r', "\n");
    Ok(Decoded { text, note })
}

fn utf8(bytes: &[u8], start: usize) -> Result<String, String> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned).map_err(|e| {
        format!("byte {} is not UTF-8, which its first bytes promise; save the file as UTF-8", start + e.valid_up_to())
    })
}

/// Whether most bytes at even (`odd` 0) or odd places are zero, and few of the others.
fn zeros(bytes: &[u8], odd: usize) -> bool {
    let start = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    let count = |place: usize| start.iter().skip(place).step_by(2).filter(|b| **b == 0).count();
    start.len() >= 4 && 4 * count(odd) > start.len() && 16 * count(1 - odd) < start.len()
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("it ends within a character of UTF-16; copy it again, or save it as UTF-8".into());
    }
    let text: Result<String, _> = char::decode_utf16(units.iter().map(|b| unit(*b))).collect();
    text.map_err(|_| "it is no whole UTF-16; save it as UTF-8".into())
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Result<String, String> {
    let (units, rest) = bytes.as_chunks::<4>();
    let text: Option<String> = units.iter().map(|b| char::from_u32(unit(*b))).collect();
    text.filter(|_| rest.is_empty()).ok_or_else(|| "it is no whole UTF-32; save it as UTF-8".into())
}

fn windows_1252(bytes: &[u8], first: usize) -> Result<String, String> {
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
    for (at, &byte) in bytes.iter().enumerate() {
        let c = match byte {
            0x80..=0x9f => WINDOWS_1252.get(usize::from(byte) - 0x80).copied().unwrap_or('\0'),
            _ => char::from(byte),
        };
        if c == '\0' {
            return Err(format!(
                "byte {first} is not UTF-8, and byte {at} no character of Windows-1252; save the file as UTF-8"
            ));
        }
        text.push(c);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "1\n00:00:01,000 --> 00:00:02,000\nDéjà vu, she said.\n";

    fn read(bytes: &[u8]) -> (String, Option<&'static str>) {
        let decoded = decode(bytes).unwrap();
        (decoded.text, decoded.note)
    }

    #[test]
    fn one_text_in_every_encoding_is_the_same_text() {
        let units = |swap: bool| -> Vec<u8> {
            TEXT.encode_utf16().flat_map(|u| if swap { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
        };
        let wide: Vec<u8> = TEXT.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let western: Vec<u8> = TEXT.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        for (bytes, note) in [
            (TEXT.as_bytes().to_vec(), None),
            ([b"\xef\xbb\xbf", TEXT.as_bytes()].concat(), None),
            ([b"\xff\xfe".to_vec(), units(false)].concat(), Some("UTF-16")),
            ([b"\xfe\xff".to_vec(), units(true)].concat(), Some("UTF-16")),
            ([b"\xff\xfe\0\0".to_vec(), wide].concat(), Some("UTF-32")),
            (units(false), Some("without its mark")),
            (units(true), Some("without its mark")),
            (western, Some("Windows-1252")),
            (TEXT.replace('\n', "\r\n").into_bytes(), None),
            (TEXT.replace('\n', "\r\r\n").into_bytes(), None),
            (TEXT.replace('\n', "\r").into_bytes(), None),
        ] {
            let (text, told) = read(&bytes);
            assert_eq!(text, TEXT);
            assert_eq!(told.is_some(), note.is_some(), "{told:?}");
            assert!(told.unwrap_or_default().contains(note.unwrap_or_default()), "{told:?}");
        }
        // What Windows has where Latin-1 has control characters.
        assert_eq!(read(b"\x93It\x92s \x80 5\x94 \x96 \xe9").0, "\u{201c}It\u{2019}s € 5\u{201d} – é");
    }

    #[test]
    fn what_is_in_no_encoding_is_refused() {
        // Shift-JIS of a word: 0x81 is no character of Windows-1252.
        assert!(decode(b"\x83\x89\x81\x5b").unwrap_err().contains("byte 2"));
        assert!(decode(b"\xef\xbb\xbfa\xff").unwrap_err().contains("byte 4"));
        assert!(decode(b"\xff\xfea\0b").unwrap_err().contains("UTF-16"));
        assert!(decode(b"\xff\xfe\0\xd8a\0").unwrap_err().contains("UTF-16"));
        assert!(decode(b"\xff\xfe\0\0a\0\0").unwrap_err().contains("UTF-32"));
        assert_eq!(read(b"").0, "");
    }
}
