//! Installed packages of each side, and their differences.

use std::collections::{BTreeMap, BTreeSet};

use super::body::Body;
use super::files::{Change, body_of};
use super::side::{Loading, Side};
use super::text::bytes_of;
use crate::error::{At, Error, Result, within};
use crate::packages::{self, DatabaseKind, Manager, Packages};
use crate::tree::NodeKind;

/// The most bytes of all databases of one side together.
const MAX_BYTES: u64 = 1 << 30;

/// Change of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageChange {
    /// Package manager.
    pub manager: Manager,
    /// Its name.
    pub name: String,
    /// Architecture, if the manager records it.
    pub architecture: String,
    /// The versions that the first has alone; several where it is installed several times.
    pub old: Vec<String>,
    /// The versions that the second has alone.
    pub new: Vec<String>,
}

/// Tests if a package database is among the paths that differ.
pub fn has_database(sides: &[Side; 2], changes: &[Change]) -> bool {
    let [a, b] = sides;
    changes.iter().any(|change| {
        let node = change.after(&b.tree).or(change.before(&a.tree));
        node.is_some_and(|node| DatabaseKind::of(&node.path()).is_some())
    })
}

/// Reads the package databases of a side.
///
/// # Errors
/// As reading contents; `Limit` for databases of more than a gigabyte. One that cannot be read is in
/// [`Packages::faults`].
pub fn installed(side: &mut Side, loading: &Loading) -> Result<Packages> {
    let mut wanted: Vec<(Vec<u8>, DatabaseKind, Body)> = Vec::new();
    let mut found = Packages::default();
    let mut sum = 0u64;
    for node in side.tree.walk() {
        if node.kind() != NodeKind::File {
            continue;
        }
        let path = node.path();
        let (Some(kind), Some(body)) = (DatabaseKind::of(&path), body_of(&node)) else {
            continue;
        };
        sum = sum.saturating_add(body.size);
        let (what, limit) = ("bytes of a package database", packages::MAX_FILE_SIZE);
        if let Err(error) = within(what, limit, body.size) {
            found.faults.push(error.at(crate::escape::bytes(&path)));
            continue;
        }
        within("bytes of package databases", MAX_BYTES, sum).at(|| side.name.clone())?;
        wanted.push((path, kind, body));
    }
    side.make_plain(wanted.iter().map(|(.., body)| &body.place), loading)?;
    for (path, kind, body) in wanted {
        found.add(kind, &path, &bytes_of(side, &body)?)?;
    }
    Ok(found.sorted())
}

/// Differences of the packages of two sides, and the faults of their databases, each with the name of its side.
///
/// # Errors
/// As reading contents; `Limit` for databases of more than a gigabyte.
pub fn packages_of(
    sides: &mut [Side],
    loading: &Loading,
) -> Result<(Vec<PackageChange>, Vec<Error>)> {
    let mut lists = Vec::new();
    let mut faults = Vec::new();
    for side in sides {
        let mut found = installed(side, loading)?;
        let own = found.faults.drain(..);
        faults.extend(own.map(|fault| fault.at(side.name.clone())));
        lists.push(found);
    }
    let none = Packages::default();
    let [old, new] = [0, 1].map(|i| lists.get(i).unwrap_or(&none));
    Ok((package_changes(old, new), faults))
}

type Key = (Manager, String, String);

/// By manager, name and machine, the versions.
fn versions(packages: &Packages) -> BTreeMap<Key, BTreeSet<String>> {
    let mut all: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
    for package in &packages.list {
        let key = (
            package.manager,
            package.name.clone(),
            package.architecture.clone(),
        );
        all.entry(key).or_default().insert(package.version.clone());
    }
    all
}

/// Returns the differences of two sets of packages, by manager and name.
pub fn package_changes(old: &Packages, new: &Packages) -> Vec<PackageChange> {
    let (old, new) = (versions(old), versions(new));
    let keys: BTreeSet<&Key> = old.keys().chain(new.keys()).collect();
    let none = BTreeSet::new();
    let mut changes = Vec::new();
    for key in keys {
        let (was, is) = (old.get(key).unwrap_or(&none), new.get(key).unwrap_or(&none));
        if was == is {
            continue;
        }
        changes.push(PackageChange {
            manager: key.0,
            name: key.1.clone(),
            architecture: key.2.clone(),
            old: was.difference(is).cloned().collect(),
            new: is.difference(was).cloned().collect(),
        });
    }
    changes
}
