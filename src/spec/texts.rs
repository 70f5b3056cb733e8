//! Invalid Unicode in JSON documents: bytes that are not UTF-8, and escapes of unpaired surrogates.
//!
//! Go's decoder, and so every engine, accepts both and reads U+FFFD for each byte or escape. [`readable`] does so too.
//! Modified documents have to keep all other text as written: [`parse_exact`](super::json::parse_exact) marks such
//! text, and each number that no machine integer holds, so that [`bytes`] writes it unchanged. Marked text is not for
//! display: see [`spelled`].

use std::borrow::Cow;

use serde_json::{Map, Value};

/// First character of a mark: a code point without a character. If the document holds one, it is marked itself.
const MARK: char = '\u{10fffe}';
/// UTF-8 encoding of [`MARK`].
const MARK_BYTES: &[u8] = "\u{10fffe}".as_bytes();
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Replaces invalid Unicode in the strings of a document. Other errors are left to the parser.
pub fn readable(document: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(document).is_ok() && !has_half_pair(document) {
        return Cow::Borrowed(document);
    }
    Cow::Owned(rewritten(document, false))
}

/// Serializes a value of [`parse_exact`](super::json::parse_exact) without white space, with marked text as it was
/// written.
pub fn bytes(value: &Value) -> Vec<u8> {
    let text = value.to_string().into_bytes();
    if !holds_mark(&text) {
        return text;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_slice();
    while let Some(&byte) = rest.first() {
        if let Some(quoted) = rest.strip_prefix(b"\"")
            && let Some((number, after)) = marked_number(quoted)
        {
            out.extend_from_slice(number);
            rest = after;
            continue;
        }
        match rest.strip_prefix(MARK_BYTES).and_then(unit) {
            Some((Unit::Byte(byte), after)) => {
                out.push(byte);
                rest = after;
            }
            Some((Unit::Half(digits), after)) => {
                out.extend_from_slice(b"\\u");
                out.extend_from_slice(digits);
                rest = after;
            }
            Some((Unit::Mark, after)) => {
                out.extend_from_slice(MARK_BYTES);
                rest = after;
            }
            None => {
                out.push(byte);
                rest = &rest[1..];
            }
        }
    }
    out
}

/// Formats marked text for display: a byte as `\xe9`, an unpaired surrogate as `\ud800`, a number as written.
pub fn spelled(text: &str) -> Cow<'_, str> {
    if !text.contains(MARK) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(MARK) {
        let (before, marked) = rest.split_at(at);
        out.push_str(before);
        let marked = &marked[MARK.len_utf8()..];
        rest = match unit(marked.as_bytes()) {
            Some((Unit::Byte(byte), _)) => {
                out.push_str(&format!("\\x{byte:02x}"));
                &marked[3..]
            }
            Some((Unit::Half(_), _)) => {
                out.push_str(&format!("\\u{}", &marked[1..5]));
                &marked[5..]
            }
            Some((Unit::Mark, _)) => {
                out.push(MARK);
                &marked[1..]
            }
            None => marked.strip_prefix('n').unwrap_or(marked),
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Applies [`spelled`] to all strings and keys of a value.
pub fn spelled_value(value: &Value) -> Value {
    match value {
        Value::String(text) => spelled(text).into_owned().into(),
        Value::Array(items) => items.iter().map(spelled_value).collect(),
        Value::Object(map) => {
            let members = map.iter();
            let members =
                members.map(|(key, value)| (spelled(key).into_owned(), spelled_value(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// Returns the paths of marked strings and keys of a value, in the order of the document.
pub(super) fn marked_paths(value: &Value) -> Vec<String> {
    let is_marked = |text: &str| {
        let mut marked = text.split(MARK).skip(1);
        marked.any(|rest| {
            matches!(
                unit(rest.as_bytes()),
                Some((Unit::Byte(_) | Unit::Half(_), _))
            )
        })
    };
    let mut found = Vec::new();
    let mut work = vec![(String::new(), value)];
    while let Some((path, value)) = work.pop() {
        match value {
            Value::String(text) if is_marked(text) => found.push(path),
            Value::Array(items) => {
                let items = items.iter().enumerate().rev();
                work.extend(items.map(|(i, item)| (format!("{path}[{i}]"), item)));
            }
            Value::Object(map) => {
                for (key, value) in map.iter().rev() {
                    let below = match path.is_empty() {
                        true => spelled(key).into_owned(),
                        false => format!("{path}.{}", spelled(key)),
                    };
                    if is_marked(key) {
                        found.push(below.clone());
                    }
                    work.push((below, value));
                }
            }
            _ => {}
        }
    }
    found
}

enum Unit<'a> {
    Byte(u8),
    Half(&'a [u8]),
    Mark,
}

/// Parses a mark. Returns its unit and the bytes after it.
fn unit(marked: &[u8]) -> Option<(Unit<'_>, &[u8])> {
    match marked.first()? {
        b'b' => {
            let digits = std::str::from_utf8(marked.get(1..3)?).ok()?;
            let byte = u8::from_str_radix(digits, 16).ok()?;
            (byte >= 0x80).then_some((Unit::Byte(byte), &marked[3..]))
        }
        b'u' => {
            let digits = marked.get(1..5)?;
            let half = (0xd800..0xe000).contains(&hex(digits)?);
            half.then_some((Unit::Half(digits), &marked[5..]))
        }
        b'm' => Some((Unit::Mark, &marked[1..])),
        _ => None,
    }
}

/// Parses a marked number. Returns it and the bytes after its closing quote.
fn marked_number(quoted: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = quoted.strip_prefix(MARK_BYTES)?.strip_prefix(b"n")?;
    let end = rest.iter().position(|&byte| byte == b'"')?;
    let number = &rest[..end];
    let whole = serde_json::from_slice::<serde_json::Number>(number).is_ok();
    (whole && number.iter().all(|byte| is_of_number(*byte))).then_some((number, &rest[end + 1..]))
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || b"+-.eE".contains(&byte)
}

fn holds_mark(text: &[u8]) -> bool {
    text.windows(MARK_BYTES.len())
        .any(|window| window == MARK_BYTES)
}

/// Parses four hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u32> {
    let digits = digits.get(..4)?;
    let all = digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| all)?;
    u32::from_str_radix(text, 16).ok()
}

/// Returns the length of a `\u` escape of a character; `None` for an unpaired surrogate.
fn whole_escape(escape: &[u8], unit: u32) -> Option<usize> {
    match unit {
        0xd800..0xdc00 => {
            let low = escape.get(6..)?.strip_prefix(b"\\u").and_then(hex)?;
            (0xdc00..0xe000).contains(&low).then_some(12)
        }
        0xdc00..0xe000 => None,
        _ => Some(6),
    }
}

fn has_half_pair(document: &[u8]) -> bool {
    let mut rest = document;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        rest = &rest[at..];
        let unit = rest.strip_prefix(b"\\u").and_then(hex);
        let length = match unit {
            Some(unit) => match whole_escape(rest, unit) {
                Some(length) => length,
                None => return true,
            },
            None => 2,
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    false
}

/// Returns the bytes of the first character.
fn character(bytes: &[u8]) -> Option<&[u8]> {
    let length = match bytes.first()? {
        0..0x80 => 1,
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => return None,
    };
    let bytes = bytes.get(..length)?;
    std::str::from_utf8(bytes).is_ok().then_some(bytes)
}

/// Rewrites a document with invalid Unicode replaced or marked.
pub(super) fn rewritten(document: &[u8], mark: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(document.len());
    let mut rest = document;
    let mut inside = false;
    while let Some(&byte) = rest.first() {
        if !inside {
            if mark && (byte == b'-' || byte.is_ascii_digit()) {
                let end = rest.iter().position(|byte| !is_of_number(*byte));
                let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
                match is_integer(number) {
                    true => out.extend_from_slice(number),
                    false => out.extend([b"\"", MARK_BYTES, b"n", number, b"\""].concat()),
                }
                rest = after;
                continue;
            }
            inside = byte == b'"';
            out.push(byte);
            rest = &rest[1..];
            continue;
        }
        let taken = match byte {
            b'\\' => {
                let unit = rest.strip_prefix(b"\\u").and_then(hex);
                let length = unit.map_or(Some(2), |unit| whole_escape(rest, unit));
                let escape = &rest[..length.unwrap_or(6).min(rest.len())];
                match length {
                    Some(_) if mark && escape.eq_ignore_ascii_case(b"\\udbff\\udffe") => {
                        out.extend([MARK_BYTES, b"m"].concat());
                    }
                    Some(_) => out.extend_from_slice(escape),
                    None if mark => out.extend([MARK_BYTES, b"u", &escape[2..]].concat()),
                    None => out.extend_from_slice(REPLACEMENT),
                }
                escape.len()
            }
            _ => match character(rest) {
                Some(MARK_BYTES) if mark => {
                    out.extend([MARK_BYTES, b"m"].concat());
                    MARK_BYTES.len()
                }
                Some(character) => {
                    inside = byte != b'"';
                    out.extend_from_slice(character);
                    character.len()
                }
                None if mark => {
                    out.extend_from_slice(MARK_BYTES);
                    out.extend(format!("b{byte:02x}").bytes());
                    1
                }
                None => {
                    out.extend_from_slice(REPLACEMENT);
                    1
                }
            },
        };
        rest = &rest[taken..];
    }
    out
}

/// Tests if a number is serialized as it was written.
fn is_integer(number: &[u8]) -> bool {
    let text = std::str::from_utf8(number).unwrap_or_default();
    text != "-0" && (text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::limits::JsonLimits;
    use crate::spec::json::{self, parse_exact};

    /// Results of encoding/json in Go 1.19.
    #[test]
    fn invalid_unicode_is_read_as_in_go() {
        for (written, read) in [
            (&br#""\ud800""#[..], "\u{fffd}"),
            (br#""\udce9x""#, "\u{fffd}x"),
            (br#""\ud800\u0041""#, "\u{fffd}A"),
            (br#""\ud800\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (br#""\\ud800""#, "\\ud800"),
            (br#""\"\udfff""#, "\"\u{fffd}"),
            (b"\"caf\xe9\"", "caf\u{fffd}"),
            (b"\"\xe2\x82\"", "\u{fffd}\u{fffd}"),
            (b"\"\xed\xa0\x80\"", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\"\xf4\x90\x80\x80\"", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("\"\u{e9}\"".as_bytes(), "\u{e9}"),
        ] {
            let text: Result<Value> = json::parse(written, &JsonLimits::default());
            assert_eq!(text.expect("JSON"), read, "{written:?}");
        }
        for wrong in [&b"\"\x01\""[..], b"\xe9", b"\"\\\xe9\"", b"\"\xe9"] {
            assert!(
                json::parse(wrong, &JsonLimits::default()).is_err(),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn documents_are_written_as_they_were() {
        for written in [
            &br#"{"a":"\ud800 \uDCE9","\udce9":1}"#[..],
            b"{\"a\":\"caf\xe9 \xe2\x82 \xff\"}",
            br#"[12345678901234567890123,1.0,1e3,-0,0.10,18446744073709551615,-9223372036854775808]"#,
            "[\"\u{10fffe}b41\",\"\u{10fffe}\",\"\u{10fffe}n1\"]".as_bytes(),
            br#"["\\ud800","\"",{}]"#,
        ] {
            let value = parse_exact(written).expect("JSON");
            let found = bytes(&value);
            assert_eq!(
                String::from_utf8_lossy(&found),
                String::from_utf8_lossy(written)
            );
            assert_eq!(found, written);
        }
        let value = parse_exact(br#"["\uDBFF\uDFFEb41"]"#).expect("JSON");
        assert_eq!(bytes(&value), "[\"\u{10fffe}b41\"]".as_bytes());
    }

    /// A string that looks like a mark is written unchanged.
    #[test]
    fn marks_in_the_document_are_kept() {
        for typed in ["b22", "u0022", "n1,2", "n", "u", "b", "n\""] {
            let value = Value::from(format!("{MARK}{typed}"));
            assert_eq!(bytes(&value), value.to_string().into_bytes(), "{typed}");
        }
    }

    #[test]
    fn invalid_texts_are_listed_by_path() {
        let document = b"{\"config\":{\"Labels\":{\"a\":\"\xe9\",\"b\xff\":\"x\"}},\"history\":[{},{\"created_by\":\"\\ud800\"}],\"big\":1e3}";
        let expected = [
            "config.Labels.a",
            "config.Labels.b\\xff",
            "history[1].created_by",
        ];
        let mut found = json::invalid_texts(document).expect("texts");
        found.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(json::invalid_texts(b"{\"a\":\"b\",\"c\":1.50}"), None);
        assert_eq!(
            spelled(&format!("a{MARK}be9{MARK}ud800{MARK}m")),
            format!("a\\xe9\\ud800{MARK}")
        );
    }
}
