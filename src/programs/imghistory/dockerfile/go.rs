//! What Go's `fmt` and `strconv` print, read back: builders put their data structures into the history that way.

/// A list as `%q` prints it, `["a" "b"]`, or as JSON has it, `["a","b"]`; and what follows it.
pub fn quoted_list(text: &str) -> Option<(Vec<String>, &str)> {
    let mut rest = text.strip_prefix('[')?;
    let mut items = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',', '\t']);
        if let Some(rest) = rest.strip_prefix(']') {
            return Some((items, rest));
        }
        let (item, after) = quoted(rest)?;
        items.push(item);
        rest = after;
    }
}

/// A string in double quotes, and what follows it.
pub fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    // Bytes, because `\xNN` is one byte of a text that need not be UTF-8.
    let mut out = Vec::new();
    loop {
        let stop = rest.find(['"', '\\'])?;
        let (plain, tail) = rest.split_at(stop);
        out.extend_from_slice(plain.as_bytes());
        if let Some(tail) = tail.strip_prefix('"') {
            return Some((String::from_utf8_lossy(&out).into_owned(), tail));
        }
        rest = escape(tail.strip_prefix('\\')?, &mut out)?;
    }
}

/// A rune in single quotes as `%q` prints a number, and what follows it: `'\x03'` is 3, `'\n'` 10.
pub fn rune(text: &str) -> Option<(u64, &str)> {
    let inner = text.strip_prefix('\'')?;
    let mut out = Vec::new();
    let rest = match inner.strip_prefix('\\') {
        Some(escaped) => {
            if let Some((digits, rest)) = hex_digits(escaped, 'x', 2) {
                return Some((digits.into(), rest.strip_prefix('\'')?));
            }
            escape(escaped, &mut out)?
        }
        None => {
            let c = inner.chars().next()?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            inner.get(c.len_utf8()..)?
        }
    };
    let number = std::str::from_utf8(&out).ok()?.chars().next()?;
    Some((u32::from(number).into(), rest.strip_prefix('\'')?))
}

/// Reads what follows a backslash.
fn escape<'a>(text: &'a str, out: &mut Vec<u8>) -> Option<&'a str> {
    let c = text.chars().next()?;
    let plain = match c {
        'a' => Some(7),
        'b' => Some(8),
        't' => Some(b'\t'),
        'n' => Some(b'\n'),
        'v' => Some(11),
        'f' => Some(12),
        'r' => Some(b'\r'),
        '\\' | '"' | '\'' | '/' => u8::try_from(c).ok(),
        _ => None,
    };
    if let Some(byte) = plain {
        out.push(byte);
        return text.get(1..);
    }
    if let Some((byte, rest)) = hex_digits(text, 'x', 2) {
        out.push(u8::try_from(byte).ok()?);
        return Some(rest);
    }
    if let Some((unit, rest)) = hex_digits(text, 'u', 4) {
        // JSON writes what is beyond the basic plane as two of them.
        let low = rest
            .strip_prefix('\\')
            .and_then(|rest| hex_digits(rest, 'u', 4));
        if let (0xd800..0xdc00, Some((low @ 0xdc00..0xe000, rest))) = (unit, low) {
            push(out, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
            return Some(rest);
        }
        push(out, unit);
        return Some(rest);
    }
    if let Some((number, rest)) = hex_digits(text, 'U', 8) {
        push(out, number);
        return Some(rest);
    }
    let octal = text.get(..3)?;
    out.push(u8::from_str_radix(octal, 8).ok()?);
    text.get(3..)
}

fn push(out: &mut Vec<u8>, number: u32) {
    let c = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn hex_digits(text: &str, letter: char, count: usize) -> Option<(u32, &str)> {
    let digits = text.strip_prefix(letter)?;
    let (digits, rest) = (digits.get(..count)?, digits.get(count..)?);
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all.then(|| {
        u32::from_str_radix(digits, 16)
            .ok()
            .map(|number| (number, rest))
    })?
}

/// A duration as Go prints it, in nanoseconds: `30s`, `1m30s`, `1h0m0.5s`, `500ms`, `0s`.
pub fn duration(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum: u64 = 0;
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (whole, tail) = rest.split_at(digits);
        let (part, tail) = match tail.strip_prefix('.') {
            None => ("", tail),
            Some(tail) => tail.split_at(tail.find(|c: char| !c.is_ascii_digit())?),
        };
        let (unit, tail) = [
            ("ns", 1_u64),
            ("us", 1_000),
            ("µs", 1_000),
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
            ("m", 60_000_000_000),
            ("h", 3_600_000_000_000),
        ]
        .into_iter()
        .find_map(|(name, unit)| Some((unit, tail.strip_prefix(name)?)))?;
        if whole.is_empty() && part.is_empty() {
            return None;
        }
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        sum = sum.checked_add(whole.checked_mul(unit)?)?;
        let mut weight = unit;
        for digit in part.bytes() {
            weight /= 10;
            sum = sum.checked_add(u64::from(digit - b'0').checked_mul(weight)?)?;
        }
        rest = tail;
    }
    Some(sum)
}

/// Nanoseconds as an option of HEALTHCHECK has them: `30s`, `1m30s`, `1.5s`, `250ms`.
pub fn show_duration(nanos: u64) -> String {
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
    fn lists() {
        for (text, items, rest) in [
            (
                r#"["nginx" "-g" "daemon off;"]"#,
                &["nginx", "-g", "daemon off;"][..],
                "",
            ),
            (r#"["a","b", "c"] x"#, &["a", "b", "c"], " x"),
            (
                r#"["\x00\t\"\\\u00e9\U0001f600\101"]"#,
                &["\0\t\"\\é😀A"],
                "",
            ),
            (r#"["\ud83d\ude00\/"]"#, &["😀/"], ""),
            (r#"["\xff"]"#, &["\u{fffd}"], ""),
            ("[]", &[], ""),
        ] {
            let expected: Vec<String> = items.iter().map(|&item| item.to_owned()).collect();
            assert_eq!(quoted_list(text), Some((expected, rest)), "{text}");
        }
        for text in [
            "",
            "[",
            "[a]",
            r#"["a"#,
            r#"["a\"#,
            r#"["\x4"]"#,
            r#"["\é"]"#,
        ] {
            assert_eq!(quoted_list(text), None, "{text}");
        }
    }

    #[test]
    fn runes_and_durations() {
        for (text, number) in [
            (r"'\x03'", 3),
            (r"'\n'", 10),
            (r"'\t'", 9),
            ("' '", 32),
            (r"'\''", 39),
            (r"'\x7f'", 127),
            (r"'\u0080'", 128),
            ("'Ā'", 256),
        ] {
            assert_eq!(rune(text), Some((number, "")), "{text}");
        }
        for (text, nanos) in [
            ("0s", 0),
            ("30s", 30_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5s", 1_500_000_000),
            ("500ms", 500_000_000),
            ("2h", 7_200_000_000_000),
        ] {
            assert_eq!(duration(text), Some(nanos), "{text}");
            assert_eq!(show_duration(nanos), text);
        }
        assert_eq!(duration("1h0m0s"), Some(3_600_000_000_000));
        assert_eq!(show_duration(90_250_000_000), "1m30.25s");
        for text in ["", "s", "5", "1x", "99999999999999999999h", "-1s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
