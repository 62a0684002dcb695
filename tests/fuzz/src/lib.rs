//! Damaged and hostile inputs, made by the million, for every reader of outside bytes.
//!
//! [`targets`] says what is read and by which public function; [`mutate`] makes inputs out of a small corpus and [`repair`]
//! mends their checksums, so that damage reaches what lies behind them; a [`worker`] process reads one input after the other
//! and holds each against the limits of its target; [`watch`] runs such processes, ends the ones that hang, and keeps every
//! input that broke a promise as a [`finding`]. [`memory`] counts what a reader allocates.
//!
//! The promise is the same for every target: an input is read or refused with an error of one line. Reading neither panics nor
//! ends the process, and takes no more time and memory than its target allows for an input of that size.

pub mod finding;
pub mod memory;
pub mod mutate;
mod random;
pub mod repair;
pub mod structure;
pub mod targets;
pub mod watch;
pub mod worker;
