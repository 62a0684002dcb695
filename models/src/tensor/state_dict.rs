//! The state dict in a pickle written by `torch.save`.
//!
//! `collections.OrderedDict` is a dict, and what `tensor_view` knows is a tensor. Everything else in the file (optimiser
//! state, recorders, configuration) is passed over.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::container::{Container, FileFormat, PassedOver};
use super::pickle::{Pickle, Value, ValueId};
use super::tensor_view::{TensorView, tensor};

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
