//! The default configuration as a file with comments, and the schema.

use std::fmt::Write;

use super::Config;
use super::keys::{keys, schema};

impl Config {
    /// The defaults as TOML, each setting with what it means; settings without a default are commented out.
    pub fn default_text() -> String {
        let table = toml::Table::try_from(Self::default()).unwrap_or_default();
        let mut out = String::from("# Settings of `mien run`. Every line may be left out.\n");
        let (tables, values): (Vec<_>, Vec<_>) = keys().into_iter().partition(|key| !key.keys.is_empty());
        let setting = |out: &mut String, name: &str, description: &str, value: Option<&toml::Value>| {
            for line in description.lines() {
                let _ = writeln!(out, "# {line}");
            }
            let _ = match value {
                Some(value) => writeln!(out, "{name} = {value}"),
                None => writeln!(out, "# {name} ="),
            };
        };
        for key in values {
            out.push('\n');
            setting(&mut out, &key.name, &key.description, table.get(&key.name));
        }
        for key in tables {
            let _ = writeln!(out, "\n# {}\n[{}]", key.description, key.name);
            let inner = table.get(&key.name).and_then(toml::Value::as_table);
            for setting_key in key.keys {
                let value = inner.and_then(|t| t.get(&setting_key.name));
                setting(&mut out, &setting_key.name, &setting_key.description, value);
            }
        }
        out
    }

    /// The JSON schema of the configuration.
    pub fn schema() -> serde_json::Value {
        schema()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_default_file_is_the_default_and_shows_every_setting() {
        let text = Config::default_text();
        assert_eq!(Config::parse(&text, Path::new("default")).unwrap(), Config::default(), "{text}");
        for key in keys() {
            for inner in &key.keys {
                assert!(text.contains(&format!("{} =", inner.name)), "{}.{} is missing", key.name, inner.name);
                assert!(!inner.description.is_empty(), "{}.{} is not described", key.name, inner.name);
            }
        }
    }
}
