//! Small networks with bytes in one place: the comparison must find that place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use mien_models::bundle::{Bundle, DrySize, Manifest, make_dry};
use mien_models::tensor::{NamedTensors, Tensor, formula};
use mien_quantize::{KeptFloat, manet, wavlm};

/// Seed of weights and inputs.
const SEED: u64 = 7;
/// What two float graphs that sum in another order keep at least, in dB.
const FLOATS_DB: f64 = 90.0;

/// Sizes of the small networks.
fn sizes(folder: &std::path::Path) -> Manifest {
    make_dry(&folder.join("dry"), DrySize::Small, SEED).unwrap();
    Bundle::open(&folder.join("dry")).unwrap().manifest().clone()
}

/// Every layer in floats but those below `part`.
fn all_but(sizes: &Manifest, part: &str) -> KeptFloat {
    let mut kept = KeptFloat {
        wavlm: mien_models::wavlm::byte_layers(&sizes.wavlm).into_iter().collect(),
        manet: mien_models::manet::byte_layers(&sizes.manet).into_iter().collect(),
    };
    let inside = KeptFloat::of(&sizes.wavlm, &sizes.manet, &[part.into()]).unwrap();
    kept.wavlm.retain(|layer| !inside.wavlm.contains(layer));
    kept.manet.retain(|layer| !inside.manet.contains(layer));
    kept
}

#[test]
fn the_block_in_bytes_has_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = sizes(folder.path());
    let tensors = NamedTensors::formula(SEED, &mien_models::wavlm::parameters(&sizes.wavlm));
    let sounds: Vec<Vec<f32>> = [8000, 5000].map(|n| formula::fill(SEED, "input.test", &[n])).into();
    let last = sizes.wavlm.layers;
    for block in 0..last {
        let kept = all_but(&sizes, &format!("encoder.layers.{block}"));
        let scratch = tempfile::tempdir().unwrap();
        let found = wavlm::compare(&sizes.wavlm, &tensors, &kept.wavlm, last, &sounds, scratch.path()).unwrap();
        assert_eq!(found.blocks.len(), last + 1);
        let states: Vec<f64> = found.blocks.iter().map(|b| b.stream.snr_db()).collect();
        println!("bytes in block {block}: {states:?} dB, last {:.1} dB", found.last.snr_db());
        for (after, b) in found.blocks.iter().enumerate() {
            // Tap 0 lies before block 0.
            let reached = after > block;
            assert_eq!(b.stream.snr_db() < FLOATS_DB, reached, "{b:?}");
            assert!(b.stream.cosine() > 0.99, "{b:?}");
        }
        let share = |i: usize| found.blocks[i].share.unwrap();
        assert!((0..=block).map(share).sum::<f64>() < 1e-3, "{:?}", found.blocks);
        assert!(((0..=last).map(share).sum::<f64>() - 1.0).abs() < 1e-9);
        // The first that has an error added it itself; what later ones make of it is theirs.
        assert!(share(block + 1) > 1e-3, "{:?}", found.blocks);
        assert!((found.seconds - 13_000.0 / 16_000.0).abs() < 1e-9);
    }
    let none = wavlm::compare(&sizes.wavlm, &tensors, &Default::default(), last, &[], folder.path());
    assert!(none.unwrap_err().to_string().contains("found none"));
}

#[test]
fn the_branch_in_bytes_has_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = sizes(folder.path());
    let tensors = NamedTensors::formula(SEED, &mien_models::manet::parameters(&sizes.manet));
    let face = formula::fill(SEED, "input.face", &[3 * 224 * 224]).iter().map(|v| v.mul_add(0.5, 0.5)).collect();
    let faces = Tensor::new([1, 3, 224, 224], face).unwrap();
    for (part, local, global) in [("layer4_2", false, true), ("layer4_1_p3", true, false), ("conv1", true, true)] {
        let kept = all_but(&sizes, part);
        let scratch = tempfile::tempdir().unwrap();
        let found = manet::compare(&sizes.manet, &tensors, &kept.manet, &faces, scratch.path()).unwrap();
        println!("bytes in {part}: local {:.1} dB, global {:.1} dB", found.local.snr_db(), found.global.snr_db());
        assert_eq!(found.local.snr_db() < FLOATS_DB, local, "{part}");
        assert_eq!(found.global.snr_db() < FLOATS_DB, global, "{part}");
        assert!(found.logits.cosine() > 0.999, "{:?}", found.logits);
        assert_eq!(found.faces, 1);
    }
}

#[test]
fn every_byte_layer_is_weighed_and_evenly_spread_weights_have_the_textbook_ratio() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = sizes(folder.path());
    let ears = NamedTensors::formula(SEED, &mien_models::wavlm::parameters(&sizes.wavlm));
    let eyes = NamedTensors::formula(SEED, &mien_models::manet::parameters(&sizes.manet));
    let ears = wavlm::weights(&sizes.wavlm, &ears).unwrap();
    let eyes = manet::weights(&sizes.manet, &eyes).unwrap();
    let names = |layers: &[mien_quantize::LayerNoise]| layers.iter().map(|l| l.layer.clone()).collect::<Vec<_>>();
    assert_eq!(names(&ears), mien_models::wavlm::byte_layers(&sizes.wavlm));
    assert_eq!(names(&eyes), mien_models::manet::byte_layers(&sizes.manet));
    // Evenly in [-1, 1): power 1/3 over a step of 1/127 squared over 12, better in short rows, whose largest is small.
    let expected = 10.0 * (4.0f64 * 127.0 * 127.0).log10();
    for layer in ears.iter().chain(&eyes).filter(|l| l.layer != "encoder.pos_conv_embed") {
        assert!((-0.3..3.0).contains(&(layer.snr_db - expected)), "{layer:?} and {expected}");
    }
    let hidden = sizes.wavlm.hidden;
    let projections = ears.iter().find(|l| l.layer.ends_with(".projections")).unwrap();
    assert_eq!(projections.weights, 3 * hidden * hidden);
}
