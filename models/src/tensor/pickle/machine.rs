//! The pickle instructions that build values; calls are noted as data.

use std::collections::HashMap;

use super::{Pickle, Value, ValueId};

/// Most values that one program may build.
const MOST_VALUES: usize = 2 << 20;
/// Most values on the stack, marks and memo entries at one time.
const DEEPEST_STACK: usize = 1 << 20;

/// What an instruction gives: nothing, or the program's result.
type Step = Result<Option<ValueId>, &'static str>;

const UNDERFLOW: &str = "the stack is empty";
const TRUNCATED: &str = "the program ends in the middle";

/// The stack machine.
pub(super) struct Machine<'a> {
    program: &'a [u8],
    position: usize,
    values: Vec<Value<'a>>,
    stack: Vec<ValueId>,
    /// Stack heights at which a mark lies.
    marks: Vec<usize>,
    memo: HashMap<u32, ValueId>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(program: &'a [u8]) -> Self {
        Self { program, position: 0, values: vec![], stack: vec![], marks: vec![], memo: HashMap::new() }
    }

    /// Executes instructions up to the one that ends the program: its values, and its length in bytes.
    pub(super) fn run(mut self) -> Result<(Pickle<'a>, usize), String> {
        loop {
            let at = self.position;
            match self.step() {
                Ok(None) => {}
                Ok(Some(root)) => {
                    let bytes = self.position;
                    return Ok((Pickle { values: self.values, root, bytes }, bytes));
                }
                Err(reason) => return Err(format!("pickle, byte {at}: {reason}")),
            }
        }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], &'static str> {
        let end = self.position.checked_add(n).ok_or(TRUNCATED)?;
        let bytes = self.program.get(self.position..end).ok_or(TRUNCATED)?;
        self.position = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        self.take(N)?.first_chunk::<N>().copied().ok_or(TRUNCATED)
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, &'static str> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn length8(&mut self) -> Result<usize, &'static str> {
        usize::try_from(u64::from_le_bytes(self.array()?)).map_err(|_| TRUNCATED)
    }

    fn line(&mut self) -> Result<&'a str, &'static str> {
        let rest = self.program.get(self.position..).unwrap_or(&[]);
        let end = rest.iter().position(|&b| b == b'\n').ok_or(TRUNCATED)?;
        let line = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| "a name is not UTF-8")
    }

    fn push(&mut self, value: Value<'a>) -> Step {
        if self.values.len() >= MOST_VALUES {
            return Err("too many values");
        }
        let id = ValueId(u32::try_from(self.values.len()).map_err(|_| "too many values")?);
        self.values.push(value);
        self.push_id(id)
    }

    fn push_id(&mut self, id: ValueId) -> Step {
        if self.stack.len() >= DEEPEST_STACK {
            return Err("the stack is too deep");
        }
        self.stack.push(id);
        Ok(None)
    }

    /// The lowest height down to which values may be taken: the topmost mark protects what lies below.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<ValueId, &'static str> {
        if self.stack.len() <= self.floor() {
            return Err(UNDERFLOW);
        }
        self.stack.pop().ok_or(UNDERFLOW)
    }

    fn top(&self) -> Result<ValueId, &'static str> {
        if self.stack.len() <= self.floor() {
            return Err(UNDERFLOW);
        }
        self.stack.last().copied().ok_or(UNDERFLOW)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<ValueId>, &'static str> {
        let mark = self.marks.pop().ok_or("no mark on the stack")?;
        if mark > self.stack.len() {
            return Err(UNDERFLOW);
        }
        Ok(self.stack.split_off(mark))
    }

    fn pop_pairs_to_mark(&mut self) -> Result<Vec<(ValueId, ValueId)>, &'static str> {
        let items = self.pop_to_mark()?;
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("a key without a value");
        }
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    }

    fn push_tuple(&mut self, n: usize) -> Step {
        let mut items = Vec::with_capacity(n);
        for _ in 0..n {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items))
    }

    /// Text; bytes that are no UTF-8 (strings of Python 2 that hold raw data) become opaque.
    fn push_text(&mut self, length: usize) -> Step {
        let bytes = self.take(length)?;
        self.push(std::str::from_utf8(bytes).map_or(Value::Opaque, Value::Str))
    }

    fn push_bytes(&mut self, length: usize) -> Step {
        let bytes = self.take(length)?;
        self.push(Value::Bytes(bytes))
    }

    /// An integer of any length, little-endian two's complement.
    fn push_long(&mut self, length: usize) -> Step {
        let bytes = self.take(length)?;
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut wide = if negative { [0xFF; 8] } else { [0; 8] };
        let Some(low) = wide.get_mut(..length) else { return self.push(Value::Opaque) };
        low.copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(wide)))
    }

    fn push_object(&mut self, callable: ValueId, arguments: ValueId) -> Step {
        self.push(Value::Object { callable, arguments, state: None, items: vec![] })
    }

    fn memoize(&mut self, key: u32) -> Step {
        let top = self.top()?;
        if self.memo.len() >= DEEPEST_STACK {
            return Err("too many memo entries");
        }
        self.memo.insert(key, top);
        Ok(None)
    }

    fn recall(&mut self, key: u32) -> Step {
        let id = *self.memo.get(&key).ok_or("a memo entry is used before it is made")?;
        self.push_id(id)
    }

    /// Adds to the container on top; what is stored into an object that nobody built is of no use and is dropped.
    fn extend(&mut self, items: Vec<ValueId>) -> Step {
        let top = self.top()?;
        if let Some(Value::List(list)) = self.values.get_mut(top.0 as usize) {
            list.extend(items);
        }
        Ok(None)
    }

    fn insert(&mut self, pairs: Vec<(ValueId, ValueId)>) -> Step {
        let top = self.top()?;
        if let Some(Value::Dict(items) | Value::Object { items, .. }) = self.values.get_mut(top.0 as usize) {
            items.extend(pairs);
        }
        Ok(None)
    }

    /// Executes one instruction; names in the comments are those of Python's `pickletools`.
    fn step(&mut self) -> Step {
        match self.byte()? {
            // PROTO, FRAME, STOP
            0x80 => match self.byte()? {
                2..=5 => Ok(None),
                _ => Err("the protocol is none of 2 to 5"),
            },
            0x95 => self.take(8).map(|_| None),
            b'.' => self.pop().map(Some),
            // MARK, POP, POP_MARK, DUP
            b'(' => {
                if self.marks.len() >= DEEPEST_STACK {
                    return Err("the stack is too deep");
                }
                self.marks.push(self.stack.len());
                Ok(None)
            }
            b'0' => self.pop().map(|_| None),
            b'1' => self.pop_to_mark().map(|_| None),
            b'2' => {
                let top = self.top()?;
                self.push_id(top)
            }
            // NONE, NEWTRUE, NEWFALSE, BINFLOAT
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'G' => {
                let bits = self.array()?;
                self.push(Value::Float(f64::from_be_bytes(bits)))
            }
            // BININT, BININT1, BININT2, LONG1, LONG4
            b'J' => {
                let n = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(n.into()))
            }
            b'K' => {
                let n = self.byte()?;
                self.push(Value::Int(n.into()))
            }
            b'M' => {
                let n = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(n.into()))
            }
            0x8a => {
                let length = self.byte()?;
                self.push_long(length.into())
            }
            0x8b => {
                let length = self.u32()? as usize;
                self.push_long(length)
            }
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8, BINSTRING, SHORT_BINSTRING
            b'X' | b'T' => {
                let length = self.u32()? as usize;
                self.push_text(length)
            }
            0x8c | b'U' => {
                let length = self.byte()?;
                self.push_text(length.into())
            }
            0x8d => {
                let length = self.length8()?;
                self.push_text(length)
            }
            // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8
            b'B' => {
                let length = self.u32()? as usize;
                self.push_bytes(length)
            }
            b'C' => {
                let length = self.byte()?;
                self.push_bytes(length.into())
            }
            0x8e | 0x96 => {
                let length = self.length8()?;
                self.push_bytes(length)
            }
            // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
            b')' => self.push_tuple(0),
            0x85 => self.push_tuple(1),
            0x86 => self.push_tuple(2),
            0x87 => self.push_tuple(3),
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items))
            }
            // EMPTY_LIST, LIST, APPEND, APPENDS
            b']' => self.push(Value::List(vec![])),
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Value::List(items))
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.extend(items)
            }
            // EMPTY_DICT, DICT, SETITEM, SETITEMS
            b'}' => self.push(Value::Dict(vec![])),
            b'd' => {
                let pairs = self.pop_pairs_to_mark()?;
                self.push(Value::Dict(pairs))
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(vec![(key, value)])
            }
            b'u' => {
                let pairs = self.pop_pairs_to_mark()?;
                self.insert(pairs)
            }
            // EMPTY_SET, ADDITEMS, FROZENSET
            0x8f => self.push(Value::Opaque),
            0x90 => self.pop_to_mark().map(|_| None),
            0x91 => {
                self.pop_to_mark()?;
                self.push(Value::Opaque)
            }
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Global { module, name })
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |id: ValueId| match self.values.get(id.0 as usize) {
                    Some(Value::Str(text)) => Ok(*text),
                    _ => Err("a global's name is no text"),
                };
                let (module, name) = (text(module)?, text(name)?);
                self.push(Value::Global { module, name })
            }
            // REDUCE, NEWOBJ, NEWOBJ_EX: noted, never called
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.push_object(callable, arguments)
            }
            0x92 => {
                let (_keywords, arguments, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.push_object(callable, arguments)
            }
            // BUILD: noted with the object that nobody built
            b'b' => {
                let given = self.pop()?;
                let top = self.top()?;
                if let Some(Value::Object { state, .. }) = self.values.get_mut(top.0 as usize) {
                    *state = Some(given);
                }
                Ok(None)
            }
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => {
                let key = self.byte()?;
                self.memoize(key.into())
            }
            b'r' => {
                let key = self.u32()?;
                self.memoize(key)
            }
            0x94 => {
                let key = u32::try_from(self.memo.len()).map_err(|_| "too many memo entries")?;
                self.memoize(key)
            }
            b'h' => {
                let key = self.byte()?;
                self.recall(key.into())
            }
            b'j' => {
                let key = self.u32()?;
                self.recall(key)
            }
            // BINPERSID
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))
            }
            _ => Err("an instruction that none of the formats read here contains"),
        }
    }
}
