//! Laws that hold whatever the weights are: batching, repetition, causality, limits, cancelling.

use mien_models::ModelError;
use mien_models::llama::{
    CachePrecision, LayerSet, Llama, LlamaConfig, LlamaRequirement, PROMPT, SimulationWarning, SpmVocabulary, Stop,
    parameters, write_gguf,
};
use mien_models::tensor::{NamedTensors, Tensor};

use crate::{load, relative_error, settings, small};

fn audio(rows: usize, width: usize) -> Tensor {
    let values = (0..rows * width).map(|i| ((i * 37 % 101) as f32 / 50.0 - 1.0) * 0.3).collect();
    Tensor::new([rows, width], values).unwrap()
}

fn message<T: std::fmt::Debug>(result: Result<T, ModelError>) -> String {
    result.expect_err("must be refused").to_string()
}

#[test]
fn batches_smaller_than_the_input_give_the_same_states() {
    let four = LayerSet::last_four(4).unwrap();
    let tokens: Vec<i32> = (0..45).map(|i| 1 + i * 7 % 319).collect();
    let (mut whole, _kept) = load(&small(), &settings(512, 256));
    let (mut cut, _kept2) = load(&small(), &settings(512, 7));
    let a = whole.text_states(&tokens, &four).unwrap();
    let b = cut.text_states(&tokens, &four).unwrap();
    assert_eq!(a.shape(), [45, 32]);
    assert!(relative_error(b.data(), a.data()) < 1e-5);

    let a = whole.simulate(&audio(23, 32), "ba be bi", &four, 12).unwrap();
    let b = cut.simulate(&audio(23, 32), "ba be bi", &four, 12).unwrap();
    assert_eq!(a.tokens, b.tokens);
    assert!(relative_error(b.states.data(), a.states.data()) < 1e-5);
}

#[test]
fn a_second_run_is_bit_equal_and_nothing_is_left_of_the_one_before() {
    let (mut model, _folder) = load(&small(), &settings(512, 64));
    let four = LayerSet::last_four(4).unwrap();
    let rows = audio(11, 32);
    let text = model.real_text("ba be bi bo", &four, true).unwrap();
    let simulated = model.simulate(&rows, PROMPT, &four, 20).unwrap();
    assert_eq!(model.simulate(&rows, PROMPT, &four, 20).unwrap(), simulated);
    assert_eq!(model.real_text("ba be bi bo", &four, true).unwrap(), text);
    let (mut again, _folder) = load(&small(), &settings(512, 64));
    assert_eq!(again.simulate(&rows, PROMPT, &four, 20).unwrap(), simulated);
}

#[test]
fn states_depend_on_what_came_before_and_on_nothing_after() {
    let (mut model, _folder) = load(&small(), &settings(512, 64));
    let layers = LayerSet::last_four(4).unwrap();
    let long = model.text_states(&[1, 40, 50, 60, 70], &layers).unwrap();
    let short = model.text_states(&[1, 40, 50], &layers).unwrap();
    assert!(relative_error(short.data(), &long.data()[..3 * 32]) < 1e-5);
    let other = model.text_states(&[1, 41, 50], &layers).unwrap();
    assert!(relative_error(other.row(2).unwrap(), short.row(2).unwrap()) > 1e-3);
}

#[test]
fn a_sum_is_the_sum_of_its_states() {
    let (mut model, _folder) = load(&small(), &settings(512, 64));
    let tokens = [1, 300, 17, 288];
    let sum = model.text_states(&tokens, &LayerSet::last_four(4).unwrap()).unwrap();
    let mut expected = vec![0.0; 4 * 32];
    for k in 1..=4 {
        let one = model.text_states(&tokens, &LayerSet::single(k, 4).unwrap()).unwrap();
        expected.iter_mut().zip(one.data()).for_each(|(e, v)| *e += v);
    }
    assert!(relative_error(sum.data(), &expected) < 1e-6);
}

#[test]
fn generation_repeats_as_a_forward_pass_over_its_own_tokens() {
    // The definition of simulated text: states of [prompt ; y] at y, here with the audio row being a token's embedding.
    let (mut model, _folder) = load(&small(), &settings(512, 64));
    let tensors = NamedTensors::formula(7, &parameters(&small()));
    let table = tensors.get("model.embed_tokens.weight", &[320, 32]).unwrap();
    let row = |id: usize| table[id * 32..(id + 1) * 32].to_vec();
    let rows = Tensor::new([2, 32], [row(77), row(130)].concat()).unwrap();
    let layer = LayerSet::single(2, 4).unwrap();
    let text = model.simulate_with_tokens(&rows, &[1, 33, 58], &layer, 9).unwrap();
    assert_eq!((text.stopped, text.tokens.len(), text.states.rows()), (Stop::Limit, 9, 8));
    let sequence: Vec<i32> = [77, 130, 1, 33, 58].into_iter().chain(text.tokens.iter().copied().take(8)).collect();
    let states = model.text_states(&sequence, &layer).unwrap();
    assert!(relative_error(text.states.data(), &states.data()[5 * 32..]) < 1e-5);
}

/// A llama whose blocks add nothing and whose output favours end-of-text.
fn silent(folder: &std::path::Path) -> Llama {
    let config = LlamaConfig { layers: 4, ..small() };
    let tensors = parameters(&config).into_iter().map(|spec| {
        let n: usize = spec.shape.iter().product();
        let value = match spec.name.as_str() {
            name if name.ends_with("norm.weight") => vec![1.0; n],
            "model.embed_tokens.weight" => vec![1.0; n],
            // Token t scores -|t - 2|, so end-of-text (2) wins and 1 and 3 tie behind it.
            "lm_head.weight" => (0..n).map(|i| -((i / 32) as f32 - 2.0).abs() / 32.0).collect(),
            _ => vec![0.0; n],
        };
        (spec.name, Tensor::new(spec.shape, value).unwrap())
    });
    let tensors = NamedTensors::from_tensors("a model of silence", tensors);
    let path = folder.join("silent.gguf");
    write_gguf(&path, &config, &SpmVocabulary::tiny(320).unwrap(), &tensors, "silent").unwrap();
    Llama::load(&path, &LlamaRequirement::width(32), &settings(256, 64)).unwrap()
}

#[test]
fn the_first_token_is_not_end_of_text_and_ties_go_to_the_lowest_id() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = silent(folder.path());
    let layer = LayerSet::single(-4, 4).unwrap();
    let text = model.simulate_with_tokens(&audio(3, 32), &[1, 33], &layer, 200).unwrap();
    // Of 1 and 3, which tie once 2 is left out.
    assert_eq!(text.tokens, [1]);
    assert_eq!((text.stopped, text.states.shape()), (Stop::EndOfText, [1, 32].as_slice()));
    assert_eq!(text.warning, None);
}

#[test]
fn no_rows_give_one_zero_row_and_a_warning() {
    let (mut model, _folder) = load(&small(), &settings(512, 64));
    let layer = LayerSet::single(-4, 4).unwrap();
    let empty = Tensor::new([0, 32], Vec::new()).unwrap();
    let text = model.simulate(&empty, PROMPT, &layer, 200).unwrap();
    assert_eq!(text.states, Tensor::zeros([1, 32]));
    assert_eq!((text.warning, text.stopped), (Some(SimulationWarning::NoAudioRows), Stop::NoAudio));
    let text = model.simulate(&audio(2, 32), PROMPT, &layer, 1).unwrap();
    assert_eq!((text.states, text.tokens.len()), (Tensor::zeros([1, 32]), 1));
    assert_eq!(text.warning, Some(SimulationWarning::NothingGenerated));
    assert_eq!(model.real_text(" \t\n", &layer, true).unwrap(), Tensor::zeros([1, 32]));
}

#[test]
fn the_bos_row_can_be_cut() {
    let (mut model, _folder) = load(&small(), &settings(512, 64));
    let layer = LayerSet::last_four(4).unwrap();
    let with = model.real_text("bobo", &layer, true).unwrap();
    let without = model.real_text("bobo", &layer, false).unwrap();
    assert_eq!(without.data(), &with.data()[32..]);
}

#[test]
fn an_f16_cache_stays_near_the_exact_one() {
    let four = LayerSet::last_four(4).unwrap();
    let (mut exact, _a) = load(&small(), &settings(512, 64));
    let (mut half, _b) =
        load(&small(), &mien_models::llama::LlamaSettings { cache: CachePrecision::F16, ..settings(512, 64) });
    let tokens: Vec<i32> = (1..60).collect();
    let a = exact.text_states(&tokens, &four).unwrap();
    let b = half.text_states(&tokens, &four).unwrap();
    let error = relative_error(b.data(), a.data());
    assert!(error > 0.0 && error < 5e-3, "{error:.2e}");
}

#[test]
fn inputs_outside_the_contract_are_refused() {
    let (mut model, _folder) = load(&small(), &settings(128, 64));
    let layer = LayerSet::single(-4, 4).unwrap();
    let mut nan = audio(3, 32).into_data();
    nan[40] = f32::NAN;
    let nan = Tensor::new([3, 32], nan).unwrap();
    assert!(message(model.simulate(&nan, "ba", &layer, 5)).contains("NaN at index 40"));
    assert!(message(model.simulate(&audio(3, 31), "ba", &layer, 5)).contains("[3, 31]"));
    assert!(message(model.simulate(&Tensor::zeros([96]), "ba", &layer, 5)).contains("[rows, 32]"));
    assert!(message(model.simulate(&audio(120, 32), "ba", &layer, 5)).contains("holds 128"));
    assert!(message(model.simulate(&audio(3, 32), "ba", &layer, 200)).contains("holds 128"));
    assert!(message(model.simulate(&audio(3, 32), "ba", &layer, usize::MAX)).contains("holds 128"));
    assert!(message(model.simulate(&audio(3, 32), "ba", &layer, 0)).contains("0 new tokens"));
    assert!(message(model.simulate_with_tokens(&audio(3, 32), &[], &layer, 5)).contains("0 prompt tokens"));
    assert!(message(model.text_states(&[], &layer)).contains("no tokens"));
    assert!(message(model.text_states(&[1, 320], &layer)).contains("token 320"));
    assert!(message(model.text_states(&[1, -1], &layer)).contains("token -1"));
    assert!(message(model.text_states(&[5; 129], &layer)).contains("129 positions"));
    assert!(message(model.text_states(&[1], &LayerSet::single(-4, 6).unwrap())).contains("6 blocks"));
    // And it still works.
    assert_eq!(model.text_states(&[5; 128], &layer).unwrap().rows(), 128);
}

#[test]
fn a_cancelled_model_stops_until_it_is_reset() {
    let (mut model, _folder) = load(&small(), &settings(512, 64));
    let layer = LayerSet::single(-4, 4).unwrap();
    let before = model.simulate(&audio(8, 32), "ba be", &layer, 30).unwrap();
    let handle = model.cancel_handle();
    handle.cancel();
    assert!(matches!(model.simulate(&audio(8, 32), "ba be", &layer, 30), Err(ModelError::Cancelled { .. })));
    handle.reset();
    assert_eq!(model.simulate(&audio(8, 32), "ba be", &layer, 30).unwrap(), before);
}

#[test]
fn cancelling_from_another_thread_ends_a_running_generation() {
    let config = LlamaConfig { hidden_size: 256, intermediate_size: 512, context_length: 1 << 14, ..small() };
    let (mut model, _folder) = load(&config, &settings(1 << 14, 64));
    let layer = LayerSet::single(-4, 4).unwrap();
    let handle = model.cancel_handle();
    // Whoever comes first: thousands of tokens take far longer than the start of a thread.
    let worker = std::thread::spawn(move || model.simulate(&audio(8, 256), "ba be", &layer, 16_000));
    handle.cancel();
    assert!(matches!(worker.join().unwrap(), Err(ModelError::Cancelled { .. })));
}
