//! `mien-train`: see `mien-train help`.

// The program's own reports go to stderr.
#![allow(clippy::print_stderr)]

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mien-train: {}", cli::told(&error));
            ExitCode::from(cli::exit_code(&error))
        }
    }
}
