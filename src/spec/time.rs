//! Times as image configs write them and as Go prints them.

use std::fmt::Write;

use jiff::SignedDuration;
use jiff::civil::{self, DateTime};
use jiff::fmt::temporal::Pieces;

const EPOCH: DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);
/// Bounds of printable times: years -9999 and 9999, in seconds since the epoch.
const FIRST: i64 = -377_705_116_800;
const LAST: i64 = 253_402_300_799;
/// Length in bytes beyond which a text is no time.
const MAX_TEXT: usize = 128;

/// Time in nanoseconds, with the offset from UTC it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
    offset: i32,
}

impl Timestamp {
    /// Parses RFC 3339 leniently: any number of fraction digits (those past nanoseconds are dropped, as in Go), a blank
    /// for the `T`, UTC without an offset. `None` for any other text.
    ///
    /// # Examples
    /// ```
    /// use imgkit::spec::Timestamp;
    /// let created = Timestamp::parse("2026-11-21T03:40:05.854229800+01:00").unwrap();
    /// assert_eq!(created.rfc3339_nano(), "2026-11-21T03:40:05.8542298+01:00");
    /// assert_eq!(created.created_at(), "2026-11-21 02:40:05 +0000 UTC");
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > MAX_TEXT {
            return None;
        }
        let pieces_of = |text: &str| {
            let pieces = Pieces::parse(text).ok()?;
            let offset = pieces.to_numeric_offset().map_or(0, |o| o.seconds());
            let time = pieces.time().unwrap_or_default();
            Some((pieces.date().to_datetime(time), offset))
        };
        let (local, offset) = pieces_of(&nine_digits(text))?;
        let since = local.duration_since(EPOCH).as_nanos();
        let seconds = i64::try_from(since.div_euclid(1_000_000_000)).ok()?;
        Some(Timestamp {
            offset,
            ..Timestamp::from_unix(
                seconds - i64::from(offset),
                u32::try_from(since.rem_euclid(1_000_000_000)).ok()?,
            )
        })
    }

    /// Seconds and nanoseconds since 1970, UTC. Times beyond the years -9999 and 9999 become those.
    pub fn from_unix(seconds: i64, nanoseconds: u32) -> Self {
        Timestamp {
            seconds: seconds.clamp(FIRST, LAST),
            nanoseconds: nanoseconds.min(999_999_999),
            offset: 0,
        }
    }

    /// Whole seconds since 1970, rounded down.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds since 1970.
    pub fn nanoseconds(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds)
    }

    /// Go's `time.RFC3339Nano`: the fraction without trailing zeros, the offset as it was written, `Z` for UTC.
    pub fn rfc3339_nano(self) -> String {
        let shifted = self.seconds.saturating_add(self.offset.into());
        let (shown, offset) = match (FIRST..=LAST).contains(&shifted) {
            true => (shifted, self.offset),
            false => (self.seconds, 0),
        };
        let mut out = date_and_time(shown, 'T');
        if self.nanoseconds != 0 {
            let fraction = format!("{:09}", self.nanoseconds);
            out.push('.');
            out.push_str(fraction.trim_end_matches('0'));
        }
        // Go drops the seconds of an offset, too.
        let minutes = offset.unsigned_abs() / 60;
        if offset == 0 {
            out.push('Z');
        } else {
            let sign = if offset < 0 { '-' } else { '+' };
            let _ = write!(out, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        }
        out
    }

    /// Formats whole seconds in UTC, as `CreatedAt` of docker history: `2026-11-21T02:38:42Z`.
    pub fn rfc3339(self) -> String {
        date_and_time(self.seconds, 'T') + "Z"
    }

    /// Formats as `CreatedAt` of docker images on a machine in UTC: `2026-11-21 02:40:05 +0000 UTC`.
    pub fn created_at(self) -> String {
        date_and_time(self.seconds, ' ') + " +0000 UTC"
    }
}

fn date_and_time(seconds: i64, between: char) -> String {
    let at = EPOCH
        .checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(EPOCH);
    let year = at.year();
    format!(
        "{}{:04}-{:02}-{:02}{between}{:02}:{:02}:{:02}",
        if year < 0 { "-" } else { "" },
        year.unsigned_abs(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// Truncates the fraction of a time to nine digits.
fn nine_digits(text: &str) -> String {
    let Some(dot) = text.find(['.', ',']) else {
        return text.to_owned();
    };
    let (before, fraction) = text.split_at(dot + 1);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    format!(
        "{before}{}{}",
        &fraction[..digits.min(9)],
        &fraction[digits..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_go_prints_them() {
        for (text, nano, seconds, created_at) in [
            (
                "2026-11-21T02:40:05.854229807Z",
                "2026-11-21T02:40:05.854229807Z",
                "2026-11-21T02:40:05Z",
                "2026-11-21 02:40:05 +0000 UTC",
            ),
            (
                "2024-02-29T23:59:59.120000000-05:30",
                "2024-02-29T23:59:59.12-05:30",
                "2024-03-01T05:29:59Z",
                "2024-03-01 05:29:59 +0000 UTC",
            ),
            (
                "2024-01-01t00:00:00.0000000019999+00:00",
                "2024-01-01T00:00:00.000000001Z",
                "2024-01-01T00:00:00Z",
                "2024-01-01 00:00:00 +0000 UTC",
            ),
            (
                "0001-01-01T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "0001-01-01T00:00:00Z",
                "0001-01-01 00:00:00 +0000 UTC",
            ),
            (
                " 1969-12-31 23:59:59.5 ",
                "1969-12-31T23:59:59.5Z",
                "1969-12-31T23:59:59Z",
                "1969-12-31 23:59:59 +0000 UTC",
            ),
            (
                "9999-12-31T23:59:59-12:00",
                "9999-12-31T11:59:59-12:00",
                "9999-12-31T23:59:59Z",
                "9999-12-31 23:59:59 +0000 UTC",
            ),
        ] {
            let time = Timestamp::parse(text).expect(text);
            assert_eq!(time.rfc3339_nano(), nano, "{text}");
            assert_eq!(time.rfc3339(), seconds, "{text}");
            assert_eq!(time.created_at(), created_at, "{text}");
        }
    }

    #[test]
    fn invalid_times_are_none() {
        for text in [
            "",
            "   ",
            "yesterday",
            "2024-13-01T00:00:00Z",
            "2024-01-01T25:00:00Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00Zrest",
            "1700000000",
            "\u{202e}2024-01-01T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
        assert_eq!(Timestamp::parse(&"9".repeat(1000)), None);
    }

    #[test]
    fn distant_times_are_clamped() {
        for (seconds, text) in [
            (i64::MIN, "-9999-01-01T00:00:00Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            let time = Timestamp::from_unix(seconds, u32::MAX);
            assert_eq!(time.rfc3339(), text);
            assert!(time.rfc3339_nano().ends_with(".999999999Z"));
            assert!(!time.created_at().is_empty());
        }
        for text in ["9999-12-31T23:59:59-25:59", "-009999-01-01T00:00:00+25:59"] {
            let time = Timestamp::parse(text).expect(text);
            assert!(!time.rfc3339_nano().is_empty());
        }
    }
}
