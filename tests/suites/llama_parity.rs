//! The language model against transformers' LlamaForCausalLM on formula weights.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod llama_golden;

use llama_golden::Case;
use mien_tests::{Golden, golden_files};

/// What sums in another order cost on the processor.
const TOLERANCE: f64 = 1e-4;

#[test]
fn hidden_states_and_generated_ids_equal_pytorch() {
    for (path, golden) in golden_files(Golden::Llama) {
        let case = Case::of(&golden);
        let mut model = case.load(0).unwrap();
        let made = case.make(&mut model);
        case.hold(&path.display().to_string(), &made, TOLERANCE);
    }
}
