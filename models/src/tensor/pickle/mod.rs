//! Python pickles (protocols 2 to 5) as a graph of values, without executing anything.
//!
//! A pickle is a program for a stack machine whose instructions may call any importable function. This machine keeps
//! such calls as data: [`Value::Object`] names the callable and its arguments, and the reader of a format decides
//! which few of them mean something. Values live in one arena and refer to each other by index, so nesting depth and
//! cycles cost nothing and no walk recurses.

mod machine;

use std::ops::Index;

use machine::Machine;

/// Longest program that is read; tensors lie outside of it. A state dict of 500 tensors needs 60 kB.
pub(super) const LONGEST_PROGRAM: usize = 16 << 20;

/// Position of a value in its [`Pickle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValueId(u32);

/// A value; strings borrow from the program.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Int(i64),
    Str(&'a str),
    Tuple(Vec<ValueId>),
    List(Vec<ValueId>),
    /// Key and value pairs in the order of insertion; a later pair replaces an earlier one with the same key.
    Dict(Vec<(ValueId, ValueId)>),
    /// An importable name: a class or a function.
    Global {
        module: &'a str,
        name: &'a str,
    },
    /// The result of a call that was not made, with the pairs that were stored into it afterwards.
    Object {
        callable: ValueId,
        arguments: ValueId,
        items: Vec<(ValueId, ValueId)>,
    },
    /// An object outside of the program, known by its id.
    Persistent(ValueId),
    /// None, a bool, a float, bytes, a set, a large integer: things that no reader here asks for.
    Opaque,
}

/// The values that a program built.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    /// The value that the program returns.
    pub(super) root: ValueId,
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
    pub(super) fn parse(program: &'a [u8]) -> Result<Self, String> {
        if program.len() > LONGEST_PROGRAM {
            return Err(format!("the pickle takes {} bytes, at most {LONGEST_PROGRAM} are read", program.len()));
        }
        Machine::new(program).run()
    }

    pub(super) fn text(&self, id: ValueId) -> Option<&'a str> {
        match self[id] {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn tuple(&self, id: ValueId) -> Option<&[ValueId]> {
        match &self[id] {
            Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// A number that cannot be negative: a size, an offset, a stride.
    pub(super) fn size(&self, id: ValueId) -> Option<usize> {
        match self[id] {
            Value::Int(n) => usize::try_from(n).ok(),
            _ => None,
        }
    }

    /// A tuple of sizes.
    pub(super) fn sizes(&self, id: ValueId) -> Option<Vec<usize>> {
        self.tuple(id)?.iter().map(|&item| self.size(item)).collect()
    }

    pub(super) fn global(&self, id: ValueId) -> Option<(&'a str, &'a str)> {
        match self[id] {
            Value::Global { module, name } => Some((module, name)),
            _ => None,
        }
    }
}
