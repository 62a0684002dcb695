//! Commands. One file each; a command parses options, calls the library and prints.

use clap::{Parser, Subcommand};

/// Trains sentiment networks on a workstation.
#[derive(Debug, Parser)]
#[command(name = "mien-train", version, about, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {}

/// Runs the command that the program was started with.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {}
}
