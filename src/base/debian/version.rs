//! The order of Debian's versions.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::error::{Fault, Result};

/// A version, `[epoch:]upstream[-revision]`, ordered as Debian Policy section 5.6.12 has it.
///
/// Versions that say the same in different letters are equal: `1.0` is `0:1.00-0`.
#[derive(Debug, Clone, Copy)]
pub struct Version<'t> {
    text: &'t str,
    epoch: u32,
    upstream: &'t str,
    revision: &'t str,
}

impl<'t> Version<'t> {
    /// Reads one. Blanks around it do not count.
    ///
    /// What dpkg warns of is let through, because databases hold it: a version that starts with no digit, or with
    /// characters that Policy does not know.
    ///
    /// # Errors
    /// `Schema` for what dpkg refuses: nothing at all, blanks inside, an epoch that is no number below 2³¹, nothing
    /// after the epoch or after the `-`.
    pub fn parse(text: &'t str) -> Result<Self> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        let bad = |expected| {
            Err(Fault::Schema {
                field: "version".into(),
                expected,
                found: format!("'{text}'"),
            }
            .into())
        };
        if text.is_empty() || text.contains(char::is_whitespace) {
            return bad("a version without blanks");
        }
        let (epoch, rest) = match text.split_once(':') {
            None => (0, text),
            Some((epoch, rest)) => match epoch.parse::<u32>() {
                Ok(number) if number <= i32::MAX.cast_unsigned() && !epoch.starts_with('+') => {
                    (number, rest)
                }
                _ => return bad("an epoch that is a number"),
            },
        };
        let (upstream, revision) = match rest.rsplit_once('-') {
            None => (rest, ""),
            Some((_, "")) => return bad("a revision after the '-'"),
            Some(parts) => parts,
        };
        if upstream.is_empty() {
            return bad("a version with an upstream part");
        }
        Ok(Version {
            text,
            epoch,
            upstream,
            revision,
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &'t str {
        self.text
    }
}

/// Compares upstream parts, or revisions: letters and digits by turns, digits as numbers.
fn compare(mut a: &[u8], mut b: &[u8]) -> Ordering {
    // Where a letter stands in the order; digits and the end stand where letters have nothing.
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
            // Neither is at its end, or the rank were 0.
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
    /// Of the epoch alone: that much is the same in all ways to write a version.
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
    fn the_order_of_policy_and_dpkg() {
        // Each is older than the next. The first row is Policy 5.6.12's; dpkg was asked about the others.
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
    fn what_dpkg_refuses_is_refused() {
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
        fn another_implementation_agrees(
            a in "([0-2]:)?[0-9][0-9a-b.+~]{0,6}(-[0-9a-b.+~]{1,4})?",
            b in "([0-2]:)?[0-9][0-9a-b.+~]{0,6}(-[0-9a-b.+~]{1,4})?",
        ) {
            let theirs = |text: &str| debversion::Version::from_str(text).expect("a version");
            prop_assert_eq!(order(&a, &b), theirs(&a).cmp(&theirs(&b)));
        }
    }
}
