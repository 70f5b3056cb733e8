//! Hand-built tars for the tests of this module, with headers that may be malformed.

use super::{Anomalies, Entry, StreamInput, Walker};
use crate::error::{Fault, Result};

/// A tar under construction.
#[derive(Default)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

/// One header under construction; ustar by default.
#[derive(Clone)]
pub(crate) struct Head(pub(crate) [u8; 512]);

impl Head {
    pub(crate) fn new(name: &str, type_flag: u8, size: usize) -> Self {
        Head([0; 512])
            .put(0, name.as_bytes())
            .put(100, b"0000644\0")
            .put(108, b"0000000\0")
            .put(116, b"0000000\0")
            .put(124, format!("{size:011o}\0").as_bytes())
            .put(136, b"00000000001\0")
            .put(156, &[type_flag])
            .put(257, b"ustar\x0000")
    }

    pub(crate) fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn gnu(self) -> Self {
        self.put(257, b"ustar  \0")
    }

    /// Returns the block with its checksum.
    pub(crate) fn done(self) -> [u8; 512] {
        let head = self.put(148, b"        ");
        let sum: u32 = head.0.iter().map(|&byte| u32::from(byte)).sum();
        head.put(148, format!("{sum:06o}\0 ").as_bytes()).0
    }
}

impl Tar {
    pub(crate) fn head(mut self, head: Head) -> Self {
        self.0.extend(head.done());
        self
    }

    /// Adds contents with their padding.
    pub(crate) fn data(mut self, data: &[u8]) -> Self {
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn entry(self, type_flag: u8, name: &str, data: &[u8]) -> Self {
        self.head(Head::new(name, type_flag, data.len())).data(data)
    }

    pub(crate) fn file(self, name: &str, data: &[u8]) -> Self {
        self.entry(b'0', name, data)
    }

    pub(crate) fn link(self, type_flag: u8, name: &str, target: &str) -> Self {
        self.head(Head::new(name, type_flag, 0).put(157, target.as_bytes()))
    }

    /// Adds a PAX header with well-formed records.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let records: Vec<u8> = records.iter().flat_map(|(k, v)| record(k, v)).collect();
        self.entry(b'x', "pax", &records)
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

/// A PAX record with its length.
pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

/// Reads all entries and anomalies.
pub(crate) fn walk(tar: &[u8]) -> Result<(Vec<Entry>, Anomalies)> {
    let mut walker = Walker::new(StreamInput::new(tar));
    let mut entries = Vec::new();
    while let Some(entry) = walker.next_entry()? {
        entries.push(entry.clone());
    }
    Ok((entries, walker.into_parts().1))
}

/// Reads the only entry.
pub(crate) fn one(tar: &[u8]) -> Entry {
    let (mut entries, _) = walk(tar).expect("the tar can be read");
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

/// Codes of the anomalies.
pub(crate) fn anomaly_codes(tar: &[u8]) -> Vec<&'static str> {
    let (_, anomalies) = walk(tar).expect("the tar can be read");
    anomalies
        .iter()
        .map(|anomaly| anomaly.kind.code())
        .collect()
}

/// Error that stops the walk, as debug text.
pub(crate) fn fault(tar: &[u8]) -> String {
    match walk(tar) {
        Ok((entries, _)) => format!("no fault in {} entries", entries.len()),
        Err(error) => match error.fault() {
            Fault::Tar { offset, why } => format!("{offset} {why:?}"),
            other => format!("{other:?}"),
        },
    }
}

/// Clean paths of all entries, in order.
pub(crate) fn paths(tar: &[u8]) -> Vec<String> {
    let (entries, _) = walk(tar).expect("the tar can be read");
    let path = |entry: &Entry| String::from_utf8_lossy(entry.clean_path()).into_owned();
    entries.iter().map(path).collect()
}
