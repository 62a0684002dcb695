//! `mien-train devices`.

use anyhow::Result;
use clap::Args;
use mien_trainer::train::{WITH_CUDA, devices};

use super::output;

/// List what `--device` can be on this machine.
#[derive(Debug, Args)]
pub(crate) struct Devices {}

impl Devices {
    pub(crate) fn run(self) -> Result<()> {
        let names = devices();
        for name in &names {
            output::line(name)?;
        }
        if !WITH_CUDA {
            output::line("(no CUDA in this program: build it with --features mien-trainer/cuda)")?;
        } else if names.len() == 1 {
            output::line("(no driver on this machine shows a CUDA card)")?;
        }
        Ok(())
    }
}
