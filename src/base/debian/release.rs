//! `Release`: what a repository says of itself, and the digests of its indices.
//!
//! Of the digests only SHA512 and SHA256 count, the first where both are there. What the other sums say is not read.

use std::collections::HashMap;

use super::Control;
use crate::error::{Error, Fault, Result};
use crate::layer::clean_path;
use crate::spec::Digest;

/// A `Release` file, without a word on whether its signature is good.
#[derive(Debug, Clone)]
pub struct Release {
    control: Control,
    files: HashMap<String, Listed>,
    date: Option<i64>,
    valid_until: Option<i64>,
}

/// A file that a release lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its digest, the strongest that is given.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
}

impl Release {
    /// Reads one.
    ///
    /// # Errors
    /// `Release` for one without usable digests, `Deb822`.
    pub fn parse(text: &str) -> Result<Self> {
        let control = Control::parse(text)?;
        let mut files = HashMap::new();
        // The stronger later: it takes the place of the other.
        for (field, algorithm) in [("SHA256", "sha256"), ("SHA512", "sha512")] {
            for line in control.get(field).unwrap_or_default().lines() {
                let words: Vec<&str> = line.split_ascii_whitespace().collect();
                let [hex, size, path] = words[..] else {
                    match words.is_empty() {
                        true => continue,
                        false => {
                            return Err(wrong(format!("{field}: '{line}' is no sum of a file")));
                        }
                    }
                };
                let clean = clean_path(path.as_bytes());
                let size = size
                    .parse()
                    .ok()
                    .filter(|_| !clean.absolute && !clean.climbs);
                let (Some(size), Ok(path)) = (size, std::str::from_utf8(&clean.path)) else {
                    return Err(wrong(format!("{field}: '{line}' is no sum of a file")));
                };
                let digest = Digest::from_hex(algorithm, hex)?;
                files.insert(path.to_owned(), Listed { digest, size });
            }
        }
        if files.is_empty() {
            return Err(wrong("it has neither SHA256 nor SHA512 sums".to_owned()));
        }
        let time = |field: &str| match control.get(field) {
            None => Ok(None),
            Some(text) => date(text)
                .map(Some)
                .ok_or_else(|| wrong(format!("{field}: '{text}' is no date"))),
        };
        let (date, valid_until) = (time("Date")?, time("Valid-Until")?);
        Ok(Release {
            files,
            date,
            valid_until,
            control,
        })
    }

    /// All of its fields.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// A file that it lists, by its path beside the release.
    pub fn file(&self, path: &str) -> Option<&Listed> {
        self.files.get(path)
    }

    /// When it was made, in seconds since 1970.
    pub fn date(&self) -> Option<i64> {
        self.date
    }

    /// Until when it is meant to be used, in seconds since 1970.
    pub fn valid_until(&self) -> Option<i64> {
        self.valid_until
    }

    /// Whether indices are also named by their digests, `by-hash/SHA256/…`.
    pub fn is_by_hash(&self) -> bool {
        self.control.get("Acquire-By-Hash") == Some("yes")
    }

    /// Whether packages for all architectures are in the index of each architecture, and need not be looked for.
    pub fn has_all_everywhere(&self) -> bool {
        self.control.get("No-Support-for-Architecture-all") == Some("Packages")
    }

    /// The words of a field: `Components`, `Architectures`.
    pub fn words(&self, field: &str) -> impl Iterator<Item = &str> {
        let words = self.control.get(field).unwrap_or_default();
        words.split_ascii_whitespace()
    }

    /// Whether that is one of the names of its suite.
    pub fn is_called(&self, suite: &str) -> bool {
        let mut names = ["Suite", "Codename"]
            .iter()
            .filter_map(|field| self.control.get(field));
        // `bookworm-security/updates` was the way to write it for long.
        names.any(|name| name == suite || suite.split('/').next() == Some(name))
    }
}

/// A date of a release: as in mails, with `UTC` as the zone.
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
    fn the_stronger_digest_counts_and_weak_ones_do_not() {
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
    fn dates_are_those_of_mails() {
        // As date(1) gives them.
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
