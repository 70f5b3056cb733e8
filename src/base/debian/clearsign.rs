//! Cleartext signatures (RFC 9580 section 7) and ASCII armor (section 6): exactly the signed bytes, and nothing else.
//!
//! Threats: unsigned text before or after the signed part, lines between the headers, lines that resemble the start of the
//! signature. All of these are refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Fault, Result};

const MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";

/// Parts of a cleartext-signed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClearSigned {
    /// Text, with lines terminated by `\n`.
    pub(super) text: String,
    /// Signed bytes: lines terminated by `\r\n`, except the last.
    pub(super) signed: Vec<u8>,
    /// Signature packets.
    pub(super) signature: Vec<u8>,
}

impl ClearSigned {
    /// Returns whether a text begins like a cleartext-signed message.
    pub(super) fn is_one(text: &str) -> bool {
        text.starts_with(MESSAGE)
    }

    /// Parses a cleartext-signed message.
    ///
    /// # Errors
    /// `Signature` for an invalid message or text outside the signed part.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut lines = text.split('\n').map(trim_line_end);
        if lines.next() != Some(MESSAGE) {
            return Err(wrong("not a cleartext-signed message"));
        }
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            // The header is ignored: the signature states the algorithm.
            if !line.starts_with("Hash: ") {
                return Err(wrong("unexpected line before the signed text"));
            }
        }
        let mut kept = Vec::new();
        loop {
            match lines.next() {
                None => return Err(wrong("missing signature after the text")),
                Some(SIGNATURE) => break,
                Some(line) => match (line.strip_prefix("- "), line.starts_with('-')) {
                    (Some(rest), _) => kept.push(rest),
                    (None, true) => {
                        return Err(wrong("unescaped '-' at the start of a line"));
                    }
                    (None, false) => kept.push(line),
                },
            }
        }
        let signature = body(&mut lines)?;
        if lines.any(|line| !line.is_empty()) {
            return Err(wrong("unexpected text after the signature"));
        }
        Ok(ClearSigned {
            text: kept.iter().flat_map(|line| [*line, "\n"]).collect(),
            signed: kept.join("\r\n").into_bytes(),
            signature,
        })
    }
}

/// Returns the packets of a detached signature, armored or binary.
pub(super) fn parse_detached(bytes: &[u8]) -> Result<Vec<u8>> {
    match bytes.first() {
        None => Err(wrong("empty file")),
        // Every packet begins with this bit set, ASCII text does not.
        Some(byte) if byte & 0x80 != 0 => Ok(bytes.to_vec()),
        Some(_) => armored(bytes, SIGNATURE),
    }
}

/// Returns the packets of all armored blocks with a header line `begin`. Text between blocks is ignored.
pub(super) fn armored(bytes: &[u8], begin: &str) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("neither binary packets nor text"))?;
    let mut lines = text.split('\n').map(trim_line_end);
    let mut packets = Vec::new();
    while lines.by_ref().any(|line| line == begin) {
        packets.extend(body(&mut lines)?);
    }
    match packets.is_empty() {
        true => Err(wrong("no armored block")),
        false => Ok(packets),
    }
}

/// Decodes the body of an armored block. The checksum is ignored, as RFC 9580 recommends.
fn body<'t>(lines: &mut impl Iterator<Item = &'t str>) -> Result<Vec<u8>> {
    let cut = || wrong("armor: missing end");
    for line in lines.by_ref() {
        match line {
            "" => break,
            line if line.contains(": ") => {}
            _ => return Err(wrong("armor: missing empty line before the body")),
        }
    }
    let mut coded = String::new();
    loop {
        let line = lines.next().ok_or_else(cut)?;
        if line.starts_with("-----END PGP ") {
            break;
        }
        if !line.starts_with('=') {
            coded.push_str(line);
        }
    }
    let decoded = STANDARD.decode(coded);
    decoded.map_err(|_| wrong("armor: damaged body"))
}

/// Strips trailing whitespace, which is not signed.
fn trim_line_end(line: &str) -> &str {
    line.trim_end_matches([' ', '\t', '\r'])
}

fn wrong(why: &str) -> Error {
    let why = why.to_owned();
    Fault::Signature { why }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: &str = "-----END PGP SIGNATURE-----";
    const BLOCK: &str = "-----BEGIN PGP SIGNATURE-----\nComment: x\n\nAAEC\nAw==\n=abcd\n-----END PGP SIGNATURE-----\n";

    fn parse(text: &str) -> Result<ClearSigned> {
        ClearSigned::parse(text)
    }

    #[test]
    fn only_signed_text_is_returned() {
        let text =
            format!("{MESSAGE}\r\nHash: SHA256\n\nA: 1 \t\n- - B: 2\n\n- -----BEGIN\n{BLOCK}\n");
        let signed = parse(&text).expect("a signed text");
        assert_eq!(signed.text, "A: 1\n- B: 2\n\n-----BEGIN\n");
        assert_eq!(signed.signed, b"A: 1\r\n- B: 2\r\n\r\n-----BEGIN");
        assert_eq!(signed.signature, [0, 1, 2, 3]);
        assert_eq!(
            parse_detached(BLOCK.as_bytes()).expect("armor"),
            [0, 1, 2, 3]
        );
        assert_eq!(parse_detached(b"\x88x").expect("packets"), b"\x88x");
    }

    #[test]
    fn text_around_the_signed_part_is_refused() {
        for (text, why) in [
            (
                format!("A: 1\n{MESSAGE}\n\nA: 1\n{BLOCK}"),
                "not a cleartext",
            ),
            (
                format!("{MESSAGE}\nA: 1\n\nA: 1\n{BLOCK}"),
                "before the signed text",
            ),
            (format!("{MESSAGE}\n\n-A: 1\n{BLOCK}"), "unescaped '-'"),
            (
                format!("{MESSAGE}\n\nA: 1\n{MESSAGE}\n{BLOCK}"),
                "unescaped '-'",
            ),
            (format!("{MESSAGE}\n\nA: 1\n"), "missing signature"),
            (
                format!("{MESSAGE}\n\nA: 1\n{BLOCK}A: 1\n"),
                "after the signature",
            ),
            (
                format!("{MESSAGE}\n\nA: 1\n{BLOCK}{BLOCK}"),
                "after the signature",
            ),
            (
                format!("{MESSAGE}\n\nA: 1\n{SIGNATURE}\nAAEC\n{END}"),
                "missing empty line",
            ),
            (
                format!("{MESSAGE}\n\nA: 1\n{SIGNATURE}\n\nAAEC\n"),
                "missing end",
            ),
            (
                format!("{MESSAGE}\n\nA: 1\n{SIGNATURE}\n\nA*EC\n{END}"),
                "damaged",
            ),
        ] {
            let error = parse(&text).expect_err(why).to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
        assert!(parse_detached(b"").is_err() && parse_detached(b"text").is_err());
    }
}
