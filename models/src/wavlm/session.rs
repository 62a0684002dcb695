//! Running WavLM on utterances.

use super::config::WavlmConfig;
use super::{graph, waveform};
use crate::engine::{GraphSource, Input, LoadedGraph, OperatorTime, PreparedGraph, Session};
use crate::tensor::Tensor;
use crate::{ModelError, Result};

/// Samples per second that the network was trained on.
const RATE: f64 = 16_000.0;
/// Default of the longest utterance, in seconds.
const LONGEST_SECONDS: f64 = 30.0;

/// WavLM, ready to run; shared by any number of sessions.
#[derive(Clone)]
pub struct Wavlm {
    graph: PreparedGraph,
    longest_seconds: f64,
}

/// WavLM with the working memory of one thread.
pub struct WavlmSession {
    session: Session,
    longest_seconds: f64,
}

/// What WavLM makes of one utterance of T frames (50 per second).
#[derive(Clone, Debug, PartialEq)]
pub struct WavlmFeatures {
    /// [T, hidden]: the residual stream after the audio layer, no final norm; the fusion's audio rows.
    pub audio: Tensor,
    /// [T, hidden]: the last layer after the encoder's norm; what the projector takes.
    pub last: Tensor,
}

impl Wavlm {
    /// Loads and prepares the file that [`super::build`] wrote with `config` and the one tap `audio_layer`.
    ///
    /// # Errors
    /// [`ModelError::Config`] for sizes that do not fit or a layer that the network lacks, and the errors of
    /// [`LoadedGraph::load`] and [`LoadedGraph::prepare`].
    pub fn load<'a>(source: impl Into<GraphSource<'a>>, config: &WavlmConfig, audio_layer: usize) -> Result<Self> {
        config.validate()?;
        graph::check_taps(config, &[audio_layer])?;
        let graph = LoadedGraph::load(source, graph::contract(config, &[audio_layer]))?.prepare()?;
        Ok(Self { graph, longest_seconds: LONGEST_SECONDS })
    }

    /// Sets the longest utterance that sessions accept (30 s at first).
    ///
    /// Attention holds several arrays of heads x T x T numbers: with 16 heads, 144 MB each at 30 s, and four times as
    /// much at twice the length.
    #[must_use]
    pub fn with_longest_seconds(self, longest_seconds: f64) -> Self {
        Self { longest_seconds, ..self }
    }

    /// A session with its own working memory, for one thread.
    ///
    /// # Errors
    /// [`ModelError::Engine`].
    pub fn session(&self) -> Result<WavlmSession> {
        Ok(WavlmSession { session: self.graph.session()?, longest_seconds: self.longest_seconds })
    }
}

impl WavlmSession {
    /// Features of one whole utterance, mono f32 at 16 kHz, any level.
    ///
    /// # Errors
    /// [`ModelError::Contract`] for an empty utterance or one longer than the limit, [`ModelError::NotFinite`] for NaN or
    /// infinity, [`ModelError::Engine`]. The session stays usable.
    pub fn run(&mut self, samples_16k: &[f32]) -> Result<WavlmFeatures> {
        let waveform = self.waveform(samples_16k)?;
        features(self.session.run(&[Input::F32(&[1, waveform.len()], &waveform)])?)
    }

    /// As [`WavlmSession::run`], with the time of each operator kind, the longest first.
    ///
    /// # Errors
    /// As [`WavlmSession::run`].
    pub fn run_profiled(&mut self, samples_16k: &[f32]) -> Result<(WavlmFeatures, Vec<OperatorTime>)> {
        let waveform = self.waveform(samples_16k)?;
        let (outputs, times) = self.session.run_profiled(&[Input::F32(&[1, waveform.len()], &waveform)])?;
        Ok((features(outputs)?, times))
    }

    /// Throws away everything that utterances left in the working memory.
    ///
    /// # Errors
    /// [`ModelError::Engine`].
    pub fn renew(&mut self) -> Result<()> {
        self.session.renew()
    }

    fn waveform(&self, samples: &[f32]) -> Result<Vec<f32>> {
        // A limit that is not a number becomes 0 samples: it must not read as "no limit".
        if samples.len() > (self.longest_seconds * RATE) as usize {
            return Err(ModelError::Contract {
                model: "WavLM".into(),
                tensor: "waveform".into(),
                expected: format!(
                    "at most {} s of sound (memory grows with the square of the length; cut the recording into utterances \
                     or raise the limit)",
                    self.longest_seconds
                ),
                found: format!("{:.1} s ({} samples at 16 kHz)", samples.len() as f64 / RATE, samples.len()),
            });
        }
        waveform::prepare(samples)
    }
}

fn features(outputs: Vec<Tensor>) -> Result<WavlmFeatures> {
    match <[Tensor; 2]>::try_from(outputs) {
        Ok([audio, last]) => Ok(WavlmFeatures { audio, last }),
        Err(outputs) => Err(ModelError::Contract {
            model: "WavLM".into(),
            tensor: "outputs".into(),
            expected: "2 tensors".into(),
            found: format!("{} tensors", outputs.len()),
        }),
    }
}
