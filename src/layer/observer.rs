//! Observers of a layer's entries during a scan.

use super::entry::Entry;
use super::notes::NoteCollector;
use super::trace::TraceRecorder;

/// Collects notes and a trace of a layer's entries, where requested.
#[derive(Debug, Default)]
pub(crate) struct EntryObserver {
    is_active: bool,
    pub(crate) notes: NoteCollector,
    pub(crate) trace: TraceRecorder,
}

impl EntryObserver {
    /// Creates an observer with a trace of at most `trace_limit` bytes; 0 collects neither a trace nor notes.
    pub(crate) fn new(trace_limit: u64) -> Self {
        EntryObserver {
            is_active: trace_limit > 0,
            notes: NoteCollector::default(),
            trace: TraceRecorder::new(trace_limit),
        }
    }

    /// Observes an entry.
    pub(crate) fn add(&mut self, entry: &Entry) {
        if self.is_active {
            self.notes.add(entry);
            self.trace.add(entry);
        }
    }
}
