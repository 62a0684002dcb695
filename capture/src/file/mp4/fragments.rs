//! The samples of fragments, as browsers and cameras write them that must lose nothing (ISO/IEC 14496-12 section 8.8).

use crate::error::Result;

use super::boxes::{Boxes, Origin, be32, be64};
use super::movie::{Defaults, Parsed, Track};
use super::samples::{Budget, Sample};

/// The flag of a sample from which decoding cannot begin.
const NOT_SYNC: u32 = 1 << 16;

/// Samples of the tracks of a movie as they are gathered, fragment by fragment.
#[derive(Debug)]
pub(super) struct Gathered {
    /// For each track of the movie, in its order.
    pub(super) samples: Vec<Vec<Sample>>,
    /// When the next sample of each track is decoded, in its ticks.
    next: Vec<u64>,
}

/// How far [`Gathered::samples`] and the clocks were before a fragment.
pub(super) struct Mark(Vec<(usize, u64)>);

impl Gathered {
    /// Begins with the samples of the index.
    pub(super) fn new(samples: Vec<Vec<Sample>>) -> Self {
        let end = |samples: &Vec<Sample>| {
            samples.last().map_or(0, |last| last.decoded_at.saturating_add(last.duration.into()))
        };
        Self { next: samples.iter().map(end).collect(), samples }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.samples.iter().map(Vec::len).zip(self.next.iter().copied()).collect())
    }

    /// Forgets what came after `mark`.
    pub(super) fn back_to(&mut self, mark: &Mark) {
        for ((samples, next), (len, time)) in self.samples.iter_mut().zip(&mut self.next).zip(&mark.0) {
            samples.truncate(*len);
            *next = *time;
        }
    }

    /// How far the samples since `mark` reach into the file.
    pub(super) fn reach_since(&self, mark: &Mark) -> u64 {
        let since = self.samples.iter().zip(&mark.0).filter_map(|(samples, (len, _))| samples.get(*len..));
        since.flatten().map(Sample::end).max().unwrap_or(0)
    }

    /// Adds the samples of a fragment, whose box `moof` begins at `start` and holds `moof`.
    pub(super) fn add(
        &mut self,
        origin: &Origin<'_>,
        tracks: &[Track<'_>],
        start: u64,
        moof: &[u8],
        budget: &mut Budget,
    ) -> Result<()> {
        // Where samples begin whose place is not told: at the fragment, or behind those before.
        let mut behind = start;
        for child in Boxes::new(moof) {
            let (kind, traf) = child.map_err(|reason| origin.malformed(reason))?;
            if &kind != b"traf" {
                continue;
            }
            let header = Header::of(traf, tracks, start, behind).map_err(|reason| origin.malformed(reason))?;
            let Some(header) = header else { continue };
            let (Some(samples), Some(next)) = (self.samples.get_mut(header.track), self.next.get_mut(header.track))
            else {
                continue;
            };
            let mut run = Run { samples, next, at: header.base };
            for child in Boxes::new(traf) {
                let (kind, body) = child.map_err(|reason| origin.malformed(reason))?;
                match &kind {
                    b"tfdt" => {
                        let time =
                            if body.first() == Some(&1) { be64(body, 4) } else { be32(body, 4).map(u64::from) };
                        *run.next = time.ok_or_else(|| origin.malformed("its table tfdt is too short"))?;
                    }
                    b"trun" => run.read(origin, body, &header, budget)?,
                    _ => (),
                }
            }
            behind = run.at;
        }
        Ok(())
    }
}

/// What holds for one track in a fragment (box `tfhd`).
struct Header {
    /// The track's place in the movie.
    track: usize,
    /// What offsets count from.
    base: u64,
    defaults: Defaults,
}

impl Header {
    /// The header in the content of a box `traf`; none for tracks that are of no use.
    fn of(traf: &[u8], tracks: &[Track<'_>], start: u64, behind: u64) -> Parsed<Option<Self>> {
        let Some(body) = super::movie::find(traf, b"tfhd")? else {
            return Ok(None);
        };
        let short = || "its table tfhd is too short".to_owned();
        let flags = be32(body, 0).ok_or_else(short)? & 0x00ff_ffff;
        let id = be32(body, 4).ok_or_else(short)?;
        let wanted = |track: &Track<'_>| track.id == id && matches!(&track.handler, b"vide" | b"soun");
        let Some((place, track)) = tracks.iter().enumerate().find(|(_, track)| wanted(track)) else {
            return Ok(None);
        };
        let mut at = 8;
        let mut base = if flags & 0x2_0000 != 0 { start } else { behind };
        if flags & 1 != 0 {
            base = be64(body, at).ok_or_else(short)?;
            at += 8;
        }
        let mut defaults = track.defaults;
        for (flag, value) in [
            (2, &mut defaults.entry),
            (8, &mut defaults.duration),
            (0x10, &mut defaults.size),
            (0x20, &mut defaults.flags),
        ] {
            if flags & flag != 0 {
                *value = be32(body, at).ok_or_else(short)?;
                at += 4;
            }
        }
        Ok(Some(Self { track: place, base, defaults }))
    }
}

/// The samples of one track of a fragment.
struct Run<'a> {
    samples: &'a mut Vec<Sample>,
    /// When the next one is decoded.
    next: &'a mut u64,
    /// Where the next one lies if its run does not tell.
    at: u64,
}

impl Run<'_> {
    /// Reads the content of a box `trun`.
    fn read(&mut self, origin: &Origin<'_>, body: &[u8], header: &Header, budget: &mut Budget) -> Result<()> {
        let short = || origin.malformed("its table trun is too short");
        let flags = be32(body, 0).ok_or_else(short)?;
        let count = u64::from(be32(body, 4).ok_or_else(short)?);
        let mut at = 8;
        let mut word = |flag: u32| -> Result<Option<u32>> {
            if flags & flag == 0 {
                return Ok(None);
            }
            let word = be32(body, at).ok_or_else(short)?;
            at += 4;
            Ok(Some(word))
        };
        if let Some(offset) = word(1)? {
            self.at = header.base.saturating_add_signed(offset.cast_signed().into());
        }
        let first_flags = word(4)?;
        let rows = body.get(at..).unwrap_or_default();
        let width = 4 * [0x100, 0x200, 0x400, 0x800].iter().filter(|flag| flags & **flag != 0).count();
        if (rows.len() as u64) < count.saturating_mul(width as u64) {
            return Err(short());
        }
        let Defaults { entry, duration, size, flags: usual } = header.defaults;
        if flags & 0x200 == 0 {
            // Nothing but a number says how many there are: it is held against the file.
            if u64::from(size).saturating_mul(count) > origin.len {
                let total = u64::from(size).saturating_mul(count);
                return Err(origin.malformed(format!("its samples overlap: {total} bytes in a file of {}", origin.len)));
            }
            if size == 0 {
                *self.next = self.next.saturating_add(u64::from(duration).saturating_mul(count));
                return Ok(());
            }
        }
        budget.take(origin, count)?;
        let entry = u16::try_from(entry.saturating_sub(1)).unwrap_or(u16::MAX);
        for index in 0..usize::try_from(count).unwrap_or(usize::MAX) {
            let mut at = index.saturating_mul(width);
            let mut field = |flag: u32| {
                let value = (flags & flag != 0).then(|| be32(rows, at)).flatten();
                at += if value.is_some() { 4 } else { 0 };
                value
            };
            let duration = field(0x100).unwrap_or(duration);
            let size = field(0x200).unwrap_or(size);
            let own = field(0x400);
            let shift = field(0x800).unwrap_or(0).cast_signed();
            let flags = own.or(first_flags.filter(|_| index == 0)).unwrap_or(usual);
            if size > 0 {
                let sync = flags & NOT_SYNC == 0;
                let offset = self.at;
                self.samples.push(Sample { offset, size, decoded_at: *self.next, shift, duration, entry, sync });
            }
            self.at = self.at.saturating_add(size.into());
            *self.next = self.next.saturating_add(duration.into());
        }
        Ok(())
    }
}
