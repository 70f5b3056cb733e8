//! Words that need no quotes.

/// Tests for a word that needs no quotes anywhere.
pub fn is_bare_word(key: &str) -> bool {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    !key.is_empty() && !key.starts_with('-') && key.chars().all(is_bare)
}

/// Tests for a character that needs no quotes in a value.
pub(super) fn is_bare_char(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '_' | '.' | '-' | '/' | ':' | '@' | '%' | '+' | ',' | '=')
}

/// Tests for a port or a range of ports, with or without a protocol.
pub(super) fn is_port(text: &str) -> bool {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    number(first) && number(last) && matches!(protocol, "tcp" | "udp" | "sctp")
}
