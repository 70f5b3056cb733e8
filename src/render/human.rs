//! Sizes, durations and cut texts, to the letter as docker prints them (go-units and the docker CLI's formatter).

use unicode_width::UnicodeWidthChar;

use crate::spec::Timestamp;

const UNITS: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];

/// Bytes with three digits, as docker's `Size` columns: `0B`, `25B`, `1.05kB`, `232MB`.
///
/// # Examples
/// ```
/// assert_eq!(imgkit::render::human::size(231_658_086), "232MB");
/// ```
pub fn size(bytes: u64) -> String {
    size_digits(bytes, 3)
}

/// Bytes with a number of significant digits; docker's `VirtualSize`, `SharedSize` and `UniqueSize` have four.
///
/// Rounding is Go's `%g`, so 999,900 bytes are `1e+03kB` with three digits: docker prints that, too.
pub fn size_digits(bytes: u64, digits: usize) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    general(value, digits) + UNITS[unit]
}

/// Go's `%.{digits}g` of a number that is finite and not negative.
fn general(value: f64, digits: usize) -> String {
    let digits = digits.max(1);
    let rounded = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    match usize::try_from(exponent) {
        Ok(exponent) if exponent < digits => {
            trimmed(&format!("{value:.*}", digits - 1 - exponent)).to_owned()
        }
        Err(_) if exponent >= -4 => {
            let places = digits - 1 + exponent.unsigned_abs() as usize;
            trimmed(&format!("{value:.places$}")).to_owned()
        }
        _ => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", trimmed(mantissa), exponent.unsigned_abs())
        }
    }
}

fn trimmed(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}

/// A duration in words; one shorter than a second or negative is `Less than a second`.
///
/// # Examples
/// ```
/// assert_eq!(imgkit::render::human::duration(5400), "2 hours");
/// ```
pub fn duration(seconds: i64) -> String {
    let minutes = seconds / 60;
    // go-units adds half an hour to the hours, and to nothing else.
    let hours = seconds.saturating_add(1800) / 3600;
    match () {
        () if seconds < 1 => "Less than a second".into(),
        () if seconds == 1 => "1 second".into(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".into(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".into(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// Returns the time between `created` and `now`, as docker's `CreatedSince`: `13 minutes ago`.
///
/// Go's durations end at 292 years, and docker shows just that for an image created in year 1; so does this.
pub fn ago(created: Timestamp, now: Timestamp) -> String {
    let nanoseconds = now.nanoseconds().saturating_sub(created.nanoseconds());
    let nanoseconds = nanoseconds.clamp(i64::MIN.into(), i64::MAX.into());
    let seconds = i64::try_from(nanoseconds / 1_000_000_000).unwrap_or_default();
    format!("{} ago", duration(seconds))
}

/// The text cut to `max` columns, `…` included, as docker cuts `CREATED BY` to 45.
///
/// For `max` 1 docker returns the first character without `…`, and for 0 nothing. Escape the text first, because
/// escaping makes it longer.
pub fn ellipsis(text: &str, max: usize) -> String {
    if max <= 1 {
        return text.chars().take(max).collect();
    }
    let mut used = 0;
    let mut cut = 0;
    for (at, c) in text.char_indices() {
        // docker counts every character as at least one column.
        used += c.width().unwrap_or(1).max(1);
        if used < max {
            cut = at + c.len_utf8();
        }
        if used > max {
            return format!("{}…", &text[..cut]);
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_docker() {
        for (bytes, three, four) in [
            (0, "0B", "0B"),
            (1, "1B", "1B"),
            (25, "25B", "25B"),
            (999, "999B", "999B"),
            (1000, "1kB", "1kB"),
            (1024, "1.02kB", "1.024kB"),
            (1048, "1.05kB", "1.048kB"),
            // Exactly half way goes to the even digit.
            (1125, "1.12kB", "1.125kB"),
            (1375, "1.38kB", "1.375kB"),
            (20_941, "20.9kB", "20.94kB"),
            (999_400, "999kB", "999.4kB"),
            (999_900, "1e+03kB", "999.9kB"),
            (999_999, "1e+03kB", "1000kB"),
            (1_000_000, "1MB", "1MB"),
            (4_263_000, "4.26MB", "4.263MB"),
            (39_800_000, "39.8MB", "39.8MB"),
            (184_963_145, "185MB", "185MB"),
            (231_658_086, "232MB", "231.7MB"),
            (186_664_662, "187MB", "186.7MB"),
            (1_112_990_000, "1.11GB", "1.113GB"),
            (1_000_000_000_000, "1TB", "1TB"),
            (u64::MAX, "18.4EB", "18.45EB"),
        ] {
            assert_eq!(size(bytes), three, "{bytes}");
            assert_eq!(size_digits(bytes, 4), four, "{bytes}");
        }
    }

    #[test]
    fn general_is_go_g() {
        for (value, digits, text) in [
            (0.0, 3, "0"),
            (0.5, 3, "0.5"),
            (0.000_123_45, 3, "0.000123"),
            (0.000_012_345, 3, "1.23e-05"),
            (123_456.0, 4, "1.235e+05"),
            (1e100, 4, "1e+100"),
            (99.96, 3, "100"),
            (2.5, 0, "2"),
        ] {
            assert_eq!(general(value, digits), text);
        }
    }

    #[test]
    fn durations_are_those_of_go_units() {
        const HOUR: i64 = 3600;
        const DAY: i64 = 24 * HOUR;
        for (seconds, text) in [
            (i64::MIN, "Less than a second"),
            (0, "Less than a second"),
            (1, "1 second"),
            (45, "45 seconds"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (59 * 60 + 59, "59 minutes"),
            (HOUR, "About an hour"),
            (5399, "About an hour"),
            (5400, "2 hours"),
            (3 * HOUR + 31 * 60, "4 hours"),
            (DAY, "24 hours"),
            (36 * HOUR, "36 hours"),
            (47 * HOUR + 1799, "47 hours"),
            (47 * HOUR + 1800, "2 days"),
            (13 * DAY + 5 * HOUR, "13 days"),
            (14 * DAY, "2 weeks"),
            (30 * DAY, "4 weeks"),
            (44 * DAY, "6 weeks"),
            (60 * DAY, "2 months"),
            (24 * 30 * DAY, "24 months"),
            (24 * 30 * DAY + 14 * DAY, "2 years"),
            (3 * 365 * DAY + 60 * DAY, "3 years"),
            (i64::MAX, "292471208677 years"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn year_one_is_292_years_ago_as_in_docker() {
        let now = Timestamp::from_unix(1_795_228_722, 0);
        for (created, text) in [
            ("0001-01-01T00:00:00Z", "292 years ago"),
            ("1970-01-01T00:00:00Z", "56 years ago"),
            ("2026-11-21T02:38:41.5Z", "Less than a second ago"),
            ("2026-11-21T02:28:42Z", "10 minutes ago"),
            ("9999-12-31T23:59:59Z", "Less than a second ago"),
        ] {
            let created = Timestamp::parse(created).expect(created);
            assert_eq!(ago(created, now), text);
        }
    }

    #[test]
    fn ellipsis_counts_columns() {
        for (text, max, cut) in [
            ("t🐳ststring", 0, ""),
            ("t🐳ststring", 1, "t"),
            ("t🐳ststring", 2, "t…"),
            ("t🐳ststring", 6, "t🐳st…"),
            ("t🐳ststring", 20, "t🐳ststring"),
            ("你好世界teststring", 3, "你…"),
            ("你好世界teststring", 6, "你好…"),
            ("你好世界teststring", 20, "你好世界teststring"),
            ("", 1, ""),
            ("🐳", 2, "🐳"),
            ("🐳🐳", 2, "…"),
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            (
                "/bin/sh -c #(nop)  HEALTHCHECK &{[\"CMD-SHELL\" \"python",
                45,
                "/bin/sh -c #(nop)  HEALTHCHECK &{[\"CMD-SHELL…",
            ),
        ] {
            assert_eq!(ellipsis(text, max), cut, "{text} {max}");
        }
    }
}
