//! Decoding of an H.264 track, one picture at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;

use openh264::decoder::{DecodeOptions, DecodedYUV, Decoder, Flush};

use crate::error::{CaptureError, Result};
use crate::video::RgbFrame;

use super::super::guard::guarded;
use super::super::open_ordinary;
use super::super::picture::MAX_SIDE;
use super::aspect;
use super::avc::{self, IDR, SPS, START_CODE};
use super::film::{Film, Looks};
use super::rgb;

/// The pictures of a [`Film`] within a stretch of time, in the order of display.
///
/// Holds the file, one compressed picture, the decoder's reference pictures, and at the end of the stretch the few
/// pictures that the decoder had kept back.
///
/// Each picture is decoded on a thread of its own, so that one that takes for ever is left behind with its decoder.
pub(crate) struct FilmFrames {
    film: Arc<Film>,
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
#[derive(Clone, Copy)]
struct Display {
    /// The next place.
    place: usize,
    /// The first and the last place that are wanted.
    wanted: Option<(usize, usize)>,
    /// The stored picture at which decoding began; earlier ones do not come out of the decoder.
    began: usize,
}

impl FilmFrames {
    /// The pictures at the places `wanted` (first and last) in the order of display.
    pub(super) fn new(film: Arc<Film>, wanted: Option<(usize, usize)>) -> Self {
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
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(None),
                State::Closed => self.begin()?,
                State::Decoding(decoding) => self.step(decoding)?,
            }
        }
    }

    /// Decodes the next stored picture; behind the last one, gets what the decoder kept back.
    fn step(&mut self, mut decoding: Box<Decoding>) -> Result<()> {
        let (film, index, mut display) = (Arc::clone(&self.film), self.next, self.display);
        let behind = index >= film.stored.len();
        if behind && decoding.flushed {
            return Err(display.damaged(&film, "pictures are missing".to_owned()));
        }
        let (decoding, display, frames) = guarded(&self.film.path, "openh264", &self.film.options, move || {
            let frames = if behind {
                decoding.flush(&film, &mut display)?
            } else {
                decoding.decode(&film, index, &mut display)?.into_iter().collect()
            };
            Ok((decoding, display, frames))
        })?;
        self.ready.extend(frames);
        self.display = display;
        self.next = index.saturating_add(1);
        self.state = State::Decoding(decoding);
        Ok(())
    }

    /// Opens the file and begins at the last picture from which all wanted ones can be decoded.
    fn begin(&mut self) -> Result<()> {
        let film = Arc::clone(&self.film);
        let (file, _) = open_ordinary(&film.path)?;
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
            if sync && decoding.read(&film, began, &self.display)? {
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

impl Iterator for FilmFrames {
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
        for unit in avc::units(&self.compressed, description.length_bytes) {
            let Ok(unit) = unit else {
                return Err(display.damaged(film, "a stored picture is shorter than its parts".to_owned()));
            };
            if unit.is_empty() {
                continue;
            }
            idr |= avc::kind(unit) == IDR;
            if avc::kind(unit) == SPS {
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
    fn flush(&mut self, film: &Film, display: &mut Display) -> Result<Vec<RgbFrame>> {
        self.flushed = true;
        let pictures = self.decoder.flush_remaining().map_err(|error| display.refused(film, &error))?;
        let mut frames = Vec::new();
        for picture in &pictures {
            frames.extend(display.take(film, picture, self.looks)?);
        }
        Ok(frames)
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
