//! What training minimises (spec section 5): both flows' errors, distillation of the text vectors, alignment of the
//! fused representations and rank-N-contrast over both flows.

mod distance;
mod preset;
mod rnc;
mod settings;

use burn::tensor::{Tensor, TensorData};

use crate::model::Flow;

pub use preset::{PRESETS, Preset};
pub use rnc::{Rnc, rank_n_contrast};
pub use settings::{Mkd1Operand, Objective};

/// Names of the terms, in the order of [`Losses::values`].
pub const TERMS: [&str; 7] = ["total", "task_complete", "task_missing", "mkd1", "mkd2", "rs", "rnc"];

/// The objective and its terms for one batch.
pub struct Losses {
    /// The weighted sum, to be differentiated.
    pub total: Tensor<1>,
    /// Mean squared error of the flow with real text.
    pub task_complete: Tensor<1>,
    /// Mean squared error of the flow with simulated text.
    pub task_missing: Tensor<1>,
    /// Distance of the text vectors of both flows.
    pub mkd1: Tensor<1>,
    /// Distance of the views' text vectors of both flows.
    pub mkd2: Tensor<1>,
    /// Distance of the fused representations of both flows.
    pub rs: Tensor<1>,
    /// Rank-N-contrast over both flows.
    pub rnc: Tensor<1>,
}

impl Objective {
    /// All terms for the two flows of one batch with `labels`.
    pub fn losses(&self, complete: &Flow, missing: &Flow, labels: &[f32]) -> Losses {
        let valence = &complete.valence;
        let targets: Tensor<1> =
            Tensor::from_data(TensorData::from(labels), (&valence.device().inner(), valence.dtype()));
        let task = |flow: &Flow| (flow.valence.clone() - targets.clone()).square().mean();
        let (taught, teacher) = match self.mkd1_operand {
            Mkd1Operand::Query => (&missing.text_hidden, &complete.text_hidden),
            Mkd1Operand::Representation => (&missing.text_representation, &complete.text_representation),
        };
        let (task_complete, task_missing) = (task(complete), task(missing));
        let mkd1 = distance::rmse(taught.clone(), teacher.clone(), self.mkd1_detach, self.epsilon);
        let mkd2 =
            distance::rmse(missing.text_cross.clone(), complete.text_cross.clone(), self.mkd2_detach, self.epsilon);
        let rs = distance::rmse(missing.fused.clone(), complete.fused.clone(), self.rs_detach, self.epsilon);
        let features = Tensor::cat(vec![complete.contrast.clone(), missing.contrast.clone()], 0);
        let rnc = rnc::loss(features, &[labels, labels].concat(), &self.rnc_settings());
        let terms = [
            (&task_complete, self.task_complete),
            (&task_missing, self.task_missing),
            (&mkd1, self.mkd1),
            (&mkd2, self.mkd2),
            (&rs, self.rs),
            (&rnc, self.rnc),
        ];
        // A term that is switched off is reported and not differentiated: 0 times an infinite slope would be NaN.
        let weighted = terms.into_iter().filter(|(_, weight)| *weight != 0.0).map(|(t, w)| t.clone().mul_scalar(w));
        let total = weighted.reduce(|a, b| a + b).unwrap_or_else(|| task_complete.clone().mul_scalar(0.0));
        Losses { total, task_complete, task_missing, mkd1, mkd2, rs, rnc }
    }
}

impl Losses {
    /// The terms' values in the order of [`TERMS`].
    pub fn values(&self) -> [f64; 7] {
        let terms = [&self.total, &self.task_complete, &self.task_missing, &self.mkd1, &self.mkd2, &self.rs, &self.rnc];
        // A value that cannot be read is reported as NaN, which stops the run.
        terms.map(|term| term.clone().inner().try_into_scalar::<f64>().unwrap_or(f64::NAN))
    }
}
