//! Makes text from archives safe to show to people.
//!
//! A hostile archive could try to move the cursor, forge a log line, hide text behind direction marks or start a CI
//! command. Everything that is printed other than as JSON goes through here, whether or not a terminal is listening.

use std::borrow::Cow;
use std::fmt::Write;

/// Text with control characters, line breaks, direction-changing, invisible and private characters escaped.
///
/// Borrows when nothing has to change. One input is always one line of output. A backslash is left as it is, so the
/// result is for reading and not for parsing; JSON output carries the text without loss.
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

/// The most characters that [`brief`] leaves of a text.
pub const BRIEF: usize = 200;

/// A text escaped and, if that is longer than [`BRIEF`], cut in its middle with `…`: for lines that are to be read, in
/// which a name of megabytes would hide everything else.
pub fn brief(text: &str) -> Cow<'_, str> {
    brief_to(text, BRIEF)
}

/// The same with another limit, in characters.
pub fn brief_to(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    // No character is shown as less than one, so what is beyond the limit needs no look.
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

/// A text escaped and, if that is longer than `limit`, cut in its middle with its length said: for lines about texts of
/// which the length tells something.
pub fn measured(text: &str, limit: usize) -> Cow<'_, str> {
    let cut = brief_to(text, limit);
    let length = text.chars().count();
    match length > limit || self::text(text).chars().count() > limit {
        true => Cow::Owned(format!("{cut} ({length} characters)")),
        false => cut,
    }
}

/// Characters, each escaped, until they are `limit` long or longer.
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

/// The same for bytes that need not be UTF-8: what does not decode is shown as `\xNN`.
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

/// Whether a character stands for itself on every terminal and in every log.
fn is_plain(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\0'..='\u{9f}' => false,
        // Soft hyphen, Arabic letter mark, Hangul and Khmer fillers, Mongolian separators: drawn as nothing.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => {
            false
        }
        '\u{180b}'..='\u{180f}' => false,
        // Zero-width characters, direction marks, line and paragraph separators, invisible operators.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => false,
        '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' => false,
        // Variation selectors and tags.
        '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}' => false,
        // Noncharacters, which XML has no way to write.
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
    fn terminal_and_direction_controls_are_shown() {
        assert_eq!(
            text("\x1b[31m\u{202e}x\u{7f}\u{9b}"),
            "\\x1b[31m\\u{202e}x\\x7f\\u{9b}"
        );
    }

    #[test]
    fn long_texts_are_cut_in_the_middle_and_never_within_an_escape() {
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
    }
}
