//! Parts removed from a config, and parts read to be copied elsewhere. All other fields stay as written.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::new_config::wrong;
use super::{NewConfig, aligned_history, fields};
use crate::error::Result;

impl NewConfig {
    /// Removes the entries of the history that belong to these of so many layers, by position from 0.
    ///
    /// # Errors
    /// `Schema` if the history is not a list.
    pub fn unset_history(&mut self, layers: usize, dropped: &BTreeSet<usize>) -> Result<()> {
        let mut history = self.history()?;
        let are_empty: Vec<bool> = history.iter().map(is_empty).collect();
        let steps = aligned_history(&are_empty, layers);
        let dropped = steps.filter(|(_, layer)| layer.is_some_and(|at| dropped.contains(&at)));
        let dropped: BTreeSet<usize> = dropped.filter_map(|(entry, _)| entry).collect();
        if !dropped.is_empty() {
            let mut at = 0..;
            history.retain(|_| at.next().is_none_or(|at| !dropped.contains(&at)));
            self.set("history", history.into());
        }
        Ok(())
    }

    /// Commands of the layers' entries in the history, each with the position of its layer from 0, for so many layers.
    ///
    /// # Errors
    /// `Schema` if the history is not a list.
    pub fn layer_commands(&self, layers: usize) -> Result<Vec<(usize, String)>> {
        let history = self.history()?;
        let are_empty: Vec<bool> = history.iter().map(is_empty).collect();
        let commands = aligned_history(&are_empty, layers).filter_map(|(entry, layer)| {
            let command = fields::of(history.get(entry?)?, "created_by")?.as_str()?;
            Some((layer?, command.to_owned()))
        });
        Ok(commands.collect())
    }

    /// Removes a field of the document. Returns true if it was there.
    pub fn unset(&mut self, field: &str) -> bool {
        let was_there = self.get(field).is_some();
        self.remove(field);
        was_there
    }

    /// Removes a field of `config`. Returns true if it was there.
    pub fn unset_run(&mut self, field: &str) -> bool {
        let Some(Value::Object(config)) = fields::get_mut(&mut self.document, "config") else {
            return false;
        };
        let was_there = fields::get(config, field).is_some_and(|value| !value.is_null());
        if was_there {
            fields::remove(config, field);
        }
        was_there
    }

    /// Removes entries from a field of `config`: pairs from a map by their keys, variables from a list by their names.
    /// A field without further entries is removed. Returns the number of removed entries.
    ///
    /// # Errors
    /// `Schema` for a field of another type.
    pub fn unset_entries(&mut self, field: &str, matches: impl Fn(&str) -> bool) -> Result<usize> {
        let Some(Value::Object(config)) = fields::get_mut(&mut self.document, "config") else {
            return Ok(0);
        };
        let (removed, is_empty) = match fields::get_mut(config, field) {
            None | Some(Value::Null) => return Ok(0),
            Some(Value::Object(map)) => {
                let count = map.len();
                map.retain(|key, _| !matches(key));
                (count - map.len(), map.is_empty())
            }
            Some(Value::Array(list)) => {
                let count = list.len();
                let name = |text: &str| text.split('=').next().is_some_and(&matches);
                list.retain(|item| !item.as_str().is_some_and(name));
                (count - list.len(), list.is_empty())
            }
            Some(other) => {
                return Err(wrong(
                    &format!("config.{field}"),
                    "a list or an object",
                    other,
                ));
            }
        };
        if is_empty && removed > 0 {
            fields::remove(config, field);
        }
        Ok(removed)
    }

    /// Returns the labels in the order of the document; values that are no texts are left out.
    pub fn labels(&self) -> Vec<(String, String)> {
        let labels = || -> Option<&Map<String, Value>> {
            let config = self.get("config")?.as_object()?;
            fields::get(config, "Labels")?.as_object()
        };
        let text =
            |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
        labels().into_iter().flatten().filter_map(text).collect()
    }
}

fn is_empty(entry: &Value) -> bool {
    fields::of(entry, "empty_layer") == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_removed_and_the_rest_stays() {
        let text = br#"{"config":{"Env":["A=1","AB=2","B"],"Labels":{"x":"1","y":"2"},"z":1.50},"rootfs":{"type":"layers","diff_ids":[]},"q":{}}"#;
        let mut config = NewConfig::like(text).expect("a config");
        assert_eq!(config.labels().len(), 2);
        let removed = config.unset_entries("Env", |name| name == "A" || name == "B");
        assert_eq!(removed.expect("a list"), 2);
        assert_eq!(config.unset_entries("Labels", |_| true).expect("a map"), 2);
        assert_eq!(config.unset_entries("Volumes", |_| true).expect("none"), 0);
        assert!(config.unset_entries("z", |_| true).is_err());
        assert!(!config.unset_run("Cmd") && config.unset("q"));
        let expected =
            r#"{"config":{"Env":["AB=2"],"z":1.50},"rootfs":{"type":"layers","diff_ids":[]}}"#;
        assert_eq!(String::from_utf8(config.bytes()).expect("UTF-8"), expected);
    }
}
