//! Consented recordings of a live session, and their replay.
//!
//! A recording is a folder that only its owner can read:
//!
//! | file | what |
//! |---|---|
//! | `recording.json` | [`format::Header`]: version, bundle, settings |
//! | `steps.jsonl` | [`format::Step`], one a line, in the order in which they happened |
//! | `sound.wav` | the sound of all steps one after another: mono, 16 kHz, f32 |
//! | `pictures.bin` | the pictures that were looked at, as the camera gave them; steps say where each one lies |
//! | `records.jsonl` | the records that went out, without wall-clock latencies |

mod buffered;
pub mod format;
pub mod reader;
pub mod replay;
pub mod writer;
