//! Python pickles (protocols 2 to 5) as a graph of values, without executing anything.
//!
//! A pickle is a program for a stack machine whose instructions may call any importable function. This machine keeps
//! such calls as data: [`Value::Object`] names the callable, its arguments and its state, and the reader of a format
//! decides which few of them mean something. Values live in one arena and refer to each other by index, so nesting depth and
//! cycles cost nothing and no walk recurses.

mod machine;

use std::ops::Index;

use machine::Machine;

/// Longest program that [`Pickle::parse`] reads; tensors lie outside of it. A state dict of 500 tensors needs 60 kB.
pub(super) const LONGEST_PROGRAM: usize = 16 << 20;

/// Position of a value in its [`Pickle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValueId(u32);

/// A value; strings and bytes borrow from the program.
#[derive(Debug)]
pub enum Value<'a> {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An integer that 64 bits hold.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text.
    Str(&'a str),
    /// Bytes or a byte array.
    Bytes(&'a [u8]),
    /// A tuple.
    Tuple(Vec<ValueId>),
    /// A list.
    List(Vec<ValueId>),
    /// Key and value pairs in the order of insertion; a later pair replaces an earlier one with the same key.
    Dict(Vec<(ValueId, ValueId)>),
    /// An importable name: a class or a function.
    Global {
        /// Where it is imported from.
        module: &'a str,
        /// What is imported.
        name: &'a str,
    },
    /// The result of a call that was not made.
    Object {
        /// What was to be called.
        callable: ValueId,
        /// What it was to be given, as a tuple.
        arguments: ValueId,
        /// What the object was to be brought into afterwards (`__setstate__`).
        state: Option<ValueId>,
        /// The pairs that were stored into it afterwards.
        items: Vec<(ValueId, ValueId)>,
    },
    /// An object outside of the program, known by its id.
    Persistent(ValueId),
    /// A set, an integer of more than 64 bits, text that is no UTF-8: things that no reader asks for.
    Opaque,
}

/// The values that a program built.
#[derive(Debug)]
pub struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: ValueId,
    /// Length of the program.
    bytes: usize,
}

impl<'a> Index<ValueId> for Pickle<'a> {
    type Output = Value<'a>;

    fn index(&self, id: ValueId) -> &Value<'a> {
        self.values.get(id.0 as usize).unwrap_or(&Value::Opaque)
    }
}

impl<'a> Pickle<'a> {
    /// Reads one program; bytes after its end are passed over.
    ///
    /// # Errors
    /// What is wrong and at which byte, as a phrase.
    pub fn parse(program: &'a [u8]) -> Result<Self, String> {
        if program.len() > LONGEST_PROGRAM {
            return Err(format!("the pickle takes {} bytes, at most {LONGEST_PROGRAM} are read", program.len()));
        }
        Self::parse_mapped(program)
    }

    /// As [`Pickle::parse`] for a program of any length: one that lies in a memory map, with arrays of gigabytes in it.
    /// The number of values is limited all the same.
    ///
    /// # Errors
    /// What is wrong and at which byte, as a phrase.
    pub fn parse_mapped(program: &'a [u8]) -> Result<Self, String> {
        Self::parse_first(program).map(|(pickle, _)| pickle)
    }

    /// As [`Pickle::parse_mapped`], with the number of bytes that the program took: the first of several that lie one
    /// after the other.
    ///
    /// # Errors
    /// What is wrong and at which byte, as a phrase.
    pub fn parse_first(bytes: &'a [u8]) -> Result<(Self, usize), String> {
        Machine::new(bytes).run()
    }

    /// Every object outside of the program that the program names, as the position of a [`Value::Persistent`].
    pub(super) fn persistent(&self) -> impl Iterator<Item = ValueId> {
        // At most `MOST_VALUES` values, so every position fits.
        (0..).map(ValueId).zip(&self.values).filter_map(|(id, value)| match value {
            Value::Persistent(_) => Some(id),
            _ => None,
        })
    }

    /// Length of the program in bytes. What is made of a pickle is to be bounded by it: a value, however large, can be named many
    /// times in two bytes each.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of values.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The value that the program returns.
    pub fn root(&self) -> ValueId {
        self.root
    }

    /// Every class and function that the program names, as module and name, whether it is used or not.
    pub fn globals(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values.iter().filter_map(|value| match value {
            Value::Global { module, name } => Some((*module, *name)),
            _ => None,
        })
    }

    /// The text `id`, if it is one.
    pub fn text(&self, id: ValueId) -> Option<&'a str> {
        match self[id] {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The items of the tuple `id`, if it is one.
    pub fn tuple(&self, id: ValueId) -> Option<&[ValueId]> {
        match &self[id] {
            Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// A number that cannot be negative: a size, an offset, a stride.
    pub fn size(&self, id: ValueId) -> Option<usize> {
        match self[id] {
            Value::Int(n) => usize::try_from(n).ok(),
            _ => None,
        }
    }

    /// A tuple of sizes.
    pub fn sizes(&self, id: ValueId) -> Option<Vec<usize>> {
        self.tuple(id)?.iter().map(|&item| self.size(item)).collect()
    }

    /// Module and name of the class or function `id`, if it is one.
    pub fn global(&self, id: ValueId) -> Option<(&'a str, &'a str)> {
        match self[id] {
            Value::Global { module, name } => Some((module, name)),
            _ => None,
        }
    }
}
