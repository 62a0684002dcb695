//! Which network a file is of.

use mien_models::checkpoint::Kind;
use mien_models::fusion::{self, FusionConfig};
use mien_models::llama::{self, LlamaConfig};
use mien_models::manet::{self, ManetConfig};
use mien_models::projector::{self, ProjectorConfig};
use mien_models::tensor::{NamedTensors, TensorSpec};
use mien_models::wavlm::{self, WavlmConfig};

use super::SEED;

fn named(names: &[&str]) -> NamedTensors {
    let specs: Vec<TensorSpec> = names.iter().map(|name| TensorSpec::required(*name, [1])).collect();
    NamedTensors::formula(SEED, &specs)
}

/// The parameters of a network with a prefix before each name.
fn prefixed(prefix: &str, specs: &[TensorSpec]) -> NamedTensors {
    let specs: Vec<TensorSpec> =
        specs.iter().map(|s| TensorSpec::required(format!("{prefix}{}", s.name), s.shape.clone())).collect();
    NamedTensors::formula(SEED, &specs)
}

#[test]
fn every_network_is_told_by_its_names_with_and_without_prefix() {
    let llm = LlamaConfig {
        vocab_size: 320,
        hidden_size: 64,
        intermediate_size: 160,
        layers: 2,
        heads: 4,
        kv_heads: 4,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        context_length: 64,
    };
    for (kind, prefix, specs) in [
        (Kind::Wavlm, "wavlm.", wavlm::parameters(&WavlmConfig::tiny())),
        (Kind::Manet, "module.", manet::parameters(&ManetConfig { width: 8, classes: 7 })),
        (Kind::Projector, "encoder_projector.", projector::parameters(&ProjectorConfig::large())),
        (Kind::Fusion, "module.model.", fusion::parameters(&FusionConfig::PUBLISHED)),
        (Kind::LanguageModel, "model.", llama::parameters(&llm)),
    ] {
        for prefix in ["", prefix] {
            let tensors = prefixed(prefix, &specs);
            assert_eq!(Kind::of(&tensors), [kind], "{prefix}");
            kind.require(&tensors).unwrap();
        }
    }
}

#[test]
fn relatives_are_told_apart() {
    for (kind, names) in [
        (Kind::OriginalSpeech, &["encoder.pos_conv.0.weight_g", "encoder.layers.0.self_attn.grep_linear.weight"][..]),
        (Kind::OriginalSpeech, &["w2v_encoder.w2v_model.post_extract_proj.weight"]),
        (Kind::OtherSpeech, &["encoder.pos_conv_embed.conv.weight_g", "encoder.layers.0.attention.q_proj.weight"]),
        (Kind::Resnet, &["layer4.0.conv1.weight", "fc.weight"]),
    ] {
        assert_eq!(Kind::of(&named(names)), [kind]);
    }
    assert_eq!(Kind::of(&named(&["weight", "bias"])), []);
}

#[test]
fn another_network_is_refused_with_both_names_and_what_to_do() {
    let refusal = |kind: Kind, names: &[&str]| kind.require(&named(names)).unwrap_err().to_string();
    let told = refusal(Kind::Wavlm, &["encoder.pos_conv.0.weight_g"]);
    assert!(told.contains("fairseq-style") && told.contains("in the transformers format"), "{told}");
    let told = refusal(Kind::Fusion, &["module.layer3_1_p1.0.conv1.weight"]);
    assert!(told.contains("holds MA-Net") && told.contains("expected a fusion network"), "{told}");
    let told = refusal(Kind::Projector, &["model.embed_tokens.weight"]);
    assert!(told.contains("convert it to GGUF"), "{told}");
    // A joint checkpoint holds what is asked for.
    let joint = named(&["encoder_projector.linear1.weight", "llm.model.embed_tokens.weight"]);
    Kind::Projector.require(&joint).unwrap();
    // What is told by nothing is left to the check of each tensor.
    Kind::Wavlm.require(&named(&["weight"])).unwrap();
}
