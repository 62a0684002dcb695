//! `mien`: valence from voice and face, on the device, with or without words.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before there are threads.
    mien_models::limit_arenas();
    cli::run()
}
