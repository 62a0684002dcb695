//! Where the samples of a track are stored and when they are decoded, from the tables of its index (ISO/IEC 14496-12 section 8.6).

use crate::error::{CaptureError, Result};

use super::boxes::{Origin, be32, entries};
use super::movie::{Parsed, Tables, Track};

/// The most samples in all tables together; four hours of 60 pictures a second with AAC are less than half.
const MAX_SAMPLES: u64 = 1 << 22;
/// Bytes of memory that one sample takes until it is decoded: its entry here, and what a film keeps of it.
const SAMPLE_COST: u64 = 96;
/// The largest piece of uncompressed sound that is made of a chunk.
const MAX_PIECE_BYTES: u64 = 1 << 16;

/// A stored picture or packet of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Where it begins in the file.
    pub(crate) offset: u64,
    /// Its length in bytes, not zero.
    pub(crate) size: u32,
    /// When it is decoded, in ticks of the track.
    pub(crate) decoded_at: u64,
    /// How much later it is shown, in ticks of the track.
    pub(crate) shift: i32,
    /// For how long, in ticks of the track.
    pub(crate) duration: u32,
    /// Its description's number, from 0.
    pub(crate) entry: u16,
    /// Decoding may begin here.
    pub(crate) sync: bool,
}

impl Sample {
    /// Where it ends in the file.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.size.into())
    }
}

/// How many samples may still be read.
#[derive(Debug)]
pub(super) struct Budget {
    left: u64,
    limit: u64,
}

impl Budget {
    /// As many samples as fit into `memory` bytes, [`MAX_SAMPLES`] at most.
    pub(super) fn of(memory: u64) -> Self {
        let limit = MAX_SAMPLES.min(memory / SAMPLE_COST);
        Self { left: limit, limit }
    }

    /// Takes `count` samples from the budget.
    pub(super) fn take(&mut self, origin: &Origin<'_>, count: u64) -> Result<()> {
        let used = self.limit - self.left;
        self.left = self.left.checked_sub(count).ok_or_else(|| {
            origin.too_large("samples in its tables", used.saturating_add(count), self.limit)
        })?;
        Ok(())
    }
}

/// Sound whose packets all have one length: `samples` of each channel in `bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) samples: u32,
    pub(super) bytes: u32,
}

/// Reads the samples of `track` from its tables.
///
/// A film tells uncompressed sound sample by sample, millions of them: where `block` says how long they are, each chunk becomes a
/// few pieces.
///
/// # Errors
/// [`CaptureError::Malformed`] if the tables disagree, or tell of more bytes than the file has; [`CaptureError::TooLarge`].
pub(super) fn from_tables(origin: &Origin<'_>, track: &Track<'_>, block: Option<Block>, budget: &mut Budget) -> Result<Vec<Sample>> {
    let malformed = |reason: String| origin.malformed(reason);
    let tables = &track.tables;
    let Some(sizes) = Sizes::of(tables).map_err(malformed)? else {
        return Ok(Vec::new());
    };
    if sizes.count() == 0 {
        return Ok(Vec::new());
    }
    let chunks = Chunks::of(tables).map_err(malformed)?;
    if let (Some(block), Sizes::Uniform { .. }) = (block, &sizes) {
        return pieces(origin, &chunks, sizes.count(), block, budget);
    }
    budget.take(origin, sizes.count())?;
    if let Sizes::Uniform { size, count } = sizes {
        fits(origin, u64::from(size).saturating_mul(count))?;
    }
    let mut durations = Runs::of(tables.stts, "stts").map_err(malformed)?;
    let mut shifts = Runs::of(tables.ctts, "ctts").map_err(malformed)?;
    let mut samples: Vec<Sample> = Vec::new();
    let (mut index, mut decoded_at) = (0_u64, 0_u64);
    'chunks: for (chunk, held, entry) in chunks {
        let mut offset = chunk;
        for _ in 0..held {
            let Some(size) = sizes.get(index) else { break 'chunks };
            let duration = durations.next();
            let sample = Sample {
                offset,
                size,
                decoded_at,
                // Version 0 stores unsigned numbers by its text and signed ones by its users.
                shift: shifts.next().cast_signed(),
                duration,
                entry,
                sync: tables.stss.is_none(),
            };
            samples.push(sample);
            offset = offset.saturating_add(size.into());
            decoded_at = decoded_at.saturating_add(duration.into());
            index += 1;
        }
    }
    if index < sizes.count() {
        return Err(origin.malformed(format!("its chunks hold {index} samples, its table of sizes {}", sizes.count())));
    }
    if let Some(stss) = tables.stss {
        for number in entries(stss, 4, "stss").map_err(malformed)?.as_chunks::<4>().0 {
            let place = usize::try_from(u32::from_be_bytes(*number)).ok().and_then(|number| number.checked_sub(1));
            if let Some(sample) = place.and_then(|place| samples.get_mut(place)) {
                sample.sync = true;
            }
        }
    }
    samples.retain(|sample| sample.size > 0);
    Ok(samples)
}

/// Pieces of uncompressed sound.
fn pieces(origin: &Origin<'_>, chunks: &Chunks<'_>, count: u64, block: Block, budget: &mut Budget) -> Result<Vec<Sample>> {
    let (per, bytes) = (u64::from(block.samples.max(1)), u64::from(block.bytes.max(1)));
    let most = (MAX_PIECE_BYTES / bytes).max(1) * bytes;
    let (mut found, mut left, mut total) = (Vec::new(), count, 0_u64);
    for (chunk, held, entry) in chunks.clone() {
        let held = u64::from(held).min(left);
        left -= held;
        let length = (held / per).saturating_mul(bytes);
        total = total.saturating_add(length);
        fits(origin, total)?;
        let mut from = 0;
        while from < length {
            let size = (length - from).min(most);
            budget.take(origin, 1)?;
            let duration = u32::try_from(size / bytes * per).unwrap_or(u32::MAX);
            let offset = chunk.saturating_add(from);
            let size = u32::try_from(size).unwrap_or(u32::MAX);
            found.push(Sample { offset, size, decoded_at: 0, shift: 0, duration, entry, sync: true });
            from += u64::from(size);
        }
    }
    Ok(found)
}

/// Checks that samples of `total` bytes can lie in the file one beside the other.
fn fits(origin: &Origin<'_>, total: u64) -> Result<()> {
    if total > origin.len {
        return Err(origin.malformed(format!("its samples overlap: {total} bytes in a file of {}", origin.len)));
    }
    Ok(())
}

/// Checks the `samples` of one track of kind `kind` (`sound` or `pictures`), none of which may be longer than `limit`.
///
/// # Errors
/// [`CaptureError::Truncated`] if one lies beyond the file, [`CaptureError::TooLarge`], [`CaptureError::Malformed`] if together they
/// hold more bytes than the file: a small file could otherwise ask for the same bytes millions of times.
pub(super) fn check(origin: &Origin<'_>, samples: &[Sample], kind: &str, limit: u64, unit: &'static str) -> Result<()> {
    let mut total = 0_u64;
    for sample in samples {
        if sample.end() > origin.len {
            return Err(origin.truncated(sample.end()));
        }
        if u64::from(sample.size) > limit {
            return Err(CaptureError::TooLarge { path: origin.path.to_owned(), unit, found: sample.size.into(), limit });
        }
        total = total.saturating_add(sample.size.into());
    }
    if total > origin.len {
        return Err(origin.malformed(format!("its packets of {kind} overlap: {total} bytes in a file of {}", origin.len)));
    }
    Ok(())
}

/// The length of the largest one of `samples`.
pub(super) fn largest(samples: &[Sample]) -> u32 {
    samples.iter().map(|sample| sample.size).max().unwrap_or(0)
}

/// The table of sizes.
enum Sizes<'a> {
    Uniform { size: u32, count: u64 },
    Wide(&'a [[u8; 4]]),
    /// Sizes of 4, 8 or 16 bits, and how many there are.
    Compact { bits: u8, count: u64, table: &'a [u8] },
}

impl<'a> Sizes<'a> {
    fn of(tables: &Tables<'a>) -> Parsed<Option<Self>> {
        if let Some(body) = tables.stsz {
            let size = be32(body, 4).ok_or("its table stsz is too short")?;
            if size > 0 {
                let count = be32(body, 8).ok_or("its table stsz is too short")?.into();
                return Ok(Some(Self::Uniform { size, count }));
            }
            // One size for all, then an ordinary table.
            return Ok(Some(Self::Wide(entries(body.get(4..).unwrap_or_default(), 4, "stsz")?.as_chunks().0)));
        }
        let Some(body) = tables.stz2 else {
            return Ok(None);
        };
        let short = || "its table stz2 is too short".to_owned();
        let bits = *body.get(7).ok_or_else(short)?;
        let count = u64::from(be32(body, 8).ok_or_else(short)?);
        let table = body.get(12..).unwrap_or_default();
        if !matches!(bits, 4 | 8 | 16) || (table.len() as u64).saturating_mul(8) < count.saturating_mul(bits.into()) {
            return Err(format!("its table stz2 has no room for {count} sizes of {bits} bits"));
        }
        Ok(Some(Self::Compact { bits, count, table }))
    }

    fn count(&self) -> u64 {
        match self {
            Self::Uniform { count, .. } | Self::Compact { count, .. } => *count,
            Self::Wide(table) => table.len() as u64,
        }
    }

    fn get(&self, index: u64) -> Option<u32> {
        if index >= self.count() {
            return None;
        }
        let index = usize::try_from(index).ok()?;
        match self {
            Self::Uniform { size, .. } => Some(*size),
            Self::Wide(table) => table.get(index).map(|size| u32::from_be_bytes(*size)),
            Self::Compact { bits: 16, table, .. } => {
                table.as_chunks::<2>().0.get(index).map(|size| u16::from_be_bytes(*size).into())
            }
            Self::Compact { bits: 8, table, .. } => table.get(index).map(|size| u32::from(*size)),
            Self::Compact { table, .. } => {
                table.get(index / 2).map(|pair| u32::from(if index % 2 == 0 { pair >> 4 } else { pair & 0x0f }))
            }
        }
    }
}

/// Where each chunk begins, how many samples it holds, and the number of their description from 0.
#[derive(Clone)]
struct Chunks<'a> {
    offsets: &'a [u8],
    /// Bytes of one offset, 4 or 8.
    width: usize,
    /// First chunk from 1, samples in each, description from 1.
    runs: &'a [[u8; 12]],
    index: usize,
    run: usize,
}

impl<'a> Chunks<'a> {
    fn of(tables: &Tables<'a>) -> Parsed<Self> {
        let (offsets, width) = match (tables.stco, tables.co64) {
            (Some(table), _) => (entries(table, 4, "stco")?, 4),
            (None, Some(table)) => (entries(table, 8, "co64")?, 8),
            (None, None) => return Err("it does not tell where its samples lie (no table stco)".to_owned()),
        };
        let table = tables.stsc.ok_or("it does not tell which samples lie together (no table stsc)")?;
        let runs = entries(table, 12, "stsc")?.as_chunks::<12>().0;
        let firsts = || runs.iter().filter_map(|run| be32(run, 0));
        if firsts().next() != Some(1) || firsts().zip(firsts().skip(1)).any(|(before, after)| before >= after) {
            return Err("its table stsc does not ascend from 1".to_owned());
        }
        Ok(Self { offsets, width, runs, index: 0, run: 0 })
    }
}

impl Iterator for Chunks<'_> {
    type Item = (u64, u32, u16);

    fn next(&mut self) -> Option<Self::Item> {
        let from = self.index.checked_mul(self.width)?;
        let bytes = self.offsets.get(from..from + self.width)?;
        let offset = bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        self.index += 1;
        while let Some(first) = self.runs.get(self.run + 1).and_then(|run| be32(run, 0))
            && u64::from(first) <= self.index as u64
        {
            self.run += 1;
        }
        let run = self.runs.get(self.run)?;
        let entry = be32(run, 8).unwrap_or(1).saturating_sub(1);
        Some((offset, be32(run, 4)?, u16::try_from(entry).unwrap_or(u16::MAX)))
    }
}

/// A table of runs: how many samples in a row have a value.
struct Runs<'a> {
    table: std::slice::Iter<'a, [u8; 8]>,
    left: u32,
    value: u32,
}

impl<'a> Runs<'a> {
    fn of(body: Option<&'a [u8]>, kind: &str) -> Parsed<Self> {
        let table = body.map_or(Ok(&[][..]), |body| entries(body, 8, kind))?;
        Ok(Self { table: table.as_chunks::<8>().0.iter(), left: 0, value: 0 })
    }

    /// The value of the next sample; the last one goes on where the table ends early.
    fn next(&mut self) -> u32 {
        while self.left == 0 {
            let Some(run) = self.table.next() else {
                return self.value;
            };
            let [a, b, c, d, value @ ..] = *run;
            (self.left, self.value) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes(value));
        }
        self.left -= 1;
        self.value
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::boxes::Origin;
    use super::super::edits::Edit;
    use super::super::movie::{Defaults, Tables, Track};
    use super::super::orientation::Matrix;
    use super::{Block, Budget, Sample, from_tables};
    use crate::error::CaptureError;

    fn table(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    fn read(tables: Tables<'_>, block: Option<Block>, len: u64) -> Result<Vec<Sample>, CaptureError> {
        let track = Track {
            id: 1,
            enabled: true,
            handler: *b"vide",
            matrix: Matrix::IDENTITY,
            timescale: 1000,
            language: None,
            edit: Edit::default(),
            entries: Vec::new(),
            tables,
            chapters: Vec::new(),
            defaults: Defaults::default(),
        };
        from_tables(&Origin { path: Path::new("film.mp4"), len }, &track, block, &mut Budget::of(1 << 20))
    }

    #[test]
    fn tables_become_samples() {
        let stts = table(&[0, 2, 2, 40, 2, 50]);
        let ctts = table(&[0, 1, 4, u32::MAX]);
        let stsc = table(&[0, 2, 1, 1, 1, 2, 3, 1]);
        let stsz = table(&[0, 0, 4, 10, 20, 0, 30]);
        let stco = table(&[0, 2, 100, 500]);
        let stss = table(&[0, 2, 1, 4]);
        let found = read(
            Tables {
                stts: Some(&stts),
                ctts: Some(&ctts),
                stsc: Some(&stsc),
                stsz: Some(&stsz),
                stco: Some(&stco),
                stss: Some(&stss),
                ..Tables::default()
            },
            None,
            1000,
        );
        let sample = |offset, size, decoded_at, duration, sync| Sample {
            offset,
            size,
            decoded_at,
            shift: -1,
            duration,
            entry: 0,
            sync,
        };
        // The third one is empty and left out; its time passes.
        let expected =
            [sample(100, 10, 0, 40, true), sample(500, 20, 40, 40, false), sample(520, 30, 130, 50, true)];
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn tables_that_ask_for_more_than_the_file_has_are_refused() {
        let stsc = table(&[0, 1, 1, u32::MAX, 1]);
        let stco = table(&[0, 1, 0]);
        for (stsz, len) in [(table(&[0, 1, u32::MAX]), 1 << 40), (table(&[0, 1000, 9000]), 8_999_999)] {
            let tables = Tables { stsc: Some(&stsc), stsz: Some(&stsz), stco: Some(&stco), ..Tables::default() };
            assert!(read(tables, None, len).is_err(), "{len}");
        }
        // Two chunks of one byte in a table of three samples.
        let stsz = table(&[0, 1, 3]);
        let (stsc, stco) = (table(&[0, 1, 1, 1, 1]), table(&[0, 2, 0, 0]));
        let tables = Tables { stsc: Some(&stsc), stsz: Some(&stsz), stco: Some(&stco), ..Tables::default() };
        assert!(matches!(read(tables, None, 1000), Err(CaptureError::Malformed { .. })));
        let none = Tables { stsz: Some(&stsz), ..Tables::default() };
        assert!(matches!(read(none, None, 1000), Err(CaptureError::Malformed { .. })));
    }

    #[test]
    fn uncompressed_sound_is_cut_into_pieces() {
        // Three million samples of 4 bytes in two chunks.
        let stsz = table(&[0, 1, 3_000_000]);
        let (stsc, stco) = (table(&[0, 1, 1, 2_000_000, 1]), table(&[0, 2, 0, 8_000_000]));
        let tables = Tables { stsc: Some(&stsc), stsz: Some(&stsz), stco: Some(&stco), ..Tables::default() };
        let found = read(tables, Some(Block { samples: 1, bytes: 4 }), 12_000_000).unwrap();
        assert_eq!(found.iter().map(|piece| u64::from(piece.size)).sum::<u64>(), 12_000_000);
        assert!(found.iter().all(|piece| piece.size <= 65_536 && piece.size % 4 == 0));
        assert!(found.windows(2).all(|pair| pair[0].end() == pair[1].offset));
        assert!(read(tables, Some(Block { samples: 1, bytes: 4 }), 11_999_999).is_err());
    }

    #[test]
    fn small_sizes_are_unpacked() {
        let stz2 = [&table(&[0])[..], &[0, 0, 0, 4], &table(&[3]), &[0x12, 0x30]].concat();
        let (stsc, stco) = (table(&[0, 1, 1, 3, 1]), table(&[0, 1, 7]));
        let tables = Tables { stsc: Some(&stsc), stz2: Some(&stz2), stco: Some(&stco), ..Tables::default() };
        let sizes: Vec<_> = read(tables, None, 100).unwrap().iter().map(|sample| (sample.offset, sample.size)).collect();
        assert_eq!(sizes, [(7, 1), (8, 2), (10, 3)]);
        let short = [&table(&[0])[..], &[0, 0, 0, 16], &table(&[3]), &[0x12, 0x30]].concat();
        assert!(read(Tables { stz2: Some(&short), ..tables }, None, 100).is_err());
    }
}
