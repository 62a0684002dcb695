//! The pictures of a recording, decoded as they are asked for.

use std::path::PathBuf;
use std::slice;
use std::time::Duration;

use crate::error::Result;
use crate::time::{Span, Timestamp};
use crate::video::RgbFrame;

use super::mp4::{Film, FilmFrames};
use super::picture;

/// The pictures of a recording in the order of time.
///
/// It holds no decoded picture: each pass decodes anew, one picture after the other.
#[derive(Debug)]
pub struct Pictures {
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// One picture that stands for the whole clip.
    Still(Picture),
    /// Picture files, each with its time, and the time at which the last one ends.
    Files(Vec<Picture>, Span),
    /// The picture track of an mp4.
    Film(Film),
}

/// A picture file and when it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) path: PathBuf,
    pub(crate) time: Timestamp,
}

impl Pictures {
    /// The picture at `path`, for a whole clip.
    pub(crate) fn still(path: PathBuf) -> Self {
        Self { source: Source::Still(Picture { path, time: Timestamp::ZERO }) }
    }

    /// Picture files in the order of time, the last of which is shown for `last`.
    pub(crate) fn files(files: Vec<Picture>, last: Duration) -> Result<Self> {
        let start = files.first().map_or(Timestamp::ZERO, |picture| picture.time);
        let end = files.last().map_or(Timestamp::ZERO, |picture| picture.time.saturating_add(last));
        Ok(Self { source: Source::Files(files, Span::new(start, end)?) })
    }

    pub(crate) fn film(film: Film) -> Self {
        Self { source: Source::Film(film) }
    }

    /// From the time of the first picture to the time at which the last one ends.
    ///
    /// A picture that stands for a whole clip has no time of its own: the span is empty, at zero.
    #[must_use]
    pub fn span(&self) -> Span {
        match &self.source {
            Source::Still(_) => Span::until(Timestamp::ZERO),
            Source::Files(_, span) => *span,
            Source::Film(film) => film.span(),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.source {
            Source::Still(_) => 1,
            Source::Files(files, _) => files.len(),
            Source::Film(film) => film.count(),
        }
    }

    /// Whether this is one picture that stands for a whole clip; it is then within every span.
    #[must_use]
    pub fn is_still(&self) -> bool {
        matches!(self.source, Source::Still(_))
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
            Source::Still(picture) => Pass::Files(slice::from_ref(picture).iter()),
            Source::Files(files, _) => {
                let (from, to) = span.map_or((0, files.len()), |span| {
                    let from = files.partition_point(|picture| picture.time < span.start());
                    (from, files.partition_point(|picture| picture.time < span.end()).max(from))
                });
                Pass::Files(files.get(from..to).unwrap_or_default().iter())
            }
            Source::Film(film) => Pass::Film(Box::new(film.frames(span))),
        };
        Frames { pass }
    }
}

/// A pass over [`Pictures`] in the order of time; decodes one picture at each step.
///
/// After an error it gives nothing more of a film; of picture files, it goes on with the next one.
pub struct Frames<'a> {
    pass: Pass<'a>,
}

enum Pass<'a> {
    Files(slice::Iter<'a, Picture>),
    Film(Box<FilmFrames<'a>>),
}

impl Iterator for Frames<'_> {
    type Item = Result<RgbFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.pass {
            Pass::Files(files) => files.next().map(|file| picture::decode(&file.path, file.time)),
            Pass::Film(film) => film.next(),
        }
    }
}
