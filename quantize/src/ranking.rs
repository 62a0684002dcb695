//! Which layers to keep in `f32` where the error is too large.

use crate::noise::LayerNoise;
use crate::{manet, wavlm};

/// Layers that are named at most.
const NAMED: usize = 4;

/// Names to keep in `f32`, the most promising first.
///
/// WavLM's parts come by their share of the error in the audio rows. MA-Net shows no inner state, so of its layers the ones
/// whose weights bytes hold worst are named, and before WavLM's where its embedding is noisier than the audio rows. What
/// stays in `f32` already is in neither list, because its weights have no noise. Without comparisons the weights decide.
#[must_use]
pub fn suspects(
    heard: Option<&wavlm::Comparison>,
    seen: Option<&manet::Comparison>,
    noise: [&[LayerNoise]; 2],
) -> Vec<String> {
    let [wavlm_noise, manet_noise] = noise;
    let voice = match heard {
        None => noisiest(wavlm_noise),
        Some(heard) => {
            let mut shares: Vec<(f64, &str)> =
                heard.blocks.iter().filter_map(|b| Some((b.share?, b.name.as_str()))).collect();
            shares.sort_by(|a, b| b.0.total_cmp(&a.0));
            let parts = shares.into_iter().flat_map(|(_, part)| names(part, wavlm_noise));
            parts.take(NAMED).collect()
        }
    };
    let face = if seen.is_some() || heard.is_none() { noisiest(manet_noise) } else { Vec::new() };
    let audio = heard.and_then(|h| h.blocks.iter().rfind(|b| b.share.is_some())).map(|b| b.stream.snr_db());
    let video = seen.map(|s| s.local.snr_db().min(s.global.snr_db()));
    let face_first = match (audio, video) {
        (Some(audio), Some(video)) => video < audio,
        (None, video) => video.is_some(),
        (Some(_), None) => false,
    };
    let (first, second) = if face_first { (face, voice) } else { (voice, face) };
    // Half of the room is the other network's.
    let rest = second.into_iter().take(NAMED / 2);
    first.into_iter().take(NAMED).chain(rest).collect()
}

/// What keeps `part` in `f32`: its name, or for the frames the names of their layers; nothing where it has no byte layer.
fn names(part: &str, noise: &[LayerNoise]) -> Vec<String> {
    let prefix = format!("{part}.");
    let inside = |layer: &&LayerNoise| layer.layer.starts_with(&prefix);
    if part != "frames" {
        return noise.iter().find(inside).map(|_| part.to_owned()).into_iter().collect();
    }
    let frames = noise.iter().filter(|layer| !layer.layer.starts_with("encoder.layers."));
    let mut sorted: Vec<&LayerNoise> = frames.collect();
    sorted.sort_by(|a, b| a.snr_db.total_cmp(&b.snr_db));
    sorted.into_iter().take(2).map(|layer| layer.layer.clone()).collect()
}

fn noisiest(noise: &[LayerNoise]) -> Vec<String> {
    let mut sorted: Vec<&LayerNoise> = noise.iter().collect();
    sorted.sort_by(|a, b| a.snr_db.total_cmp(&b.snr_db));
    sorted.into_iter().take(NAMED).map(|layer| layer.layer.clone()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Similarity;

    fn noise(layers: &[(&str, f64)]) -> Vec<LayerNoise> {
        layers
            .iter()
            .map(|(layer, snr_db)| LayerNoise { layer: (*layer).into(), weights: 1, snr_db: *snr_db })
            .collect()
    }

    /// A comparison whose numbers are off by `error` of 1.
    fn similarity(error: f32) -> Similarity {
        let mut similarity = Similarity::default();
        similarity.add("test", &[1.0], &[1.0 + error]).unwrap();
        similarity
    }

    fn heard(shares: &[Option<f64>], error: f32) -> wavlm::Comparison {
        let name = |i: usize| if i == 0 { "frames".into() } else { format!("encoder.layers.{}", i - 1) };
        let block = |(i, share): (usize, &Option<f64>)| wavlm::Block {
            name: name(i),
            stream: similarity(error),
            share: *share,
        };
        let blocks = shares.iter().enumerate().map(block).collect();
        wavlm::Comparison { blocks, last: similarity(error), seconds: 1.0 }
    }

    fn seen(error: f32) -> manet::Comparison {
        let [local, global, logits] = [similarity(error); 3];
        manet::Comparison { local, global, logits, faces: 1 }
    }

    #[test]
    fn what_adds_most_error_comes_first() {
        let wavlm = noise(&[
            ("feature_projection.projection", 40.0),
            ("encoder.pos_conv_embed", 30.0),
            ("feature_extractor.conv_layers.1", 50.0),
            ("encoder.layers.0.attention.out_proj", 45.0),
            ("encoder.layers.1.attention.out_proj", 45.0),
        ]);
        let manet = noise(&[("conv1", 44.0), ("layer1.0.conv1", 33.0)]);
        let shares = [Some(0.3), Some(0.1), Some(0.6), None];
        let found = suspects(Some(&heard(&shares, 0.01)), None, [&wavlm, &manet]);
        let expected =
            ["encoder.layers.1", "encoder.pos_conv_embed", "feature_projection.projection", "encoder.layers.0"];
        assert_eq!(found, expected, "no face was seen, so no layer of MA-Net is named");
        let found = suspects(Some(&heard(&shares, 0.01)), Some(&seen(0.1)), [&wavlm, &manet]);
        assert_eq!(found, ["layer1.0.conv1", "conv1", "encoder.layers.1", "encoder.pos_conv_embed"]);
        let found = suspects(Some(&heard(&shares, 0.1)), Some(&seen(0.01)), [&wavlm, &manet]);
        assert_eq!(found[..1], ["encoder.layers.1"]);
        // A block that is in f32 already is not named again.
        let found = suspects(Some(&heard(&shares, 0.01)), None, [&wavlm[..4], &manet]);
        assert_eq!(found[0], "encoder.pos_conv_embed");
    }

    #[test]
    fn without_comparisons_weights_decide() {
        let wavlm = noise(&[("a", 40.0), ("b", 30.0)]);
        let manet = noise(&[("c", 44.0), ("d", 33.0)]);
        assert_eq!(suspects(None, None, [&wavlm, &manet]), ["b", "a", "d", "c"]);
        assert_eq!(suspects(None, Some(&seen(0.1)), [&wavlm, &manet]), ["d", "c", "b", "a"]);
    }
}
