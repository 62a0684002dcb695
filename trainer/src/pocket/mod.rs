//! The pocket world: a small synthetic world in which every part of the method has work to do and does it.
//!
//! Real corpora and real weights cannot be shipped, and random weights show nothing. So sentences are spoken by
//! espeak-ng, faces are drawn, and small networks of the true architectures are to be trained on them. The stages, each with the files
//! of the one before:
//!
//! 1. **[`corpus`]** (here): clips with sound, pictures, transcript and label; hidden valences for evaluation alone.
//! 2. **Encoders.** WavLM-small learns to recognise the words (CTC over the letters of [`corpus::grammar::vocabulary`])
//!    and with a second head the hidden prosody, so that its inner layers carry both; MA-Net-small learns the face's
//!    hidden valence on the crops that the device's own finder makes. Of the train split alone.
//! 3. **Language.** An SPM vocabulary over the grammar's words; llama-small learns the next word on sentences of
//!    [`corpus::grammar::Sentence`] (as many as wanted, beyond those of the corpus) with the method's prompt, and to repeat a
//!    transcript; written as GGUF by `mien_models::llama`.
//! 4. **Projector.** From WavLM-small's last layer to llama-small's embeddings, with llama-small frozen and the transcript
//!    as the target: text is then really simulated from sound.
//! 5. **Bundle.** The four networks become a first bundle ([`crate::bundle_build`]), `mien-train extract` takes `list.csv`
//!    through it, and import, train, evaluate and export are those of any corpus. At most 12 MB with all of them.
//!
//! What a stage may see: `list.csv` and the clips always, `hidden.csv` for the train split where a target above says so,
//! the test split for evaluation alone.

pub mod corpus;
