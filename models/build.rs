//! Takes the face detector's model and its licence out of the published `rustface` package.
//!
//! The package carries `model/seeta_fd_frontal_v1.0.bin` but does not embed it. Copying it at build time keeps a
//! megabyte of foreign data out of this repository and ties it to the version in `Cargo.lock`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use cargo_metadata::{Metadata, MetadataCommand};

/// The package, and the files in it that are embedded: path in the package, name in `OUT_DIR`.
const PACKAGE: &str = "rustface";
const FILES: [(&str, &str); 2] =
    [("model/seeta_fd_frontal_v1.0.bin", "seeta_fd_frontal_v1.0.bin"), ("LICENSE", "seeta_fd_frontal_v1.0.LICENSE")];

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("Cargo.toml");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let metadata = metadata(&manifest, &env::var("TARGET")?)?;
    let package = package_folder(&metadata)?;
    println!("cargo:rerun-if-changed=build.rs");
    // Another version of the package lies in another folder, which only the lock file tells.
    println!("cargo:rerun-if-changed={}", metadata.workspace_root.join("Cargo.lock"));
    for (source, name) in FILES {
        let source = package.join(source);
        println!("cargo:rerun-if-changed={}", source.display());
        fs::copy(&source, out.join(name)).map_err(|e| {
            format!(
                "{}: cannot copy the face detector's file: {e}; the {PACKAGE} package that Cargo.lock names should \
                 hold it: remove that folder so that cargo unpacks the package again",
                source.display()
            )
        })?;
    }
    Ok(())
}

/// What cargo knows of the packages of this build; asks no registry unless the lock file does not suffice.
fn metadata(manifest: &Path, target: &str) -> Result<Metadata, Box<dyn Error>> {
    let ask = |flags: &[&str]| {
        let mut options: Vec<String> = flags.iter().map(|f| (*f).to_owned()).collect();
        options.extend(["--filter-platform".into(), target.into()]);
        MetadataCommand::new().manifest_path(manifest).other_options(options).exec()
    };
    ask(&["--offline", "--locked"]).or_else(|_| ask(&[])).map_err(|e| {
        format!("cannot list the packages of this build, needed to find {PACKAGE}'s folder: {}", e.to_string().trim())
            .into()
    })
}

/// The folder into which cargo unpacked the package.
fn package_folder(metadata: &Metadata) -> Result<PathBuf, Box<dyn Error>> {
    let mut found = metadata.packages.iter().filter(|p| p.name.as_str() == PACKAGE);
    match (found.next(), found.next()) {
        (Some(package), None) => match package.manifest_path.parent() {
            Some(folder) => Ok(folder.as_std_path().to_owned()),
            None => Err(format!("{}: has no folder", package.manifest_path).into()),
        },
        (None, _) => Err(format!("expected the package {PACKAGE} among the dependencies, found none").into()),
        (Some(a), Some(b)) => {
            Err(format!("expected one version of {PACKAGE}, found {} and {}: unify them", a.version, b.version).into())
        }
    }
}
