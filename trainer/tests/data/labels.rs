//! The authors' label archive.

use std::path::PathBuf;

use mien_trainer::data::authors::read_labels;

use super::{Expected, fixture, message};

fn official() -> PathBuf {
    fixture("authors/datasets_label/cmumosei-process/label_official.npz")
}

#[test]
fn every_spelling_of_the_archive_gives_the_same_labels() {
    let expected = Expected::open();
    let ids = [
        vec!["-3g5yACwYnA_13", "d-Uw_uZyUys_1", "a_b-c_0", "a_b-c_1", "zk2jTlAtvSU_4"],
        vec!["vid-2_0", "_x_7"],
        vec!["125344_0", "-s9qJ7ATP7w_2", "end_0"],
    ];
    let archives = ["numpy1", "deflated", "protocol5"].map(|name| fixture(&format!("labels/{name}.npz")));
    for path in archives.into_iter().chain([official()]) {
        let splits = read_labels(&path).unwrap();
        for ((split, ids), name) in splits.iter().zip(&ids).zip(["train", "val", "test"]) {
            assert_eq!(&split.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ids, "{}", path.display());
            let (_, labels) = expected.get(&format!("labels/{name}"));
            assert_eq!(split.iter().map(|(_, v)| *v as f32).collect::<Vec<_>>(), labels);
        }
    }
}

#[test]
fn faulty_archives_are_told_apart() {
    for (name, expected) in [
        ("foreign", "builtins.print"),
        ("no_valid", "val_corpus.npy is missing"),
        ("no_val", "\"a_0\" has no number under \"val\""),
    ] {
        let text = message(read_labels(&fixture(&format!("labels/{name}.npz"))));
        assert!(text.contains(expected), "{text}");
    }
    assert!(message(read_labels(&fixture("npy/f4.npy"))).contains("no complete zip archive"));
    assert!(message(read_labels(&fixture("labels"))).contains("ordinary file"));
}

#[test]
fn a_call_in_a_label_is_never_made() {
    // Written here, byte by byte: a dict whose value is the result of posix.system("touch ...").
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("executed");
    let command = format!("touch {}", mark.display());
    let mut program = b"\x80\x03}X\x03\0\0\0a_0cposix\nsystem\nX".to_vec();
    program.extend((command.len() as u32).to_le_bytes());
    program.extend(command.bytes());
    program.extend(b"\x85Rs.");
    let mut member = b"\x93NUMPY\x01\x00\x46\x00".to_vec();
    member.extend(format!("{:69}\n", "{'descr': '|O', 'fortran_order': False, 'shape': (), }").bytes());
    member.extend(program);
    let path = folder.path().join("hostile.npz");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for name in ["train", "val", "test"] {
        zip.start_file(format!("{name}_corpus.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, &member).unwrap();
    }
    zip.finish().unwrap();
    assert!(message(read_labels(&path)).contains("posix.system"));
    assert!(!mark.exists());
}

/// An archive of three members that hold the pickle `program` each.
fn archive(path: &std::path::Path, program: &[u8], method: zip::CompressionMethod) {
    let mut member = b"\x93NUMPY\x01\x00\x46\x00".to_vec();
    member.extend(format!("{:69}\n", "{'descr': '|O', 'fortran_order': False, 'shape': (), }").bytes());
    member.extend(b"\x80\x04cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR(K\x01)cnumpy\ndtype\n(X\x02\0\0\0O8K\x00K\x01tR");
    member.extend(b"(K\x03X\x01\0\0\0|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89](");
    member.extend(program);
    member.extend(b"etb.");
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for name in ["train", "val", "test"] {
        zip.start_file(format!("{name}_corpus.npy"), options).unwrap();
        std::io::Write::write_all(&mut zip, &member).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn ids_that_a_pickle_names_without_end_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.npz");
    let text = |s: &str| [b"X", &(s.len() as u32).to_le_bytes()[..], s.as_bytes()].concat();
    let label = [b"}", &text("val")[..], b"G?\xf0\0\0\0\0\0\0s"].concat();
    // What is right is read, so that the refusals below say something.
    let one = |id: &str| [b"}", &text(id)[..], &label, b"s"].concat();
    archive(&path, &one("a_0"), zip::CompressionMethod::Deflated);
    assert_eq!(read_labels(&path).unwrap()[0], [("a_0".to_owned(), 1.0)]);
    // A million names of one text of four megabytes.
    let many = |id: &str| [b"}(", &text(id)[..], b"q\0", &label, b"q\x01", &b"h\0h\x01".repeat(400_000), b"u"].concat();
    archive(&path, &many(&"a".repeat(4 << 20)), zip::CompressionMethod::Deflated);
    assert!(std::fs::metadata(&path).unwrap().len() < 50_000);
    assert!(message(read_labels(&path)).contains("compressed bytes announce"));
    archive(&path, &many(&"a".repeat(4 << 20)), zip::CompressionMethod::Stored);
    assert!(message(read_labels(&path)).contains("longer than any file's name"));
    archive(&path, &many("a_0"), zip::CompressionMethod::Stored);
    assert!(message(read_labels(&path)).contains("comes twice"));
}
