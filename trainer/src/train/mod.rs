//! Training: steps, epochs, seeds, checkpoints (spec section 6).
//!
//! A run is a pure function of experiment, corpus and seed on the CPU: dropout is drawn per step, the order of clips per
//! epoch, and a checkpoint holds everything else. So a run that was killed at any moment ends in the same bits.

mod adam;
mod checkpoint;
mod device;
mod experiment;
mod frames;
mod log;
mod order;
mod ramp;
mod report;
mod run;
mod schedule;
mod seeds;
mod stage;
mod stages;
mod state;
mod step;

pub use adam::{Adam, Optimiser};
pub use device::{WITH_CUDA, device, devices};
pub use experiment::{Experiment, FILE as EXPERIMENT_FILE, Network, Precision, Selection, Training};
pub use log::{FILE as LOG_FILE, RunLog};
pub use order::Ordering;
pub use ramp::Ramp;
pub use report::{EpochDone, Report, Silent, StepDone};
pub use run::{Outcome, WEIGHTS as WEIGHTS_FILE};
pub use schedule::Schedule;
pub(crate) use seeds::mean_and_deviation;
pub use seeds::{RESULT as RESULT_FILE, SeedResult, Summary, result, resume, saved, seed_folder, train};
pub use stage::{Loss, Plan, Stage, train_stage, train_stage_until};
pub use stages::{Faces, LlamaStage, ManetStage, ProjectorStage, RecogniserStage, Spoken};
pub use state::{Best, Errors, State, VERSION as CHECKPOINT_VERSION};
pub(crate) use step::numbers;
pub use step::{Learner, Place, flows, valences};
