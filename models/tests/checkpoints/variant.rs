//! Which of the authors' variants a fusion checkpoint is.

use mien_models::ModelError;
use mien_models::fusion::{self, FusionConfig, Mia, MiaResidual, Padding};
use mien_models::tensor::{NamedTensors, Tensor, TensorSpec};

use super::SEED;

const SMALL: FusionConfig = FusionConfig {
    audio: 10,
    text: 20,
    video: 12,
    width: 32,
    mia: Mia::On,
    mia_residual: MiaResidual::Text,
    padding: Padding::Masked,
};

/// A checkpoint of the authors with `scale` times the formula's weights in the imagination blocks.
fn checkpoint(scale: f32, more: &[TensorSpec], keep: impl Fn(&str) -> bool) -> NamedTensors {
    let specs: Vec<TensorSpec> = fusion::parameters(&SMALL).into_iter().chain(more.iter().cloned()).collect();
    let formula = NamedTensors::formula(SEED, &specs);
    let kept = specs.iter().filter(|spec| keep(&spec.name)).map(|spec| {
        let factor = if spec.name.contains("_imagination_mlp.") { scale } else { 1.0 };
        let values = formula.get(&spec.name, &spec.shape).unwrap().iter().map(|v| factor * v).collect();
        (format!("module.model.{}", spec.name), Tensor::new(spec.shape.clone(), values).unwrap())
    });
    NamedTensors::from_tensors("a test", kept.collect::<Vec<_>>())
}

#[test]
fn weights_beyond_the_initial_range_were_trained() {
    let (config, variant, tensors) = fusion::read(checkpoint(1.0, &[], |_| true), None, None).unwrap();
    assert_eq!(config, SMALL);
    assert!(variant.mia_sign.contains("it was trained"), "{}", variant.mia_sign);
    assert_eq!(tensors.len(), 106);
    // As PyTorch makes a layer, every weight and bias is within 1/sqrt(inputs).
    let (config, variant, tensors) = fusion::read(checkpoint(0.05, &[], |_| true), None, None).unwrap();
    assert_eq!(config.mia, Mia::Off);
    assert!(variant.mia_sign.contains("seem untrained"), "{}", variant.mia_sign);
    assert!(tensors.names().all(|name| !name.contains("_imagination_mlp.")));
}

#[test]
fn blocks_that_are_not_there_do_not_run_and_half_of_them_is_a_fault() {
    let without = |name: &str| !name.contains("_imagination_mlp.");
    let (config, variant, _) = fusion::read(checkpoint(1.0, &[], without), None, None).unwrap();
    assert_eq!((config.mia, variant.mia_sign.as_str()), (Mia::Off, "the imagination blocks are not in the file"));
    let lost = "missing_text_imagination_mlp.encoder_0.0.bias";
    let error = fusion::read(checkpoint(1.0, &[], |name| name != lost), None, None).unwrap_err();
    assert!(matches!(&error, ModelError::MissingTensor { key, .. } if key == lost), "{error}");
    // Where nobody wants the blocks, a rest of them does no harm; where they are wanted, all must be there.
    fusion::read(checkpoint(1.0, &[], |name| name != lost), Some(Mia::Off), None).unwrap();
    assert!(fusion::read(checkpoint(1.0, &[], without), Some(Mia::On), None).is_err());
}

#[test]
fn the_second_class_is_told_by_its_normalisation() {
    let normali: Vec<TensorSpec> = ["weight", "bias", "running_mean", "running_var"]
        .iter()
        .map(|part| TensorSpec::required(format!("normali.{part}"), [7]))
        .collect();
    let (config, variant, _) = fusion::read(checkpoint(1.0, &normali, |_| true), None, None).unwrap();
    assert_eq!(config.mia_residual, MiaResidual::Transition);
    assert!(variant.residual_sign.contains("second class"), "{}", variant.residual_sign);
    let asked = Some(MiaResidual::Text);
    let (config, ..) = fusion::read(checkpoint(1.0, &normali, |_| true), None, asked).unwrap();
    assert_eq!(config.mia_residual, MiaResidual::Text);
}

#[test]
fn what_was_asked_for_goes_before_what_the_file_tells_and_says_so() {
    let (config, variant, _) = fusion::read(checkpoint(0.05, &[], |_| true), Some(Mia::On), None).unwrap();
    assert_eq!(config.mia, Mia::On);
    assert!(variant.mia_sign.starts_with("as was asked for, though no weight"), "{}", variant.mia_sign);
    let (_, variant, _) = fusion::read(checkpoint(1.0, &[], |_| true), Some(Mia::On), None).unwrap();
    assert!(variant.mia_sign.starts_with("as was asked for, and "), "{}", variant.mia_sign);
}

#[test]
fn projections_tell_the_width_and_must_agree_on_it() {
    let read = |shapes: &[[usize; 2]]| {
        let named =
            |(m, shape): (usize, &[usize; 2])| TensorSpec::required(format!("frame_dim_reshape_{m}.weight"), *shape);
        let specs: Vec<TensorSpec> = shapes.iter().enumerate().map(named).collect();
        fusion::read(NamedTensors::formula(SEED, &specs), Some(Mia::Off), None).unwrap_err()
    };
    let error = read(&[]);
    assert!(matches!(&error, ModelError::MissingTensor { key, .. } if key == "frame_dim_reshape_0.weight"), "{error}");
    let error = read(&[[128, 20], [256, 30]]);
    let ModelError::TensorShape { key, expected, found, .. } = &error else { panic!("{error}") };
    assert_eq!((key.as_str(), expected[0], found), ("frame_dim_reshape_1.weight", 128, &vec![256, 30]));
    // Halves and quarters of it are widths, too.
    let error = read(&[[255, 20], [255, 30], [255, 40]]);
    assert!(matches!(&error, ModelError::Config { reason, .. } if reason.contains("255")), "{error}");
}
