//! Forms of lists, one line at a time.

use super::set::{DigestSet, no_list};
use crate::error::Result;

/// Form of a list.
pub(super) enum Form {
    /// Each line has a digest: coreutils, BSD, bare ones.
    Lines,
    /// hashdeep, with the columns that have digests once they are known.
    Hashdeep(Vec<usize>),
    /// Values in quotes, with the columns that have digests once the heading was read.
    Csv(Vec<usize>),
}

impl Form {
    /// Tells the form by the first line.
    pub(super) fn of(line: &[u8]) -> Self {
        if line.starts_with(b"%%%%") {
            Form::Hashdeep(Vec::new())
        } else if line.starts_with(b"\"") {
            Form::Csv(Vec::new())
        } else {
            Form::Lines
        }
    }

    /// Adds the digests of a line that is not empty.
    pub(super) fn take(&mut self, line: &[u8], set: &mut DigestSet) -> Result<()> {
        match self {
            Form::Lines => match line.first() {
                Some(b'#') => Ok(()),
                _ => set.add(digest_of_line(line)?),
            },
            Form::Hashdeep(columns) => {
                if let Some(heading) = line.strip_prefix(b"%%%%") {
                    let heading = heading.trim_ascii();
                    if !heading.starts_with(b"HASHDEEP-") {
                        *columns = digest_columns(heading.split(|byte| *byte == b','))?;
                    }
                    return Ok(());
                }
                if line.starts_with(b"##") {
                    return Ok(());
                }
                let fields: Vec<&[u8]> = line.split(|byte| *byte == b',').collect();
                add_columns(set, columns, |column| fields.get(column).copied())
            }
            Form::Csv(columns) => {
                let fields = fields(line);
                if columns.is_empty() {
                    *columns = digest_columns(fields.iter().map(Vec::as_slice))?;
                    return Ok(());
                }
                add_columns(set, columns, |column| fields.get(column).map(Vec::as_slice))
            }
        }
    }
}

/// Adds the digests of a line's columns.
fn add_columns<'f>(
    set: &mut DigestSet,
    columns: &[usize],
    field: impl Fn(usize) -> Option<&'f [u8]>,
) -> Result<()> {
    if columns.is_empty() {
        return Err(no_list("values without a heading"));
    }
    for &column in columns {
        match field(column) {
            Some(b"") => {}
            digits => set.add(digits.unwrap_or_default())?,
        }
    }
    Ok(())
}

/// Positions of the columns with digests in a heading.
fn digest_columns<'h>(heading: impl Iterator<Item = &'h [u8]>) -> Result<Vec<usize>> {
    let is_digest = |name: &[u8]| {
        let names: [&[u8]; 6] = [b"md5", b"sha1", b"sha-1", b"sha256", b"sha-256", b"hash"];
        names.contains(&&*name.trim_ascii().to_ascii_lowercase())
    };
    let columns = heading.enumerate().filter(|(_, name)| is_digest(name));
    let columns: Vec<usize> = columns.map(|(at, _)| at).collect();
    match columns.is_empty() {
        true => Err(no_list("a heading without them")),
        false => Ok(columns),
    }
}

/// The digits of a line `DIGEST`, `DIGEST  NAME`, `DIGEST *NAME`, each with a `\` before it if its name is escaped, or
/// `KIND (NAME) = DIGEST`.
fn digest_of_line(line: &[u8]) -> Result<&[u8]> {
    let line = line.strip_prefix(b"\\").unwrap_or(line);
    let mut words = line.split(|byte| byte.is_ascii_whitespace());
    let first = words.next().unwrap_or_default();
    match words.next() {
        Some(second) if second.starts_with(b"(") => {
            let last = line.rsplit(|byte| byte.is_ascii_whitespace());
            Ok(last.into_iter().next().unwrap_or_default())
        }
        _ => Ok(first),
    }
}

/// Values of a line of CSV, in quotes or not (RFC 4180).
fn fields(line: &[u8]) -> Vec<Vec<u8>> {
    let (mut fields, mut field) = (Vec::new(), Vec::new());
    let mut is_quoted = false;
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if is_quoted && bytes.peek() == Some(&b'"') => {
                bytes.next();
                field.push(b'"');
            }
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            byte => field.push(byte),
        }
    }
    fields.push(field);
    fields
}
