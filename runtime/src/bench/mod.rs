//! `mien bench`: how long each stage takes, and what it needs.

mod live;
mod llm;
mod memory;
mod stages;

pub use live::{Compared, LiveBenchReport, LiveBenchSettings, StageCompared, run_live};
pub use llm::{LlmBenchReport, LlmBenchSettings, LlmRate, run_llm};
pub use memory::{peak_bytes, resident_bytes};
pub use stages::{BenchReport, BenchSettings, LoadCost, OperatorShare, StageTime, run};
