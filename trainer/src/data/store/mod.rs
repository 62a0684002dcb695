//! The feature store: one folder with everything that training reads of a corpus.
//!
//! ```text
//! store.json                    schema version; size and digest of the index
//! index.json                    widths, ids, labels, lengths, transcripts; size and digest of every file below
//! <split>.<modality>.safetensors    `offsets` i64 [clips + 1], `data` f16 or f32 [rows, width]
//! ```
//!
//! A clip's rows are `data[offsets[i]..offsets[i + 1]]`. The folder is written under another name and renamed once it is
//! whole.

mod format;
mod reader;
mod writer;

pub use format::{FileEntry, Index, ModalityEntry, RowType, SCHEMA, SplitIndex};
pub use reader::{Fault, Store};
pub use writer::{RowFile, StoreWriter};
