//! The llama against transformers and llama.cpp.

use burn::tensor::{DType, Device, Tensor};
use mien_models::llama::{
    LayerSet, Llama as OnDevice, LlamaConfig, LlamaRequirement, LlamaSettings, SpmVocabulary, parameters, write_gguf,
};
use mien_models::tensor::NamedTensors;
use mien_trainer::networks::objective::next_token;
use mien_trainer::networks::{Llama, LlamaStates, Mode};

use super::{fill, floats, golden, near, number, numbers, plain, slopes, tokens};

fn tiny() -> LlamaConfig {
    LlamaConfig {
        vocab_size: 300,
        hidden_size: 48,
        intermediate_size: 64,
        layers: 3,
        heads: 6,
        kv_heads: 2,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        context_length: 128,
    }
}

/// State `k` as transformers counts: the last is the normed one.
fn state(states: &LlamaStates, k: usize) -> Tensor<2> {
    states.hidden.get(k).unwrap_or(&states.last).clone()
}

fn network(config: &LlamaConfig, tensors: &NamedTensors, dtype: DType) -> Llama {
    Llama::new(config, tensors, Mode::Learns, &Device::flex().autodiff(), dtype).unwrap()
}

#[test]
fn states_are_those_of_transformers() {
    let golden = golden("llama_tiny.safetensors");
    let config = LlamaConfig {
        vocab_size: number(&golden, "vocab"),
        hidden_size: number(&golden, "d"),
        intermediate_size: number(&golden, "ff"),
        layers: number(&golden, "layers"),
        heads: number(&golden, "heads"),
        kv_heads: number(&golden, "heads"),
        rms_norm_eps: number(&golden, "eps"),
        rope_theta: number(&golden, "theta"),
        context_length: 512,
    };
    let weights = NamedTensors::formula(number(&golden, "seed"), &parameters(&config));
    for dtype in [DType::F32, DType::F64] {
        let llama = network(&config, &weights, dtype);
        let states = llama.states(llama.embed(&tokens(&golden, "tokens.ids")).unwrap(), 1).unwrap();
        for k in config.layers - 3..=config.layers {
            let name = format!("tokens.h.{k}");
            near(&name, &numbers(state(&states, k)), &floats(&golden, &name), 2e-5);
        }
        // Sound in place of tokens, a prompt, and what transformers went on with.
        let audio = floats(&golden, "audio.embeds");
        let rows = audio.len() / config.hidden_size;
        let audio: Tensor<1> = Tensor::from_data(audio.as_slice(), (llama.parameters().device(), dtype));
        let audio = audio.reshape([rows, config.hidden_size]);
        let generated = tokens(&golden, "audio.generated_ids");
        let said = [tokens(&golden, "audio.prompt_ids"), generated.clone()].concat();
        let input = Tensor::cat(vec![audio, llama.embed(&said).unwrap()], 0);
        let states = llama.states(input, 1).unwrap();
        let first = rows + said.len() - generated.len();
        let hidden = states.hidden[config.layers - 3].clone().narrow(0, first, generated.len());
        near("audio.hidden", &numbers(hidden), &floats(&golden, "audio.hidden"), 2e-5);
        // Greedy decoding took the likeliest token at each place.
        let logits = llama.logits(states.last.clone().narrow(0, first - 1, generated.len())).unwrap();
        let likeliest: Vec<u32> = numbers(logits)
            .chunks(config.vocab_size)
            .map(|row| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap() as u32)
            .collect();
        assert_eq!(likeliest, generated);
    }
}

/// Fewer key heads than query heads, through the file that the device loads.
#[test]
fn states_are_those_of_the_device() {
    let config = tiny();
    let llama = network(&config, &Llama::initial(&config, 3).unwrap(), DType::F32);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("llama.gguf");
    let vocabulary = SpmVocabulary::tiny(config.vocab_size).unwrap();
    write_gguf(&path, &config, &vocabulary, &llama.parameters().named().unwrap(), "in training").unwrap();
    let settings = LlamaSettings { n_threads: 1, n_ctx: 128, n_batch: 64, ..Default::default() };
    let requirement = LlamaRequirement::width(config.hidden_size);
    let mut device = OnDevice::load(&path, &requirement, &settings).unwrap();
    let ids = [1, 260, 290, 33, 7, 271, 280, 299];
    let states = llama.states(llama.embed(&ids.map(|id: i32| id as u32)).unwrap(), 1).unwrap();
    for k in 1..=config.layers {
        let expected = device.text_states(&ids, &LayerSet::single(k as i64, config.layers).unwrap()).unwrap();
        let found = plain(state(&states, k));
        assert_eq!(found.shape(), expected.shape());
        near(&format!("state {k}"), found.data(), expected.data(), 1e-4);
    }
}

#[test]
fn padding_and_neighbours_change_nothing() {
    let config = tiny();
    let llama = network(&config, &Llama::initial(&config, 3).unwrap(), DType::F32);
    let sequences: [&[u32]; 3] = [&[1, 5, 9, 260, 7], &[1, 299], &[1, 8, 8, 8, 8, 20, 30, 40]];
    let padded: Vec<u32> =
        sequences.iter().flat_map(|s| s.iter().copied().chain(std::iter::repeat(0)).take(8)).collect();
    let all = llama.states(llama.embed(&padded).unwrap(), 3).unwrap();
    for (i, sequence) in sequences.iter().enumerate() {
        let alone = llama.states(llama.embed(sequence).unwrap(), 1).unwrap();
        for k in 0..=config.layers {
            let found = state(&all, k).narrow(0, 8 * i, sequence.len());
            near("padded", &numbers(found), &numbers(state(&alone, k)), 1e-5);
        }
    }
}

#[test]
fn slopes_are_those_of_differences() {
    let config =
        LlamaConfig { vocab_size: 20, hidden_size: 12, heads: 3, kv_heads: 1, intermediate_size: 10, ..tiny() };
    let tensors = NamedTensors::formula(4, &parameters(&config));
    let [exact, single] = [DType::F64, DType::F32].map(|dtype| network(&config, &tensors, dtype));
    let ids = [1, 4, 9, 16, 5, 1, 7, 19, 0, 0];
    let targets: Vec<Option<u32>> =
        [Some(4), Some(9), Some(16), Some(5), Some(2), Some(7), Some(19), Some(2), None, None].to_vec();
    let checked = slopes::check(exact.parameters(), single.parameters(), [1e-6, 1e-5], str::to_owned, |parameters| {
        let llama = exact.clone().with_parameters(parameters);
        let states = llama.states(llama.embed(&ids).unwrap(), 2).unwrap();
        next_token(llama.logits(states.last.clone()).unwrap(), &targets).unwrap()
    });
    assert_eq!(checked, parameters(&config).len());
}

#[test]
fn what_does_not_fit_is_refused() {
    let config = tiny();
    let llama = network(&config, &Llama::initial(&config, 3).unwrap(), DType::F32);
    let error = llama.embed(&[1, 300]).unwrap_err().to_string();
    assert!(error.contains("0 to 299") && error.contains("300"), "{error}");
    let rows = |n: usize, width: usize| -> Tensor<2> {
        let data = burn::tensor::TensorData::new(fill(1, "rows", n * width), [n, width]);
        Tensor::from_data(data, llama.parameters().device())
    };
    for (n, width, sequences) in [(5, 48, 2), (4, 47, 1), (129, 48, 1), (0, 48, 0)] {
        assert!(llama.states(rows(n, width), sequences).is_err(), "{n} {width} {sequences}");
    }
    assert!(llama.states(rows(128, 48), 1).is_ok());
    let wider = LlamaConfig { intermediate_size: 65, ..config.clone() };
    let other = Llama::initial(&wider, 3).unwrap();
    assert!(Llama::new(&config, &other, Mode::Learns, &Device::flex().autodiff(), DType::F32).is_err());
    assert!(Llama::initial(&LlamaConfig { heads: 5, ..config }, 3).is_err());
}
