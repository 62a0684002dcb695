//! Files that are not what the manifest says.

use std::fs;

use mien_models::ModelError;
use mien_models::bundle::{Bundle, MANIFEST_NAME, Role, Sha256, seal_folder};

use crate::material::{Copy, files};

#[test]
fn a_flipped_bit_in_any_file_is_found() {
    let copy = Copy::new();
    for name in files() {
        let path = copy.folder().join(&name);
        let good = fs::read(&path).unwrap();
        for at in [0, good.len() / 3, good.len() / 2, good.len() - 1] {
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
fn a_flipped_bit_anywhere_in_the_manifest_is_refused() {
    let copy = Copy::new();
    let good = fs::read(copy.folder().join(MANIFEST_NAME)).unwrap();
    let mut refused = 0;
    for at in 0..good.len() {
        // Each bit of some bytes, one bit of every byte, and what turns letters into others.
        let flips: &[u8] = if at % 37 == 0 { &[1, 2, 4, 8, 16, 32, 64, 128, 255] } else { &[1, 0x20] };
        for flip in flips {
            let mut bad = good.clone();
            bad[at] ^= flip;
            copy.write_unsealed(&bad);
            let told = copy.fault().to_string();
            assert!(told.contains("manifest.toml") && !told.contains('\n'), "byte {at}: {told}");
            assert!(Bundle::verify(&copy.folder()).is_err());
            refused += 1;
        }
    }
    assert!(refused > 2 * good.len());
    // A byte more or less, anywhere.
    for at in (0..=good.len()).step_by(17) {
        let mut more = good.clone();
        more.insert(at, b' ');
        copy.write_unsealed(&more);
        copy.fault();
        if at < good.len() {
            let mut less = good.clone();
            less.remove(at);
            copy.write_unsealed(&less);
            copy.fault();
        }
    }
    copy.write_unsealed(&good);
    Bundle::open(&copy.folder()).unwrap();
}

#[test]
fn a_manifest_that_is_changed_on_purpose_is_sealed_anew() {
    let copy = Copy::new();
    let good = copy.manifest_text();
    let digest = Bundle::open(&copy.folder()).unwrap().digest().to_owned();
    assert_eq!(seal_folder(&copy.folder()).unwrap(), digest);
    assert_eq!(copy.manifest_text(), good);
    // By hand, from before there was a digest, and with a comment that stays.
    let body =
        good.split_once('\n').unwrap().1.replace("schema = 2", "schema = 1 ").replace("[wavlm]", "# ours\n[wavlm]");
    copy.write_unsealed(&body);
    assert!(copy.fault().to_string().contains("mien bundle seal"));
    let other = seal_folder(&copy.folder()).unwrap();
    assert_ne!(other, digest);
    assert_eq!(Bundle::open(&copy.folder()).unwrap().digest(), other);
    assert!(copy.manifest_text().contains("# ours\n[wavlm]"));
    // Nothing is sealed that would not open.
    for bad in [body.replace("beams = 1", "beams = 2"), body.replacen("sha256 = \"", "sha256 = \"0", 1)] {
        copy.write_unsealed(&bad);
        seal_folder(&copy.folder()).unwrap_err();
        assert_eq!(copy.manifest_text(), bad);
    }
    copy.write_unsealed(&body);
    let weights = copy.folder().join("fusion.weights");
    let mut bytes = fs::read(&weights).unwrap();
    bytes[77] ^= 1;
    fs::write(&weights, bytes).unwrap();
    assert!(matches!(seal_folder(&copy.folder()).unwrap_err(), ModelError::Digest { .. }));
    assert_eq!(copy.manifest_text(), body);
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
    for name in ["fusion.onnx", "fusion.weights"] {
        fs::rename(copy.folder().join(name), outside.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(&outside, copy.folder().join("nets")).unwrap();
    copy.write_manifest(copy.manifest_text().replace("path = \"fusion.", "path = \"nets/fusion."));
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
