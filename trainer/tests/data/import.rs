//! From the authors' layout to batches, and what an import refuses.

use std::fs;
use std::path::{Path, PathBuf};

use mien_trainer::data::authors::{AuthorsCorpus, AuthorsPlaces};
use mien_trainer::data::corpus::{Corpus, Modality};
use mien_trainer::data::import::{ImportSettings, NonFinite, Step};
use mien_trainer::data::mmsa::MmsaCorpus;
use mien_trainer::data::mosei::Folds;
use mien_trainer::data::store::{RowType, Store};
use mien_trainer::data::{Source, Split, Stream};

use super::{Expected, copy, f32_rows, fixture, import, message, store};

fn authors() -> AuthorsCorpus {
    AuthorsCorpus::open(&AuthorsPlaces::published(&fixture("authors"))).unwrap()
}

/// A copy of the fixture that a test may damage.
fn damaged() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("corpus");
    copy(&fixture("authors"), &root);
    (folder, root)
}

fn open(root: &Path) -> AuthorsCorpus {
    AuthorsCorpus::open(&AuthorsPlaces::published(root)).unwrap()
}

/// The valid rows of clip `i`; what follows them must be zero.
fn rows(stream: &Stream, i: usize) -> &[f32] {
    let clip = &stream.rows[i * stream.longest * stream.width..(i + 1) * stream.longest * stream.width];
    let (valid, padding) = clip.split_at(stream.lengths[i] * stream.width);
    assert!(padding.iter().all(|v| *v == 0.0));
    valid
}

#[test]
fn a_batch_holds_the_rows_that_numpy_reads() {
    let expected = Expected::open();
    let (_folder, store) = store(&authors(), &f32_rows());
    assert_eq!(store.widths(), [5, 6, 4]);
    // d-Uw_uZyUys_1 is a long clip of train and left out; 125344_0 is one of test and stays.
    let splits = [
        (Split::Train, "train", vec!["-3g5yACwYnA_13", "a_b-c_0", "a_b-c_1", "zk2jTlAtvSU_4"], vec![0, 2, 3, 4]),
        (Split::Valid, "val", vec!["vid-2_0", "_x_7"], vec![0, 1]),
        (Split::Test, "test", vec!["125344_0", "-s9qJ7ATP7w_2", "end_0"], vec![0, 1, 2]),
    ];
    for (split, name, ids, places) in splits {
        assert_eq!(store.index().split(split).ids, ids);
        let (_, labels) = expected.get(&format!("labels/{name}"));
        // In the order asked for, which is not that of the store.
        let order: Vec<usize> = (0..store.len(split)).rev().collect();
        let batch = store.batch(split, &order).unwrap();
        for (i, &clip) in order.iter().enumerate() {
            let id = ids[clip];
            assert_eq!(batch.ids[i], id);
            assert_eq!(batch.labels[i], labels[places[clip]]);
            let folders = [
                ("wavlm-large-FRA_-5", &batch.audio),
                ("vicuna-7b-v1.5-FRA-wavlm2vicuna-half-gt", &batch.text),
                ("vicuna-7b-v1.5-FRA-wavlm2vicuna-half-wav+prompt[take_generate_wordembed_-4]", &batch.simulated),
                ("manet_FRA", &batch.video),
            ];
            for (number, (folder, stream)) in folders.into_iter().enumerate() {
                let (shape, values) = expected.get(&format!("authors/{folder}/{id}"));
                assert_eq!(rows(stream, i), values, "{id}, {folder}");
                assert_eq!(stream.lengths[i], shape[0]);
                assert_eq!(store.lengths(split)[clip][number], shape[0]);
                assert_eq!(stream.longest, *stream.lengths.iter().max().unwrap());
            }
        }
    }
    let texts = store.index().train.transcripts.clone().unwrap();
    assert_eq!(texts[0].as_deref(), Some("so, what -3g5yACwYnA_13 said"));
    assert_eq!(texts[3], None);
    let remarks = store.index().remarks.join("; ");
    assert!(remarks.contains("1 clips of train have no transcript"), "{remarks}");
    assert!(remarks.contains("1 long clips"), "{remarks}");
}

#[test]
fn half_precision_rows_are_numpys_rounded_once() {
    let (_a, exact) = store(&authors(), &f32_rows());
    let (_b, halves) = store(&authors(), &ImportSettings { without_long_clips: false, ..ImportSettings::default() });
    assert_eq!(halves.len(Split::Train), 5);
    let exact = exact.batch(Split::Valid, &[0, 1]).unwrap();
    let halves = halves.batch(Split::Valid, &[0, 1]).unwrap();
    for (exact, half) in [(exact.audio, halves.audio), (exact.video, halves.video)] {
        assert_eq!(exact.lengths, half.lengths);
        for (exact, half) in exact.rows.iter().zip(&half.rows) {
            assert_eq!(half::f16::from_f32(*exact).to_f32(), *half);
        }
    }
    // These were saved in half precision: nothing is lost.
    assert_eq!(exact.text, halves.text);
    assert_eq!(exact.simulated, halves.simulated);
}

#[test]
fn equal_imports_give_equal_bytes_and_report_their_way() {
    let steps = std::sync::Mutex::new(Vec::new());
    let folder = tempfile::tempdir().unwrap();
    let tell = |step| steps.lock().unwrap().push(step);
    mien_trainer::data::import::import(&authors(), &folder.path().join("a"), &f32_rows(), &tell).unwrap();
    import(&authors(), &folder.path().join("b"), &f32_rows()).unwrap();
    let stores = ["a", "b"].map(|name| Store::open(&folder.path().join(name)).unwrap());
    assert_eq!(stores[0].index(), stores[1].index());
    assert_eq!(stores[0].digest(), stores[1].digest());
    assert!(stores.iter().all(|s| s.files().iter().all(|f| s.verify(f).is_none())));
    let steps = steps.into_inner().unwrap();
    assert_eq!(steps.last(), Some(&Step::Written(36, 36)));
    assert!(steps.contains(&Step::Surveyed(9, 9)));
}

#[test]
fn a_corpus_is_the_same_wherever_it_lies_and_another_with_one_other_number() {
    let (_stays, here) = store(&authors(), &f32_rows());
    let (_moved, root) = damaged();
    let (_there, moved) = store(&open(&root), &f32_rows());
    assert_ne!(here.index().origin, moved.index().origin);
    assert_eq!(here.digest(), moved.digest(), "a run goes on with a corpus that was moved and imported again");

    let rows = root.join("features_mosei/wavlm-large-FRA_-5/_x_7.npy");
    let mut bytes = fs::read(&rows).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&rows, bytes).unwrap();
    let (_other, changed) = store(&open(&root), &f32_rows());
    assert_ne!(here.digest(), changed.digest());
}

#[test]
fn official_folds_take_the_place_of_the_archives_splits() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("folds.py");
    fs::write(
        &file,
        "standard_train_fold = ['vid-2', '125344']\nstandard_valid_fold = ['a_b-c']\nstandard_test_fold = ['d-Uw_uZyUys', 'x']\n",
    )
    .unwrap();
    let settings = ImportSettings { folds: Some(Folds::read(&file).unwrap()), ..f32_rows() };
    let (_folder, store) = store(&authors(), &settings);
    let ids = |split| store.index().split(split).ids.clone();
    // 125344_0 is on the list of long clips, and now in train.
    assert_eq!(ids(Split::Train), ["vid-2_0"]);
    assert_eq!(ids(Split::Valid), ["a_b-c_0", "a_b-c_1"]);
    assert_eq!(ids(Split::Test), ["d-Uw_uZyUys_1"]);
    assert!(store.index().remarks.join("; ").contains("5 clips left out whose video is in no fold"));
}

#[test]
fn missing_features_are_told_or_left_out() {
    let (_folder, root) = damaged();
    fs::remove_file(root.join("features_mosei/wavlm-large-FRA_-5/-3g5yACwYnA_13.npy")).unwrap();
    let out = root.join("store");
    let text = message(import(&open(&root), &out, &f32_rows()));
    assert!(text.contains("-3g5yACwYnA_13 has a label but no features of audio"), "{text}");
    assert!(!out.exists());
    let (_f, store) = store(&open(&root), &ImportSettings { skip_missing: true, ..f32_rows() });
    assert_eq!(store.index().train.ids, ["a_b-c_0", "a_b-c_1", "zk2jTlAtvSU_4"]);
    assert!(store.index().remarks.join("; ").contains("1 clips of train left out: features missing"));
}

#[test]
fn rows_that_do_not_fit_are_refused_before_anything_is_written() {
    let npy = |name: &str| fixture(&format!("npy/{name}.npy"));
    for (name, expected) in [
        ("f4", "rows of 4 numbers, expected 5 as in clip -3g5yACwYnA_13"),
        ("three_axes", "[2, 3, 4]"),
        ("empty", "has no audio rows"),
        ("integers", "i8"),
    ] {
        let (_folder, root) = damaged();
        fs::copy(npy(name), root.join("features_mosei/wavlm-large-FRA_-5/end_0.npy")).unwrap();
        let text = message(import(&open(&root), &root.join("store"), &f32_rows()));
        assert!(text.contains(expected) && text.contains("end_0"), "{text}");
        // Neither the store nor its beginnings.
        assert_eq!(fs::read_dir(&root).unwrap().count(), 3);
    }
}

#[test]
fn a_zero_row_stands_in_for_an_empty_sequence_where_wanted() {
    let (_folder, root) = damaged();
    fs::copy(fixture("npy/empty.npy"), root.join("features_mosei/wavlm-large-FRA_-5/end_0.npy")).unwrap();
    let (_f, store) = store(&open(&root), &ImportSettings { zero_row_for_empty: true, ..f32_rows() });
    let batch = store.batch(Split::Test, &[2]).unwrap();
    assert_eq!((batch.audio.lengths.as_slice(), batch.audio.rows.as_slice()), (&[1][..], &[0.0; 5][..]));
    assert!(store.index().remarks.join("; ").contains("zero row stands in for the audio rows of 1 clips"));
}

#[test]
fn numbers_that_are_none_are_refused() {
    for (value, rows, expected) in [
        (f32::NAN, RowType::F32, "NaN"),
        (f32::NEG_INFINITY, RowType::F32, "-inf"),
        (70_000.0, RowType::F16, "70000, beyond what f16 holds"),
    ] {
        let (_folder, root) = damaged();
        let path = root.join("features_mosei/wavlm-large-FRA_-5/-3g5yACwYnA_13.npy");
        let mut bytes = fs::read(&path).unwrap();
        let end = bytes.len() - 4;
        bytes[end..].copy_from_slice(&value.to_le_bytes());
        fs::write(&path, bytes).unwrap();
        let out = root.join("store");
        let text = message(import(&open(&root), &out, &ImportSettings { rows, ..ImportSettings::default() }));
        assert!(text.contains(expected) && text.contains("clip -3g5yACwYnA_13, audio"), "{text}");
        assert!(!out.exists());
        if rows == RowType::F16 {
            import(&open(&root), &out, &f32_rows()).unwrap();
        }
    }
}

#[test]
fn nothing_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("store");
    fs::write(&out, "mine").unwrap();
    assert!(message(import(&authors(), &out, &f32_rows())).contains("something stands there"));
    assert_eq!(fs::read(&out).unwrap(), b"mine");
}

/// Writes over the numbers at `places` of a clip's rows of one modality, wherever they lie in the MMSA file `bytes`: which clip.
fn replace(bytes: &mut [u8], corpus: &MmsaCorpus, modality: Modality, places: &[(usize, f32)]) -> usize {
    let of = |clip: usize| -> Vec<u8> {
        let rows = corpus.rows(Split::Train, clip, modality).unwrap().values;
        rows.iter().flat_map(|v| v.to_le_bytes()).collect()
    };
    // Clips that hold minus infinity are read as other numbers than they have in the file.
    let found = |clip: usize| Some((clip, bytes.windows(of(clip).len()).position(|w| w == of(clip))?));
    let (clip, at) = (0..corpus.clips(Split::Train).len()).find_map(found).expect("a clip of f32 in the file");
    for (place, value) in places {
        bytes[at + 4 * place..][..4].copy_from_slice(&value.to_le_bytes());
    }
    clip
}

#[test]
fn numbers_that_are_none_become_zeros_where_that_is_asked_for_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mmsa.pkl");
    let whole = MmsaCorpus::open(&fixture("mmsa/unaligned.pkl")).unwrap();
    let mut bytes = fs::read(fixture("mmsa/unaligned.pkl")).unwrap();
    let heard = replace(&mut bytes, &whole, Modality::Audio, &[(0, f32::NAN), (2, f32::INFINITY)]);
    let read = replace(&mut bytes, &whole, Modality::Text, &[(1, f32::NAN)]);
    fs::write(&file, &bytes).unwrap();
    let corpus = MmsaCorpus::open(&file).unwrap();
    let out = folder.path().join("store");
    let said = message(import(&corpus, &out, &f32_rows()));
    assert!(said.contains("--non-finite zero") && said.contains("of row 0 is NaN"), "{said}");
    assert!(!out.exists());

    let (_f, store) = store(&corpus, &ImportSettings { non_finite: NonFinite::Zero, ..f32_rows() });
    let remarks = store.index().remarks.clone();
    let told = |text: &str| remarks.iter().any(|remark| remark == text);
    assert!(told("0 stands for 1 NaN and 1 infinities in the audio rows of 1 clips of train"), "{remarks:?}");
    assert!(told("0 stands for 1 NaN and 0 infinities in the text rows of 1 clips of train"), "{remarks:?}");
    // Everything else is as in the whole file.
    let batch = store.batch(Split::Train, &[heard, read]).unwrap();
    let zeroed = |modality, clip: usize, places: &[usize]| {
        let mut rows = whole.rows(Split::Train, clip, modality).unwrap().values;
        places.iter().for_each(|place| rows[*place] = 0.0);
        rows
    };
    let audio = zeroed(Modality::Audio, heard, &[0, 2]);
    assert_eq!(batch.audio.rows[..audio.len()], audio[..]);
    let (text, width) = (zeroed(Modality::Text, read, &[1]), store.widths()[1]);
    let longest = batch.text.lengths.iter().max().unwrap() * width;
    assert_eq!(batch.text.rows[longest..longest + text.len()], text[..]);

    // The same for a folder of arrays; a label that is none stays an error.
    let (_folder, root) = damaged();
    let path = root.join("features_mosei/wavlm-large-FRA_-5/-3g5yACwYnA_13.npy");
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(&f32::NEG_INFINITY.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let index = import(&open(&root), &root.join("zero"), &ImportSettings { non_finite: NonFinite::Zero, ..f32_rows() });
    let remarks = index.unwrap().remarks.join("; ");
    assert!(remarks.contains("0 stands for 0 NaN and 1 infinities in the audio rows of 1 clips of train"), "{remarks}");
}

#[test]
fn texts_that_a_pickle_names_without_end_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.pkl");
    let text = |s: &str| [b"X", &(s.len() as u32).to_le_bytes()[..], s.as_bytes()].concat();
    let long = text(&"a".repeat(1 << 20));
    let list = [b"](", &long[..], b"q\0", &b"h\0".repeat(1 << 19), b"e"].concat();
    let program = [b"\x80\x04}", &text("train")[..], b"}", &text("id"), &list, &text("x"), b"Nss."].concat();
    fs::write(&path, &program).unwrap();
    // Half a million texts of a megabyte.
    let said = message(MmsaCorpus::open(&path).map(|_| ()));
    assert!(said.len() < 2000, "{said}");
    let program = [b"\x80\x04}", &text("train")[..], b"}", &text("id"), &list, b"ss."].concat();
    fs::write(&path, &program).unwrap();
    let said = message(MmsaCorpus::open(&path).map(|_| ()));
    assert!(said.contains("named so often"), "{said}");
    // Keys of a dict in a message.
    let keys: Vec<u8> = (0..64).flat_map(|_| [&b"h\0"[..], b"Ns"].concat()).collect();
    fs::write(&path, [b"\x80\x04", &long[..], b"q\x000}", &keys, b"."].concat()).unwrap();
    let said = message(MmsaCorpus::open(&path).map(|_| ()));
    assert!(said.contains("train is missing") && said.len() < 2000, "{}", said.len());
}
