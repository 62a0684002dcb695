//! `mien`: valence from voice and face, on the device, with or without words.

mod cli;

use std::process::ExitCode;

use mien_runtime::wiping::WipingAllocator;

#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator;

fn main() -> ExitCode {
    // Before there are threads.
    mien_models::limit_arenas();
    // The first thing of all: see there. Without it a stream that hangs is abandoned, so its failing ends nothing.
    let _ = mien_capture::device::sound_server::prepare();
    cli::run()
}
