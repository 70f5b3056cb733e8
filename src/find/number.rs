//! Numbers with a sign: `+N` for more, `-N` for less.

use std::cmp::Ordering;

/// Test of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    wanted: Ordering,
    value: u64,
}

/// Splits a sign off: `Greater` for `+`, `Less` for `-`.
pub(super) fn sign(text: &str) -> (Ordering, &str) {
    match text.as_bytes().first() {
        Some(b'+') => (Ordering::Greater, &text[1..]),
        Some(b'-') => (Ordering::Less, &text[1..]),
        _ => (Ordering::Equal, text),
    }
}

impl Number {
    /// Parses `N`, `+N` or `-N`; `None` if it is invalid.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (wanted, digits) = sign(text);
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let value = digits.parse().ok().filter(|_| is_number)?;
        Some(Number { wanted, value })
    }

    pub(super) fn is_match(self, found: u64) -> bool {
        found.cmp(&self.value) == self.wanted
    }
}

/// Test of a size: a number of units, to which the size is rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    number: Number,
    unit: u64,
}

impl Size {
    /// Parses `N[cwbkMG]`; `None` if it is invalid.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let unit = match text.as_bytes().last()? {
            b'c' => 1,
            b'w' => 2,
            b'b' => 512,
            b'k' => 1 << 10,
            b'M' => 1 << 20,
            b'G' => 1 << 30,
            _ => 0,
        };
        let (number, unit) = match unit {
            0 => (text, 512),
            unit => (&text[..text.len() - 1], unit),
        };
        let number = Number::parse(number)?;
        Some(Size { number, unit })
    }

    pub(super) fn is_match(self, size: u64) -> bool {
        self.number.is_match(size.div_ceil(self.unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up() {
        // Each as `find FILE -size ARGUMENT` of GNU find 4.9 decides.
        for (text, yes, no) in [
            ("1", &[1, 512][..], &[0, 513][..]),
            ("0", &[0], &[1]),
            ("-1", &[0], &[1]),
            ("-1M", &[0], &[1, 1 << 20]),
            ("+1M", &[(1 << 20) + 1], &[1 << 20]),
            ("2k", &[1025, 2048], &[1024, 2049]),
            ("+5c", &[6], &[5]),
            ("1w", &[1, 2], &[3]),
            ("1b", &[512], &[513]),
            ("1G", &[1], &[0]),
        ] {
            let size = Size::parse(text).expect(text);
            for found in yes {
                assert!(size.is_match(*found), "{text} {found}");
            }
            for found in no {
                assert!(!size.is_match(*found), "{text} {found}");
            }
        }
        for text in [
            "",
            "5q",
            "+-3c",
            "k",
            "+",
            "1 ",
            "é",
            "18446744073709551616",
        ] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
    }
}
