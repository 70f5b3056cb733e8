//! Comparison of lists with what archives have.

use std::collections::HashSet;
use std::fmt;

use super::collect::Listed;
use super::inventory::{Held, Inventory, Pick};
use crate::spec::Digest;

/// Difference between a list and the archives, or an image that a mere string names.
#[derive(Debug)]
pub struct Finding<'a> {
    /// The reference.
    pub listed: &'a Listed,
    /// The kind.
    pub kind: FindingKind,
    /// Digests or platforms of the archives, sorted; for an unresolved value, the reason.
    pub found: Vec<String>,
}

/// One line: `deploy.yaml:12: missing: app:1`.
impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Listed {
            file, line, text, ..
        } = self.listed;
        write!(f, "{file}:{line}: {}: {text}", self.kind.name())?;
        match self.found[..] {
            [] => Ok(()),
            _ => write!(f, ": {}", self.found.join(", ")),
        }
    }
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum FindingKind {
    /// No archive has the image, or one has part of it.
    Missing,
    /// The image is there for other platforms only.
    OtherPlatform,
    /// The name and tag are there, and lead to another digest.
    DigestDiffers,
    /// The value names no image.
    Unresolved,
    /// An image that a string names.
    Present,
}

impl FindingKind {
    /// Returns the name as printed.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Tests if the list is not answered.
    pub fn is_failure(self) -> bool {
        self != FindingKind::Present
    }
}

/// A reference of a list with the images that it names.
#[derive(Debug)]
pub struct Answer<'l, 'i> {
    /// The reference.
    pub listed: &'l Listed,
    /// The images; none if it has a finding that is a failure.
    pub picks: Vec<Pick<'i>>,
    /// The finding, if there is one.
    pub finding: Option<Finding<'l>>,
}

/// Returns the images that each reference of a list names, in the order of the list.
pub fn answers<'l, 'i>(
    lists: &'l [Listed],
    inventory: &'i Inventory,
) -> impl Iterator<Item = Answer<'l, 'i>> {
    lists.iter().map(move |listed| answer(listed, inventory))
}

/// Returns the findings of lists, each with its reference, without repetitions.
pub fn findings<'l>(lists: &'l [Listed], inventory: &Inventory) -> Vec<Finding<'l>> {
    let mut seen = HashSet::new();
    let found = answers(lists, inventory).filter_map(|answer| answer.finding);
    found
        .filter(|finding| {
            let listed = finding.listed;
            seen.insert((&listed.file, listed.line, &listed.text))
        })
        .collect()
}

fn answer<'l, 'i>(listed: &'l Listed, inventory: &'i Inventory) -> Answer<'l, 'i> {
    let failed = |kind, mut found: Vec<String>| {
        found.sort_unstable();
        found.dedup();
        Answer {
            listed,
            picks: Vec::new(),
            finding: Some(Finding {
                listed,
                kind,
                found,
            }),
        }
    };
    let reference = match &listed.meaning {
        Ok(reference) => reference,
        Err(unresolved) => {
            return failed(FindingKind::Unresolved, vec![unresolved.why().to_owned()]);
        }
    };
    let (picks, held) = inventory.find(reference);
    match held {
        Some(Held::Whole) => Answer {
            listed,
            picks,
            finding: listed.is_string.then(|| Finding {
                listed,
                kind: FindingKind::Present,
                found: Vec::new(),
            }),
        },
        Some(Held::OtherPlatform(platforms)) => {
            failed(FindingKind::OtherPlatform, platforms.clone())
        }
        Some(Held::Part) => failed(FindingKind::Missing, Vec::new()),
        None => {
            let digests = match reference.digest() {
                Some(_) => inventory.digests_of(reference),
                None => Vec::new(),
            };
            // The digest itself is listed where the manifest is missing.
            if digests.is_empty() || digests.contains(&reference.digest()) {
                return failed(FindingKind::Missing, Vec::new());
            }
            let text = |digest: Option<&Digest>| {
                digest.map_or_else(|| "no manifest".to_owned(), ToString::to_string)
            };
            failed(
                FindingKind::DigestDiffers,
                digests.into_iter().map(text).collect(),
            )
        }
    }
}
