//! Files by path: below a directory of the file system, or members of a tar.
//!
//! A directory of repositories is read through this, so that a tar of one is read like the directory. Threats: names
//! with components without end, links in the place of directories. The number of directories and files is limited, and
//! what is below a link is not listed.

use std::collections::BTreeMap;

use rustix::fs::FileType;

use super::content::Content;
use super::directory::Directory;
use super::member::MemberKind;
use super::members::MemberTable;
use crate::error::{Error, Result, within};

/// Files by path.
#[derive(Debug)]
pub(super) enum Files {
    Directory(Directory),
    Members(Box<Members>),
}

impl Files {
    /// Returns the entries of a directory and their kinds, sorted; none if it is missing or a link. An empty name is the
    /// top. Names that are not UTF-8 are left out.
    ///
    /// # Errors
    /// `Limit` past `limit` entries; `Io`.
    pub fn list(&self, name: &str, limit: u64) -> Result<Vec<(String, FileType)>> {
        match self {
            Files::Directory(directory) => directory.list(name, limit),
            Files::Members(members) => members.list(name, limit),
        }
    }

    /// Returns the kind of a file, links not followed; `None` if it is missing.
    pub fn kind(&self, name: &str) -> Option<FileType> {
        match self {
            Files::Directory(directory) => directory.kind(name),
            Files::Members(members) => members.kind(name),
        }
    }

    /// Returns the content of a file; `None` if it is missing. Links are followed up to `hops`.
    ///
    /// # Errors
    /// As [`Directory::get`] and [`MemberTable::get`].
    pub fn get(&self, name: &str, hops: u64) -> Result<Option<Content>> {
        match self {
            Files::Directory(directory) => directory.get(name, hops),
            Files::Members(members) => match members.table.get(&members.path(name), hops)? {
                // A directory needs no member of its own.
                None if members.kind(name).is_some_and(|kind| kind.is_dir()) => {
                    Err(Error::not_a_file("a directory"))
                }
                found => Ok(found),
            },
        }
    }
}

/// Members of a tar below one of its directories.
#[derive(Debug)]
pub(super) struct Members {
    pub table: Box<MemberTable>,
    /// The directory: empty, or a path with a slash at its end.
    pub top: String,
    entries: Entries,
}

/// Directories of a tar, those included that have no member of their own.
#[derive(Debug)]
struct Entries {
    /// By position: entries of a directory, with their positions. The top is the first.
    below: Vec<BTreeMap<Box<str>, usize>>,
    /// By position.
    kinds: Vec<FileType>,
}

impl Members {
    /// Lists the directories of a tar.
    ///
    /// # Errors
    /// `Limit` past `limit` files and directories.
    pub fn new(table: Box<MemberTable>, limit: u64) -> Result<Self> {
        let mut entries = Entries {
            below: vec![BTreeMap::new()],
            kinds: vec![FileType::Directory],
        };
        for (name, positions) in table.names() {
            let Ok(name) = std::str::from_utf8(name) else {
                continue;
            };
            let last = positions.last().and_then(|&last| table.members().get(last));
            let kind = last.map_or(FileType::Unknown, |member| kind_of(&member.kind));
            entries.add(name, kind);
            within("files", limit, entries.kinds.len() as u64)?;
        }
        let top = String::new();
        Ok(Members {
            table,
            top,
            entries,
        })
    }

    /// Returns the path in the tar.
    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.top)
    }

    /// Returns the kind of a file or directory, links not followed; `None` if it is missing.
    pub fn kind(&self, name: &str) -> Option<FileType> {
        let at = self.entries.at(&self.path(name))?;
        self.entries.kinds.get(at).copied()
    }

    fn list(&self, name: &str, limit: u64) -> Result<Vec<(String, FileType)>> {
        let found = self.entries.at(&self.path(name));
        let found = found.filter(|at| {
            self.entries
                .kinds
                .get(*at)
                .is_some_and(|kind| kind.is_dir())
        });
        let Some(inside) = found.and_then(|at| self.entries.below.get(at)) else {
            return Ok(Vec::new());
        };
        within("files", limit, inside.len() as u64)?;
        let kind = |at: usize| self.entries.kinds.get(at).copied();
        let entries = inside.iter();
        let entries = entries.map(|(base, at)| {
            let kind = kind(*at).unwrap_or(FileType::Unknown);
            (base.to_string(), kind)
        });
        Ok(entries.collect())
    }

    /// Returns the directories down to `depth` for which `holds` is true, given the path and the entries, in the order
    /// of their paths; what is below such a directory is left out.
    pub fn directories(
        &self,
        depth: usize,
        holds: impl Fn(&str, &[(String, FileType)]) -> bool,
    ) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut work = vec![(String::new(), 0)];
        while let Some((path, level)) = work.pop() {
            let inside = self.list(&path, u64::MAX)?;
            if holds(&path, &inside) {
                found.push(path);
                continue;
            }
            if level == depth {
                continue;
            }
            let directories = inside.into_iter();
            let directories = directories.filter(|(_, kind)| *kind == FileType::Directory);
            work.extend(directories.map(|(base, _)| match path.is_empty() {
                true => (base, level + 1),
                false => (format!("{path}/{base}"), level + 1),
            }));
        }
        found.sort_unstable();
        Ok(found)
    }
}

impl Entries {
    fn add(&mut self, name: &str, kind: FileType) {
        let mut at = 0;
        for part in parts(name) {
            let new = self.below.len();
            let Some(inside) = self.below.get_mut(at) else {
                return;
            };
            at = *inside.entry(part.into()).or_insert(new);
            if at == new {
                self.below.push(BTreeMap::new());
                self.kinds.push(FileType::Directory);
            }
        }
        if let Some(known) = self.kinds.get_mut(at).filter(|_| at > 0) {
            *known = kind;
        }
    }

    /// Returns the position of a path that leads through directories only.
    fn at(&self, path: &str) -> Option<usize> {
        let mut at = 0;
        for part in parts(path) {
            let is_directory = self.kinds.get(at).is_some_and(|kind| kind.is_dir());
            at = *self.below.get(at)?.get(part).filter(|_| is_directory)?;
        }
        Some(at)
    }
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !matches!(*part, "" | "."))
}

fn kind_of(kind: &MemberKind) -> FileType {
    match kind {
        MemberKind::File(_) | MemberKind::HardLink(_) | MemberKind::Sparse => FileType::RegularFile,
        MemberKind::Symlink(_) => FileType::Symlink,
        MemberKind::Directory => FileType::Directory,
        MemberKind::Other => FileType::Unknown,
    }
}
