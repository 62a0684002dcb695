//! A recorded voice and a portrait that set-up or the distribution put on the machine.

use std::path::{Path, PathBuf};

use mien_runtime::{Result, RuntimeError};

/// Recorded human voice of Debian's alsa-utils, and what it says.
const SPEECH: &str = "/usr/share/sounds/alsa/Front_Center.wav";
pub(crate) const SPOKEN: &str = "front center";

/// Where the public-domain portrait of scikit-image may lie.
const PORTRAITS: [&str; 2] =
    ["target/assets/astronaut.png", "/usr/lib/python3/dist-packages/skimage/data/astronaut.png"];

/// The recording that is named, else alsa-utils' voice.
pub(crate) fn speech(named: Option<&Path>) -> Result<PathBuf> {
    let path = named.unwrap_or(Path::new(SPEECH));
    present(path, "recorded speech", "alsa-utils")?;
    Ok(path.into())
}

/// The portrait that set-up or the distribution put there; the first place where none did.
pub(crate) fn portrait() -> PathBuf {
    PORTRAITS.iter().map(PathBuf::from).find(|p| p.is_file()).unwrap_or_else(|| PORTRAITS[0].into())
}

/// Holds that `path` is there; `package` is Debian's that brings such a file.
pub(crate) fn present(path: &Path, what: &str, package: &str) -> Result<()> {
    if path.is_file() || path.is_dir() {
        return Ok(());
    }
    Err(RuntimeError::Unscorable {
        path: path.into(),
        reason: format!(
            "not found, expected {what}; run `cargo xtask setup`, or name another (Debian's package: {package})"
        ),
    })
}
