//! Bundles: what a good one gives, and that no damage, no false manifest and no interruption passes unnoticed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mien_models::ModelError;
use mien_models::bundle::{
    Bundle, BundleWriter, DrySize, LlmSection, MANIFEST_NAME, Manifest, Metric, Origin, Role, Sha256, make_dry,
};
use mien_models::face::{FaceFinder, detector_model};
use mien_models::fusion::Fusion;
use mien_models::llama::GgufHeader;
use mien_models::manet::Manet;
use mien_models::projector::Projector;
use mien_models::wavlm::Wavlm;
use tempfile::TempDir;

const SEED: u64 = 7;

/// One small dry bundle for all tests; never changed.
static DRY: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    make_dry(&folder.path().join("dry"), DrySize::Small, SEED).unwrap();
    folder
});

fn dry() -> PathBuf {
    DRY.path().join("dry")
}

fn dry_manifest() -> Manifest {
    Bundle::open(&dry()).unwrap().manifest().clone()
}

/// A copy of the dry bundle that a test may damage, in a folder of its own.
struct Copy {
    parent: TempDir,
}

impl Copy {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let copy = Self { parent };
        fs::create_dir(copy.folder()).unwrap();
        for entry in fs::read_dir(dry()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.folder().join(entry.file_name())).unwrap();
        }
        copy
    }

    fn folder(&self) -> PathBuf {
        self.parent.path().join("bundle")
    }

    fn manifest_text(&self) -> String {
        fs::read_to_string(self.folder().join(MANIFEST_NAME)).unwrap()
    }

    fn write_manifest(&self, text: impl AsRef<[u8]>) {
        fs::write(self.folder().join(MANIFEST_NAME), text).unwrap();
    }

    fn fault(&self) -> ModelError {
        Bundle::open(&self.folder()).unwrap_err()
    }
}

fn files() -> Vec<String> {
    dry_manifest().files.iter().map(|file| file.path.to_string()).collect()
}

/// Names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_dry_bundle_is_whole_and_its_networks_load() {
    let bundle = Bundle::open(&dry()).unwrap();
    let manifest = bundle.manifest();
    assert!(!manifest.trained && !manifest.statement.is_empty());
    assert!(bundle.extra_files().is_empty());
    assert_eq!(bundle.digest(), Sha256::of(&fs::read(dry().join(MANIFEST_NAME)).unwrap()).to_string());

    Wavlm::load(&bundle.path(Role::Wavlm).unwrap(), &manifest.wavlm, manifest.method.audio_layer).unwrap();
    Manet::load(&bundle.path(Role::Manet).unwrap(), &manifest.manet).unwrap();
    Projector::load(&bundle.path(Role::Projector).unwrap(), &manifest.projector).unwrap();
    Fusion::load(&bundle.path(Role::Fusion).unwrap(), &manifest.fusion).unwrap();
    let header = GgufHeader::read(&bundle.path(Role::Llm).unwrap()).unwrap();
    let llm = manifest.llm.as_ref().unwrap();
    assert_eq!(header.check(&llm.requirement()).unwrap().shape.context_length, llm.context_length);
    let detector = fs::read(bundle.path(Role::FaceDetector).unwrap()).unwrap();
    FaceFinder::from_bytes(&detector, manifest.face.finder).unwrap();
}

#[test]
fn the_face_detector_comes_with_its_licence() {
    let bundle = Bundle::open(&dry()).unwrap();
    let model = detector_model();
    assert_eq!(fs::read(bundle.path(Role::FaceDetector).unwrap()).unwrap(), model.bytes);
    let licence = fs::read_to_string(bundle.path(Role::Licence).unwrap()).unwrap();
    assert_eq!(licence, model.licence_text);
    assert!(licence.contains("Redistributions in binary form must reproduce the above copyright notice"));
}

#[test]
fn the_same_seed_gives_the_same_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let digest = |name: &str, seed| {
        make_dry(&folder.path().join(name), DrySize::Small, seed).unwrap();
        Bundle::open(&folder.path().join(name)).unwrap().digest().to_owned()
    };
    let first = Bundle::open(&dry()).unwrap().digest().to_owned();
    assert_eq!(digest("again", SEED), first);
    assert_ne!(digest("other", SEED + 1), first);
    assert_eq!(names(folder.path()), ["again", "other"]);
}

#[test]
fn a_flipped_bit_in_any_file_is_found() {
    let copy = Copy::new();
    for name in files() {
        let path = copy.folder().join(&name);
        let good = fs::read(&path).unwrap();
        for at in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            fs::write(&path, &bad).unwrap();
            match copy.fault() {
                ModelError::Digest { path: named, what: "sha256", expected, found } => {
                    assert_eq!(named, path);
                    assert_eq!(expected, Sha256::of(&good).to_string());
                    assert_eq!(found, Sha256::of(&bad).to_string());
                }
                other => panic!("{name} at {at}: {other}"),
            }
        }
        let verification = Bundle::verify(&copy.folder()).unwrap();
        assert!(!verification.holds());
        let faulty: Vec<_> = verification.files().iter().filter(|f| f.fault.is_some()).map(|f| &f.path).collect();
        assert_eq!(faulty, [&path]);
        fs::write(&path, &good).unwrap();
    }
    assert!(Bundle::verify(&copy.folder()).unwrap().holds());
}

#[test]
fn a_flipped_bit_in_the_manifest_is_refused_or_changes_the_digest() {
    let copy = Copy::new();
    let good = fs::read(copy.folder().join(MANIFEST_NAME)).unwrap();
    let digest = Bundle::open(&copy.folder()).unwrap().digest().to_owned();
    let mut refused = 0;
    for at in (0..good.len()).step_by(61) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        copy.write_manifest(&bad);
        match Bundle::open(&copy.folder()) {
            Ok(bundle) => assert_ne!(bundle.digest(), digest, "byte {at}"),
            Err(e) => {
                assert!(!e.to_string().contains('\n'), "{e}");
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn files_cut_short_grown_or_gone_are_found() {
    let copy = Copy::new();
    for name in files() {
        let path = copy.folder().join(&name);
        let good = fs::read(&path).unwrap();
        let grown = [good.as_slice(), b"x"].concat();
        for bad in [&good[..0], &good[..good.len() - 1], &grown] {
            fs::write(&path, bad).unwrap();
            match copy.fault() {
                ModelError::Digest { path: named, what: "size in bytes", expected, found } => {
                    assert_eq!(named, path);
                    assert_eq!((expected, found), (good.len().to_string(), bad.len().to_string()));
                }
                other => panic!("{name}: {other}"),
            }
        }
        fs::remove_file(&path).unwrap();
        let fault = copy.fault();
        assert!(matches!(&fault, ModelError::Io { path: named, .. } if *named == path), "{fault}");
        fs::write(&path, &good).unwrap();
    }
}

#[test]
fn a_file_that_is_no_regular_file_is_refused() {
    let copy = Copy::new();
    let path = copy.folder().join("fusion.onnx");
    fs::rename(&path, copy.parent.path().join("outside")).unwrap();
    let refused = |kind: &str| {
        let fault = copy.fault();
        assert!(matches!(fault, ModelError::Manifest { .. }), "{fault}");
        let text = fault.to_string();
        assert!(
            text.contains("fusion.onnx") && text.contains("expected a regular file") && text.contains(kind),
            "{text}"
        );
    };
    fs::create_dir(&path).unwrap();
    refused("found a folder");
    fs::remove_dir(&path).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../outside", &path).unwrap();
        refused("found a symbolic link");
        fs::remove_file(&path).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        refused("found a device or pipe");
    }
}

#[cfg(unix)]
#[test]
fn a_linked_folder_on_the_way_to_a_file_is_refused() {
    let copy = Copy::new();
    let outside = copy.parent.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::rename(copy.folder().join("fusion.onnx"), outside.join("fusion.onnx")).unwrap();
    std::os::unix::fs::symlink(&outside, copy.folder().join("nets")).unwrap();
    copy.write_manifest(copy.manifest_text().replace("\"fusion.onnx\"", "\"nets/fusion.onnx\""));
    let fault = copy.fault().to_string();
    assert!(fault.contains("nets") && fault.contains("expected a folder"), "{fault}");
    // The same files in a true folder of the bundle are fine.
    fs::remove_file(copy.folder().join("nets")).unwrap();
    fs::rename(&outside, copy.folder().join("nets")).unwrap();
    assert!(Bundle::open(&copy.folder()).unwrap().path(Role::Fusion).unwrap().ends_with("nets/fusion.onnx"));
}

#[test]
fn files_that_do_not_belong_are_reported() {
    let copy = Copy::new();
    fs::write(copy.folder().join("notes.txt"), "mine").unwrap();
    fs::create_dir(copy.folder().join("old")).unwrap();
    fs::write(copy.folder().join("old/fusion.onnx"), "old").unwrap();
    let bundle = Bundle::open(&copy.folder()).unwrap();
    let expected = [copy.folder().join("notes.txt"), copy.folder().join("old/fusion.onnx")];
    assert_eq!(bundle.extra_files(), expected);
    assert_eq!(Bundle::verify(&copy.folder()).unwrap().extra_files(), expected);
}

/// The manifest with one piece replaced, and what the error must say, the first being the text of the line that it names.
const FALSE_MANIFESTS: &[(&str, &str, &[&str])] = &[
    ("schema = 1", "schema = 2", &["schema = 2", "schema: expected 1, found 2"]),
    ("schema = 1", "schema = \"1\"", &["schema = ", "invalid type: string", "expected u32"]),
    ("trained = false", "trained = \"no\"", &["trained = ", "invalid type: string", "expected a boolean"]),
    ("trained = false", "trained = false\ncolour = 3", &["colour = 3", "unknown field `colour`"]),
    ("trained = false\n", "", &["missing field `trained`"]),
    ("trained = false", "trained = false\ntrained = true", &["trained = true", "duplicate key"]),
    ("step = 4", "step = 0", &["finder", "step: expected 1 to 16, found 0"]),
    ("step = 4", "step = 4\nsteps = 4", &["steps = 4", "unknown field `steps`"]),
    ("margin = 0.2", "margin = nan", &["crop", "margin: expected 0 to 2"]),
    ("every = 5", "every = 0", &["track", "every: expected at least 1, found 0"]),
    ("every = 5", "every = -5", &["every = -5", "invalid value: integer `-5`, expected u32"]),
    (
        "sample_rate = 16000",
        "sample_rate = 8000",
        &["sample_rate = 8000", "audio.sample_rate: expected 16000, found 8000"],
    ),
    ("longest_utterance_s = 30.0", "longest_utterance_s = inf", &["longest_utterance_s = inf", "expected above 0"]),
    ("audio_layer = 3", "audio_layer = 5", &["audio_layer = 5", "method.audio_layer: expected 0 to 4"]),
    (
        "simulated_layers = [-4]",
        "simulated_layers = [0]",
        &["simulated_layers = [0]", "index 0 of a model of 6 blocks"],
    ),
    ("simulated_layers = [-4]", "simulated_layers = []", &["simulated_layers = []", "method.simulated_layers"]),
    ("beams = 1", "beams = 4", &["beams = 4", "method.beams: expected 1, found 4"]),
    ("max_new_tokens = 200", "max_new_tokens = 0", &["max_new_tokens = 0", "expected at least 1, found 0"]),
    (
        "video = 128",
        "video = 64",
        &["video = 64", "fusion.video: expected 128, the width of MA-Net's embedding, found 64"],
    ),
    (
        "embedding_length = 64",
        "embedding_length = 65",
        &["embedding_length = 65", "expected 64, the fusion's text width, found 65"],
    ),
    ("heads = 4", "heads = 5", &["[wavlm]", "wavlm: ", "multiple of heads 5"]),
    ("padding = \"masked\"", "padding = \"none\"", &["padding = ", "unknown variant `none`", "`masked`"]),
    ("role = \"llm\"", "role = \"llms\"", &["role = ", "unknown variant `llms`"]),
    ("role = \"llm\"", "role = \"licence\"", &["[llm]", "llm: expected the table and a file of role llm or neither"]),
    (
        "role = \"manet\"",
        "role = \"wavlm\"",
        &["role = \\\"wavlm\\\"", "file[2].role: expected each role once, found wavlm again"],
    ),
    ("role = \"manet\"", "role = \"licence\"", &["expected a file of role manet, found none"]),
    ("path = \"manet.onnx\"", "path = \"wavlm.onnx\"", &["path = ", "file[2].path: expected each path once"]),
    (
        "path = \"manet.onnx\"",
        "path = \"../manet.onnx\"",
        &["path = ", "expected a path below the bundle's folder", "../manet.onnx"],
    ),
    (
        "path = \"manet.onnx\"",
        "path = \"/etc/passwd\"",
        &["path = ", "file[2].path: expected a path below the bundle's folder"],
    ),
    ("sha256 = \"", "sha256 = \"z", &["sha256 = ", "sha256: expected 64 digits 0-9a-f"]),
    (
        "statement = \"untrained formula weights: scores mean nothing\"",
        "statement = \"\"",
        &["statement = ", "statement: expected one line of 1 to 500"],
    ),
    ("name = \"dry-small\"", "name = \"a\\u001bb\"", &["name = ", "name: expected one line"]),
];

#[test]
fn a_false_manifest_is_named_by_line_key_expected_and_found() {
    let copy = Copy::new();
    let good = copy.manifest_text();
    for (piece, replacement, says) in FALSE_MANIFESTS {
        let at = good.find(piece).unwrap_or_else(|| panic!("no {piece:?} in\n{good}"));
        let bad = [&good[..at], replacement, &good[at + piece.len()..]].concat();
        copy.write_manifest(&bad);
        let fault = copy.fault();
        assert!(matches!(fault, ModelError::Manifest { .. }), "{fault}");
        let text = fault.to_string();
        assert!(text.contains("manifest.toml: line ") && !text.contains('\n'), "{text}");
        for part in *says {
            assert!(text.contains(part), "{replacement:?}: expected {part:?} in {text:?}");
        }
        // The line that is named is the line that is quoted.
        let number: usize = text.split("line ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        let quoted: String = bad.lines().nth(number - 1).unwrap().trim().chars().take(80).collect();
        assert!(text.contains(&format!("line {number} ({quoted:?})")), "{text}");
    }
}

#[test]
fn a_manifest_that_is_no_text_or_too_large_is_refused() {
    let copy = Copy::new();
    for (bytes, says) in [
        (b"".to_vec(), "missing field"),
        (b"\xff\xfe".to_vec(), "expected UTF-8 text, found another byte at 0"),
        (vec![b'#'; 2 << 20], "expected at most 1048576 bytes"),
        (vec![b'['; 1 << 20], "line 1"),
        (b"schema = ".to_vec(), "line 1"),
    ] {
        copy.write_manifest(&bytes);
        let text = copy.fault().to_string();
        assert!(text.contains(says) && !text.contains('\n') && text.len() < 2000, "{text}");
    }
    fs::remove_file(copy.folder().join(MANIFEST_NAME)).unwrap();
    assert!(matches!(copy.fault(), ModelError::Io { .. }));
    assert!(matches!(Bundle::open(Path::new("/nonexistent/bundle")).unwrap_err(), ModelError::Io { .. }));
}

#[test]
fn every_key_survives_being_written_and_read() {
    let manifest = Manifest {
        interval90: [("audio+simulated+face".into(), 1.25), ("audio+text".into(), 0.5)].into(),
        metrics: vec![Metric {
            protocol: "own \"test\" split".into(),
            mode: "audio+face".into(),
            mae: 0.625,
            clips: 3,
        }],
        ..dry_manifest()
    };
    let path = Path::new("m.toml");
    let text = manifest.to_toml(path).unwrap();
    let back = Manifest::parse(&text, path).unwrap();
    assert_eq!(back, manifest);
    assert_eq!((back.interval90("audio+text"), back.interval90("audio")), (Some(0.5), None));

    let refused = |change: fn(&mut Manifest)| {
        let mut bad = manifest.clone();
        change(&mut bad);
        bad.to_toml(path).unwrap_err().to_string()
    };
    assert!(refused(|m| m.metrics[0].mode = "voice".into()).contains("metric[0].mode: expected one of"));
    assert!(refused(|m| m.metrics[0].mae = f64::NAN).contains("metric[0].mae"));
    assert!(refused(|m| _ = m.interval90.insert("all".into(), 1.0)).contains("interval90.all"));
    assert!(refused(|m| _ = m.interval90.insert("text".into(), -1.0)).contains("interval90.text"));
    assert!(refused(|m| m.memory.with_llm = None).contains("memory.with_llm: expected a value, found none"));
}

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
    let left: Vec<String> = names(parent.path()).into_iter().filter(|name| !name.starts_with('.')).collect();
    assert_eq!(left, ["bundle"]);
}

#[test]
fn an_interrupted_installation_is_explained() {
    let copy = Copy::new();
    // Killed between the two renamings.
    fs::rename(copy.folder(), copy.parent.path().join("bundle.previous")).unwrap();
    let fault = copy.fault().to_string();
    assert!(fault.contains("interrupted installation") && fault.contains("bundle.previous"), "{fault}");
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
