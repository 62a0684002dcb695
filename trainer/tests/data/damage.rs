//! Files that were cut off or changed on their way: an error, or what was there before; never a panic.

use std::fs;
use std::path::Path;

use mien_trainer::data::Split;
use mien_trainer::data::authors::{read_labels, read_transcripts};
use mien_trainer::data::corpus::{Corpus, Modality};
use mien_trainer::data::mmsa::MmsaCorpus;
use mien_trainer::data::npy;
use mien_trainer::data::plain::PlainCorpus;
use mien_trainer::{Result, TrainerError};

use super::{Random, fixture, is_refusal};

/// Everything that can be had from an MMSA pickle.
fn mmsa(path: &Path) -> Result<Vec<String>> {
    let corpus = MmsaCorpus::open(path)?;
    let mut all = Vec::new();
    for split in [Split::Train, Split::Valid, Split::Test] {
        for (n, clip) in corpus.clips(split).iter().enumerate() {
            all.push(format!("{clip:?}"));
            for modality in Modality::ALL {
                if corpus.extent(split, n, modality)?.is_some() {
                    let matrix = corpus.rows(split, n, modality)?;
                    assert_eq!(matrix.values.len(), matrix.extent.rows * matrix.extent.width);
                    all.push(format!("{matrix:?}"));
                }
            }
        }
    }
    Ok(all)
}

fn labels(path: &Path) -> Result<Vec<String>> {
    Ok(read_labels(path)?.iter().flatten().map(|pair| format!("{pair:?}")).collect())
}

fn array(path: &Path) -> Result<Vec<String>> {
    let found = npy::read(path)?;
    assert_eq!(npy::extent(path)?, found.extent);
    Ok(found.values.iter().map(|v| v.to_bits().to_string()).collect())
}

type Read = fn(&Path) -> Result<Vec<String>>;

const FILES: [(&str, Read); 10] = [
    ("npy/f2.npy", array),
    ("npy/f4.npy", array),
    ("npy/fortran.npy", array),
    ("npy/extra.npy", array),
    ("labels/numpy1.npz", labels),
    ("labels/deflated.npz", labels),
    ("labels/protocol5.npz", labels),
    ("mmsa/aligned.pkl", mmsa),
    ("mmsa/unaligned.pkl", mmsa),
    ("mmsa/protocol5.pkl", mmsa),
];

fn told(error: &TrainerError) {
    assert!(is_refusal(error), "{error:?}");
    let text = error.to_string();
    assert!(!text.contains(['\n', '\r', '\u{1b}']), "{text:?}");
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    for (name, read) in FILES {
        let whole = fs::read(fixture(name)).unwrap();
        read(&fixture(name)).unwrap();
        // Everywhere in headers and at the end, here and there between.
        for length in (0..whole.len()).filter(|n| *n < 200 || n % 13 == 0 || whole.len() - n < 60) {
            fs::write(&path, &whole[..length]).unwrap();
            match read(&path) {
                Err(error) => told(&error),
                Ok(_) => panic!("{name} cut to {length} bytes was read"),
            }
        }
        // A file to which something was added: only archives and arrays know where they end.
        if name.starts_with("npy") {
            fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
            told(&read(&path).unwrap_err());
        }
    }
}

#[test]
fn changed_bytes_in_an_archive_never_change_a_label() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed");
    let mut random = Random(3);
    let (mut refused, mut unharmed) = (0, 0);
    for (name, read) in FILES.into_iter().filter(|(name, _)| name.starts_with("labels")) {
        let original = read(&fixture(name)).unwrap();
        let mut bytes = fs::read(fixture(name)).unwrap();
        for at in 0..bytes.len() {
            let mask = 1 + random.below(255) as u8;
            bytes[at] ^= mask;
            fs::write(&path, &bytes).unwrap();
            bytes[at] ^= mask;
            match read(&path) {
                // Dates, permissions and the like.
                Ok(found) => {
                    assert_eq!(found, original, "{name}, byte {at} changed by {mask:#04x}");
                    unharmed += 1;
                }
                Err(error) => {
                    told(&error);
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 1000 && unharmed > 50, "{refused} refused, {unharmed} unharmed");
}

#[test]
fn changed_bytes_in_files_without_checksums_end_in_an_error_or_in_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed");
    let mut random = Random(5);
    let (mut refused, mut read_all_the_same) = (0, 0);
    for (name, read) in FILES.into_iter().filter(|(name, _)| !name.starts_with("labels")) {
        let original = fs::read(fixture(name)).unwrap();
        for round in 0..800 {
            let mut bytes = original.clone();
            // Headers and the first objects are where the danger is: every other round changes the first part only.
            let reach = if round % 2 == 0 { bytes.len() } else { bytes.len().min(400) };
            for _ in 0..1 + round % 3 {
                let at = random.below(reach);
                bytes[at] = random.below(256) as u8;
            }
            fs::write(&path, &bytes).unwrap();
            match read(&path) {
                Ok(_) => read_all_the_same += 1,
                Err(error) => {
                    told(&error);
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 1000 && read_all_the_same > 1000, "{refused} refused, {read_all_the_same} read");
}

#[test]
fn changed_tables_end_in_an_error_or_in_rows() {
    let folder = tempfile::tempdir().unwrap();
    let table = b"id,split,label,text\na_0,train,1,\"x, y\"\nb_0,valid,-2.5,\nc_0,test,0,z\n".to_vec();
    let transcripts = fs::read(fixture("authors/mosei_text_mid_new.csv")).unwrap();
    let mut random = Random(9);
    let (mut refused, mut unharmed) = (0, 0);
    for round in 0..600 {
        let name = if round % 2 == 0 { "clips.csv" } else { "mosei.csv" };
        let mut bytes = if round % 2 == 0 { table.clone() } else { transcripts.clone() };
        let at = random.below(bytes.len());
        bytes[at] = random.below(256) as u8;
        if round % 5 == 0 {
            bytes.truncate(at);
        }
        fs::write(folder.path().join(name), bytes).unwrap();
        let result = if round % 2 == 0 {
            PlainCorpus::open(folder.path()).map(drop)
        } else {
            read_transcripts(&folder.path().join(name)).map(drop)
        };
        match result {
            Ok(()) => unharmed += 1,
            Err(error) => {
                told(&error);
                refused += 1;
            }
        }
    }
    assert!(refused > 50 && unharmed > 50, "{refused} refused, {unharmed} unharmed");
}
