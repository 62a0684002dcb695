//! Every key of the configuration, from the one place where each is described: the doc comments of its type.

use schemars::schema_for;
use serde_json::Value;

use super::Config;

/// A key with its description.
pub(super) struct Key {
    pub(super) name: String,
    pub(super) description: String,
    /// The keys of the table that it is; empty for a value.
    pub(super) keys: Vec<Key>,
}

/// The JSON schema of the configuration.
pub(super) fn schema() -> Value {
    schema_for!(Config).to_value()
}

/// All keys, in the order of their definition where the schema keeps it.
pub(super) fn keys() -> Vec<Key> {
    let schema = schema();
    keys_of(&schema, &schema)
}

fn keys_of(table: &Value, whole: &Value) -> Vec<Key> {
    let Some(properties) = table.get("properties").and_then(Value::as_object) else { return Vec::new() };
    properties
        .iter()
        .map(|(name, property)| {
            let target =
                property.get("$ref").and_then(Value::as_str).and_then(|r| whole.pointer(r.trim_start_matches('#')));
            let describe = |v: &Value| v.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
            let keys = target.map(|t| keys_of(t, whole)).unwrap_or_default();
            Key { name: name.clone(), description: describe(property), keys }
        })
        .collect()
}

/// The known name that `wrong` is most like, if it is like one at all.
pub(super) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len().max(wrong.len()) / 4)
        .map(|(_, name)| name)
}
