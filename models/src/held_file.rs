//! Files that are read in pieces long after they were hashed, and are still what was hashed.
//!
//! A file of gigabytes cannot be kept in memory from its digest to its use, and its path may meanwhile lead to another file
//! or its bytes be written over. So it is opened once; while it is hashed as a whole, each megabyte of it gets a tag, a
//! keyed hash whose key only this process knows; and each piece that is read later is held against its tag before anybody
//! sees a byte of it. Nothing is mapped: a file that is cut short gives an error, no bus error.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::Digest;

use crate::bundle::Sha256;
use crate::{ModelError, Result};

/// Bytes that have one tag; so much is read at a time.
const PIECE: usize = 1 << 20;

/// A file that was opened once. Clones read the same open file.
#[derive(Clone)]
pub struct HeldFile(Arc<Held>);

struct Held {
    path: PathBuf,
    len: u64,
    content: Content,
    changed: AtomicBool,
}

enum Content {
    /// In the program itself.
    Embedded(&'static [u8]),
    /// On a disk; without tags it was not hashed, and is what it is when it is read.
    Open { file: Mutex<File>, tags: Option<Tags> },
}

/// A keyed hash of each piece: who changes the file cannot know what would pass.
struct Tags {
    key: RandomState,
    of: Vec<u64>,
}

impl Tags {
    fn tag(key: &RandomState, piece: &[u8]) -> u64 {
        let mut state = key.build_hasher();
        state.write(piece);
        state.finish()
    }
}

impl HeldFile {
    /// Opens the ordinary file at `path` without hashing it.
    ///
    /// # Errors
    /// [`ModelError::Io`], also for a folder, a pipe or a device.
    pub fn open(path: &Path) -> Result<Self> {
        let (file, len) = mien_capture::regular::open(path, u64::MAX).map_err(|e| ModelError::io(path, "read", e))?;
        Ok(Self::new(path, len, Content::Open { file: Mutex::new(file), tags: None }))
    }

    /// Bytes in the program itself under the name `path`.
    pub(crate) fn embedded(path: &Path, bytes: &'static [u8]) -> (Self, Sha256) {
        (Self::new(path, bytes.len() as u64, Content::Embedded(bytes)), Sha256::of(bytes))
    }

    /// Hashes the open `file`, which lies at `path` and has `len` bytes; more of it is not read.
    ///
    /// # Errors
    /// [`ModelError::Io`], also for a file that has become shorter.
    pub(crate) fn hash(path: &Path, mut file: File, len: u64) -> Result<(Self, Sha256)> {
        let read = |e| ModelError::io(path, "read", e);
        let key = RandomState::new();
        let mut state = sha2::Sha256::new();
        let mut of = Vec::new();
        let mut piece = vec![0; PIECE.min(usize::try_from(len).unwrap_or(PIECE))];
        let mut left = len;
        while left > 0 {
            let next = piece.get_mut(..usize::try_from(left).map_or(PIECE, |left| left.min(PIECE))).unwrap_or_default();
            file.read_exact(next).map_err(read)?;
            state.update(&*next);
            of.push(Tags::tag(&key, next));
            left -= next.len() as u64;
        }
        let content = Content::Open { file: Mutex::new(file), tags: Some(Tags { key, of }) };
        Ok((Self::new(path, len, content), Sha256::from_state(state)))
    }

    fn new(path: &Path, len: u64, content: Content) -> Self {
        Self(Arc::new(Held { path: path.to_owned(), len, content, changed: AtomicBool::new(false) }))
    }

    /// Where it lay when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Its length in bytes when it was opened.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether it had no byte when it was opened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// The whole content, which is `limit` bytes at most.
    ///
    /// # Errors
    /// [`ModelError::Io`]; [`ModelError::Changed`] where it is no longer what was hashed.
    pub fn read(&self, limit: u64) -> Result<Vec<u8>> {
        let read = |e| self.fault("read", e);
        if self.0.len > limit {
            let reason = format!("it holds {} bytes, expected at most {limit}", self.0.len);
            return Err(read(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
        }
        let len = usize::try_from(self.0.len).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|e| read(e.into()))?;
        self.reader().read_to_end(&mut bytes).map_err(read)?;
        Ok(bytes)
    }

    /// Reads it from its beginning.
    #[must_use]
    pub fn reader(&self) -> HeldReader {
        HeldReader { file: self.clone(), position: 0, piece: Vec::new(), holds: None }
    }

    /// Refuses a file of which a piece was read that is not what was hashed; `other` is told of any other file.
    pub(crate) fn blame(&self, other: ModelError) -> ModelError {
        if self.0.changed.load(Ordering::Relaxed) { ModelError::Changed { path: self.0.path.clone() } } else { other }
    }

    /// A failed reading as an error of this crate.
    pub(crate) fn fault(&self, action: &'static str, source: io::Error) -> ModelError {
        self.blame(ModelError::io(self.path(), action, source))
    }

    /// Reads the piece `index` into `piece`.
    fn load(&self, index: u64, piece: &mut Vec<u8>) -> io::Result<()> {
        let start = index * PIECE as u64;
        let Content::Open { file, tags } = &self.0.content else { return Ok(()) };
        let len = usize::try_from(self.0.len.saturating_sub(start)).map_or(PIECE, |left| left.min(PIECE));
        piece.resize(len, 0);
        {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(piece).map_err(|e| match e.kind() {
                io::ErrorKind::UnexpectedEof => self.changed(),
                _ => e,
            })?;
        }
        match tags {
            Some(Tags { key, of })
                if usize::try_from(index).ok().and_then(|index| of.get(index)) != Some(&Tags::tag(key, piece)) =>
            {
                Err(self.changed())
            }
            _ => Ok(()),
        }
    }

    fn changed(&self) -> io::Error {
        self.0.changed.store(true, Ordering::Relaxed);
        io::Error::new(io::ErrorKind::InvalidData, "the file was changed while it was in use")
    }
}

impl std::fmt::Debug for HeldFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldFile").field("path", &self.0.path).field("len", &self.0.len).finish_non_exhaustive()
    }
}

/// Reads a [`HeldFile`] at any position; a piece of it is in memory.
#[derive(Debug)]
pub struct HeldReader {
    file: HeldFile,
    position: u64,
    piece: Vec<u8>,
    /// The piece in memory.
    holds: Option<u64>,
}

impl HeldReader {
    /// Where it reads next.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }
}

impl Read for HeldReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Held { len, content, .. } = &*self.file.0;
        if self.position >= *len || out.is_empty() {
            return Ok(0);
        }
        let there: &[u8] = match content {
            Content::Embedded(bytes) => {
                usize::try_from(self.position).ok().and_then(|at| bytes.get(at..)).unwrap_or_default()
            }
            Content::Open { .. } => {
                let index = self.position / PIECE as u64;
                if self.holds != Some(index) {
                    self.holds = None;
                    self.file.load(index, &mut self.piece)?;
                    self.holds = Some(index);
                }
                self.piece.get((self.position % PIECE as u64) as usize..).unwrap_or_default()
            }
        };
        let n = out.len().min(there.len());
        if let (Some(out), Some(there)) = (out.get_mut(..n), there.get(..n)) {
            out.copy_from_slice(there);
        }
        self.position += n as u64;
        Ok(n)
    }
}

impl Seek for HeldReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.file.0.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = to.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a place before the file"))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 % 251) as u8).collect()
    }

    fn held(path: &Path) -> HeldFile {
        let file = File::open(path).unwrap();
        let len = file.metadata().unwrap().len();
        let (held, digest) = HeldFile::hash(path, file, len).unwrap();
        assert_eq!(digest, Sha256::of(&fs::read(path).unwrap()));
        held
    }

    #[test]
    fn what_is_read_is_what_was_hashed_wherever_the_pieces_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 7] {
            let content = bytes(len);
            fs::write(&path, &content).unwrap();
            let held = held(&path);
            assert!(held.read(u64::MAX).unwrap() == content, "{len}");
            // Another file under the name is another file.
            fs::rename(&path, folder.path().join("moved")).unwrap();
            fs::write(&path, b"other").unwrap();
            assert!(held.read(len as u64).unwrap() == content, "{len}");
            let mut reader = held.reader();
            for at in [0, len / 2, len.saturating_sub(3)] {
                reader.seek(SeekFrom::Start(at as u64)).unwrap();
                let mut there = vec![0; (len - at).min(5)];
                reader.read_exact(&mut there).unwrap();
                assert_eq!(there, content[at..at + there.len()]);
            }
        }
    }

    #[test]
    fn a_changed_byte_and_a_cut_are_refused_and_no_other_piece() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let content = bytes(3 * PIECE);
        for at in [0, PIECE - 1, PIECE, 2 * PIECE + 5] {
            fs::write(&path, &content).unwrap();
            let held = held(&path);
            let mut bad = content.clone();
            bad[at] ^= 1;
            // In place: the open file is the one that changes.
            fs::write(&path, &bad).unwrap();
            let mut reader = held.reader();
            for piece in 0..3 {
                reader.seek(SeekFrom::Start((piece * PIECE) as u64)).unwrap();
                let read = reader.read_exact(&mut [0; 16]);
                assert_eq!(read.is_err(), at / PIECE == piece, "byte {at}, piece {piece}");
            }
            assert!(matches!(held.read(u64::MAX), Err(ModelError::Changed { .. })));
        }
        fs::write(&path, &content).unwrap();
        let held = held(&path);
        File::options().write(true).open(&path).unwrap().set_len(PIECE as u64 + 1).unwrap();
        let told = held.read(u64::MAX).unwrap_err().to_string();
        assert!(told.contains("was changed while it was in use"), "{told}");
    }
}
