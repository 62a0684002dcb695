//! The pocket world: a small synthetic world in which every part of the method has work to do and does it.
//!
//! Real corpora and real weights cannot be shipped, and random weights show nothing. So sentences are spoken by
//! espeak-ng, faces are drawn, and small networks of the true architectures are to be trained on them. The stages, each with the files
//! of the one before:
//!
//! 1. **[`corpus`]** (here): clips with sound, pictures, transcript and label; hidden valences for evaluation alone.
//! 2. **Language** ([`language`]): an SPM vocabulary whose tokens are the grammar's words; a llama learns sentences, as many
//!    as wanted beyond those of the corpus, and to repeat what it is given as rows before the method's prompt; written as
//!    GGUF by `mien_models::llama`.
//! 3. **Encoders.** WavLM ([`hearing`]) learns to recognise the words (CTC) and beside them the hidden valence of the voice,
//!    so that its inner layers carry both; MA-Net ([`seeing`]) learns the face's hidden valence on the crops that the
//!    device's own finder makes. Of the train split alone.
//! 4. **Projector** ([`projection`]): from WavLM's last layer to the llama's embeddings, both as they are, with the
//!    transcript as the target: text is then really simulated from sound.
//! 5. **Fusion** ([`fusing`]). The four networks become a first bundle ([`bundles`]), which every clip is taken through; a
//!    fusion network learns from those rows as from any corpus' and takes its place in the last bundle. At most 12 MB.
//! 6. **Measures** of the test split: of the trainer's network ([`evaluating`]), and of the bundle as a device scores the
//!    files with it ([`mod@device`]); [`report`] tells all of it.
//!
//! What a stage may see: `list.csv` and the clips always, `hidden.csv` for the train split where a target above says so,
//! the valid split for measures while training, the test split for evaluation alone. [`crate::course`] has what all stages share.

pub mod bundles;
pub mod clips;
pub mod corpus;
pub mod device;
pub mod evaluating;
pub mod fusing;
pub mod hearing;
pub mod language;
pub mod projection;
pub mod report;
pub mod seeing;
pub mod stage;
