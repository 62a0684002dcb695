//! A GGUF file with fewer bits for each weight, made by llama.cpp itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::gguf::{GgufHeader, LlamaRequirement, MetaValue};
use super::model::check_processor;
use super::raw_quantise;
use crate::new_file::NewFile;
use crate::{ModelError, Result};

/// What llama.cpp pads tensors to in a file that it writes.
const ALIGNMENT: u32 = 32;

/// Which mixture of element types a file gets, by llama.cpp's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantisedType {
    /// 4 bits in blocks of 32: 4.5 bits for a weight.
    Q4_0,
    /// 4 bits in blocks of 256, 6 for what matters most: about 4.8 bits for a weight.
    Q4KM,
    /// 8 bits in blocks of 32: 8.5 bits for a weight.
    Q8_0,
}

impl QuantisedType {
    /// Every type.
    pub const ALL: [Self; 3] = [Self::Q4KM, Self::Q4_0, Self::Q8_0];

    /// The name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "q4_0",
            Self::Q4KM => "q4_k_m",
            Self::Q8_0 => "q8_0",
        }
    }
}

impl fmt::Display for QuantisedType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for QuantisedType {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("expected q4_k_m, q4_0 or q8_0, found {text:?}"))
    }
}

/// A file that was quantised.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedGguf {
    /// Bytes of the file before.
    pub bytes_before: u64,
    /// Bytes of the new file.
    pub bytes: u64,
    /// Number of tensors of each element type in the new file.
    pub elements: BTreeMap<&'static str, usize>,
}

/// Writes the llama `input` as `output` with weights of `kind`; `threads` of the processor work on it. A row whose width is
/// no multiple of the type's block gets the nearest type that fits, as llama.cpp chooses it; the counts tell.
///
/// # Errors
/// What [`GgufHeader::read`], [`GgufHeader::check`] and [`GgufHeader::check_weights`] raise: everything on which llama.cpp
/// would end the process. [`ModelError::Gguf`] for weights that are quantised already. [`ModelError::Config`] for one
/// path for both. [`ModelError::Llama`] where llama.cpp fails, or where what it wrote is not whole, as on a full disk;
/// [`ModelError::Io`]. Nothing appears at `output` then.
pub fn quantise_gguf(input: &Path, output: &Path, kind: QuantisedType, threads: usize) -> Result<QuantisedGguf> {
    let header = GgufHeader::read(input)?;
    let requirement = LlamaRequirement::width(header.told_width());
    header.check(&requirement)?;
    // Rounding what was rounded loses twice, and llama.cpp refuses it after having read half of the file.
    header.require_floats("give the file as it was before it was quantised")?;
    refuse_alignment(&header, input)?;
    refuse_same(input, output)?;
    check_processor()?;
    // The room is asked for before minutes are spent on reading weights.
    let new = NewFile::create(output)?;
    header.check_weights()?;
    let failed = |reason| ModelError::Llama {
        action: "quantise a file",
        reason: format!("{}: {reason}; check that the disk has room", output.display()),
    };
    let threads = i32::try_from(threads.clamp(1, 256)).unwrap_or(1);
    raw_quantise::quantise(input, new.place(), kind, threads).map_err(failed)?;
    // llama.cpp does not hear of every write that fails, so its file is read as anybody's.
    let made =
        whole(new.place(), &requirement, &header).map_err(|e| failed(format!("it was not written whole ({e})")))?;
    let bytes = |path: &Path| std::fs::metadata(path).map(|m| m.len()).map_err(|e| ModelError::io(path, "look at", e));
    let told = QuantisedGguf { bytes_before: bytes(input)?, bytes: bytes(new.place())?, elements: counts(&made) };
    new.publish()?;
    Ok(told)
}

/// llama.cpp pads to 32 bytes whatever the file said before.
fn refuse_alignment(header: &GgufHeader, path: &Path) -> Result<()> {
    match header.get("general.alignment") {
        None | Some(MetaValue::U32(ALIGNMENT)) => Ok(()),
        Some(found) => Err(ModelError::Gguf {
            path: path.into(),
            key: "general.alignment".into(),
            expected: format!("{ALIGNMENT} or none"),
            found: found.brief(),
            fix: "convert the model again with the usual alignment",
        }),
    }
}

/// Whoever names one file twice would lose the original.
fn refuse_same(input: &Path, output: &Path) -> Result<()> {
    let same = match (std::fs::canonicalize(input), std::fs::canonicalize(output)) {
        (Ok(input), Ok(output)) => input == output,
        _ => false,
    };
    if !same {
        return Ok(());
    }
    let reason = "it is the file that is read; give another name".into();
    Err(ModelError::Config { what: format!("output {}", output.display()), reason })
}

/// The header of the new file, with every tensor of the old one in its shape and every plain number finite.
fn whole(path: &Path, requirement: &LlamaRequirement, before: &GgufHeader) -> Result<GgufHeader> {
    let header = GgufHeader::read(path)?;
    header.check(requirement)?;
    header.check_weights()?;
    // llama.cpp orders tensors by their names.
    let shapes = |header: &GgufHeader| -> BTreeMap<String, Vec<u64>> {
        header.tensors().iter().map(|t| (t.name.clone(), t.dims.clone())).collect()
    };
    if shapes(&header) != shapes(before) {
        return Err(ModelError::Llama { action: "quantise a file", reason: "it has other tensors than before".into() });
    }
    Ok(header)
}

fn counts(header: &GgufHeader) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for tensor in header.tensors() {
        *counts.entry(tensor.element_name()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_back_from_their_names() {
        for kind in QuantisedType::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("Q4_K_M".parse(), Ok(QuantisedType::Q4KM));
        assert!("q4_k_s".parse::<QuantisedType>().is_err_and(|e| e.contains("\"q4_k_s\"")));
    }
}
