//! From predictions to numbers that can be compared with other papers', and to intervals.
//!
//! [`metrics`] is what MMSA and the papers after it report; [`bootstrap`] says how sure it is and compares two models
//! on the same clips; [`conformal`] gives the interval that a device shows; [`mode`] takes modalities away; [`run`]
//! asks a model; [`measure`] does all of that with a trained network; [`report`] is what is printed and saved;
//! [`represent()`] looks at features and weights; [`write_into_bundle`] takes intervals to a device.

pub mod bootstrap;
pub mod conformal;
mod into_bundle;
pub mod measure;
pub mod metrics;
pub mod mode;
pub mod report;
mod represent;
pub mod run;

pub use bootstrap::{Comparison, Interval, compare, intervals};
pub use conformal::{coverage, half_width};
pub use into_bundle::write_into_bundle;
pub use measure::{Measured, Measuring};
pub use metrics::{Measure, Metrics};
pub use mode::Mode;
pub use report::{Evaluation, ModeResult, Protocol, compare_saved};
pub(crate) use report::{Saved, saved, write_whole};
pub use represent::{Representations, Represented, represent};
pub use run::{Predictions, predict};
