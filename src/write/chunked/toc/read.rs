//! The table of contents and the tar-split read item by item.

use std::fmt;
use std::io::{BufRead, BufReader, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::row::{Line, Row};

/// Maximum size in bytes of a line of a tar-split. A line holds a header, or the bytes after a tar.
const MAX_LINE: u64 = 64 << 20;

/// Parses a table of contents row by row, until `send` returns false. Returns the digest of the tar-split.
///
/// # Errors
/// `serde_json`'s, for an invalid table of contents and for failed reads.
pub(crate) fn parse(
    toc: impl Read,
    send: &mut (dyn FnMut(Row) -> bool + '_),
) -> serde_json::Result<Option<String>> {
    let (mut stopped, mut split_digest) = (false, None);
    let mut deserializer = serde_json::Deserializer::from_reader(BufReader::new(toc));
    let document = Document {
        send,
        split_digest: &mut split_digest,
        stopped: &mut stopped,
    };
    let read = document
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    match read {
        Err(error) if !stopped => Err(error),
        _ => Ok(split_digest),
    }
}

struct Document<'a, 'b> {
    send: &'a mut (dyn FnMut(Row) -> bool + 'b),
    split_digest: &'a mut Option<String>,
    stopped: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of contents")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "entries" => map.next_value_seed(Entries {
                    send: &mut *self.send,
                    stopped: self.stopped,
                })?,
                "tarSplitDigest" => {
                    let digest: String = map.next_value()?;
                    *self.split_digest = Some(digest).filter(|digest| !digest.is_empty());
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct Entries<'a, 'b> {
    send: &'a mut (dyn FnMut(Row) -> bool + 'b),
    stopped: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for Entries<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    // Go writes `null` for an empty list.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element::<Row>()? {
            if !(self.send)(row) {
                *self.stopped = true;
                return Err(serde::de::Error::custom("the reader stopped"));
            }
        }
        Ok(())
    }
}

/// A line of the tar-split.
pub(crate) enum Part {
    /// Bytes of the tar that are not contents of a file.
    Bytes(Vec<u8>),
    /// Contents of a file.
    Contents {
        size: u64,
        /// The checksum of the contents, see [`CRC`](super::CRC); missing where they are empty.
        checksum: Option<Vec<u8>>,
    },
}

/// Reads the next line of a tar-split; `None` at its end.
///
/// # Errors
/// The reason why the line cannot be read.
pub(crate) fn next_part(lines: &mut impl BufRead) -> Result<Option<Part>, String> {
    let mut line = Vec::new();
    let read = lines.take(MAX_LINE).read_until(b'\n', &mut line);
    read.map_err(|error| error.to_string())?;
    if line.is_empty() {
        return Ok(None);
    }
    let line: Line = serde_json::from_slice(&line).map_err(|error| error.to_string())?;
    let payload = line.payload.map(|text| STANDARD.decode(text)).transpose();
    let payload = payload.map_err(|error| error.to_string())?;
    match line.kind {
        2 => Ok(Some(Part::Bytes(payload.unwrap_or_default()))),
        1 => Ok(Some(Part::Contents {
            size: line.size,
            checksum: payload.filter(|_| line.size > 0),
        })),
        other => Err(format!("a line of type {other}")),
    }
}
