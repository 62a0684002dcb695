//! From predictions to numbers that can be compared with other papers', and to intervals.
//!
//! [`metrics`] is what MMSA and the papers after it report; [`bootstrap`] says how sure it is and compares two models on
//! the same clips; [`conformal`] gives the interval that a device shows; [`mode`] takes modalities away; [`run`] asks a
//! model; [`report`] is what is printed and saved;
//! [`write_into_bundle`] takes it to a device.

pub mod bootstrap;
pub mod conformal;
mod into_bundle;
pub mod metrics;
pub mod mode;
pub mod report;
pub mod run;

pub use bootstrap::{Comparison, Interval, compare, intervals};
pub use conformal::{coverage, half_width};
pub use into_bundle::write_into_bundle;
pub use metrics::{Measure, Metrics};
pub use mode::Mode;
pub use report::{Evaluation, ModeResult, Protocol, compare_saved};
pub use run::{Predictions, predict};
