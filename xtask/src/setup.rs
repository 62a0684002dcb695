//! System packages, and files out of packages that are not installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::steps::{self, assets, succeeds};

/// What the packages are needed for; each need includes the one before, and that of a GPU the first two alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Building and the demo.
    Demo,
    /// A recorded voice and a portrait as well.
    Recordings,
    /// The tests as well.
    Tests,
    /// The emulated machine with its devices as well.
    DeviceTest,
    /// Programs for aarch64 as well.
    Aarch64,
    /// Building with Vulkan, and a pretended GPU.
    Gpu,
}

impl Need {
    fn includes(self, other: Self) -> bool {
        match self {
            Self::Gpu => matches!(other, Self::Gpu | Self::Recordings | Self::Demo),
            need => other <= need,
        }
    }
}

/// Debian's name, what it is for, and who needs it.
const PACKAGES: &[(&str, &str, Need)] = &[
    ("g++", "C++ compiler for llama.cpp and openh264", Need::Demo),
    ("make", "builds llama.cpp", Need::Demo),
    ("cmake", "builds llama.cpp", Need::Demo),
    ("libclang-dev", "reads llama.cpp's headers for its bindings", Need::Demo),
    ("libasound2-dev", "ALSA's headers: microphones", Need::Demo),
    ("pkg-config", "finds ALSA", Need::Demo),
    ("alsa-utils", "recorded human speech (/usr/share/sounds/alsa)", Need::Recordings),
    ("ffmpeg", "makes compressed sound and film for the tests", Need::Tests),
    ("pulseaudio", "a sound server with a pretended microphone", Need::Tests),
    ("pulseaudio-utils", "plays into it", Need::Tests),
    ("libasound2-plugins", "ALSA programs on PulseAudio", Need::Tests),
    ("pipewire", "another sound server", Need::Tests),
    ("pipewire-bin", "plays into it", Need::Tests),
    ("wireplumber", "connects what it has", Need::Tests),
    ("dbus-daemon", "the message bus that wireplumber wants", Need::Tests),
    ("espeak-ng", "speaks the pocket corpus", Need::Tests),
    ("strace", "shows what the program asks of the system", Need::Tests),
    ("iproute2", "makes a network without interfaces", Need::Tests),
    ("qemu-system-x86", "the emulated machine", Need::DeviceTest),
    ("busybox-static", "the emulated machine's shell", Need::DeviceTest),
    ("cpio", "packs the emulated machine's files", Need::DeviceTest),
    ("kmod", "finds what kernel modules need", Need::DeviceTest),
    ("gcc-aarch64-linux-gnu", "links programs for aarch64", Need::Aarch64),
    ("libc6-dev-arm64-cross", "what such programs are linked with", Need::Aarch64),
    ("qemu-user", "runs them", Need::Aarch64),
    ("libvulkan-dev", "Vulkan's headers and loader", Need::Gpu),
    ("glslc", "compiles llama.cpp's shaders", Need::Gpu),
    ("spirv-headers", "what such shaders are made of", Need::Gpu),
    ("mesa-vulkan-drivers", "drivers, and one that computes on the processor", Need::Gpu),
];

/// The package whose public-domain portrait (NASA, Eileen Collins) tests and trials show, and the picture's name in it.
const PORTRAIT_PACKAGE: &str = "python3-skimage";
const PORTRAIT: &str = "astronaut.png";

/// The package with ALSA's way to PipeWire, which cannot be installed beside PulseAudio, and the plug-in's name in it.
const PIPEWIRE_PACKAGE: &str = "pipewire-alsa";
const PIPEWIRE_PLUGIN: &str = "libasound_module_pcm_pipewire.so";

/// Installs what is missing; where that cannot be done, says what to install.
pub(crate) fn run(need: Need) -> Result<()> {
    let wanted: Vec<_> = PACKAGES.iter().filter(|(_, _, n)| need.includes(*n)).collect();
    if !succeeds("dpkg-query", &["--version"]) || !succeeds("apt-get", &["--version"]) {
        eprintln!("This system has no apt. Please see that it has (Debian's names):");
        for (name, purpose, _) in &wanted {
            eprintln!("  {name:14} {purpose}");
        }
        if need.includes(Need::Tests) {
            eprintln!("  and {PIPEWIRE_PLUGIN} of {PIPEWIRE_PACKAGE} as {}", assets().join(PIPEWIRE_PLUGIN).display());
        }
        if need.includes(Need::Recordings) {
            eprintln!("  and {PORTRAIT} of the scikit-image package as {}", assets().join(PORTRAIT).display());
        }
        return Ok(());
    }
    let missing: Vec<&str> = wanted.iter().map(|(name, _, _)| *name).filter(|name| !installed(name)).collect();
    if !missing.is_empty() {
        apt(&["update", "-q"])?;
        let mut args = vec!["install", "-q", "-y", "--no-install-recommends"];
        args.extend(&missing);
        apt(&args)?;
    }
    if need.includes(Need::Recordings) {
        taken_out(PORTRAIT_PACKAGE, PORTRAIT, "a portrait")?;
    }
    if need.includes(Need::Tests) {
        taken_out(PIPEWIRE_PACKAGE, PIPEWIRE_PLUGIN, "ALSA's plug-in for PipeWire")?;
    }
    Ok(())
}

fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f=${db:Status-Status}", package])
        .output()
        .is_ok_and(|o| o.status.success() && o.stdout == b"installed")
}

fn apt(args: &[&str]) -> Result<()> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0");
    let done = if root {
        steps::run("env", &[&["DEBIAN_FRONTEND=noninteractive", "apt-get"], args].concat())
    } else if succeeds("sudo", &["-n", "true"]) {
        steps::run("sudo", &[&["-n", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], args].concat())
    } else {
        bail!("packages are missing and this user may not install them; please run: sudo apt-get {}", args.join(" "))
    };
    done.context("installing system packages failed")
}

/// Sees that apt knows of these packages.
pub(crate) fn know(packages: &[&str]) -> Result<()> {
    if packages.iter().all(|package| succeeds("apt-cache", &["show", package])) {
        Ok(())
    } else {
        apt(&["update", "-q"])
    }
}

/// Fetches packages into `folder` without installing them; gives their files.
pub(crate) fn download(packages: &[&str], folder: &Path) -> Result<Vec<PathBuf>> {
    let status = Command::new("apt-get")
        .args(["download", "-q", "-o", "APT::Sandbox::User=root"])
        .args(packages)
        .current_dir(folder)
        .status()
        .context("apt-get")?;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|e| e == "deb"));
    if !status.success() || files.len() != packages.len() {
        bail!("cannot fetch {}: {status}, {} files; is the network there?", packages.join(", "), files.len());
    }
    Ok(files)
}

/// Takes `file` out of Debian's `package` without installing the package; `what` it is, for messages.
fn taken_out(package: &str, file: &str, what: &str) -> Result<()> {
    let target = assets().join(file);
    if target.is_file() {
        return Ok(());
    }
    std::fs::create_dir_all(assets())?;
    let folder = assets().join("unpack");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    know(&[package])?;
    let Some(fetched) = download(&[package], &folder).ok().and_then(|packages| packages.into_iter().next()) else {
        bail!("cannot fetch {package}; please put {what} at {}", target.display());
    };
    steps::run("dpkg-deb", &[Path::new("-x"), &fetched, &folder])?;
    let Some(found) = first(&folder, &|name| name == file)? else {
        bail!("{package} holds no {file}; please put {what} at {}", target.display());
    };
    std::fs::rename(found, &target)?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// The first file below `folder`, in name order, whose name `wanted` accepts.
fn first(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Option<PathBuf>> {
    let mut entries: Vec<_> = std::fs::read_dir(folder)?.collect::<std::io::Result<_>>()?;
    entries.sort_by_key(|e| e.file_name());
    for entry in entries {
        if entry.file_type()?.is_dir() {
            if let Some(found) = first(&entry.path(), wanted)? {
                return Ok(Some(found));
            }
        } else if entry.file_name().to_str().is_some_and(wanted) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}
