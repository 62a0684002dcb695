//! How a recording is read, and what reading it may cost.

use std::time::Duration;

/// How a recording is read, and what reading it may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// Bytes of memory that reading may take at once: the decoded sound, a decoded picture, a parser's tables. A recording that
    /// needs more is refused with both figures.
    pub memory: u64,
    /// How long the parser or decoder of another library may take without coming back: of a whole file for parsers, of one
    /// packet or picture for decoders. Longer is taken for endless.
    pub patience: Duration,
    /// Which sound track of a film is heard, counted from 1 in the order of the file; without it the first one that is enabled.
    pub sound_track: Option<u32>,
}

impl Default for ReadOptions {
    /// Two GiB, 20 s, the film's own choice of track.
    fn default() -> Self {
        Self { memory: 2 << 30, patience: Duration::from_secs(20), sound_track: None }
    }
}
