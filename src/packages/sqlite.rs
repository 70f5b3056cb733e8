//! The blobs of one table in an SQLite database. Nothing else of SQL is supported.
//!
//! An RPM database is a table `Packages` of numbers and blobs, stored as a b-tree
//! (`https://www.sqlite.org/fileformat2.html`, "B-tree Pages", "Record Format", "Cell Payload Overflow Pages"). A
//! write-ahead log beside the database is not read; RPM empties the log when it closes the database.
//!
//! Attacks and defences: page numbers outside of the file (looked up, never indexed), circular references between pages
//! (each page is visited once), cells and records longer than their page (sliced with checks), and payloads larger than
//! the file (refused before memory is reserved).

use std::collections::HashSet;

use super::package::damaged;
use crate::error::Result;

const MAGIC: &[u8] = b"SQLite format 3\0";
/// Types of table pages: interior and leaf.
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;

/// Returns the blobs in the last column of a table, in the order of its rows.
///
/// # Errors
/// `Schema` for an invalid database or a missing table.
pub(super) fn blobs(file: &[u8], table: &str) -> Result<Vec<Vec<u8>>> {
    let database = Database::open(file)?;
    let mut root = None;
    database.rows(1, |record| {
        // type, name, tbl_name, rootpage, sql
        let columns = Columns::of(record)?;
        let is_table = columns.get(0) == Some(b"table".as_slice());
        if is_table && columns.get(1) == Some(table.as_bytes()) {
            root = columns.number(3);
        }
        Some(())
    })?;
    let root = root.ok_or_else(|| damaged("a table of packages", "none"))?;
    let mut blobs = Vec::new();
    database.rows(root, |record| {
        let columns = Columns::of(record)?;
        if let Some(blob) = columns.last() {
            blobs.push(blob.to_vec());
        }
        Some(())
    })?;
    Ok(blobs)
}

struct Database<'a> {
    file: &'a [u8],
    page: usize,
    /// Number of bytes of a page that hold content.
    usable: usize,
}

impl<'a> Database<'a> {
    fn open(file: &'a [u8]) -> Result<Self> {
        let bad = |why: &str| damaged("an SQLite database", why);
        if !file.starts_with(MAGIC) || file.len() < 100 {
            return Err(bad("something else"));
        }
        let page = match u16::from_be_bytes([file[16], file[17]]) {
            1 => 65536,
            size => usize::from(size),
        };
        if !page.is_power_of_two() || page < 512 {
            return Err(bad("an invalid page size"));
        }
        let usable = page - usize::from(file[20]);
        if usable < 480 {
            return Err(bad("pages without space"));
        }
        Ok(Database { file, page, usable })
    }

    /// Returns a page; the first has number 1.
    fn page(&self, number: u64) -> Result<&'a [u8]> {
        let start = usize::try_from(number)
            .ok()
            .and_then(|number| number.checked_sub(1)?.checked_mul(self.page));
        start
            .and_then(|start| self.file.get(start..start.checked_add(self.page)?))
            .ok_or_else(|| damaged("a page of the database", format!("page {number}")))
    }

    /// Passes each row's record to `row`, in order.
    fn rows(&self, root: u64, mut row: impl FnMut(&[u8]) -> Option<()>) -> Result<()> {
        let bad = |number: u64| damaged("a sound page", format!("page {number}"));
        let mut seen = HashSet::new();
        let mut work = vec![root];
        while let Some(number) = work.pop() {
            if !seen.insert(number) {
                return Err(damaged("each page once", format!("page {number} again")));
            }
            let page = self.page(number)?;
            let start = if number == 1 { 100 } else { 0 };
            let header = page.get(start..start + 12).ok_or_else(|| bad(number))?;
            let cells = usize::from(u16::from_be_bytes([header[3], header[4]]));
            let pointers = start + if header[0] == INTERIOR { 12 } else { 8 };
            let mut children = Vec::new();
            for i in 0..cells {
                let at = pointers + 2 * i;
                let pointer = page.get(at..at + 2).ok_or_else(|| bad(number))?;
                let cell = usize::from(u16::from_be_bytes([pointer[0], pointer[1]]));
                let cell = page.get(cell..self.usable).ok_or_else(|| bad(number))?;
                match header[0] {
                    INTERIOR => children.push(be32(cell).ok_or_else(|| bad(number))?),
                    LEAF => {
                        let record = self.payload(cell)?.ok_or_else(|| bad(number))?;
                        row(&record)
                            .ok_or_else(|| damaged("a sound record", format!("page {number}")))?;
                    }
                    _ => return Err(bad(number)),
                }
            }
            match header[0] {
                INTERIOR => children.push(be32(&header[8..]).ok_or_else(|| bad(number))?),
                LEAF => {}
                _ => return Err(bad(number)),
            }
            work.extend(children.into_iter().rev());
        }
        Ok(())
    }

    /// Returns the payload of a leaf's cell, with its overflow pages; `None` if it is invalid.
    fn payload(&self, cell: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some((size, after)) = varint(cell) else {
            return Ok(None);
        };
        let Some((_row, used)) = cell.get(after..).and_then(varint) else {
            return Ok(None);
        };
        let body = cell.get(after + used..).unwrap_or_default();
        let Some(size) = usize::try_from(size)
            .ok()
            .filter(|&size| size <= self.file.len())
        else {
            return Ok(None);
        };
        let most = self.usable - 35;
        if size <= most {
            return Ok(body.get(..size).map(<[u8]>::to_vec));
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let local = least + (size - least) % (self.usable - 4);
        let local = if local <= most { local } else { least };
        let (Some(first), Some(mut next)) = (body.get(..local), body.get(local..).and_then(be32))
        else {
            return Ok(None);
        };
        let mut payload = first.to_vec();
        // Each page adds bytes, so this ends.
        while payload.len() < size {
            let page = self.page(next)?;
            next = be32(page).unwrap_or_default();
            let left = (size - payload.len()).min(self.usable - 4);
            payload.extend_from_slice(&page[4..4 + left]);
        }
        Ok(Some(payload))
    }
}

/// Number of at most eight bytes, the most significant first.
pub(super) fn big_endian(bytes: &[u8]) -> u64 {
    let bytes = bytes.iter();
    bytes.fold(0, |value, &byte| value << 8 | u64::from(byte))
}

fn be32(bytes: &[u8]) -> Option<u64> {
    Some(big_endian(bytes.first_chunk::<4>()?))
}

/// Parses a number of one to nine bytes. Returns it with their count.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for i in 0..8 {
        let byte = *bytes.get(i)?;
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some((value, i + 1));
        }
    }
    Some((value << 8 | u64::from(*bytes.get(8)?), 9))
}

/// A record: the type and the bytes of each column.
struct Columns<'a>(Vec<(u64, &'a [u8])>);

impl<'a> Columns<'a> {
    fn of(record: &'a [u8]) -> Option<Self> {
        let (header, mut at) = varint(record)?;
        let header = usize::try_from(header).ok()?;
        let mut body = header;
        let mut columns = Vec::new();
        while at < header {
            let (kind, used) = varint(record.get(at..)?)?;
            at += used;
            let length = match kind {
                0 | 8 | 9 => 0,
                1..=4 => kind,
                5 => 6,
                6 | 7 => 8,
                10 | 11 => return None,
                _ => (kind - 12) / 2,
            };
            let length = usize::try_from(length).ok()?;
            columns.push((kind, record.get(body..body.checked_add(length)?)?));
            body += length;
        }
        Some(Columns(columns))
    }

    fn get(&self, i: usize) -> Option<&'a [u8]> {
        self.0.get(i).map(|(_, bytes)| *bytes)
    }

    fn number(&self, i: usize) -> Option<u64> {
        match *self.0.get(i)? {
            (8, _) => Some(0),
            (9, _) => Some(1),
            (1..=6, bytes) => Some(big_endian(bytes)),
            _ => None,
        }
    }

    fn last(&self) -> Option<&'a [u8]> {
        self.0.last().map(|(_, bytes)| *bytes)
    }
}
