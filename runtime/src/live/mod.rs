//! The live pipeline: microphone and camera in, scored utterances out, for months.
//!
//! [`graph`] shows stages, edges and queues on one page; [`session::Live`] is a running pipeline.

pub(crate) mod board;
pub mod command;
pub mod control;
pub(crate) mod desk;
pub(crate) mod devices;
pub mod event;
pub(crate) mod faces;
#[doc(hidden)]
pub mod failpoint;
pub mod graph;
pub mod hearing;
pub mod level;
pub(crate) mod listen;
pub(crate) mod losses;
pub mod notify;
pub mod pulse;
pub mod queue;
pub(crate) mod read;
pub(crate) mod reload;
pub(crate) mod score;
pub mod session;
pub mod signals;
pub(crate) mod stage;
pub mod supervisor;
pub mod tape;
pub mod view;
pub mod watch;
