//! What the workstation reads of corpora: arrays, labels, lists.

use std::path::Path;

use anyhow::Result;
use mien_trainer::data::Split;
use mien_trainer::data::authors::{read_labels, read_transcripts};
use mien_trainer::data::corpus::{Corpus, Modality};
use mien_trainer::data::mmsa::MmsaCorpus;
use mien_trainer::data::mosei::Folds;
use mien_trainer::data::npy;
use mien_trainer::data::plain::PlainCorpus;
use mien_trainer::extract::ClipList;

use super::{Case, Limits, Outcome, Reader, Target, fixtures, texts};
use crate::repair;

/// Clips of each split whose rows are read.
const CLIPS: usize = 4;

const FILE: Target = Target {
    name: "",
    reads: "",
    file: "input.csv",
    text: true,
    framing: None,
    tokens: &[],
    repair: repair::nothing,
    longest: 8 << 10,
    limits: Limits::PARSER,
    seeds: |_| Ok(Vec::new()),
    prepare: |_| Ok(Box::new(|_| Outcome::Read)),
};

pub(super) const NPY: Target = Target {
    name: "npy",
    reads: "rows of a clip as numpy saves them",
    file: "rows.npy",
    tokens: &[
        b"\x93NUMPY\x01\0",
        b"\x93NUMPY\x02\0",
        b"'descr'",
        b"'fortran_order'",
        b"'shape'",
        b"True",
        b"False",
        b"'<f4'",
        b"'<f8'",
        b"'<f2'",
        b"'>f4'",
        b"'|O'",
        b"(",
        b")",
        b",",
        b"0",
        b"18446744073709551615",
        b"4294967296",
        b"L",
        b"[",
    ],
    seeds: |_| fixtures("trainer/tests/fixtures/npy", ".npy"),
    prepare: |_| Ok(Box::new(npy_rows)),
    ..FILE
};

fn npy_rows(case: &Case<'_>) -> Outcome {
    match (npy::extent(case.path), npy::read(case.path)) {
        (Err(error), Err(_)) => Outcome::refused(error),
        (Ok(extent), Ok(matrix)) => {
            let holds = matrix.extent == extent && matrix.values.len() == extent.rows * extent.width;
            Outcome::holds(holds, || format!("{} numbers of {:?}, told {extent:?}", matrix.values.len(), matrix.extent))
        }
        (extent, rows) => {
            Outcome::Wrong(format!("the size {:?} and the rows {:?} disagree", extent.is_ok(), rows.is_ok()))
        }
    }
}

pub(super) const NPZ: Target = Target {
    name: "npz",
    reads: "labels in an archive of pickled arrays; the checks of stored entries are mended",
    file: "labels.npz",
    text: false,
    tokens: &[
        b"PK\x03\x04",
        b"PK\x01\x02",
        b"PK\x05\x06",
        b"PK\x06\x06",
        b"PK\x06\x07",
        b"train_corpus.npy",
        b"val_corpus.npy",
        b"test_corpus.npy",
        b"\x93NUMPY\x01\0",
        b"\x08\0",
        b"\xff\xff\xff\xff",
        b"val",
        b"h\0",
        b"q\0",
        b"u",
        b"s",
        b".",
    ],
    repair: repair::zip,
    longest: 16 << 10,
    limits: Limits { memory: 4 << 20, ..Limits::PARSER },
    seeds: |_| fixtures("trainer/tests/fixtures/labels", ".npz"),
    prepare: |_| Ok(Box::new(npz)),
    ..FILE
};

fn npz(case: &Case<'_>) -> Outcome {
    match read_labels(case.path) {
        Err(error) => Outcome::refused(error),
        Ok(_) => Outcome::Read,
    }
}

pub(super) const MMSA: Target = Target {
    name: "mmsa",
    reads: "a corpus as MMSA pickles it, and its rows",
    file: "corpus.pkl",
    text: false,
    tokens: &[
        b"h\0",
        b"q\0",
        b"}",
        b"(",
        b"u",
        b"s",
        b".",
        b"K\0",
        b"K\x01",
        b"J\xff\xff\xff\x7f",
        b"M\xff\xff",
        b"train",
        b"valid",
        b"test",
        b"audio",
        b"vision",
        b"text",
        b"regression_labels",
        b"audio_lengths",
        b"raw_text",
        b"id",
        b"f4",
        b"f8",
        b"O8",
    ],
    longest: 16 << 10,
    limits: Limits { memory: 4 << 20, ..Limits::PARSER },
    seeds: |_| fixtures("trainer/tests/fixtures/mmsa", ".pkl"),
    prepare: |_| Ok(Box::new(mmsa)),
    ..FILE
};

fn mmsa(case: &Case<'_>) -> Outcome {
    let corpus = match MmsaCorpus::open(case.path) {
        Ok(corpus) => corpus,
        Err(error) => return Outcome::refused(error),
    };
    for split in [Split::Train, Split::Valid, Split::Test] {
        for clip in 0..corpus.clips(split).len().min(CLIPS) {
            for modality in Modality::ALL {
                let extent = match corpus.extent(split, clip, modality) {
                    Ok(Some(extent)) => extent,
                    Ok(None) => continue,
                    Err(error) => return Outcome::refused(error),
                };
                match corpus.rows(split, clip, modality) {
                    Ok(rows) if rows.extent == extent && rows.values.len() == extent.rows * extent.width => {}
                    Ok(rows) => {
                        return Outcome::Wrong(format!("{} numbers, told {extent:?}", rows.values.len()));
                    }
                    Err(error) => return Outcome::refused(error),
                }
            }
        }
    }
    Outcome::Read
}

/// Words of tables.
const CELLS: &[&[u8]] = &[
    b",",
    b"\"",
    b"\"\"",
    b"\t",
    b"\r\n",
    b"id",
    b"path",
    b"split",
    b"label",
    b"transcript",
    b"face",
    b"speaker",
    b"text",
    b"name",
    b"english",
    b"train",
    b"valid",
    b"test",
    b"nan",
    b"inf",
    b"1e999",
    b"../x",
    b"\xef\xbb\xbf",
];

pub(super) const LIST: Target = Target {
    name: "list",
    reads: "a list of clips to extract",
    file: "list.csv",
    tokens: CELLS,
    seeds: |_| {
        Ok(texts(&[
            "id,path,split,label,transcript,face,speaker\na_0,a.wav,train,1.5,\"Hello, there\",a.png,ann\nb_0,b.mp4,test,-3,,,\n",
            "\u{feff}id,path,split,label\r\na_0,a.wav,valid,0\r\n",
        ]))
    },
    prepare: |_| {
        Ok(Box::new(|case: &Case<'_>| match ClipList::read(case.path) {
            Err(error) => Outcome::refused(error),
            Ok(list) => {
                let holds = list.clips().iter().all(|clip| (-3.0..=3.0).contains(&clip.label));
                Outcome::holds(holds && !list.clips().is_empty(), || "a label that is none, or no clip".into())
            }
        }))
    },
    ..FILE
};

pub(super) const TABLE: Target = Target {
    name: "table",
    reads: "clips.csv of a corpus in the plain layout",
    file: "plain/clips.csv",
    tokens: CELLS,
    seeds: |_| {
        Ok(texts(&[
            "id,split,label,speaker,text\na_0,train,1.5,ann,\"Hello, there\"\nb_0,test,-3,,\n",
            "id,split,label\na,valid,0\n",
        ]))
    },
    prepare: |folder| {
        let root = folder.join("plain");
        Ok(Box::new(move |_| match PlainCorpus::open(&root) {
            Err(error) => Outcome::refused(error),
            Ok(_) => Outcome::Read,
        }))
    },
    ..FILE
};

pub(super) const TRANSCRIPTS: Target = Target {
    name: "transcripts",
    reads: "a table of transcripts in the authors' layout",
    file: "transcripts.csv",
    tokens: CELLS,
    seeds: |_| Ok(texts(&["name,chinese,english\na_0,x,\"Hello, there\"\nb_0,y,Bye\n", "name\tenglish\na\tb\n"])),
    prepare: |_| {
        Ok(Box::new(|case: &Case<'_>| match read_transcripts(case.path) {
            Err(error) => Outcome::refused(error),
            Ok(_) => Outcome::Read,
        }))
    },
    ..FILE
};

pub(super) const FOLDS: Target = Target {
    name: "folds",
    reads: "the official folds as a Python file, which is not run",
    file: "folds.py",
    tokens: &[
        b"standard_train_fold",
        b"standard_valid_fold",
        b"standard_test_fold",
        b"=",
        b"[",
        b"]",
        b"'",
        b"\"",
        b",",
        b"#",
        b"\\",
        b"\n",
        b"u'",
    ],
    seeds: |_| {
        Ok(texts(&[
            "# the folds\nstandard_train_fold=['a','b',\n 'c']\nstandard_valid_fold=['d']\nstandard_test_fold = [\"e\"]\n",
        ]))
    },
    prepare: folds,
    ..FILE
};

fn folds(_: &Path) -> Result<Reader> {
    Ok(Box::new(|case: &Case<'_>| match Folds::read(case.path) {
        Err(error) => Outcome::refused(error),
        Ok(folds) => {
            let some = [Split::Train, Split::Valid, Split::Test].into_iter().all(|split| folds.videos(split) > 0);
            Outcome::holds(some, || "a fold without videos".into())
        }
    }))
}
