//! Commands. One file each; a command parses options, calls the library and prints.

mod bundle;
mod bundle_int8;
mod course;
mod dashboard;
mod data;
mod devices;
mod evaluate;
mod export;
mod extract;
mod fault;
mod import;
mod label;
mod output;
mod planted;
mod pocket;
mod pocket_all;
mod pocket_fusion;
mod pocket_stage;
mod projector;
mod prompt;
mod protocol;
mod quantize_gguf;
mod report;
mod settings;
mod show;
mod train;
mod trained;

use clap::{Parser, Subcommand};

pub(crate) use fault::{exit_code, told};

/// Trains sentiment networks on a workstation.
#[derive(Debug, Parser)]
#[command(name = "mien-train", version, about, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Extract(extract::Extract),
    Import(import::Import),
    Data(data::Data),
    Planted(planted::Planted),
    Pocket(pocket::Pocket),
    Projector(projector::Projector),
    Train(train::Train),
    Resume(train::Resume),
    Evaluate(evaluate::Evaluate),
    Export(export::Export),
    Report(report::Report),
    Bundle(Box<bundle::Bundle>),
    QuantizeGguf(quantize_gguf::QuantizeGguf),
    Settings(settings::Settings),
    Devices(devices::Devices),
}

/// Runs the command that the program was started with.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Extract(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Data(command) => command.run(),
        Command::Planted(command) => command.run(),
        Command::Pocket(command) => command.run(),
        Command::Projector(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::Resume(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Bundle(command) => command.run(),
        Command::QuantizeGguf(command) => command.run(),
        Command::Settings(command) => command.run(),
        Command::Devices(command) => command.run(),
    }
}
