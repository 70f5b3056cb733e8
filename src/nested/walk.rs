//! The way into a file, level by level.

use std::io::{BufReader, Read};
use std::path::PathBuf;

use super::kind::Kind;
use super::source::{Budget, Source};
use super::step::Step;
use crate::blob::{Compression, Decoder, each_chunk};
use crate::error::{Error, Result};
use crate::layer::{EntryData, EntryKind, StreamInput, Walker};
use crate::limits::Limits;

/// Bytes that are read of a level at a time.
pub(super) const BUFFER: usize = 64 << 10;

/// Notes on one file that are kept.
const NOTES: usize = 100;

/// Receives contents: the steps that lead there, empty for the file itself; the size, if it is known before they are read;
/// and a reader, which ends early where they are damaged. What it leaves unread is skipped.
pub type Visit<'v> = dyn FnMut(&[Step], Option<u64>, &mut dyn Read) -> Result<()> + 'v;

/// Options of opening files.
#[derive(Debug, Clone)]
pub struct Nesting<'l> {
    /// Levels that are opened. At most [`Limits::nested_depth`].
    pub depth: u64,
    /// Limits for each file.
    pub limits: &'l Limits,
    /// Directory for temporary files without a name, in which zips are kept while they are read.
    pub directory: PathBuf,
}

/// A place inside a file that cannot be read, or only in part.
#[derive(Debug, Clone)]
pub struct Note {
    /// Way there.
    pub steps: Vec<Step>,
    /// Reason.
    pub error: Error,
}

/// Notes on one file.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// The first of them.
    pub list: Vec<Note>,
    /// Number of further ones.
    pub more: u64,
}

/// Position in the levels of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    /// Levels that may still be opened.
    pub(super) depth: u64,
    /// It belongs to the archive around it and was not counted.
    is_part: bool,
}

/// One file that is being read.
pub(super) struct Walk<'v, 'b> {
    pub(super) nesting: &'v Nesting<'v>,
    pub(super) budget: &'b Budget,
    visit: &'v mut Visit<'v>,
    steps: Vec<Step>,
    notes: Notes,
}

impl Nesting<'_> {
    /// Passes the contents of a file of a size in bytes to `visit`, or what is inside.
    ///
    /// # Errors
    /// `Io` if a temporary file cannot be written, and errors of `visit`. Those of `contents` end them; whoever made the
    /// reader knows of them.
    pub fn each<'v>(
        &'v self,
        contents: &mut dyn Read,
        size: u64,
        visit: &'v mut Visit<'v>,
    ) -> Result<Notes> {
        let budget = Budget::new(size, self.limits);
        let mut walk = Walk {
            nesting: self,
            budget: &budget,
            visit,
            steps: Vec::new(),
            notes: Notes::default(),
        };
        let level = Level {
            depth: self.depth,
            is_part: false,
        };
        walk.open(&mut Source::new(contents, None), Some(size), level)?;
        Ok(walk.notes)
    }
}

impl Level {
    pub(super) fn below(self) -> Self {
        Level {
            depth: self.depth.saturating_sub(1),
            is_part: false,
        }
    }

    /// The level of a member that is a part of its archive, as Debian's packages and gems have them. A part has no parts.
    pub(super) fn part(self) -> Self {
        match self.is_part {
            true => self.below(),
            false => Level {
                is_part: true,
                ..self
            },
        }
    }
}

impl<'b> Walk<'_, 'b> {
    /// Reads one level.
    pub(super) fn open(
        &mut self,
        source: &mut Source<'_>,
        size: Option<u64>,
        level: Level,
    ) -> Result<()> {
        let kind = match level.depth {
            0 => Kind::Plain,
            _ => Kind::of(source.peek()),
        };
        match kind {
            Kind::Plain => self.visit(source, size),
            Kind::Unsupported(what) => {
                self.note(Error::unsupported(what));
                self.visit(source, size)
            }
            #[cfg(feature = "base")]
            Kind::Lz4 => {
                let input = BufReader::with_capacity(BUFFER, &mut *source);
                let mut decoder = lz4_flex::frame::FrameDecoder::new(input);
                let ended = self.decoded(&mut decoder, level)?;
                self.ended(source, ended);
                Ok(())
            }
            Kind::Compressed(compression) => self.compressed(source, compression, level),
            Kind::Tar => self.tar(source, level),
            Kind::Ar => self.ar(source, level),
            Kind::Zip => self.zip(source, level),
        }
    }

    fn visit(&mut self, source: &mut Source<'_>, size: Option<u64>) -> Result<()> {
        (self.visit)(&self.steps, size, source)
    }

    /// Reads a member.
    pub(super) fn member(
        &mut self,
        name: &[u8],
        source: &mut Source<'_>,
        size: Option<u64>,
        level: Level,
    ) -> Result<()> {
        self.steps.push(Step::Member(name.to_vec()));
        let done = self.open(source, size, level);
        if let Some(error) = source.error.clone() {
            self.note(error);
        }
        self.steps.pop();
        done
    }

    /// Keeps the reason why the current place could not be read.
    pub(super) fn note(&mut self, error: Error) {
        match self.notes.list.len() < NOTES {
            true => self.notes.list.push(Note {
                steps: self.steps.clone(),
                error,
            }),
            false => self.notes.more += 1,
        }
    }

    /// Keeps the reason why a level ended early, unless the level below it did.
    pub(super) fn ended(&mut self, source: &Source<'_>, error: Option<Error>) {
        if let Some(error) = error.filter(|_| source.error.is_none()) {
            self.note(error);
        }
    }

    fn compressed(
        &mut self,
        source: &mut Source<'_>,
        compression: Compression,
        level: Level,
    ) -> Result<()> {
        let input = BufReader::with_capacity(BUFFER, &mut *source);
        let ended = match Decoder::new(input, compression, self.budget.decode()) {
            Ok(mut decoder) => self.decoded(&mut decoder, level)?,
            Err(error) => Some(error),
        };
        self.ended(source, ended);
        Ok(())
    }

    /// Reads what a decoder makes. Returns the reason if that ended early.
    fn decoded(&mut self, decoder: &mut dyn Read, level: Level) -> Result<Option<Error>> {
        let mut inner = Source::new(decoder, Some(self.budget));
        match Kind::of(inner.peek()) {
            // Compression around an archive.
            Kind::Tar | Kind::Ar => {
                self.open(&mut inner, None, level)?;
                // The checksum is at the end.
                each_chunk(&mut inner, |_| Ok(()))?;
            }
            _ => {
                self.steps.push(Step::Decoded);
                let done = self.open(&mut inner, None, level.below());
                self.steps.pop();
                done?;
            }
        }
        Ok(inner.error)
    }

    fn tar(&mut self, source: &mut Source<'_>, level: Level) -> Result<()> {
        let input = StreamInput::new(BufReader::with_capacity(BUFFER, &mut *source));
        let mut walker = Walker::new(input).within(self.nesting.limits);
        let mut first = None;
        let ended = loop {
            let entry = match walker.next_entry() {
                Ok(Some(entry)) => entry,
                Ok(None) => break None,
                Err(error) => break Some(error),
            };
            if let Err(error) = self.budget.add_member() {
                break Some(error);
            }
            if entry.kind != EntryKind::File {
                continue;
            }
            let name = match entry.clean_path() {
                b"" => entry.path.clone(),
                name => name.to_vec(),
            };
            let (size, is_sparse) = (entry.size, entry.sparse.is_some());
            let is_part = is_part_of_gem(first.as_deref().unwrap_or(&name), &name);
            first.get_or_insert_with(|| name.clone());
            let level = match is_part {
                true => level.part(),
                false => level.below(),
            };
            let mut contents = EntryData::new(&mut walker);
            let mut inner = Source::new(&mut contents, Some(self.budget).filter(|_| is_sparse));
            self.member(&name, &mut inner, Some(size), level)?;
            let has_failed = inner.error.is_some();
            if has_failed && !is_sparse || self.budget.is_over() {
                break None;
            }
        };
        self.ended(source, ended);
        Ok(())
    }
}

/// A gem is a tar of its metadata and of an archive of its files.
fn is_part_of_gem(first: &[u8], name: &[u8]) -> bool {
    name == b"data.tar.gz" && (first == b"metadata.gz" || first == name)
}
