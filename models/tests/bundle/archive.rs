//! Archives of bundles: equal for equal bundles, and nothing comes out of a bad one.

use std::fs;
use std::path::{Path, PathBuf};

use mien_models::ModelError;
use mien_models::bundle::archive::{export, import};
use mien_models::bundle::{Bundle, BundleWriter, MANIFEST_NAME, Manifest, Origin, Role, seal};
use tar::{EntryType, Header};
use tempfile::TempDir;

use crate::material::{Copy, dry, dry_manifest, names};

/// A folder with the dry bundle's archive.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        export(&dry(), &place.archive()).unwrap();
        place
    }

    fn archive(&self) -> PathBuf {
        self.0.path().join("bundle.tar")
    }

    fn target(&self) -> PathBuf {
        self.0.path().join("installed")
    }

    /// What importing `bytes` is refused with; nothing is left of it.
    fn refusal(&self, bytes: &[u8]) -> String {
        let bad = self.0.path().join("bad.tar");
        fs::write(&bad, bytes).unwrap();
        let before = names(self.0.path());
        let error = import(&bad, &self.target()).unwrap_err();
        let told = error.to_string();
        assert!(!told.contains('\n') && told.contains("bad.tar"), "{told:?}");
        assert_eq!(names(self.0.path()), before, "{told}");
        told
    }
}

/// An entry as it stands in an archive.
struct Raw {
    header: Header,
    data: Vec<u8>,
}

/// The entries of an archive.
fn entries(archive: &Path) -> Vec<Raw> {
    let mut archive = tar::Archive::new(fs::File::open(archive).unwrap());
    let read = |mut entry: tar::Entry<'_, fs::File>| {
        let mut data = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut data).unwrap();
        Raw { header: entry.header().clone(), data }
    };
    archive.entries().unwrap().map(|entry| read(entry.unwrap())).collect()
}

fn packed(entries: &[Raw]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Raw { header, data } in entries {
        let mut header = header.clone();
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn raw(kind: EntryType, name: &str, link: &str, data: &[u8]) -> Raw {
    let mut header = Header::new_ustar();
    // Written by hand: the crate's own setters refuse what is tried here.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    Raw { header, data: data.to_vec() }
}

#[test]
fn what_comes_out_is_what_went_in_to_the_last_byte() {
    let place = Place::new();
    let digest = import(&place.archive(), &place.target()).unwrap();
    let (was, is) = (Bundle::open(&dry()).unwrap(), Bundle::open(&place.target()).unwrap());
    assert_eq!((is.digest(), is.manifest()), (was.digest(), was.manifest()));
    assert_eq!(digest, was.digest());
    assert!(is.extra_files().is_empty());
    for name in names(&dry()) {
        assert_eq!(fs::read(dry().join(&name)).unwrap(), fs::read(place.target().join(&name)).unwrap(), "{name}");
    }
    // The standard program reads it, and finds the manifest first.
    let listed = std::process::Command::new("tar").arg("tf").arg(place.archive()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.lines().next(), Some(MANIFEST_NAME));
    assert_eq!(listed.lines().count(), names(&dry()).len());
}

#[test]
fn equal_bundles_give_equal_archives() {
    let place = Place::new();
    let copy = Copy::new();
    for name in names(&copy.folder()) {
        let file = fs::File::options().write(true).open(copy.folder().join(name)).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1)).unwrap();
    }
    fs::write(copy.folder().join("not listed.txt"), "stays at home").unwrap();
    let twin = place.0.path().join("twin.tar");
    export(&copy.folder(), &twin).unwrap();
    assert_eq!(fs::read(&twin).unwrap(), fs::read(place.archive()).unwrap());
    // An imported one too, and a manifest that was written by hand keeps its bytes, so its digest.
    copy.write_manifest(format!("# by hand\n{}", copy.manifest_text()));
    let by_hand = place.0.path().join("hand.tar");
    let made = export(&copy.folder(), &by_hand).unwrap();
    assert_eq!(import(&by_hand, &place.target()).unwrap(), made.digest);
    assert_eq!(made.digest, Bundle::open(&copy.folder()).unwrap().digest());
    assert_eq!(made.bytes, fs::metadata(&by_hand).unwrap().len());
}

#[test]
fn a_language_model_from_elsewhere_comes_along() {
    let place = Place::new();
    let elsewhere = place.0.path().join("shared.gguf");
    fs::copy(dry().join("llm.gguf"), &elsewhere).unwrap();
    let folder = place.0.path().join("outside");
    let mut writer = BundleWriter::create(&folder).unwrap();
    for file in &dry_manifest().files {
        let origin = Origin { licence: &file.licence, source: &file.source };
        if file.role == Role::Llm {
            writer.add(Role::Llm, elsewhere.to_str().unwrap(), origin).unwrap();
        } else {
            fs::copy(file.path.within(&dry()), file.path.within(writer.folder())).unwrap();
            writer.add(file.role, file.path.as_str(), origin).unwrap();
        }
    }
    writer.finish(dry_manifest()).unwrap();
    let archive = place.0.path().join("whole.tar");
    let made = export(&folder, &archive).unwrap();
    assert_eq!(made.taken_in.as_deref(), Some(elsewhere.as_path()));
    // It is the archive of the bundle that had it inside all along.
    assert_eq!(fs::read(&archive).unwrap(), fs::read(place.archive()).unwrap());
    fs::remove_file(&elsewhere).unwrap();
    assert_eq!(import(&archive, &place.target()).unwrap(), made.digest);
    assert!(Bundle::open(&place.target()).unwrap().path(Role::Llm).unwrap().starts_with(place.target()));
    // Where it is gone, nothing is written.
    let fault = export(&folder, &place.0.path().join("late.tar")).unwrap_err();
    assert!(matches!(&fault, ModelError::Io { path, .. } if *path == elsewhere), "{fault}");
    assert!(!names(place.0.path()).iter().any(|name| name.contains("late") || name.starts_with('.')));
}

#[test]
fn a_damaged_bundle_is_not_exported() {
    let copy = Copy::new();
    let archive = copy.parent.path().join("bundle.tar");
    let weights = copy.folder().join("wavlm.weights");
    let mut bytes = fs::read(&weights).unwrap();
    bytes[1000] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let fault = export(&copy.folder(), &archive).unwrap_err();
    assert!(matches!(&fault, ModelError::Digest { path, what: "sha256", .. } if *path == weights), "{fault}");
    fs::remove_file(&weights).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(dry().join("wavlm.weights"), &weights).unwrap();
        let fault = export(&copy.folder(), &archive).unwrap_err().to_string();
        assert!(fault.contains("a symbolic link"), "{fault}");
    }
    assert_eq!(names(copy.parent.path()), ["bundle"]);
    // What stands there is never written over.
    fs::write(&archive, "mine").unwrap();
    assert!(export(&dry(), &archive).unwrap_err().to_string().contains("expected nothing there"));
    assert_eq!(fs::read_to_string(&archive).unwrap(), "mine");
}

#[test]
fn an_archive_that_ends_early_installs_nothing() {
    let place = Place::new();
    let whole = fs::read(place.archive()).unwrap();
    let end_of_data = whole.len() - 1024;
    // Around every header, and at odd places between.
    let mut at = 0;
    let mut cuts = vec![1, 511, 513, end_of_data / 2 + 7, end_of_data - 513];
    for entry in entries(&place.archive()) {
        cuts.extend([at, at + 100, at + 512, at + 600]);
        at += 512 + entry.data.len().next_multiple_of(512);
    }
    for cut in cuts {
        let told = place.refusal(&whole[..cut]);
        assert!(told.contains("bundle archive") && told.contains("copy it again"), "{cut}: {told}");
    }
}

#[test]
fn a_flipped_byte_anywhere_installs_nothing() {
    let place = Place::new();
    let mut bytes = fs::read(place.archive()).unwrap();
    let mut at = 0;
    for entry in entries(&place.archive()) {
        let middle_of_header = at + 130;
        let middle_of_data = at + 512 + entry.data.len() / 2;
        for flipped in [at, middle_of_header, middle_of_data] {
            bytes[flipped] ^= 0x20;
            place.refusal(&bytes);
            bytes[flipped] ^= 0x20;
        }
        at += 512 + entry.data.len().next_multiple_of(512);
    }
}

#[test]
fn names_and_kinds_that_could_do_harm_are_refused() {
    let place = Place::new();
    let victim = place.0.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    let victim = victim.to_str().unwrap();
    for (position, bad, expected) in [
        (0, raw(EntryType::Regular, "../manifest.toml", "", b"x"), "../manifest.toml"),
        (1, raw(EntryType::Regular, "../wavlm.onnx", "", b"x"), "../wavlm.onnx"),
        (1, raw(EntryType::Regular, "/etc/passwd", "", b"x"), "/etc/passwd"),
        (1, raw(EntryType::Regular, "./wavlm.onnx", "", b"x"), "./wavlm.onnx"),
        (1, raw(EntryType::Symlink, "wavlm.onnx", victim, b""), "found Symlink"),
        (1, raw(EntryType::Link, "wavlm.onnx", victim, b""), "found Link"),
        (1, raw(EntryType::Directory, "wavlm.onnx", "", b""), "found Directory"),
        (1, raw(EntryType::Fifo, "wavlm.onnx", "", b""), "found Fifo"),
        (1, raw(EntryType::Char, "wavlm.onnx", "", b""), "found Char"),
        (1, raw(EntryType::GNUSparse, "wavlm.onnx", "", b""), "found GNUSparse"),
        (1, raw(EntryType::XHeader, "wavlm.onnx", "", b"19 path=../outside\n"), "found XHeader"),
        (1, raw(EntryType::GNULongName, "wavlm.onnx", "", b"../outside\0"), "found GNULongName"),
        (0, raw(EntryType::XGlobalHeader, "pax_global_header", "", b"19 path=../outside\n"), "pax_global_header"),
    ] {
        // In place of the entry, and before it.
        for replace in [true, false] {
            let mut list = entries(&place.archive());
            if replace {
                list.remove(position);
            }
            list.insert(position, Raw { header: bad.header.clone(), data: bad.data.clone() });
            let told = place.refusal(&packed(&list));
            assert!(told.contains(expected), "{expected}: {told}");
        }
    }
    assert_eq!(fs::read_to_string(victim).unwrap(), "mine");
}

#[test]
fn an_archive_must_be_its_manifests() {
    let place = Place::new();
    let changed = |change: &dyn Fn(&mut Vec<Raw>)| {
        let mut list = entries(&place.archive());
        change(&mut list);
        place.refusal(&packed(&list))
    };
    assert!(
        changed(&|list| drop(list.remove(0))).contains("expected the entry \"manifest.toml\", found \"wavlm.onnx\"")
    );
    assert!(changed(&|list| list.swap(1, 2)).contains("expected the entry \"wavlm.onnx\", found \"wavlm.weights\""));
    assert!(changed(&|list| drop(list.pop())).contains("it ends where"));
    let more = || raw(EntryType::Regular, "more.bin", "", b"x");
    assert!(changed(&|list| list.push(more())).contains("found \"more.bin\""));
    assert!(changed(&|list| list.insert(3, more())).contains("found \"more.bin\""));
    // A size that is not the manifest's is told before the data are read.
    let size = entries(&place.archive())[1].data.len();
    let told = changed(&|list| list[1].header.set_size(1 << 40));
    let expected = format!("expected {size}, the size in its manifest");
    assert!(told.contains(&expected) && told.contains("1099511627776"), "{told}");
    let told = changed(&|list| list[0].header.set_size(1 << 40));
    assert!(told.contains("at most 1048576 bytes"), "{told}");
    assert!(changed(&|list| list.clear()).contains("no tar archive"));

    let with_manifest = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = dry_manifest();
        change(&mut manifest);
        let text = seal(&toml::to_string(&manifest).unwrap()).into_bytes();
        changed(&|list| {
            list[0].header.set_size(text.len() as u64);
            list[0].data.clone_from(&text);
        })
    };
    let told = with_manifest(&|m| {
        let llm = m.files.iter_mut().find(|file| file.role == Role::Llm).unwrap();
        llm.path = String::from("/etc/passwd").try_into().unwrap();
    });
    assert!(told.contains("names \"/etc/passwd\", expected paths below the bundle's folder"), "{told}");
    assert!(with_manifest(&|m| m.schema = 3).contains("schema: expected 2, found 3"));
    assert!(with_manifest(&|m| m.files[0].sha256 = m.files[1].sha256).contains("wavlm.onnx: sha256 is"));
    let told = with_manifest(&|m| {
        // A folder where a file stands.
        m.files.last_mut().unwrap().path = String::from("wavlm.onnx/x").try_into().unwrap();
    });
    assert!(told.contains("wavlm.onnx/x"), "{told}");
}

#[test]
fn nothing_may_stand_behind_the_end_or_between_entries() {
    let place = Place::new();
    let whole = fs::read(place.archive()).unwrap();
    let filled = whole.len().next_multiple_of(10_240);
    let mut zeros = whole.clone();
    zeros.resize(filled, 0);
    let padded = place.0.path().join("padded.tar");
    fs::write(&padded, &zeros).unwrap();
    import(&padded, &place.target()).expect("as the standard program fills its last record");
    fs::remove_dir_all(place.target()).unwrap();

    let more = |rest: &[u8]| [&whole, rest].concat();
    let list = entries(&place.archive());
    for bad in [
        more(b"x"),
        more(&[0]),
        more(&vec![0; filled - whole.len() - 1]),
        more(&vec![0; filled - whole.len() + 512]),
        more(&vec![0; filled - whole.len() + 10_240]),
        more(&whole),
        more(list[0].header.as_bytes()),
        [&zeros[..], b"x"].concat(),
        [&zeros[..zeros.len() - 1], b"x"].concat(),
        // Another entry between both blocks of zeros.
        [&whole[..whole.len() - 512], &whole[..512], &[0; 512]].concat(),
    ] {
        let told = place.refusal(&bad);
        assert!(told.contains("expected its end at byte"), "{told}");
    }
    // One of the two blocks is missing.
    assert!(place.refusal(&whole[..whole.len() - 512]).contains("ends early"));
    // Bytes that fill up a block belong to no file.
    let mut at = 0;
    for entry in &list {
        let (end, next) = (at + 512 + entry.data.len(), at + 512 + entry.data.len().next_multiple_of(512));
        for hidden in [end, next - 1].into_iter().filter(|hidden| *hidden < next && *hidden >= end) {
            let mut bad = whole.clone();
            bad[hidden] = 1;
            assert!(place.refusal(&bad).contains("expected zeros before byte"), "{hidden}");
        }
        at = next;
    }
    // Twice the same entry.
    for twin in [0, 1, 5] {
        let mut list = entries(&place.archive());
        let Raw { header, data } = &list[twin];
        let twin_entry = Raw { header: header.clone(), data: data.clone() };
        list.insert(twin + 1, twin_entry);
        place.refusal(&packed(&list));
    }
}

#[test]
fn what_stood_there_is_kept_and_a_bad_archive_changes_nothing() {
    let place = Place::new();
    import(&place.archive(), &place.target()).unwrap();
    let digest = import(&place.archive(), &place.target()).unwrap();
    assert_eq!(names(place.0.path()), ["bundle.tar", "installed", "installed.previous"]);
    let whole = fs::read(place.archive()).unwrap();
    place.refusal(&whole[..whole.len() / 2]);
    assert_eq!(Bundle::open(&place.target()).unwrap().digest(), digest);
    // A folder with somebody's files is no target.
    let home = place.0.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("thesis.tex"), "years of work").unwrap();
    assert!(matches!(import(&place.archive(), &home), Err(ModelError::Config { .. })));
    assert_eq!(names(&home), ["thesis.tex"]);
}

#[test]
fn files_that_are_no_archive_say_what_they_are() {
    let place = Place::new();
    for (bytes, expected) in [
        (&b""[..], "0 bytes"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"PK\x03\x04", "zip archive"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"some other bytes", "no tar archive"),
    ] {
        let told = place.refusal(bytes);
        assert!(told.contains(expected), "{told}");
    }
    let folder = import(&dry(), &place.target()).unwrap_err().to_string();
    assert!(folder.contains("no regular file"), "{folder}");
}
