//! `mien-train quantize-gguf`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mien_models::llama::{QuantisedType, quantise_gguf};
use mien_quantize::llama::compare;
use mien_trainer::TrainerError;
use serde_json::json;

use super::output::{self, shown};

/// Make a smaller language model out of one in F32, F16 or BF16, by llama.cpp's own rules. The new file appears whole or
/// not at all.
#[derive(Debug, Args)]
pub(crate) struct QuantizeGguf {
    /// The language model, not quantised yet
    #[arg(value_name = "IN.gguf")]
    input: PathBuf,
    /// The file to make
    #[arg(value_name = "OUT.gguf")]
    output: PathBuf,
    /// Bits for each weight: q4_k_m about 4.8, q4_0 4.5, q8_0 8.5
    #[arg(long = "type", value_name = "q4_k_m|q4_0|q8_0")]
    kind: QuantisedType,
    /// Compare the hidden states of both files on this text; each file is loaded for it
    #[arg(long, value_name = "TEXT")]
    compare: Option<String>,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// A JSON object instead of lines
    #[arg(long)]
    json: bool,
}

impl QuantizeGguf {
    pub(crate) fn run(self) -> Result<()> {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = self.threads.map_or_else(cores, usize::from);
        let made = quantise_gguf(&self.input, &self.output, self.kind, threads).map_err(TrainerError::from)?;
        let compared = match &self.compare {
            None => None,
            Some(text) => Some(compare(&self.input, &self.output, text, threads).map_err(TrainerError::from)?),
        };
        if self.json {
            return output::json(&json!({
                "file": self.output, "type": self.kind.name(), "bytes_before": made.bytes_before, "bytes": made.bytes,
                "elements": made.elements,
                "hidden_states": compared.map(|c| json!({ "cosine": c.cosine(), "snr_db": c.snr_db() })),
            }));
        }
        let elements: Vec<String> = made.elements.iter().map(|(name, count)| format!("{count} {name}")).collect();
        output::line(&shown(&format!(
            "{}: {}, {} bytes of {}; tensors: {}",
            self.output.display(),
            self.kind,
            made.bytes,
            made.bytes_before,
            elements.join(", ")
        )))?;
        match compared {
            None => output::line("hidden states were not compared; --compare TEXT does"),
            Some(c) => output::line(&format!(
                "hidden states (sum of the last four): cosine {:.6}, {:.1} dB",
                c.cosine(),
                c.snr_db()
            )),
        }
    }
}
