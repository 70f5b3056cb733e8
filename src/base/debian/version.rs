//! Debian versions and their order.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::error::{Error, Result};

/// Version, `[epoch:]upstream[-revision]`, ordered by Debian Policy section 5.6.12.
///
/// Equivalent versions are equal: `1.0` is `0:1.00-0`.
#[derive(Debug, Clone, Copy)]
pub struct Version<'t> {
    text: &'t str,
    epoch: u32,
    upstream: &'t str,
    revision: &'t str,
}

impl<'t> Version<'t> {
    /// Parses a version. Surrounding whitespace is ignored.
    ///
    /// Versions that dpkg only warns about are accepted, because databases contain them: without a leading digit, or with
    /// characters that Policy does not allow.
    ///
    /// # Errors
    /// `Schema` for versions that dpkg refuses: empty, with inner whitespace, an epoch that is no number below 2³¹, an
    /// empty upstream part or an empty revision.
    pub fn parse(text: &'t str) -> Result<Self> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        let bad = |expected| Err(Error::schema("version", expected, format!("'{text}'")));
        if text.is_empty() || text.contains(char::is_whitespace) {
            return bad("a version without whitespace");
        }
        let (epoch, rest) = match text.split_once(':') {
            None => (0, text),
            Some((epoch, rest)) => match epoch.parse::<u32>() {
                Ok(number) if number <= i32::MAX.cast_unsigned() && !epoch.starts_with('+') => {
                    (number, rest)
                }
                _ => return bad("a numeric epoch"),
            },
        };
        let (upstream, revision) = match rest.rsplit_once('-') {
            None => (rest, ""),
            Some((_, "")) => return bad("a revision after '-'"),
            Some(parts) => parts,
        };
        if upstream.is_empty() {
            return bad("an upstream version");
        }
        Ok(Version {
            text,
            epoch,
            upstream,
            revision,
        })
    }

    /// Returns the version as written.
    pub fn as_str(&self) -> &'t str {
        self.text
    }
}

/// Compares upstream parts or revisions: alternately non-digits, and digits as numbers.
fn compare(mut a: &[u8], mut b: &[u8]) -> Ordering {
    // Order of a character; a digit or the end has the order of no character.
    fn rank(byte: Option<&u8>) -> i32 {
        match byte {
            Some(b'~') => -1,
            None | Some(b'0'..=b'9') => 0,
            Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
            Some(byte) => i32::from(*byte) + 256,
        }
    }
    fn number<'b>(bytes: &mut &'b [u8]) -> &'b [u8] {
        let zeros = bytes.iter().take_while(|byte| **byte == b'0').count();
        let rest = &bytes[zeros..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        *bytes = &rest[digits..];
        &rest[..digits]
    }
    while !a.is_empty() || !b.is_empty() {
        loop {
            let (x, y) = (rank(a.first()), rank(b.first()));
            if x != y {
                return x.cmp(&y);
            }
            if x == 0 {
                break;
            }
            // A rank other than 0 means that neither is at its end.
            (a, b) = (&a[1..], &b[1..]);
        }
        let (x, y) = (number(&mut a), number(&mut b));
        match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    Ordering::Equal
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.text == other.text {
            return Ordering::Equal;
        }
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare(self.upstream.as_bytes(), other.upstream.as_bytes()))
            .then_with(|| compare(self.revision.as_bytes(), other.revision.as_bytes()))
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version<'_> {}

impl Hash for Version<'_> {
    /// Hashes the epoch only, which is the same for all equal versions.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.epoch.hash(state);
    }
}

impl fmt::Display for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use proptest::prelude::*;

    use super::*;

    fn order(a: &str, b: &str) -> Ordering {
        let parse = |text| Version::parse(text).expect("a version");
        parse(a).cmp(&parse(b))
    }

    #[test]
    fn order_matches_policy_and_dpkg() {
        // Each version is older than the next. The first row is from Policy 5.6.12, the others were checked with dpkg.
        for row in [
            &["1.0~~", "1.0~~a", "1.0~", "1.0", "1.0a"][..],
            &["1.0~beta1~svn1245", "1.0~beta1", "1.0", "1.0-1", "1.0-1.1"],
            &["1.2", "1.10", "1.a", "1.+", "1:0", "2:0"],
            &["0-0~", "0", "0-1", "0a-1", "0+b1"],
            &["12.4", "12.4+deb12u9", "12.4+deb12u15", "12.5"],
            &["2.36-9", "2.36-9+b1", "2.36.1-1", "2.36.99~"],
            &["1-1~bpo", "1-1", "1-1+b2", "1-1-1"],
        ] {
            for (i, older) in row.iter().enumerate() {
                for newer in &row[i + 1..] {
                    assert_eq!(order(older, newer), Ordering::Less, "{older} {newer}");
                    assert_eq!(order(newer, older), Ordering::Greater, "{newer} {older}");
                }
            }
        }
        for (a, b) in [("1.0", "0:1.00"), ("1", "1-0"), ("1.", "1.0"), ("a", "a0")] {
            assert_eq!(order(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn versions_refused_by_dpkg_are_refused() {
        for bad in [
            "",
            " ",
            "1 0",
            ":1",
            "a:1",
            "-1:1",
            "+1:1",
            "4294967296:1",
            "1:",
            "1-",
            "-1",
        ] {
            assert!(Version::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["abc", "1:2:3", " 1.0\n", "2147483647:1", "1_2"] {
            assert!(Version::parse(good).is_ok(), "{good:?}");
        }
    }

    proptest! {
        #[test]
    fn order_matches_another_implementation(
            a in "([0-2]:)?[0-9][0-9a-b.+~]{0,6}(-[0-9a-b.+~]{1,4})?",
            b in "([0-2]:)?[0-9][0-9a-b.+~]{0,6}(-[0-9a-b.+~]{1,4})?",
        ) {
            let theirs = |text: &str| debversion::Version::from_str(text).expect("a version");
            prop_assert_eq!(order(&a, &b), theirs(&a).cmp(&theirs(&b)));
        }
    }
}
