//! `mien bundle`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use mien_models::bundle::{Bundle, DrySize, make_dry};
use mien_runtime::RuntimeError;
use mien_runtime::default_bundle::DRY_SEED;

use super::output::{self, Failure};
use super::table::Table;

#[derive(Args)]
pub(crate) struct BundleArgs {
    #[command(subcommand)]
    command: BundleCommand,
}

#[derive(Subcommand)]
enum BundleCommand {
    /// Hold every file against its size and SHA-256.
    Verify(PlaceArgs),
    /// Show what a bundle is, what it needs and where its parts come from.
    Info(PlaceArgs),
    /// Make a bundle of all architectures with formula weights: it proves that everything runs, its scores mean nothing.
    Dry(DryArgs),
}

#[derive(Args)]
struct PlaceArgs {
    /// The bundle's folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// A JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct DryArgs {
    /// The folder to make; one that is there is kept as DIR.previous
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Sizes of the networks
    #[arg(long, value_enum, default_value_t = Size::Small)]
    size: Size,
    /// Seed of the formula weights
    #[arg(long, default_value_t = DRY_SEED)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Size {
    /// Every architecture at small width, with a small language model.
    Small,
    /// WavLM-Large, MA-Net and the fusion at true size; no language model.
    True,
}

impl BundleArgs {
    /// Whether errors are wanted as objects.
    pub(crate) fn json(&self) -> bool {
        match &self.command {
            BundleCommand::Verify(args) | BundleCommand::Info(args) => args.json,
            BundleCommand::Dry(_) => false,
        }
    }
}

pub(crate) fn run(args: &BundleArgs) -> Result<(), Failure> {
    match &args.command {
        BundleCommand::Verify(place) => verify(place),
        BundleCommand::Info(place) => info(place),
        BundleCommand::Dry(dry) => make(dry),
    }
}

fn make(args: &DryArgs) -> Result<(), Failure> {
    let size = match args.size {
        Size::Small => DrySize::Small,
        Size::True => DrySize::True,
    };
    make_dry(&args.out, size, args.seed).map_err(RuntimeError::Bundle)?;
    let bundle = Bundle::open(&args.out).map_err(RuntimeError::Bundle)?;
    output::line(&format!("{}  {}", bundle.digest(), args.out.display()))
}
