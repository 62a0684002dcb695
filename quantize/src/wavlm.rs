//! WavLM in bytes against WavLM in floats, block by block.

use std::path::Path;

use mien_models::engine::{Input, LoadedGraph, Session};
use mien_models::tensor::{NamedTensors, Tensor};
use mien_models::wavlm::{self, FloatLayers, WavlmConfig, waveform};

use crate::noise::{self, LayerNoise};
use crate::{QuantizeError, Result, Similarity};

/// The residual stream after a part of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The part: `frames` (convolutions, projection, positions), or `encoder.layers.<i>`.
    pub name: String,
    /// The stream after it.
    pub stream: Similarity,
    /// The share of the error in the audio rows that this part adds, [0, 1]: the power of the error vector after it less the
    /// one before it, over the sum of that over all parts up to the audio layer. What a part makes of the errors before it
    /// counts as its own, for only a graph with this part alone in bytes could tell them apart. None after the audio layer.
    pub share: Option<f64>,
}

/// What was compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The parts in the order of the data.
    pub blocks: Vec<Block>,
    /// The last layer after the encoder's norm: what the projector takes.
    pub last: Similarity,
    /// Seconds of sound that went through both networks.
    pub seconds: f64,
}

/// Weights of every byte layer.
///
/// # Errors
/// Model.
pub fn weights(config: &WavlmConfig, tensors: &NamedTensors) -> Result<Vec<LayerNoise>> {
    noise::of_wavlm(config, tensors)
}

/// Runs both networks on `sounds` (mono, 16 kHz) and compares every state of the residual stream. Both graphs are written
/// into the empty folder `folder` for this; one of them is in memory at a time, and the float states of all sounds, which
/// are a few megabytes for each second at the published size.
///
/// # Errors
/// Model; [`QuantizeError::Setting`] without sounds.
pub fn compare(
    config: &WavlmConfig,
    tensors: &NamedTensors,
    floats: &FloatLayers,
    audio_layer: usize,
    sounds: &[Vec<f32>],
    folder: &Path,
) -> Result<Comparison> {
    if sounds.is_empty() {
        let reason = "expected at least one sound to compare the networks on, found none".into();
        return Err(QuantizeError::Setting { key: "calibration", reason });
    }
    let taps: Vec<usize> = (0..=config.layers).collect();
    let (float, byte) = (folder.join("float.onnx"), folder.join("byte.onnx"));
    wavlm::build_fused(config, tensors, &taps, &float)?;
    let expected = states(&float, config, &taps, sounds)?;
    wavlm::build_quantised(config, tensors, &taps, floats, &byte)?;
    let found = states(&byte, config, &taps, sounds)?;

    let mut streams = vec![Similarity::default(); taps.len()];
    let mut added = vec![0.0; taps.len()];
    let mut last = Similarity::default();
    let mut samples = 0;
    for ((expected, found), sound) in expected.iter().zip(&found).zip(sounds) {
        samples += sound.len();
        let mut before: Option<(&Tensor, &Tensor)> = None;
        for (tap, (a, b)) in expected.iter().zip(found).enumerate() {
            match (streams.get_mut(tap), added.get_mut(tap)) {
                (Some(stream), Some(added)) => {
                    stream.add("hidden states", a.data(), b.data())?;
                    *added += step(before, (a, b));
                }
                _ => last.add("last layer", a.data(), b.data())?,
            }
            before = Some((a, b));
        }
    }
    let whole: f64 = added.iter().take(audio_layer + 1).sum();
    let share = |tap: usize, added: f64| (tap <= audio_layer).then_some(if whole > 0.0 { added / whole } else { 0.0 });
    let blocks = streams.into_iter().zip(added).enumerate().map(|(tap, (stream, added))| Block {
        name: part(tap),
        stream,
        share: share(tap, added),
    });
    Ok(Comparison { blocks: blocks.collect(), last, seconds: samples as f64 / 16_000.0 })
}

/// The part of the network after which tap `tap` lies.
fn part(tap: usize) -> String {
    match tap.checked_sub(1) {
        None => "frames".into(),
        Some(layer) => format!("encoder.layers.{layer}"),
    }
}

/// Power of the error vector less the one before.
fn step(before: Option<(&Tensor, &Tensor)>, now: (&Tensor, &Tensor)) -> f64 {
    let mut power = 0.0;
    for (i, (a, b)) in now.0.data().iter().zip(now.1.data()).enumerate() {
        let mut error = f64::from(*b) - f64::from(*a);
        if let Some((a, b)) = before
            && let (Some(a), Some(b)) = (a.data().get(i), b.data().get(i))
        {
            error -= f64::from(*b) - f64::from(*a);
        }
        power += error * error;
    }
    power
}

/// Taps and last layer of each sound.
fn states(path: &Path, config: &WavlmConfig, taps: &[usize], sounds: &[Vec<f32>]) -> Result<Vec<Vec<Tensor>>> {
    let graph = LoadedGraph::load(path, wavlm::contract(config, taps))?.prepare()?;
    let mut session: Session = graph.session()?;
    let mut all = Vec::with_capacity(sounds.len());
    for sound in sounds {
        let waveform = waveform::prepare(sound)?;
        all.push(session.run(&[Input::F32(&[1, waveform.len()], &waveform)])?);
    }
    Ok(all)
}
