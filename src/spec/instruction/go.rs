//! Values as Go's `fmt` and `strconv` print them, read back: builders write such into the history.

/// Reads a list as printed by `%q`, `["a" "b"]`, or in JSON, `["a","b"]`; also returns the rest of the text.
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

/// Reads a string in double quotes; also returns the rest of the text.
pub fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    // Bytes, because `\xNN` is one byte of a text that need not be UTF-8.
    let mut out = Vec::new();
    loop {
        let stop = rest.find(['"', '\\'])?;
        let (literal, tail) = rest.split_at(stop);
        out.extend_from_slice(literal.as_bytes());
        if let Some(tail) = tail.strip_prefix('"') {
            return Some((String::from_utf8_lossy(&out).into_owned(), tail));
        }
        rest = escape(tail.strip_prefix('\\')?, &mut out)?;
    }
}

/// Reads a number as printed by `%q`, a rune in single quotes: `'\x03'` is 3, `'\n'` 10; also returns the rest of the
/// text.
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

/// Reads the part of an escape after the backslash; returns the rest of the text.
fn escape<'a>(text: &'a str, out: &mut Vec<u8>) -> Option<&'a str> {
    let c = text.chars().next()?;
    let simple = match c {
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
    if let Some(byte) = simple {
        out.push(byte);
        return text.get(1..);
    }
    if let Some((byte, rest)) = hex_digits(text, 'x', 2) {
        out.push(u8::try_from(byte).ok()?);
        return Some(rest);
    }
    if let Some((unit, rest)) = hex_digits(text, 'u', 4) {
        // JSON writes a character beyond the basic plane as two of them.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_lists() {
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
    fn runes() {
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
    }
}
