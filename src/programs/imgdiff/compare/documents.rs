//! Configs, manifests and histories, compared as documents.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::fields::{Field, Fields};
use super::side::{Facts, Side};
use crate::spec::{Digest, History, ImageConfig, fields, json, texts};

/// Notes of builders, which do not describe the image.
const NOTES: [&str; 12] = [
    "container",
    "container_config",
    "docker_version",
    "id",
    "parent",
    "config.Hostname",
    "config.Domainname",
    "config.Image",
    "config.AttachStdin",
    "config.AttachStdout",
    "config.AttachStderr",
    "moby.buildkit.buildinfo.v1",
];
/// Keys that hold only a time.
const TIMES: [&str; 2] = [
    "created",
    "manifest.annotations.org.opencontainers.image.created",
];
/// Depth to which objects are compared key by key; deeper values are compared as a whole.
const DEPTH: usize = 6;
/// Objects of fixed fields, of which each has a default: a field that is empty is one that is missing. In any other
/// object the key is said by somebody, and an empty value counts.
const STRUCTS: [&str; 4] = ["", "config", "config.Healthcheck", "manifest"];
/// Maps in which even null counts, because engines read it as the empty value: `{}` of a set, `""` of a text.
const MAPS: [&str; 5] = [
    "config.Env",
    "config.ExposedPorts",
    "config.Labels",
    "config.Volumes",
    "manifest.annotations",
];
/// A number that is not there is the default of ten seconds, and 0 is none.
const ZERO_COUNTS: &str = "config.StopTimeout";

/// A value of a document that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct DocChange {
    /// Path of the value, as `config.Env.PATH`.
    pub path: String,
    /// Old value; `None` if it was missing.
    pub old: Option<Value>,
    /// New value; `None` if it is missing.
    pub new: Option<Value>,
}

/// A step of a history that only one side has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepChange {
    /// True if only the second image has it.
    pub added: bool,
    /// Its position in the history, from 1.
    pub number: usize,
    /// The layer it made, 1 being the base.
    pub layer: Option<usize>,
    /// The step.
    pub step: History,
}

/// Place of a step in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number in the history, from 1; `None` for a layer that the history does not list.
    pub step: Option<usize>,
    /// Number of the layer that the step made, 1 being the base; `None` for a step without a layer.
    pub layer: Option<usize>,
}

/// A step of one of two images, or one that both have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairedStep {
    /// Place in the first image; `None` if only the second has the step.
    pub old: Option<Position>,
    /// Place in the second image; `None` if only the first has the step.
    pub new: Option<Position>,
    /// History entry, the first image's if both have one; `None` for a layer that the history does not list.
    pub history: Option<History>,
}

/// Returns the differences of two configs, and of the manifests except for their layers.
///
/// Unless `strict`, values that are empty, false, 0 or null count as missing where engines read them so, and notes
/// of builders are ignored. Where the key is the value (ports, volumes, labels, variables,
/// annotations) an empty value counts. Variables of the environment are compared by name. Times count with
/// [`Field::Mtime`].
pub fn config_changes(a: &Facts, b: &Facts, fields: Fields, strict: bool) -> Vec<DocChange> {
    let mut changes = Vec::new();
    // Fields that only one kind of archive can have are not differences of the images.
    let manifests = a.manifest.is_some() && b.manifest.is_some();
    let [old, new] = [a, b].map(|facts| document(facts, manifests, strict));
    collect(&old, &new, strict, &mut changes);
    changes.retain(|change| {
        let is_note = NOTES.iter().any(|name| is_within(&change.path, name));
        let is_time = TIMES.contains(&&*change.path);
        (strict || !is_note) && (fields.has(Field::Mtime) || !is_time)
    });
    for change in &mut changes {
        change.path = texts::spelled(&change.path).into_owned();
        for value in [&mut change.old, &mut change.new].into_iter().flatten() {
            *value = texts::spelled_value(value);
        }
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes
}

/// A config with the texts that are no valid Unicode told apart, as [`json::parse_exact`] does; others as they are read.
fn written(facts: &Facts) -> Option<Value> {
    let bytes = facts.config_bytes.as_deref()?;
    json::invalid_texts(bytes)?;
    json::parse_exact(bytes).ok()
}

/// Tests if the images state different creation times.
pub fn created_differs(a: &Facts, b: &Facts) -> bool {
    let steps = |facts: &Facts| -> Vec<Option<String>> {
        facts
            .config
            .history
            .iter()
            .map(|step| step.created.clone())
            .collect()
    };
    a.config.created != b.config.created || steps(a) != steps(b)
}

fn is_within(path: &str, name: &str) -> bool {
    path.strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The config without layers and history, its environment by name, and the manifest's own words.
fn document(facts: &Facts, manifests: bool, strict: bool) -> Value {
    let mut document = written(facts).unwrap_or_else(|| facts.config.document.clone());
    if let Value::Object(members) = &mut document {
        fields::rename(members, &fields::CONFIG_FIELDS);
        members.remove("rootfs");
        members.remove("history");
        if let Some(Value::Object(config)) = members.get_mut("config") {
            fields::rename(config, &fields::RUN_FIELDS);
            if let Some(Value::Object(check)) = config.get_mut("Healthcheck") {
                fields::rename(check, &fields::HEALTH_FIELDS);
            }
            if let Some(by_name) = config.get("Env").and_then(variables) {
                config.insert("Env".into(), by_name);
            }
        }
        if let Some(manifest) = facts.manifest.as_ref().filter(|_| manifests) {
            let mut own = Map::new();
            let annotations = manifest.annotations.iter();
            let annotations: Map<String, Value> = annotations
                .map(|(name, value)| (name.clone(), value.clone().into()))
                .collect();
            own.insert("annotations".into(), annotations.into());
            if strict {
                own.insert("mediaType".into(), manifest.media_type.as_str().into());
            }
            members.insert("manifest".into(), own.into());
        }
    }
    document
}

/// `["A=b"]` as `{"A": "b"}`, where no name comes twice.
fn variables(list: &Value) -> Option<Value> {
    let mut by_name = Map::new();
    for item in list.as_array()? {
        let (name, value) = item.as_str()?.split_once('=')?;
        if by_name.insert(name.to_owned(), value.into()).is_some() {
            return None;
        }
    }
    Some(by_name.into())
}

/// Compares key by key, without recursion.
fn collect(old: &Value, new: &Value, strict: bool, changes: &mut Vec<DocChange>) {
    // With each path the length of its parent's, because keys hold dots, too.
    let mut work = vec![(String::new(), 0, Some(old), Some(new), 0)];
    while let Some((path, parent, old, new, depth)) = work.pop() {
        let parent = path.get(..parent).unwrap_or_default();
        let is_one = |path: &str, of: &[&str]| of.iter().any(|one| path.eq_ignore_ascii_case(one));
        let (is_field, is_member) = (is_one(parent, &STRUCTS), is_one(parent, &MAPS));
        let counts = |value: &&Value| match value {
            _ if strict || is_member => true,
            Value::Object(members) if is_one(&path, &MAPS) => !members.is_empty(),
            Value::Number(_) if is_one(&path, &[ZERO_COUNTS]) => true,
            value if is_field => !is_empty(value),
            value => !value.is_null(),
        };
        let (old, new) = (old.filter(counts), new.filter(counts));
        let is_nothing = |value: Option<&Value>| value.is_some_and(is_empty);
        if old == new || (is_member && !strict && is_nothing(old) && is_nothing(new)) {
            continue;
        }
        let empty = Map::new();
        let members = |value: Option<&'_ Value>| matches!(value, None | Some(Value::Object(_)));
        if depth < DEPTH && members(old) && members(new) {
            let [was, is] = [old, new].map(|value| value.and_then(Value::as_object));
            let (was, is) = (was.unwrap_or(&empty), is.unwrap_or(&empty));
            let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            // In a strict comparison an empty object that comes or goes is told as itself.
            if !names.is_empty() {
                for name in names {
                    let parent = path.len();
                    let path = match path.is_empty() {
                        true => name.clone(),
                        false => format!("{path}.{name}"),
                    };
                    let (old, new) = (
                        old.and_then(|old| old.get(name)),
                        new.and_then(|new| new.get(name)),
                    );
                    work.push((path, parent, old, new, depth + 1));
                }
                continue;
            }
        }
        changes.push(DocChange {
            path,
            old: old.cloned(),
            new: new.cloned(),
        });
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(|value| value.is_null()),
    }
}

/// Steps that only one of two histories has, in their order; times count with [`Field::Mtime`].
pub fn history_changes(a: &Side, b: &Side, fields: Fields) -> Vec<StepChange> {
    let (old, new) = (steps(a), steps(b));
    let told = |added, (number, layer, step): &NumberedStep| StepChange {
        added,
        number: *number,
        layer: *layer,
        step: step.clone(),
    };
    align_steps(&old, &new, fields)
        .into_iter()
        .filter_map(|pair| match pair {
            (Some(_), Some(_)) | (None, None) => None,
            (Some(i), None) => Some(told(false, &old[i])),
            (None, Some(j)) => Some(told(true, &new[j])),
        })
        .collect()
}

/// Steps and layers of two images, each step that both have once.
///
/// Layers without a history entry come first, paired by diff ID; then the history entries, paired as
/// [`history_changes`] pairs them. Of some layers of an image, the steps of these layers.
pub fn paired_steps(a: &Side, b: &Side, fields: Fields) -> Vec<PairedStep> {
    let (old, new) = (unlisted(a), unlisted(b));
    let ids = |layers: &[(usize, Option<Digest>)]| -> Vec<Option<Digest>> {
        layers.iter().map(|(_, id)| id.clone()).collect()
    };
    let bare = align(&ids(&old), &ids(&new)).into_iter().map(|(i, j)| {
        let position = |layer: &(usize, Option<Digest>)| Position {
            step: None,
            layer: Some(layer.0),
        };
        PairedStep {
            old: i.map(|i| position(&old[i])),
            new: j.map(|j| position(&new[j])),
            history: None,
        }
    });
    let own = |side: &Side| -> Vec<NumberedStep> {
        let mut steps = steps(side);
        steps.retain(|(_, layer, _)| match layer {
            Some(layer) => side.layer(*layer).is_some(),
            None => side.image.is_some(),
        });
        steps
    };
    let (old, new) = (own(a), own(b));
    let listed = align_steps(&old, &new, fields);
    let listed = listed.into_iter().filter_map(|(i, j)| {
        let (was, is) = (i.map(|i| &old[i]), j.map(|j| &new[j]));
        let position = |(number, layer, _): &NumberedStep| Position {
            step: Some(*number),
            layer: *layer,
        };
        Some(PairedStep {
            old: was.map(position),
            new: is.map(position),
            history: Some(was.or(is)?.2.clone()),
        })
    });
    bare.chain(listed).collect()
}

/// Layers of a side that the history does not list: number from 1, and diff ID.
fn unlisted(side: &Side) -> Vec<(usize, Option<Digest>)> {
    let bare = side.steps.iter().filter(|(history, _)| history.is_none());
    bare.filter_map(|(_, layer)| {
        let number = (*layer)? + 1;
        Some((number, side.layer(number)?.layer.diff_id.clone()))
    })
    .collect()
}

/// Number, layer number and history entry of a step, both numbers from 1.
type NumberedStep = (usize, Option<usize>, History);

/// Pairs the steps of two histories that are the same in `fields`, see [`align`].
fn align_steps(
    old: &[NumberedStep],
    new: &[NumberedStep],
    fields: Fields,
) -> Vec<(Option<usize>, Option<usize>)> {
    let keys = |steps: &[NumberedStep]| -> Vec<History> {
        steps
            .iter()
            .map(|(.., step)| step_key(step, fields))
            .collect()
    };
    align(&keys(old), &keys(new))
}

/// The steps of an image with their numbers and layers, both from 1.
pub(super) fn steps(side: &Side) -> Vec<NumberedStep> {
    let known = side
        .steps
        .iter()
        .filter_map(|(step, layer)| Some((step.clone()?, *layer)));
    let exact = side.image.as_ref().and_then(written);
    let exact = exact.and_then(|config| ImageConfig::from_value(config).ok());
    known
        .enumerate()
        .map(|(i, (step, layer))| {
            let exact = exact.as_ref().and_then(|config| config.history.get(i));
            let step = exact.map_or(step, spelled);
            (i + 1, layer.map(|layer| layer + 1), step)
        })
        .collect()
}

/// Compared part of a step: its time with [`Field::Mtime`] only, and an empty author counts as missing.
pub(super) fn step_key(step: &History, fields: Fields) -> History {
    History {
        created: step.created.clone().filter(|_| fields.has(Field::Mtime)),
        author: step.author.clone().filter(|author| !author.is_empty()),
        ..step.clone()
    }
}

/// A step as [`texts::spelled`] has its texts.
fn spelled(step: &History) -> History {
    let text = |text: &String| texts::spelled(text).into_owned();
    History {
        created: step.created.as_ref().map(text),
        created_by: text(&step.created_by),
        author: step.author.as_ref().map(text),
        comment: text(&step.comment),
        empty_layer: step.empty_layer,
    }
}

/// The most cells of an alignment table; beyond it, everything between the common ends counts as replaced.
const CELLS: usize = 4_000_000;

/// Aligns two lists: as many equal items as possible are paired, in order; the rest stays single, items of the
/// first list before those of the second.
pub(super) fn align<T: PartialEq>(a: &[T], b: &[T]) -> Vec<(Option<usize>, Option<usize>)> {
    let head = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (rest_a, rest_b) = (&a[head..], &b[head..]);
    let tail = rest_a
        .iter()
        .rev()
        .zip(rest_b.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (n, m) = (rest_a.len() - tail, rest_b.len() - tail);
    let mut pairs: Vec<(Option<usize>, Option<usize>)> =
        (0..head).map(|i| (Some(i), Some(i))).collect();
    let (mut i, mut j) = (0, 0);
    if n.saturating_add(1).saturating_mul(m.saturating_add(1)) <= CELLS {
        let width = m + 1;
        let mut longest = vec![0u32; (n + 1) * width];
        for i in (0..n).rev() {
            for j in (0..m).rev() {
                longest[i * width + j] = match rest_a[i] == rest_b[j] {
                    true => longest[(i + 1) * width + j + 1] + 1,
                    false => longest[(i + 1) * width + j].max(longest[i * width + j + 1]),
                };
            }
        }
        while i < n && j < m {
            if rest_a[i] == rest_b[j] {
                pairs.push((Some(head + i), Some(head + j)));
                (i, j) = (i + 1, j + 1);
            } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
                pairs.push((Some(head + i), None));
                i += 1;
            } else {
                pairs.push((None, Some(head + j)));
                j += 1;
            }
        }
    }
    pairs.extend((i..n).map(|i| (Some(head + i), None)));
    pairs.extend((j..m).map(|j| (None, Some(head + j))));
    pairs.extend((0..tail).map(|k| (Some(head + n + k), Some(head + m + k))));
    pairs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_aligned_in_order() {
        let pairs = |a: &str, b: &str| -> String {
            let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            align(&a, &b)
                .into_iter()
                .map(|pair| match pair {
                    (Some(i), Some(_)) => format!("={}", a[i]),
                    (Some(i), None) => format!("-{}", a[i]),
                    (None, Some(j)) => format!("+{}", b[j]),
                    (None, None) => String::new(),
                })
                .collect()
        };
        assert_eq!(pairs("abc", "abc"), "=a=b=c");
        assert_eq!(pairs("abc", "abxc"), "=a=b+x=c");
        assert_eq!(pairs("abcd", "bxd"), "-a=b-c+x=d");
        assert_eq!(pairs("", "a"), "+a");
        assert_eq!(pairs("ab", "ba"), "-a=b+a");
    }

    #[test]
    fn documents_differ_by_keys() {
        let changes = |old: Value, new: Value, strict| {
            let mut changes = Vec::new();
            collect(&old, &new, strict, &mut changes);
            let mut paths: Vec<String> = changes.into_iter().map(|change| change.path).collect();
            paths.sort_unstable();
            paths.join(" ")
        };
        let old = json!({"a": {"b": 1, "c": null}, "d": [1, 2], "e": false});
        let new = json!({"a": {"b": 2}, "d": [2, 1], "f": {}});
        assert_eq!(changes(old.clone(), new.clone(), false), "a.b d");
        assert_eq!(changes(old, new, true), "a.b a.c d e f");
    }
}
