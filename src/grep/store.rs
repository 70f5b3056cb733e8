//! Lines of results: in memory, or in a temporary file if they are many.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{During, Error, Fault, Result};

/// Bytes of lines that are kept in memory.
const IN_MEMORY: u64 = 32 << 20;

/// Bytes that are written to the file at once.
const BLOCK: usize = 1 << 20;

/// Bytes of a stored line without its text and positions.
const HEAD: usize = 1 + 5 * 8;

/// Lines of many results. Shared between threads.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    file: Mutex<Option<File>>,
    end: AtomicU64,
    in_memory: AtomicU64,
}

/// Lines of one result.
#[derive(Debug, Default)]
pub struct Lines {
    /// Offsets and lengths in the file.
    blocks: Vec<(u64, usize)>,
    /// Lines behind those.
    rest: Vec<u8>,
}

/// Kind of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// With a match, or a match.
    Match,
    /// Beside one.
    Context,
    /// No line: lines were left out here.
    Break,
}

/// One line of a result, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Kind.
    pub kind: LineKind,
    /// Number from 1; 0 without numbers.
    pub number: u64,
    /// Offset in the contents: of the line, or of the match where each match is a line.
    pub offset: u64,
    /// Position of the first match in the line, in bytes from 1; 0 if it is unknown.
    pub column: u64,
    /// Bytes without the end of the line.
    pub text: Vec<u8>,
    /// Starts and ends of the matches in the text; empty if they are unknown.
    pub positions: Vec<(u64, u64)>,
}

/// Lines that are being written.
pub(super) struct Writer<'s> {
    store: &'s Store,
    lines: Lines,
}

impl Store {
    /// Starts empty. The file is made in `directory` when it is needed, and has no name.
    pub fn new(directory: PathBuf) -> Self {
        Store {
            directory,
            file: Mutex::default(),
            end: AtomicU64::new(0),
            in_memory: AtomicU64::new(0),
        }
    }

    pub(super) fn writer(&self) -> Writer<'_> {
        Writer {
            store: self,
            lines: Lines::default(),
        }
    }

    /// Calls a function with each line, in order.
    ///
    /// # Errors
    /// `Io` if the file cannot be read, and those of the function.
    pub fn each(&self, lines: &Lines, mut line: impl FnMut(Line) -> Result<()>) -> Result<()> {
        let mut block = Vec::new();
        for &(offset, length) in &lines.blocks {
            block.resize(length, 0);
            self.with_file(|file| file.read_exact_at(&mut block, offset))
                .during("read")
                .map_err(|error| error.at(self.directory.display().to_string()))?;
            decode(&block, &mut line)?;
        }
        decode(&lines.rest, &mut line)
    }

    fn with_file<T>(&self, call: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &mut *file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.directory)?),
        };
        call(file)
    }

    fn append(&self, block: &[u8]) -> Result<u64> {
        let offset = self.end.fetch_add(block.len() as u64, Ordering::Relaxed);
        self.with_file(|file| file.write_all_at(block, offset))
            .during("write")
            .map_err(|error| error.at(self.directory.display().to_string()))?;
        Ok(offset)
    }
}

impl Writer<'_> {
    pub(super) fn push(&mut self, line: &Line) -> Result<()> {
        let out = &mut self.lines.rest;
        out.push(line.kind as u8);
        let (text, positions) = (line.text.len() as u64, line.positions.len() as u64);
        let positions = [line.number, line.offset, line.column, text, positions]
            .into_iter()
            .chain(line.positions.iter().flat_map(|&(start, end)| [start, end]));
        positions.for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        out.extend_from_slice(&line.text);
        match out.len() >= BLOCK {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        let lines = &mut self.lines;
        let offset = self.store.append(&lines.rest)?;
        lines.blocks.push((offset, lines.rest.len()));
        lines.rest.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Lines> {
        let size = self.lines.rest.len() as u64;
        let before = self.store.in_memory.fetch_add(size, Ordering::Relaxed);
        if before + size > IN_MEMORY && size > 0 {
            self.store.in_memory.fetch_sub(size, Ordering::Relaxed);
            self.flush()?;
        }
        self.lines.rest.shrink_to_fit();
        Ok(self.lines)
    }
}

fn decode(block: &[u8], line: &mut impl FnMut(Line) -> Result<()>) -> Result<()> {
    let mut rest = block;
    while !rest.is_empty() {
        let (next, behind) = one(rest).ok_or_else(|| Error::new(Fault::StreamConsumed))?;
        line(next)?;
        rest = behind;
    }
    Ok(())
}

fn one(bytes: &[u8]) -> Option<(Line, &[u8])> {
    let (head, mut rest) = bytes.split_at_checked(HEAD)?;
    let (kind, head) = head.split_first()?;
    let number = |at: usize| -> Option<u64> {
        let bytes = head.get(8 * at..8 * at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let mut positions = Vec::new();
    for _ in 0..number(4)? {
        let (start, behind) = rest.split_first_chunk()?;
        let (end, behind) = behind.split_first_chunk()?;
        positions.push((u64::from_le_bytes(*start), u64::from_le_bytes(*end)));
        rest = behind;
    }
    let (text, rest) = rest.split_at_checked(usize::try_from(number(3)?).ok()?)?;
    let kind = match kind {
        0 => LineKind::Match,
        1 => LineKind::Context,
        _ => LineKind::Break,
    };
    let line = Line {
        kind,
        number: number(0)?,
        offset: number(1)?,
        column: number(2)?,
        text: text.to_vec(),
        positions,
    };
    Some((line, rest))
}
