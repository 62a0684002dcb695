//! Edit lists: which part of a track is played, and when (ISO 14496-12 section 8.6.6).

use super::boxes::{be32, be64, entries};

/// The part of a track that is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Empty time before it, in ticks of the movie's clock.
    pub(crate) lead: u64,
    /// Where it starts, in ticks of the track's clock.
    pub(crate) start: u64,
    /// How long it is, in ticks of the movie's clock; to the end of the track where none.
    pub(crate) length: Option<u64>,
    /// More parts follow that are not told of here.
    pub(crate) more: bool,
}

impl Edit {
    /// The first part in `body`, the content of a box `elst`.
    ///
    /// # Errors
    /// If the list has no room for the entries that it tells of.
    pub(super) fn first_in(body: &[u8]) -> Result<Self, String> {
        let wide = body.first() == Some(&1);
        let list = entries(body, if wide { 20 } else { 12 }, "elst")?;
        // Duration and media time of each entry; no time for an empty stretch.
        let read = |entry: &[u8]| {
            if wide {
                Some((be64(entry, 0)?, be64(entry, 8).filter(|time| *time != u64::MAX)))
            } else {
                let time = be32(entry, 4).filter(|time| *time != u32::MAX).map(u64::from);
                Some((u64::from(be32(entry, 0)?), time))
            }
        };
        let mut parts = list.chunks_exact(if wide { 20 } else { 12 }).filter_map(read);
        let mut edit = Self::default();
        for (duration, time) in parts.by_ref() {
            let Some(time) = time else {
                edit.lead = edit.lead.saturating_add(duration);
                continue;
            };
            edit.start = time;
            // Fragmented files leave the length open with a zero.
            edit.length = Some(duration).filter(|length| *length > 0);
            break;
        }
        edit.more = parts.any(|(_, time)| time.is_some());
        if edit.more {
            edit.length = None;
        }
        Ok(edit)
    }
}

#[cfg(test)]
mod tests {
    use super::Edit;

    /// An edit list of entries (duration, media time) as version 0 stores it.
    fn list(parts: &[(u32, i32)]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 0];
        bytes.extend((parts.len() as u32).to_be_bytes());
        for (duration, media_time) in parts {
            bytes.extend(duration.to_be_bytes());
            bytes.extend(media_time.to_be_bytes());
            bytes.extend([0, 1, 0, 0]);
        }
        bytes
    }

    #[test]
    fn empty_time_comes_before_the_first_part() {
        let edit = Edit::first_in(&list(&[(250, -1), (1000, 1024)]));
        assert_eq!(edit, Ok(Edit { lead: 250, start: 1024, length: Some(1000), more: false }));
        let edit = Edit::first_in(&list(&[(0, 3)]));
        assert_eq!(edit, Ok(Edit { lead: 0, start: 3, length: None, more: false }));
    }

    #[test]
    fn of_several_parts_only_the_start_counts() {
        let edit = Edit::first_in(&list(&[(40, 10), (40, 500)]));
        assert_eq!(edit, Ok(Edit { lead: 0, start: 10, length: None, more: true }));
    }

    #[test]
    fn long_entries_are_read_too() {
        let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 2];
        for (duration, time) in [(7_u64, -1_i64), (9, 5)] {
            bytes.extend([duration.to_be_bytes(), time.to_be_bytes()].concat());
            bytes.extend([0, 1, 0, 0]);
        }
        assert_eq!(Edit::first_in(&bytes), Ok(Edit { lead: 7, start: 5, length: Some(9), more: false }));
        bytes.pop();
        assert!(Edit::first_in(&bytes).is_err());
    }
}
