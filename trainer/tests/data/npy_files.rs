//! `.npy` files of every type, order and shape.

use mien_trainer::data::npy::{self, Extent, FeatureFolder};

use super::{Expected, fixture, message};

#[test]
fn every_kind_of_array_is_read_as_numpy_reads_it() {
    let expected = Expected::open();
    for name in ["f2", "f4", "f8", "big_endian", "fortran", "vector", "one_row", "extra", "between", "scalar"] {
        let path = fixture(&format!("npy/{name}.npy"));
        let (shape, values) = expected.get(&format!("npy/{name}"));
        let found = npy::read(&path).unwrap();
        assert_eq!(found.values, values, "{name}");
        assert_eq!(found.extent, Extent { rows: shape[0], width: shape[1] }, "{name}");
        assert_eq!(npy::extent(&path).unwrap(), found.extent, "{name}");
    }
    assert_eq!(npy::extent(&fixture("npy/empty.npy")).unwrap(), Extent { rows: 0, width: 4 });
}

#[test]
fn arrays_that_are_no_rows_of_floats_are_refused() {
    for (name, expected) in [
        ("three_axes", "[2, 3, 4]"),
        ("integers", "i8"),
        ("objects", "Python objects"),
        ("complex", "not read"),
        ("records", "records"),
    ] {
        let path = fixture(&format!("npy/{name}.npy"));
        let text = message(npy::read(&path));
        assert!(text.contains(expected) && text.contains(name), "{text}");
        assert_eq!(message(npy::extent(&path)), text);
    }
}

#[test]
fn a_folder_of_frames_is_read_in_name_order() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("a+[b]_0");
    std::fs::create_dir(&clip).unwrap();
    let write = |name: &str, row: &[f32]| {
        let mut bytes = b"\x93NUMPY\x01\x00\x46\x00".to_vec();
        let dict = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}", row.len());
        bytes.extend(format!("{dict:69}\n").bytes());
        bytes.extend(row.iter().flat_map(|v| v.to_le_bytes()));
        std::fs::write(clip.join(name), bytes).unwrap();
    };
    write("f_10.npy", &[5.0, 6.0]);
    write("f_02.npy", &[3.0, 4.0]);
    write("f_01.npy", &[1.0, 2.0]);
    let features = FeatureFolder::open(folder.path()).unwrap();
    let found = features.read("a+[b]_0").unwrap();
    assert_eq!(found.values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(features.extent("a+[b]_0").unwrap(), Some(Extent { rows: 3, width: 2 }));
    assert_eq!(features.extent("a_0").unwrap(), None);
    assert!(message(features.extent("../a_0")).contains("file name"));

    write("f_11.npy", &[7.0]);
    assert!(message(features.read("a+[b]_0")).contains("1 rows of 1 numbers"));
    std::fs::remove_file(clip.join("f_11.npy")).unwrap();
    std::fs::write(clip.join("notes.txt"), "").unwrap();
    assert!(message(features.read("a+[b]_0")).contains("notes.txt"));
}

#[test]
fn a_missing_folder_is_named() {
    assert!(message(FeatureFolder::open("no/such/folder")).contains("no/such/folder"));
    assert!(message(npy::read(&fixture("npy"))).contains("ordinary file"));
    assert!(message(npy::read(&fixture("npy/absent.npy"))).contains("absent.npy"));
}
