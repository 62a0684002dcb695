//! The picture track of an mp4: where its pictures are stored and when they are shown.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{CaptureError, Result};
use crate::time::{Span, Timestamp};

use super::super::convert;
use super::super::options::ReadOptions;
use super::super::picture::MAX_SIDE;
use super::boxes::Origin;
use super::edits::Edit;
use super::entry::{PictureCodec, PictureEntry};
use super::h264::{self, FilmFrames};
use super::movie::Track;
use super::orientation::Orientation;
use super::rgb::Colours;
use super::samples::{self, Sample};
use super::sps::Sps;

/// The largest stored picture accepted; uncompressed 8192 x 8192 would be three times this.
const MAX_PICTURE_BYTES: u64 = 64 << 20;
/// How many stored pictures are looked at for parameter sets that the description lacks.
const MAX_LOOKED_AT: usize = 32;
/// Pictures that the decoder holds beside those that it must keep for reference.
const DECODER_PICTURES: u64 = 4;

/// An H.264 track, ready to be decoded from any of its pictures on.
pub(crate) struct Film {
    pub(super) path: PathBuf,
    pub(super) options: ReadOptions,
    /// The descriptions of its pictures.
    pub(super) descriptions: Vec<Description>,
    /// In the order of decoding.
    pub(super) stored: Vec<Stored>,
    /// In the order of display; one entry for each stored picture.
    pub(super) shown: Vec<Shown>,
    pub(super) orientation: Orientation,
    count: usize,
    span: Span,
}

/// How the pictures of one sample description are stored and looked at.
#[derive(Clone, Debug)]
pub(super) struct Description {
    /// SPS and PPS, each behind a start code.
    pub(super) parameter_sets: Vec<u8>,
    /// Bytes of the length before each NAL unit: 1, 2 or 4 (ISO/IEC 14496-15, the configuration record of AVC).
    pub(super) length_bytes: usize,
    /// As its parameter sets say.
    pub(super) looks: Option<Looks>,
    /// As the container tells: its pixels go before the stream's, its colours behind.
    pixel: Option<(u32, u32)>,
    colour: Option<(u8, Option<bool>)>,
}

/// How pictures are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looks {
    pub(super) colours: Colours,
    /// Width over height of a pixel.
    pub(super) pixel: (u32, u32),
}

impl Default for Looks {
    fn default() -> Self {
        Self { colours: Colours::told(None, None), pixel: (1, 1) }
    }
}

/// A compressed picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) offset: u64,
    pub(super) size: u32,
    /// Its description's place.
    pub(super) description: u16,
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

/// The clock of a film.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// Ticks a second of the movie.
    pub(super) movie: u64,
    /// The movie's time that counts as zero, in nanoseconds.
    pub(super) origin: u64,
}

impl Film {
    /// Reads the picture `track` with `samples` in the file `origin`.
    ///
    /// # Errors
    /// [`CaptureError::Truncated`] if a picture lies beyond the file, [`CaptureError::Convert`] for pictures that no decoder here
    /// knows, [`CaptureError::TooLarge`], [`CaptureError::Malformed`].
    pub(super) fn new(
        origin: &Origin<'_>,
        file: &mut File,
        track: &Track<'_>,
        samples: &[Sample],
        clock: Clock,
        options: &ReadOptions,
    ) -> Result<Self> {
        samples::check(origin, samples, "pictures", MAX_PICTURE_BYTES, "bytes of one picture")?;
        let stored: Vec<Stored> = samples.iter().map(Stored::of).collect();
        let mut descriptions = Vec::new();
        for (place, (kind, body)) in track.entries.iter().enumerate() {
            let used = stored.iter().any(|stored| usize::from(stored.description) == place);
            if used || place == 0 {
                let entry = PictureEntry::parse(*kind, body).map_err(|reason| origin.malformed(reason))?;
                descriptions.push(description(origin, file, entry, &stored, place, options)?);
            } else if let Some(first) = descriptions.first().cloned() {
                descriptions.push(first);
            }
        }
        if stored.iter().any(|stored| usize::from(stored.description) >= descriptions.len()) {
            return Err(origin.malformed("its pictures have no description"));
        }

        let clock = PictureClock { clock, timescale: track.timescale, edit: track.edit };
        let time = |sample: &Sample| i64::try_from(sample.decoded_at).unwrap_or(i64::MAX).saturating_add(sample.shift.into());
        let mut order: Vec<(i64, usize)> =
            samples.iter().enumerate().map(|(index, sample)| (time(sample), index)).collect();
        order.sort_unstable();
        let shown: Vec<Shown> =
            order.iter().map(|&(time, index)| Shown { index, time: clock.shown_time(time) }).collect();

        let mut times = shown.iter().filter_map(|shown| shown.time);
        let first = times.next().ok_or_else(|| origin.malformed("its edit list leaves no picture"))?;
        let last = times.next_back().unwrap_or(first);
        // The last picture in the order of display is not the last one stored; what it takes is the usual period.
        let period = samples.iter().map(|sample| sample.duration).find(|duration| *duration > 0).unwrap_or(1);
        let period = Duration::from_nanos(Timestamp::from_ticks(period.into(), track.timescale).as_nanos());
        Ok(Self {
            path: origin.path.to_owned(),
            options: options.clone(),
            descriptions,
            count: shown.iter().filter(|shown| shown.time.is_some()).count(),
            stored,
            shown,
            orientation: Orientation::from_matrix(track.matrix).0,
            span: Span::new(first, last.saturating_add(period))?,
        })
    }

    pub(crate) fn span(&self) -> Span {
        self.span
    }

    pub(crate) fn options(&self) -> &ReadOptions {
        &self.options
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

impl Stored {
    fn of(sample: &Sample) -> Self {
        Self { offset: sample.offset, size: sample.size, description: sample.entry, sync: sample.sync }
    }

    /// Reads the compressed picture from `file` at `path` into `bytes`.
    pub(super) fn read(&self, path: &Path, file: &mut File, bytes: &mut Vec<u8>) -> Result<()> {
        let io = |source| CaptureError::Io { path: path.to_owned(), action: "read it", source };
        bytes.resize(self.size as usize, 0);
        file.seek(SeekFrom::Start(self.offset)).and_then(|_| file.read_exact(bytes)).map_err(io)
    }
}

/// Makes the description at `place` ready: its parameter sets from its configuration, or from the stream where that has none.
fn description(
    origin: &Origin<'_>,
    file: &mut File,
    entry: PictureEntry,
    stored: &[Stored],
    place: usize,
    options: &ReadOptions,
) -> Result<Description> {
    let (length_bytes, sets, profile) = match entry.codec {
        PictureCodec::H264 { length_bytes, sets, profile } => (length_bytes, sets, profile),
        PictureCodec::Other(name) => return Err(unread(origin.path, &name)),
    };
    let told = Description { parameter_sets: Vec::new(), length_bytes, looks: None, pixel: entry.pixel, colour: entry.colour };
    if !sets.iter().any(|set| Sps::parse(set).is_some()) {
        // Where the sets are in the stream, they stand in front of the pictures that need them.
        let mut bytes = Vec::new();
        let mine = stored.iter().filter(|stored| usize::from(stored.description) == place);
        for picture in mine.take(MAX_LOOKED_AT) {
            picture.read(origin.path, file, &mut bytes)?;
            let units = h264::units(&bytes, length_bytes).map_while(std::result::Result::ok);
            let found: Vec<&[u8]> = units.filter(|unit| h264::is_parameter_set(unit)).collect();
            if found.iter().any(|unit| Sps::parse(unit).is_some()) {
                found.iter().try_for_each(|set| told.check(origin.path, set, options))?;
                return Ok(told.with_sets(&found));
            }
        }
        if let Some(profile) = profile.filter(|profile| !matches!(profile, 66 | 77 | 88 | 100)) {
            return Err(unread(origin.path, &profile_name(profile)));
        }
        return Err(origin.malformed("neither its description nor its first pictures hold H.264 parameter sets"));
    }
    for set in &sets {
        told.check(origin.path, set, options)?;
    }
    Ok(told.with_sets(&sets))
}

impl Description {
    fn with_sets(mut self, sets: &[impl AsRef<[u8]>]) -> Self {
        self.looks = sets.iter().find_map(|set| self.looks_of(set.as_ref()));
        self.parameter_sets = h264::byte_stream(sets);
        self
    }

    /// Checks that the pictures of a parameter set can be decoded here; units of other types pass.
    pub(super) fn check(&self, path: &Path, unit: &[u8], options: &ReadOptions) -> Result<()> {
        let Some(sps) = Sps::parse(unit) else {
            return Ok(());
        };
        if !matches!(sps.profile, 66 | 77 | 88 | 100) {
            return Err(unread(path, &profile_name(sps.profile)));
        }
        if sps.chroma != 1 || sps.bits != 8 {
            let what = format!("H.264 pictures of {} bits in colour format {}", sps.bits, sps.chroma);
            return Err(unread(path, &what));
        }
        if sps.interlaced {
            return Err(CaptureError::Convert {
                path: path.to_owned(),
                found: "a film of interlaced H.264 pictures".to_owned(),
                command: convert::deinterlaced(path),
            });
        }
        let side = sps.width.max(sps.height);
        // Cropping takes less than a macroblock away.
        if side > u64::from(MAX_SIDE) + 15 {
            let unit = "pixels in a row or column";
            return Err(CaptureError::TooLarge { path: path.to_owned(), unit, found: side, limit: MAX_SIDE.into() });
        }
        let pixels = sps.width.saturating_mul(sps.height);
        let kept = u64::from(sps.references).saturating_add(DECODER_PICTURES);
        // Half as much again for colour, then the picture in RGB, twice while it is stretched.
        let needed = (pixels * 3 / 2).saturating_mul(kept).saturating_add(pixels * 6);
        if needed > options.memory {
            let unit = "bytes of memory for its decoder";
            return Err(CaptureError::TooLarge { path: path.to_owned(), unit, found: needed, limit: options.memory });
        }
        Ok(())
    }

    /// How the pictures of the parameter set `unit` are looked at; none for units of other types.
    pub(super) fn looks_of(&self, unit: &[u8]) -> Option<Looks> {
        let sps = Sps::parse(unit)?;
        let known = |matrix: &u8| *matrix != 2;
        let matrix = sps.matrix.filter(known).or(self.colour.map(|(matrix, _)| matrix).filter(known));
        let full = sps.full_range.or(self.colour.and_then(|(_, full)| full));
        // Players believe the container's pixels before the stream's.
        let pixel = self.pixel.or(sps.pixel).unwrap_or((1, 1));
        Some(Looks { colours: Colours::told(matrix, full), pixel })
    }
}

/// The error for pictures in a `codec` that is not read here.
fn unread(path: &Path, codec: &str) -> CaptureError {
    CaptureError::Convert { path: path.to_owned(), found: format!("a film in {codec}"), command: convert::film(path) }
}

/// The name of a profile that no decoder here knows.
fn profile_name(profile: u8) -> String {
    let name = match profile {
        44 => "CAVLC 4:4:4 Intra, ",
        110 => "High 10, ",
        122 => "High 4:2:2, ",
        118 | 128 => "of several views, ",
        244 => "High 4:4:4, ",
        _ => "",
    };
    format!("H.264 profile {profile} ({name}more than 8 bits or other than 4:2:0)")
}

/// From a sample's composition time to the time on the recording's clock.
struct PictureClock {
    clock: Clock,
    timescale: u64,
    edit: Edit,
}

impl PictureClock {
    fn shown_time(&self, raw: i64) -> Option<Timestamp> {
        let ticks = u64::try_from(raw).ok()?.checked_sub(self.edit.start)?;
        if let Some(length) = self.edit.length {
            let beyond = u128::from(ticks) * u128::from(self.clock.movie) >= u128::from(length) * u128::from(self.timescale);
            if beyond {
                return None;
            }
        }
        let lead = Timestamp::from_ticks(self.edit.lead, self.clock.movie);
        let time = Timestamp::from_ticks(ticks, self.timescale);
        let shown = lead.saturating_add(Duration::from_nanos(time.as_nanos()));
        Some(shown.saturating_sub(Duration::from_nanos(self.clock.origin)))
    }
}
