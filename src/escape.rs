//! Escaping of untrusted text for display.
//!
//! A hostile archive could try to move the cursor, forge a log line, hide text behind direction marks or start a CI
//! command. All output except JSON is escaped, on terminals and elsewhere.

use std::borrow::Cow;
use std::fmt::Write;

/// Escapes control characters, line breaks, direction-changing, invisible and private characters.
///
/// Borrows if nothing changes. The output is always one line. Backslashes are not escaped, so the result is for
/// reading, not for parsing; JSON output carries the text without loss.
pub fn text(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        push(&mut out, c);
    }
    Cow::Owned(out)
}

/// Length in characters to which [`brief`] shortens a text.
pub const BRIEF: usize = 200;

/// Escapes a text and shortens it to [`BRIEF`] characters with `…` in its middle, so that a name of megabytes does not
/// hide the rest of a message.
pub fn brief(text: &str) -> Cow<'_, str> {
    brief_to(text, BRIEF)
}

/// Escapes a text and shortens it to `limit` characters with `…` in its middle.
pub fn brief_to(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    // Each character prints as at least one, so text beyond the limit need not be read.
    let head = escaped_up_to(text.chars(), limit + 1);
    let width = |pieces: &[String]| -> usize { pieces.iter().map(|one| one.chars().count()).sum() };
    if width(&head) <= limit {
        return Cow::Owned(head.concat());
    }
    let before = limit * 3 / 4;
    let mut head = escaped_up_to(text.chars(), before);
    while width(&head) > before {
        head.pop();
    }
    let after = (limit - before).saturating_sub(1);
    let mut tail = escaped_up_to(text.chars().rev(), after);
    while width(&tail) > after {
        tail.pop();
    }
    tail.reverse();
    Cow::Owned(head.concat() + "…" + &tail.concat())
}

/// Escapes a text and, if it is longer than `limit`, replaces its middle by its length, for texts whose length matters.
pub fn measured(text: &str, limit: usize) -> Cow<'_, str> {
    let cut = brief_to(text, limit);
    let length = text.chars().count();
    match length > limit || self::text(text).chars().count() > limit {
        true => Cow::Owned(format!("{cut} ({length} characters)")),
        false => cut,
    }
}

/// Escapes characters one by one up to `limit` characters of output or slightly more.
fn escaped_up_to(chars: impl Iterator<Item = char>, limit: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut width = 0;
    for c in chars {
        if width >= limit {
            break;
        }
        let mut piece = String::new();
        push(&mut piece, c);
        width += piece.chars().count();
        pieces.push(piece);
    }
    pieces
}

/// Escapes bytes like [`text`]; bytes that are not UTF-8 become `\xNN`.
pub fn bytes(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(valid) = std::str::from_utf8(bytes) {
        return text(valid);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push(&mut out, c);
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

/// Escapes a line of a file like [`bytes`]; tabs stay, which move nothing but the cursor to the right.
pub fn line(line: &[u8]) -> Cow<'_, str> {
    let mut parts = line.split(|byte| *byte == b'\t').map(bytes);
    let first = parts.next().unwrap_or_default();
    parts.fold(first, |line, part| line + "\t" + part)
}

fn push(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if is_plain(c) => out.push(c),
        '\0'..='\u{7f}' => {
            let _ = write!(out, "\\x{:02x}", u32::from(c));
        }
        _ => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    }
}

/// Tests if a character prints as itself on every terminal and in every log.
fn is_plain(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\0'..='\u{9f}' => false,
        // Soft hyphen, Arabic letter mark, Hangul and Khmer fillers, Mongolian separators: invisible.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => {
            false
        }
        '\u{180b}'..='\u{180f}' => false,
        // Zero-width characters, direction marks, line and paragraph separators, invisible operators.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => false,
        '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' => false,
        // Variation selectors and tags.
        '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}' => false,
        // Noncharacters, which XML cannot express.
        '\u{fdd0}'..='\u{fdef}' => false,
        c => u32::from(c) & 0xfffe != 0xfffe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(text("etc/passwd – ok ü"), Cow::Borrowed(_)));
    }

    #[test]
    fn one_record_is_one_line() {
        assert_eq!(text("a\nb\r\tc\u{2028}d"), "a\\nb\\r\\tc\\u{2028}d");
    }

    #[test]
    fn terminal_and_direction_controls_are_escaped() {
        assert_eq!(
            text("\x1b[31m\u{202e}x\u{7f}\u{9b}"),
            "\\x1b[31m\\u{202e}x\\x7f\\u{9b}"
        );
    }

    #[test]
    fn long_texts_are_shortened_between_escapes() {
        assert!(matches!(brief(&"x".repeat(BRIEF)), Cow::Borrowed(_)));
        let long = format!("{}{}", "a".repeat(5000), "z".repeat(5000));
        assert_eq!(
            measured(&long, 8),
            format!("{}…{} (10000 characters)", "a".repeat(6), "z")
        );
        assert!(matches!(measured("plain", 5), Cow::Borrowed("plain")));
        let cut = brief(&long).into_owned();
        assert_eq!(cut, format!("{}…{}", "a".repeat(150), "z".repeat(49)));
        let controls = "\x1b".repeat(1_000_000);
        let cut = brief(&controls).into_owned();
        assert_eq!(
            cut,
            format!("{}…{}", "\\x1b".repeat(37), "\\x1b".repeat(12))
        );
        assert_eq!(brief("a\nb"), "a\\nb");
        assert_eq!(brief_to("abcdefgh", 4), "abc…");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown_one_by_one() {
        assert_eq!(bytes(b"caf\xe9\xff.txt"), "caf\\xe9\\xff.txt");
        assert_eq!(line(b"\ta\t\xff\x1b\t"), "\ta\t\\xff\\x1b\t");
        assert!(matches!(line(b"plain"), Cow::Borrowed("plain")));
    }
}
