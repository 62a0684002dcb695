//! Running the projector.

use super::config::ProjectorConfig;
use super::graph::contract;
use crate::engine::{GraphSource, Input, LoadedGraph, Session};
use crate::tensor::Tensor;
use crate::{ModelError, Result};

/// The projector, loaded and prepared, with the working memory of one thread.
pub struct Projector {
    config: ProjectorConfig,
    session: Session,
}

impl Projector {
    /// Loads and prepares the file that [`super::build`] wrote with the same `config`.
    ///
    /// # Errors
    /// [`ModelError::Config`], and the errors of [`LoadedGraph::load`] and [`LoadedGraph::prepare`].
    pub fn load<'a>(source: impl Into<GraphSource<'a>>, config: &ProjectorConfig) -> Result<Self> {
        config.validate()?;
        let session = LoadedGraph::load(source, contract(config))?.prepare()?.session()?;
        Ok(Self { config: config.clone(), session })
    }

    /// Throws away everything that utterances left in the working memory.
    ///
    /// # Errors
    /// [`ModelError::Engine`].
    pub fn renew(&mut self) -> Result<()> {
        self.session.renew()
    }

    /// Frames `last` [T, encoder width] (WavLM's last layer after its norm) -> rows [floor(T / k), llm width].
    ///
    /// Frames that fill no whole row are dropped from the end; fewer than k frames give no row.
    ///
    /// # Errors
    /// [`ModelError::Contract`] for another shape, [`ModelError::NotFinite`], [`ModelError::Engine`].
    pub fn run(&mut self, last: &Tensor) -> Result<Tensor> {
        let ProjectorConfig { k, encoder_width, llm_width, .. } = self.config;
        let rows = match *last.shape() {
            [frames, width] if width == encoder_width => frames / k,
            _ => {
                return Err(ModelError::Contract {
                    model: "projector".into(),
                    tensor: "last".into(),
                    expected: format!("F32 [?, {encoder_width}]"),
                    found: format!("F32 {:?}", last.shape()),
                });
            }
        };
        if rows == 0 {
            return Ok(Tensor::zeros([0, llm_width]));
        }
        // Row-major frames side by side are already the rows: no copy.
        let width = self.config.input_width();
        let used = last.data().get(..rows * width).unwrap_or_default();
        let mut outputs = self.session.run(&[Input::F32(&[rows, width], used)])?;
        outputs.pop().ok_or_else(|| ModelError::Contract {
            model: "projector".into(),
            tensor: "rows".into(),
            expected: "1 tensor".into(),
            found: "none".into(),
        })
    }
}
