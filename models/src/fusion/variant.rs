//! Which of the authors' variants a checkpoint was trained as (spec checkpoint section 1).

use super::parameters::{ANCHOR, is_uncalled, parameters, recognise};
use super::{FusionConfig, MODALITIES, Mia, MiaResidual, Padding};
use crate::tensor::{NamedTensors, TensorSpec};
use crate::{ModelError, Result};

/// The variant of a checkpoint, and what it was told by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Whether the imagination blocks were trained.
    pub mia: Mia,
    /// What tells it, as a sentence.
    pub mia_sign: String,
    /// What the blocks add to their decoder's output.
    pub mia_residual: MiaResidual,
    /// What tells it, as a sentence.
    pub residual_sign: &'static str,
}

/// Takes a checkpoint of the authors' or of our own training with the widths that its tensors have, as the variant that
/// it was trained as; `mia` and `residual` are taken instead of what the file tells.
///
/// # Errors
/// As [`recognise`].
pub fn read(
    tensors: NamedTensors,
    mia: Option<Mia>,
    residual: Option<MiaResidual>,
) -> Result<(FusionConfig, Variant, NamedTensors)> {
    let mut tensors = tensors.unwrapped(&[ANCHOR])?;
    let mut variant = Variant::of(&tensors)?;
    if let Some(mia) = mia {
        variant.mia_sign = said(variant.mia == mia, &variant.mia_sign);
        variant.mia = mia;
    }
    if let Some(residual) = residual {
        (variant.mia_residual, variant.residual_sign) = (residual, "as was asked for");
    }
    let (width, [audio, text, video]) = widths(&tensors)?;
    let Variant { mia, mia_residual, .. } = variant;
    let config = FusionConfig { audio, text, video, width, mia, mia_residual, padding: Padding::Masked };
    if mia == Mia::Off {
        // Some of the blocks' tensors may be there; a graph without the blocks reads none of them.
        tensors.retain(|name| !is_imagination(name));
    }
    let tensors = recognise(&config, tensors)?;
    Ok((config, variant, tensors))
}

fn said(agrees: bool, sign: &str) -> String {
    if agrees { format!("as was asked for, and {sign}") } else { format!("as was asked for, though {sign}") }
}

fn is_imagination(name: &str) -> bool {
    name.contains("_imagination_mlp.")
}

impl Variant {
    /// What `tensors`, without a wrapper's prefix, tell.
    ///
    /// # Errors
    /// MissingTensor and TensorShape for projections that are none; those of [`NamedTensors::get`], where the weights
    /// themselves must be asked.
    pub fn of(tensors: &NamedTensors) -> Result<Self> {
        let (width, _) = widths(tensors)?;
        let (mia, mia_sign) = imagination(tensors, width)?;
        let copied = tensors.names().any(is_uncalled);
        let (mia_residual, residual_sign) = if copied {
            (MiaResidual::Transition, "normali.* is in the file: the authors' second class")
        } else {
            (MiaResidual::Text, "no normali.* in the file: the authors' main class")
        };
        Ok(Self { mia, mia_sign, mia_residual, residual_sign })
    }
}

/// Whether the imagination blocks of a network of `width` were trained.
fn imagination(tensors: &NamedTensors, width: usize) -> Result<(Mia, String)> {
    let config = FusionConfig { width, ..FusionConfig::PUBLISHED };
    let specs: Vec<TensorSpec> = parameters(&config).into_iter().filter(|spec| is_imagination(&spec.name)).collect();
    let present = specs.iter().filter(|spec| tensors.contains(&spec.name)).count();
    if present == 0 {
        return Ok((Mia::Off, "the imagination blocks are not in the file".into()));
    }
    if present < specs.len() {
        // Taken as trained, so that the first missing one is named.
        return Ok((Mia::On, format!("{present} of the imagination blocks' {} tensors are in the file", specs.len())));
    }
    if let Some(stepped) = tensors.stepped() {
        return Ok(if stepped.iter().any(|name| is_imagination(name)) {
            (Mia::On, "the optimiser has a state for the imagination blocks".into())
        } else {
            (Mia::Off, "the optimiser has no state for the imagination blocks: their weights are still random".into())
        });
    }
    match beyond_initial(tensors, &specs)? {
        Some(name) => Ok((Mia::On, format!("{name} lies beyond a layer's initial range: it was trained"))),
        None => Ok((
            Mia::Off,
            "no weight of the imagination blocks lies beyond a layer's initial range: they seem untrained".into(),
        )),
    }
}

/// The first tensor with a value that no freshly made layer has: weights and biases start within 1/sqrt(inputs).
fn beyond_initial(tensors: &NamedTensors, specs: &[TensorSpec]) -> Result<Option<String>> {
    let mut inputs = 1;
    for spec in specs {
        // A weight [out, in] comes before its bias [out].
        inputs = spec.shape.get(1).copied().unwrap_or(inputs);
        let bound = 1.0 / (inputs as f64).sqrt();
        // The bound is drawn from in f32: a rounding above it is no sign of training.
        let bound = (bound * (1.0 + 1e-6)) as f32;
        let values = tensors.get(&spec.name, &spec.shape)?;
        if values.iter().any(|value| value.abs() > bound) {
            return Ok(Some(spec.name.clone()));
        }
    }
    Ok(None)
}

/// D, and the widths of the feature rows: audio, text, video.
fn widths(tensors: &NamedTensors) -> Result<(usize, [usize; MODALITIES])> {
    let FusionConfig { audio, text, video, width: published, .. } = FusionConfig::PUBLISHED;
    let mut found = [audio, text, video];
    let mut width = None;
    for (m, features) in found.iter_mut().enumerate() {
        let key = format!("frame_dim_reshape_{m}.weight");
        let expected = vec![width.unwrap_or(published), *features];
        match tensors.shape(&key) {
            // The first projection tells D; the others must have the same.
            Some(&[outputs, inputs]) if width.is_none_or(|width| width == outputs) => {
                (width, *features) = (Some(outputs), inputs);
            }
            Some(other) => {
                let (origin, found) = (tensors.origin().into(), other.to_vec());
                return Err(ModelError::TensorShape { origin, key, expected, found });
            }
            None => return Err(ModelError::MissingTensor { origin: tensors.origin().into(), key, expected }),
        }
    }
    Ok((width.unwrap_or(published), found))
}
