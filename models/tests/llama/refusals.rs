//! Files on which llama.cpp would abort, or run with silently different numbers: an error, and the process lives.

use std::path::Path;

use mien_models::llama::{
    GPU_BACKENDS, GgufHeader, LayerSet, Llama, LlamaConfig, LlamaRequirement, LlamaSettings, gpu_devices,
};

use crate::edit::Edit;
use crate::{settings, small, write};

fn refusal(path: &Path) -> String {
    match Llama::load(path, &LlamaRequirement::width(32), &settings(64, 64)) {
        Ok(_) => panic!("loaded"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn each_fault_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &small(), 7);
    let good = std::fs::read(&path).unwrap();
    let u32 = u32::to_le_bytes;
    let f32 = f32::to_le_bytes;
    let eps = "llama.attention.layer_norm_rms_epsilon";
    type Fault<'a> = (&'a str, &'a dyn Fn(Edit) -> Edit);
    let faults: [Fault<'_>; 40] = [
        ("starts with GGML", &|e| e.bytes(b"GGUF", b"GGML")),
        ("version 99", &|e| e.bytes(b"GGUF\x03", b"GGUF\x63")),
        ("version 50331648", &|e| e.bytes(b"GGUF\x03\0\0\0", b"GGUF\0\0\0\x03")),
        ("expected \"llama\"", &|e| e.text("general.architecture", b"llama", b"qwen2")),
        ("llama.embedding_length is 64", &|e| e.value("llama.embedding_length", u32(64))),
        ("llama.block_count is 0", &|e| e.value("llama.block_count", u32(0))),
        ("llama.block_count is 1000000", &|e| e.value("llama.block_count", u32(1_000_000))),
        ("blk.4.attn_norm.weight is absent", &|e| e.value("llama.block_count", u32(5))),
        ("no such tensor", &|e| e.value("llama.block_count", u32(3))),
        ("head_count is 0", &|e| e.value("llama.attention.head_count", u32(0))),
        ("head_count is 5", &|e| e.value("llama.attention.head_count", u32(5))),
        ("width 1", &|e| e.value("llama.attention.head_count", u32(32))),
        ("head_count_kv is 3", &|e| e.value("llama.attention.head_count_kv", u32(3))),
        ("attn_k.weight", &|e| e.value("llama.attention.head_count_kv", u32(4))),
        ("dimension_count is 4", &|e| e.value("llama.rope.dimension_count", u32(4))),
        ("ffn_gate", &|e| e.value("llama.feed_forward_length", u32(47))),
        ("context_length is 0", &|e| e.value("llama.context_length", u32(0))),
        ("vocab_size is 321", &|e| e.value("llama.vocab_size", u32(321))),
        (eps, &|e| e.value(eps, f32(-1e-5))),
        (eps, &|e| e.value(eps, f32(0.0))),
        (eps, &|e| e.value(eps, f32(f32::NAN))),
        (eps, &|e| e.value(eps, f32(f32::INFINITY))),
        (eps, &|e| e.kind(eps, 4)),
        ("llama.block_count is I32(4)", &|e| e.kind("llama.block_count", 5)),
        ("rope.freq_base", &|e| e.value("llama.rope.freq_base", f32(0.0))),
        ("llama.rope.freq_bass", &|e| e.bytes(b"llama.rope.freq_base", b"llama.rope.freq_bass")),
        ("llama.context_length is absent", &|e| e.bytes(b"llama.context_length", b"lIama.context_length")),
        ("unknown value type", &|e| e.kind("llama.block_count", 13)),
        ("printable", &|e| e.bytes(b"llama.vocab_size", b"llama.vocab\0size")),
        ("eos_token_id appears twice", &|e| e.bytes(b"tokenizer.ggml.bos_token_id", b"tokenizer.ggml.eos_token_id")),
        ("tokenizer.ggml.model", &|e| e.text("tokenizer.ggml.model", b"llama", b"gpt-2")),
        ("\"<0x42>\" twice", &|e| e.bytes(b"<0x41>", b"<0x42>")),
        ("no token <0x0A>", &|e| e.bytes(b"<0x0A>", b"<0x0a>")),
        ("NUL", &|e| e.bytes(b"<0x0A>", b"<0x\0A>")),
        ("UTF-8", &|e| e.bytes(b"<0x0A>", b"<0x\xffA>")),
        ("bos_token_id", &|e| e.value("tokenizer.ggml.bos_token_id", u32(320))),
        ("another token than BOS", &|e| e.value("tokenizer.ggml.eos_token_id", u32(1))),
        ("true or false", &|e| e.kind("tokenizer.ggml.add_bos_token", 0)),
        ("output_norm.weight is absent", &|e| e.bytes(b"output_norm.weight", b"output_nurm.weight")),
        ("appears twice", &|e| e.bytes(b"blk.1.attn_q.weight", b"blk.0.attn_q.weight")),
    ];
    for (i, (expected, fault)) in faults.iter().enumerate() {
        let bytes = fault(Edit(good.clone())).0;
        std::fs::write(&path, bytes).unwrap();
        let found = refusal(&path);
        assert!(found.contains(expected), "fault {i}: {found:?} does not tell {expected:?}");
        assert!(found.contains("llama.gguf") && !found.contains('\n'), "{found}");
    }
    std::fs::write(&path, good).unwrap();
    Llama::load(&path, &LlamaRequirement::width(32), &settings(64, 64)).unwrap();
}

#[test]
fn lengths_are_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &small(), 7);
    let good = std::fs::read(&path).unwrap();
    // Numbers of tensors and of keys, the first key's length, the number of tokens.
    let tokens = good.windows(21).position(|w| w == b"tokenizer.ggml.tokens").unwrap() + 21 + 8;
    for at in [8, 16, 24, tokens] {
        for huge in [u64::MAX, i64::MAX as u64, 1 << 40, 1 << 31, 1 << 20, 5000] {
            let mut bytes = good.clone();
            bytes[at..at + 8].copy_from_slice(&huge.to_le_bytes());
            std::fs::write(&path, bytes).unwrap();
            assert!(GgufHeader::read(&path).is_err(), "{huge} at {at}");
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = LlamaConfig { layers: 1, vocab_size: 260, ..small() };
    let path = write(folder.path(), &config, 7);
    let good = std::fs::read(&path).unwrap();
    let cuts = (0..64).chain((64..good.len()).step_by(211)).chain(good.len() - 64..good.len());
    for cut in cuts {
        std::fs::write(&path, &good[..cut]).unwrap();
        assert!(GgufHeader::read(&path).is_err(), "{cut} of {} bytes", good.len());
    }
    assert!(refusal(folder.path()).contains("ordinary file"));
    assert!(refusal(&folder.path().join("absent.gguf")).contains("absent.gguf"));
}

/// Every byte of the header is flipped once. The file is refused, or it still is a llama: then it runs without a crash.
#[test]
fn a_flipped_header_byte_never_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let config = LlamaConfig { layers: 1, vocab_size: 262, ..small() };
    let path = write(folder.path(), &config, 7);
    let good = std::fs::read(&path).unwrap();
    let header =
        good.len() - GgufHeader::read(&path).unwrap().tensors().last().map_or(0, |t| t.offset + t.bytes) as usize;
    let layer = LayerSet::single(1, 1).unwrap();
    let (mut refused, mut ran) = (0, 0);
    for at in 0..header {
        let mut bytes = good.clone();
        bytes[at] ^= [1, 0x80, 2, 0xff, 4, 0x40, 8, 0x20, 16][at % 9];
        std::fs::write(&path, bytes).unwrap();
        match Llama::load(&path, &LlamaRequirement::width(32), &settings(32, 32)) {
            Err(_) => refused += 1,
            Ok(mut model) => {
                ran += 1;
                let tokens = model.tokenize("ba <s> \u{1}").unwrap();
                let _ = model.text_states(&tokens, &layer);
                let _ = model.detokenize(&tokens);
            }
        }
    }
    println!("{header} header bytes: {refused} refused, {ran} ran");
    assert!(refused > 0 && ran > 0);
}

#[test]
fn weights_that_are_not_numbers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &small(), 7);
    let mut bytes = std::fs::read(&path).unwrap();
    // The last tensor, 320 x 32, ends the file.
    let at = bytes.len() - 4 * 1000;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let error = refusal(&path);
    assert!(error.contains("output.weight") && error.contains(&format!("NaN at index {}", 320 * 32 - 1000)), "{error}");
    // Finite, but beyond what a norm survives: the states are not finite, and that is said.
    let output_norm = GgufHeader::read(&path).unwrap();
    let tensors = output_norm.tensors();
    let norm = tensors.iter().find(|t| t.name == "blk.0.attn_norm.weight").unwrap();
    let total = tensors.last().map(|t| t.offset + t.bytes).unwrap() as usize;
    let at = bytes.len() - total + norm.offset as usize;
    let mut bytes = std::fs::read(write(folder.path(), &small(), 7)).unwrap();
    bytes[at..at + 4].copy_from_slice(&f32::MAX.to_le_bytes());
    bytes[at + 4..at + 8].copy_from_slice(&(-f32::MAX).to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let mut model = Llama::load(&path, &LlamaRequirement::width(32), &settings(64, 64)).unwrap();
    let error = model.text_states(&[1, 40, 77], &LayerSet::last_four(4).unwrap()).unwrap_err().to_string();
    assert!(error.contains("hidden states"), "{error}");
}

#[test]
fn settings_beyond_model_or_machine_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &LlamaConfig { context_length: 1 << 24, ..small() }, 7);
    let load = |settings: LlamaSettings| match Llama::load(&path, &LlamaRequirement::width(32), &settings) {
        Ok(_) => panic!("loaded"),
        Err(error) => error.to_string(),
    };
    let good = settings(64, 64);
    assert!(load(LlamaSettings { n_threads: 0, ..good.clone() }).contains("n_threads"));
    assert!(load(LlamaSettings { n_threads: 100_000, ..good.clone() }).contains("n_threads"));
    assert!(load(LlamaSettings { n_ctx: 0, ..good.clone() }).contains("n_ctx"));
    assert!(load(LlamaSettings { n_ctx: (1 << 24) + 1, ..good.clone() }).contains("context length"));
    assert!(load(LlamaSettings { n_batch: 0, ..good.clone() }).contains("n_batch"));
    assert!(load(LlamaSettings { n_batch: 65, ..good.clone() }).contains("n_batch"));
    // A context for which no memory could be found.
    assert!(load(LlamaSettings { n_ctx: 1 << 24, n_batch: 1 << 24, ..good.clone() }).contains("MiB"));
    // What a program with a GPU backend does is held by `cargo xtask check-gpu`.
    if GPU_BACKENDS.is_empty() {
        assert_eq!(gpu_devices(), []);
        for gpu_layers in [1, 99, u32::MAX] {
            let told = load(LlamaSettings { gpu_layers, ..good.clone() });
            assert!(
                told.contains(&format!("gpu_layers is {gpu_layers}")) && told.contains("without a GPU backend"),
                "{told}"
            );
        }
    }
}
