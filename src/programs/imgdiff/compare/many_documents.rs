//! Configs and histories of more than two images: which value and which step is where.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::documents::{self, config_changes, history_changes, step_key};
use super::fields::{Field, Fields};
use super::side::Side;
use crate::spec::History;

/// A value of the config that is not the same everywhere.
#[derive(Debug, Clone, PartialEq)]
pub struct ManyValue {
    /// Path of the value, as `config.Env.PATH`.
    pub path: String,
    /// The value on each side; `None` where it is missing, and where the side is no image.
    pub values: Vec<Option<Value>>,
}

/// A step of a history that is not in the same place everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManyStep {
    /// The step, as the first side that has it has it.
    pub step: History,
    /// Its position in the history of each side, from 1.
    pub numbers: Vec<Option<usize>>,
}

/// The values of one key on the sides that differ from the first, by their positions.
type News = BTreeMap<usize, Option<Value>>;

/// Values of configs that are not equal in all images, by their keys.
pub(super) fn values(sides: &[Side], fields: Fields, strict: bool) -> Vec<ManyValue> {
    let mut images = sides.iter().enumerate();
    let first = images.find_map(|(i, side)| Some((i, side.image.as_ref()?)));
    let Some((at, first)) = first.filter(|_| fields.has(Field::Config)) else {
        return Vec::new();
    };
    let mut found: BTreeMap<String, (Option<Value>, News)> = BTreeMap::new();
    for (i, side) in sides.iter().enumerate().skip(at + 1) {
        let Some(image) = &side.image else { continue };
        for change in config_changes(first, image, fields, strict) {
            let known = found.entry(change.path);
            let (_, news) = known.or_insert_with(|| (change.old, BTreeMap::new()));
            news.insert(i, change.new);
        }
    }
    let values = found.into_iter().map(|(path, (old, mut news))| ManyValue {
        path,
        values: (0..sides.len())
            .map(|i| match sides[i].image {
                None => None,
                Some(_) => news.remove(&i).unwrap_or_else(|| old.clone()),
            })
            .collect(),
    });
    values.collect()
}

/// The steps that one image has and another has not, or has elsewhere in the order of steps.
pub(super) fn steps(sides: &[Side], fields: Fields) -> Vec<ManyStep> {
    let mut images = sides.iter().enumerate();
    let first = images.find(|(_, side)| side.image.is_some());
    let Some((at, first)) = first.filter(|_| fields.has(Field::History)) else {
        return Vec::new();
    };
    let mut found: Vec<ManyStep> = Vec::new();
    let mut known: HashSet<History> = HashSet::new();
    for side in sides.iter().skip(at + 1) {
        if side.image.is_none() {
            continue;
        }
        for change in history_changes(first, side, fields) {
            if known.insert(step_key(&change.step, fields)) {
                found.push(ManyStep {
                    step: change.step,
                    numbers: Vec::new(),
                });
            }
        }
    }
    for side in sides {
        let mut places: HashMap<History, usize> = HashMap::new();
        for (number, _, step) in documents::steps(side) {
            if side.image.is_some() {
                places.entry(step_key(&step, fields)).or_insert(number);
            }
        }
        for step in &mut found {
            let place = places.get(&step_key(&step.step, fields));
            step.numbers.push(place.copied());
        }
    }
    found
}
