//! Whether a device came or went.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// Where the system shows microphones and cameras.
const FOLDERS: [(&str, &str); 3] = [("/dev", "video"), ("/dev/snd", ""), ("/dev/v4l/by-id", "")];

/// A number that changes when a device node appears, goes, or is made anew; always the same where there are no nodes.
pub(super) fn fingerprint() -> u64 {
    // The order in which a folder lists its files means nothing, so the sum is taken.
    FOLDERS.iter().fold(0, |sum, (folder, prefix)| sum.wrapping_add(of_folder(Path::new(folder), prefix)))
}

fn of_folder(folder: &Path, prefix: &str) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()))
        .map(|entry| {
            let mut hasher = DefaultHasher::new();
            entry.path().hash(&mut hasher);
            #[cfg(unix)]
            if let Ok(metadata) = entry.metadata() {
                use std::os::unix::fs::MetadataExt;
                (metadata.rdev(), metadata.ino(), metadata.mode()).hash(&mut hasher);
            }
            hasher.finish()
        })
        .fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_the_same_until_a_file_comes_or_goes() {
        let folder = tempfile::tempdir().unwrap();
        let look = || of_folder(folder.path(), "video");
        let empty = look();
        std::fs::write(folder.path().join("other"), "").unwrap();
        assert_eq!(look(), empty);
        std::fs::write(folder.path().join("video0"), "").unwrap();
        let one = look();
        assert!(one != empty && one == look());
        std::fs::remove_file(folder.path().join("video0")).unwrap();
        assert_eq!(look(), empty);
    }
}
