//! `mien bench`: how long each stage takes, and what it needs.

mod memory;
mod spread;
mod stages;

pub use memory::{peak_bytes, resident_bytes};
pub use spread::Spread;
pub use stages::{BenchReport, BenchSettings, LoadCost, OperatorShare, StageTime, run};
