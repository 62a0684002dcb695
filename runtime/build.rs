//! Lists the files of the built-in bundle and of its held-out clips, so that the program embeds whatever lies there.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Where they lie, below this package's folder.
const ROOT: &str = "assets/pocket";
/// A folder there, and the list's name and meaning in the program.
const LISTS: [(&str, &str, &str); 2] = [
    ("bundle", "BUNDLE", "The built-in bundle: its manifest, and every file that the manifest names."),
    ("clips", "CLIPS", "The held-out clips, a folder each, and the list of them."),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    // A folder counts as changed where anything in it is.
    println!("cargo:rerun-if-changed={ROOT}");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join(ROOT);
    let mut text = String::new();
    for (folder, list, meaning) in LISTS {
        let mut files = Vec::new();
        collect(&root.join(folder), "", &mut files)?;
        files.sort();
        writeln!(text, "/// {meaning}\npub static {list}: &[EmbeddedFile] = &[")?;
        for name in files {
            // The compiler fills in where this checkout lies: several may share a target folder, and with it this list.
            let place = format!("/{ROOT}/{folder}/{name}");
            let bytes = format!("include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {place:?}))");
            writeln!(text, "    EmbeddedFile {{ path: {name:?}, bytes: {bytes} }},")?;
        }
        writeln!(text, "];")?;
    }
    Ok(fs::write(PathBuf::from(env::var("OUT_DIR")?).join("pocket_files.rs"), text)?)
}

/// Every file below `folder`: its path from the list's root with `/` between names.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    let entries = fs::read_dir(folder)
        .map_err(|e| format!("{}: cannot list the files to embed: {e}; it belongs to the sources", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| format!("{}: expected a name in UTF-8", path.display()))?;
        let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        if path.is_dir() {
            collect(&path, &name, files)?;
        } else {
            files.push(name);
        }
    }
    Ok(())
}
