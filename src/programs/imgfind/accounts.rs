//! Users and groups of an image as of a layer: `etc/passwd` and `etc/group`.

use std::collections::HashMap;

use crate::archive::Image;
use crate::error::{At, Result};
use crate::limits::Limits;
use crate::tree::{Event, Location, NodeKind, Tree, file_bytes};

/// Bytes of `etc/passwd` or `etc/group` that are read; files above have no names.
const MAX_FILE: u64 = 16 << 20;

/// Users and groups.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    pub(super) users: Names,
    pub(super) groups: Names,
}

/// Names with their numbers; the first line of a name and of a number counts, as in getpwnam(3).
#[derive(Debug, Default)]
pub(super) struct Names {
    by_name: HashMap<Vec<u8>, u64>,
    by_id: HashMap<u64, Vec<u8>>,
}

impl Names {
    fn parse(bytes: &[u8]) -> Self {
        let mut names = Names::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            let mut fields = line.split(|byte| *byte == b':');
            let (Some(name), Some(_), Some(id)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
            if let Some(id) = id.filter(|_| !name.is_empty()) {
                names.by_name.entry(name.to_vec()).or_insert(id);
                names.by_id.entry(id).or_insert_with(|| name.to_vec());
            }
        }
        names
    }

    pub(super) fn id(&self, name: &[u8]) -> Option<u64> {
        self.by_name.get(name).copied()
    }

    pub(super) fn name(&self, id: u64) -> Option<&[u8]> {
        self.by_id.get(&id).map(Vec::as_slice)
    }
}

/// Reads users and groups as they are after a layer, from 0. A file that is missing, or no regular file, has no names.
///
/// # Errors
/// Those of reading the layer with the file.
pub(super) fn accounts(
    image: &Image,
    tree: &Tree,
    layer: usize,
    limits: &Limits,
) -> Result<Accounts> {
    let read = |path: &str| -> Result<Names> {
        let Some(location) = as_of(tree, path.as_bytes(), layer) else {
            return Ok(Names::default());
        };
        let bytes = file_bytes(image, &location, limits).at(|| path.to_owned())?;
        Ok(Names::parse(&bytes))
    };
    Ok(Accounts {
        users: read("etc/passwd")?,
        groups: read("etc/group")?,
    })
}

/// Location of the contents that a path has after a layer.
fn as_of(tree: &Tree, path: &[u8], layer: usize) -> Option<Location> {
    let steps = tree.history(path)?.steps();
    let last = steps.iter().rev().find(|step| step.layer <= layer)?;
    let is_there = matches!(last.event, Event::Added | Event::Replaced);
    let location = last.location()?;
    let is_readable = is_there
        && last.kind() == NodeKind::File
        && location.segments.is_none()
        && location.stored <= MAX_FILE;
    is_readable.then_some(location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_name_counts() {
        let names = Names::parse(
            b"root:x:0:0::/:\ntoor:x:0:\nbad\n:x:5:\nbin:x:nan:\nroot:x:9:\na\xff:x:7",
        );
        assert_eq!(names.id(b"root"), Some(0));
        assert_eq!(names.id(b"toor"), Some(0));
        assert_eq!(names.id(b"a\xff"), Some(7));
        assert_eq!(names.id(b"bin"), None);
        assert_eq!(names.name(0), Some(&b"root"[..]));
        assert_eq!(names.name(9), Some(&b"root"[..]));
        assert_eq!(names.name(5), None);
    }
}
