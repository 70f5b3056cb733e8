//! Packages of programming languages, each described by a file of its own.

use super::package::{Manager, Need, Package, damaged, text};
use crate::error::Result;
use crate::spec::json::{self, Node};

/// Reads a Python distribution's metadata: headers as in mail.
///
/// # Errors
/// `Schema` if it has no name.
pub(super) fn python(bytes: &[u8]) -> Result<Vec<Package>> {
    let text = text(bytes);
    let mut package = Package {
        manager: Manager::Pip,
        ..Package::default()
    };
    for line in text.lines() {
        if line.is_empty() {
            break;
        }
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key.to_ascii_lowercase().as_str() {
            "name" => package.name = value.to_owned(),
            "version" => package.version = value.to_owned(),
            // Requirements of an extra are optional.
            "requires-dist" if !value.contains("extra ==") => {
                package.depends.push(vec![requirement(value)]);
            }
            _ => {}
        }
    }
    if package.name.is_empty() {
        return Err(damaged("a name", "none"));
    }
    package.provides.push(normal(&package.name));
    Ok(vec![package])
}

/// Normalizes the name of a Python package: case, dashes, dots and underscores do not matter.
fn normal(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    let parts: Vec<String> = parts.map(str::to_ascii_lowercase).collect();
    parts.join("-")
}

/// Parses `name[extra] (>=1.0); python_version > "3"`.
fn requirement(text: &str) -> Need {
    let text = text.split(';').next().unwrap_or_default().trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = rest.trim();
    let rest = match rest.strip_prefix('[') {
        Some(extras) => extras.split_once(']').map_or("", |(_, rest)| rest),
        None => rest,
    };
    Need {
        name: normal(name),
        version: rest.trim().trim_matches(['(', ')']).to_owned(),
    }
}

/// Reads an npm package's description.
///
/// # Errors
/// `Json` and `Schema` for an invalid description.
pub(super) fn npm(bytes: &[u8]) -> Result<Vec<Package>> {
    let value = json::parse(bytes, &crate::limits::JsonLimits::default())?;
    let node = Node::root(&value);
    let name = json::opt_text(&node, "name")?.unwrap_or_default();
    // Packages have directories with a `package.json` that only describes how to load them.
    if name.is_empty() {
        return Ok(Vec::new());
    }
    let mut depends = Vec::new();
    for field in ["dependencies", "optionalDependencies"] {
        if let Some(map) = value.get(field).and_then(|map| map.as_object()) {
            depends.extend(map.iter().map(|(name, version)| {
                vec![Need {
                    name: name.clone(),
                    version: version.as_str().unwrap_or_default().to_owned(),
                }]
            }));
        }
    }
    Ok(vec![Package {
        manager: Manager::Npm,
        name,
        version: json::opt_text(&node, "version")?.unwrap_or_default(),
        depends,
        ..Package::default()
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_metadata() {
        let metadata = "Metadata-Version: 2.1\nName: Zope.Interface\nVersion: 6.0\nRequires-Dist: setuptools (>=40)\n\
            Requires-Dist: pytest[x]>=7; extra == \"test\"\nRequires-Dist: idna[all]<4,>=2.5\n\nName: body\n";
        let packages = python(metadata.as_bytes()).expect("a package");
        let package = &packages[0];
        assert_eq!(
            (package.name.as_str(), package.version.as_str()),
            ("Zope.Interface", "6.0")
        );
        assert_eq!(package.provides, ["zope-interface"]);
        let needs: Vec<(&str, &str)> = package
            .depends
            .iter()
            .map(|item| (item[0].name.as_str(), item[0].version.as_str()))
            .collect();
        assert_eq!(needs, [("setuptools", ">=40"), ("idna", "<4,>=2.5")]);
        assert!(python(b"no header\n").is_err());
    }

    #[test]
    fn npm_descriptions() {
        let packages = npm(br#"{"name":"@a/b","version":"1.0.0","dependencies":{"c":"^2"}}"#)
            .expect("a package");
        assert_eq!(packages[0].name, "@a/b");
        assert_eq!(packages[0].depends[0][0].name, "c");
        assert!(npm(br#"{"type":"module"}"#).expect("nothing").is_empty());
        assert!(npm(b"{").is_err());
    }
}
