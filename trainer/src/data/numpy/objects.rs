//! numpy's objects in a pickle, read as data.
//!
//! Four callables mean something here: `_reconstruct` (an array whose state follows), `dtype`, `scalar`, and
//! `_frombuffer` (an array of protocol 5). A program that names anything else is refused as a whole, used or not.

use std::borrow::Cow;
use std::cell::Cell;

use mien_models::tensor::pickle::{Pickle, Value, ValueId};

use super::dtype::{Dtype, Kind};
use super::elements::{Elements, row_major};

/// Most keys of a dict that a message shows, and most characters of each.
const KEYS_SHOWN: usize = 8;
const CHARACTERS_SHOWN: usize = 60;
/// Bytes of texts that are made of any pickle.
const FREE_TEXT: usize = 1 << 20;
/// Beyond those, bytes of texts for each byte of the program: numpy writes four bytes for a letter, and sentences that are said often may
/// be written once.
const TEXT_RATIO: usize = 4;
/// Bytes of a text beside its letters.
const TEXT_OVERHEAD: usize = size_of::<String>();

/// The values of a pickle whose only classes are numpy's.
#[derive(Debug)]
pub(crate) struct Objects<'a> {
    pickle: Pickle<'a>,
    /// Bytes of texts that may still be made: a program names a text again in two bytes, however long it is.
    text: Cell<usize>,
}

/// An array.
#[derive(Debug)]
pub(crate) struct Array<'p, 'a> {
    /// Axis lengths.
    pub(crate) shape: Vec<usize>,
    fortran: bool,
    data: Data<'p, 'a>,
}

#[derive(Debug)]
enum Data<'p, 'a> {
    Elements(Elements<'a>),
    /// In the order in which numpy writes them: row-major.
    Objects(&'p [ValueId]),
}

impl<'a> Objects<'a> {
    /// Holds every name in the program against the list of those that are understood.
    ///
    /// # Errors
    /// A phrase with the foreign name.
    pub(crate) fn new(pickle: Pickle<'a>) -> Result<Self, String> {
        let foreign = pickle.globals().find(|&(module, name)| !is_numpy(module, name));
        match foreign {
            None => {
                let text = Cell::new(pickle.bytes().saturating_mul(TEXT_RATIO).saturating_add(FREE_TEXT));
                Ok(Self { pickle, text })
            }
            Some((module, name)) => Err(format!(
                "it names {:?}, and only numpy's arrays, scalars and element types are read; nothing in it was executed",
                format!("{module}.{name}").chars().take(CHARACTERS_SHOWN).collect::<String>()
            )),
        }
    }

    pub(crate) fn root(&self) -> ValueId {
        self.pickle.root()
    }

    /// Key and value pairs of a dict.
    pub(crate) fn dict(&self, id: ValueId) -> Option<&[(ValueId, ValueId)]> {
        match &self.pickle[id] {
            Value::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The value under `key` in a dict; the last of several, as in Python.
    pub(crate) fn get(&self, dict: ValueId, key: &str) -> Option<ValueId> {
        let pairs = self.dict(dict)?;
        pairs.iter().rev().find(|(k, _)| self.pickle.text(*k) == Some(key)).map(|(_, value)| *value)
    }

    /// The first keys of a dict that are texts, as a message shows them.
    pub(crate) fn keys(&self, dict: ValueId) -> Vec<String> {
        let keys = self.dict(dict).unwrap_or_default().iter().filter_map(|(key, _)| self.pickle.text(*key));
        keys.take(KEYS_SHOWN).map(|key| key.chars().take(CHARACTERS_SHOWN).collect()).collect()
    }

    /// A text: a `str`, or numpy's scalar of one. At most `longest` bytes of it: a longer one is none.
    pub(crate) fn text(&self, id: ValueId, longest: usize) -> Option<Cow<'a, str>> {
        if let Some(text) = self.pickle.text(id) {
            return Some(text).filter(|text| text.len() <= longest).map(Cow::Borrowed);
        }
        let scalar = self.scalar(id)?;
        // Four bytes for a character, which has one at least.
        if scalar.bytes.len() > longest.saturating_mul(4) {
            return None;
        }
        let texts = scalar.texts()?;
        texts.into_iter().next().map(Cow::Owned)
    }

    /// Counts `bytes` bytes of texts.
    fn spend(&self, bytes: usize) -> Result<(), String> {
        match self.text.get().checked_sub(bytes) {
            Some(left) => {
                self.text.set(left);
                Ok(())
            }
            None => Err("its texts are named so often that they take many times the file".into()),
        }
    }

    /// A number: an int or a float, numpy's scalar of one, or an array without axes or with one element.
    pub(crate) fn number(&self, id: ValueId) -> Option<f64> {
        match &self.pickle[id] {
            Value::Float(value) => return Some(*value),
            Value::Int(value) => return Some(*value as f64),
            _ => {}
        }
        let elements = match self.scalar(id) {
            Some(elements) => elements,
            None => match self.array(id)? {
                Ok(Array { data: Data::Elements(elements), .. }) => elements,
                _ => return None,
            },
        };
        // Its elements are counted before they are made into numbers: a list may name one large array for each item.
        if elements.bytes.len() != elements.dtype.size {
            return None;
        }
        match elements.numbers()?.as_slice() {
            [value] => Some(*value),
            _ => None,
        }
    }

    /// The items of a list, a tuple, or an array of objects with one axis.
    pub(crate) fn items(&self, id: ValueId) -> Option<Cow<'_, [ValueId]>> {
        match &self.pickle[id] {
            Value::List(items) | Value::Tuple(items) => return Some(Cow::Borrowed(items)),
            _ => {}
        }
        match self.array(id)? {
            Ok(Array { data: Data::Objects(items), .. }) => Some(Cow::Borrowed(items)),
            _ => None,
        }
    }

    /// Texts of a list or an array.
    ///
    /// # Errors
    /// A phrase, for anything else, and where they take many times the program.
    pub(crate) fn texts(&self, id: ValueId) -> Result<Vec<String>, String> {
        let no_texts = || "expected a list of texts".to_owned();
        if let Some(items) = self.items(id) {
            let one = |&item: &ValueId| {
                let length = match self.pickle.text(item) {
                    Some(text) => text.len(),
                    None => self.scalar(item).ok_or_else(no_texts)?.bytes.len(),
                };
                self.spend(length.saturating_add(TEXT_OVERHEAD))?;
                self.text(item, usize::MAX).map(Cow::into_owned).ok_or_else(no_texts)
            };
            return items.iter().map(one).collect();
        }
        match self.array(id).ok_or_else(no_texts)?? {
            Array { data: Data::Elements(elements), .. } => {
                let texts = elements.bytes.len() / elements.dtype.size.max(1);
                self.spend(elements.bytes.len().saturating_add(texts.saturating_mul(TEXT_OVERHEAD)))?;
                elements.texts().ok_or_else(no_texts)
            }
            _ => Err(no_texts()),
        }
    }

    /// Numbers of a list or an array, row-major; `None` for more than `most` of them, which take up to eight times their bytes.
    pub(crate) fn numbers(&self, id: ValueId, most: usize) -> Option<Vec<f64>> {
        if let Some(items) = self.items(id) {
            if items.len() > most {
                return None;
            }
            return items.iter().map(|&item| self.number(item)).collect();
        }
        match self.array(id)? {
            Ok(Array { data: Data::Elements(elements), shape, fortran })
                if elements.bytes.len() <= most.saturating_mul(elements.dtype.size) =>
            {
                let numbers = elements.numbers()?;
                Some(if fortran { row_major(numbers, &shape) } else { numbers })
            }
            _ => None,
        }
    }

    /// The array that the value describes; `None` when it describes something else.
    pub(crate) fn array(&self, id: ValueId) -> Option<Result<Array<'_, 'a>, String>> {
        let Value::Object { callable, arguments, state, .. } = &self.pickle[id] else { return None };
        match self.pickle.global(*callable)? {
            (_, "_reconstruct") => Some(self.reconstructed(*state)),
            (_, "_frombuffer") => Some(self.buffered(*arguments)),
            _ => None,
        }
    }

    /// State (version, shape, dtype, is_fortran, data) of an array.
    fn reconstructed(&self, state: Option<ValueId>) -> Result<Array<'_, 'a>, String> {
        let state = state.and_then(|state| self.pickle.tuple(state));
        let &[_version, shape, dtype, fortran, data] = state.ok_or("an array has no state")? else {
            return Err("an array's state has not five parts".into());
        };
        let shape = self.pickle.sizes(shape).ok_or("an array's shape is no tuple of sizes")?;
        let dtype = self.dtype(dtype)?;
        let fortran = match self.pickle[fortran] {
            Value::Bool(fortran) => fortran,
            Value::Int(n) => n != 0,
            _ => return Err("an array's order is neither of the two".into()),
        };
        self.assemble(shape, dtype, fortran, data)
    }

    /// Arguments (buffer, dtype, shape, order).
    fn buffered(&self, arguments: ValueId) -> Result<Array<'_, 'a>, String> {
        let Some(&[data, dtype, shape, order]) = self.pickle.tuple(arguments) else {
            return Err("an array's buffer has not four parts".into());
        };
        let shape = self.pickle.sizes(shape).ok_or("an array's shape is no tuple of sizes")?;
        let dtype = self.dtype(dtype)?;
        let fortran = match self.pickle.text(order) {
            Some("C") => false,
            Some("F") => true,
            _ => return Err("an array's order is neither of the two".into()),
        };
        self.assemble(shape, dtype, fortran, data)
    }

    fn assemble(&self, shape: Vec<usize>, dtype: Dtype, fortran: bool, data: ValueId) -> Result<Array<'_, 'a>, String> {
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let data = match (&self.pickle[data], dtype.kind) {
            (Value::List(items), Kind::Object) if Some(items.len()) == count => Data::Objects(items),
            (Value::Bytes(bytes), kind)
                if kind != Kind::Object && count.and_then(|n| n.checked_mul(dtype.size)) == Some(bytes.len()) =>
            {
                Data::Elements(Elements { dtype, bytes })
            }
            (Value::Str(_), _) => {
                return Err(
                    "an array's bytes are written as text, the form of Python 2; save it again with protocol 4".into(),
                );
            }
            _ => return Err(format!("an array of shape {shape:?} and type {dtype} holds another number of elements")),
        };
        Ok(Array { shape, fortran, data })
    }

    /// An element type: `dtype(name, align, copy)` whose state (version, byte order, ...) follows.
    fn dtype(&self, id: ValueId) -> Result<Dtype, String> {
        let unknown = || "an array's element type is not written as numpy writes it".to_owned();
        let Value::Object { callable, arguments, state, .. } = &self.pickle[id] else { return Err(unknown()) };
        let Some((_, "dtype")) = self.pickle.global(*callable) else { return Err(unknown()) };
        let name =
            self.pickle.tuple(*arguments).and_then(|given| self.pickle.text(*given.first()?)).ok_or_else(unknown)?;
        let dtype = Dtype::parse(name)?;
        match state.map(|state| self.pickle.tuple(state).and_then(|parts| self.pickle.text(*parts.get(1)?))) {
            None => Ok(dtype),
            Some(order) => dtype.ordered(order.ok_or_else(unknown)?),
        }
    }

    /// `scalar(dtype, bytes)`: one element.
    fn scalar(&self, id: ValueId) -> Option<Elements<'a>> {
        let Value::Object { callable, arguments, .. } = &self.pickle[id] else { return None };
        let (_, "scalar") = self.pickle.global(*callable)? else { return None };
        let &[dtype, data] = self.pickle.tuple(*arguments)? else { return None };
        let dtype = self.dtype(dtype).ok()?;
        match self.pickle[data] {
            Value::Bytes(bytes) if dtype.kind != Kind::Object && bytes.len() == dtype.size => {
                Some(Elements { dtype, bytes })
            }
            _ => None,
        }
    }
}

impl<'a> Array<'_, 'a> {
    /// The elements where they lie in bytes in row-major order.
    pub(crate) fn dense(&self) -> Option<Elements<'a>> {
        match self.data {
            Data::Elements(elements) if !self.fortran => Some(elements),
            _ => None,
        }
    }
}

/// Names that are understood, in the spellings of numpy 1 and 2.
fn is_numpy(module: &str, name: &str) -> bool {
    match name {
        "_reconstruct" | "scalar" => matches!(module, "numpy.core.multiarray" | "numpy._core.multiarray"),
        "ndarray" | "dtype" => matches!(module, "numpy" | "numpy.core.multiarray" | "numpy._core.multiarray"),
        "_frombuffer" => matches!(module, "numpy.core.numeric" | "numpy._core.numeric"),
        _ => false,
    }
}
