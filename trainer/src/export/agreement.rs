//! Whether the device's graph and the trainer's network say the same.

use std::fmt;

use mien_models::fusion::{Fusion, FusionInput};
use mien_models::tensor::Tensor;

use crate::data::{Batch, Source, Split, Stream};
use crate::evaluate::Mode;
use crate::evaluate::run::Model;
use crate::{Result, TrainerError};

/// Largest difference of two valences that count as equal.
pub const TOLERANCE: f64 = 1e-5;

/// How far device and trainer agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Clips compared.
    pub clips: usize,
    /// Modes compared on each of them.
    pub modes: usize,
    /// The largest difference; none where there was nothing to compare.
    pub worst: Option<Difference>,
}

/// A clip's valences.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The clip.
    pub id: String,
    /// The mode.
    pub mode: Mode,
    /// What the device's graph says.
    pub device: f64,
    /// What the trainer's network says.
    pub trainer: f64,
}

impl Difference {
    /// Without a sign; NaN counts as the largest.
    pub fn size(&self) -> f64 {
        let size = (self.device - self.trainer).abs();
        if size.is_nan() { f64::INFINITY } else { size }
    }

    /// Whether it is within [`TOLERANCE`].
    pub fn holds(&self) -> bool {
        self.size() <= TOLERANCE
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, mode, device, trainer } = self;
        let id = id.escape_debug();
        write!(f, "clip {id}, mode {mode}: the device's valence is {device}, the trainer's {trainer}")?;
        write!(f, ", {:.1e} apart, {TOLERANCE:.0e} allowed", self.size())
    }
}

/// Scores up to `most` clips of `split`, evenly spread over it, in every mode by `fusion` and by the trainer's `model`.
/// Clip by clip: with reference padding that is what a device does.
///
/// # Errors
/// Corpus for a split without clips; what reading and both networks find wrong.
pub fn agreement(
    source: &dyn Source,
    split: Split,
    most: usize,
    modes: &[Mode],
    fusion: &mut Fusion,
    model: &mut Model<'_>,
    tell: &mut dyn FnMut(usize, usize),
) -> Result<Agreement> {
    let total = source.len(split);
    if total == 0 || most == 0 {
        return Err(TrainerError::corpus(
            source.name(),
            "no clip to compare the device's scores on; name another split",
        ));
    }
    let clips = total.min(most);
    let mut worst: Option<Difference> = None;
    for n in 0..clips {
        let batch = source.batch(split, &[n * total / clips])?;
        let Some(id) = batch.ids.first() else { continue };
        for &mode in modes {
            let given = mode.apply(&batch);
            let device = f64::from(scored(fusion, &given, mode.text_missing())?);
            let said = model(&given, mode.text_missing())?;
            let trainer = said.first().map_or(f64::NAN, |v| f64::from(*v));
            let found = Difference { id: id.clone(), mode, device, trainer };
            if worst.as_ref().is_none_or(|worst| found.size() > worst.size()) {
                worst = Some(found);
            }
        }
        tell(n + 1, clips);
    }
    Ok(Agreement { clips, modes: modes.len(), worst })
}

/// The device's valence of a batch of one clip.
fn scored(fusion: &mut Fusion, batch: &Batch, text_missing: bool) -> Result<f32> {
    let tensor = |stream: &Stream| {
        let rows = stream.lengths.first().copied().unwrap_or_default();
        let values = stream.rows.get(..rows * stream.width).unwrap_or_default().to_vec();
        Tensor::new([rows, stream.width], values)
    };
    let text = if text_missing { &batch.simulated } else { &batch.text };
    let (audio, text, video) = (tensor(&batch.audio)?, tensor(text)?, tensor(&batch.video)?);
    let output = fusion.run(&[FusionInput { audio: &audio, text: &text, video: &video, text_missing }])?;
    output.first().map(|o| o.valence).ok_or_else(|| TrainerError::Engine {
        action: "score a clip with the device's graph",
        reason: "it gave no output".into(),
    })
}
