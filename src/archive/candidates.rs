//! Candidates in errors: the text that selects each image, and the closest name.

use std::collections::HashMap;

use super::model::{Archive, Root};
use super::name::{Name, NameKey};
use super::pick::Pick;
use crate::error::{Candidates, Error};

impl Archive {
    /// Returns the error for an image that is not in the archive, with the candidates and the closest name.
    pub fn no_such_image<'a>(
        &self,
        wanted: &str,
        roots: impl IntoIterator<Item = &'a Root>,
    ) -> Error {
        let mut candidates = self.candidates(roots);
        let closest = self.closest(wanted);
        candidates.closest = closest.map(|name| format!("{}:{name}", self.place));
        Error::no_such_image(wanted.to_owned(), candidates)
    }

    /// Returns the one name that `wanted` is most likely a mistyped form of.
    pub fn closest(&self, wanted: &str) -> Option<String> {
        let names = self.roots.iter().flat_map(|root| &root.names);
        closest(names, wanted).map(ToString::to_string)
    }

    /// Returns the selections of all images, each by its position; artifacts are omitted.
    pub fn picks(&self) -> Vec<Pick> {
        let roots = self.roots.iter();
        let roots = roots.filter(|root| !self.images_of(root).is_empty());
        let positions = roots.filter_map(|root| self.position(root));
        positions.map(Pick::Position).collect()
    }

    /// Returns the position that selects a root.
    fn position(&self, root: &Root) -> Option<usize> {
        match self.docker.is_none() {
            true => root.positions.first().copied(),
            false => self
                .roots
                .iter()
                .position(|other| std::ptr::eq(other, root)),
        }
    }

    /// Returns the text that selects each root. Only the first [`Candidates::LISTED`] are formatted.
    pub fn candidates<'a>(&self, roots: impl IntoIterator<Item = &'a Root>) -> Candidates {
        let mut roots = roots.into_iter();
        let listed: Vec<&Root> = roots.by_ref().take(Candidates::LISTED).collect();
        let total = listed.len() + roots.count();
        // Number of roots with each name.
        let mut holders: HashMap<NameKey, usize> = HashMap::new();
        for root in &self.roots {
            let mut keys: Vec<NameKey> = root.names.iter().map(Name::key).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                *holders.entry(key).or_default() += 1;
            }
        }
        let position = |root: &Root| self.position(root);
        let select = |root: &&Root| {
            let unique = root
                .names
                .first()
                .filter(|name| holders.get(&name.key()) == Some(&1));
            match unique {
                Some(name) => format!("{}:{name}", self.place),
                None => format!("{}:@{}", self.place, position(root).unwrap_or(0)),
            }
        };
        Candidates {
            first: listed.iter().map(select).collect(),
            total,
            closest: None,
        }
    }
}

/// Returns the only tag of the wanted repository, or the only name within two typing errors of `wanted`.
fn closest<'a>(names: impl Iterator<Item = &'a Name> + Clone, wanted: &str) -> Option<&'a Name> {
    let only = |mut found: Box<dyn Iterator<Item = &'a Name> + '_>| {
        found.next().filter(|_| found.next().is_none())
    };
    let repository = wanted
        .rsplit_once(':')
        .map_or(wanted, |(repository, _)| repository);
    let same = names.clone().filter(|name| {
        name.repository()
            .is_some_and(|known| known == repository || known.ends_with(&format!("/{repository}")))
    });
    let near = |most| {
        names
            .clone()
            .filter(move |name| distance(&name.to_string(), wanted) <= most)
    };
    match wanted.len() {
        0 | 300.. => None,
        _ => only(Box::new(same))
            .or_else(|| only(Box::new(near(1))))
            .or_else(|| only(Box::new(near(2)))),
    }
}

/// Returns the edit distance in characters; 3 without a comparison if the lengths differ by more than 2.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return 3;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
