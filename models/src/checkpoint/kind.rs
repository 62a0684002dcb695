//! Which network a set of tensors is of.

use std::fmt;

use crate::tensor::NamedTensors;
use crate::{ModelError, Result};

/// A network that is told by its tensors' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// WavLM under the transformers library's names.
    Wavlm,
    /// WavLM, HuBERT or wav2vec 2.0 under the names of their original releases.
    OriginalSpeech,
    /// HuBERT or wav2vec 2.0 under the transformers library's names.
    OtherSpeech,
    /// MA-Net.
    Manet,
    /// A plain residual network for pictures.
    Resnet,
    /// The SLAM-ASR projector, alone or with other parts beside it.
    Projector,
    /// The fusion network (UMCA with MIA).
    Fusion,
    /// A language model under the transformers library's names.
    LanguageModel,
}

/// Every kind, in the order in which a file of several parts is named after one of them.
const ALL: [Kind; 8] = [
    Kind::Fusion,
    Kind::Manet,
    Kind::Projector,
    Kind::Wavlm,
    Kind::OriginalSpeech,
    Kind::OtherSpeech,
    Kind::LanguageModel,
    Kind::Resnet,
];

impl Kind {
    /// Every kind that `tensors` holds; none where nothing is known, several for a joint checkpoint.
    pub fn of(tensors: &NamedTensors) -> Vec<Self> {
        ALL.into_iter().filter(|kind| kind.is_in(tensors)).collect()
    }

    fn is_in(self, tensors: &NamedTensors) -> bool {
        let holds = |part: &str| tensors.names().any(|name| name.contains(part));
        let ends = |end: &str| tensors.names().any(|name| name == end || name.ends_with(&format!(".{end}")));
        match self {
            Self::Wavlm => holds("attention.gru_rel_pos_"),
            Self::OriginalSpeech => holds("encoder.pos_conv.0") || holds("post_extract_proj."),
            Self::OtherSpeech => holds("encoder.pos_conv_embed.conv.") && !holds("attention.gru_rel_pos_"),
            Self::Manet => holds("layer3_1_p1.") || holds("layer4_2."),
            Self::Resnet => ends("layer4.0.conv1.weight") && ends("fc.weight"),
            Self::Projector => holds("encoder_projector.") || (ends("linear1.weight") && ends("linear2.weight")),
            Self::Fusion => holds("frame_dim_reshape_") || holds("cross_att_fra2utt_"),
            Self::LanguageModel => ends("embed_tokens.weight") || holds("mlp.gate_proj."),
        }
    }

    /// Refuses tensors that are told to be of other networks and not of this one.
    ///
    /// # Errors
    /// [`ModelError::Config`] naming both. Tensors that are told by nothing pass: what is missing then says more.
    pub fn require(self, tensors: &NamedTensors) -> Result<()> {
        let found = Self::of(tensors);
        match found.first() {
            Some(first) if !found.contains(&self) => Err(ModelError::Config {
                what: tensors.origin().into(),
                reason: format!("it holds {first}, expected {self}; {}", first.fix(self)),
            }),
            _ => Ok(()),
        }
    }

    /// What to do with a file of this kind where `expected` is needed.
    fn fix(self, expected: Self) -> &'static str {
        match (self, expected) {
            (Self::OriginalSpeech, Self::Wavlm) => {
                "take pytorch_model.bin or model.safetensors of WavLM-Large in the transformers format"
            }
            (Self::OtherSpeech, _) => "take the checkpoint of WavLM-Large",
            (Self::LanguageModel, _) => "convert it to GGUF with llama.cpp and give it as the language model",
            (Self::Resnet, _) => "take MA-Net's own checkpoint",
            _ => "give each file with the option of its own network",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wavlm => "WavLM (tensors like encoder.layers.0.attention.gru_rel_pos_linear.weight)",
            Self::OriginalSpeech => {
                "a speech encoder named as in its original release, fairseq-style (post_extract_proj, encoder.pos_conv.0)"
            }
            Self::OtherSpeech => "HuBERT or wav2vec 2.0 (encoder.pos_conv_embed without gru_rel_pos_linear)",
            Self::Manet => "MA-Net (tensors like layer3_1_p1.0.conv1.weight)",
            Self::Resnet => "a plain ResNet (layer4.0.conv1, fc)",
            Self::Projector => "a SLAM-ASR projector (encoder_projector.linear1, linear2)",
            Self::Fusion => "a fusion network (tensors like frame_dim_reshape_0.weight)",
            Self::LanguageModel => "a language model in the transformers format (embed_tokens, mlp.gate_proj)",
        })
    }
}
