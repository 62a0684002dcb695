//! Edit lists: which part of a track is played, and when (ISO 14496-12 section 8.6.6).

use re_mp4::{ElstBox, TrakBox};

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
    /// The first part of `trak`; the whole track where it has no edit list.
    pub(crate) fn first_of(trak: &TrakBox) -> Self {
        trak.edts.as_ref().and_then(|edts| edts.elst.as_ref()).map(Self::first_in).unwrap_or_default()
    }

    fn first_in(list: &ElstBox) -> Self {
        let empty = if list.version == 0 { u64::from(u32::MAX) } else { u64::MAX };
        let mut edit = Self::default();
        let mut entries = list.entries.iter();
        for entry in entries.by_ref() {
            if entry.media_time == empty {
                edit.lead = edit.lead.saturating_add(entry.segment_duration);
                continue;
            }
            edit.start = entry.media_time;
            // Fragmented files leave the length open with a zero.
            edit.length = Some(entry.segment_duration).filter(|length| *length > 0);
            break;
        }
        edit.more = entries.any(|entry| entry.media_time != empty);
        if edit.more {
            edit.length = None;
        }
        edit
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Cursor;

    use re_mp4::{ElstBox, ReadBox};

    use super::Edit;

    /// An edit list of entries (duration, media time) as version 0 stores it.
    fn list(entries: &[(u32, i32)]) -> ElstBox {
        let mut bytes = vec![0, 0, 0, 0, b'e', b'l', b's', b't', 0, 0, 0, 0];
        bytes.extend((entries.len() as u32).to_be_bytes());
        for (duration, media_time) in entries {
            bytes.extend(duration.to_be_bytes());
            bytes.extend(media_time.to_be_bytes());
            bytes.extend([0, 1, 0, 0]);
        }
        let len = bytes.len() as u64;
        let mut reader = Cursor::new(bytes);
        reader.set_position(8);
        ElstBox::read_box(&mut reader, len).unwrap()
    }

    #[test]
    fn empty_time_comes_before_the_first_part() {
        let edit = Edit::first_in(&list(&[(250, -1), (1000, 1024)]));
        assert_eq!(edit, Edit { lead: 250, start: 1024, length: Some(1000), more: false });
        let edit = Edit::first_in(&list(&[(0, 3)]));
        assert_eq!(edit, Edit { lead: 0, start: 3, length: None, more: false });
    }

    #[test]
    fn of_several_parts_only_the_start_counts() {
        let edit = Edit::first_in(&list(&[(40, 10), (40, 500)]));
        assert_eq!(edit, Edit { lead: 0, start: 10, length: None, more: true });
    }
}
