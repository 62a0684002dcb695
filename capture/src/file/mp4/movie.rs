//! The index of an mp4: its clock, its tracks, and what fragments need to know (ISO/IEC 14496-12 sections 8.2 to 8.8).

use super::boxes::{Boxes, Kind, be16, be32, be32_signed, be64};
use super::edits::Edit;
use super::orientation::Matrix;

/// More tracks than any camera or mixing desk writes.
const MAX_TRACKS: usize = 256;
/// More descriptions than any track has.
const MAX_ENTRIES: usize = 64;

/// What parsing gives: the value, or what was found wrong.
pub(super) type Parsed<T> = std::result::Result<T, String>;

/// The index.
#[derive(Debug, Default)]
pub(super) struct Movie<'a> {
    /// Ticks a second of the movie's clock, not zero.
    pub(super) timescale: u64,
    pub(super) tracks: Vec<Track<'a>>,
    /// Whether fragments may follow.
    pub(super) fragmented: bool,
}

/// One track.
#[derive(Debug)]
pub(super) struct Track<'a> {
    pub(super) id: u32,
    pub(super) enabled: bool,
    /// `vide`, `soun` or something else.
    pub(super) handler: Kind,
    /// From the stored picture to the screen, the movie's matrix included.
    pub(super) matrix: Matrix,
    /// Ticks a second of the track's clock, not zero.
    pub(super) timescale: u64,
    /// Three letters, where they are told.
    pub(super) language: Option<String>,
    pub(super) edit: Edit,
    /// The sample descriptions: types and contents.
    pub(super) entries: Vec<(Kind, &'a [u8])>,
    /// The contents of the sample tables.
    pub(super) tables: Tables<'a>,
    /// The tracks whose chapters this one's samples are named as.
    pub(super) chapters: Vec<u32>,
    pub(super) defaults: Defaults,
}

/// The sample tables, as stored; none for those that are not there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tables<'a> {
    pub(super) stts: Option<&'a [u8]>,
    pub(super) ctts: Option<&'a [u8]>,
    pub(super) stsc: Option<&'a [u8]>,
    pub(super) stsz: Option<&'a [u8]>,
    pub(super) stz2: Option<&'a [u8]>,
    pub(super) stco: Option<&'a [u8]>,
    pub(super) co64: Option<&'a [u8]>,
    pub(super) stss: Option<&'a [u8]>,
}

/// What holds for the samples of a fragment that does not tell (box `trex`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Defaults {
    /// The number of the sample description, from 1.
    pub(super) entry: u32,
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

impl<'a> Movie<'a> {
    /// Reads the content of a box `moov`.
    pub(super) fn parse(moov: &'a [u8]) -> Parsed<Self> {
        let mut movie = Self::default();
        let (mut matrix, mut defaults) = (Matrix::IDENTITY, Vec::new());
        for child in Boxes::new(moov) {
            let (kind, body) = child?;
            match &kind {
                b"mvhd" => {
                    let wide = body.first() == Some(&1);
                    let short = || "its movie header is too short".to_owned();
                    movie.timescale = be32(body, if wide { 20 } else { 12 }).ok_or_else(short)?.into();
                    matrix = Matrix::from_numbers(numbers(body, if wide { 48 } else { 36 }).ok_or_else(short)?);
                }
                b"trak" => {
                    if movie.tracks.len() >= MAX_TRACKS {
                        return Err(format!("more than {MAX_TRACKS} tracks"));
                    }
                    movie.tracks.push(Track::parse(body)?);
                }
                b"mvex" => {
                    movie.fragmented = true;
                    for child in Boxes::new(body) {
                        let (kind, body) = child?;
                        if &kind == b"trex" && defaults.len() < MAX_TRACKS {
                            defaults.extend(trex(body));
                        }
                    }
                }
                b"cmov" => return Err("its index is compressed (box cmov)".to_owned()),
                _ => (),
            }
        }
        if movie.timescale == 0 {
            return Err("a clock with no ticks".to_owned());
        }
        for track in &mut movie.tracks {
            track.matrix = track.matrix.then(matrix);
            if let Some((_, known)) = defaults.iter().find(|(id, _)| *id == track.id) {
                track.defaults = *known;
            }
        }
        Ok(movie)
    }

    /// Whether the samples of track `id` are chapters of another track: pictures or titles for its parts.
    pub(super) fn is_chapters(&self, id: u32) -> bool {
        self.tracks.iter().any(|track| track.chapters.contains(&id))
    }
}

/// Track and defaults in the content of a box `trex`.
fn trex(body: &[u8]) -> Option<(u32, Defaults)> {
    let at = |place| be32(body, place);
    Some((at(4)?, Defaults { entry: at(8)?, duration: at(12)?, size: at(16)?, flags: at(20)? }))
}

/// The nine numbers of a matrix.
fn numbers(body: &[u8], at: usize) -> Option<[i32; 9]> {
    let mut numbers = [0; 9];
    for (place, number) in numbers.iter_mut().enumerate() {
        *number = be32_signed(body, at + 4 * place)?;
    }
    Some(numbers)
}

impl<'a> Track<'a> {
    /// Reads the content of a box `trak`.
    fn parse(trak: &'a [u8]) -> Parsed<Self> {
        let mut track = Self {
            id: 0,
            enabled: false,
            handler: [0; 4],
            matrix: Matrix::IDENTITY,
            timescale: 0,
            language: None,
            edit: Edit::default(),
            entries: Vec::new(),
            tables: Tables::default(),
            chapters: Vec::new(),
            defaults: Defaults::default(),
        };
        for child in Boxes::new(trak) {
            let (kind, body) = child?;
            match &kind {
                b"tkhd" => {
                    let wide = body.first() == Some(&1);
                    let short = || "a track's header is too short".to_owned();
                    track.enabled = body.get(3).is_some_and(|flags| flags & 1 == 1);
                    track.id = be32(body, if wide { 20 } else { 12 }).ok_or_else(short)?;
                    track.matrix = Matrix::from_numbers(numbers(body, if wide { 52 } else { 40 }).ok_or_else(short)?);
                }
                b"edts" => {
                    if let Some(list) = find(body, b"elst")? {
                        track.edit = Edit::first_in(list)?;
                    }
                }
                b"tref" => {
                    if let Some(chapters) = find(body, b"chap")? {
                        track.chapters = chapters.as_chunks::<4>().0.iter().map(|id| u32::from_be_bytes(*id)).take(MAX_TRACKS).collect();
                    }
                }
                b"mdia" => track.media(body)?,
                _ => (),
            }
        }
        if matches!(&track.handler, b"vide" | b"soun") && track.timescale == 0 {
            return Err("a clock with no ticks".to_owned());
        }
        Ok(track)
    }

    /// Reads the content of a box `mdia`.
    fn media(&mut self, mdia: &'a [u8]) -> Parsed<()> {
        for child in Boxes::new(mdia) {
            let (kind, body) = child?;
            match &kind {
                b"mdhd" => {
                    let wide = body.first() == Some(&1);
                    self.timescale = be32(body, if wide { 20 } else { 12 }).unwrap_or(0).into();
                    self.language = be16(body, if wide { 32 } else { 20 }).and_then(language);
                }
                b"hdlr" => self.handler = body.get(8..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default(),
                b"minf" => {
                    if let Some(stbl) = find(body, b"stbl")? {
                        self.tables(stbl)?;
                    }
                }
                _ => (),
            }
        }
        Ok(())
    }

    /// Reads the content of a box `stbl`.
    fn tables(&mut self, stbl: &'a [u8]) -> Parsed<()> {
        for child in Boxes::new(stbl) {
            let (kind, body) = child?;
            let table = match &kind {
                b"stts" => &mut self.tables.stts,
                b"ctts" => &mut self.tables.ctts,
                b"stsc" => &mut self.tables.stsc,
                b"stsz" => &mut self.tables.stsz,
                b"stz2" => &mut self.tables.stz2,
                b"stco" => &mut self.tables.stco,
                b"co64" => &mut self.tables.co64,
                b"stss" => &mut self.tables.stss,
                b"stsd" => {
                    // Version, flags, count: then the descriptions. Some programs leave a few bytes behind the last one.
                    let entries = Boxes::new(body.get(8..).unwrap_or_default());
                    self.entries = entries.map_while(std::result::Result::ok).take(MAX_ENTRIES).collect();
                    continue;
                }
                _ => continue,
            };
            *table = Some(body);
        }
        Ok(())
    }
}

/// The content of the first box of type `wanted` among those in `bytes`.
pub(super) fn find<'a>(bytes: &'a [u8], wanted: &Kind) -> Parsed<Option<&'a [u8]>> {
    for child in Boxes::new(bytes) {
        let (kind, body) = child?;
        if kind == *wanted {
            return Ok(Some(body));
        }
    }
    Ok(None)
}

/// Three letters of five bits each (ISO 639-2/T); none for `und` and for the numbers of old QuickTime.
fn language(packed: u16) -> Option<String> {
    let letters = [packed >> 10, packed >> 5, packed].map(|five| (five & 0x1f) as u8 + 0x60);
    let text = String::from_utf8(letters.to_vec()).ok()?;
    (letters.iter().all(u8::is_ascii_lowercase) && text != "und").then_some(text)
}

#[cfg(test)]
mod tests {
    use super::{Movie, language};

    #[test]
    fn languages_are_three_letters() {
        assert_eq!(language(0x15c7).as_deref(), Some("eng"));
        assert_eq!(language(0x55c4), None);
        assert_eq!(language(0), None);
    }

    #[test]
    fn an_index_without_its_header_is_refused() {
        assert!(Movie::parse(b"").is_err());
        assert!(Movie::parse(b"\0\0\0\x08mvhd").is_err());
        assert!(Movie::parse(b"\0\0\0\x08cmov").unwrap_err().contains("compressed"));
    }
}
