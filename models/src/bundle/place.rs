//! Where a bundle is put: what may be replaced there, and the exchange.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::folder::Folder;
use super::manifest::MANIFEST_NAME;
use super::open::read_manifest;
use super::write::sync_folder;
use crate::work_folder::{WorkFolder, is_at};
use crate::{ModelError, Result};

/// Longest wait for another program that puts a bundle in the same place; it only renames meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Where the bundle that stood at `target`, whose name is `name`, is kept.
pub(super) fn previous(target: &Path, name: &OsStr) -> PathBuf {
    let mut name = name.to_owned();
    name.push(".previous");
    target.with_file_name(name)
}

/// What may be moved away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Nothing,
    EmptyFolder,
    Bundle,
}

/// What stands at `place`. Only a bundle or an empty folder may be moved: a mistyped path, or a folder that happens to
/// have a bundle's name, must not cost somebody's files.
pub(super) fn standing(place: &Path) -> Result<Standing> {
    let found = match fs::symlink_metadata(place) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Standing::Nothing),
        Err(e) => return Err(ModelError::io(place, "look at", e)),
        Ok(found) => found,
    };
    let refuse = |found: &str| {
        Err(refused(place, &format!("expected a bundle, an empty folder or nothing there, found {found}")))
    };
    if !found.is_dir() {
        return refuse("something else");
    }
    let mut entries = fs::read_dir(place).map_err(|e| ModelError::io(place, "list", e))?;
    if entries.next().is_none() {
        return Ok(Standing::EmptyFolder);
    }
    if fs::symlink_metadata(place.join(MANIFEST_NAME)).is_err() {
        return refuse("a folder with other files");
    }
    if is_manifest(place) {
        Ok(Standing::Bundle)
    } else {
        refuse(&format!("a folder whose {MANIFEST_NAME} is no bundle's"))
    }
}

/// Whether the manifest in `folder` is a bundle's, of this schema or another one: a schema's number and a list of files.
fn is_manifest(folder: &Path) -> bool {
    let bytes = Folder::open(folder).and_then(|folder| read_manifest(&folder)).ok();
    let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) else { return false };
    let Ok(table) = text.parse::<toml::Table>() else { return false };
    table.get("schema").is_some_and(toml::Value::is_integer)
        && table
            .get("file")
            .and_then(toml::Value::as_array)
            .is_some_and(|files| files.iter().all(toml::Value::is_table))
}

/// Refuses the folder `current` and every folder that holds it: what runs there would find itself moved away.
pub(super) fn check_apart(target: &Path, current: &Path) -> Result<()> {
    // A target that is not there yet holds nothing; names are compared after links and `..` are followed.
    let (Ok(found), Ok(current)) = (fs::canonicalize(target), fs::canonicalize(current)) else { return Ok(()) };
    if current.starts_with(&found) {
        return Err(refused(
            target,
            "expected a folder apart from the current one, found that one or one that holds it",
        ));
    }
    Ok(())
}

pub(super) fn refused(target: &Path, reason: &str) -> ModelError {
    ModelError::Config {
        what: format!("bundle {}", target.display()),
        reason: format!("{reason}; choose another place"),
    }
}

/// Puts the finished folder at `target`. A bundle that stands there is kept as `NAME.previous`, in place of an earlier one.
///
/// Where the system exchanges two names at once, a bundle stands at `target` at every moment: the new one takes the kept
/// one's name, then both names are exchanged. A program killed between both steps leaves the new one under the kept one's name
/// and everything else as it was. Elsewhere there are two renamings, and between them the one before has the kept one's name,
/// where [`super::Bundle::open`] looks for it.
pub(super) fn install(folder: WorkFolder, target: &Path) -> Result<()> {
    install_by(folder, target, exchange)
}

/// As [`install`]; `exchange` exchanges two names.
fn install_by(folder: WorkFolder, target: &Path, exchange: impl Fn(&Path, &Path) -> io::Result<()>) -> Result<()> {
    let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(refused(target, "expected a folder's name"));
    };
    let _turn = Turn::take(target)?;
    // Looked at again: building takes minutes, in which anything may have come.
    if standing(target)? != Standing::Bundle {
        // Over nothing or an empty folder; one that was filled meanwhile stays and makes this fail.
        rename(folder.path(), target)?;
        folder.keep();
        return sync_folder(parent);
    }
    let kept = previous(target, name);
    let has_kept = standing(&kept)? == Standing::Bundle;
    // An oldest bundle then lies in the work folder, and goes with it.
    if has_kept {
        match exchange(folder.path(), &kept) {
            Err(e) if is_unsupported(&e) => return install_in_two(folder, target, &kept, has_kept),
            other => other.map_err(|e| ModelError::io(&kept, "rename into place", e))?,
        }
    } else {
        rename(folder.path(), &kept)?;
    }
    if let Err(e) = exchange(&kept, target) {
        let back = if has_kept { exchange(&kept, folder.path()) } else { fs::rename(&kept, folder.path()) };
        back.map_err(|e| ModelError::io(&kept, "rename back", e))?;
        return match is_unsupported(&e) {
            true => install_in_two(folder, target, &kept, has_kept),
            false => Err(ModelError::io(target, "rename into place", e)),
        };
    }
    sync_folder(parent)?;
    if !has_kept {
        folder.keep();
    }
    Ok(())
}

/// Puts the folder at `target` where names cannot be exchanged.
fn install_in_two(folder: WorkFolder, target: &Path, kept: &Path, has_kept: bool) -> Result<()> {
    // The oldest one goes only when the newest one stands.
    let oldest = WorkFolder::beside(target).map_err(|e| ModelError::io(target, "create a folder beside", e))?;
    let aside = oldest.path().join("bundle");
    if has_kept {
        rename(kept, &aside)?;
    }
    let moved = rename(target, kept).and_then(|()| {
        rename(folder.path(), target).inspect_err(|_| {
            let _ = fs::rename(kept, target);
        })
    });
    if let Err(e) = moved {
        if has_kept && fs::rename(&aside, kept).is_err() {
            // It cannot go back to its name, but it must not go with the temporary folder.
            let _ = oldest.keep();
        }
        return Err(e);
    }
    folder.keep();
    target.parent().map_or(Ok(()), sync_folder)
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| ModelError::io(to, "rename into place", e))
}

/// Exchanges what two names lead to, at once.
#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a file system, or a system before its time, says that it cannot exchange names.
fn is_unsupported(error: &io::Error) -> bool {
    #[cfg(unix)]
    if let Some(errno) = rustix::io::Errno::from_io_error(error) {
        use rustix::io::Errno;
        // PERM: how some containers answer a call that their filter does not know.
        return [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::PERM].contains(&errno);
    }
    error.kind() == io::ErrorKind::Unsupported
}

/// The right to replace the bundle at a place, held by a lock on what stands there.
struct Turn {
    _standing: Option<File>,
}

impl Turn {
    /// Waits until no other program replaces what stands at `target`.
    fn take(target: &Path) -> Result<Self> {
        let begun = Instant::now();
        loop {
            let standing = match File::open(target) {
                Ok(standing) if cfg!(unix) => standing,
                // Nothing to replace, or nothing that can be locked: a renaming by itself is whole.
                _ => return Ok(Self { _standing: None }),
            };
            match standing.try_lock() {
                Ok(()) if is_at(&standing, target) => return Ok(Self { _standing: Some(standing) }),
                // Another program was faster: its bundle stands there now.
                Ok(()) => continue,
                Err(TryLockError::Error(_)) => return Ok(Self { _standing: None }),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => std::thread::sleep(LOOK),
                Err(TryLockError::WouldBlock) => {
                    return Err(refused(target, "another program holds a lock on the bundle there; end it"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A folder that passes for a bundle.
    fn bundle(folder: &Path, version: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(MANIFEST_NAME), format!("schema = 2\nversion = \"{version}\"\nfile = []\n")).unwrap();
    }

    fn version(folder: &Path) -> String {
        let text = fs::read_to_string(folder.join(MANIFEST_NAME)).unwrap();
        text.parse::<toml::Table>().unwrap()["version"].as_str().unwrap().to_owned()
    }

    #[test]
    fn with_and_without_exchange_the_new_one_stands_and_the_one_before_is_kept() {
        let unsupported = |_: &Path, _: &Path| -> io::Result<()> {
            // EINVAL: what file systems without it answer.
            Err(io::Error::from_raw_os_error(22))
        };
        for by in [exchange as fn(&Path, &Path) -> io::Result<()>, unsupported] {
            let place = tempfile::tempdir().unwrap();
            let target = place.path().join("bundle");
            for new in 1..=4 {
                let folder = WorkFolder::beside(&target).unwrap();
                bundle(folder.path(), &new.to_string());
                install_by(folder, &target, by).unwrap();
                assert_eq!(version(&target), new.to_string());
                let kept = place.path().join("bundle.previous");
                let expected = (new > 1).then(|| (new - 1).to_string());
                assert_eq!(kept.exists().then(|| version(&kept)), expected);
                assert_eq!(fs::read_dir(place.path()).unwrap().count(), new.min(2));
            }
        }
    }

    #[test]
    fn an_exchange_that_fails_leaves_everything_as_it_was() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("bundle");
        let install = |new: &str, by: &dyn Fn(&Path, &Path) -> io::Result<()>| {
            let folder = WorkFolder::beside(&target).unwrap();
            bundle(folder.path(), new);
            install_by(folder, &target, by)
        };
        let refuse_target = |one: &Path, other: &Path| {
            if other == target { Err(io::Error::from_raw_os_error(13)) } else { exchange(one, other) }
        };
        install("1", &exchange).unwrap();
        assert!(install("2", &refuse_target).is_err());
        assert_eq!((version(&target).as_str(), fs::read_dir(place.path()).unwrap().count()), ("1", 1));
        install("2", &exchange).unwrap();
        assert!(install("3", &refuse_target).is_err());
        let kept = place.path().join("bundle.previous");
        assert_eq!((version(&target), version(&kept)), ("2".into(), "1".into()));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    }

    #[test]
    fn programs_that_install_at_once_take_turns() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("bundle");
        bundle(&target, "0");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let target = &target;
                scope.spawn(move || {
                    for round in 0..50 {
                        let folder = WorkFolder::beside(target).unwrap();
                        bundle(folder.path(), &format!("{thread}.{round}"));
                        install_by(folder, target, exchange).unwrap();
                        version(target);
                    }
                });
            }
            scope.spawn(|| {
                for _ in 0..5000 {
                    assert!(target.join(MANIFEST_NAME).exists(), "a bundle stands there at every moment");
                }
            });
        });
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
        assert_ne!(version(&target), version(&place.path().join("bundle.previous")));
    }

    #[test]
    fn the_current_folder_and_those_that_hold_it_are_no_targets() {
        let parent = tempfile::tempdir().unwrap();
        let current = parent.path().join("a/b");
        fs::create_dir_all(&current).unwrap();
        for bad in ["a", "a/b", "a/b/../b", "a/b/.."] {
            let fault = check_apart(&parent.path().join(bad), &current).unwrap_err().to_string();
            assert!(fault.contains("expected a folder apart from the current one"), "{bad}: {fault}");
        }
        for good in ["a/b/c", "a/bb", "c"] {
            check_apart(&parent.path().join(good), &current).unwrap();
            fs::create_dir_all(parent.path().join(good)).unwrap();
            check_apart(&parent.path().join(good), &current).unwrap();
        }
    }
}
