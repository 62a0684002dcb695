//! Bundles appear whole or not at all, and keep what stood there.

use std::fs;
use std::path::Path;

use mien_models::ModelError;
use mien_models::bundle::{Bundle, BundleWriter, LlmSection, MANIFEST_NAME, Manifest, Origin, Role};

use crate::material::{Copy, dry, dry_manifest, names};

const OURS: Origin<'static> = Origin { licence: "MIT", source: "a test" };

/// A writer holding all files of the dry bundle, and the manifest to finish it with.
fn writer(target: &Path, version: &str) -> (BundleWriter, Manifest) {
    let mut writer = BundleWriter::create(target).unwrap();
    let manifest = dry_manifest();
    for file in &manifest.files {
        fs::copy(file.path.within(&dry()), file.path.within(writer.folder())).unwrap();
        writer.add(file.role, file.path.as_str(), OURS).unwrap();
    }
    (writer, Manifest { version: version.into(), ..manifest })
}

fn version(folder: &Path) -> String {
    Bundle::open(folder).unwrap().manifest().version.clone()
}

#[test]
fn a_new_bundle_takes_the_place_and_the_one_before_is_kept() {
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("deep/er/bundle");
    for (new, kept) in [("1", None), ("2", Some("1")), ("3", Some("2"))] {
        let (writer, manifest) = writer(&target, new);
        writer.finish(manifest).unwrap();
        assert_eq!(version(&target), new);
        let previous = target.with_file_name("bundle.previous");
        match kept {
            None => assert_eq!(names(target.parent().unwrap()), ["bundle"]),
            Some(kept) => {
                assert_eq!(version(&previous), kept);
                assert_eq!(names(target.parent().unwrap()), ["bundle", "bundle.previous"]);
            }
        }
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for path in [target.clone(), target.join(MANIFEST_NAME), target.join("fusion.onnx")] {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o444, 0o444, "{path:?} is not readable by other users: {mode:o}");
        }
    }
}

#[test]
fn nothing_appears_under_the_name_before_the_bundle_is_whole() {
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("bundle");

    // Given up: nothing is left.
    let (given_up, _) = writer(&target, "1");
    assert!(!target.exists());
    drop(given_up);
    assert!(names(parent.path()).is_empty());

    // A process that is killed cleans nothing up; still there is nothing under the name, and the next one succeeds.
    let (killed, _) = writer(&target, "1");
    std::mem::forget(killed);
    assert!(!target.exists());
    let (next, manifest) = writer(&target, "2");
    next.finish(manifest).unwrap();
    assert_eq!(version(&target), "2");

    // A manifest that could not be opened is not installed, and what stands there stays.
    let (refused, manifest) = writer(&target, "3");
    let fault = refused.finish(Manifest { statement: String::new(), ..manifest }).unwrap_err();
    assert!(fault.to_string().contains("statement"), "{fault}");
    let incomplete = BundleWriter::create(&target).unwrap();
    let fault = incomplete.finish(dry_manifest()).unwrap_err();
    assert!(fault.to_string().contains("expected a file of role wavlm, found none"), "{fault}");
    assert_eq!(version(&target), "2");
    // That of the forgotten writer, whose process still lives and holds its lock.
    let left: Vec<String> = names(parent.path()).into_iter().filter(|name| !name.starts_with('.')).collect();
    assert_eq!(left, ["bundle"]);
    assert_eq!(names(parent.path()).len(), 2);
}

#[test]
fn an_interrupted_installation_leaves_a_bundle_that_opens() {
    let copy = Copy::new();
    let digest = Bundle::open(&copy.folder()).unwrap().digest().to_owned();
    // Killed between two renamings, where names cannot be exchanged.
    let kept = copy.parent.path().join("bundle.previous");
    fs::rename(copy.folder(), &kept).unwrap();
    let bundle = Bundle::open(&copy.folder()).unwrap();
    assert_eq!((bundle.digest(), bundle.folder()), (digest.as_str(), kept.as_path()));
    // What stands there is no bundle: it is not passed over.
    fs::create_dir(copy.folder()).unwrap();
    copy.fault();
}

#[test]
fn an_open_bundle_is_what_it_was_whatever_takes_its_place() {
    let copy = Copy::new();
    let bundle = Bundle::open(&copy.folder()).unwrap();
    let weights = |bundle: &Bundle| bundle.file(Role::FusionWeights).unwrap().read(u64::MAX);
    let before = weights(&bundle).unwrap();
    let (writer, manifest) = writer(&copy.folder(), "2");
    writer.finish(manifest).unwrap();
    assert!(weights(&bundle).unwrap() == before);
    fs::remove_dir_all(copy.folder()).unwrap();
    fs::remove_dir_all(copy.parent.path().join("bundle.previous")).unwrap();
    assert!(weights(&bundle).unwrap() == before);

    // Written over in place: refused, and other files stay usable.
    let copy = Copy::new();
    let bundle = Bundle::open(&copy.folder()).unwrap();
    fs::write(copy.folder().join("fusion.weights"), vec![0; before.len()]).unwrap();
    assert!(matches!(weights(&bundle), Err(ModelError::Changed { .. })));
    bundle.file(Role::WavlmWeights).unwrap().read(u64::MAX).unwrap();
}

#[test]
fn only_bundles_and_empty_folders_are_replaced() {
    let parent = tempfile::tempdir().unwrap();
    let (folder, file, empty) = (parent.path().join("home"), parent.path().join("file"), parent.path().join("empty"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("thesis.tex"), "years of work").unwrap();
    fs::write(&file, "x").unwrap();
    fs::create_dir(&empty).unwrap();
    for bad in [folder.as_path(), &file, Path::new("/")] {
        let Err(fault) = BundleWriter::create(bad) else { panic!("{bad:?} accepted") };
        assert!(matches!(fault, ModelError::Config { .. }), "{fault}");
    }
    let (writer, manifest) = writer(&empty, "1");
    writer.finish(manifest).unwrap();
    assert_eq!(version(&empty), "1");
    assert_eq!(names(parent.path()), ["empty", "file", "home"]);
    assert_eq!(names(&folder), ["thesis.tex"]);
}

fn refusal(target: &Path) -> String {
    let Err(fault) = BundleWriter::create(target) else { panic!("{target:?} accepted") };
    assert!(matches!(fault, ModelError::Config { .. }), "{fault}");
    fault.to_string()
}

#[test]
fn a_folder_with_a_manifest_of_another_kind_is_not_replaced() {
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("plugin");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("thesis.tex"), "years of work").unwrap();
    for foreign in
        ["", "[package]\nname = \"x\"", "schema = \"1\"\nfile = []", "schema = 1", "schema = 1\nfile = [1]", "{}"]
    {
        fs::write(target.join(MANIFEST_NAME), foreign).unwrap();
        let fault = refusal(&target);
        assert!(
            fault.contains("plugin") && fault.contains("whose manifest.toml is no bundle's"),
            "{foreign:?}: {fault}"
        );
    }
    assert_eq!(names(parent.path()), ["plugin"]);
    assert_eq!(names(&target), [MANIFEST_NAME, "thesis.tex"]);
}

#[test]
fn a_bundle_of_another_schema_is_replaced_and_kept() {
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("bundle");
    fs::create_dir(&target).unwrap();
    let old = "schema = 0\n[[file]]\nrole = \"ears\"\n";
    fs::write(target.join(MANIFEST_NAME), old).unwrap();
    let (writer, manifest) = writer(&target, "1");
    writer.finish(manifest).unwrap();
    assert_eq!(version(&target), "1");
    assert_eq!(fs::read_to_string(parent.path().join("bundle.previous").join(MANIFEST_NAME)).unwrap(), old);
}

#[test]
fn what_has_the_kept_bundles_name_and_is_none_is_never_deleted() {
    let copy = Copy::new();
    let kept = copy.parent.path().join("bundle.previous");
    let before = version(&copy.folder());
    let check = |place: &dyn Fn(), remove: &dyn Fn()| {
        place();
        let fault = refusal(&copy.folder());
        assert!(fault.contains("bundle.previous") && fault.contains("expected a bundle, an empty folder"), "{fault}");
        assert_eq!(names(copy.parent.path()), ["bundle", "bundle.previous"]);
        remove();
        // It comes while the bundle is built.
        let (late, manifest) = writer(&copy.folder(), "2");
        place();
        let fault = late.finish(manifest).unwrap_err().to_string();
        assert!(fault.contains("bundle.previous"), "{fault}");
        assert_eq!(version(&copy.folder()), before);
        assert_eq!(names(copy.parent.path()), ["bundle", "bundle.previous"]);
        remove();
    };
    // `remove` fails when the files are gone.
    check(&|| fs::write(&kept, "mine").unwrap(), &|| fs::remove_file(&kept).unwrap());
    let fill = || {
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("thesis.tex"), "years of work").unwrap();
    };
    let empty = || {
        fs::remove_file(kept.join("thesis.tex")).unwrap();
        fs::remove_dir(&kept).unwrap();
    };
    check(&fill, &empty);
    #[cfg(unix)]
    check(&|| std::os::unix::fs::symlink("nowhere", &kept).unwrap(), &|| fs::remove_file(&kept).unwrap());

    fs::create_dir(&kept).unwrap();
    let (writer, manifest) = writer(&copy.folder(), "2");
    writer.finish(manifest).unwrap();
    assert_eq!((version(&copy.folder()).as_str(), version(&kept)), ("2", before));
}

#[test]
fn the_current_folder_is_no_target() {
    let current = std::env::current_dir().unwrap();
    for bad in [Path::new("."), Path::new(""), &current, current.parent().unwrap()] {
        let Err(fault) = BundleWriter::create(bad) else { panic!("{bad:?} accepted") };
        // An empty path is refused by the system itself.
        assert!(bad.as_os_str().is_empty() || fault.to_string().contains("apart from the current one"), "{fault}");
    }
}

#[test]
fn a_writer_refuses_paths_that_leave_its_folder() {
    let parent = tempfile::tempdir().unwrap();
    let mut writer = BundleWriter::create(&parent.path().join("bundle")).unwrap();
    for bad in ["../x", "a/../../x", "/tmp/x", "", MANIFEST_NAME] {
        let fault = writer.add_bytes(Role::Licence, bad, b"x", OURS).unwrap_err();
        assert!(matches!(fault, ModelError::Config { .. }), "{bad}: {fault}");
    }
    assert!(names(writer.folder()).is_empty());
    assert!(writer.add(Role::Licence, "absent.txt", OURS).is_err());
}

#[test]
fn a_language_model_may_lie_elsewhere() {
    let parent = tempfile::tempdir().unwrap();
    let elsewhere = parent.path().join("models").join("shared.gguf");
    fs::create_dir(elsewhere.parent().unwrap()).unwrap();
    fs::copy(dry().join("llm.gguf"), &elsewhere).unwrap();
    let target = parent.path().join("bundle");
    let mut writer = BundleWriter::create(&target).unwrap();
    for file in dry_manifest().files.iter().filter(|file| file.role != Role::Llm) {
        fs::copy(file.path.within(&dry()), file.path.within(writer.folder())).unwrap();
        writer.add(file.role, file.path.as_str(), OURS).unwrap();
    }
    writer.add(Role::Llm, elsewhere.to_str().unwrap(), OURS).unwrap();
    writer.finish(dry_manifest()).unwrap();

    let bundle = Bundle::open(&target).unwrap();
    assert_eq!(bundle.path(Role::Llm).unwrap(), elsewhere);
    let mut bad = fs::read(&elsewhere).unwrap();
    bad[100] ^= 1;
    fs::write(&elsewhere, bad).unwrap();
    assert!(matches!(Bundle::open(&target).unwrap_err(), ModelError::Digest { what: "sha256", .. }));
    fs::remove_file(&elsewhere).unwrap();
    assert!(matches!(Bundle::open(&target).unwrap_err(), ModelError::Io { .. }));
}

#[test]
fn a_bundle_without_a_language_model_says_so() {
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("bundle");
    let mut writer = BundleWriter::create(&target).unwrap();
    for file in dry_manifest().files.iter().filter(|file| file.role != Role::Llm) {
        fs::copy(file.path.within(&dry()), file.path.within(writer.folder())).unwrap();
        writer.add(file.role, file.path.as_str(), OURS).unwrap();
    }
    let mut manifest = Manifest { llm: None, ..dry_manifest() };
    manifest.memory.with_llm = None;
    writer.finish(manifest).unwrap();
    let bundle = Bundle::open(&target).unwrap();
    assert_eq!(bundle.manifest().llm, None::<LlmSection>);
    let fault = bundle.path(Role::Llm).unwrap_err().to_string();
    assert!(fault.contains("expected a file of role llm, found none"), "{fault}");
}
