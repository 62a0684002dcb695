//! The parts that a bundle is made of, and where the published ones come from.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A part of a bundle that comes from a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The speech encoder.
    Wavlm,
    /// The face encoder.
    Manet,
    /// The map from speech frames to rows of the language model.
    Projector,
    /// The fusion network.
    Fusion,
    /// The language model.
    Llm,
}

/// Every part, in the order in which they are read.
pub const PARTS: [Part; 5] = [Part::Wavlm, Part::Manet, Part::Projector, Part::Fusion, Part::Llm];

impl Part {
    /// The name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wavlm => "wavlm",
            Self::Manet => "manet",
            Self::Projector => "projector",
            Self::Fusion => "fusion",
            Self::Llm => "llm",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        PARTS
            .into_iter()
            .find(|part| part.name() == text)
            .ok_or_else(|| format!("expected wavlm, manet, projector, fusion or llm, found {text:?}"))
    }
}

/// Under which terms a part may be passed on, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// SPDX name of the licence, or a few words.
    pub licence: String,
    /// Where the file was fetched from.
    pub source: String,
}

/// What the user says of licences and sources; what is not said is [`terms`]' own.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    /// Licences.
    pub licences: BTreeMap<Part, String>,
    /// Sources.
    pub sources: BTreeMap<Part, String>,
}

/// What is known of the network with the published sizes, as its authors state it. Nothing that they leave open is
/// filled in: weights without terms of their own stay "unknown", whatever the code beside them is under.
fn published(part: Part) -> (&'static str, &'static str) {
    match part {
        Part::Wavlm => (
            "CC-BY-SA-3.0 (named by the model card; the original release is under MIT)",
            "https://huggingface.co/microsoft/wavlm-large",
        ),
        Part::Manet => ("unknown; see the source", "https://github.com/zengqunzhao/MA-Net"),
        Part::Projector => (
            "unknown; see the source (its code is under MIT)",
            "https://github.com/X-LANCE/SLAM-LLM/tree/main/examples/asr_librispeech",
        ),
        Part::Fusion => ("unknown; see the source (its code is under MIT)", "https://github.com/WarmCongee/SDUMC"),
        Part::Llm => ("Llama 2 Community License Agreement", "https://huggingface.co/lmsys/vicuna-7b-v1.5"),
    }
}

/// The terms of `part`. `has_published_sizes` says whether the network is as large as the published one, which alone does
/// not make it that one: the source is then said to be assumed. `file` names the file that was read, with its digest.
pub fn terms(part: Part, has_published_sizes: bool, stated: &Stated, file: &str) -> Terms {
    let (licence, source) = match has_published_sizes {
        true => {
            let (licence, source) = published(part);
            (licence, format!("assumed from its sizes: {source}"))
        }
        false => ("unknown; see the source", "not stated".into()),
    };
    let licence = stated.licences.get(&part).cloned().unwrap_or_else(|| licence.into());
    let source = stated.sources.get(&part).cloned().unwrap_or(source);
    Terms { licence, source: format!("{source}; {file}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_read_back_from_their_names() {
        for part in PARTS {
            assert_eq!(part.to_string().parse(), Ok(part));
        }
        assert!("face".parse::<Part>().unwrap_err().contains("\"face\""));
    }

    #[test]
    fn what_is_stated_goes_before_what_is_assumed() {
        let mut stated = Stated::default();
        let of = |stated: &Stated, large| terms(Part::Wavlm, large, stated, "a.bin");
        assert!(of(&stated, true).licence.starts_with("CC-BY-SA-3.0"));
        assert!(of(&stated, true).source.starts_with("assumed from its sizes: https://"));
        // A network of other sizes is not the published one.
        assert_eq!(of(&stated, false).licence, "unknown; see the source");
        assert_eq!(of(&stated, false).source, "not stated; a.bin");
        stated.licences.insert(Part::Wavlm, "MIT".into());
        stated.sources.insert(Part::Wavlm, "our own".into());
        assert_eq!(of(&stated, true), Terms { licence: "MIT".into(), source: "our own; a.bin".into() });
    }
}
