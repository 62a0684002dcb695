//! What a dry bundle holds.

use std::fs;

use mien_models::bundle::{Bundle, DrySize, MANIFEST_NAME, Role, Sha256, make_dry};
use mien_models::face::{FaceFinder, detector_model};
use mien_models::fusion::Fusion;
use mien_models::llama::GgufHeader;
use mien_models::manet::Manet;
use mien_models::projector::Projector;
use mien_models::wavlm::Wavlm;

use crate::material::{SEED, dry, names};

#[test]
fn a_dry_bundle_is_whole_and_its_networks_load() {
    let bundle = Bundle::open(&dry()).unwrap();
    let manifest = bundle.manifest();
    assert!(!manifest.trained && !manifest.statement.is_empty());
    assert!(bundle.extra_files().is_empty());
    let manifest_text = fs::read_to_string(dry().join(MANIFEST_NAME)).unwrap();
    let (line, rest) = manifest_text.split_once('\n').unwrap();
    assert_eq!(line, format!("digest = \"{}\"", Sha256::of(rest.as_bytes())));
    assert_eq!(bundle.digest(), Sha256::of(rest.as_bytes()).to_string());

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
