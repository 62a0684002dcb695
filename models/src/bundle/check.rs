//! Rules that a manifest's values must keep with each other.

use std::collections::HashSet;
use std::path::Path;

use super::entry::Role;
use super::locate::Step;
use super::manifest::{Manifest, SCHEMA};
use crate::ModelError;
use crate::llama::LayerSet;

/// The modes of a score: which of sound, text (real or simulated) and face took part.
pub const MODES: [&str; 11] = [
    "audio",
    "text",
    "face",
    "simulated",
    "audio+text",
    "audio+face",
    "audio+simulated",
    "text+face",
    "simulated+face",
    "audio+text+face",
    "audio+simulated+face",
];

/// Longest statement, name or version, in characters.
const LONGEST_LINE: usize = 500;
/// Most tokens that may be asked for at a time: the longest sequence of the published language model.
const MOST_NEW_TOKENS: usize = 4096;
/// Largest half width of an interval: the whole range of a valence.
const WIDEST_HALF: f32 = 6.0;
/// Shortest and longest utterance that can be asked for, seconds: at true size each of WavLM's attention arrays takes 0.6 GB there.
const LONGEST_UTTERANCE_S: std::ops::RangeInclusive<f64> = 1.0..=60.0;

/// One step of the way to a value.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Key(&'static str),
    Named(String),
    Member(usize),
}

impl Place {
    pub(super) fn step(&self) -> Step<'_> {
        match self {
            Self::Key(key) => Step::Key(key),
            Self::Named(key) => Step::Key(key),
            Self::Member(index) => Step::Member(*index),
        }
    }
}

/// A place as people write it: `file[2].path`.
pub(super) fn dotted(place: &[Place]) -> String {
    let mut text = String::new();
    for step in place {
        match step.step() {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.push_str(&format!(".{key}")),
            Step::Member(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

type Fault = (Vec<Place>, String);

/// The first rule that `manifest` breaks: where, and what was expected and found.
pub(super) fn fault(manifest: &Manifest) -> Option<Fault> {
    check(manifest).err()
}

fn check(m: &Manifest) -> Result<(), Fault> {
    equal(&["schema"], SCHEMA, m.schema)?;
    for (key, text) in [("name", &m.name), ("version", &m.version), ("created_by", &m.created_by)] {
        line(&place(&[key]), text, 1)?;
    }
    line(&place(&["statement"]), &m.statement, if m.trained { 0 } else { 1 })?;
    sizes(m)?;
    method(m)?;
    equal(&["audio", "sample_rate"], 16_000, m.audio.sample_rate)?;
    let longest = m.audio.longest_utterance_s;
    ensure(LONGEST_UTTERANCE_S.contains(&longest), &["audio", "longest_utterance_s"], || {
        let (least, most) = (LONGEST_UTTERANCE_S.start(), LONGEST_UTTERANCE_S.end());
        format!("expected {least} to {most} seconds, found {longest}")
    })?;
    network(&["face", "finder"], m.face.finder.validate())?;
    network(&["face", "track"], m.face.track.validate())?;
    network(&["face", "crop"], m.face.crop.validate())?;
    equal_presence(&["memory", "with_llm"], m.llm.is_some(), m.memory.with_llm.is_some())?;
    let (part, whole) = (m.memory.audio_only.unwrap_or(0), m.memory.without_llm);
    ensure(part <= whole, &["memory", "audio_only"], || {
        format!("expected at most {whole}, what is needed without the language model, found {part}")
    })?;
    measurements(m)?;
    files(m)
}

/// Every network by itself, and the widths at which they meet.
fn sizes(m: &Manifest) -> Result<(), Fault> {
    network(&["wavlm"], m.wavlm.validate())?;
    network(&["manet"], m.manet.validate())?;
    network(&["projector"], m.projector.validate())?;
    network(&["fusion"], m.fusion.validate())?;
    let meets = |place: &[&'static str], whose: &str, expected: usize, found: usize| {
        ensure(expected == found, place, || format!("expected {expected}, the {whose}, found {found}"))
    };
    meets(&["fusion", "audio"], "width of WavLM", m.wavlm.hidden, m.fusion.audio)?;
    meets(&["fusion", "video"], "width of MA-Net's embedding", m.manet.embedding(), m.fusion.video)?;
    meets(&["projector", "encoder_width"], "width of WavLM", m.wavlm.hidden, m.projector.encoder_width)?;
    meets(&["projector", "llm_width"], "fusion's text width", m.fusion.text, m.projector.llm_width)?;
    if let Some(llm) = &m.llm {
        meets(&["llm", "embedding_length"], "fusion's text width", m.fusion.text, llm.embedding_length)?;
        for (key, size) in
            [("block_count", llm.block_count), ("vocab_size", llm.vocab_size), ("context_length", llm.context_length)]
        {
            ensure(size > 0, &["llm", key], || "expected at least 1, found 0".into())?;
        }
    }
    Ok(())
}

fn method(m: &Manifest) -> Result<(), Fault> {
    let method = &m.method;
    ensure(method.audio_layer <= m.wavlm.layers, &["method", "audio_layer"], || {
        format!("expected 0 to {}, WavLM's blocks, found {}", m.wavlm.layers, method.audio_layer)
    })?;
    // Without a language model the indices are kept for one that may be added; only its depth is not known.
    let blocks = m.llm.as_ref().map_or(512, |llm| llm.block_count);
    for (key, layers) in [("text_layers", &method.text_layers), ("simulated_layers", &method.simulated_layers)] {
        network(&["method", key], LayerSet::of(layers.iter().copied(), blocks).map(|_| ()))?;
    }
    check_prompt(&method.prompt).map_err(|reason| (place(&["method", "prompt"]), reason))?;
    equal(&["method", "beams"], 1, method.beams)?;
    ensure((1..=MOST_NEW_TOKENS).contains(&method.max_new_tokens), &["method", "max_new_tokens"], || {
        format!("expected 1 to {MOST_NEW_TOKENS}, found {}", method.max_new_tokens)
    })
}

/// Whether a bundle may ask its language model with `prompt`.
///
/// # Errors
/// Expected and found, for no text or one that a terminal would not show as it is. Line ends are allowed: it is the one text of
/// a manifest that may have several lines.
pub fn check_prompt(prompt: &str) -> Result<(), String> {
    if prompt.trim().is_empty() {
        return Err("expected a text, found none".into());
    }
    match prompt.chars().find(|c| *c != '\n' && deceives(*c)) {
        None => Ok(()),
        Some(hidden) => Err(format!("expected no control characters but line ends, found {hidden:?}")),
    }
}

fn measurements(m: &Manifest) -> Result<(), Fault> {
    let known = |place: &[Place], mode: &str| {
        if MODES.contains(&mode) {
            Ok(())
        } else {
            Err((place.to_vec(), format!("expected one of {MODES:?}, found {mode:?}")))
        }
    };
    for (mode, half) in &m.interval90 {
        let place = [Place::Key("interval90"), Place::Named(mode.clone())];
        known(&place, mode)?;
        if !(*half > 0.0 && *half <= WIDEST_HALF) {
            return Err((place.to_vec(), format!("expected a number above 0 up to {WIDEST_HALF}, found {half}")));
        }
    }
    for (i, metric) in m.metrics.iter().enumerate() {
        let place = |key| [Place::Key("metric"), Place::Member(i), Place::Key(key)];
        line(&place("protocol"), &metric.protocol, 1)?;
        known(&place("mode"), &metric.mode)?;
        if !(metric.mae.is_finite() && metric.mae >= 0.0) {
            return Err((place("mae").to_vec(), format!("expected a number from 0, found {}", metric.mae)));
        }
    }
    Ok(())
}

/// Every needed role once, no path twice, no absolute path but the language model's.
fn files(m: &Manifest) -> Result<(), Fault> {
    let (mut roles, mut paths) = (HashSet::new(), HashSet::new());
    for (i, file) in m.files.iter().enumerate() {
        for (key, text) in [("licence", &file.licence), ("source", &file.source)] {
            line(&[Place::Key("file"), Place::Member(i), Place::Key(key)], text, 1)?;
        }
        let at = |key, reason: String| Err((vec![Place::Key("file"), Place::Member(i), Place::Key(key)], reason));
        if !roles.insert(file.role) && file.role != Role::Licence {
            return at("role", format!("expected each role once, found {} again", file.role));
        }
        if !paths.insert(&file.path) {
            return at("path", format!("expected each path once, found {:?} again", file.path.as_str()));
        }
        if file.path.is_external() && file.role != Role::Llm {
            return at("path", format!("expected a path below the bundle's folder, found {:?}", file.path.as_str()));
        }
    }
    for role in Role::REQUIRED {
        ensure(roles.contains(&role), &["file"], || format!("expected a file of role {role}, found none"))?;
    }
    // A graph names its weights by their file's name; only the one that is held against a digest may be read.
    for (graph, weights) in Role::WEIGHTED {
        let path = |role: Role| m.files.iter().position(|f| f.role == role).map(|i| (i, m.files[i].path.as_str()));
        if let (Some((_, graph)), Some((i, found))) = (path(graph), path(weights)) {
            let expected = Path::new(graph).with_extension("weights");
            if Path::new(found) != expected {
                let reason =
                    format!("expected {:?}, the name that its graph gives, found {found:?}", expected.display());
                return Err((vec![Place::Key("file"), Place::Member(i), Place::Key("path")], reason));
            }
        }
    }
    let llm = roles.contains(&Role::Llm);
    ensure(llm == m.llm.is_some(), &["llm"], || {
        let words = |there| if there { "one" } else { "none" };
        format!(
            "expected the table and a file of role llm or neither, found {} and {}",
            words(m.llm.is_some()),
            words(llm)
        )
    })
}

fn place(keys: &[&'static str]) -> Vec<Place> {
    keys.iter().map(|key| Place::Key(key)).collect()
}

fn ensure(holds: bool, keys: &[&'static str], reason: impl FnOnce() -> String) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err((place(keys), reason())) }
}

fn equal(keys: &[&'static str], expected: u32, found: u32) -> Result<(), Fault> {
    ensure(expected == found, keys, || format!("expected {expected}, found {found}"))
}

fn equal_presence(keys: &[&'static str], expected: bool, found: bool) -> Result<(), Fault> {
    let words = |there| if there { "a value" } else { "none" };
    ensure(expected == found, keys, || format!("expected {}, found {}", words(expected), words(found)))
}

/// A single line of at least `least` characters that shows on a terminal as it is.
fn line(place: &[Place], text: &str, least: usize) -> Result<(), Fault> {
    let count = text.trim().chars().count();
    if (least..=LONGEST_LINE).contains(&count) && !text.chars().any(deceives) {
        return Ok(());
    }
    let found: String = text.chars().take(60).collect();
    let reason = format!(
        "expected one line of {least} to {LONGEST_LINE} characters, none of them a control character, found {count}: \
         {found:?}"
    );
    Err((place.to_vec(), reason))
}

/// Whether a terminal would show something else than the text: control characters, line separators, and marks that turn
/// the direction of writing.
pub(super) fn deceives(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A network's own verdict on its sizes.
fn network(keys: &[&'static str], verdict: crate::Result<()>) -> Result<(), Fault> {
    verdict.map_err(|e| {
        let reason = match e {
            ModelError::Config { what, reason } => format!("{what}: {reason}"),
            other => other.to_string(),
        };
        (place(keys), reason)
    })
}
