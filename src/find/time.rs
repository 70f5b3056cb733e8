//! Times: ages in days and minutes, and dates.

use std::cmp::Ordering;

use super::number::sign;
use crate::layer::Mtime;
use crate::spec::Timestamp;

/// Seconds of a day.
const DAY: i64 = 86_400;
const BILLION: i128 = 1_000_000_000;

/// Time that ages are counted from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    /// Whole seconds since 1970.
    now: i64,
    /// Ages count from the end of the day.
    is_day: bool,
}

/// Test of an age, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    Before(i128),
    After(i128),
    /// After the first and at the second at the latest.
    Within(i128, i128),
}

/// Unit of an age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Days,
    Minutes,
}

fn nanoseconds(time: Mtime) -> i128 {
    i128::from(time.seconds) * BILLION + i128::from(time.nanos)
}

impl Origin {
    pub(super) fn at(now: i64) -> Self {
        let is_day = false;
        Origin { now, is_day }
    }

    /// Counts ages from the end of the day, in UTC (`-daystart`).
    pub(super) fn of_day(self) -> Self {
        let is_day = true;
        Origin { is_day, ..self }
    }

    /// Parses an age: `N`, `+N` or `-N` of a unit, fractions allowed. `None` if it is invalid.
    ///
    /// As GNU find, to the second: `-mtime 1` is an age of 24 to 48 hours, `-mmin 1` one of up to a minute, and
    /// `-mtime -1` admits one second more than a day.
    pub(super) fn age(self, text: &str, unit: Unit) -> Option<Age> {
        let (wanted, digits) = sign(text);
        let first = digits.bytes().next()?;
        if !first.is_ascii_digit() && first != b'.' {
            return None;
        }
        let count: f64 = digits.parse().ok()?;
        let day_start = match self.is_day {
            true => self.now.div_euclid(DAY) * DAY,
            false => self.now - DAY,
        };
        let (origin, seconds) = match unit {
            Unit::Days if wanted == Ordering::Less => (day_start + DAY - 1, DAY),
            Unit::Days => (day_start, DAY),
            Unit::Minutes => (day_start + DAY, 60),
        };
        let back = count * seconds as f64;
        if !back.is_finite() || back.abs() > i64::MAX as f64 {
            return None;
        }
        let back = back.trunc() as i128 * BILLION + (back.fract() * 1e9) as i128;
        let time = i128::from(origin) * BILLION - back;
        Some(match wanted {
            Ordering::Greater => Age::Before(time),
            Ordering::Less => Age::After(time),
            Ordering::Equal => Age::Within(time, time + i128::from(seconds) * BILLION),
        })
    }
}

impl Age {
    pub(super) fn is_match(self, time: Mtime) -> bool {
        let time = nanoseconds(time);
        match self {
            Age::Before(end) => time < end,
            Age::After(start) => time > start,
            Age::Within(start, end) => time > start && time <= end,
        }
    }

    /// Times after a date: `2026-01-31`, `2026-01-31T12:00:00Z`, `@SECONDS`. `None` for any other text.
    pub(super) fn after_date(text: &str) -> Option<Self> {
        let text = text.trim();
        let nanoseconds = match text.strip_prefix('@') {
            Some(number) => {
                let (seconds, fraction) = number.split_once('.').unwrap_or((number, ""));
                let is_fraction = fraction.bytes().all(|byte| byte.is_ascii_digit());
                let seconds: i64 = seconds.parse().ok().filter(|_| is_fraction)?;
                let fraction = format!("{:0<9.9}", fraction).parse::<i128>().ok()?;
                i128::from(seconds) * BILLION + fraction
            }
            None => Timestamp::parse(text)?.nanoseconds(),
        };
        Some(Age::After(nanoseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_those_of_find() {
        const NOW: i64 = 1_800_000_000;
        let origin = Origin::at(NOW);
        // Ages in seconds; the bounds are those of GNU find 4.9 under faketime.
        for (text, unit, yes, no) in [
            ("0", Unit::Days, &[0, DAY - 1][..], &[DAY, -1][..]),
            ("1", Unit::Days, &[DAY, 2 * DAY - 1], &[DAY - 1, 2 * DAY]),
            ("+1", Unit::Days, &[2 * DAY + 1], &[2 * DAY, DAY]),
            ("-1", Unit::Days, &[0, DAY, -100], &[DAY + 1]),
            ("1.5", Unit::Days, &[DAY * 3 / 2], &[DAY * 5 / 2]),
            ("1", Unit::Minutes, &[0, 59], &[60, 61, 120]),
            ("+1", Unit::Minutes, &[61], &[60]),
            ("-1", Unit::Minutes, &[59, 0, -5], &[60]),
        ] {
            let age = origin.age(text, unit).expect(text);
            // `-mmin 1` is (now - 60, now].
            for seconds in yes {
                assert!(
                    age.is_match(Mtime::from_seconds(NOW - seconds)),
                    "{text} {unit:?} {seconds}"
                );
            }
            for seconds in no {
                assert!(
                    !age.is_match(Mtime::from_seconds(NOW - seconds)),
                    "{text} {unit:?} {seconds}"
                );
            }
        }
        let midnight = NOW.div_euclid(DAY) * DAY;
        let today = origin.of_day().age("0", Unit::Days).expect("an age");
        assert!(today.is_match(Mtime::from_seconds(midnight + 1)));
        assert!(!today.is_match(Mtime::from_seconds(midnight)));
        for text in ["", "x", "+", "nan", "inf", "+-1", "1e400", "-inf"] {
            assert_eq!(origin.age(text, Unit::Days), None, "{text}");
        }
    }

    #[test]
    fn dates_are_in_utc() {
        for (text, seconds, nanos) in [
            ("2026-01-01", 1_767_225_600, 0),
            ("2026-01-01 00:00:01", 1_767_225_601, 0),
            ("2026-01-01T01:00:00+01:00", 1_767_225_600, 0),
            ("@5", 5, 0),
            ("@5.5", 5, 500_000_000),
        ] {
            let age = Age::after_date(text).expect(text);
            assert!(!age.is_match(Mtime { seconds, nanos }), "{text}");
            let nanos = nanos + 1;
            assert!(age.is_match(Mtime { seconds, nanos }), "{text}");
        }
        for text in ["", "yesterday", "@", "@x", "@1.x", "2026"] {
            assert_eq!(Age::after_date(text), None, "{text}");
        }
    }
}
