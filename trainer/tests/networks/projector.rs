//! The projector against the device's, and what it learns from: transcripts after sound and prompt.

use burn::tensor::{DType, Device, Tensor, TensorData};
use mien_models::llama::LlamaConfig;
use mien_models::projector::{Projector as OnDevice, ProjectorConfig, build, parameters};
use mien_models::tensor::{NamedTensors, Tensor as Plain};
use mien_trainer::networks::{Llama, Mode, Projector, Prompted, prompted};

use super::{fill, near, numbers, slopes};

const SIZES: ProjectorConfig = ProjectorConfig { k: 5, encoder_width: 6, hidden: 7, llm_width: 12 };

fn llama(dtype: DType) -> Llama {
    llama_on(&Device::flex().autodiff(), dtype)
}

fn llama_on(device: &Device, dtype: DType) -> Llama {
    let config = LlamaConfig {
        vocab_size: 20,
        hidden_size: 12,
        intermediate_size: 10,
        layers: 2,
        heads: 3,
        kv_heads: 3,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        context_length: 64,
    };
    let tensors = NamedTensors::formula(4, &mien_models::llama::parameters(&config));
    Llama::new(&config, &tensors, Mode::Frozen, device, dtype).unwrap()
}

fn projector(dtype: DType) -> Projector {
    let tensors = NamedTensors::formula(2, &parameters(&SIZES));
    Projector::new(&SIZES, &tensors, Mode::Learns, &Device::flex().autodiff(), dtype).unwrap()
}

fn batch() -> Prompted {
    let clip = |name: &str, frames: usize| fill(3, name, frames * SIZES.encoder_width);
    Prompted {
        // 14 frames are two rows, and four that fill none.
        frames: vec![clip("a", 14), clip("b", 5), clip("c", 31)],
        prompt: vec![1, 9, 8, 7],
        transcripts: vec![vec![4, 5, 6, 2], vec![19, 2], vec![3, 2]],
    }
}

#[test]
fn rows_are_those_of_the_device() {
    let projector = projector(DType::F32);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("projector.onnx");
    build(&SIZES, &projector.parameters().named().unwrap(), &path).unwrap();
    let mut device = OnDevice::load(&path, &SIZES).unwrap();
    let frames = fill(3, "frames", 20 * 6);
    let expected = device.run(&Plain::new([20, 6], frames.clone()).unwrap()).unwrap();
    let frames: Tensor<2> = Tensor::from_data(TensorData::new(frames, [4, 30]), projector.parameters().device());
    near("rows", &numbers(projector.rows(frames).unwrap()), expected.data(), 1e-5);
}

/// One clip after the other, without padding, by the definition.
#[test]
fn the_loss_is_that_of_each_sequence_alone() {
    let (projector, llama, batch) = (projector(DType::F64), llama(DType::F64), batch());
    let device = llama.parameters().device();
    let (mut sum, mut count) = (0.0, 0);
    for (frames, transcript) in batch.frames.iter().zip(&batch.transcripts) {
        let rows = frames.len() / 30;
        let frames = TensorData::new(frames[..rows * 30].to_vec(), [rows, 30]);
        let audio = projector.rows(Tensor::from_data(frames, (device, DType::F64))).unwrap();
        let said = llama.embed(&[batch.prompt.clone(), transcript.clone()].concat()).unwrap();
        let states = llama.states(Tensor::cat(vec![audio, said], 0), 1).unwrap();
        let logits = llama.logits(states.last).unwrap().inner().try_into_vec_as::<f64>().unwrap();
        for (i, &token) in transcript.iter().enumerate() {
            let row = &logits[(rows + batch.prompt.len() + i - 1) * 20..][..20];
            sum -= (row[token as usize].exp() / row.iter().map(|s| s.exp()).sum::<f64>()).ln();
            count += 1;
        }
    }
    let found = prompted(&projector, &llama, &batch).unwrap().inner().try_into_scalar::<f64>().unwrap();
    let expected = sum / f64::from(count);
    assert!((found - expected).abs() < 1e-10, "{found}, expected {expected}");
}

#[test]
fn slopes_are_those_of_differences_and_pass_through_the_frozen_llama() {
    let [exact, single] = [DType::F64, DType::F32].map(projector);
    let batch = batch();
    let checked = slopes::check(exact.parameters(), single.parameters(), [1e-6, 1e-5], str::to_owned, |parameters| {
        let llama = llama(parameters.dtype());
        prompted(&exact.clone().with_parameters(parameters), &llama, &batch).unwrap()
    });
    assert_eq!(checked, 4);
    // A frozen network may be where no gradients are kept.
    let gradients = [Device::flex().autodiff(), Device::flex()].map(|device| {
        let llama = llama_on(&device, DType::F32);
        let mut gradients = prompted(&single, &llama, &batch).unwrap().backward();
        assert!(llama.parameters().gradients::<f32>(&mut gradients).unwrap().is_empty());
        single.parameters().gradients::<f32>(&mut gradients).unwrap()
    });
    assert_eq!(gradients[0].len(), 4);
    assert_eq!(gradients[0], gradients[1]);
}

#[test]
fn batches_that_cannot_be_are_refused() {
    let (projector, llama) = (projector(DType::F32), llama(DType::F32));
    let refused = |change: fn(&mut Prompted)| {
        let mut batch = batch();
        change(&mut batch);
        prompted(&projector, &llama, &batch).unwrap_err().to_string()
    };
    assert!(refused(|b| b.frames.clear()).contains("the number of clips"));
    assert!(refused(|b| b.prompt.clear()).contains("prompt"));
    assert!(refused(|b| b.transcripts[1].clear()).contains("transcript of clip 1"));
    assert!(refused(|b| b.frames[2].truncate(24)).contains("sound of clip 2"));
    assert!(refused(|b| b.frames[2].truncate(91)).contains("whole frames of 6"));
    assert!(refused(|b| b.transcripts[0][1] = 20).contains("0 to 19"));
    assert!(refused(|b| b.prompt.resize(60, 3)).contains("at most 64"));
    let (projector, exact) = (self::projector(DType::F32), self::llama(DType::F64));
    assert!(prompted(&projector, &exact, &batch()).unwrap_err().to_string().contains("F64"));
    let tensors = NamedTensors::formula(2, &parameters(&SIZES));
    let learning = Projector::new(&SIZES, &tensors, Mode::Learns, &Device::flex(), DType::F32);
    assert!(learning.unwrap_err().to_string().contains("keeps gradients"));
}
