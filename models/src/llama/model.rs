//! A loaded language model with its context.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::gguf::{GgufHeader, LlamaRequirement, LlamaShape};
use super::landing::Landing;
use super::raw::{ContextParameters, DecodeError, Outputs, RawContext, RawModel, Rows};
use super::settings::{CachePrecision, LlamaSettings};
use crate::{HeldFile, ModelError, Result};

/// A llama that gives hidden states. It can move to another thread, but one computation runs at a time.
pub struct Llama {
    context: RawContext,
    path: PathBuf,
    shape: LlamaShape,
    settings: LlamaSettings,
    warnings: Vec<String>,
    landing: Landing,
    used: usize,
}

impl std::fmt::Debug for Llama {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, shape, settings, .. } = self;
        f.debug_struct("Llama").field("path", path).field("shape", shape).field("settings", settings).finish()
    }
}

/// Where a language model is read from.
#[derive(Clone, Debug)]
pub enum LlamaSource<'a> {
    /// A GGUF file.
    Path(&'a Path),
    /// An open one.
    Held(HeldFile),
}

impl<'a> From<&'a Path> for LlamaSource<'a> {
    fn from(path: &'a Path) -> Self {
        Self::Path(path)
    }
}

impl<'a> From<&'a PathBuf> for LlamaSource<'a> {
    fn from(path: &'a PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<HeldFile> for LlamaSource<'_> {
    fn from(file: HeldFile) -> Self {
        Self::Held(file)
    }
}

/// Stops a computation from another thread.
#[derive(Clone, Debug)]
pub struct CancelHandle(Arc<AtomicBool>);

impl CancelHandle {
    /// The running computation, and each later one, ends with [`ModelError::Cancelled`] until [`CancelHandle::reset`].
    /// On the CPU it ends between two operations of a block; on a GPU, after the current batch.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Computations run again.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Llama {
    /// Checks the file against `requirement`, loads it and allocates a context. It is opened once; nothing of it is mapped.
    ///
    /// # Errors
    /// What [`GgufHeader::read`], [`GgufHeader::check`] and [`GgufHeader::check_weights`] raise; Config for settings
    /// that do not fit the model or the machine, and for a processor without the instructions that the engine is compiled
    /// for; Gpu where there is no GPU for the layers that are to run on one, where it has not the memory, and where fewer
    /// layers came to lie there; Llama when llama.cpp refuses the file or cannot allocate.
    pub fn load<'a>(
        source: impl Into<LlamaSource<'a>>,
        requirement: &LlamaRequirement,
        settings: &LlamaSettings,
    ) -> Result<Self> {
        let header = match source.into() {
            LlamaSource::Path(path) => GgufHeader::read(path)?,
            LlamaSource::Held(file) => GgufHeader::of(&file)?,
        };
        let file = header.file().clone();
        let path = file.path();
        let checked = header.check(requirement)?;
        check_processor()?;
        settings.check(&checked.shape, header.tensors())?;
        for warning in &checked.warnings {
            log::warn!("{warning}");
        }
        let all_checked = header.check_weights()?;
        drop(header);
        let asked = settings.gpu_layers;
        let failed = |action| {
            move |reason: String| match asked {
                // Beside a GPU's memory, only that of the processor can run out, which was looked at above.
                1.. if reason.contains("alloc") => ModelError::Gpu {
                    asked,
                    found: format!("llama.cpp cannot {action}: {reason}"),
                    fix: "use fewer gpu_layers or a smaller context, or end other programs that use the GPU".into(),
                },
                _ => ModelError::Llama { action, reason: format!("{}: {reason}", path.display()) },
            }
        };
        let model = RawModel::load(&file, settings.gpu_layers, !all_checked)
            .map_err(|reason| file.blame(failed("load a model")(reason)))?;
        let shape = checked.shape;
        let expected = [shape.embedding_length, shape.block_count, shape.vocab_size];
        let (width, blocks, tokens) = model.sizes();
        let found = [width, blocks, tokens].map(|n| usize::try_from(n).unwrap_or(0));
        if found != expected {
            let reason = format!("width, blocks and tokens are {found:?}, the header says {expected:?}");
            return Err(failed("load a model")(reason));
        }
        let parameters = ContextParameters {
            n_ctx: to_u32("n_ctx", settings.n_ctx)?,
            n_batch: to_u32("n_batch", settings.n_batch)?,
            n_threads: to_u32("n_threads", settings.n_threads)?.cast_signed(),
            f32_cache: settings.cache == CachePrecision::F32,
            on_gpu: settings.gpu_layers > 0,
        };
        let context = RawContext::new(model, &parameters, Arc::default()).map_err(failed("make a context"))?;
        let landing = Landing::on_processor(shape.block_count);
        let (path, settings) = (path.to_owned(), settings.clone());
        let mut llama = Self { context, path, shape, settings, warnings: checked.warnings, landing, used: 0 };
        if llama.settings.gpu_layers > 0 {
            llama.landing = llama.look()?;
            llama.landing.verify(llama.settings.gpu_layers)?;
        }
        log::info!("{}: {}", llama.origin(), llama.landing);
        Ok(llama)
    }

    /// Runs one token to see where the layers lie.
    fn look(&mut self) -> Result<Landing> {
        let sightings = self.context.sightings(self.shape.bos).map_err(|error| match error {
            DecodeError::Cancelled => ModelError::Cancelled { what: "language model" },
            DecodeError::Failed(reason) => ModelError::Llama { action: "run the model on a GPU", reason },
        })?;
        self.context.clear();
        Ok(Landing::of(self.shape.block_count, &sightings))
    }

    /// Width of hidden states, and of rows that are fed in place of tokens.
    pub fn embedding_length(&self) -> usize {
        self.shape.embedding_length
    }

    /// Number of blocks: the highest index of a hidden state.
    pub fn layers(&self) -> usize {
        self.shape.block_count
    }

    /// Sizes of the model.
    pub fn shape(&self) -> &LlamaShape {
        &self.shape
    }

    /// Settings it was loaded with.
    pub fn settings(&self) -> &LlamaSettings {
        &self.settings
    }

    /// Where its layers lie.
    pub fn landing(&self) -> &Landing {
        &self.landing
    }

    /// Differences to the expected model that were found at load; they have been logged.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// A handle that stops computations of this model.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle(Arc::clone(self.context.cancel_flag()))
    }

    /// Tokens of `text` with BOS exactly once in front and no EOS. What looks like a special token in the text stays
    /// text; characters that the vocabulary lacks, control characters among them, become byte tokens.
    ///
    /// # Errors
    /// Llama when there are more tokens than `n_ctx`.
    pub fn tokenize(&self, text: &str) -> Result<Vec<i32>> {
        let failed = |reason: String| ModelError::Llama { action: "tokenize a text", reason };
        // No token stands for more bytes than its own, so a text that cannot fit is not tokenized at all.
        let most = self.settings.n_ctx.saturating_mul(self.shape.longest_token);
        if text.len() > most {
            return Err(failed(format!(
                "{} bytes of text, the context (n_ctx) of {} tokens holds at most {most}; give one utterance at a time",
                text.len(),
                self.settings.n_ctx
            )));
        }
        let tokens = self.context.model().tokenize(text).map_err(failed)?;
        let total = tokens.len() + 1;
        if total > self.settings.n_ctx {
            let limit = self.settings.n_ctx;
            return Err(failed(format!(
                "{total} tokens, the context (n_ctx) holds {limit}; give one utterance at a time"
            )));
        }
        Ok(std::iter::once(self.shape.bos).chain(tokens).collect())
    }

    /// Text of `tokens`, without the space that the tokenizer puts in front; special tokens and ids outside the vocabulary
    /// give nothing, and bytes that are not UTF-8 give the replacement character.
    pub fn detokenize(&self, tokens: &[i32]) -> String {
        // Only the very first piece loses the space that the tokenizer put in front.
        let tokens = tokens.strip_prefix(&[self.shape.bos]).unwrap_or(tokens);
        let known: Vec<i32> = tokens.iter().copied().filter(|&id| self.is_token(id)).collect();
        String::from_utf8_lossy(&self.context.model().detokenize(&known)).into_owned()
    }

    pub(super) fn is_token(&self, id: i32) -> bool {
        usize::try_from(id).is_ok_and(|id| id < self.shape.vocab_size)
    }

    /// Name for messages.
    pub(super) fn origin(&self) -> String {
        self.path.display().to_string()
    }

    /// Throws away what the last sequence left in the context.
    pub fn forget(&mut self) {
        self.context.clear();
        self.used = 0;
    }

    /// Starts a new sequence of at most `rows` positions.
    pub(super) fn begin(&mut self, rows: usize, what: &str) -> Result<()> {
        if rows > self.settings.n_ctx {
            return Err(ModelError::Llama {
                action: "start a sequence",
                reason: format!("{what}: {rows} positions, the context (n_ctx) holds {}", self.settings.n_ctx),
            });
        }
        self.forget();
        Ok(())
    }

    /// Runs `rows` at the positions that follow, in batches, and gives the rows of each node in `taps`. With
    /// [`Outputs::Last`], the final norm and the logits are there for the last row only.
    pub(super) fn forward(&mut self, rows: Rows<'_>, outputs: Outputs, taps: &[String]) -> Result<Vec<Vec<f32>>> {
        let batch = self.settings.n_batch.max(1);
        let parts: Vec<Rows<'_>> = match rows {
            Rows::Tokens(tokens) => {
                if let Some(id) = tokens.iter().find(|&&id| !self.is_token(id)) {
                    let reason = format!("token {id}, expected 0 to {}", self.shape.vocab_size - 1);
                    return Err(ModelError::Llama { action: "run tokens", reason });
                }
                tokens.chunks(batch).map(Rows::Tokens).collect()
            }
            Rows::Embeddings(values) => {
                values.chunks(batch * self.shape.embedding_length).map(Rows::Embeddings).collect()
            }
        };
        let mut collected = vec![Vec::new(); taps.len()];
        let last = parts.len().saturating_sub(1);
        for (i, part) in parts.into_iter().enumerate() {
            let outputs = if outputs == Outputs::Last && i != last { Outputs::None } else { outputs };
            let blocks = self.decode(part, outputs, taps)?;
            collected.iter_mut().zip(blocks).for_each(|(all, block)| all.extend(block));
        }
        Ok(collected)
    }

    fn decode(&mut self, part: Rows<'_>, outputs: Outputs, taps: &[String]) -> Result<Vec<Vec<f32>>> {
        let count = match part {
            Rows::Tokens(tokens) => tokens.len(),
            Rows::Embeddings(values) => values.len() / self.shape.embedding_length.max(1),
        };
        let failed = |reason: String| ModelError::Llama { action: "run the model", reason };
        if self.used + count > self.settings.n_ctx {
            let limit = self.settings.n_ctx;
            return Err(failed(format!("{} positions, the context (n_ctx) holds {limit}", self.used + count)));
        }
        if self.context.cancel_flag().load(Ordering::Relaxed) {
            return Err(ModelError::Cancelled { what: "language model" });
        }
        let blocks = self.context.decode(part, outputs, taps).map_err(|error| match error {
            DecodeError::Cancelled => ModelError::Cancelled { what: "language model" },
            DecodeError::Failed(reason) => failed(reason),
        })?;
        self.used += count;
        for (name, block) in taps.iter().zip(&blocks) {
            let rows = match (name.as_str(), outputs) {
                ("result_norm", Outputs::None) => 0,
                ("result_norm", Outputs::Last) => 1,
                _ => count,
            };
            if block.len() != rows * self.shape.embedding_length {
                let found = block.len() / self.shape.embedding_length.max(1);
                return Err(failed(format!("{name} gave {found} rows of hidden states, expected {rows}")));
            }
        }
        Ok(blocks)
    }

    /// The most probable next token, the lowest id where two are equal; `banned` is left out.
    ///
    /// # Errors
    /// NotFinite for a NaN or infinite logit.
    pub(super) fn argmax(&mut self, banned: Option<i32>) -> Result<i32> {
        let path = &self.path;
        let logits = self.context.last_logits().ok_or_else(|| ModelError::Llama {
            action: "choose a token",
            reason: "llama.cpp gave no logits for the last row".into(),
        })?;
        if let Some((index, &value)) = logits.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            let origin = path.display().to_string();
            return Err(ModelError::NotFinite { origin, what: "logits".into(), index, value });
        }
        let mut best = (0, f32::NEG_INFINITY);
        for (id, &value) in (0..).zip(logits) {
            if value > best.1 && Some(id) != banned {
                best = (id, value);
            }
        }
        Ok(best.0)
    }
}

fn to_u32(name: &str, value: usize) -> Result<u32> {
    u32::try_from(value).map_err(|_| ModelError::Config {
        what: format!("language model setting {name}"),
        reason: format!("{value}, expected at most {}", u32::MAX),
    })
}

/// The engine is compiled for one instruction set and does not look at run time: an older processor would end in an
/// illegal instruction.
pub(super) fn check_processor() -> Result<()> {
    #[cfg(target_arch = "x86_64")]
    {
        let missing: Vec<&str> = [
            ("sse4.2", std::arch::is_x86_feature_detected!("sse4.2")),
            ("avx", std::arch::is_x86_feature_detected!("avx")),
            ("avx2", std::arch::is_x86_feature_detected!("avx2")),
            ("fma", std::arch::is_x86_feature_detected!("fma")),
            ("f16c", std::arch::is_x86_feature_detected!("f16c")),
            ("bmi2", std::arch::is_x86_feature_detected!("bmi2")),
        ]
        .into_iter()
        .filter_map(|(name, there)| (!there).then_some(name))
        .collect();
        if !missing.is_empty() {
            return Err(ModelError::Config {
                what: "processor".into(),
                reason: format!(
                    "the language model engine needs {}, which this processor lacks; score without the language model, \
                     or build with GGML_AVX2=OFF GGML_FMA=OFF GGML_F16C=OFF GGML_BMI2=OFF",
                    missing.join(", ")
                ),
            });
        }
    }
    Ok(())
}
