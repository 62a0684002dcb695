//! Decoding of an H.264 track, one picture at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use openh264::decoder::{DecodeOptions, DecodedYUV, Decoder, Flush};

use crate::error::{CaptureError, Result};
use crate::video::RgbFrame;

use super::super::picture::MAX_SIDE;
use super::aspect;
use super::film::{Film, Looks};
use super::rgb;

/// What stands before each NAL unit in a byte stream (H.264 annex B).
pub(super) const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// The NAL unit types of a picture that needs no earlier one, and of sequence and picture parameter sets.
const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;

/// The type of a NAL unit.
fn kind(unit: &[u8]) -> u8 {
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

/// The NAL units of a stored picture, each behind its length of `length_bytes` bytes; a fault ends them.
pub(super) fn units(picture: &[u8], length_bytes: usize) -> impl Iterator<Item = std::result::Result<&[u8], ()>> {
    let mut rest = picture;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let parts = rest.split_at_checked(length_bytes).and_then(|(length, after)| {
            let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            after.split_at_checked(length)
        });
        let Some((unit, after)) = parts else {
            rest = &[];
            return Some(Err(()));
        };
        rest = after;
        Some(Ok(unit))
    })
}

/// The pictures of a [`Film`] within a stretch of time, in the order of display.
///
/// Holds the file, one compressed picture, the decoder's reference pictures, and at the end of the stretch the few
/// pictures that the decoder had kept back.
pub(crate) struct FilmFrames<'a> {
    film: &'a Film,
    state: State,
    display: Display,
    /// Pictures that are due.
    ready: VecDeque<RgbFrame>,
    /// The next picture to decode.
    next: usize,
}

enum State {
    Closed,
    Decoding(Box<Decoding>),
    Ended,
}

struct Decoding {
    file: File,
    decoder: Decoder,
    flushed: bool,
    compressed: Vec<u8>,
    stream: Vec<u8>,
    /// The sample description whose parameter sets the decoder has.
    description: Option<u16>,
    /// As the latest parameter set says.
    looks: Option<Looks>,
}

/// Which decoded picture stands where in the order of display.
struct Display {
    /// The next place.
    place: usize,
    /// The first and the last place that are wanted.
    wanted: Option<(usize, usize)>,
    /// The stored picture at which decoding began; earlier ones do not come out of the decoder.
    began: usize,
}

impl<'a> FilmFrames<'a> {
    /// The pictures at the places `wanted` (first and last) in the order of display.
    pub(super) fn new(film: &'a Film, wanted: Option<(usize, usize)>) -> Self {
        let display = Display { place: 0, wanted, began: 0 };
        let state = if wanted.is_some() { State::Closed } else { State::Ended };
        Self { film, state, display, ready: VecDeque::new(), next: 0 }
    }

    fn advance(&mut self) -> Result<Option<RgbFrame>> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(Some(frame));
            }
            if self.display.is_complete() {
                return Ok(None);
            }
            match &mut self.state {
                State::Ended => return Ok(None),
                State::Closed => self.begin()?,
                State::Decoding(decoding) => {
                    if self.next < self.film.stored.len() {
                        self.ready.extend(decoding.decode(self.film, self.next, &mut self.display)?);
                        self.next += 1;
                    } else if !decoding.flushed {
                        decoding.flush(self.film, &mut self.display, &mut self.ready)?;
                    } else {
                        return Err(self.display.damaged(self.film, "pictures are missing".to_owned()));
                    }
                }
            }
        }
    }

    /// Opens the file and begins at the last picture from which all wanted ones can be decoded.
    fn begin(&mut self) -> Result<()> {
        let film = self.film;
        let io = |source| CaptureError::Io { path: film.path.clone(), action: "open it", source };
        let file = File::open(&film.path).map_err(io)?;
        let decoder = Decoder::new().map_err(|error| CaptureError::DecoderFault {
            path: film.path.clone(),
            library: "openh264",
            reason: error.to_string(),
        })?;
        let mut decoding = Box::new(Decoding {
            file,
            decoder,
            flushed: false,
            compressed: Vec::new(),
            stream: Vec::new(),
            description: None,
            looks: None,
        });
        let (first, last) = self.display.wanted.unwrap_or_default();
        let wanted = film.shown.get(first..=last).unwrap_or_default();
        let mut began = wanted.iter().map(|shown| shown.index).min().unwrap_or_default();
        // The table may call a picture a sync sample that only is a good place to tune in; the stream itself decides.
        while began > 0 {
            let sync = film.stored.get(began).is_some_and(|stored| stored.sync);
            if sync && decoding.read(film, began, &self.display)? {
                break;
            }
            began -= 1;
        }
        self.display.began = began;
        self.next = began;
        self.state = State::Decoding(decoding);
        Ok(())
    }
}

impl Iterator for FilmFrames<'_> {
    type Item = Result<RgbFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = self.advance();
        if !matches!(outcome, Ok(Some(_))) {
            self.state = State::Ended;
            self.display.wanted = None;
            self.ready.clear();
        }
        outcome.transpose()
    }
}

impl Decoding {
    /// Reads the stored picture `index` and writes its byte stream to `stream`; tells whether it is an IDR picture.
    fn read(&mut self, film: &Film, index: usize, display: &Display) -> Result<bool> {
        let Some(stored) = film.stored.get(index) else {
            return Ok(false);
        };
        let Some(description) = film.descriptions.get(usize::from(stored.description)) else {
            return Ok(false);
        };
        stored.read(&film.path, &mut self.file, &mut self.compressed)?;
        self.stream.clear();
        let mut idr = false;
        for unit in units(&self.compressed, description.length_bytes) {
            let Ok(unit) = unit else {
                return Err(display.damaged(film, "a stored picture is shorter than its parts".to_owned()));
            };
            if unit.is_empty() {
                continue;
            }
            idr |= kind(unit) == IDR;
            if kind(unit) == SPS {
                description.check(&film.path, unit, &film.options)?;
                self.looks = description.looks_of(unit).or(self.looks);
            }
            self.stream.extend_from_slice(&START_CODE);
            self.stream.extend_from_slice(unit);
        }
        Ok(idr)
    }

    /// Decodes the stored picture `index`; gives the one that is due after it, if any.
    fn decode(&mut self, film: &Film, index: usize, display: &mut Display) -> Result<Option<RgbFrame>> {
        let number = film.stored.get(index).map(|stored| stored.description);
        if let Some(description) = number.and_then(|number| film.descriptions.get(usize::from(number)))
            && self.description != number
        {
            self.looks = description.looks.or(self.looks);
        }
        self.read(film, index, display)?;
        if self.description != number {
            self.description = number;
            let sets = number.and_then(|number| film.descriptions.get(usize::from(number)));
            self.stream.splice(0..0, sets.into_iter().flat_map(|sets| sets.parameter_sets.iter().copied()));
        }
        // Flushing after each picture would break the order of streams with B pictures.
        let options = DecodeOptions::new().flush_after_decode(Flush::NoFlush);
        match self.decoder.decode_with_options(&self.stream, options) {
            Ok(Some(picture)) => display.take(film, &picture, self.looks),
            Ok(None) => Ok(None),
            Err(error) => Err(display.refused(film, &error)),
        }
    }

    /// Gets the pictures that the decoder kept back for the order of display.
    fn flush(&mut self, film: &Film, display: &mut Display, ready: &mut VecDeque<RgbFrame>) -> Result<()> {
        self.flushed = true;
        let pictures = self.decoder.flush_remaining().map_err(|error| display.refused(film, &error))?;
        for picture in &pictures {
            ready.extend(display.take(film, picture, self.looks)?);
        }
        Ok(())
    }
}

impl Display {
    /// Whether everything wanted has come.
    fn is_complete(&self) -> bool {
        self.wanted.is_none_or(|(_, last)| self.place > last)
    }

    /// Gives the decoder's next picture its place, and converts it where it is wanted.
    fn take(&mut self, film: &Film, picture: &DecodedYUV<'_>, looks: Option<Looks>) -> Result<Option<RgbFrame>> {
        let Some(rest) = film.shown.get(self.place..) else {
            return Ok(None);
        };
        let Some(ahead) = rest.iter().position(|shown| shown.index >= self.began) else {
            return Ok(None);
        };
        let place = self.place + ahead;
        self.place = place;
        let wanted = self.wanted.is_some_and(|(first, last)| (first..=last).contains(&place));
        let time = film.shown.get(place).and_then(|shown| shown.time).filter(|_| wanted);
        let frame = match time {
            Some(time) => {
                let Looks { colours, pixel } = looks.unwrap_or_default();
                let upright = rgb::convert(picture, colours, film.orientation, MAX_SIDE)
                    .ok_or_else(|| self.damaged(film, format!("a picture is empty or wider than {MAX_SIDE}")))?;
                let (across, down) = pixel;
                let pixel = if film.orientation.swaps_sides() { (down, across) } else { pixel };
                let (width, height, data) = aspect::square(upright, pixel, MAX_SIDE);
                Some(RgbFrame::new(width, height, data, time)?)
            }
            None => None,
        };
        self.place = place + 1;
        Ok(frame)
    }

    fn refused(&self, film: &Film, error: &openh264::Error) -> CaptureError {
        log::debug!("{}: {error}", film.path.display());
        self.damaged(film, "the H.264 decoder cannot read this picture".to_owned())
    }

    fn damaged(&self, film: &Film, reason: String) -> CaptureError {
        let times = film.shown.get(self.place..).unwrap_or_default();
        let time = times.iter().find_map(|shown| shown.time).unwrap_or(film.span().end());
        CaptureError::Damaged { path: film.path.clone(), position_s: time.as_secs_f64(), reason }
    }
}
