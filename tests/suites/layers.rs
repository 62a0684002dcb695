//! Folders are layers: who may use whom, and what the device's tree may never hold.

#![allow(clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::process::Command;

/// A crate and every crate of the project that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("mien-capture", &[]),
    ("mien-kernel", &[]),
    ("mien-models", &["mien-capture", "mien-kernel"]),
    ("mien-quantize", &["mien-kernel", "mien-models"]),
    ("mien-runtime", &["mien-capture", "mien-models"]),
    ("mien-trainer", &["mien-capture", "mien-models", "mien-quantize", "mien-runtime"]),
    ("mien-tests", &["mien-capture", "mien-models", "mien-runtime"]),
    ("mien-fuzz", &["mien-capture", "mien-models", "mien-runtime", "mien-trainer"]),
    ("mien-targets", &[]),
    ("xtask", &[]),
];

/// The device is offline: nothing that opens connections, speaks TLS or resolves names.
const NEVER_ON_THE_DEVICE: &[&str] = &[
    "attohttpc",
    "curl",
    "hickory-resolver",
    "hyper",
    "isahc",
    "native-tls",
    "openssl",
    "openssl-sys",
    "reqwest",
    "rustls",
    "tokio",
    "ureq",
];

fn cargo(args: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

#[test]
fn dependencies_point_one_way() {
    let metadata: serde_json::Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--offline", "--format-version", "1"])).expect("JSON");
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let packages = metadata["packages"].as_array().expect("a list of packages");
    assert_eq!(packages.len(), MAY_USE.len(), "a crate was added: say whom it may use");
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let may_use = allowed.get(name).unwrap_or_else(|| panic!("{name} has no layer"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let used = dependency["name"].as_str().expect("a name");
            if allowed.contains_key(used) {
                assert!(may_use.contains(&used), "{name} may not use {used}");
            }
        }
    }
}

#[test]
fn nothing_on_the_device_can_reach_a_network() {
    let tree = cargo(&["tree", "--offline", "--package", "mien-runtime", "--edges", "normal", "--prefix", "none"]);
    let names: Vec<&str> = tree.lines().filter_map(|l| l.split_whitespace().next()).collect();
    assert!(names.contains(&"tract-core"), "the tree is not the device's: {tree}");
    for name in NEVER_ON_THE_DEVICE {
        assert!(!names.contains(name), "{name} is in the device's tree");
    }
    for name in ["mien-trainer", "mien-quantize", "burn"] {
        assert!(!names.contains(&name), "{name} is in the device's tree: it belongs on the workstation");
    }
}
