//! Hard links in cpio archives.

use std::collections::HashMap;

use super::reader::CpioEntry;
use crate::error::{Result, within};
use crate::layer::Limits;
use crate::layer::metadata::EntryKind;

/// Hard links of an archive: decides which entry is written as a file and which as a link.
///
/// `newc` archives store the contents with the last name only, so names without contents wait; `odc` archives store them
/// with each name.
#[derive(Debug, Default)]
pub struct CpioLinks {
    /// Written name, or waiting entries, of each file by archive and inode.
    files: HashMap<(u64, (u64, u64)), Names>,
    /// Order of files with waiting names, so that the same archive gives the same layer.
    order: Vec<(u64, (u64, u64))>,
    held: usize,
    limits: Limits,
}

#[derive(Debug)]
enum Names {
    Written(Vec<u8>),
    Waiting(Vec<CpioEntry>),
}

/// Way of writing an entry.
#[derive(Debug, PartialEq, Eq)]
pub enum CpioName {
    /// Write it as a file, then these entries as links to it.
    File(Vec<CpioEntry>),
    /// Write it as a link to this path; its contents, if any, are the same.
    Link(Vec<u8>),
    /// Write nothing yet: the entry waits for its contents.
    Waits,
}

impl CpioLinks {
    /// Creates an empty list with these limits.
    pub fn within(limits: &Limits) -> Self {
        CpioLinks {
            limits: *limits,
            ..CpioLinks::default()
        }
    }

    /// Decides how to write an entry. `archive` is the number of its archive.
    ///
    /// # Errors
    /// `Limit` if too many names wait.
    pub fn name(&mut self, entry: &CpioEntry, archive: u64) -> Result<CpioName> {
        if entry.links < 2 || entry.kind == Some(EntryKind::Directory) {
            return Ok(CpioName::File(Vec::new()));
        }
        self.held += entry.path.len() + size_of::<CpioEntry>();
        within("bytes of names", self.limits.path_text, self.held as u64)?;
        let key = (archive, entry.inode);
        let waits = entry.kind == Some(EntryKind::File) && entry.size == 0;
        match self.files.get_mut(&key) {
            Some(Names::Written(first)) => Ok(CpioName::Link(first.clone())),
            Some(Names::Waiting(names)) if waits => {
                names.push(entry.clone());
                Ok(CpioName::Waits)
            }
            None if waits => {
                self.files.insert(key, Names::Waiting(vec![entry.clone()]));
                self.order.push(key);
                Ok(CpioName::Waits)
            }
            _ => {
                let written = Names::Written(entry.path.clone());
                Ok(CpioName::File(match self.files.insert(key, written) {
                    Some(Names::Waiting(names)) => names,
                    _ => Vec::new(),
                }))
            }
        }
    }

    /// Returns the files without contents, each with all its names.
    pub fn rest(mut self) -> Vec<Vec<CpioEntry>> {
        let order = std::mem::take(&mut self.order);
        let waiting = order
            .iter()
            .filter_map(|key| match self.files.remove(key)? {
                Names::Waiting(names) => Some(names),
                Names::Written(_) => None,
            });
        waiting.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_wait_for_their_contents() {
        let entry = |path: &str, size| CpioEntry {
            path: path.into(),
            kind: Some(EntryKind::File),
            inode: (1, 7),
            links: 3,
            size,
            ..CpioEntry::default()
        };
        let mut links = CpioLinks::default();
        let mut name = |path, size| links.name(&entry(path, size), 0).expect("within the limit");
        assert_eq!(name("a", 0), CpioName::Waits);
        assert_eq!(name("b", 5), CpioName::File(vec![entry("a", 0)]));
        assert_eq!(name("c", 5), CpioName::Link(b"b".to_vec()));
        let mut links = CpioLinks::default();
        links.name(&entry("a", 0), 0).expect("within the limit");
        links.name(&entry("b", 0), 0).expect("within the limit");
        assert_eq!(links.rest(), [[entry("a", 0), entry("b", 0)]]);
    }
}
