//! Written files: what comes back out of them, the tokenizer, half precision, and the expectations of the real model.

use mien_models::llama::{
    GgufHeader, LayerSet, Llama, LlamaConfig, LlamaRequirement, PROMPT, Precision, SpmVocabulary, parameters,
    write_gguf, write_gguf_as,
};
use mien_models::tensor::{NamedTensors, Tensor};

use crate::{load, relative_error, settings, small, write};

#[test]
fn parameters_have_the_names_and_shapes_of_transformers() {
    let specs = parameters(&small());
    assert_eq!(specs.len(), 3 + 4 * 9);
    let shape = |name: &str| specs.iter().find(|s| s.name == name).map(|s| s.shape.clone());
    assert_eq!(shape("model.embed_tokens.weight"), Some(vec![320, 32]));
    assert_eq!(shape("model.layers.3.self_attn.k_proj.weight"), Some(vec![16, 32]));
    assert_eq!(shape("model.layers.0.mlp.down_proj.weight"), Some(vec![32, 48]));
    assert_eq!(shape("lm_head.weight"), Some(vec![320, 32]));
}

#[test]
fn a_written_file_checks_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &small(), 7);
    let header = GgufHeader::read(&path).unwrap();
    let checked = header.check(&LlamaRequirement::width(32)).unwrap();
    assert_eq!(checked.warnings, Vec::<String>::new());
    let shape = checked.shape;
    assert_eq!((shape.block_count, shape.head_count, shape.head_count_kv, shape.vocab_size), (4, 4, 2, 320));
    assert_eq!((shape.bos, shape.eos), (1, 2));
    // Only the file itself: nothing half-written is left behind.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let read = |folder: &std::path::Path| std::fs::read(write(folder, &small(), 7)).unwrap();
    assert_eq!(read(a.path()), read(b.path()));
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &small(), 7);
    let before = std::fs::read(&path).unwrap();
    let missing = NamedTensors::from_tensors("nothing", Vec::<(String, Tensor)>::new());
    let vocabulary = SpmVocabulary::tiny(320).unwrap();
    let error = write_gguf(&path, &small(), &vocabulary, &missing, "x").unwrap_err().to_string();
    assert!(error.contains("model.embed_tokens.weight"), "{error}");
    let short = SpmVocabulary::tiny(319).unwrap();
    let tensors = NamedTensors::formula(7, &parameters(&small()));
    assert!(write_gguf(&path, &small(), &short, &tensors, "x").is_err());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn half_precision_rounds_and_overflow_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.gguf");
    let vocabulary = SpmVocabulary::tiny(320).unwrap();
    let tensors = NamedTensors::formula(7, &parameters(&small()));
    write_gguf_as(&path, &small(), &vocabulary, &tensors, "half", Precision::F16).unwrap();
    let mut half = Llama::load(&path, &LlamaRequirement::width(32), &settings(64, 64)).unwrap();
    let (mut full, _folder) = load(&small(), &settings(64, 64));
    let four = LayerSet::last_four(4).unwrap();
    let tokens = [1, 30, 99, 280];
    let (a, b) = (half.text_states(&tokens, &four).unwrap(), full.text_states(&tokens, &four).unwrap());
    let error = relative_error(a.data(), b.data());
    assert!(error > 0.0 && error < 2e-2, "{error:.2e}");

    let huge = parameters(&small()).into_iter().map(|spec| {
        let n = spec.shape.iter().product();
        (spec.name, Tensor::new(spec.shape, vec![1e6; n]).unwrap())
    });
    let huge = NamedTensors::from_tensors("huge", huge);
    let error = write_gguf_as(&path, &small(), &vocabulary, &huge, "x", Precision::F16).unwrap_err().to_string();
    assert!(error.contains("model.embed_tokens.weight"), "{error}");
}

#[test]
fn configurations_that_are_no_llama_are_refused() {
    let bad = [
        LlamaConfig { layers: 0, ..small() },
        LlamaConfig { layers: 513, ..small() },
        LlamaConfig { heads: 3, ..small() },
        LlamaConfig { heads: 32, kv_heads: 32, ..small() },
        LlamaConfig { kv_heads: 3, ..small() },
        LlamaConfig { rms_norm_eps: 0.0, ..small() },
        LlamaConfig { rope_theta: f32::NAN, ..small() },
        LlamaConfig { hidden_size: usize::MAX, ..small() },
    ];
    for config in bad {
        assert!(config.validate().is_err(), "{config:?}");
    }
    small().validate().unwrap();
}

#[test]
fn tokens_come_back_as_text_with_bos_once_in_front() {
    let config = LlamaConfig { vocab_size: 4000, ..small() };
    let (model, _folder) = load(&config, &settings(512, 64));
    let vocabulary = SpmVocabulary::tiny(4000).unwrap();
    let spelled = |text: &str| -> Vec<String> {
        model.tokenize(text).unwrap().iter().map(|&id| vocabulary.tokens()[id as usize].clone()).collect()
    };
    // The highest score is merged first, and lower ids have higher scores.
    assert_eq!(spelled("ba"), ["<s>", "▁ba"]);
    assert_eq!(spelled("baba ga"), ["<s>", "▁baba", "▁ga"]);
    assert_eq!(spelled(""), ["<s>"]);
    // Special tokens in a text are text.
    assert_eq!(spelled("</s>"), ["<s>", "▁", "<0x3C>", "<0x2F>", "s", "<0x3E>"]);
    assert_eq!(spelled("<s>").iter().filter(|t| *t == "<s>").count(), 1);
    assert!(spelled(PROMPT).contains(&"<0x0A>".to_owned()));
    for text in ["hello there, we'll see", "Grüße, 世界 🙂", "a\u{0}b\u{7}\u{1b}[31m\r\n\tc", "  two  spaces "] {
        let tokens = model.tokenize(text).unwrap();
        assert_eq!(tokens.iter().filter(|&&id| id == 1).count(), 1);
        assert_eq!(model.detokenize(&tokens), text);
    }
    assert_eq!(model.detokenize(&[-1, 4000, i32::MAX, i32::MIN]), "");
    assert_eq!(model.detokenize(&[3 + 0xC3]), "\u{fffd}");
}

#[test]
fn a_text_of_100_000_words_is_refused_with_both_numbers() {
    let (model, _folder) = load(&small(), &settings(512, 64));
    let error = model.tokenize(&"bobo ".repeat(100_000)).unwrap_err().to_string();
    assert!(error.contains("tokens") && error.contains("512"), "{error}");
    let found: usize = error.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    assert!(found > 100_000, "{error}");
    assert!(model.tokenize(&"a".repeat(9 << 20)).is_err());
}

#[test]
fn vocabularies_refuse_pieces_that_cannot_be() {
    for pieces in [vec!["a", "a"], vec![""], vec!["<s>"], vec!["<0x41>"], vec!["a b"], vec!["a\0"]] {
        assert!(SpmVocabulary::from_pieces(&pieces).is_err(), "{pieces:?}");
    }
    assert!(SpmVocabulary::tiny(258).is_err());
    assert_eq!(SpmVocabulary::tiny(32_000).unwrap().len(), 32_000);
    assert_eq!(SpmVocabulary::tiny(259).unwrap().len(), 259);
}

#[test]
fn another_model_than_vicuna_is_refused_or_warned_about() {
    // Vicuna's sizes where they are requirements, tiny where they only warn, so that the file stays small: 2 heads of
    // width 2048 with one key/value head would still be 32 blocks of 4096 x 4096; so the width is relaxed here.
    let folder = tempfile::tempdir().unwrap();
    let config = LlamaConfig {
        layers: 32,
        vocab_size: 32_000,
        hidden_size: 8,
        heads: 2,
        kv_heads: 1,
        rms_norm_eps: 1e-6,
        ..small()
    };
    let path = write(folder.path(), &config, 7);
    let header = GgufHeader::read(&path).unwrap();
    let error = header.check(&LlamaRequirement::vicuna_7b()).unwrap_err().to_string();
    assert!(error.contains("llama.embedding_length is 8, expected 4096"), "{error}");
    let relaxed = LlamaRequirement { embedding_length: 8, ..LlamaRequirement::vicuna_7b() };
    let warnings = header.check(&relaxed).unwrap().warnings.join("\n");
    for key in [
        "head_count is 2",
        "head_count_kv is 1",
        "feed_forward_length",
        "context_length",
        "rms_epsilon",
        "general.name",
    ] {
        assert!(warnings.contains(key), "{key} in {warnings}");
    }
    let shallow = LlamaRequirement { block_count: Some(31), ..relaxed };
    assert!(header.check(&shallow).unwrap_err().to_string().contains("llama.block_count is 32, expected 31"));
}
