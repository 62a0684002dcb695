//! Films: mp4 and its relatives.

mod aspect;
mod boxes;
mod edits;
mod entry;
mod film;
mod fragments;
mod h264;
mod movie;
mod orientation;
mod rgb;
mod samples;
mod sound;
mod sps;

use std::fs::File;
use std::path::Path;

use crate::error::{CaptureError, Result};

use super::options::ReadOptions;
use super::{Media, Pictures};

use boxes::Origin;
use entry::SoundEntry;
pub(crate) use film::Film;
use film::Clock;
use fragments::Gathered;
pub(crate) use h264::FilmFrames;
use movie::Movie;
use orientation::Orientation;
use samples::{Budget, Sample};
use sound::{Decoding, SoundTrack, is_of_the_file};

/// Reads the mp4 at `path`, `len` bytes long, opened at its start.
///
/// Sound and pictures stand for themselves: what cannot be read of one leaves the other, and a note.
pub(super) fn open(path: &Path, mut file: File, len: u64, options: &ReadOptions) -> Result<Media> {
    let origin = Origin { path, len };
    let scan = boxes::scan(&origin, &mut file, options.memory / 4)?;
    let movie = Movie::parse(&scan.movie).map_err(|reason| origin.malformed(reason))?;
    let entries: Vec<_> = movie.tracks.iter().map(sound_entry).collect();
    let mut notes = Vec::new();
    let samples = gather(&origin, &mut file, &scan, &movie, &entries, options, &mut notes)?;
    let begin_s = begin(&movie, &samples);
    if begin_s > 1.0 {
        notes.push(format!("Its clock begins at {begin_s:.3} s; times count from there."));
    }

    let film = choose_film(&origin, &mut file, &movie, &samples, begin_s, options, &mut notes)?;
    let tracks: Vec<SoundTrack<'_>> = movie
        .tracks
        .iter()
        .zip(&samples)
        .zip(entries)
        .filter_map(|((track, samples), entry)| Some((track, samples, entry?)))
        .zip(1..)
        .map(|((track, samples, entry), number)| SoundTrack { number, track, samples, entry })
        .collect();
    let decoding = Decoding { origin, movie: &movie, begin_s, options };
    let sound = decoding.choose(&tracks, &mut notes);

    let (audio, pictures) = match (sound, film) {
        (Err(error), _) if is_of_the_file(&error) || options.sound_track.is_some() => return Err(error),
        (Err(error), Ok(Some(film))) => {
            notes.push(format!("No sound: {}.", reason(path, &error)));
            (None, Some(film))
        }
        (Ok(Some(audio)), Err(error)) => {
            notes.push(format!("No picture: {}.", reason(path, &error)));
            (Some(audio), None)
        }
        (_, Err(error)) | (Err(error), Ok(None)) => return Err(error),
        (Ok(audio), Ok(film)) => (audio, film),
    };
    if audio.is_none() && pictures.is_none() {
        return Err(CaptureError::NoMedia { path: path.to_owned() });
    }
    Ok(Media { path: path.to_owned(), audio, pictures: pictures.map(Pictures::film), notes })
}

/// What an error says, without the file's name in front of it.
fn reason(path: &Path, error: &CaptureError) -> String {
    let text = error.to_string();
    text.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&text).to_owned()
}

/// The description of a sound track; none for other tracks.
fn sound_entry(track: &movie::Track<'_>) -> Option<std::result::Result<SoundEntry, String>> {
    (&track.handler == b"soun").then(|| match track.entries.first() {
        Some((kind, body)) => SoundEntry::parse(*kind, body),
        None => Err("its sound has no description".to_owned()),
    })
}

/// The samples of each track of sound or pictures, those of the fragments included.
fn gather(
    origin: &Origin<'_>,
    file: &mut File,
    scan: &boxes::Scan,
    movie: &Movie<'_>,
    entries: &[Option<std::result::Result<SoundEntry, String>>],
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Vec<Sample>>> {
    let mut budget = Budget::of(options.memory / 2);
    let mut found = Vec::new();
    for (track, entry) in movie.tracks.iter().zip(entries) {
        let wanted = matches!(&track.handler, b"vide" | b"soun");
        let block = entry.as_ref().and_then(|entry| entry.as_ref().ok()?.block);
        found.push(if wanted { samples::from_tables(origin, track, block, &mut budget)? } else { Vec::new() });
    }
    let mut gathered = Gathered::new(found);
    let (mut whole, mut cut) = (0_u32, scan.cut);
    for (place, (start, body, end)) in scan.fragments.iter().enumerate() {
        if !movie.fragmented {
            break;
        }
        let moof = origin.read(file, *body, *end, options.memory / 4)?;
        let mark = gathered.mark();
        gathered.add(origin, &movie.tracks, *start, &moof, &mut budget)?;
        let reach = gathered.reach_since(&mark);
        if reach > origin.len {
            if place + 1 < scan.fragments.len() {
                return Err(origin.truncated(reach));
            }
            gathered.back_to(&mark);
            cut = Some(reach);
        } else if reach > 0 {
            whole += 1;
        }
    }
    match cut {
        Some(expected) if whole == 0 => return Err(origin.truncated(expected)),
        Some(_) => notes.push("The file is cut short within its last fragment; what comes before is used.".to_owned()),
        None => (),
    }
    Ok(gathered.samples)
}

/// The time in seconds at which the first sample of a film without samples in its index is decoded: pieces of a broadcast keep the
/// broadcast's clock.
fn begin(movie: &Movie<'_>, samples: &[Vec<Sample>]) -> f64 {
    if !movie.fragmented {
        return 0.0;
    }
    let begins = movie.tracks.iter().zip(samples).filter_map(|(track, samples)| {
        let ticks = samples.first()?.decoded_at.saturating_sub(track.edit.start);
        Some(track.edit.lead as f64 / movie.timescale as f64 + ticks as f64 / track.timescale as f64)
    });
    begins.reduce(f64::min).unwrap_or(0.0)
}

/// The first enabled picture track that can be read, else the first one that can; why there is none, where there are some.
///
/// # Errors
/// The outer one if the file is damaged.
fn choose_film(
    origin: &Origin<'_>,
    file: &mut File,
    movie: &Movie<'_>,
    samples: &[Vec<Sample>],
    begin_s: f64,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<Result<Option<Film>>> {
    let candidates = || {
        movie.tracks.iter().zip(samples).filter(|(track, samples)| {
            &track.handler == b"vide" && !samples.is_empty() && !movie.is_chapters(track.id)
        })
    };
    let clock = Clock { movie: movie.timescale, origin: (begin_s * 1e9).round() as u64 };
    let enabled = candidates().filter(|(track, _)| track.enabled);
    let disabled = candidates().filter(|(track, _)| !track.enabled);
    let mut refused = None;
    for (track, samples) in enabled.chain(disabled) {
        match Film::new(origin, file, track, samples, clock, options) {
            Ok(film) => {
                if candidates().count() > 1 {
                    let number = candidates().position(|(other, _)| other.id == track.id).unwrap_or(0) + 1;
                    notes.push(format!("It has several picture tracks; number {number} is used."));
                }
                if track.edit.more {
                    notes.push("The edit list of its picture track has several parts; the track is read in one piece.".to_owned());
                }
                if !Orientation::from_matrix(track.matrix).1 {
                    notes.push("Its pictures are stored scaled or skewed; they are only turned and mirrored.".to_owned());
                }
                return Ok(Ok(Some(film)));
            }
            Err(error) if is_of_the_file(&error) => return Err(error),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Ok(refused.map_or(Ok(None), Err))
}
