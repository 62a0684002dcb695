//! The pictures of a recording, decoded as they are asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use crate::error::{CaptureError, Result};
use crate::time::{Span, Timestamp};
use crate::video::RgbFrame;

use super::mp4::{Film, FilmFrames};
use super::options::ReadOptions;
use super::picture;

/// The pictures of a recording in the order of time.
///
/// It holds no decoded picture: each pass decodes anew, one picture after the other.
#[derive(Debug)]
pub struct Pictures {
    source: Source,
    options: ReadOptions,
}

#[derive(Debug)]
enum Source {
    /// One picture that stands for the whole clip.
    Still(Picture),
    /// Picture files.
    Files(Files),
    /// The picture track of an mp4.
    Film(Film),
}

/// Picture files, each with its time.
#[derive(Debug)]
struct Files {
    pictures: Vec<Picture>,
    /// From the first one to the time at which the last one ends.
    span: Span,
    /// Those that a pass could not read, by their places, and why.
    unread: Mutex<BTreeMap<usize, String>>,
}

/// A picture file and when it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) path: PathBuf,
    pub(crate) time: Timestamp,
}

impl Pictures {
    /// The picture at `path`, for a whole clip.
    pub(crate) fn still(path: PathBuf, options: &ReadOptions) -> Self {
        let picture = Picture { path, time: Timestamp::ZERO };
        Self { source: Source::Still(picture), options: options.clone() }
    }

    /// Picture files in the order of time, the last of which is shown for `last`.
    pub(crate) fn files(pictures: Vec<Picture>, last: Duration, options: &ReadOptions) -> Result<Self> {
        let start = pictures.first().map_or(Timestamp::ZERO, |picture| picture.time);
        let end = pictures.last().map_or(Timestamp::ZERO, |picture| picture.time.saturating_add(last));
        let files = Files { pictures, span: Span::new(start, end)?, unread: Mutex::default() };
        Ok(Self { source: Source::Files(files), options: options.clone() })
    }

    pub(crate) fn film(film: Film) -> Self {
        let options = film.options().clone();
        Self { source: Source::Film(film), options }
    }

    /// From the time of the first picture to the time at which the last one ends.
    ///
    /// A picture that stands for a whole clip has no time of its own: the span is empty, at zero.
    #[must_use]
    pub fn span(&self) -> Span {
        match &self.source {
            Source::Still(_) => Span::until(Timestamp::ZERO),
            Source::Files(files) => files.span,
            Source::Film(film) => film.span(),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.source {
            Source::Still(_) => 1,
            Source::Files(files) => files.pictures.len(),
            Source::Film(film) => film.count(),
        }
    }

    /// Whether this is one picture that stands for a whole clip; it is then within every span.
    #[must_use]
    pub fn is_still(&self) -> bool {
        matches!(self.source, Source::Still(_))
    }

    /// A sentence on the pictures of a folder that the passes so far could not read and left out; none where they read all.
    #[must_use]
    pub fn left_out(&self) -> Option<String> {
        let Source::Files(files) = &self.source else {
            return None;
        };
        let unread = files.unread.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (_, reason) = unread.first_key_value()?;
        let (count, of) = (unread.len(), files.pictures.len());
        Some(format!("Pictures that cannot be read: {count} of {of}, left out; the first is {reason}."))
    }

    /// All pictures.
    #[must_use]
    pub fn frames(&self) -> Frames<'_> {
        self.within(None)
    }

    /// The pictures whose time is within `span`, all of them where none.
    ///
    /// Of a film, decoding begins at the last key picture from which they can be decoded and ends with the last one
    /// of them.
    #[must_use]
    pub fn within(&self, span: Option<Span>) -> Frames<'_> {
        let pass = match &self.source {
            Source::Still(picture) => Pass::Still(Some(picture)),
            Source::Files(files) => {
                let pictures = &files.pictures;
                let (from, to) = span.map_or((0, pictures.len()), |span| {
                    let from = pictures.partition_point(|picture| picture.time < span.start());
                    (from, pictures.partition_point(|picture| picture.time < span.end()).max(from))
                });
                Pass::Files(files, from..to)
            }
            Source::Film(film) => Pass::Film(Box::new(film.frames(span))),
        };
        Frames { pass, options: &self.options }
    }
}

/// A pass over [`Pictures`] in the order of time; decodes one picture at each step.
///
/// After an error it gives nothing more of a film. Damaged pictures of a folder are left out: [`Pictures::left_out`] tells of them.
pub struct Frames<'a> {
    pass: Pass<'a>,
    options: &'a ReadOptions,
}

enum Pass<'a> {
    Still(Option<&'a Picture>),
    Files(&'a Files, std::ops::Range<usize>),
    Film(Box<FilmFrames<'a>>),
}

impl Iterator for Frames<'_> {
    type Item = Result<RgbFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.pass {
            Pass::Still(picture) => picture.take().map(|file| picture::decode(&file.path, file.time, self.options)),
            Pass::Files(files, places) => {
                for place in places {
                    let file = files.pictures.get(place)?;
                    match picture::decode(&file.path, file.time, self.options) {
                        // The system's refusal is no fault of the one picture.
                        Err(error) if !matches!(error, CaptureError::Io { .. }) => files.leave_out(place, &error),
                        outcome => return Some(outcome),
                    }
                }
                None
            }
            Pass::Film(film) => film.next(),
        }
    }
}

impl Files {
    fn leave_out(&self, place: usize, error: &CaptureError) {
        let mut unread = self.unread.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Only the first reason is told.
        let first = unread.keys().next().is_none_or(|first| place <= *first);
        unread.insert(place, if first { error.to_string() } else { String::new() });
    }
}
