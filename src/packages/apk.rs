//! apk's database: paragraphs of lines with a letter, a colon and a value.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;

use super::package::{Manager, Need, Package, damaged, text};
use crate::error::Result;
use crate::facts::ContentDigest;

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

/// Passes the paths that packages list, with the name of the package, and the digest of what is no directory.
///
/// # Errors
/// Those of `each`. Other lines than those of files are skipped.
pub(super) fn files(
    bytes: &[u8],
    mut each: impl FnMut(&str, &[u8], Option<ContentDigest>) -> Result<()>,
) -> Result<()> {
    let (mut package, mut directory) = (String::new(), Vec::new());
    // The path whose digest may follow.
    let mut file: Option<Vec<u8>> = None;
    for line in bytes.split(|byte| *byte == b'\n').chain([&b""[..]]) {
        if matches!(line, [] | [b'R' | b'F', b':', ..])
            && let Some(path) = file.take()
        {
            each(&package, &path, None)?;
        }
        match line {
            [b'P', b':', name @ ..] => package = text(name),
            [b'F', b':', path @ ..] => {
                directory = path.to_vec();
                each(&package, path, None)?;
            }
            [b'R', b':', name @ ..] => file = Some([&directory, name].join(&b'/')),
            [b'Z', b':', b'Q', kind @ (b'1' | b'2'), sum @ ..] => {
                let sum = BASE64.decode(sum).ok();
                let digest = sum.and_then(|sum| match kind {
                    b'1' => sum.try_into().ok().map(ContentDigest::Sha1),
                    _ => sum.try_into().ok().map(ContentDigest::Sha256),
                });
                if let Some(path) = file.take() {
                    each(&package, &path, digest)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
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
