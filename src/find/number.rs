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
    let more = text.strip_prefix('+').map(|rest| (Ordering::Greater, rest));
    let less = || text.strip_prefix('-').map(|rest| (Ordering::Less, rest));
    more.or_else(less).unwrap_or((Ordering::Equal, text))
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
        const UNITS: [(char, u64); 6] = [
            ('c', 1),
            ('w', 2),
            ('b', 512),
            ('k', 1 << 10),
            ('M', 1 << 20),
            ('G', 1 << 30),
        ];
        let with_unit = |(letter, unit)| Some((text.strip_suffix(letter)?, unit));
        let (number, unit) = UNITS.into_iter().find_map(with_unit).unwrap_or((text, 512));
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
