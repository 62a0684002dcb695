//! The projector's tensors by name, and recognising checkpoint files (spec checkpoint section 2).

use super::config::ProjectorConfig;
use crate::tensor::{NamedTensors, TensorSpec};
use crate::{ModelError, Result};

/// Tensors that every file of the network has under these names, whatever was put before them: SLAM-LLM's name for the projector comes
/// first, because other parts of a joint checkpoint may have a `linear1` too.
const ANCHORS: [&str; 2] = ["encoder_projector.linear1.weight", "linear1.weight"];
/// What SLAM-LLM puts before the projector's names.
const PREFIX: &str = "encoder_projector.";
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
    let tensors = unwrapped(tensors)?;
    let outputs = |name: &str, published: usize| {
        let shape = tensors.shape(name);
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

/// The projector's tensors alone, without what stands before their names.
fn unwrapped(tensors: NamedTensors) -> Result<NamedTensors> {
    let [within, plain] = ANCHORS;
    let mut tensors = tensors.unwrapped_alone(&ANCHORS)?;
    if !tensors.contains(within) {
        return Ok(tensors);
    }
    // The root ends before the projector's own name.
    tensors.retain(|name| name.starts_with(PREFIX));
    tensors.unwrapped(&[plain])
}

/// Takes the projector out of a SLAM-LLM checkpoint and holds it against `config`.
///
/// Wrappers' prefixes and `encoder_projector.` are removed; where it occurs, tensors with other prefixes belong to other parts that
/// were trained along and are dropped.
///
/// # Errors
/// [`ModelError::Config`] for the projector of another encoder; else [`ModelError::MissingTensor`],
/// [`ModelError::ExtraTensor`] or [`ModelError::TensorShape`].
pub fn recognise(config: &ProjectorConfig, tensors: NamedTensors) -> Result<NamedTensors> {
    config.validate()?;
    let tensors = unwrapped(tensors)?;
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
