//! A tensor as a pickle written by `torch.save` describes it.
//!
//! Calls are recognised by name and read as data: `torch._utils._rebuild_tensor_v2` and its relatives describe a tensor,
//! a persistent id names a storage.

use super::element::ElementType;
use super::pickle::{Pickle, Value, ValueId};

/// Most axes of a tensor.
const MOST_AXES: usize = 16;
/// Longest name of a storage; torch.save numbers them, and wrote addresses before.
const LONGEST_KEY: usize = 64;
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

/// The tensor that the value `id` describes; `None` when it describes something else.
pub(super) fn tensor<'a>(pickle: &Pickle<'a>, id: ValueId) -> Result<Option<TensorView<'a>>, String> {
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
    let key = pickle.text(*key).filter(|key| key.len() <= LONGEST_KEY)?;
    Some(Storage { key, element, size, elements, first, held })
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
