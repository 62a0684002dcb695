//! Names without what wrappers put into them: compiled, parallel, sharded and averaged models, and training frameworks.

use std::collections::{BTreeMap, BTreeSet};

use super::NamedTensors;
use crate::{ModelError, Result};

/// Parts of names that only wrappers write, wherever they stand: torch.compile, (Distributed)DataParallel and AveragedModel, FSDP,
/// activation checkpoints, Lightning Fabric and DeepSpeed. No network read here has a module of such a name.
const WRAPPERS: [&str; 5] =
    ["_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"];
/// The counter of AveragedModel, beside what it wraps.
const AVERAGED: &str = "n_averaged";

impl NamedTensors {
    /// The set with the parts of names taken off that wrappers put into them, in any order and depth and between the names' own parts;
    /// then the names that lie under the network's root without it. The root is what stands before one of `anchors`, names that
    /// every such network has, the first that is there: `model.`, `wavlm.`, whatever a training script called it.
    ///
    /// Names outside of the root keep theirs. [`NamedTensors::taken_off`] tells what was done.
    ///
    /// # Errors
    /// Config for two tensors that become one, and for two roots, naming both.
    pub fn unwrapped(self, anchors: &[&str]) -> Result<Self> {
        let mut counts = BTreeMap::new();
        let mut bare = self.renamed(|name| without_wrappers(name, &mut counts))?;
        if !counts.is_empty() && bare.shape(AVERAGED) == Some(&[]) {
            bare.retain(|name| name != AVERAGED);
        }
        let root = bare.root(anchors)?;
        let mut rooted = match root.as_str() {
            "" => bare,
            root => {
                let count = bare.names().filter(|name| name.starts_with(root)).count();
                counts.insert(root.to_owned(), count);
                bare.renamed(|name| name.strip_prefix(root).filter(|rest| !rest.is_empty()).map(str::to_owned))?
            }
        };
        for (part, count) in counts {
            *rooted.container.taken_off.entry(part).or_default() += count;
        }
        Ok(rooted)
    }

    /// As [`NamedTensors::unwrapped`], and without the tensors that are outside of the root, where there is one: heads, and
    /// other parts of a joint checkpoint.
    ///
    /// # Errors
    /// As [`NamedTensors::unwrapped`].
    pub fn unwrapped_alone(self, anchors: &[&str]) -> Result<Self> {
        let mut bare = self.unwrapped(&[])?;
        let root = bare.root(anchors)?;
        bare.retain(|name| name.starts_with(&root));
        bare.unwrapped(anchors)
    }

    /// What stands before the first of `anchors` that is there: nothing, or parts of a name with their dots.
    fn root(&self, anchors: &[&str]) -> Result<String> {
        for anchor in anchors {
            let before = |name| str::strip_suffix(name, anchor).filter(|root| root.is_empty() || root.ends_with('.'));
            let mut roots = self.names().filter_map(before);
            match (roots.next(), roots.next()) {
                (None, _) => {}
                (Some(root), None) => return Ok(root.to_owned()),
                (Some(one), Some(other)) => {
                    let reason = format!(
                        "it holds two networks of this kind, {} and {}; save the one that is meant alone",
                        shown(&format!("{one}{anchor}")),
                        shown(&format!("{other}{anchor}"))
                    );
                    return Err(ModelError::Config { what: self.origin().into(), reason });
                }
            }
        }
        Ok(String::new())
    }

    /// The set with new names; a tensor for which `rename` gives none keeps its own.
    fn renamed(mut self, mut rename: impl FnMut(&str) -> Option<String>) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        for (name, mut entry) in std::mem::take(&mut self.tensors) {
            let new = rename(&name);
            if new.is_some() {
                entry.written.get_or_insert_with(|| name.clone());
            }
            let new = new.unwrap_or(name);
            let written = entry.written.clone();
            if let Some(other) = tensors.insert(new.clone(), entry) {
                let name = |written: Option<String>| shown(&written.unwrap_or_else(|| new.clone()));
                let reason = format!(
                    "the tensors {} and {} are both {} without what wrappers put into names; save the model's own state dict",
                    name(other.written),
                    name(written),
                    shown(&new)
                );
                return Err(ModelError::Config { what: self.origin().into(), reason });
            }
        }
        self.tensors = tensors;
        Ok(self)
    }

    /// The name that the tensor `name` has in its file: another where prefixes were taken off.
    pub fn written<'a>(&'a self, name: &'a str) -> &'a str {
        self.tensors.get(name).and_then(|entry| entry.written.as_deref()).unwrap_or(name)
    }

    /// What was taken off names, with its dot, and off how many.
    pub fn taken_off(&self) -> &BTreeMap<String, usize> {
        &self.container.taken_off
    }

    /// What was taken off names as a sentence; `None` where nothing was.
    pub fn taken_off_note(&self) -> Option<String> {
        let parts: BTreeSet<String> =
            self.taken_off().iter().map(|(part, count)| format!("{} off {count}", shown(part))).collect();
        let parts: Vec<String> = parts.into_iter().collect();
        (!parts.is_empty()).then(|| format!("prefixes of wrappers were taken off names: {}", parts.join(", ")))
    }
}

/// `name` without the parts that only wrappers write; `None` where it has none, or nothing else.
fn without_wrappers(name: &str, counts: &mut BTreeMap<String, usize>) -> Option<String> {
    let wraps = |part: &&str| WRAPPERS.contains(part);
    let kept: Vec<&str> = name.split('.').filter(|part| !wraps(part)).collect();
    if kept.is_empty() || kept.len() == name.split('.').count() {
        return None;
    }
    let found: BTreeSet<&str> = name.split('.').filter(wraps).collect();
    for part in found {
        *counts.entry(format!("{part}.")).or_default() += 1;
    }
    Some(kept.join("."))
}

/// A name from a file as a line can show it.
fn shown(name: &str) -> String {
    name.chars().take(120).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Tensor;
    use super::*;

    /// Each tensor holds its place in the list.
    fn set(names: &[&str]) -> NamedTensors {
        let tensor = |(at, name): (usize, &&str)| ((*name).to_owned(), Tensor::new([1], vec![at as f32]).unwrap());
        NamedTensors::from_tensors("a test", names.iter().enumerate().map(tensor).collect::<Vec<_>>())
    }

    fn value(tensors: &NamedTensors, name: &str) -> f32 {
        tensors.get(name, &[1]).unwrap()[0]
    }

    #[test]
    fn wrappers_go_in_any_order_and_anywhere() {
        for wrapped in [
            "a.0.w",
            "_orig_mod.a.0.w",
            "module.a.0.w",
            "module._orig_mod.a.0.w",
            "_orig_mod.module.a.0.w",
            "a._orig_mod.0.w",
            "a.module.0._orig_mod.w",
            "_forward_module.module.a.0.w",
            "_fsdp_wrapped_module.a._fsdp_wrapped_module._checkpoint_wrapped_module.0.w",
            "model.a.0.w",
            "module.model._orig_mod.a.0.w",
            "model.net.module.student.a.0.w",
        ] {
            let tensors = set(&[wrapped, "other.module_list.b"]).unwrapped(&["x.y", "a.0.w"]).unwrap();
            assert_eq!(value(&tensors, "a.0.w"), 0.0, "{wrapped}");
            assert!(tensors.contains("other.module_list.b"), "a part of a longer name stays");
            assert_eq!(tensors.written("a.0.w"), wrapped);
            assert_eq!(tensors.taken_off_note().is_none(), wrapped == "a.0.w");
            // What is outside of the network's root is another part's, and without a root nothing is known of it.
            let alone = set(&[wrapped, "other.b"]).unwrapped_alone(&["a.0.w"]).unwrap();
            assert_eq!(
                (value(&alone, "a.0.w"), alone.contains("other.b")),
                (0.0, !wrapped.contains("model.")),
                "{wrapped}"
            );
            // Doing it again changes nothing.
            let again = tensors.unwrapped(&["a.0.w"]).unwrap();
            assert_eq!(again.written("a.0.w"), wrapped);
        }
        let tensors = set(&["module._orig_mod.a", "module.b", "c"]).unwrapped(&[]).unwrap();
        assert_eq!(tensors.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        let told = tensors.taken_off_note().unwrap();
        assert!(told.contains("_orig_mod. off 1") && told.contains("module. off 2"), "{told}");
    }

    #[test]
    fn nothing_is_lost_and_nothing_is_guessed() {
        let error = set(&["module.a", "_orig_mod.a"]).unwrapped(&[]).unwrap_err().to_string();
        assert!(error.contains("module.a and") || error.contains("and module.a"), "{error}");
        assert!(error.contains("_orig_mod.a"), "{error}");
        let error = set(&["a", "module.a"]).unwrapped(&[]).unwrap_err().to_string();
        assert!(error.contains("module.a"), "{error}");
        let error = set(&["student.a.w", "teacher.a.w"]).unwrapped(&["a.w"]).unwrap_err().to_string();
        assert!(error.contains("student.a.w") && error.contains("teacher.a.w"), "{error}");
        // A name that is nothing but wrappers stays, and so does one that only ends like an anchor.
        let tensors = set(&["module", "ba.w"]).unwrapped(&["a.w"]).unwrap();
        assert_eq!(tensors.names().collect::<Vec<_>>(), ["ba.w", "module"]);
        let counter = Tensor::new([0usize; 0], vec![3.0]).unwrap();
        let averaged = NamedTensors::from_tensors(
            "a test",
            [(AVERAGED.to_owned(), counter), ("module.a".to_owned(), Tensor::new([1], vec![1.0]).unwrap())],
        );
        assert_eq!(averaged.unwrapped(&[]).unwrap().names().collect::<Vec<_>>(), ["a"]);
    }
}
