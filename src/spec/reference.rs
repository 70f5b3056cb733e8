//! Image references and their short form.

use std::fmt;

use super::Digest;
use crate::error::{Error, Fault, Result};

/// Default registry.
const HUB: &str = "docker.io";
/// Default directory of [`HUB`].
const LIBRARY: &str = "library/";

/// Reference by the grammar of docker and containerd: `[host[:port]/]path[:tag][@digest]`, in normal form.
///
/// `alpine`, `docker.io/alpine` and `docker.io/library/alpine` are equal. A missing tag is not filled in, because a
/// name without one and `:latest` differ in an archive; see [`Reference::tag_or_latest`].
///
/// A name in the storage of a registry has no host, and is exact: `alpine` is not `library/alpine` there, see
/// [`Reference::in_tree`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Parses a reference.
    ///
    /// # Errors
    /// `BadReference` with the broken rule.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parsed = Reference::in_parts(text)?;
        let name = std::mem::take(&mut parsed.path);
        let (domain, path) = match name.split_once('/') {
            Some((first, rest)) if is_domain(first) => (first, rest),
            _ => (HUB, &*name),
        };
        if !valid_domain(domain) {
            return Err(bad_reference(text, "invalid host name"));
        }
        let domain = if domain == "index.docker.io" {
            HUB
        } else {
            domain
        };
        parsed.path = match domain == HUB && !path.contains('/') {
            true => format!("{LIBRARY}{path}"),
            false => path.to_owned(),
        };
        parsed.domain = domain.to_owned();
        parsed.check_path(text, path)
    }

    /// Parses a name in the storage of a registry: all of it before the tag is the repository.
    ///
    /// # Errors
    /// As [`Reference::parse`].
    pub fn in_tree(text: &str) -> Result<Self> {
        let parsed = Reference::in_parts(text)?;
        let path = parsed.path.clone();
        parsed.check_path(text, &path)
    }

    /// Splits a text into the name, as the path, tag and digest.
    fn in_parts(text: &str) -> Result<Self> {
        let bad = |why| bad_reference(text, why);
        let (rest, digest) = match text.split_once('@') {
            None => (text, None),
            Some((rest, digest)) => (
                rest,
                Some(Digest::parse(digest).map_err(|_| bad("invalid digest after '@'"))?),
            ),
        };
        // A colon after the last slash precedes the tag; one before it belongs to the host's port.
        let name_start = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_start..].find(':') {
            None => (rest, None),
            Some(colon) => (
                &rest[..name_start + colon],
                Some(&rest[name_start + colon + 1..]),
            ),
        };
        if let Some(tag) = tag {
            let mut bytes = tag.bytes();
            let first_ok = bytes
                .next()
                .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !first_ok
                || tag.len() > 128
                || !bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
            {
                return Err(bad(
                    "expected a tag of up to 128 letters, digits, '_', '.', '-'",
                ));
            }
        }
        Ok(Reference {
            domain: String::new(),
            path: name.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }

    /// Checks the path as typed, and the length of the whole name.
    fn check_path(self, text: &str, path: &str) -> Result<Self> {
        let bad = |why| bad_reference(text, why);
        let components_ok = path.split('/').all(valid_component);
        if path.is_empty() || !components_ok {
            let upper = path.bytes().any(|b| b.is_ascii_uppercase());
            return Err(bad(if upper {
                "a repository name must be in lower case"
            } else {
                "expected a repository name of lower-case letters and digits, separated by '.', '_', '__', '-' or '/'"
            }));
        }
        if self.domain.len() + self.path.len() + 1 > 255 {
            return Err(bad("name longer than 255 characters"));
        }
        Ok(self)
    }

    /// Tests if this is a name in the storage of a registry.
    pub fn is_in_tree(&self) -> bool {
        self.domain.is_empty()
    }

    /// The name outside of a tree, where the first component may be a host.
    ///
    /// # Errors
    /// `BadReference` if the first component looks like a host and is none.
    pub fn outside(&self) -> Result<Reference> {
        match self.is_in_tree() {
            true => Reference::parse(&self.to_string()),
            false => Ok(self.clone()),
        }
    }

    /// Host of the registry, with port; empty in the storage of a registry.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Repository without the host: `library/alpine`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Tag, if stated.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Digest, if stated.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Tag; `latest` if neither tag nor digest is stated.
    pub fn tag_or_latest(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some("latest"),
            (None, Some(_)) => None,
        }
    }

    /// Adds the tag `latest` if neither tag nor digest is stated.
    #[must_use]
    pub fn tagged(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".into());
        }
        self
    }

    /// Replaces the tag.
    #[must_use]
    pub(crate) fn with_tag(mut self, tag: &str) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Repository as docker prints it: without the default host and directory.
    ///
    /// The host stays if the next component would be parsed as a host, unlike in docker: the result can always be
    /// typed.
    pub fn familiar_repository(&self) -> String {
        let next = self.path.split_once('/');
        if self.domain != HUB || next.is_some_and(|(first, _)| is_domain(first)) {
            return self.repository();
        }
        match self.path.strip_prefix(LIBRARY) {
            Some(short) if !short.contains('/') => short.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// Full repository: `docker.io/library/alpine`.
    pub fn repository(&self) -> String {
        match self.is_in_tree() {
            true => self.path.clone(),
            false => format!("{}/{}", self.domain, self.path),
        }
    }

    /// Removes the default host and directory from the start of a name or pattern.
    pub fn without_default(text: &str) -> &str {
        let short = text
            .strip_prefix(HUB)
            .and_then(|rest| rest.strip_prefix('/'));
        short.map_or(text, |short| short.strip_prefix(LIBRARY).unwrap_or(short))
    }

    /// Tests if both are in one repository.
    pub fn has_same_repository(&self, other: &Reference) -> bool {
        self.domain == other.domain && self.path == other.path
    }

    /// Short form with tag and digest as stated.
    pub fn familiar(&self) -> String {
        self.with_suffix(self.familiar_repository())
    }

    fn with_suffix(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(digest.as_str());
        }
        name
    }

    /// Tests if both have the same repository, tag and digest; the default tag is `latest`.
    pub fn same_as(&self, other: &Reference) -> bool {
        self.has_same_repository(other)
            && self.tag_or_latest() == other.tag_or_latest()
            && self.digest == other.digest
    }
}

/// Full form with tag and digest as stated.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_suffix(self.repository()))
    }
}

fn bad_reference(text: &str, why: &'static str) -> Error {
    Error::new(Fault::BadReference {
        text: text.chars().take(300).collect(),
        why,
    })
}

/// Tests if the first component of a name is a host: it has a dot, a port or upper case, or is `localhost`.
fn is_domain(first: &str) -> bool {
    first.contains(['.', ':'])
        || first == "localhost"
        || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn valid_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !domain.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    let port_ok =
        port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let host_ok = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(v6) => !v6.is_empty() && v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(|part| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        }),
    };
    port_ok && host_ok
}

/// Tests a path component: alphanumeric runs joined by one of `.`, `_`, `__` or any number of `-`.
fn valid_component(component: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let edges_ok = bytes.first().is_some_and(|&b| alphanumeric(b))
        && bytes.last().is_some_and(|&b| alphanumeric(b));
    let separators_ok = component
        .split(|c: char| c.is_ascii() && alphanumeric(c as u8))
        .all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        });
    edges_ok && separators_ok
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_full_forms() {
        for (text, familiar, full) in [
            ("alpine", "alpine", "docker.io/library/alpine"),
            ("alpine:3", "alpine:3", "docker.io/library/alpine:3"),
            (
                "docker.io/alpine:3",
                "alpine:3",
                "docker.io/library/alpine:3",
            ),
            (
                "corpus/classic:1",
                "corpus/classic:1",
                "docker.io/corpus/classic:1",
            ),
            ("localhost/a:1", "localhost/a:1", "localhost/a:1"),
            (
                "docker.io/some.where/a:1",
                "docker.io/some.where/a:1",
                "docker.io/some.where/a:1",
            ),
            (
                "host.example:5000/a/b:t",
                "host.example:5000/a/b:t",
                "host.example:5000/a/b:t",
            ),
        ] {
            let reference = Reference::parse(text).expect(text);
            assert_eq!(
                (
                    reference.familiar().as_str(),
                    reference.to_string().as_str()
                ),
                (familiar, full)
            );
        }
    }

    #[test]
    fn names_in_trees_are_exact() {
        let in_tree = |text| Reference::in_tree(text).expect("a reference");
        for text in ["alpine:3", "library/alpine:3", "docker.io/library/alpine:3"] {
            let name = in_tree(text);
            assert_eq!((name.familiar().as_str(), &*name.to_string()), (text, text));
            let outside = name.outside().expect("a reference");
            assert_eq!(outside.to_string(), "docker.io/library/alpine:3", "{text}");
        }
        assert!(!in_tree("alpine").same_as(&in_tree("library/alpine")));
        assert!(Reference::in_tree("host.example:5000/a").is_err());
        assert!(in_tree("a_b.c/d").outside().is_err());
    }

    #[test]
    fn latest_is_the_default_tag() {
        let bare = Reference::parse("alpine").expect("a reference");
        assert!(
            bare.same_as(
                &Reference::parse("docker.io/library/alpine:latest").expect("a reference")
            )
        );
        assert!(!bare.same_as(&Reference::parse("alpine:3").expect("a reference")));
    }

    #[test]
    fn invalid_references_are_refused() {
        let long = "a".repeat(300);
        for text in [
            "",
            "A/b:C d",
            "Alpine",
            "a b",
            "a:",
            "a:b:c",
            "a@sha256:1",
            "a//b",
            "-a",
            "a_.b",
            "../a",
            &long,
        ] {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
    }
}
