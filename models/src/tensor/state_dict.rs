//! The state dict in a pickle written by `torch.save`.
//!
//! Calls are recognised by name and read as data: `torch._utils._rebuild_tensor_v2` and its relatives describe a
//! tensor, `collections.OrderedDict` is a dict, a persistent id names a storage. Everything else in the file (optimiser
//! state, recorders, configuration) is passed over.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::container::{Container, FileFormat, PassedOver};
use super::element::ElementType;
use super::pickle::{Pickle, Value, ValueId};

/// What to do about a file that is not as it was written.
pub(super) const DAMAGED: &str = "the file is damaged or was not copied whole: fetch it again";
/// What to do about a file without tensors in a known place.
pub(super) const NO_STATE_DICT: &str = "save the model's state dict with torch.save(model.state_dict(), path)";

/// Keys under which training scripts nest the state dict, in the order of search.
const NESTINGS: [&str; 7] = ["state_dict", "model", "model_state_dict", "net", "network", "module", "checkpoint"];
/// Deepest nesting that is followed.
const MOST_NESTINGS: usize = 4;
/// Keys under which training scripts save the optimiser.
const OPTIMISERS: [&str; 3] = ["optimizer", "optimizer_state_dict", "optim"];
/// Most things beside the state dict that are told of.
const MOST_PASSED_OVER: usize = 32;
/// Most axes of a tensor.
const MOST_AXES: usize = 16;
/// Deepest wrapping of a tensor (a parameter in a tensor subclass in ...).
const MOST_WRAPPERS: usize = 4;

/// An entry of the archive that holds elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage<'a> {
    /// Name of the entry below `data/`.
    pub(super) key: &'a str,
    pub(super) element: ElementType,
    /// Bytes of one element, also where its type cannot serve; none for a class that nothing here knows.
    pub(super) size: Option<usize>,
    /// Number of elements in the file.
    pub(super) elements: usize,
    /// First element of the part that the tensor may look at; not 0 in files of torch before 0.4 alone.
    pub(super) first: usize,
    /// Number of elements of that part.
    pub(super) held: usize,
}

/// A tensor as a view of a storage; its bounds are checked.
#[derive(Debug)]
pub(super) struct TensorView<'a> {
    pub(super) storage: Storage<'a>,
    /// First element, counted from [`Storage::first`].
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// Elements from one index to the next, for each axis.
    pub(super) strides: Vec<usize>,
}

impl TensorView<'_> {
    /// Number of elements when they lie in the storage one after the other in row-major order.
    pub(super) fn dense_elements(&self) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        let mut step = 1usize;
        for (&length, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if length != 1 && stride != step {
                return None;
            }
            step = step.checked_mul(length)?;
        }
        Some(step)
    }

    /// Whether every element lies in the storage and none is counted twice.
    fn check(&self) -> Result<(), String> {
        let Storage { held, .. } = self.storage;
        if self.shape.len() != self.strides.len() {
            return Err(format!("{} axes but {} strides", self.shape.len(), self.strides.len()));
        }
        if self.shape.contains(&0) || self.storage.element == ElementType::Unsupported {
            return Ok(());
        }
        let elements = self.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if elements.is_none_or(|n| n > held) {
            return Err(format!(
                "shape {:?} has more elements than its storage ({held}); was it saved from an expanded view?",
                self.shape
            ));
        }
        let last = self.shape.iter().zip(&self.strides).try_fold(self.offset, |at, (&length, &stride)| {
            length.saturating_sub(1).checked_mul(stride).and_then(|reach| at.checked_add(reach))
        });
        if last.is_none_or(|at| at >= held) {
            return Err(format!(
                "offset {}, shape {:?} and strides {:?} leave its storage of {held} elements",
                self.offset, self.shape, self.strides
            ));
        }
        Ok(())
    }
}

/// A state dict and what lay around it.
#[derive(Debug)]
pub(super) struct StateDict<'a> {
    /// Keys that led to it.
    nesting: Vec<&'static str>,
    pub(super) tensors: BTreeMap<&'a str, TensorView<'a>>,
    passed_over: Vec<PassedOver>,
    stepped: Option<BTreeSet<String>>,
}

impl StateDict<'_> {
    /// What is known of the file besides the tensors.
    pub(super) fn container(&self, format: FileFormat) -> Container {
        Container {
            format: Some(format),
            nesting: (!self.nesting.is_empty()).then(|| self.nesting.join(".")),
            passed_over: self.passed_over.clone(),
            stepped: self.stepped.clone(),
        }
    }
}

type Pairs = Vec<(ValueId, ValueId)>;

/// The first dict with tensors: under [`NESTINGS`], also one below the other, else at the top level.
///
/// # Errors
/// A phrase when there is none, or a tensor is described wrongly.
pub(super) fn find<'a>(pickle: &Pickle<'a>) -> Result<StateDict<'a>, String> {
    let Some(top) = pairs(pickle, pickle.root()) else {
        return Err(match &pickle[pickle.root()] {
            Value::Object { callable, .. } => {
                let (module, name) = pickle.global(*callable).unwrap_or(("an", "unknown class"));
                format!("it holds an object of class {module:?}.{name:?}, not a dict of tensors")
            }
            _ => "it holds no dict of tensors".into(),
        });
    };
    let mut way = Way { nesting: vec![], levels: vec![top], seen: HashSet::from([pickle.root()]) };
    match way.descend(pickle)? {
        Some(tensors) => {
            let inner = way.levels.last().map_or(&[][..], Vec::as_slice);
            let stepped = way.levels.iter().rev().find_map(|level| stepped(pickle, level, inner));
            let passed_over = passed_over(pickle, &way, &tensors);
            Ok(StateDict { nesting: way.nesting, tensors, passed_over, stepped })
        }
        None => Err(nothing(pickle, way.levels.first().map_or(&[], Vec::as_slice))),
    }
}

/// The way from the top of the file to the state dict.
struct Way {
    nesting: Vec<&'static str>,
    /// The dicts on the way, the top first; one more than keys.
    levels: Vec<Pairs>,
    /// Dicts that were looked into: a dict may hold itself.
    seen: HashSet<ValueId>,
}

impl Way {
    /// The tensors of the last level, after going as deep as known keys lead to tensors.
    fn descend<'a>(&mut self, pickle: &Pickle<'a>) -> Result<Option<BTreeMap<&'a str, TensorView<'a>>>, String> {
        let Some(level) = self.levels.last().cloned() else { return Ok(None) };
        let deepest = self.nesting.len() >= MOST_NESTINGS;
        for nesting in NESTINGS.into_iter().filter(|_| !deepest) {
            let Some(&(_, value)) = level.iter().rev().find(|(key, _)| pickle.text(*key) == Some(nesting)) else {
                continue;
            };
            let Some(inner) = pairs(pickle, value).filter(|_| self.seen.insert(value)) else { continue };
            self.nesting.push(nesting);
            self.levels.push(inner);
            if let Some(found) = self.descend(pickle)? {
                return Ok(Some(found));
            }
            self.nesting.pop();
            self.levels.pop();
        }
        let found = tensors(pickle, &level)?;
        Ok((!found.is_empty()).then_some(found))
    }
}

/// What a file without a state dict in a known place holds.
fn nothing(pickle: &Pickle<'_>, top: &[(ValueId, ValueId)]) -> String {
    // Not more keys are looked under, however many there are.
    let keys = |holds: &dyn Fn(ValueId) -> bool| -> Vec<&str> {
        let first = top.iter().take(MOST_PASSED_OVER);
        first.filter(|(_, value)| holds(*value)).filter_map(|(key, _)| pickle.text(*key)).take(8).collect()
    };
    let with_tensors = keys(&|value| {
        pairs(pickle, value).is_some_and(|inner| tensors(pickle, &inner).is_ok_and(|found| !found.is_empty()))
    });
    let mut told =
        format!("it holds no tensors, neither at the top level nor under {NESTINGS:?}; keys: {:?}", keys(&|_| true));
    if !with_tensors.is_empty() {
        told.push_str(&format!("; there are tensors under {with_tensors:?}, a key that is not looked into"));
    }
    told
}

/// Everything beside the tensors on the way to them, as keys and phrases.
fn passed_over(pickle: &Pickle<'_>, way: &Way, taken: &BTreeMap<&str, TensorView<'_>>) -> Vec<PassedOver> {
    let mut found = Vec::new();
    for (depth, level) in way.levels.iter().enumerate() {
        for &(key, value) in level {
            let name = pickle.text(key).unwrap_or("(no text)");
            let known = match way.nesting.get(depth) {
                Some(next) => *next == name,
                None => taken.contains_key(name),
            };
            if known || found.len() >= MOST_PASSED_OVER {
                continue;
            }
            let key = name.chars().take(60).collect::<String>().escape_debug().to_string();
            found.push(PassedOver { key, what: described(pickle, value) });
        }
    }
    found
}

/// What a value is, as a phrase.
fn described(pickle: &Pickle<'_>, value: ValueId) -> String {
    match &pickle[value] {
        Value::Object { callable, .. } => {
            if pairs(pickle, value).is_some() {
                return "a dict".into();
            }
            if matches!(tensor(pickle, value), Ok(Some(_))) {
                return "a tensor".into();
            }
            let (module, name) = pickle.global(*callable).unwrap_or(("an", "unknown class"));
            let class: String = format!("{module}.{name}").chars().take(80).collect();
            format!("an object of class {}, not built", class.escape_debug())
        }
        Value::Dict(_) => "a dict".into(),
        Value::List(_) | Value::Tuple(_) => "a list".into(),
        Value::None => "nothing".into(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => "a number".into(),
        Value::Str(_) | Value::Bytes(_) => "a text".into(),
        Value::Global { .. } => "a class or function, not imported".into(),
        Value::Persistent(_) | Value::Opaque => "something else".into(),
    }
}

/// Names of the parameters of the state dict `inner` that the optimiser in `level` has a state for.
///
/// Optimisers number parameters in the order of the network, which is that of the state dict without its buffers.
fn stepped(
    pickle: &Pickle<'_>,
    level: &[(ValueId, ValueId)],
    inner: &[(ValueId, ValueId)],
) -> Option<BTreeSet<String>> {
    let under = |pairs: &[(ValueId, ValueId)], keys: &[&str]| {
        pairs.iter().find(|(key, _)| pickle.text(*key).is_some_and(|key| keys.contains(&key))).map(|(_, value)| *value)
    };
    let optimiser = pairs(pickle, under(level, &OPTIMISERS)?)?;
    let state = pairs(pickle, under(&optimiser, &["state"])?)?;
    let is_buffer =
        |name: &str| ["running_mean", "running_var", "num_batches_tracked"].iter().any(|b| name.ends_with(b));
    let parameters: Vec<&str> =
        inner.iter().filter_map(|(key, _)| pickle.text(*key)).filter(|name| !is_buffer(name)).collect();
    let names = state.iter().map(|(key, _)| parameters.get(pickle.size(*key)?).map(|name| (*name).to_owned()));
    // Old optimisers have addresses for keys, and an optimiser that never made a step tells nothing.
    names.collect::<Option<BTreeSet<String>>>().filter(|names| !names.is_empty())
}

/// Key and value pairs of a dict or OrderedDict.
fn pairs(pickle: &Pickle<'_>, id: ValueId) -> Option<Vec<(ValueId, ValueId)>> {
    match &pickle[id] {
        Value::Dict(items) => Some(items.clone()),
        Value::Object { callable, arguments, items, .. } => {
            if pickle.global(*callable)? != ("collections", "OrderedDict") {
                return None;
            }
            // Python 2 gives the pairs to the constructor: OrderedDict([[key, value], ...]).
            let given = pickle.tuple(*arguments)?.first().map(|&list| elements(pickle, list)).unwrap_or_default();
            let given = given.iter().filter_map(|&pair| match elements(pickle, pair) {
                [key, value] => Some((*key, *value)),
                _ => None,
            });
            Some(given.chain(items.iter().copied()).collect())
        }
        _ => None,
    }
}

fn elements<'p>(pickle: &'p Pickle<'_>, id: ValueId) -> &'p [ValueId] {
    match &pickle[id] {
        Value::List(items) | Value::Tuple(items) => items,
        _ => &[],
    }
}

/// The tensors among `pairs`; of two with one name the later stays, as in Python.
fn tensors<'a>(pickle: &Pickle<'a>, pairs: &[(ValueId, ValueId)]) -> Result<BTreeMap<&'a str, TensorView<'a>>, String> {
    let mut found = BTreeMap::new();
    for &(key, value) in pairs {
        let Some(name) = pickle.text(key) else { continue };
        if let Some(tensor) = tensor(pickle, value).map_err(|reason| format!("tensor {name:?}: {reason}"))? {
            found.insert(name, tensor);
        }
    }
    Ok(found)
}

/// The tensor that the value `id` describes; `None` when it describes something else.
fn tensor<'a>(pickle: &Pickle<'a>, id: ValueId) -> Result<Option<TensorView<'a>>, String> {
    let Value::Object { callable, arguments, .. } = &pickle[id] else { return Ok(None) };
    let (mut callable, mut arguments) = (*callable, *arguments);
    for _ in 0..=MOST_WRAPPERS {
        let (Some(global), Some(given)) = (pickle.global(callable), pickle.tuple(arguments)) else { return Ok(None) };
        match (global, given) {
            // (storage, offset, shape, strides, requires_grad, backward_hooks, ...); the third version adds a dtype
            // that has no storage class of its own.
            (("torch._utils", "_rebuild_tensor_v2"), [storage, offset, shape, strides, ..]) => {
                return view(pickle, *storage, *offset, *shape, *strides, None).map(Some);
            }
            (("torch._utils", "_rebuild_tensor_v3"), [storage, offset, shape, strides, ..]) => {
                let element = Some(ElementType::Unsupported);
                return view(pickle, *storage, *offset, *shape, *strides, element).map(Some);
            }
            // (tensor, requires_grad, backward_hooks, ...)
            (("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state"), [inner, ..]) => {
                match &pickle[*inner] {
                    Value::Object { callable: c, arguments: a, .. } => (callable, arguments) = (*c, *a),
                    _ => return Ok(None),
                }
            }
            // (function, class, arguments, state)
            (("torch._tensor", "_rebuild_from_type_v2"), [function, _, inner, ..]) => {
                (callable, arguments) = (*function, *inner);
            }
            _ => return Ok(None),
        }
    }
    Ok(None)
}

fn view<'a>(
    pickle: &Pickle<'a>,
    storage: ValueId,
    offset: ValueId,
    shape: ValueId,
    strides: ValueId,
    element: Option<ElementType>,
) -> Result<TensorView<'a>, String> {
    let axes = |id: ValueId, what: &str| match pickle.tuple(id).map(<[ValueId]>::len) {
        Some(0..=MOST_AXES) => pickle.sizes(id).ok_or_else(|| format!("its {what} holds no sizes")),
        _ => Err(format!("its {what} is no tuple of at most {MOST_AXES} sizes")),
    };
    let (shape, mut strides) = (axes(shape, "shape")?, axes(strides, "stride")?);
    // An axis of length one is never stepped along, so its stride may be any number; nothing is to be computed with it.
    for (stride, _) in strides.iter_mut().zip(&shape).filter(|(_, length)| **length <= 1) {
        *stride = 0;
    }
    let offset = pickle.size(offset).ok_or("its storage offset is no size")?;
    let mut storage = self::storage(pickle, storage).ok_or("its storage is not named in a known way")?;
    storage.element = element.unwrap_or(storage.element);
    let view = TensorView { storage, offset, shape, strides };
    view.check()?;
    Ok(view)
}

/// The storage behind the persistent id ("storage", class, key, location, number of elements, part).
///
/// Only the form before torch 1.6 has the last one: nothing, or key, first element and number of elements of a part.
pub(super) fn storage<'a>(pickle: &Pickle<'a>, id: ValueId) -> Option<Storage<'a>> {
    let Value::Persistent(id) = pickle[id] else { return None };
    let [kind, class, key, _location, elements, part @ ..] = pickle.tuple(id)? else { return None };
    if pickle.text(*kind)? != "storage" {
        return None;
    }
    let (module, class) = pickle.global(*class)?;
    let element = match module {
        "torch" | "torch.cuda" => element_type(class),
        _ => ElementType::Unsupported,
    };
    let elements = pickle.size(*elements)?;
    let (first, held) = match part {
        [] => (0, elements),
        [part] => match (&pickle[*part], pickle.tuple(*part)) {
            (Value::None, _) => (0, elements),
            (_, Some([_key, first, held])) => (pickle.size(*first)?, pickle.size(*held)?),
            _ => return None,
        },
        _ => return None,
    };
    if first.checked_add(held)? > elements {
        return None;
    }
    let size = element.size().or_else(|| size_of_class(class));
    Some(Storage { key: pickle.text(*key)?, element, size, elements, first, held })
}

/// Bytes of an element of the storage classes that cannot serve as weights.
fn size_of_class(class: &str) -> Option<usize> {
    match class {
        "UntypedStorage" | "QInt8Storage" | "QUInt8Storage" | "QUInt4x2Storage" | "QUInt2x4Storage" => Some(1),
        "QInt32Storage" => Some(4),
        "ComplexFloatStorage" => Some(8),
        "ComplexDoubleStorage" => Some(16),
        _ => None,
    }
}

fn element_type(storage_class: &str) -> ElementType {
    match storage_class {
        "FloatStorage" => ElementType::F32,
        "HalfStorage" => ElementType::F16,
        "BFloat16Storage" => ElementType::Bf16,
        "DoubleStorage" => ElementType::F64,
        "LongStorage" => ElementType::I64,
        "IntStorage" => ElementType::I32,
        "ShortStorage" => ElementType::I16,
        "CharStorage" => ElementType::I8,
        "ByteStorage" => ElementType::U8,
        "BoolStorage" => ElementType::Bool,
        _ => ElementType::Unsupported,
    }
}
