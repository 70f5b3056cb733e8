//! `Release` file: metadata of a repository and digests of its indices.
//!
//! Only SHA512 and SHA256 digests are read; SHA512 takes precedence.

use std::collections::HashMap;

use super::Control;
use crate::error::{Error, Fault, Result};
use crate::layer::clean_path;
use crate::spec::Digest;

/// `Release` file. The signature is verified elsewhere.
#[derive(Debug, Clone)]
pub struct Release {
    control: Control,
    files: HashMap<String, Listed>,
    date: Option<i64>,
    valid_until: Option<i64>,
}

/// File listed in a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Strongest digest listed.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
}

impl Release {
    /// Parses a `Release` file.
    ///
    /// # Errors
    /// `Release` for missing or invalid digests, `Deb822`.
    pub fn parse(text: &str) -> Result<Self> {
        let control = Control::parse(text)?;
        let mut files = HashMap::new();
        // The stronger algorithm comes last and overwrites the weaker one.
        for (field, algorithm) in [("SHA256", "sha256"), ("SHA512", "sha512")] {
            for line in control.get(field).unwrap_or_default().lines() {
                let words: Vec<&str> = line.split_ascii_whitespace().collect();
                let [hex, size, path] = words[..] else {
                    match words.is_empty() {
                        true => continue,
                        false => {
                            return Err(wrong(format!("{field}: invalid line '{line}'")));
                        }
                    }
                };
                let clean = clean_path(path.as_bytes());
                let size = size
                    .parse()
                    .ok()
                    .filter(|_| !clean.absolute && !clean.climbs);
                let (Some(size), Ok(path)) = (size, std::str::from_utf8(&clean.path)) else {
                    return Err(wrong(format!("{field}: invalid line '{line}'")));
                };
                let digest = Digest::from_hex(algorithm, hex)?;
                files.insert(path.to_owned(), Listed { digest, size });
            }
        }
        if files.is_empty() {
            return Err(wrong("neither SHA256 nor SHA512 digests".to_owned()));
        }
        let time = |field: &str| match control.get(field) {
            None => Ok(None),
            Some(text) => date(text)
                .map(Some)
                .ok_or_else(|| wrong(format!("{field}: invalid date '{text}'"))),
        };
        let (date, valid_until) = (time("Date")?, time("Valid-Until")?);
        Ok(Release {
            files,
            date,
            valid_until,
            control,
        })
    }

    /// Returns all fields.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Returns the codename, else the suite; empty if there is neither.
    pub fn name(&self) -> &str {
        let codename = self.control.get("Codename");
        codename.or(self.control.get("Suite")).unwrap_or_default()
    }

    /// Returns a listed file by its path relative to the release.
    pub fn file(&self, path: &str) -> Option<&Listed> {
        self.files.get(path)
    }

    /// Returns the creation date, in seconds since 1970.
    pub fn date(&self) -> Option<i64> {
        self.date
    }

    /// Returns the expiration date, in seconds since 1970.
    pub fn valid_until(&self) -> Option<i64> {
        self.valid_until
    }

    /// Returns whether indices are also available by digest, as `by-hash/SHA256/…`.
    pub fn is_by_hash(&self) -> bool {
        self.control.get("Acquire-By-Hash") == Some("yes")
    }

    /// Returns whether the index of each architecture includes the packages of architecture `all`.
    pub fn has_all_everywhere(&self) -> bool {
        self.control.get("No-Support-for-Architecture-all") == Some("Packages")
    }

    /// Returns the words of a field: `Components`, `Architectures`.
    pub fn words(&self, field: &str) -> impl Iterator<Item = &str> {
        let words = self.control.get(field).unwrap_or_default();
        words.split_ascii_whitespace()
    }

    /// Returns whether the suite has this name.
    pub fn is_called(&self, suite: &str) -> bool {
        let mut names = ["Suite", "Codename"]
            .iter()
            .filter_map(|field| self.control.get(field));
        // Older sources lists write `bookworm-security/updates`.
        names.any(|name| name == suite || suite.split('/').next() == Some(name))
    }
}

/// Parses a date in the format of RFC 2822, with `UTC` as time zone.
fn date(text: &str) -> Option<i64> {
    let zoned = text.trim();
    let zoned = ["UTC", "GMT", "Z"]
        .iter()
        .find_map(|zone| zoned.strip_suffix(zone))
        .map_or_else(|| zoned.to_owned(), |time| format!("{time}+0000"));
    let time = jiff::fmt::rfc2822::parse(&zoned).ok()?;
    Some(time.timestamp().as_second())
}

pub(super) fn wrong(why: String) -> Error {
    Fault::Release { why }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(field: &str, hex: &str, path: &str) -> String {
        format!("Suite: stable\nCodename: bookworm\n{field}:\n {hex} 7 {path}\n")
    }

    #[test]
    fn the_strongest_digest_counts_and_weak_ones_are_ignored() {
        let (a, b) = ("a".repeat(64), "b".repeat(128));
        let both = sums("SHA512", &b, "main/Packages");
        let both = format!("{both}SHA256:\n {a} 8 ./main//Packages\n {a} 9 other\n");
        let release = Release::parse(&both).expect("a release");
        let listed = |path| {
            release
                .file(path)
                .map(|it| (it.digest.algorithm(), it.size))
        };
        assert_eq!(listed("main/Packages"), Some(("sha512", 7)));
        assert_eq!(listed("other"), Some(("sha256", 9)));
        assert!(release.is_called("stable") && release.is_called("bookworm/updates"));
        assert!(!release.is_called("trixie"));
        for (field, hex) in [("MD5Sum", "c".repeat(32)), ("SHA1", "d".repeat(40))] {
            let error = Release::parse(&sums(field, &hex, "x")).expect_err("weak");
            assert!(error.to_string().contains("neither SHA256 nor SHA512"));
        }
        for path in ["../x", "/x", "x y"] {
            assert!(Release::parse(&sums("SHA256", &a, path)).is_err(), "{path}");
        }
        assert!(Release::parse(&sums("SHA256", "abc", "x")).is_err());
    }

    #[test]
    fn dates_have_the_format_of_rfc_2822() {
        // Expected values from date(1).
        for (text, seconds) in [
            ("Sat, 21 Nov 2026 12:48:20 +0000", 1_795_265_300),
            ("Sat, 10 May 2025 09:21:34 UTC", 1_746_868_894),
            ("Sat, 10 May 2025 09:21:34 GMT", 1_746_868_894),
        ] {
            assert_eq!(date(text), Some(seconds), "{text}");
        }
        assert_eq!(date("yesterday"), None);
    }
}
