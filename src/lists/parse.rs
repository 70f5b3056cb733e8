//! Lists of images from bytes.

use std::io::Read;

use super::collect::{Collector, Listed, Reading};
use super::{text, yaml};
use crate::error::{At, During, Error, Fault, Result, within};

/// Reads up to the limit on the size of a list.
pub(super) fn bytes(reader: impl Read, reading: Reading<'_>) -> Result<Vec<u8>> {
    let most = reading.limits.list;
    let mut bytes = Vec::new();
    let mut reader = reader.take(most.saturating_add(1));
    reader.read_to_end(&mut bytes).during("read")?;
    within("size of a list in bytes", most, bytes.len() as u64)?;
    Ok(bytes)
}

/// Reads the references of a list: plain text, YAML or JSON, detected by content. `name` is the path of the file.
///
/// # Errors
/// `List` for invalid UTF-8 or YAML; `Limit`. The context is the file.
pub fn parse(name: &str, bytes: &[u8], reading: Reading<'_>) -> Result<Vec<Listed>> {
    let mut collector = Collector::new(name, reading);
    let read = checked(bytes).and_then(|text| match text::is_yaml(text) {
        true => yaml::read(text, &mut collector),
        false => {
            collector.string(text, 1, true)?;
            text::read(text, 0, &mut collector)
        }
    });
    read.at(|| name.to_owned())?;
    Ok(collector.finish())
}

/// Returns the text of a list, without a byte order mark.
///
/// A NUL would end the document for the parser of YAML, which would leave out the rest.
fn checked(bytes: &[u8]) -> Result<&str> {
    let invalid = |at: usize, why: &str| {
        let before = bytes.get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Error::new(Fault::List {
            line: Some(line),
            why: why.to_owned(),
            is_template: false,
        })
    };
    let text = std::str::from_utf8(bytes)
        .map_err(|error| invalid(error.valid_up_to(), "expected UTF-8"))?;
    if let Some(at) = text.find('\0') {
        return Err(invalid(at, "unexpected NUL"));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}
