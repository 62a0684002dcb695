//! Files that are read whole or in parts: ordinary ones, of a length that was thought of.
//!
//! A FIFO, a device or a file without end under the name of a configuration must be an error at once: reading it would wait, or
//! fill the memory, for ever.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Opens the ordinary file at `path`, `limit` bytes long at most; gives it with its length.
///
/// The open itself never waits, not for the writer of a FIFO either.
///
/// # Errors
/// The system's; [`io::ErrorKind::InvalidInput`] for what is no ordinary file, [`io::ErrorKind::FileTooLarge`] for a longer one.
/// Both say what was expected and found.
pub fn open(path: &Path, limit: u64) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() { "a folder" } else { "a pipe or a device" };
        let reason = format!("it is {found}, expected an ordinary file");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    if metadata.len() > limit {
        return Err(too_long(&format!("{} bytes", metadata.len()), limit));
    }
    Ok((file, metadata.len()))
}

/// Reads the ordinary file at `path` whole, `limit` bytes at most.
///
/// # Errors
/// As [`open`], also for a file that grows beyond `limit` while it is read.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let (file, len) = open(path, limit)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(len).unwrap_or(usize::MAX))?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_long("more", limit));
    }
    Ok(bytes)
}

fn too_long(found: &str, limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it holds {found}, expected at most {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::Path;

    use super::read;

    #[test]
    fn only_ordinary_files_up_to_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seven");
        std::fs::write(&path, b"1234567").unwrap();
        assert_eq!(read(&path, 7).unwrap(), b"1234567");
        assert_eq!(read(&path, 6).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(read(folder.path(), 7).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(read(&folder.path().join("none"), 7).unwrap_err().kind(), ErrorKind::NotFound);
        // Linux tells a length of zero for both, and both would go on for ever.
        assert_eq!(read(Path::new("/dev/zero"), 7).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(read(Path::new("/proc/self/mem"), 7).map(|_| ()).map_err(|_| ()), Err(()));
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(read(&pipe, 7).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
