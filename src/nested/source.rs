//! Contents at one level, and what all levels of a file may produce together.

use std::cell::Cell;
use std::io::{self, Read};

use crate::error::{Error, Result, within};
use crate::limits::{DecodeLimits, Limits};

/// Bytes from which the form of a file is recognised.
const HEAD: usize = 512;

/// Bytes produced inside one file, against its limits.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Bytes of the file itself.
    outer: u64,
    bytes: Cell<u64>,
    members: Cell<u64>,
    most: u64,
    most_members: u64,
    decode: DecodeLimits,
    is_over: Cell<bool>,
}

impl Budget {
    pub(super) fn new(outer: u64, limits: &Limits) -> Self {
        Budget {
            outer,
            bytes: Cell::new(0),
            members: Cell::new(0),
            most: limits.nested_size,
            most_members: limits.entries,
            decode: limits.decode,
            is_over: Cell::new(false),
        }
    }

    /// A limit was met: nothing more is read.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Counts bytes that were made of the file.
    pub(super) fn add(&self, bytes: u64) -> Result<()> {
        let all = self.bytes.get().saturating_add(bytes);
        self.bytes.set(all);
        let DecodeLimits { ratio, grace, .. } = self.decode;
        let expansion = all / self.outer.max(1);
        let checked = within("bytes inside a file", self.most, all).and_then(|()| {
            let ratio = if all > grace { ratio } else { u64::MAX };
            within(DecodeLimits::NAMES[1], ratio, expansion)
        });
        self.is_over.set(checked.is_err());
        checked
    }

    /// Counts a member.
    pub(super) fn add_member(&self) -> Result<()> {
        self.members.set(self.members.get() + 1);
        let checked = within("members", self.most_members, self.members.get());
        self.is_over.set(checked.is_err());
        checked
    }

    /// Limits of one decoder.
    pub(super) fn decode(&self) -> DecodeLimits {
        DecodeLimits {
            size: u64::MAX,
            ratio: u64::MAX,
            ..self.decode
        }
    }
}

/// Reader of the contents at one level. It ends at its first error, which it keeps: who reads it need not know where
/// damage is from.
pub(crate) struct Source<'r> {
    inner: &'r mut dyn Read,
    head: [u8; HEAD],
    filled: usize,
    at: usize,
    has_head: bool,
    /// Counts what is read here.
    budget: Option<&'r Budget>,
    pub(crate) error: Option<Error>,
}

impl<'r> Source<'r> {
    /// `budget` counts bytes that are not those of the level below.
    pub(crate) fn new(inner: &'r mut dyn Read, budget: Option<&'r Budget>) -> Self {
        Source {
            inner,
            head: [0; HEAD],
            filled: 0,
            at: 0,
            has_head: false,
            budget,
            error: None,
        }
    }

    /// The first bytes, which are read again afterwards.
    pub(crate) fn peek(&mut self) -> &[u8] {
        if !std::mem::replace(&mut self.has_head, true) {
            let mut head = [0; HEAD];
            while let Some(rest) = head.get_mut(self.filled..).filter(|rest| !rest.is_empty()) {
                match self.next(rest) {
                    0 => break,
                    read => self.filled += read,
                }
            }
            self.head = head;
        }
        self.head.get(..self.filled).unwrap_or_default()
    }

    fn next(&mut self, buf: &mut [u8]) -> usize {
        if self.error.is_some() {
            return 0;
        }
        let read = loop {
            match self.inner.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let counted = read.map_err(|error| Error::io("read", error));
        let counted = counted.and_then(|read| match self.budget {
            Some(budget) => budget.add(read as u64).map(|()| read),
            None => Ok(read),
        });
        counted.unwrap_or_else(|error| {
            self.error = Some(error);
            0
        })
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let kept = self.head.get(self.at..self.filled).unwrap_or_default();
        if kept.is_empty() {
            return Ok(self.next(buf));
        }
        let read = kept.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..read), kept.get(..read)) {
            to.copy_from_slice(from);
        }
        self.at += read;
        Ok(read)
    }
}
