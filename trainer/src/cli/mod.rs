//! Commands. One file each; a command parses options, calls the library and prints.

mod dashboard;
mod data;
mod evaluate;
mod import;
mod output;
mod planted;
mod settings;
mod show;
mod train;

use clap::{Parser, Subcommand};

/// Trains sentiment networks on a workstation.
#[derive(Debug, Parser)]
#[command(name = "mien-train", version, about, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Import(import::Import),
    Data(data::Data),
    Planted(planted::Planted),
    Train(train::Train),
    Resume(train::Resume),
    Evaluate(evaluate::Evaluate),
    Settings(settings::Settings),
}

/// Runs the command that the program was started with.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Import(command) => command.run(),
        Command::Data(command) => command.run(),
        Command::Planted(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::Resume(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Settings(command) => command.run(),
    }
}
