//! The project's commands. `cargo xtask` alone lists them.

// A command runner reports what it runs on stderr.
#![allow(clippy::print_stderr)]

mod built_in;
mod cases;
mod check;
mod demo;
mod device_test;
mod fuzz;
mod gpu;
mod setup;
mod soak;
mod speech;
mod steps;
mod table1;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask COMMAND

  setup         install the system packages that building, demo and tests need (apt; prints the list elsewhere)
  demo          set up, build `mien`, and score three clips three ways on the built-in bundle; arguments of `mien demo`
  test          set up and run every test
  check         formatting, lints, documentation, tests: what continuous integration runs
  check-onnx    hold the ONNX files that we write against onnx's checker and onnxruntime (Python, from PyPI)
  check-checkpoints F  hold `mien-train bundle build` against PyTorch (Python, from PyPI); F: the reference fill.py; --large
  true-size     write full-size networks with formula weights to disk, load and run them, print time and memory
  cases F       files as people have them, below the folder F: what must come out of each, and what does; --before PROGRAMS
  soak          the live path in real time from looped files: --minutes N [-- arguments of mien run]
  fuzz          damaged and hostile inputs for every reader: --minutes N, --seconds N or --cases N, --seed N, names of targets; list; case
  device-test   the live path on devices of an emulated machine, with every fault of a device: words choose scenarios
  bench-train   time a training step against PyTorch's (Python, from PyPI); options: --batch --rows --steps --rounds
  bench-rivals  WavLM-Large and MA-Net in mien and in onnxruntime, f32 and int8, as one table (Python, from PyPI); --quick
  bench-chain F  the language model and the whole chain at true size beside PyTorch (Python, from PyPI); F: the reference fill.py
  test-aarch64  the tests of the encoders' arithmetic, built for aarch64 and run in an emulator
  check-cuda    build the workstation's program with CUDA (no toolkit needed) and list the cards that it finds
  check-gpu     build with Vulkan, hold the language model on a GPU against PyTorch and the processor; N: Vulkan's number of it
  planted-table Table I's rows on a synthetic corpus over five seeds, as a table: --corpus SEED --seeds LIST --out FOLDER
  pocket-table  Table I's rows in the pocket world, on its test split: --pocket FOLDER (of mien-train pocket) --seeds LIST --out FOLDER
  pocket-built-in P  the bundle and three clips of P, a folder of `mien-train pocket all`, become those in the program
  golden-training F   write the trainer's golden file anew (Python, from PyPI); F: the reference fill.py
  fixtures F    write the test fixtures that PyTorch makes anew (Python, from PyPI); F: the reference fill.py
";

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let command = args.next();
    let rest: Vec<String> = args.collect();
    match command.as_deref() {
        Some("setup") => setup::run(setup::Need::Tests),
        Some("demo") => demo::demo(&rest),
        Some("test") => check::test(&rest),
        Some("check") => check::check(),
        Some("check-onnx") => check::onnx(),
        Some("check-checkpoints") => check::checkpoints(&rest),
        Some("true-size") => demo::true_size(&rest),
        Some("cases") => cases::cases(&rest),
        Some("soak") => soak::soak(&rest),
        Some("fuzz") => fuzz::fuzz(&rest),
        Some("device-test") => device_test::device_test(&rest),
        Some("bench-train") => check::bench_train(&rest),
        Some("bench-rivals") => check::bench_rivals(&rest),
        Some("bench-chain") => check::bench_chain(&rest),
        Some("test-aarch64") => check::aarch64(),
        Some("check-cuda") => check::cuda(),
        Some("check-gpu") => gpu::check_gpu(&rest),
        Some("planted-table") => table1::planted_table(&rest),
        Some("pocket-built-in") => built_in::pocket_built_in(&rest),
        Some("pocket-table") => table1::pocket_table(&rest),
        Some("golden-training") => check::golden_training(&rest),
        Some("fixtures") => check::fixtures(&rest),
        None | Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            Ok(())
        }
        Some(other) => bail!("unknown command {other:?}\n\n{USAGE}"),
    }
}
