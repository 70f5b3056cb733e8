//! Clear-signed text, RFC 9580 section 7, and armor, section 6: exactly the bytes that were signed, and nothing else.
//!
//! A reader that takes more than what was signed can be shown anything: text before or behind the signed part, lines
//! between the headers, lines that only look like the beginning of the signature. All of these are refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Fault, Result};

const MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";

/// A clear-signed text, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClearSigned {
    /// The text, its lines ended by `\n`.
    pub(super) text: String,
    /// The bytes that the signature is over: lines ended by `\r\n`, the last one not.
    pub(super) signed: Vec<u8>,
    /// The signature packets.
    pub(super) signature: Vec<u8>,
}

impl ClearSigned {
    /// Whether a text begins like one.
    pub(super) fn is_one(text: &str) -> bool {
        text.starts_with(MESSAGE)
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut lines = text.split('\n').map(end_cut);
        if lines.next() != Some(MESSAGE) {
            return Err(wrong("it does not begin as a clear-signed text"));
        }
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            // The algorithm is told by the signature itself.
            if !line.starts_with("Hash: ") {
                return Err(wrong("a line between its beginning and the text"));
            }
        }
        let mut kept = Vec::new();
        loop {
            match lines.next() {
                None => return Err(wrong("it ends before its signature")),
                Some(SIGNATURE) => break,
                Some(line) => match (line.strip_prefix("- "), line.starts_with('-')) {
                    (Some(rest), _) => kept.push(rest),
                    (None, true) => {
                        return Err(wrong("a line that begins with '-' as it must not"));
                    }
                    (None, false) => kept.push(line),
                },
            }
        }
        let signature = body(&mut lines)?;
        if lines.any(|line| !line.is_empty()) {
            return Err(wrong("something follows its signature"));
        }
        Ok(ClearSigned {
            text: kept.iter().flat_map(|line| [*line, "\n"]).collect(),
            signed: kept.join("\r\n").into_bytes(),
            signature,
        })
    }
}

/// The packets of a signature in a file of its own, armored or not.
pub(super) fn detached(bytes: &[u8]) -> Result<Vec<u8>> {
    match bytes.first() {
        None => Err(wrong("it is empty")),
        // Every packet begins with this bit, no text does.
        Some(byte) if byte & 0x80 != 0 => Ok(bytes.to_vec()),
        Some(_) => armored(bytes, SIGNATURE),
    }
}

/// The packets of all blocks of that kind in a text. What is between them is for people.
pub(super) fn armored(bytes: &[u8], begin: &str) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is neither packets nor a text"))?;
    let mut lines = text.split('\n').map(end_cut);
    let mut packets = Vec::new();
    while lines.by_ref().any(|line| line == begin) {
        packets.extend(body(&mut lines)?);
    }
    match packets.is_empty() {
        true => Err(wrong("there is nothing of the kind in it")),
        false => Ok(packets),
    }
}

/// What is between the beginning of a block and its end. Its checksum is not looked at, as RFC 9580 has it.
fn body<'t>(lines: &mut impl Iterator<Item = &'t str>) -> Result<Vec<u8>> {
    let cut = || wrong("a block of armor has no end");
    for line in lines.by_ref() {
        match line {
            "" => break,
            line if line.contains(": ") => {}
            _ => return Err(wrong("a block of armor has no empty line before its body")),
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
    decoded.map_err(|_| wrong("a block of armor is damaged"))
}

/// A line without the white space at its end, which is not signed.
fn end_cut(line: &str) -> &str {
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
    fn what_was_signed_is_taken_and_nothing_else() {
        let text =
            format!("{MESSAGE}\r\nHash: SHA256\n\nA: 1 \t\n- - B: 2\n\n- -----BEGIN\n{BLOCK}\n");
        let signed = parse(&text).expect("a signed text");
        assert_eq!(signed.text, "A: 1\n- B: 2\n\n-----BEGIN\n");
        assert_eq!(signed.signed, b"A: 1\r\n- B: 2\r\n\r\n-----BEGIN");
        assert_eq!(signed.signature, [0, 1, 2, 3]);
        assert_eq!(detached(BLOCK.as_bytes()).expect("armor"), [0, 1, 2, 3]);
        assert_eq!(detached(b"\x88x").expect("packets"), b"\x88x");
    }

    #[test]
    fn text_around_the_signed_part_is_refused() {
        for (text, why) in [
            (
                format!("A: 1\n{MESSAGE}\n\nA: 1\n{BLOCK}"),
                "does not begin",
            ),
            (
                format!("{MESSAGE}\nA: 1\n\nA: 1\n{BLOCK}"),
                "between its beginning",
            ),
            (format!("{MESSAGE}\n\n-A: 1\n{BLOCK}"), "begins with '-'"),
            (
                format!("{MESSAGE}\n\nA: 1\n{MESSAGE}\n{BLOCK}"),
                "begins with '-'",
            ),
            (format!("{MESSAGE}\n\nA: 1\n"), "ends before"),
            (format!("{MESSAGE}\n\nA: 1\n{BLOCK}A: 1\n"), "follows"),
            (format!("{MESSAGE}\n\nA: 1\n{BLOCK}{BLOCK}"), "follows"),
            (
                format!("{MESSAGE}\n\nA: 1\n{SIGNATURE}\nAAEC\n{END}"),
                "no empty line",
            ),
            (
                format!("{MESSAGE}\n\nA: 1\n{SIGNATURE}\n\nAAEC\n"),
                "has no end",
            ),
            (
                format!("{MESSAGE}\n\nA: 1\n{SIGNATURE}\n\nA*EC\n{END}"),
                "damaged",
            ),
        ] {
            let error = parse(&text).expect_err(why).to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
        assert!(detached(b"").is_err() && detached(b"text").is_err());
    }
}
