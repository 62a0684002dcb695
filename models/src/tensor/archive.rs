//! What entries of a zip archive may cost: an archive is small and can announce anything.

use std::io::{Read, Seek};

use zip::ZipArchive;

/// Bytes that entries of any archive may inflate to, together. A tensor of zeros compresses to nothing.
const FREE_TOTAL: u64 = 64 << 20;
/// Beyond those, bytes for each byte of the file; weights hardly compress at all.
const TOTAL_RATIO: u64 = 32;
/// Bytes that an entry whose size nothing else declares may inflate to, whatever it takes in the file.
const FREE_ENTRY: u64 = 1 << 20;
/// Beyond those, bytes for each of its bytes in the file. Pickled dicts of ids and numbers compress to a fifth or a tenth.
const ENTRY_RATIO: u64 = 200;

/// What is left of an archive's share of memory and time.
#[derive(Debug)]
pub struct Allowance {
    inflated: u64,
    compressed: u64,
}

impl Allowance {
    /// That of a file of `file_bytes` bytes.
    pub fn of(file_bytes: u64) -> Self {
        let inflated = FREE_TOTAL.saturating_add(file_bytes.saturating_mul(TOTAL_RATIO));
        Self { inflated, compressed: file_bytes }
    }

    /// Takes an entry of `size` bytes that are `compressed` in the file. `declared` is whether something else than the archive says
    /// how long it is, such as an array's shape.
    ///
    /// # Errors
    /// A phrase, where it is more than such a file holds.
    pub fn take(&mut self, size: u64, compressed: u64, declared: bool) -> Result<(), String> {
        let most = FREE_ENTRY.saturating_add(compressed.saturating_mul(ENTRY_RATIO));
        if !declared && size > most {
            return Err(format!(
                "{compressed} compressed bytes announce {size} bytes, at most {most} are read; save it again uncompressed"
            ));
        }
        self.compressed = self.compressed.checked_sub(compressed).ok_or("it shares its bytes with other entries")?;
        self.inflated = self.inflated.checked_sub(size).ok_or_else(|| {
            format!("its entries take more than {TOTAL_RATIO} times the file and {FREE_TOTAL} bytes; save it again uncompressed")
        })?;
        Ok(())
    }
}

/// Whether the archive's entries lie apart: no byte of the file belongs to two of them.
///
/// # Errors
/// A phrase that names two that do not, or an entry without a place in the file.
pub fn apart<R: Read + Seek>(zip: &mut ZipArchive<R>) -> Result<(), String> {
    let mut places = Vec::with_capacity(zip.len());
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(|e| format!("entry {index}: {e}"))?;
        let end = entry.data_start().and_then(|start| start.checked_add(entry.compressed_size()));
        let end = end.ok_or_else(|| format!("entry {index} has no place in the file"))?;
        places.push((entry.header_start(), end, index));
    }
    places.sort_unstable();
    let overlap = places.iter().zip(places.iter().skip(1)).find(|((_, end, _), (start, ..))| end > start);
    match overlap {
        None => Ok(()),
        Some(((_, _, one), (_, _, other))) => {
            let name = |index: usize| shown(&zip.name_for_index(index).and_then(Result::ok).unwrap_or_default());
            Err(format!("its entries {} and {} share bytes of the file", name(*one), name(*other)))
        }
    }
}

fn shown(name: &str) -> String {
    format!("{:?}", name.chars().take(60).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_a_share_by_its_size() {
        let mut allowance = Allowance::of(10_000);
        allowance.take(1 << 20, 10, false).unwrap();
        allowance.take((1 << 20) + 200 * 990, 990, false).unwrap();
        assert!(allowance.take((1 << 20) + 200 * 990 + 1, 990, false).unwrap_err().contains("990 compressed"));
        // What an array's shape declares may be zeros throughout.
        allowance.take(60 << 20, 9_000, true).unwrap();
        assert!(allowance.take(10 << 20, 0, true).unwrap_err().contains("times the file"));
        assert!(allowance.take(1, 1, true).unwrap_err().contains("share"));
    }
}
