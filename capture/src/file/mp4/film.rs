//! The picture track of an mp4: where its pictures are stored and when they are shown.

use std::path::{Path, PathBuf};

use re_mp4::{Avc1Box, Mp4, Track, TrakBox};

use crate::error::{CaptureError, Result};
use crate::time::{Span, Timestamp};

use super::edits::Edit;
use super::h264::FilmFrames;
use super::rgb::Rotation;

/// The largest stored picture accepted; uncompressed 8192 x 8192 would be three times this.
const MAX_PICTURE_BYTES: u64 = 64 << 20;

/// An H.264 track, ready to be decoded from any of its pictures on.
pub(crate) struct Film {
    pub(super) path: PathBuf,
    /// SPS and PPS, each behind a start code.
    pub(super) parameter_sets: Vec<u8>,
    /// Bytes of the length before each NAL unit: 1, 2 or 4 (ISO/IEC 14496-15, the configuration record of AVC).
    pub(super) length_bytes: usize,
    /// In the order of decoding.
    pub(super) stored: Vec<Stored>,
    /// In the order of display; one entry for each stored picture.
    pub(super) shown: Vec<Shown>,
    pub(super) rotation: Rotation,
    count: usize,
    span: Span,
}

/// A compressed picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) offset: u64,
    pub(super) size: u32,
    /// Decoding may begin here.
    pub(super) sync: bool,
}

/// A picture's place in the order of display.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// Which stored picture it is.
    pub(super) index: usize,
    /// When it is shown; none for pictures that the edit list leaves out.
    pub(super) time: Option<Timestamp>,
}

impl Film {
    /// Reads the tables of `track`, whose header is `trak`, in the file at `path`, `len` bytes long.
    ///
    /// # Errors
    /// [`CaptureError::Truncated`] if a picture lies beyond the file, [`CaptureError::UnsupportedCodec`] for profiles
    /// that no decoder here knows, [`CaptureError::Malformed`].
    pub(crate) fn new(path: &Path, len: u64, mp4: &Mp4, trak: &TrakBox, track: &Track, avc: &Avc1Box) -> Result<Self> {
        let malformed =
            |reason: &str| CaptureError::Malformed { path: path.to_owned(), format: "mp4", reason: reason.to_owned() };
        let profile = avc.avcc.avc_profile_indication;
        if !matches!(profile, 66 | 77 | 88 | 100) {
            return Err(CaptureError::UnsupportedCodec {
                path: path.to_owned(),
                codec: format!("H.264 profile {profile} (more than 8 bits or other than 4:2:0)"),
                supported: super::SUPPORTED_PICTURES,
            });
        }
        let length_bytes = usize::from(avc.avcc.length_size_minus_one) + 1;
        if !matches!(length_bytes, 1 | 2 | 4) {
            return Err(malformed(&format!("NAL unit lengths of {length_bytes} bytes, expected 1, 2 or 4")));
        }
        let mut parameter_sets = Vec::new();
        for set in avc.avcc.sequence_parameter_sets.iter().chain(&avc.avcc.picture_parameter_sets) {
            parameter_sets.extend_from_slice(&super::h264::START_CODE);
            parameter_sets.extend_from_slice(&set.bytes);
        }
        let timescale = track.timescale;
        if timescale == 0 || mp4.moov.mvhd.timescale == 0 {
            return Err(malformed("a clock with no ticks"));
        }

        let stored = track.samples.iter().map(|sample| store(path, len, sample)).collect::<Result<Vec<_>>>()?;
        let clock = Clock::new(trak, track, u64::from(mp4.moov.mvhd.timescale));
        let mut order: Vec<(i64, usize)> =
            track.samples.iter().enumerate().map(|(index, sample)| (clock.raw_time(sample), index)).collect();
        order.sort_unstable();
        let shown: Vec<Shown> =
            order.iter().map(|&(time, index)| Shown { index, time: clock.shown_time(time) }).collect();

        let mut times = shown.iter().filter_map(|shown| shown.time);
        let first = times.next().ok_or_else(|| malformed("its edit list leaves no picture"))?;
        let last = times.next_back().unwrap_or(first);
        // The last picture in the order of display is not the last one stored; what it takes is the usual period.
        let period = track.samples.iter().map(|sample| sample.duration).find(|duration| *duration > 0).unwrap_or(1);
        let end =
            last.saturating_add(std::time::Duration::from_nanos(Timestamp::from_ticks(period, timescale).as_nanos()));
        Ok(Self {
            path: path.to_owned(),
            parameter_sets,
            length_bytes,
            count: shown.iter().filter(|shown| shown.time.is_some()).count(),
            stored,
            shown,
            rotation: Rotation::default(),
            span: Span::new(first, end)?,
        })
    }

    /// Turns every picture by `rotation` as it is decoded.
    pub(crate) fn rotated(mut self, rotation: Rotation) -> Self {
        self.rotation = rotation;
        self
    }

    pub(crate) fn span(&self) -> Span {
        self.span
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The pictures shown within `span`, all of them where none.
    pub(crate) fn frames(&self, span: Option<Span>) -> FilmFrames<'_> {
        let wanted = |shown: &Shown| shown.time.is_some_and(|time| span.is_none_or(|span| span.contains(time)));
        let first = self.shown.iter().position(wanted);
        let last = self.shown.iter().rposition(wanted);
        FilmFrames::new(self, first.zip(last))
    }
}

impl std::fmt::Debug for Film {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Film({}, {} pictures, {} s)", self.path.display(), self.count, self.span.duration_s())
    }
}

/// Checks that a picture lies within the file.
fn store(path: &Path, len: u64, sample: &re_mp4::Sample) -> Result<Stored> {
    let end = super::check_range(path, len, sample)?;
    if sample.size > MAX_PICTURE_BYTES {
        return Err(CaptureError::TooLarge {
            path: path.to_owned(),
            unit: "bytes of one picture",
            found: sample.size,
            limit: MAX_PICTURE_BYTES,
        });
    }
    Ok(Stored { offset: end - sample.size, size: sample.size as u32, sync: sample.is_sync })
}

/// From a sample's composition time to the time on the recording's clock.
struct Clock {
    timescale: u64,
    movie_timescale: u64,
    edit: Edit,
    /// What the parser took off each composition time so that the smallest one is zero.
    shift: i64,
}

impl Clock {
    fn new(trak: &TrakBox, track: &Track, movie_timescale: u64) -> Self {
        let stbl = &trak.mdia.minf.stbl;
        // The first sample is decoded at zero, so that its composition time is its offset alone.
        let first_offset = stbl.ctts.as_ref().and_then(|ctts| ctts.entries.first()).map_or(0, |e| e.sample_offset);
        let in_movie_box = stbl.stsz.sample_count > 0;
        let shift = match track.samples.first() {
            Some(first) if in_movie_box => i64::from(first_offset).saturating_sub(first.composition_timestamp),
            _ => 0,
        };
        Self { timescale: track.timescale, movie_timescale, edit: Edit::first_of(trak), shift }
    }

    /// The composition time as stored, in ticks of the track.
    fn raw_time(&self, sample: &re_mp4::Sample) -> i64 {
        let offset = sample.composition_timestamp.saturating_sub(sample.decode_timestamp);
        // Fragments store signed offsets that the parser reads as unsigned ones.
        let wrapped = offset > i64::from(i32::MAX) && offset <= i64::from(u32::MAX);
        let time =
            if wrapped { sample.composition_timestamp.saturating_sub(1 << 32) } else { sample.composition_timestamp };
        time.saturating_add(self.shift)
    }

    fn shown_time(&self, raw: i64) -> Option<Timestamp> {
        let ticks = u64::try_from(raw).ok()?.checked_sub(self.edit.start)?;
        if let Some(length) = self.edit.length {
            let beyond =
                u128::from(ticks) * u128::from(self.movie_timescale) >= u128::from(length) * u128::from(self.timescale);
            if beyond {
                return None;
            }
        }
        let lead = Timestamp::from_ticks(self.edit.lead, self.movie_timescale);
        let time = Timestamp::from_ticks(ticks, self.timescale);
        Some(lead.saturating_add(std::time::Duration::from_nanos(time.as_nanos())))
    }
}
