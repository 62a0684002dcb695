//! What a training step takes: padded rows of four streams, their lengths, and labels.

/// One modality of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// [batch, longest, width], row-major, f32; rows from a clip's length on are zero.
    pub rows: Vec<f32>,
    /// Valid rows of each clip, at least 1: a modality without rows is one zero row (spec section 7).
    pub lengths: Vec<usize>,
    /// Rows that every clip is padded to.
    pub longest: usize,
    /// Numbers in a row.
    pub width: usize,
}

/// Clips that are trained on or evaluated together.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Utterance ids, `<video>_<segment>`.
    pub ids: Vec<String>,
    /// WavLM rows.
    pub audio: Stream,
    /// Rows of the real text (LLM_f).
    pub text: Stream,
    /// Rows of the simulated text (LLM_g).
    pub simulated: Stream,
    /// MA-Net rows.
    pub video: Stream,
    /// Sentiment in [-3, 3].
    pub labels: Vec<f32>,
}
