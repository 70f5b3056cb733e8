//! Durations in Go's notation.

use super::invalid::invalid;
use crate::error::Result;

/// Parses a duration in Go's notation, `1h2m3.5s`, to nanoseconds.
///
/// # Errors
/// `Instruction` with the words of Go's `time` package.
pub fn parse_duration(text: &str) -> Result<i64> {
    let malformed = || invalid(format!("time: invalid duration {text:?}"));
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(malformed());
    }
    let mut total = 0i128;
    while !rest.is_empty() {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let integer = digits(rest);
        let mut end = integer;
        let mut fraction = "";
        if rest[integer..].starts_with('.') {
            let length = digits(&rest[integer + 1..]);
            fraction = &rest[integer + 1..integer + 1 + length];
            end += 1 + length;
        }
        if integer == 0 && fraction.is_empty() {
            return Err(malformed());
        }
        let number = match &rest[..integer] {
            "" => 0,
            digits => digits.parse::<i64>().map_err(|_| malformed())?,
        };
        rest = &rest[end..];
        let unit = rest
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit, after) = rest.split_at(unit);
        let nanos: i128 = match unit {
            "" => return Err(invalid(format!("time: missing unit in duration {text:?}"))),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => {
                let why = format!("time: unknown unit {unit:?} in duration {text:?}");
                return Err(invalid(why));
            }
        };
        total += i128::from(number) * nanos;
        let mut scale = nanos;
        for digit in fraction.bytes() {
            scale /= 10;
            total += i128::from(digit - b'0') * scale;
        }
        // Checked at each step, so that no number of parts can overflow the sum.
        i64::try_from(total).map_err(|_| malformed())?;
        rest = after;
    }
    let total = i64::try_from(total).map_err(|_| malformed())?;
    Ok(if negative { -total } else { total })
}

/// Formats nanoseconds in Go's notation, short: `30s`, `1m30s`, `1.5s`, `250ms`.
pub fn format_duration(nanos: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < SECOND {
        let (unit, name) = match nanos {
            1_000_000.. => (1_000_000, "ms"),
            1_000.. => (1_000, "us"),
            _ => (1, "ns"),
        };
        return format!("{}{name}", decimal(nanos, unit));
    }
    let (hours, rest) = (nanos / (3600 * SECOND), nanos % (3600 * SECOND));
    let (minutes, rest) = (rest / (60 * SECOND), rest % (60 * SECOND));
    let mut out = String::new();
    for (count, unit) in [(hours, "h"), (minutes, "m")] {
        if count > 0 {
            out.push_str(&format!("{count}{unit}"));
        }
    }
    if rest > 0 {
        out.push_str(&decimal(rest, SECOND));
        out.push('s');
    }
    out
}

fn decimal(nanos: u64, unit: u64) -> String {
    let part = nanos % unit;
    if part == 0 {
        return (nanos / unit).to_string();
    }
    let width = unit.ilog10() as usize;
    let part = format!("{part:0width$}");
    format!("{}.{}", nanos / unit, part.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_and_formatted() {
        for (text, nanos) in [
            ("0s", 0),
            ("30s", 30_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5s", 1_500_000_000),
            ("500ms", 500_000_000),
            ("2h", 7_200_000_000_000),
        ] {
            assert_eq!(parse_duration(text).ok(), Some(nanos), "{text}");
            assert_eq!(format_duration(nanos.unsigned_abs()), text);
        }
        assert_eq!(parse_duration("1h0m0s").ok(), Some(3_600_000_000_000));
        assert_eq!(parse_duration("-1s").ok(), Some(-1_000_000_000));
        assert_eq!(format_duration(90_250_000_000), "1m30.25s");
        for text in ["", "s", "5", "1x", "99999999999999999999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
