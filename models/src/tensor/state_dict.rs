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
/// Most pairs of a dict that are looked at to say where tensors might be.
const MOST_TOLD: usize = 1024;
/// Longest name of a tensor; names of published networks have some hundred bytes.
const LONGEST_NAME: usize = 1024;
/// Pairs that the search may look at for each value of the pickle. A list can be named by many dicts, so that a small file has dicts
/// without end; where none is named twice, less than a tenth of this is needed.
const PAIRS_PER_VALUE: usize = 64;

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
            taken_off: BTreeMap::new(),
            stepped: self.stepped.clone(),
        }
    }
}

/// The first dict with tensors: under [`NESTINGS`], also one below the other, else at the top level.
///
/// # Errors
/// A phrase when there is none, or a tensor is described wrongly.
pub(super) fn find<'a>(pickle: &Pickle<'a>) -> Result<StateDict<'a>, String> {
    let Some(top) = pairs(pickle, pickle.root()) else {
        return Err(match &pickle[pickle.root()] {
            Value::Object { callable, .. } => {
                let (module, name) = pickle.global(*callable).unwrap_or(("an", "unknown class"));
                format!("it holds an object of class {}.{}, not a dict of tensors", short(module), short(name))
            }
            _ => "it holds no dict of tensors".into(),
        });
    };
    let pairs = pickle.len().saturating_add(MOST_TOLD).saturating_mul(PAIRS_PER_VALUE);
    let mut way = Way { nesting: vec![], levels: vec![top], seen: HashSet::from([pickle.root()]), pairs };
    match way.descend(pickle)? {
        Some(tensors) => {
            let inner = way.levels.last().copied().unwrap_or_default();
            let stepped = way.levels.iter().rev().find_map(|level| stepped(pickle, *level, inner));
            let passed_over = passed_over(pickle, &way, &tensors);
            Ok(StateDict { nesting: way.nesting, tensors, passed_over, stepped })
        }
        None => Err(nothing(pickle, top)),
    }
}

/// The way from the top of the file to the state dict.
struct Way<'p> {
    nesting: Vec<&'static str>,
    /// The dicts on the way, the top first; one more than keys.
    levels: Vec<Pairs<'p>>,
    /// Dicts that were looked into: a dict may hold itself.
    seen: HashSet<ValueId>,
    /// Pairs that may still be looked at.
    pairs: usize,
}

impl<'p> Way<'p> {
    /// The tensors of the last level, after going as deep as known keys lead to tensors.
    fn descend<'a>(&mut self, pickle: &'p Pickle<'a>) -> Result<Option<BTreeMap<&'a str, TensorView<'a>>>, String> {
        let Some(level) = self.levels.last().copied() else { return Ok(None) };
        let looks = level.len().saturating_mul(NESTINGS.len() + 1);
        self.pairs = self.pairs.checked_sub(looks).ok_or("its dicts name the same lists so often that none ends")?;
        let deepest = self.nesting.len() >= MOST_NESTINGS;
        for nesting in NESTINGS.into_iter().filter(|_| !deepest) {
            let Some((_, value)) = level.iter(pickle).rev().find(|(key, _)| pickle.text(*key) == Some(nesting)) else {
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
        let found = tensors(pickle, level)?;
        Ok((!found.is_empty()).then_some(found))
    }
}

/// What a file without a state dict in a known place holds.
fn nothing(pickle: &Pickle<'_>, top: Pairs<'_>) -> String {
    // Not more keys are looked under, however many there are.
    let keys = |holds: &dyn Fn(ValueId) -> bool| -> String {
        let first = top.iter(pickle).take(MOST_PASSED_OVER);
        let held = first.filter(|(_, value)| holds(*value)).filter_map(|(key, _)| pickle.text(key));
        held.take(8).map(short).collect::<Vec<_>>().join(", ")
    };
    let with_tensors = keys(&|value| {
        let mut inner = pairs(pickle, value).into_iter().flat_map(|inner| inner.iter(pickle)).take(MOST_TOLD);
        inner.any(|(_, value)| matches!(tensor(pickle, value), Ok(Some(_))))
    });
    let mut told =
        format!("it holds no tensors, neither at the top level nor under {NESTINGS:?}; keys: [{}]", keys(&|_| true));
    if !with_tensors.is_empty() {
        told.push_str(&format!("; there are tensors under [{with_tensors}], a key that is not looked into"));
    }
    told
}

/// A text from the file, quoted, as a line can show it.
fn short(text: &str) -> String {
    format!("{:?}", text.chars().take(60).collect::<String>())
}

/// Everything beside the tensors on the way to them, as keys and phrases.
fn passed_over(pickle: &Pickle<'_>, way: &Way<'_>, taken: &BTreeMap<&str, TensorView<'_>>) -> Vec<PassedOver> {
    let mut found = Vec::new();
    for (depth, level) in way.levels.iter().enumerate() {
        for (key, value) in level.iter(pickle) {
            if found.len() >= MOST_PASSED_OVER {
                return found;
            }
            let name = pickle.text(key).unwrap_or("(no text)");
            let known = match way.nesting.get(depth) {
                Some(next) => *next == name,
                None => taken.contains_key(name),
            };
            if known {
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
fn stepped(pickle: &Pickle<'_>, level: Pairs<'_>, inner: Pairs<'_>) -> Option<BTreeSet<String>> {
    let under = |pairs: Pairs<'_>, keys: &[&str]| {
        pairs
            .iter(pickle)
            .find(|(key, _)| pickle.text(*key).is_some_and(|key| keys.contains(&key)))
            .map(|(_, value)| value)
    };
    let optimiser = pairs(pickle, under(level, &OPTIMISERS)?)?;
    let state = pairs(pickle, under(optimiser, &["state"])?)?;
    let is_buffer =
        |name: &str| ["running_mean", "running_var", "num_batches_tracked"].iter().any(|b| name.ends_with(b));
    let names = inner.iter(pickle).filter_map(|(key, _)| pickle.text(key));
    let parameters: Vec<&str> = names.filter(|name| name.len() <= LONGEST_NAME && !is_buffer(name)).collect();
    let names = state.iter(pickle).map(|(key, _)| parameters.get(pickle.size(key)?).copied());
    // Old optimisers have addresses for keys, and an optimiser that never made a step tells nothing. A name becomes a text of its
    // own only once.
    let names = names.collect::<Option<BTreeSet<&str>>>().filter(|names| !names.is_empty())?;
    Some(names.into_iter().map(str::to_owned).collect())
}

/// Key and value pairs of a dict or OrderedDict, where they lie: one list may belong to many dicts.
#[derive(Clone, Copy, Debug, Default)]
struct Pairs<'p> {
    /// What the constructor was given, each a list or tuple of two. Python 2 writes `OrderedDict([[key, value], ...])`.
    given: &'p [ValueId],
    /// What was stored afterwards.
    items: &'p [(ValueId, ValueId)],
}

impl<'p> Pairs<'p> {
    fn len(&self) -> usize {
        self.given.len() + self.items.len()
    }

    /// In the order of insertion.
    fn iter(self, pickle: &'p Pickle<'_>) -> impl DoubleEndedIterator<Item = (ValueId, ValueId)> {
        let given = self.given.iter().filter_map(move |&pair| match elements(pickle, pair) {
            [key, value] => Some((*key, *value)),
            _ => None,
        });
        given.chain(self.items.iter().copied())
    }
}

/// Key and value pairs of a dict or OrderedDict.
fn pairs<'p>(pickle: &'p Pickle<'_>, id: ValueId) -> Option<Pairs<'p>> {
    match &pickle[id] {
        Value::Dict(items) => Some(Pairs { given: &[], items }),
        Value::Object { callable, arguments, items, .. } => {
            if pickle.global(*callable)? != ("collections", "OrderedDict") {
                return None;
            }
            let given = pickle.tuple(*arguments)?.first().map(|&list| elements(pickle, list)).unwrap_or_default();
            Some(Pairs { given, items })
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
fn tensors<'a>(pickle: &Pickle<'a>, pairs: Pairs<'_>) -> Result<BTreeMap<&'a str, TensorView<'a>>, String> {
    let mut found = BTreeMap::new();
    for (key, value) in pairs.iter(pickle) {
        let Some(name) = pickle.text(key) else { continue };
        if let Some(tensor) = tensor(pickle, value).map_err(|reason| format!("tensor {}: {reason}", short(name)))? {
            if name.len() > LONGEST_NAME {
                return Err(format!(
                    "the name of tensor {} takes {} bytes, at most {LONGEST_NAME} are read",
                    short(name),
                    name.len()
                ));
            }
            found.insert(name, tensor);
        }
    }
    Ok(found)
}
