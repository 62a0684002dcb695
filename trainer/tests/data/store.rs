//! Stores that are no stores, of another version, or changed.

use std::fs;
use std::path::PathBuf;

use mien_trainer::data::authors::{AuthorsCorpus, AuthorsPlaces};
use mien_trainer::data::corpus::Modality;
use mien_trainer::data::store::{RowType, Store, StoreWriter};
use mien_trainer::data::{Source, Split};

use super::{f32_rows, fixture, import, message};

fn made() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("store");
    let corpus = AuthorsCorpus::open(&AuthorsPlaces::published(&fixture("authors"))).unwrap();
    import(&corpus, &out, &f32_rows()).unwrap();
    (folder, out)
}

#[test]
fn another_version_is_named() {
    let (_folder, path) = made();
    let cover = fs::read_to_string(path.join("store.json")).unwrap();
    fs::write(path.join("store.json"), cover.replace("\"schema\":1", "\"schema\":2")).unwrap();
    let text = message(Store::open(&path));
    assert!(
        text.contains("version 1") && text.contains("version 2") && text.contains("import the corpus again"),
        "{text}"
    );
    fs::write(path.join("store.json"), cover.replace("\"schema\":1", "\"schema\":1,\"more\":0")).unwrap();
    assert!(message(Store::open(&path)).contains("more"));
    fs::write(path.join("store.json"), "{}").unwrap();
    assert!(message(Store::open(&path)).contains("is this a store"));
    assert!(message(Store::open(&fixture("authors"))).contains("store.json"));
}

#[test]
fn a_changed_index_is_refused() {
    let (_folder, path) = made();
    let index = fs::read_to_string(path.join("index.json")).unwrap();
    // A label, which nothing else would notice.
    let changed = index.replacen("\"labels\":[-3.0", "\"labels\":[-2.0", 1);
    assert_ne!(index, changed);
    fs::write(path.join("index.json"), changed).unwrap();
    assert!(message(Store::open(&path)).contains("digest"));
    fs::remove_file(path.join("index.json")).unwrap();
    assert!(message(Store::open(&path)).contains("index.json"));
}

#[test]
fn row_files_that_were_cut_or_taken_away_are_refused() {
    for name in ["train.audio.safetensors", "test.video.safetensors"] {
        let (_folder, path) = made();
        let whole = fs::read(path.join(name)).unwrap();
        fs::write(path.join(name), &whole[..whole.len() - 1]).unwrap();
        let text = message(Store::open(&path));
        assert!(text.contains(name) && text.contains("not copied whole"), "{text}");
        fs::remove_file(path.join(name)).unwrap();
        assert!(message(Store::open(&path)).contains(name));
        // The same size, another content: the header no longer describes it, or its digest tells.
        fs::write(path.join(name), vec![0; whole.len()]).unwrap();
        assert!(message(Store::open(&path)).contains(name));
    }
}

#[test]
fn a_changed_number_is_found_by_its_digest() {
    let (_folder, path) = made();
    let name = path.join("valid.text.safetensors");
    let mut bytes = fs::read(&name).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&name, bytes).unwrap();
    let store = Store::open(&path).unwrap();
    let faults: Vec<_> = store.files().into_iter().filter_map(|f| store.verify(f)).collect();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].path, name);
}

#[test]
fn not_a_number_in_a_changed_file_never_reaches_a_batch() {
    let (_folder, path) = made();
    let name = path.join("valid.text.safetensors");
    let mut bytes = fs::read(&name).unwrap();
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&name, bytes).unwrap();
    let store = Store::open(&path).unwrap();
    assert!(message(store.batch(Split::Valid, &[0, 1])).contains("text rows of clip _x_7"));
    assert!(store.batch(Split::Valid, &[0]).is_ok());
}

#[test]
fn clips_past_the_end_are_refused_and_no_clips_are_no_batch() {
    let (_folder, path) = made();
    let store = Store::open(&path).unwrap();
    assert!(message(store.batch(Split::Valid, &[0, 2])).contains("clip number 2 was asked for, valid has 2 clips"));
    assert!(message(store.rows(Split::Valid, 2, Modality::Audio)).contains("clip number 2"));
    let none = store.batch(Split::Valid, &[]).unwrap();
    assert_eq!((none.ids.len(), none.audio.rows.len()), (0, 0));
}

#[test]
fn a_writer_that_stops_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/store");
    let writer = StoreWriter::create(&out, RowType::F16).unwrap();
    let mut rows = writer.rows(Split::Train, Modality::Audio, 2, &[1, 2]).unwrap();
    rows.write(&"first", &[1.0, 2.0]).unwrap();
    assert!(message(rows.write(&"more", &[0.0; 5])).contains("more rows than announced"));
    assert!(message(rows.finish()).contains("4 numbers fewer than announced"));
    drop(writer);
    assert_eq!(fs::read_dir(folder.path().join("deep")).unwrap().count(), 0);
}
