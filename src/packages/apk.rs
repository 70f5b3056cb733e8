//! apk's database: paragraphs of lines with a letter, a colon and a value.

use super::package::{Manager, Need, Package, damaged, text};
use crate::error::Result;

/// Reads `installed`.
///
/// # Errors
/// `Schema` for invalid lines.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>> {
    let text = text(bytes);
    let mut packages = Vec::new();
    let mut package = Package::default();
    for (number, line) in text.lines().chain([""]).enumerate() {
        if line.is_empty() {
            let done = std::mem::take(&mut package);
            if !done.name.is_empty() {
                packages.push(Package {
                    manager: Manager::Apk,
                    ..done
                });
            }
            continue;
        }
        let Some((key, value)) = line.split_once(':') else {
            return Err(damaged(
                "lines of a letter and a value",
                format!("line {}", number + 1),
            ));
        };
        let words = value.split_ascii_whitespace();
        match key {
            "P" => package.name = value.to_owned(),
            "V" => package.version = value.to_owned(),
            "A" => package.architecture = value.to_owned(),
            "o" => package.source = value.to_owned(),
            "I" => package.size = value.parse().ok(),
            // An exclamation mark declares a conflict.
            "D" => package.depends.extend(
                words
                    .filter(|word| !word.starts_with('!'))
                    .map(|word| vec![need(word)]),
            ),
            "p" => package.provides.extend(words.map(|word| need(word).name)),
            _ => {}
        }
    }
    Ok(packages)
}

/// Parses `name>=1.2`, `so:libc.musl-x86_64.so.1`, `cmd:sh=1`.
fn need(word: &str) -> Need {
    let end = word.find(['=', '<', '>', '~']).unwrap_or(word.len());
    let (name, version) = word.split_at(end);
    // An @ pins a repository.
    let name = name.split('@').next().unwrap_or_default();
    Need {
        name: name.to_owned(),
        version: version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_apk() {
        let installed = "C:Q1abc=\nP:musl\nV:1.2.5-r0\nA:x86_64\nI:667648\no:musl\np:so:libc.musl-x86_64.so.1=1\nF:lib\nR:ld.so\n\n\
            P:busybox\nV:1.36\nD:so:libc.musl-x86_64.so.1 a>=2 !b\n\n";
        let packages = read(installed.as_bytes()).expect("a list");
        assert_eq!(packages.len(), 2);
        assert_eq!(packages[0].provides, ["so:libc.musl-x86_64.so.1"]);
        assert_eq!(packages[0].size, Some(667_648));
        let needs: Vec<&str> = packages[1]
            .depends
            .iter()
            .map(|item| item[0].name.as_str())
            .collect();
        assert_eq!(needs, ["so:libc.musl-x86_64.so.1", "a"]);
        assert_eq!(packages[1].depends[1][0].version, ">=2");
        assert!(read(b"\0\0\0").is_err());
    }
}
