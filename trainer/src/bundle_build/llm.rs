//! The language model: a GGUF file that is taken as it is.

use std::fs;
use std::path::{Path, PathBuf};

use mien_models::ModelError;
use mien_models::bundle::{BundleWriter, LlmSection, Origin, Role};
use mien_models::llama::{GgufModel, LlamaRequirement, LlamaShape, MetaValue};
use mien_models::projector::ProjectorConfig;

use super::placement::{Placement, put};
use crate::{Result, TrainerError};

/// The file's name in a bundle.
const FILE: &str = "llm.gguf";

/// A language model that was read.
#[derive(Clone, Debug)]
pub struct Llm {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Sizes.
    pub shape: LlamaShape,
    /// Number of tensors.
    pub tensors: usize,
    /// What it calls itself.
    pub name: Option<String>,
    /// Whether it is held against Vicuna-7B v1.5.
    pub vicuna_7b: bool,
    /// What a user should know, each a sentence.
    pub warnings: Vec<String>,
    /// Its files: one, or the parts that it was split into.
    model: GgufModel,
}

impl Llm {
    /// Reads the header and looks at every number that is no quantised one. A model in several parts is read by its first.
    ///
    /// # Errors
    /// Model for a file that is no whole GGUF, that is no plain llama, whose hidden states are not as wide as the
    /// projector's rows (`projector_file` is for messages), or, at 4096, that is not built like Vicuna-7B v1.5.
    pub fn read(path: &Path, projector: &ProjectorConfig, projector_file: &Path) -> Result<Self> {
        let model = GgufModel::read(path)?;
        let header = model.header();
        let width = projector.llm_width;
        if let Some(MetaValue::U32(found)) = header.get("llama.embedding_length")
            && *found as usize != width
        {
            return Err(TrainerError::from(ModelError::Gguf {
                path: path.into(),
                key: "llama.embedding_length".into(),
                expected: format!("{width}, the width of the rows of {}", projector_file.display()),
                found: found.to_string(),
                fix: "give the language model that the projector was trained with",
            }));
        }
        let vicuna_7b = width == LlamaRequirement::vicuna_7b().embedding_length;
        let requirement = if vicuna_7b { LlamaRequirement::vicuna_7b() } else { LlamaRequirement::width(width) };
        let checked = header.check(&requirement)?;
        model.check_weights()?;
        let name = match header.get("general.name") {
            Some(MetaValue::String(name)) => Some(name.chars().take(80).collect()),
            _ => None,
        };
        let bytes = model.bytes();
        let tensors = header.tensors().len();
        Ok(Self {
            path: path.into(),
            bytes,
            shape: checked.shape,
            tensors,
            name,
            vicuna_7b,
            warnings: checked.warnings,
            model,
        })
    }

    /// Whether it calls itself a Vicuna: LLaMA-2-7B has the same sizes.
    pub fn is_named_vicuna(&self) -> bool {
        self.name.as_deref().is_some_and(|name| name.to_lowercase().contains("vicuna"))
    }

    /// What the manifest says of it.
    pub fn section(&self) -> LlmSection {
        LlmSection {
            embedding_length: self.shape.embedding_length,
            block_count: self.shape.block_count,
            vocab_size: self.shape.vocab_size,
            context_length: self.shape.context_length,
            vicuna_7b: self.vicuna_7b,
        }
    }

    /// Adds the file to a bundle: how that was done, as a sentence.
    ///
    /// # Errors
    /// Io; Model.
    pub fn place(&self, placement: Placement, writer: &mut BundleWriter, origin: Origin<'_>) -> Result<String> {
        if self.model.parts() > 1 {
            if placement == Placement::Outside {
                let reason = format!(
                    "{} is the first of {} parts, and a bundle names one file outside; leave the placement out, so that the parts are merged into \
                     the bundle",
                    self.path.display(),
                    self.model.parts()
                );
                return Err(ModelError::Config { what: "language model".into(), reason }.into());
            }
            self.model.merge(&writer.folder().join(FILE))?;
            writer.add(Role::Llm, FILE, origin)?;
            return Ok(format!("{FILE} is its {} parts merged", self.model.parts()));
        }
        // Links are followed: a second name of a link, or its path, would lead elsewhere when the link changes.
        let path = fs::canonicalize(&self.path).map_err(|e| TrainerError::io(&self.path, "find", e))?;
        if placement == Placement::Outside {
            let Some(text) = path.to_str() else {
                let reason =
                    format!("expected a path of UTF-8 text to name in the manifest, found {:?}", path.display());
                return Err(ModelError::Config { what: "language model".into(), reason }.into());
            };
            writer.add(Role::Llm, text, origin)?;
            return Ok(format!("it stays at {text}; the bundle names it by its digest"));
        }
        let to = writer.folder().join(FILE);
        let told = match put(&path, &to, placement == Placement::Link)? {
            true => format!("{FILE} is a second name of the same file: it must not be changed in place"),
            false => format!("{FILE} is a copy"),
        };
        writer.add(Role::Llm, FILE, origin)?;
        Ok(told)
    }
}
