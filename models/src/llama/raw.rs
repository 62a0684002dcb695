//! The calls into llama.cpp that load and run a model: every `unsafe` block of that is here.
//!
//! Callers have checked what llama.cpp does not check itself (widths, batch sizes, token ranges, the file); the few
//! lengths on which memory safety depends are checked here once more.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};

use llama_cpp_sys_2 as sys;

use super::landing::Sighting;
use super::raw_devices::gpu_of;
use crate::HeldFile;

thread_local! {
    /// What llama.cpp last logged as an error on this thread: its reason for the NULL it returns.
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Starts llama.cpp once per process: its log goes to the `log` crate (one level lower than llama.cpp names it, for it
/// is talkative), and an abort is logged instead of forking a debugger for a backtrace.
pub(super) fn start() {
    static START: Once = Once::new();
    START.call_once(|| {
        // SAFETY: the callbacks are functions of this module that live forever, take no user data, and never unwind.
        unsafe {
            sys::llama_log_set(Some(on_log), null_mut());
            sys::ggml_set_abort_callback(Some(on_abort));
            sys::llama_backend_init();
        }
    });
}

unsafe extern "C" fn on_log(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp passes a NUL-terminated string that lives for the call.
    let text = unsafe { CStr::from_ptr(text) };
    // A logger that panics must not unwind into C++.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let text = text.to_string_lossy();
        let text = text.trim_end();
        if text.chars().all(|c| c == '.') {
            return;
        }
        let level = match level {
            sys::GGML_LOG_LEVEL_ERROR => {
                let _ = LAST_ERROR.try_with(|last| text.clone_into(&mut last.borrow_mut()));
                log::Level::Warn
            }
            sys::GGML_LOG_LEVEL_WARN => log::Level::Info,
            sys::GGML_LOG_LEVEL_INFO => log::Level::Debug,
            _ => log::Level::Trace,
        };
        log::log!(target: "llama.cpp", level, "{text}");
    }));
}

unsafe extern "C" fn on_abort(message: *const c_char) {
    if !message.is_null() {
        // SAFETY: ggml passes a NUL-terminated string that lives for the call.
        let text = unsafe { CStr::from_ptr(message) };
        let _ = catch_unwind(AssertUnwindSafe(|| {
            log::error!(target: "llama.cpp", "about to abort the process: {}", text.to_string_lossy());
        }));
    }
}

pub(super) fn take_error() -> String {
    let text = LAST_ERROR.try_with(|last| std::mem::take(&mut *last.borrow_mut())).unwrap_or_default();
    if text.is_empty() { "no reason given".into() } else { text }
}

/// A loaded model.
pub(super) struct RawModel {
    model: NonNull<sys::llama_model>,
    vocab: NonNull<sys::llama_vocab>,
}

// SAFETY: llama.cpp keeps no thread-local state for a model; it may be used and freed on any thread, one at a time.
unsafe impl Send for RawModel {}

impl Drop for RawModel {
    fn drop(&mut self) {
        // SAFETY: the pointer came from llama_model_load_from_file, is freed once, and no context outlives it:
        // RawContext owns its model and frees itself first.
        unsafe { sys::llama_model_free(self.model.as_ptr()) }
    }
}

impl RawModel {
    /// Loads a file that has been checked, into memory of its own; with `check_weights`, weights are looked through for NaN.
    /// With no GPU layer, no device is used at all. Elsewhere than on Linux it is read by its path.
    pub(super) fn load(file: &HeldFile, gpu_layers: u32, check_weights: bool) -> Result<Self, String> {
        start();
        #[cfg(target_os = "linux")]
        let source = super::raw_stream::Stream::open(file).ok_or("there is no memory for a stream")?;
        #[cfg(not(target_os = "linux"))]
        let source = std::ffi::CString::new(file.path().as_os_str().as_encoded_bytes())
            .map_err(|_| "the path holds a NUL byte")?;
        let mut no_devices = [null_mut()];
        LAST_ERROR.with(|last| last.borrow_mut().clear());
        // SAFETY: parameters start as llama.cpp's defaults; the device list is NULL-terminated and, like the source,
        // outlives the call, which copies the one and has read the other when it returns: nothing is mapped.
        let model = unsafe {
            let mut parameters = sys::llama_model_default_params();
            parameters.n_gpu_layers = i32::try_from(gpu_layers).unwrap_or(i32::MAX);
            parameters.check_tensors = check_weights;
            parameters.load_mode = sys::LLAMA_LOAD_MODE_NONE;
            if gpu_layers == 0 {
                parameters.devices = no_devices.as_mut_ptr();
            }
            #[cfg(target_os = "linux")]
            let model = sys::llama_model_load_from_file_ptr(source.as_ptr().cast(), parameters);
            #[cfg(not(target_os = "linux"))]
            let model = sys::llama_model_load_from_file(source.as_ptr(), parameters);
            model
        };
        drop(source);
        let model = NonNull::new(model).ok_or_else(take_error)?;
        // SAFETY: the model is valid; its vocabulary lives as long as it does.
        let vocab = unsafe { sys::llama_model_get_vocab(model.as_ptr()) };
        match NonNull::new(vocab.cast_mut()) {
            Some(vocab) => Ok(Self { model, vocab }),
            None => {
                // SAFETY: valid, and not used again.
                unsafe { sys::llama_model_free(model.as_ptr()) };
                Err("the model has no vocabulary".into())
            }
        }
    }

    /// (embedding width, blocks, tokens) as llama.cpp sees them.
    pub(super) fn sizes(&self) -> (i32, i32, i32) {
        // SAFETY: both pointers are valid as long as self.
        unsafe {
            (
                sys::llama_model_n_embd_inp(self.model.as_ptr()),
                sys::llama_model_n_layer(self.model.as_ptr()),
                sys::llama_vocab_n_tokens(self.vocab.as_ptr()),
            )
        }
    }

    /// Tokens of `text`, without BOS and EOS; text that looks like a special token stays text.
    pub(super) fn tokenize(&self, text: &str) -> Result<Vec<i32>, String> {
        let length = i32::try_from(text.len()).map_err(|_| "the text has more than 2^31 bytes")?;
        let mut tokens = vec![0i32; text.len() + 8];
        for _ in 0..2 {
            let room = i32::try_from(tokens.len()).map_err(|_| "the text has too many tokens")?;
            // SAFETY: text and tokens are valid for the lengths given.
            let n = unsafe {
                let text = text.as_ptr().cast();
                sys::llama_tokenize(self.vocab.as_ptr(), text, length, tokens.as_mut_ptr(), room, false, false)
            };
            match usize::try_from(n) {
                Ok(n) => {
                    tokens.truncate(n);
                    return Ok(tokens);
                }
                // A negative number is the room that is needed.
                Err(_) if n > i32::MIN => tokens.resize(n.unsigned_abs() as usize, 0),
                Err(_) => return Err("the text has too many tokens".into()),
            }
        }
        Err("the tokenizer contradicts itself".into())
    }

    /// Bytes of `tokens`, which must all be below the vocabulary's size; special tokens give nothing.
    pub(super) fn detokenize(&self, tokens: &[i32]) -> Vec<u8> {
        let Ok(count) = i32::try_from(tokens.len()) else { return Vec::new() };
        let mut text = vec![0u8; 8 * tokens.len() + 16];
        for _ in 0..2 {
            let room = i32::try_from(text.len()).unwrap_or(i32::MAX);
            // SAFETY: tokens and text are valid for the lengths given.
            let n = unsafe {
                let buffer = text.as_mut_ptr().cast();
                sys::llama_detokenize(self.vocab.as_ptr(), tokens.as_ptr(), count, buffer, room, false, false)
            };
            match usize::try_from(n) {
                Ok(n) => {
                    text.truncate(n);
                    return text;
                }
                Err(_) => text.resize(n.unsigned_abs() as usize, 0),
            }
        }
        Vec::new()
    }
}

/// A graph node whose rows are kept.
struct Tap {
    name: Vec<u8>,
    rows: Vec<f32>,
}

/// What the evaluation callback works on.
#[derive(Default)]
struct Taps {
    width: usize,
    /// In the order of the graph.
    wanted: Vec<Tap>,
    /// Whether the graph ends once the last of them is there.
    ends: bool,
    /// Where weights and results lie, if that is wanted.
    seen: Option<Vec<Sighting>>,
    fault: Option<String>,
}

impl Taps {
    /// Keeps where `node` and the weights that it is computed from lie.
    ///
    /// # Safety
    /// `node` is a node of the graph that is being computed.
    unsafe fn look(&mut self, node: &sys::ggml_tensor) {
        let Some(seen) = &mut self.seen else { return };
        let mut keep = |tensor: &sys::ggml_tensor, weight: bool| {
            // SAFETY: names are NUL-terminated; the caller holds that the graph's tensors and their buffers live.
            let (name, gpu) = unsafe { (CStr::from_ptr(tensor.name.as_ptr()).to_string_lossy(), gpu_of(tensor)) };
            if Sighting::tells(&name, weight) {
                seen.push(Sighting { tensor: name.into_owned(), gpu });
            }
        };
        // Weights first: where they are elsewhere, results follow them.
        for &source in &node.src {
            // SAFETY: sources of a node are null or tensors that live as long as the node.
            if let Some(source) = unsafe { source.as_ref() } {
                keep(source, true);
            }
        }
        keep(node, false);
    }
}

/// Called for every node: first with `ask` (is it wanted?), then, for a wanted one, when its data is there.
unsafe extern "C" fn on_node(node: *mut sys::ggml_tensor, ask: bool, taps: *mut c_void) -> bool {
    catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `taps` is the box that the context owns; it is touched here during llama_decode and by RawContext
        // outside of it, never at once. `node` is valid for the call and its name is NUL-terminated.
        let (taps, node_ref, name) = unsafe {
            let taps = &mut *taps.cast::<Taps>();
            (taps, &*node, CStr::from_ptr((*node).name.as_ptr()).to_bytes())
        };
        if ask {
            // SAFETY: the graph that `node` belongs to is being computed.
            unsafe { taps.look(node_ref) };
        }
        let Some(index) = taps.wanted.iter().position(|tap| tap.name == name) else { return !ask };
        if ask {
            return true;
        }
        let [width, rows, 1, 1] = node_ref.ne else {
            taps.fault = Some(format!("{} has shape {:?}", name.escape_ascii(), node_ref.ne));
            return false;
        };
        let dense = node_ref.type_ == sys::GGML_TYPE_F32 && node_ref.nb[0] == 4 && node_ref.nb[1] == taps.width * 4;
        if width != taps.width as i64 || rows < 0 || !dense {
            taps.fault = Some(format!("{} is no f32 matrix of width {}", name.escape_ascii(), taps.width));
            return false;
        }
        let last = index + 1 == taps.wanted.len();
        let Some(tap) = taps.wanted.get_mut(index) else { return false };
        let old = tap.rows.len();
        let added = rows as usize * taps.width;
        tap.rows.resize(old + added, 0.0);
        if added > 0
            && let Some(target) = tap.rows.get_mut(old..)
        {
            // SAFETY: the node is contiguous f32 of exactly `added` elements, as checked, and the target has as many.
            unsafe { sys::ggml_backend_tensor_get(node, target.as_mut_ptr().cast(), 0, added * 4) };
        }
        // `false` ends the graph, which counts as success.
        !(last && taps.ends)
    }))
    .unwrap_or_else(|_| {
        // SAFETY: as above; the closure's borrow has ended.
        unsafe { (*taps.cast::<Taps>()).fault.get_or_insert_with(|| "the observer of hidden states panicked".into()) };
        false
    })
}

unsafe extern "C" fn on_check_cancel(flag: *mut c_void) -> bool {
    // Called after each operator, by the thread that called llama.cpp.
    crate::progress::progress();
    // SAFETY: points into the Arc that the context owns.
    unsafe { (*flag.cast::<AtomicBool>()).load(Ordering::Relaxed) }
}

/// How a context is made; all values have been checked.
pub(super) struct ContextParameters {
    pub(super) n_ctx: u32,
    pub(super) n_batch: u32,
    pub(super) n_threads: i32,
    pub(super) f32_cache: bool,
    pub(super) on_gpu: bool,
}

/// Rows of one call.
#[derive(Clone, Copy)]
pub(super) enum Rows<'a> {
    Tokens(&'a [i32]),
    /// Row-major, as many columns as the model is wide.
    Embeddings(&'a [f32]),
}

/// What is computed of the rows beside the states that are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outputs {
    /// The cache alone: rows follow.
    None,
    /// Final norm and logits of the last row.
    Last,
    /// Nothing: the graph ends with the last state that is read, for all rows. No rows can follow. With `final_norm`, that
    /// is the final norm's output.
    States { final_norm: bool },
}

/// Why a call failed.
pub(super) enum DecodeError {
    Cancelled,
    Failed(String),
}

/// A context (cache of keys and values, compute buffers) with its model.
pub(super) struct RawContext {
    context: NonNull<sys::llama_context>,
    taps: NonNull<Taps>,
    n_batch: usize,
    // Held for the callbacks, which read it through a pointer.
    cancel: Arc<AtomicBool>,
    // After the context in drop order: Drop frees the context, then fields follow.
    model: RawModel,
    width: usize,
    vocab_size: usize,
}

// SAFETY: as for RawModel; the context's callbacks run inside llama_decode, and the pointers they get are owned here.
unsafe impl Send for RawContext {}

impl Drop for RawContext {
    fn drop(&mut self) {
        // SAFETY: both pointers are owned, valid and freed once; the callbacks cannot run after llama_free.
        unsafe {
            sys::llama_free(self.context.as_ptr());
            drop(Box::from_raw(self.taps.as_ptr()));
        }
    }
}

impl RawContext {
    pub(super) fn new(
        model: RawModel,
        parameters: &ContextParameters,
        cancel: Arc<AtomicBool>,
    ) -> Result<Self, String> {
        let (width, _, tokens) = model.sizes();
        let width = usize::try_from(width).unwrap_or(0);
        let taps = Box::new(Taps::default());
        let taps = NonNull::from(Box::leak(taps));
        let cache = if parameters.f32_cache { sys::GGML_TYPE_F32 } else { sys::GGML_TYPE_F16 };
        LAST_ERROR.with(|last| last.borrow_mut().clear());
        // SAFETY: parameters start as llama.cpp's defaults; the callbacks' data (`taps`, `cancel`) outlives the
        // context, as both are owned by the value that frees it.
        let context = unsafe {
            let mut p = sys::llama_context_default_params();
            p.n_ctx = parameters.n_ctx;
            p.n_batch = parameters.n_batch;
            p.n_ubatch = parameters.n_batch.min(512);
            p.n_seq_max = 1;
            p.n_threads = parameters.n_threads;
            p.n_threads_batch = parameters.n_threads;
            p.pooling_type = sys::LLAMA_POOLING_TYPE_NONE;
            p.attention_type = sys::LLAMA_ATTENTION_TYPE_CAUSAL;
            // The plain path: one order of summation whatever the length, and f32 all through with an f32 cache.
            p.flash_attn_type = sys::LLAMA_FLASH_ATTN_TYPE_DISABLED;
            p.type_k = cache;
            p.type_v = cache;
            p.embeddings = false;
            p.offload_kqv = parameters.on_gpu;
            p.op_offload = parameters.on_gpu;
            p.cb_eval = Some(on_node);
            p.cb_eval_user_data = taps.as_ptr().cast();
            p.abort_callback = Some(on_check_cancel);
            p.abort_callback_data = Arc::as_ptr(&cancel).cast_mut().cast();
            sys::llama_init_from_model(model.model.as_ptr(), p)
        };
        let Some(context) = NonNull::new(context) else {
            // SAFETY: leaked above, and no context holds it.
            drop(unsafe { Box::from_raw(taps.as_ptr()) });
            return Err(take_error());
        };
        let vocab_size = usize::try_from(tokens).unwrap_or(0);
        Ok(Self { context, taps, n_batch: parameters.n_batch as usize, cancel, model, width, vocab_size })
    }

    pub(super) fn model(&self) -> &RawModel {
        &self.model
    }

    pub(super) fn cancel_flag(&self) -> &Arc<AtomicBool> {
        &self.cancel
    }

    /// Forgets all positions; the next rows start at 0.
    pub(super) fn clear(&mut self) {
        // SAFETY: the context is valid and its memory belongs to it.
        unsafe { sys::llama_memory_clear(sys::llama_get_memory(self.context.as_ptr()), true) }
    }

    /// Runs `rows` at the positions that follow, and gives for each node named in `taps` its rows, row-major.
    pub(super) fn decode(
        &mut self,
        rows: Rows<'_>,
        outputs: Outputs,
        taps: &[String],
    ) -> Result<Vec<Vec<f32>>, DecodeError> {
        let wanted = taps.iter().map(|name| Tap { name: name.as_bytes().to_vec(), rows: Vec::new() }).collect();
        let ends = matches!(outputs, Outputs::States { .. });
        let taps = self.run(rows, outputs, Taps { wanted, ends, ..Taps::default() })?;
        Ok(taps.wanted.into_iter().map(|tap| tap.rows).collect())
    }

    /// Runs `token` at the position that follows, and gives where the weights and results that took part lie.
    pub(super) fn sightings(&mut self, token: i32) -> Result<Vec<Sighting>, DecodeError> {
        let taps = Taps { seen: Some(Vec::new()), ..Taps::default() };
        let taps = self.run(Rows::Tokens(&[token]), Outputs::Last, taps)?;
        Ok(taps.seen.unwrap_or_default())
    }

    fn run(&mut self, rows: Rows<'_>, outputs: Outputs, taps: Taps) -> Result<Taps, DecodeError> {
        let count = match rows {
            Rows::Tokens(tokens) => tokens.len(),
            Rows::Embeddings(values) if self.width > 0 && values.len().is_multiple_of(self.width) => {
                values.len() / self.width
            }
            Rows::Embeddings(values) => {
                let reason = format!("{} values are no rows of width {}", values.len(), self.width);
                return Err(DecodeError::Failed(reason));
            }
        };
        if count == 0 || count > self.n_batch {
            return Err(DecodeError::Failed(format!("{count} rows in one batch of 1 to {}", self.n_batch)));
        }
        let mut flags = vec![i8::from(outputs == Outputs::States { final_norm: true }); count];
        if let (Outputs::Last, Some(last)) = (outputs, flags.last_mut()) {
            *last = 1;
        }
        // SAFETY: no decode is running, so nothing else touches the taps.
        unsafe { *self.taps.as_ptr() = Taps { width: self.width, ..taps } };
        let (token, embd) = match rows {
            Rows::Tokens(tokens) => (tokens.as_ptr().cast_mut(), null_mut()),
            Rows::Embeddings(values) => (null_mut(), values.as_ptr().cast_mut()),
        };
        let batch = sys::llama_batch {
            n_tokens: i32::try_from(count).unwrap_or(0),
            token,
            embd,
            pos: null_mut(),
            n_seq_id: null_mut(),
            seq_id: null_mut(),
            logits: flags.as_mut_ptr(),
        };
        LAST_ERROR.with(|last| last.borrow_mut().clear());
        // SAFETY: the batch points to `count` tokens or `count` rows of the model's width and to `count` flags, all
        // alive for the call, which only reads them; null positions and sequences are filled in by llama.cpp.
        let code = unsafe { sys::llama_decode(self.context.as_ptr(), batch) };
        // SAFETY: the decode is over, so the callback does not run.
        let mut taps = unsafe { std::mem::take(&mut *self.taps.as_ptr()) };
        match (code, taps.fault.take()) {
            (2, _) => Err(DecodeError::Cancelled),
            (0, None) => Ok(taps),
            (0, Some(fault)) => Err(DecodeError::Failed(format!("unexpected graph node: {fault}"))),
            (1, _) => Err(DecodeError::Failed("no room left in the context".into())),
            (code, _) => Err(DecodeError::Failed(format!("code {code}: {}", take_error()))),
        }
    }

    /// Logits of the last row of the last call, if it was an output.
    pub(super) fn last_logits(&mut self) -> Option<&[f32]> {
        // SAFETY: the context is valid; a non-null result points to one row of `vocab_size` floats that stays until
        // the next call on the context, which needs `&mut self`.
        unsafe {
            let row = sys::llama_get_logits_ith(self.context.as_ptr(), -1);
            (!row.is_null()).then(|| std::slice::from_raw_parts(row, self.vocab_size))
        }
    }
}
