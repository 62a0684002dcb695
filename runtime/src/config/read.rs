//! Reading a configuration file, and errors that say what to write instead.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mien_capture::regular;

use super::Config;
use super::keys::{Key, keys, nearest};
use crate::{Result, RuntimeError};

/// A larger file is no configuration.
const LARGEST: u64 = 1 << 20;

impl Config {
    /// Reads and checks the file at `path`. Relative paths in it start at its folder.
    ///
    /// # Errors
    /// [`RuntimeError::Config`] naming the file, the line, the key and the nearest known key.
    pub fn read(path: &Path) -> Result<Self> {
        let error = |reason: String| RuntimeError::Config { path: path.into(), reason };
        let unreadable = |e: std::io::Error| error(format!("cannot read it: {e}; check the path and its permissions"));
        let bytes = regular::read(path, LARGEST).map_err(|e| match e.kind() {
            ErrorKind::InvalidInput | ErrorKind::FileTooLarge => error(format!("{e}; is this a configuration?")),
            _ => unreadable(e),
        })?;
        let text = String::from_utf8(bytes).map_err(|e| {
            error(format!("byte {} is not UTF-8; save the file as UTF-8", e.utf8_error().valid_up_to()))
        })?;
        let mut config = Self::parse(&text, path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.bundle = config.bundle.map(|p| folder.join(p));
        config.control.socket = config.control.socket.map(|p| folder.join(p));
        for device in [&mut config.microphone.device, &mut config.camera.device] {
            if let Some(file) = device.strip_prefix("file:") {
                *device = format!("file:{}", folder.join(PathBuf::from(file)).display());
            }
        }
        Ok(config)
    }

    /// Reads and checks `text`; `path` is for messages.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let error = |reason: String| RuntimeError::Config { path: path.into(), reason };
        let malformed = |e: toml::de::Error| {
            let line = e.span().map_or(String::new(), |span| format!("line {}: ", line_of(text, span.start)));
            error(format!("{line}{}; see `mien config default`", e.message().replace('\n', " ")))
        };
        let table: toml::Table = toml::from_str(text).map_err(malformed)?;
        if let Some((name, known)) = unknown(&table, &keys(), "") {
            let key = name.rsplit('.').next().unwrap_or(&name);
            let at = find_line(text, &name).map_or(String::new(), |line| format!("line {line}: "));
            let hint = match nearest(key, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known are {}", known.join(", ")),
            };
            return Err(error(format!("{at}{name}: unknown key; {hint}")));
        }
        let config: Self = toml::from_str(text).map_err(malformed)?;
        config.values().map_err(|(key, reason)| {
            let at = find_line(text, &key).map_or(String::new(), |line| format!("line {line}: "));
            error(format!("{at}{key}: {reason}"))
        })?;
        Ok(config)
    }
}

/// The first key that is not known, with the keys that its table has.
fn unknown(table: &toml::Table, known: &[Key], path: &str) -> Option<(String, Vec<String>)> {
    table.iter().find_map(|(name, value)| {
        let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (known.iter().find(|k| k.name == *name), value) {
            (None, _) => Some((full, known.iter().map(|k| k.name.clone()).collect())),
            (Some(key), toml::Value::Table(inner)) if !key.keys.is_empty() => unknown(inner, &key.keys, &full),
            (Some(_), _) => None,
        }
    })
}

fn line_of(text: &str, byte: usize) -> usize {
    text.get(..byte).unwrap_or(text).matches('\n').count() + 1
}

/// The line of a dotted key, if it is written in the usual way: `[table]`, then `key = value`.
fn find_line(text: &str, dotted: &str) -> Option<usize> {
    let mut table = String::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            table = header.split(']').next().unwrap_or_default().trim().to_owned();
            if table == dotted {
                return Some(index + 1);
            }
        } else if let Some((key, _)) = line.split_once('=') {
            let key = key.trim().trim_matches('"');
            let full = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
            if full == dotted {
                return Some(index + 1);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rung::Rung;

    fn fault(text: &str) -> String {
        Config::parse(text, Path::new("mien.toml")).unwrap_err().to_string()
    }

    #[test]
    fn a_slip_in_any_key_names_that_key() {
        let mut tried = 0;
        for key in keys() {
            let inner: Vec<(Option<&str>, &str)> =
                key.keys.iter().map(|k| (Some(key.name.as_str()), k.name.as_str())).collect();
            for (table, name) in inner.into_iter().chain([(None, key.name.as_str())]) {
                // Each letter left out in turn.
                for index in 0..name.len() {
                    let mut slip = name.to_owned();
                    slip.remove(index);
                    let text = match table {
                        Some(table) => format!("\n[{table}]\n{slip} = 1\n"),
                        None => format!("\n\n{slip} = 1\n"),
                    };
                    let known: Vec<&str> = match table {
                        Some(_) => key.keys.iter().map(|k| k.name.as_str()).collect(),
                        None => Vec::new(),
                    };
                    if slip.is_empty() || known.contains(&slip.as_str()) {
                        continue;
                    }
                    let told = fault(&text);
                    assert!(
                        told.contains("line 3: ") && told.contains(&format!("did you mean {name}?")),
                        "{slip}: {told}"
                    );
                    tried += 1;
                }
            }
        }
        assert!(tried > 200, "{tried}");
    }

    #[test]
    fn layers_for_a_gpu_reach_the_scorer_and_a_written_file() {
        let parse = |text: &str| Config::parse(text, Path::new("mien.toml")).unwrap();
        assert_eq!(parse("").scorer_settings(Rung::Full).gpu_layers, 0);
        for layers in [0, 1, 33, 1000] {
            let config = parse(&format!("[llm]\ngpu_layers = {layers}\n"));
            assert_eq!(config.scorer_settings(Rung::Full).gpu_layers, layers);
            assert_eq!(parse(&toml::to_string(&config).unwrap()), config);
        }
    }

    #[test]
    fn wrong_types_values_and_files_are_told() {
        assert!(fault("[llm]\nwaiting_s = \"long\"").contains("line 2"), "{}", fault("[llm]\nwaiting_s = \"long\""));
        assert!(fault("[llm]\nwaiting_s = -1").contains("line 2: llm.waiting_s: -1"));
        assert!(fault("[llm]\ngpu_layers = 1001").contains("line 2: llm.gpu_layers: 1001, expected 0 to 1000"));
        assert!(fault("[llm]\ngpu_layers = -1").contains("line 2"));
        assert!(fault("[llm]\ngpu_layers = \"all\"").contains("line 2"));
        assert!(fault("[camera]\nwidth = 3").contains("camera.width"));
        assert!(fault("[speech]\nenter = 0.3").contains("speech.leave"));
        assert!(fault("[microphone]\nenabled = false\n[camera]\nenabled = false").contains("both"));
        assert!(fault("[engine]\nrung = \"high\"").contains("line 2"), "{}", fault("[engine]\nrung = \"high\""));
        assert!(fault("[llm]\nenabled = false\n[engine]\nrung = \"full\"").contains("line 4: engine.rung: full has"));
        assert!(fault("[microphone]\nenabled = false\n[engine]\nrung = \"audio-only\"").contains("opens no camera"));
        assert!(fault("[microphone").contains("line 1"));
        assert!(fault("[microphone]\nno_samples_s = nan").contains("no_samples_s"));
        let missing = Config::read(Path::new("/does/not/exist.toml")).unwrap_err();
        assert!(missing.to_string().contains("/does/not/exist.toml") && missing.exit_code() == 3);
    }
}
