//! dpkg's list of packages: paragraphs of fields, as in Debian's control files.

use super::control::{Paragraph, Paragraphs};
use super::package::{Manager, Need, Package, text};
use crate::error::Result;

/// Reads `status`, or a file of `status.d/`, where paragraphs have no `Status`.
///
/// Packages that are not installed (removed but not purged, or half installed) are omitted.
///
/// # Errors
/// `Deb822` for an invalid list.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>> {
    let paragraphs = Paragraphs::new(&text(bytes))?;
    let mut packages = Vec::new();
    for paragraph in paragraphs.iter() {
        let field = |name: &str| paragraph.get(name).map(str::trim).unwrap_or_default();
        let state = field("Status").split_ascii_whitespace().nth(2);
        let is_installed = state.is_none_or(|state| {
            !matches!(state, "not-installed" | "config-files" | "half-installed")
        });
        let name = field("Package");
        if name.is_empty() || !is_installed {
            continue;
        }
        let mut depends = relations(field("Pre-Depends"));
        depends.extend(relations(field("Depends")));
        let provides = relations(field("Provides"));
        packages.push(Package {
            manager: Manager::Dpkg,
            name: name.to_owned(),
            version: field("Version").to_owned(),
            architecture: field("Architecture").to_owned(),
            source: field("Source")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
            // The field has units of 1024 bytes.
            size: field("Installed-Size")
                .parse::<u64>()
                .ok()
                .map(|size| size.saturating_mul(1024)),
            installed: None,
            depends,
            provides: provides
                .into_iter()
                .flatten()
                .map(|need| need.name)
                .collect(),
            place: String::new(),
        });
    }
    Ok(packages)
}

/// Parses `a (>= 1), b:any | c [amd64]` as lists of alternatives. Architectures are ignored.
fn relations(field: &str) -> Vec<Vec<Need>> {
    let items = field
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    items
        .map(|item| item.split('|').filter_map(relation).collect())
        .collect()
}

fn relation(text: &str) -> Option<Need> {
    let text = text.trim();
    let end = text
        .find([' ', '(', '[', '<', '\n', '\t'])
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let name = name.split(':').next().unwrap_or_default();
    let version = rest
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'))
        .map(|(version, _)| version.trim().to_owned());
    (!name.is_empty()).then(|| Need {
        name: name.to_owned(),
        version: version.unwrap_or_default(),
    })
}

/// Returns the conffiles of a package, absolute paths and MD5 checksums, from the field `Conffiles`. Obsolete and new
/// ones are skipped.
pub fn conffiles(paragraph: Paragraph<'_>) -> impl Iterator<Item = (&str, &str)> {
    let field = paragraph.get("Conffiles").unwrap_or_default();
    field.lines().filter_map(|line| {
        // Paths may contain spaces; checksums do not.
        let line = line.trim();
        let (path, sum) = line.rsplit_once(' ')?;
        (sum.len() == 32).then_some((path, sum))
    })
}

/// Returns the lines of a file `md5sums`: relative paths and checksums.
pub fn sums(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let (sum, path) = line.split_at_checked(32)?;
        Some((path.strip_prefix(b"  ")?, sum))
    })
}

/// Returns the entries of the file `diversions`: original path, diverted path, and the package; `:` for none.
pub fn diversions(bytes: &[u8]) -> impl Iterator<Item = [&[u8]; 3]> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    std::iter::from_fn(move || {
        let from = lines.next().filter(|line| !line.is_empty())?;
        Some([from, lines.next()?, lines.next()?])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_packages_only() {
        let status = "Package: bash\nStatus: install ok installed\nInstalled-Size: 7\nArchitecture: amd64\n\
            Version: 5.2-1\nPre-Depends: libc6 (>= 2.36), libtinfo6 (>= 6)\nDepends: base-files (>= 2.1.12), a:any | b\n\
            Description: shell\n The shell.\n .\n More.\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
            Package: none\nVersion: 2\nProvides: virtual (= 2), other\n";
        let packages = read(status.as_bytes()).expect("a list");
        let names: Vec<&str> = packages
            .iter()
            .map(|package| package.name.as_str())
            .collect();
        assert_eq!(names, ["bash", "none"]);
        let bash = &packages[0];
        assert_eq!((bash.version.as_str(), bash.size), ("5.2-1", Some(7168)));
        let needs: Vec<Vec<&str>> = bash
            .depends
            .iter()
            .map(|item| item.iter().map(|need| need.name.as_str()).collect())
            .collect();
        assert_eq!(
            needs,
            [
                vec!["libc6"],
                vec!["libtinfo6"],
                vec!["base-files"],
                vec!["a", "b"]
            ]
        );
        assert_eq!(bash.depends[0][0].version, ">= 2.36");
        assert_eq!(packages[1].provides, ["virtual", "other"]);
    }

    #[test]
    fn invalid_lists_are_refused() {
        assert!(read(b"\x7fELF\x02 no field here\n").is_err());
    }
}
