//! Whether the bundle is what its manifest says, and whether it can do what is configured.

use std::path::Path;

use mien_models::bundle::Manifest;

use super::{CONFIG, Finding};
use crate::RuntimeError;
use crate::config::Config;
use crate::default_bundle::{VARIABLE, choose};
use crate::scorer::BundleFacts;

/// Opens and verifies the bundle; its manifest, if it is usable.
pub(super) fn examine(named: Option<&Path>, add: &mut dyn FnMut(Finding)) -> Option<Manifest> {
    let check = "bundle";
    let chosen = match choose(named) {
        Ok(chosen) => chosen,
        Err(error @ RuntimeError::Bundle(_)) => {
            let fix =
                "`mien bundle verify DIR` shows every file; install the bundle again, or name another one (--bundle)";
            add(Finding::failure(check, error.exit_code(), error.to_string(), fix));
            return None;
        }
        Err(error) => {
            add(Finding::error(check, &error));
            return None;
        }
    };
    let bundle = &chosen.bundle;
    let m = bundle.manifest();
    let digest: String = bundle.digest().chars().take(12).collect();
    let found = format!("{} {} (sha256 {digest}), {} files hold", m.name, m.version, m.files.len());
    add(match BundleFacts::of(bundle).statement() {
        None => Finding::ok(check, found),
        Some(statement) => {
            let found = format!("{found}; it says: {statement}");
            let fix = format!(
                "where that does not suffice, name another one: --bundle DIR, bundle in the configuration, or {VARIABLE}"
            );
            Finding::warning(check, found, fix)
        }
    });
    if !bundle.extra_files().is_empty() {
        let files: Vec<String> = bundle.extra_files().iter().take(3).map(|p| p.display().to_string()).collect();
        let found =
            format!("{} files that the manifest does not list: {}", bundle.extra_files().len(), files.join(", "));
        add(Finding::note("bundle files", found, "remove them; they are not used"));
    }
    Some(m.clone())
}

/// Whether the language model that is configured is there.
pub(super) fn examine_llm(manifest: &Manifest, config: &Config, add: &mut dyn FnMut(Finding)) {
    let check = "language model";
    if let Some(rung) = config.engine.rung.rung().filter(|rung| config.llm.enabled && !rung.has_llm()) {
        return add(Finding::ok(check, format!("left out: engine.rung = \"{rung}\"")));
    }
    add(match (&manifest.llm, config.llm.enabled) {
        (Some(llm), true) => {
            let found =
                format!("{} blocks of width {}, {} tokens", llm.block_count, llm.embedding_length, llm.vocab_size);
            Finding::ok(check, found)
        }
        (None, true) => {
            let found = format!("llm.enabled is true, and the bundle {} has no language model", manifest.name);
            Finding::failure(check, CONFIG, found, "set llm.enabled = false, or name another bundle")
        }
        (_, false) => Finding::ok(check, "switched off in the configuration"),
    });
}
