//! `mien`: valence from voice and face, on the device, with or without words.

mod cli;

use std::process::ExitCode;

use mien_runtime::wiping::WipingAllocator;

#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator;

fn main() -> ExitCode {
    cli::run()
}
