//! MMSA pickles and the plain layout.

use std::fs;

use mien_trainer::data::corpus::{Corpus, Modality};
use mien_trainer::data::mmsa::MmsaCorpus;
use mien_trainer::data::plain::PlainCorpus;
use mien_trainer::data::{Source, Split};

use super::{Expected, copy, f32_rows, fixture, import, message, store};

const SPLITS: [(Split, &str, usize); 3] =
    [(Split::Train, "train", 5), (Split::Valid, "valid", 2), (Split::Test, "test", 3)];

#[test]
fn mmsa_rows_are_what_numpy_holds() {
    let expected = Expected::open();
    for (file, kind) in
        [("aligned", "aligned"), ("protocol5", "aligned"), ("objects", "aligned"), ("unaligned", "unaligned")]
    {
        let corpus = MmsaCorpus::open(&fixture(&format!("mmsa/{file}.pkl"))).unwrap();
        let (_folder, store) = store(&corpus, &f32_rows());
        assert_eq!(store.widths(), [4, 6, 3]);
        for (split, name, count) in SPLITS {
            let batch = store.batch(split, &(0..count).collect::<Vec<_>>()).unwrap();
            assert_eq!(batch.labels, expected.get(&format!("{kind}/{name}/labels")).1, "{file}");
            for n in 0..count {
                assert_eq!(batch.ids[n], format!("{name}-vid_{}_{n}", n / 2));
                let text = store.index().split(split).transcripts.as_ref().unwrap()[n].clone().unwrap();
                assert_eq!(text, format!("{name} says {n}"));
                for modality in [Modality::Audio, Modality::Text, Modality::Video] {
                    let (shape, values) = expected.get(&format!("{kind}/{name}/{modality}/{n}"));
                    assert_eq!(
                        store.rows(split, n, modality).unwrap().unwrap(),
                        values,
                        "{file} {name} {modality} {n}"
                    );
                    assert_eq!(store.lengths(split)[n][modality as usize], shape[0]);
                }
                // There is no simulated text in these files: one zero row stands in.
                assert_eq!(store.rows(split, n, Modality::Simulated).unwrap(), None);
                assert_eq!(store.lengths(split)[n][Modality::Simulated as usize], 1);
            }
            assert_eq!((batch.simulated.longest, batch.simulated.width), (1, 6));
            assert!(batch.simulated.rows.iter().all(|v| *v == 0.0));
        }
    }
}

#[test]
fn faulty_mmsa_pickles_are_told_apart() {
    for (name, expected) in [
        ("foreign", "builtins.print"),
        ("no_valid", "split valid is missing"),
        ("short", "regression_labels has 2 entries for 3 ids"),
    ] {
        let text = message(MmsaCorpus::open(&fixture(&format!("mmsa/{name}.pkl"))));
        assert!(text.contains(expected), "{text}");
    }
    assert!(message(MmsaCorpus::open(&fixture("npy/f4.npy"))).contains("not a readable MMSA"));
}

/// The authors' features under the names of the plain layout.
fn plain(table: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let features = fixture("authors/features_mosei");
    for entry in fs::read_dir(features).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let target = match name.as_str() {
            "wavlm-large-FRA_-5" => "audio",
            "manet_FRA" => "video",
            _ if name.ends_with("gt") => "text",
            _ => "simulated",
        };
        copy(&entry.path(), &folder.path().join(target));
    }
    fs::write(folder.path().join("clips.csv"), table).unwrap();
    folder
}

#[test]
fn a_plain_layout_is_imported() {
    let folder = plain(
        "\u{feff}id,split,label,text,speaker\n-3g5yACwYnA_13,train,-0.5,\"well, no\",ann\n_x_7,valid,3,,\n125344_0,test,0,hm,ben\n",
    );
    let expected = Expected::open();
    let (_folder, store) = store(&PlainCorpus::open(folder.path()).unwrap(), &f32_rows());
    let train = &store.index().train;
    assert_eq!((train.ids[0].as_str(), train.labels[0]), ("-3g5yACwYnA_13", -0.5));
    assert_eq!(train.speakers.as_ref().unwrap()[0].as_deref(), Some("ann"));
    assert_eq!(train.transcripts.as_ref().unwrap()[0].as_deref(), Some("well, no"));
    assert_eq!(store.index().valid.speakers, None);
    let (_, values) = expected.get("authors/manet_FRA/125344_0");
    assert_eq!(store.rows(Split::Test, 0, Modality::Video).unwrap().unwrap(), values);
}

#[test]
fn faulty_tables_are_told_apart() {
    let rest = "_x_7,valid,3\n125344_0,test,0\n";
    for (table, expected) in [
        (format!("id,split\n{rest}"), "header holds"),
        (format!("id,split,label,mood\n{rest}"), "mood"),
        (format!("id,split,label\n-3g5yACwYnA_13,val,0\n{rest}"), "expected train, valid or test, found \"val\""),
        (format!("id,split,label\n-3g5yACwYnA_13,train,good\n{rest}"), "expected a number, found \"good\""),
        (format!("id,split,label\n-3g5yACwYnA_13,train\n{rest}"), "record 1"),
        (format!("id,split,label\n-3g5yACwYnA_13,train,3.5\n{rest}"), "the label 3.5, expected a number from -3 to 3"),
        (format!("id,split,label\n-3g5yACwYnA_13,train,NaN\n{rest}"), "the label NaN"),
        (format!("id,split,label\n_x_7,train,1\n{rest}"), "the id _x_7 comes twice (in train and valid)"),
        (format!("id,split,label\n{rest}"), "the split train has no clips"),
        (format!("id,split,label\n../x_0,train,1\n{rest}"), "cannot be a file name"),
    ] {
        let folder = plain(&table);
        let out = folder.path().join("store");
        let text = message(PlainCorpus::open(folder.path()).and_then(|c| import(&c as &dyn Corpus, &out, &f32_rows())));
        assert!(text.contains(expected), "{text}");
        assert!(!out.exists());
    }
    let folder = plain(&format!("id,split,label\n-3g5yACwYnA_13,train,0\n{rest}"));
    fs::remove_dir_all(folder.path().join("video")).unwrap();
    let corpus = PlainCorpus::open(folder.path()).unwrap();
    assert!(
        message(import(&corpus, &folder.path().join("store"), &f32_rows())).contains("expected rows of audio, video")
    );
}
