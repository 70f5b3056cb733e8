//! Compact records of layers' entries, so that layers can be applied after all of them were read once.

use super::entry::Entry;
use super::metadata::EntryKind;
use super::path::common_prefix;
use super::varint::{put, take_number, take_text};

/// Compact record of a layer's entries: kind, clean path and link target, without contents, owners and times. Of each
/// path, only the bytes that differ from the previous one are stored.
#[derive(Debug, Clone, Default)]
pub struct Trace(Vec<u8>);

impl Trace {
    /// Entries in the order of the tar. Only kind, path and link target are set.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let mut rest = self.0.as_slice();
        let mut path = Vec::new();
        std::iter::from_fn(move || {
            let (&kind, after) = rest.split_first()?;
            rest = after;
            path.truncate(usize::try_from(take_number(&mut rest)).unwrap_or(usize::MAX));
            path.extend_from_slice(take_text(&mut rest));
            let mut entry = Entry::named(path.clone());
            entry.kind = EntryKind::of_letter(kind);
            if entry.kind.is_link() {
                entry.link_target = take_text(&mut rest).to_vec();
            }
            Some(entry)
        })
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Reports whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Records a trace entry by entry.
#[derive(Debug, Default)]
pub(crate) struct TraceRecorder {
    /// The trace; `None` if none was requested or it exceeded the limit.
    pub(crate) trace: Option<Trace>,
    /// Maximum size in bytes.
    limit: usize,
    last: Vec<u8>,
}

impl TraceRecorder {
    /// Creates a recorder of at most `limit` bytes; 0 records nothing.
    pub(crate) fn new(limit: u64) -> Self {
        TraceRecorder {
            trace: (limit > 0).then(Trace::default),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            last: Vec::new(),
        }
    }

    /// Appends an entry.
    pub(crate) fn add(&mut self, entry: &Entry) {
        let Some(trace) = &mut self.trace else {
            return;
        };
        let path = entry.clean_path();
        let shared = common_prefix(path, &self.last);
        let own = path.get(shared..).unwrap_or_default();
        let out = &mut trace.0;
        out.push(entry.kind.letter());
        put(shared as u64, out);
        put(own.len() as u64, out);
        out.extend_from_slice(own);
        self.last.truncate(shared);
        self.last.extend_from_slice(own);
        if entry.kind.is_link() {
            put(entry.link_target.len() as u64, out);
            out.extend_from_slice(&entry.link_target);
        }
        if out.len() > self.limit {
            self.trace = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: EntryKind, path: &str, target: &str) -> Entry {
        let mut entry = Entry::named(path.as_bytes().to_vec());
        entry.kind = kind;
        entry.link_target = target.as_bytes().to_vec();
        entry
    }

    #[test]
    fn a_trace_keeps_kind_path_and_target() {
        let long = "l".repeat(300);
        let seen = [
            entry(EntryKind::Directory, "usr", ""),
            entry(EntryKind::File, "usr/bin/a", ""),
            entry(EntryKind::HardLink, "usr/bin/b", "usr/bin/a"),
            entry(EntryKind::Symlink, "u", &long),
            entry(EntryKind::Fifo, &long, ""),
        ];
        let mut recorder = TraceRecorder::new(10_000);
        for entry in &seen {
            recorder.add(entry);
        }
        let trace = recorder.trace.expect("a trace");
        let same = |entry: &Entry| (entry.kind, entry.path.clone(), entry.link_target.clone());
        let back: Vec<_> = trace.entries().map(|entry| same(&entry)).collect();
        assert_eq!(back, seen.iter().map(same).collect::<Vec<_>>());
        let mut short = TraceRecorder::new(5);
        short.add(&seen[1]);
        assert!(short.trace.is_none());
    }
}
