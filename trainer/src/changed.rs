//! What differs between settings that were saved and settings of now.

use serde::Serialize;

/// A setting's dotted key, its value here and its value there.
pub(crate) type Change = (String, String, String);

/// The first setting in which `a` and `b` differ, as they would stand in a TOML file.
pub(crate) fn first<T: Serialize>(a: &T, b: &T) -> Option<Change> {
    let [a, b] = [a, b].map(|settings| toml::Value::try_from(settings).unwrap_or(toml::Value::Boolean(false)));
    difference("", Some(&a), Some(&b))
}

fn difference(key: &str, a: Option<&toml::Value>, b: Option<&toml::Value>) -> Option<Change> {
    if let (Some(toml::Value::Table(a)), Some(toml::Value::Table(b))) = (a, b) {
        let keys = a.keys().chain(b.keys().filter(|k| !a.contains_key(*k)));
        let full = |k: &String| if key.is_empty() { k.clone() } else { format!("{key}.{k}") };
        return keys.into_iter().find_map(|k| difference(&full(k), a.get(k), b.get(k)));
    }
    let shown = |v: Option<&toml::Value>| v.map_or("not set".into(), ToString::to_string);
    (a != b).then(|| (key.to_owned(), shown(a), shown(b)))
}
