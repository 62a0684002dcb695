//! Debian's kernel and the modules that pretend devices: fetched and built once, never installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::setup;
use crate::steps::run;

/// Debian's names of its usual kernel, of what modules are built against, and of the camera that programs write to.
const KERNEL: &str = "linux-image-amd64";
const HEADERS: &str = "linux-headers-amd64";
const LOOPBACK: &str = "v4l2loopback-dkms";

/// Programs of the package kmod, which lie outside of a usual user's path.
const DEPMOD: &str = "/sbin/depmod";
const MODPROBE: &str = "/sbin/modprobe";

/// The kernel's own modules that are taken; those that they need come with them.
const MODULES: [&str; 2] = ["vivid", "snd-aloop"];

/// A kernel that boots, and its modules.
pub(crate) struct Kernel {
    /// The compressed kernel.
    pub(crate) image: PathBuf,
    /// A folder that holds `lib/modules/RELEASE` with an index.
    pub(crate) modules: PathBuf,
}

/// The kernel below `folder`, made there unless it is there; removing `folder/kernel` makes it anew, of the newest version.
pub(crate) fn kernel(folder: &Path) -> Result<Kernel> {
    let home = folder.join("kernel");
    if !home.is_dir() {
        let unpacked = folder.join("unpacked");
        let made = folder.join("kernel.new");
        for folder in [&unpacked, &made] {
            let _ = std::fs::remove_dir_all(folder);
            std::fs::create_dir_all(folder)?;
        }
        make(&unpacked, &made).context("making the kernel's folder")?;
        std::fs::remove_dir_all(&unpacked)?;
        std::fs::rename(&made, &home)?;
    }
    Ok(Kernel { image: home.join("vmlinuz"), modules: home.join("modules") })
}

fn make(unpacked: &Path, made: &Path) -> Result<()> {
    setup::know(&[KERNEL, HEADERS, LOOPBACK])?;
    let image = dependency(KERNEL, "linux-image-")?;
    let headers = dependency(HEADERS, "linux-headers-")?;
    let release = image.trim_start_matches("linux-image-").to_owned();
    let common = dependency(&headers, "linux-headers-")?;
    let kbuild = dependency(&headers, "linux-kbuild-")?;
    // Kernel and headers must be of one build: all are fetched in one go.
    for package in setup::download(&[&image, &headers, &common, &kbuild, LOOPBACK], unpacked)? {
        run("dpkg-deb", &[Path::new("-x"), &package, unpacked])?;
        std::fs::remove_file(package)?;
    }
    std::fs::copy(unpacked.join(format!("boot/vmlinuz-{release}")), made.join("vmlinuz")).context("vmlinuz")?;
    let loopback = loopback(unpacked, &headers, &common)?;
    let modules = made.join("modules");
    let folder = modules.join("lib/modules").join(&release);
    std::fs::create_dir_all(&folder)?;
    run(DEPMOD, &[Path::new("-b"), unpacked, Path::new(&release)])?;
    for module in MODULES.iter().map(|name| needed(unpacked, &release, name)).collect::<Result<Vec<_>>>()?.concat() {
        let name = module.file_name().context("a module without a name")?;
        std::fs::copy(&module, folder.join(name))?;
    }
    std::fs::copy(loopback, folder.join("v4l2loopback.ko"))?;
    for list in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        let from = unpacked.join("lib/modules").join(&release).join(list);
        if from.is_file() {
            std::fs::copy(from, folder.join(list))?;
        }
    }
    run(DEPMOD, &[Path::new("-b"), &modules, Path::new(&release)])
}

/// The package that `package` depends on and whose name begins so.
fn dependency(package: &str, prefix: &str) -> Result<String> {
    let output = Command::new("apt-cache").args(["depends", package]).output().context("apt-cache")?;
    let text = String::from_utf8(output.stdout)?;
    let mut names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let found = names.find(|name| name.starts_with(prefix));
    found.map(String::from).with_context(|| format!("{package} depends on no {prefix}*, expected one; is this Debian?"))
}

/// The files of a module and of those that it needs.
fn needed(unpacked: &Path, release: &str, module: &str) -> Result<Vec<PathBuf>> {
    let output = Command::new(MODPROBE)
        .arg("-d")
        .arg(unpacked)
        .args(["-S", release, "--show-depends", module])
        .output()
        .context(MODPROBE)?;
    ensure!(output.status.success(), "{module}: {}", String::from_utf8_lossy(&output.stderr));
    // "insmod PATH" each, or "builtin NAME".
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().filter_map(|l| l.strip_prefix("insmod ")).map(|path| PathBuf::from(path.trim())).collect())
}

/// Builds v4l2loopback against the unpacked headers.
fn loopback(unpacked: &Path, headers: &str, common: &str) -> Result<PathBuf> {
    let sources = unpacked.join("usr/src");
    let headers = sources.join(headers);
    // It names where the common part would be installed.
    let makefile = headers.join("Makefile");
    let text = std::fs::read_to_string(&makefile).context("the headers' Makefile")?;
    let here = sources.join(common).display().to_string();
    std::fs::write(&makefile, text.replace(&format!("/usr/src/{common}"), &here))?;
    let mut folders = std::fs::read_dir(&sources)?.collect::<std::io::Result<Vec<_>>>()?;
    folders.retain(|entry| entry.file_name().as_encoded_bytes().starts_with(b"v4l2loopback-"));
    let [source] = folders.as_slice() else { bail!("{LOOPBACK} brings {} sources, expected one", folders.len()) };
    let source = source.path();
    let text = |key: &str, path: &Path| format!("{key}{}", path.display());
    // The system's compiler is the one that its kernel was built with.
    let args = ["-s", "-C", &text("", &headers), &text("M=", &source), "ARCH=x86", "CC=gcc", "modules"];
    run("make", &args)?;
    Ok(source.join("v4l2loopback.ko"))
}
