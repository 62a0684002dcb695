//! H.264 as mp4 stores it: the configuration record and the NAL units of a picture (ISO/IEC 14496-15 section 5.3).

use super::boxes::be16;
use super::movie::Parsed;

/// What stands before each NAL unit in a byte stream (H.264 annex B).
pub(super) const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// The NAL unit types of a picture that needs no earlier one, and of sequence and picture parameter sets.
pub(super) const IDR: u8 = 5;
pub(super) const SPS: u8 = 7;
const PPS: u8 = 8;

/// The type of a NAL unit.
pub(super) fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header & 0x1f)
}

/// Whether a NAL unit is a parameter set.
pub(super) fn is_parameter_set(unit: &[u8]) -> bool {
    matches!(kind(unit), SPS | PPS)
}

/// NAL units as a byte stream.
pub(super) fn byte_stream(units: &[impl AsRef<[u8]>]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&START_CODE[..], unit.as_ref()].concat()).collect()
}

/// The configuration record of AVC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Configuration<'a> {
    pub(super) profile: u8,
    /// Bytes of the length before each NAL unit: 1, 2 or 4.
    pub(super) length_bytes: usize,
    /// Sequence parameter sets, then picture parameter sets.
    pub(super) sets: Vec<&'a [u8]>,
    /// Where it ends.
    end: usize,
}

impl<'a> Configuration<'a> {
    /// Reads the record that begins with `body`.
    ///
    /// # Errors
    /// If it is shorter than it tells, or tells of lengths that the format does not know.
    pub(super) fn read(body: &'a [u8]) -> Parsed<Self> {
        let short = || "its H.264 configuration (box avcC) is too short".to_owned();
        let profile = *body.get(1).ok_or_else(short)?;
        let length_bytes = usize::from(body.get(4).ok_or_else(short)? & 3) + 1;
        if length_bytes == 3 {
            return Err("NAL unit lengths of 3 bytes, expected 1, 2 or 4".to_owned());
        }
        let (mut sets, mut at) = (Vec::new(), 5);
        // No sets at all is how avc3 says that they are in the stream.
        for mask in [0x1f, 0xff] {
            let count = body.get(at).copied().unwrap_or(0) & mask;
            at += 1;
            for _ in 0..count {
                let length = usize::from(be16(body, at).ok_or_else(short)?);
                at += 2;
                sets.push(body.get(at..at + length).ok_or_else(short)?);
                at += length;
            }
        }
        // High profiles tell colour format and depth, whose other bits are set, and may have more sets.
        if let (100 | 110 | 122 | 144, Some([a, b, c, more])) = (profile, body.get(at..).and_then(<[u8]>::first_chunk))
            && (a & 0xfc, b & 0xf8, c & 0xf8) == (0xfc, 0xf8, 0xf8)
        {
            at += 4;
            for _ in 0..*more {
                // What some programs leave behind the record is none.
                let Some(length) = be16(body, at) else { break };
                at += 2 + usize::from(length);
            }
        }
        Ok(Self { profile, length_bytes, sets, end: at })
    }
}

/// The NAL units of a stored picture, each behind its length of `length_bytes` bytes; a fault ends them.
///
/// Some programs put the whole configuration record in front of a picture; its sets come first then.
pub(super) fn units(picture: &[u8], length_bytes: usize) -> impl Iterator<Item = std::result::Result<&[u8], ()>> {
    let (sets, mut rest) = without_configuration(picture, length_bytes);
    let units = std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((unit, after)) = split(rest, length_bytes) else {
            rest = &[];
            return Some(Err(()));
        };
        rest = after;
        Some(Ok(unit))
    });
    sets.into_iter().map(Ok).chain(units)
}

/// The first NAL unit, and what follows it.
fn split(bytes: &[u8], length_bytes: usize) -> Option<(&[u8], &[u8])> {
    let (length, after) = bytes.split_at_checked(length_bytes)?;
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    after.split_at_checked(length)
}

fn without_configuration(picture: &[u8], length_bytes: usize) -> (Vec<&[u8]>, &[u8]) {
    let reserved = picture.get(4).zip(picture.get(5)).is_some_and(|(a, b)| a & 0xfc == 0xfc && b & 0xe0 == 0xe0);
    // Taken for units, it would be one that is longer than the picture.
    if picture.first() == Some(&1)
        && reserved
        && split(picture, length_bytes).is_none()
        && let Ok(record) = Configuration::read(picture)
        && let Some(rest) = picture.get(record.end..)
        && !record.sets.is_empty()
    {
        return (record.sets, rest);
    }
    (Vec::new(), picture)
}

#[cfg(test)]
mod tests {
    use super::{Configuration, units};

    const RECORD: [u8; 14] = [1, 66, 0, 30, 0xff, 0xe1, 0, 2, 0x67, 1, 1, 0, 1, 0x68];

    #[test]
    fn records_are_bounded() {
        let record = Configuration::read(&RECORD).unwrap();
        assert_eq!((record.length_bytes, record.profile, record.end), (4, 66, 14));
        assert_eq!(record.sets, [&[0x67, 1][..], &[0x68]]);
        for len in 0..RECORD.len() {
            // Without the count of the last sets there are none.
            assert!(len == 10 || len == 5 || Configuration::read(&RECORD[..len]).is_err(), "{len}");
        }
        let mut high = RECORD.to_vec();
        high[1] = 100;
        high.extend([0xfd, 0xf8, 0xf8, 1, 0, 1, 9, 7]);
        assert_eq!(Configuration::read(&high).unwrap().end, 21);
    }

    #[test]
    fn units_end_where_the_picture_does() {
        let found = |picture: &[u8]| units(picture, 2).map(|unit| unit.map(<[u8]>::to_vec)).collect::<Vec<_>>();
        assert_eq!(found(&[0, 1, 9, 0, 2, 8, 7]), [Ok(vec![9]), Ok(vec![8, 7])]);
        assert_eq!(found(&[0, 1, 9, 0, 2, 8]), [Ok(vec![9]), Err(())]);
        assert_eq!(found(&[0]), [Err(())]);
        assert!(found(&[]).is_empty());
    }

    #[test]
    fn a_record_in_front_of_a_picture_gives_its_sets() {
        let picture = [&RECORD[..], &[0, 0, 0, 2, 0x65, 3]].concat();
        let found: Vec<_> = units(&picture, 4).map(Result::unwrap).collect();
        assert_eq!(found, [&[0x67, 1][..], &[0x68], &[0x65, 3]]);
    }
}
