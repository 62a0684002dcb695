//! Ogg (RFC 3533): pages, packets, links.

use std::io::{self, BufReader, Read};

use crate::error::Result;

use super::decoder::{Feed, malformed};
use super::meter::read_error;
use super::ogg_link::{Link, Mapping};
use super::window::Window;

/// A page's header without its segment table.
const HEADER_BYTES: usize = 27;
const CONTINUED: u8 = 1;
const BEGIN: u8 = 2;
const END: u8 = 4;
/// The largest packet accepted; comments with a cover picture are the largest ones.
const MAX_PACKET_BYTES: usize = 32 << 20;

/// One page.
struct Page {
    flags: u8,
    /// Samples at the end of the last packet that ends on it; negative where none does.
    granule: i64,
    serial: u32,
    sequence: u32,
    /// Lengths of its pieces of packets, and whether each ends its packet.
    pieces: Vec<(usize, bool)>,
    body: Vec<u8>,
}

/// Why there is no page.
enum NoPage {
    End,
    /// The file ends within it.
    Cut,
    /// Something else stands there.
    Junk,
    /// Its checksum does not hold.
    Checksum,
}

/// Decodes the ogg in `file`: all links of a chain, one after the other.
///
/// # Errors
/// Those of reading and decoding; [`crate::CaptureError::Convert`] where no stream can be decoded here.
pub(super) fn decode(feed: &mut Feed<'_>, file: Window) -> Result<()> {
    let path = feed.path;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut reading = Reading::default();
    let mut coming = next_page(&mut reader).map_err(|source| read_error(path, "ogg", source))?;
    loop {
        feed.step();
        let page = match coming {
            Ok(page) => page,
            Err(NoPage::End) => break,
            Err(NoPage::Cut) => {
                feed.mixer.note("The file ends within a page: it is cut short; what is before is used.");
                break;
            }
            Err(NoPage::Junk) if reading.ended => {
                feed.mixer.note("Behind the end of the sound stands something else; it is left out.");
                break;
            }
            Err(NoPage::Junk) if reading.link.is_none() => {
                return Err(malformed(path, "ogg", "no page where one must begin".to_owned()));
            }
            Err(NoPage::Junk) => return Err(feed.mixer.damaged("no page where one must begin".to_owned())),
            Err(NoPage::Checksum) => return Err(feed.mixer.damaged("the checksum of a page does not hold".to_owned())),
        };
        coming = next_page(&mut reader).map_err(|source| read_error(path, "ogg", source))?;
        // Where nothing follows, the stream ends, whether its last page says so or not.
        let last = coming.as_ref().map_or(true, |next| next.flags & BEGIN != 0);
        if !reading.page(feed, page, last)? {
            return Ok(());
        }
    }
    reading.finish(feed)
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    link: Option<Link>,
    serial: u32,
    /// Number of the page that must come next.
    sequence: Option<u32>,
    /// The beginning of a packet that goes on with the next page.
    packet: Vec<u8>,
    /// The current link's last page was there.
    ended: bool,
    links: u32,
    /// Streams of this link that are no sound, or none that can be decoded.
    others: Vec<String>,
    /// The streams of this link have begun.
    begun: bool,
}

impl Reading {
    /// Takes a page, `last` where no other one of its stream follows; `false` where nothing that follows is wanted.
    fn page(&mut self, feed: &mut Feed<'_>, page: Page, last: bool) -> Result<bool> {
        if page.flags & BEGIN != 0 {
            return self.begin(feed, &page);
        }
        self.begun = true;
        let Some(link) = self.link.as_mut().filter(|_| page.serial == self.serial) else {
            return Ok(true);
        };
        let continues = page.flags & CONTINUED != 0;
        if self.sequence.is_some_and(|expected| expected != page.sequence) || (continues && self.packet.is_empty()) {
            return Err(feed.mixer.damaged("a page is missing".to_owned()));
        }
        self.sequence = Some(page.sequence.wrapping_add(1));
        let mut packets = Vec::new();
        let mut at = 0;
        for (len, ends) in page.pieces {
            let piece = page.body.get(at..at + len).unwrap_or_default();
            at += len;
            if self.packet.len() + len > MAX_PACKET_BYTES {
                return Err(malformed(feed.path, "ogg", format!("a packet is longer than {MAX_PACKET_BYTES} bytes")));
            }
            self.packet.extend_from_slice(piece);
            if ends {
                packets.push(std::mem::take(&mut self.packet));
            }
        }
        self.ended = page.flags & END != 0;
        link.page(feed, packets, page.granule, self.ended || last)?;
        Ok(true)
    }

    /// Takes the first page of a stream; `false` where its sound cannot follow the one before.
    fn begin(&mut self, feed: &mut Feed<'_>, page: &Page) -> Result<bool> {
        // Streams of one link begin together.
        if self.begun || (self.link.is_some() && self.serial == page.serial) {
            if let Some(link) = self.link.take() {
                link.finish(feed)?;
            }
            self.others.clear();
            self.packet.clear();
            self.begun = false;
        }
        let first = page.pieces.first().and_then(|(len, _)| page.body.get(..*len)).unwrap_or_default();
        if self.link.is_some() {
            if !matches!(Mapping::of(first), Mapping::Other) {
                feed.mixer.note("It has several sound streams; the first one is used.");
            }
            return Ok(true);
        }
        match Mapping::of(first) {
            Mapping::Named(name) => self.others.push(name.to_owned()),
            Mapping::Other => (),
            mapping => {
                let Some(link) = Link::new(feed, mapping, first)? else {
                    feed.mixer.note("A part of the file has another sampling rate; it and what follows are left out.");
                    return Ok(false);
                };
                self.link = Some(link);
                self.serial = page.serial;
                self.sequence = Some(page.sequence.wrapping_add(1));
                self.ended = page.flags & END != 0;
                self.links += 1;
            }
        }
        Ok(true)
    }

    fn finish(self, feed: &mut Feed<'_>) -> Result<()> {
        if let Some(link) = self.link {
            if !self.ended {
                feed.mixer.note(
                    "Its last page does not end the stream: it is cut short, or was never ended; all there is is used.",
                );
            }
            link.finish(feed)?;
        }
        if self.links > 1 {
            feed.mixer.note(format!("It has {} recordings one after the other; they are read as one.", self.links));
        }
        match (self.links, self.others.first()) {
            (0, Some(name)) => Err(super::decoder::convert(feed.path, format!("{name} in ogg"))),
            (0, None) => Err(malformed(feed.path, "ogg", "no sound stream".to_owned())),
            (_, Some(name)) => {
                let command = super::convert::film(feed.path);
                feed.mixer.note(format!(
                    "Its other streams ({name}) cannot be read; the sound alone is used. For a film with its pictures: {command}"
                ));
                Ok(())
            }
            (_, None) => Ok(()),
        }
    }
}

fn next_page(reader: &mut impl Read) -> io::Result<std::result::Result<Page, NoPage>> {
    let mut header = Vec::with_capacity(HEADER_BYTES + 255);
    reader.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut header)?;
    if header.is_empty() {
        return Ok(Err(NoPage::End));
    }
    let magic = b"OggS\0";
    if !header.iter().zip(magic).all(|(a, b)| a == b) {
        return Ok(Err(NoPage::Junk));
    }
    let Some(&head) = header.first_chunk::<HEADER_BYTES>() else {
        return Ok(Err(NoPage::Cut));
    };
    let [
        _,
        _,
        _,
        _,
        _,
        flags,
        g0,
        g1,
        g2,
        g3,
        g4,
        g5,
        g6,
        g7,
        s0,
        s1,
        s2,
        s3,
        n0,
        n1,
        n2,
        n3,
        c0,
        c1,
        c2,
        c3,
        segments,
    ] = head;
    reader.by_ref().take(u64::from(segments)).read_to_end(&mut header)?;
    let table: Vec<u8> = header.get(HEADER_BYTES..).unwrap_or_default().to_vec();
    let size: usize = table.iter().map(|size| usize::from(*size)).sum();
    let mut body = Vec::with_capacity(size);
    reader.by_ref().take(size as u64).read_to_end(&mut body)?;
    if table.len() < usize::from(segments) || body.len() < size {
        return Ok(Err(NoPage::Cut));
    }
    if let Some(checksum) = header.get_mut(22..26) {
        checksum.fill(0);
    }
    if crc(crc(0, &header), &body) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Ok(Err(NoPage::Checksum));
    }
    let mut pieces = Vec::new();
    let (mut len, mut open) = (0, false);
    for size in table {
        len += usize::from(size);
        open = size == 255;
        if !open {
            pieces.push((len, true));
            len = 0;
        }
    }
    if open {
        pieces.push((len, false));
    }
    Ok(Ok(Page {
        flags,
        granule: i64::from_le_bytes([g0, g1, g2, g3, g4, g5, g6, g7]),
        serial: u32::from_le_bytes([s0, s1, s2, s3]),
        sequence: u32::from_le_bytes([n0, n1, n2, n3]),
        pieces,
        body,
    }))
}

/// The checksum of pages: CRC-32 with polynomial 0x04c11db7, nothing reflected.
fn crc(start: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    bytes.iter().fold(start, |crc, byte| {
        let index = (crc >> 24) as u8 ^ byte;
        crc << 8 ^ TABLE.get(usize::from(index)).copied().unwrap_or_default()
    })
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 0x8000_0000 == 0 { value << 1 } else { value << 1 ^ 0x04c1_1db7 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}
