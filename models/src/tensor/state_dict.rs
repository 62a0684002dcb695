//! The state dict in a pickle written by `torch.save`.
//!
//! Calls are recognised by name and read as data: `torch._utils._rebuild_tensor_v2` and its relatives describe a
//! tensor, `collections.OrderedDict` is a dict, a persistent id names a storage. Everything else in the file (optimiser
//! state, recorders, configuration) is passed over.

use std::collections::BTreeMap;

use super::element::ElementType;
use super::pickle::{Pickle, Value, ValueId};

/// Keys under which training scripts nest the state dict, in the order of search.
const NESTINGS: [&str; 3] = ["state_dict", "model", "model_state_dict"];
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
    /// Number of elements.
    pub(super) elements: usize,
}

/// A tensor as a view of a storage; its bounds are checked.
#[derive(Debug)]
pub(super) struct TensorView<'a> {
    pub(super) storage: Storage<'a>,
    /// First element in the storage.
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
        let Storage { elements: held, .. } = self.storage;
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

/// A state dict and the key of the outer dict that it was found under.
#[derive(Debug)]
pub(super) struct StateDict<'a> {
    pub(super) nesting: Option<&'static str>,
    pub(super) tensors: BTreeMap<&'a str, TensorView<'a>>,
}

/// The first dict with tensors: under one of [`NESTINGS`], else at the top level.
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
    for nesting in NESTINGS {
        let inner = top.iter().rev().find(|(key, _)| pickle.text(*key) == Some(nesting));
        if let Some(inner) = inner.and_then(|(_, value)| pairs(pickle, *value)) {
            let tensors = tensors(pickle, &inner)?;
            if !tensors.is_empty() {
                return Ok(StateDict { nesting: Some(nesting), tensors });
            }
        }
    }
    let tensors = tensors(pickle, &top)?;
    if tensors.is_empty() {
        let keys: Vec<&str> = top.iter().filter_map(|(key, _)| pickle.text(*key)).take(8).collect();
        return Err(format!("it holds no tensors, neither at the top level nor under {NESTINGS:?}; keys: {keys:?}"));
    }
    Ok(StateDict { nesting: None, tensors })
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

/// The storage behind the persistent id ("storage", class, key, location, number of elements).
fn storage<'a>(pickle: &Pickle<'a>, id: ValueId) -> Option<Storage<'a>> {
    let Value::Persistent(id) = pickle[id] else { return None };
    let &[kind, class, key, _location, elements] = pickle.tuple(id)? else { return None };
    if pickle.text(kind)? != "storage" {
        return None;
    }
    let element = match pickle.global(class)? {
        ("torch" | "torch.cuda", class) => element_type(class),
        _ => ElementType::Unsupported,
    };
    Some(Storage { key: pickle.text(key)?, element, elements: pickle.size(elements)? })
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
