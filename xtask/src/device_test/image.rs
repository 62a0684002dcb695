//! The machine's files: a small tree, packed for the kernel to unpack into memory.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::kernel::Kernel;
use crate::steps::root;

/// What busybox does in the machine.
const TOOLS: [&str; 8] = ["sh", "mount", "modprobe", "cat", "kill", "sync", "poweroff", "dmesg"];

/// Makes the image with `programs`, what they are linked with, and `data`.
pub(crate) fn image(folder: &Path, kernel: &Kernel, programs: &[PathBuf], data: &Path) -> Result<PathBuf> {
    let tree = folder.join("root");
    let _ = std::fs::remove_dir_all(&tree);
    for name in ["bin", "dev", "proc", "sys", "tmp", "usr/share"] {
        std::fs::create_dir_all(tree.join(name))?;
    }
    let aplay = found("aplay")?;
    for program in programs.iter().chain([&aplay]) {
        let name = program.file_name().context("a program without a name")?;
        std::fs::copy(program, tree.join("bin").join(name)).with_context(|| program.display().to_string())?;
        for library in libraries(program)? {
            let place = tree.join(library.strip_prefix("/")?);
            std::fs::create_dir_all(place.parent().unwrap_or(&tree))?;
            std::fs::copy(&library, place).with_context(|| library.display().to_string())?;
        }
    }
    std::fs::copy(found("busybox")?, tree.join("bin/busybox"))?;
    for tool in TOOLS {
        symlink("busybox", tree.join("bin").join(tool))?;
    }
    copy(&kernel.modules, &tree)?;
    copy(data, &tree.join("data"))?;
    // Without its configuration ALSA knows no device at all.
    copy(Path::new("/usr/share/alsa/alsa.conf"), &tree.join("usr/share/alsa/alsa.conf"))?;
    for part in ["pcm", "cards", "ctl"] {
        let from = Path::new("/usr/share/alsa").join(part);
        if from.is_dir() {
            copy(&from, &tree.join("usr/share/alsa").join(part))?;
        }
    }
    std::fs::copy(root().join("targets/device-test/init"), tree.join("init")).context("targets/device-test/init")?;
    let init = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(tree.join("init"), init)?;
    pack(&tree, &folder.join("initramfs"))
}

/// Where a program lies.
fn found(name: &str) -> Result<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file());
    path.with_context(|| format!("{name} is not in the path; is it installed?"))
}

/// Every library that a program is linked with, the loader included.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("ldd")?;
    ensure!(output.status.success(), "ldd {}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let missing = text.lines().find(|line| line.contains("not found"));
    ensure!(missing.is_none(), "{}: {}", program.display(), missing.unwrap_or_default().trim());
    // "NAME => PATH (ADDRESS)", or "PATH (ADDRESS)" for the loader.
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    Ok(text.lines().filter_map(path).collect())
}

/// Copies a file or a folder with everything in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let shown = || from.display().to_string();
    if from.is_dir() {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(from).with_context(shown)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else {
        std::fs::create_dir_all(to.parent().unwrap_or(to))?;
        std::fs::copy(from, to).with_context(shown)?;
    }
    Ok(())
}

/// Packs the tree as the kernel takes it. Uncompressed: unpacking costs the emulated processor more than loading.
fn pack(tree: &Path, image: &Path) -> Result<PathBuf> {
    let names = Command::new("find").arg(".").current_dir(tree).output().context("find")?;
    let list = image.with_extension("list");
    std::fs::write(&list, names.stdout)?;
    let status = Command::new("cpio")
        .args(["--create", "--format=newc", "--owner=+0:+0", "--quiet"])
        .current_dir(tree)
        .stdin(Stdio::from(std::fs::File::open(&list)?))
        .stdout(Stdio::from(std::fs::File::create(image)?))
        .status()
        .context("cpio")?;
    std::fs::remove_file(&list)?;
    ensure!(status.success(), "cpio: {status}");
    Ok(image.to_owned())
}
