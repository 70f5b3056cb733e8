//! File modes as they are typed.

/// Parses a mode of up to five octal digits; `None` for other text and for modes above 07777.
pub(crate) fn parse_mode(text: &str) -> Option<u16> {
    let is_octal =
        !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = is_octal
        .then(|| u16::from_str_radix(text, 8).ok())
        .flatten();
    mode.filter(|mode| *mode <= 0o7777)
}
