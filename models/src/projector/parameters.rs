//! The projector's tensors by name, and recognising checkpoint files (spec checkpoint section 2).

use super::config::ProjectorConfig;
use crate::tensor::{NamedTensors, TensorSpec};
use crate::{ModelError, Result};

/// What SLAM-LLM puts before the projector's names.
pub(crate) const PREFIX: &str = "encoder_projector.";
/// Frames that the published projectors put side by side.
const FRAMES: usize = 5;
/// Input width of the published projectors for HuBERT-XL: 5 frames of 1280.
const HUBERT_INPUT: usize = 6400;

/// Every tensor of the projector, without the prefix `encoder_projector.`.
pub fn parameters(config: &ProjectorConfig) -> Vec<TensorSpec> {
    let ProjectorConfig { hidden, llm_width, .. } = *config;
    vec![
        TensorSpec::required("linear1.weight", [hidden, config.input_width()]),
        TensorSpec::required("linear1.bias", [hidden]),
        TensorSpec::required("linear2.weight", [llm_width, hidden]),
        TensorSpec::required("linear2.bias", [llm_width]),
    ]
}

/// Takes the projector out of a SLAM-LLM checkpoint, with the sizes that its tensors have; its rows are five frames of
/// `encoder_width`, as published.
///
/// # Errors
/// As [`recognise`].
pub fn read(encoder_width: usize, tensors: NamedTensors) -> Result<(ProjectorConfig, NamedTensors)> {
    let outputs = |name: &str, published: usize| {
        let shape = tensors.shape(&format!("{PREFIX}{name}")).or_else(|| tensors.shape(name));
        shape.and_then(|shape| shape.first().copied()).unwrap_or(published)
    };
    let large = ProjectorConfig::large();
    let config = ProjectorConfig {
        k: FRAMES,
        encoder_width,
        hidden: outputs("linear1.weight", large.hidden),
        llm_width: outputs("linear2.weight", large.llm_width),
    };
    let tensors = recognise(&config, tensors)?;
    Ok((config, tensors))
}

/// Takes the projector out of a SLAM-LLM checkpoint and holds it against `config`.
///
/// The prefix `encoder_projector.` is removed; where it occurs, tensors with other prefixes belong to other parts that
/// were trained along and are dropped.
///
/// # Errors
/// [`ModelError::Config`] for the projector of another encoder; else [`ModelError::MissingTensor`],
/// [`ModelError::ExtraTensor`] or [`ModelError::TensorShape`].
pub fn recognise(config: &ProjectorConfig, mut tensors: NamedTensors) -> Result<NamedTensors> {
    config.validate()?;
    if tensors.names().any(|n| n.starts_with(PREFIX)) {
        tensors.retain(|n| n.starts_with(PREFIX));
        tensors = tensors.strip_prefixes(&[PREFIX]);
    }
    let expected = config.input_width();
    match tensors.shape("linear1.weight") {
        Some(&[_, HUBERT_INPUT]) if expected != HUBERT_INPUT => Err(ModelError::Config {
            what: tensors.origin().into(),
            reason: format!(
                "this projector takes {HUBERT_INPUT} numbers per row (5 frames of HuBERT-XL, 1280 wide), expected \
                 {expected} ({} frames of WavLM, {} wide); take the projector that was trained with WavLM",
                config.k, config.encoder_width
            ),
        }),
        _ => {
            tensors.check("the projector", &parameters(config))?;
            Ok(tensors)
        }
    }
}
