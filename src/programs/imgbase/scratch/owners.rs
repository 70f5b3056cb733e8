//! Packages that own the copied files, recorded in `var/lib/dpkg/status.d`, as in distroless images, for scanners.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::debian::{Control, Member, Unpacked, database};
use crate::base::rootfs::{Kind, Node};
use crate::error::Result;
use crate::programs::imgbase::Base;
use crate::programs::imgbase::dpkg_files::{self, INFO};
use crate::programs::imgbase::root::Root;

/// Records the packages that own copied files: pairs of path below the root and path in the image. Returns the names of
/// the packages.
///
/// # Errors
/// As [`Root::text`] and [`dpkg_files::status`].
pub(super) fn note(
    base: &mut Base,
    root: &Root,
    taken: &BTreeSet<(Vec<u8>, Vec<u8>)>,
) -> Result<Vec<String>> {
    let Some(status) = dpkg_files::status(root)? else {
        return Ok(Vec::new());
    };
    // Packages from before the merge of /usr list `/lib/x` for `usr/lib/x`.
    let mut wanted: BTreeMap<Vec<u8>, Vec<&Vec<u8>>> = BTreeMap::new();
    for (inside, new) in taken {
        // All packages with files in `/lib` list this directory. Where it is a link, it does not tell whether a file of the
        // package was copied.
        if let Some(node) = base.rootfs.get(new)
            && matches!(node.kind, Kind::Symlink(_))
            && let Some(resolved) = root.resolve(inside)?
            && root.outside(&resolved.path).is_dir()
        {
            continue;
        }
        let inside = inside.strip_prefix(b"/").unwrap_or(inside);
        wanted.entry(inside.to_vec()).or_default().push(new);
        if let Some(short) = inside.strip_prefix(b"usr/") {
            wanted.entry(short.to_vec()).or_default().push(new);
        }
    }
    let mut names = Vec::new();
    for name in root.names(INFO.as_bytes())? {
        let Some(package) = name.strip_suffix(b".list") else {
            continue;
        };
        let info = |suffix: &[u8]| [INFO.as_bytes(), b"/", package, suffix].concat();
        let list = root.text(&info(b".list"))?.unwrap_or_default();
        let lines = list.split(|byte| *byte == b'\n');
        let owned: Vec<(Vec<u8>, &Vec<u8>)> = lines
            .filter_map(|line| line.strip_prefix(b"/"))
            .filter_map(|path| Some((path, wanted.get(path)?)))
            .flat_map(|(path, paths)| paths.iter().map(|new_path| (path.to_vec(), *new_path)))
            .collect();
        if owned.is_empty() {
            continue;
        }
        let full = String::from_utf8_lossy(package).into_owned();
        let (short, architecture) = match full.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (full.as_str(), None),
        };
        let paragraph = status.iter().find(|paragraph| {
            paragraph.get("Package") == Some(short)
                && architecture
                    .is_none_or(|architecture| paragraph.get("Architecture") == Some(architecture))
        });
        let Some(paragraph) = paragraph else { continue };
        let control = database::control(paragraph);
        let sums = root.text(&info(b".md5sums"))?.unwrap_or_default();
        let sums: Vec<&[u8]> = sums
            .split(|byte| *byte == b'\n')
            .filter(|line| {
                let path = line.get(34..).unwrap_or_default();
                owned
                    .iter()
                    .any(|(owned, new_path)| owned == path && new_path.as_slice() == path)
            })
            .collect();
        let mut sums = sums.join(&b'\n');
        if !sums.is_empty() {
            sums.push(b'\n');
        }
        let origin = base.origin(short);
        for (_, new_path) in &owned {
            if let Some(node) = base.rootfs.get_mut(new_path) {
                node.origin = origin;
            }
        }
        put(base, short, &control, &sums)?;
        names.push(short.to_owned());
        base.packages.push(Unpacked {
            control,
            members: BTreeMap::from([(
                "md5sums".to_owned(),
                Member {
                    mode: 0o644,
                    bytes: sums,
                },
            )]),
            origin,
            ..Unpacked::default()
        });
    }
    Ok(names)
}

fn put(base: &mut Base, name: &str, control: &Control, sums: &[u8]) -> Result<()> {
    let mut text = String::new();
    for (field, value) in control.fields() {
        text.push_str(&format!("{field}: {value}\n"));
    }
    let path = format!("var/lib/dpkg/status.d/{name}");
    let node = Node::file(0o644, text.into_bytes()).at(base.epoch);
    base.rootfs.put(path.as_bytes(), node)?;
    if !sums.is_empty() {
        let node = Node::file(0o644, sums.to_vec()).at(base.epoch);
        base.rootfs
            .put(format!("{path}.md5sums").as_bytes(), node)?;
    }
    Ok(())
}
