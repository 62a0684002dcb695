//! The settings of experiments side by side.

use crate::train::Experiment;
use crate::{Result, TrainerError};

/// A setting and its value in each run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `table.key`, as in an experiment file.
    pub key: String,
    /// Its value in each experiment; "not set" where it has none.
    pub values: Vec<String>,
}

impl Setting {
    /// Whether the experiments differ in it.
    pub fn differs(&self) -> bool {
        self.values.windows(2).any(|pair| pair[0] != pair[1])
    }
}

/// Every setting of `experiments`, sorted by key.
///
/// # Errors
/// Setting for an experiment that TOML cannot hold.
pub fn settings(experiments: &[&Experiment]) -> Result<Vec<Setting>> {
    let mut all: Vec<Setting> = Vec::new();
    for (place, experiment) in experiments.iter().enumerate() {
        let table =
            toml::Table::try_from(*experiment).map_err(|e| TrainerError::setting("experiment", e.to_string()))?;
        let mut rows = Vec::new();
        flatten("", &table, &mut rows);
        for (key, value) in rows {
            let at = all.iter().position(|setting| setting.key == key).unwrap_or_else(|| {
                all.push(Setting { key, values: vec!["not set".into(); experiments.len()] });
                all.len() - 1
            });
            if let Some(cell) = all.get_mut(at).and_then(|setting| setting.values.get_mut(place)) {
                *cell = value;
            }
        }
    }
    all.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(all)
}

fn flatten(prefix: &str, table: &toml::Table, rows: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, rows),
            toml::Value::String(text) => rows.push((key, text.clone())),
            value => rows.push((key, value.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_stand_side_by_side() {
        let full = Experiment::default();
        let other = Experiment { data: Some("a/store".into()), ..Experiment::default() }
            .with_settings(&["objective.rnc=0.0".into(), "network.mia=\"off\"".into()])
            .unwrap();
        let all = settings(&[&full, &other]).unwrap();
        let find = |key: &str| all.iter().find(|setting| setting.key == key).unwrap();
        assert_eq!(find("objective.rnc").values, ["0.5", "0.0"]);
        assert_eq!(find("network.mia").values, ["on", "off"]);
        assert_eq!(find("data").values, ["not set", "a/store"]);
        assert_eq!(find("training.seeds").values, ["[42]", "[42]"]);
        let differing: Vec<&str> = all.iter().filter(|s| s.differs()).map(|s| s.key.as_str()).collect();
        assert_eq!(differing, ["data", "network.mia", "objective.rnc"]);
    }
}
