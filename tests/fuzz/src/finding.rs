//! Inputs that broke a promise.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::targets::Target;

/// Which promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A panic came through the public interface.
    Panic,
    /// The process ended: a signal, an abort, an exit.
    Crash,
    /// Reading did not end.
    Hang,
    /// Reading took longer than an input of that size may.
    Slow,
    /// Reading took more memory than an input of that size may, or kept it.
    Memory,
    /// What was read, or the error, is not what the reader promises.
    Wrong,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panic => "panic",
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::Slow => "slow",
            Self::Memory => "memory",
            Self::Wrong => "wrong",
        })
    }
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which one.
    pub kind: Kind,
    /// What was seen, one line.
    pub reason: String,
}

impl Fault {
    /// The same for faults that probably have one cause: the kind and the words of the reason without its numbers and names.
    #[must_use]
    pub fn signature(&self) -> u64 {
        signature(&format!("{} {}", self.kind, self.reason))
    }
}

/// A number for a message whose numbers and quoted parts, which come from the input, do not count.
#[must_use]
pub fn signature(message: &str) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    let mut quoted = false;
    for byte in message.bytes().take(400) {
        quoted ^= byte == b'"';
        if !quoted && (byte.is_ascii_alphabetic() || byte == b' ') {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    sum
}

/// An input that broke a promise.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Number of the run.
    pub seed: u64,
    /// Number of the case.
    pub case: u64,
    /// Seconds from the start of the target's run.
    pub after_s: f64,
    /// What was broken.
    pub fault: Fault,
    /// The input.
    pub input: Vec<u8>,
}

impl Finding {
    /// Writes the input and a text about it into `folder`: the input's path.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, folder: &Path, target: &Target) -> Result<PathBuf> {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let ending = Path::new(target.file).extension().and_then(|e| e.to_str()).unwrap_or("bin");
        let name = format!("{}-{:08x}-{}", self.fault.kind, self.fault.signature() as u32, self.case);
        let path = folder.join(format!("{name}.{ending}"));
        std::fs::write(&path, &self.input).with_context(|| format!("cannot write {}", path.display()))?;
        let text = format!(
            "{}: {}\n{} bytes; seed {}, case {}, after {:.1} s\ncargo xtask fuzz case {} {}\n",
            self.fault.kind,
            self.fault.reason,
            self.input.len(),
            self.seed,
            self.case,
            self.after_s,
            target.name,
            path.display(),
        );
        std::fs::write(folder.join(format!("{name}.txt")), text)?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_the_input_makes_no_new_fault() {
        let of = |reason: &str| Fault { kind: Kind::Panic, reason: reason.into() }.signature();
        assert_eq!(of("index 7 of \"abc\" at a.rs:12"), of("index 70 of \"x\" at a.rs:12"));
        assert_ne!(of("index 7"), of("overflow"));
    }
}
