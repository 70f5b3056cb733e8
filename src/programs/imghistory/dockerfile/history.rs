//! First stage: the history, read back as instructions.

use super::read::{BuildRecord, ParsedEntry, Reader};
use super::settings::Settings;
use crate::archive::{Image, Step};
use crate::error::{Result, within};
use crate::spec;

/// Limit on the entries of a history, and on the values of one kind in a config.
const ENTRIES: usize = 10_000;

/// Result of the first stage.
#[derive(Debug)]
pub struct History<'a> {
    /// The image.
    pub image: &'a Image,
    /// True for an image for Windows.
    pub windows: bool,
    /// Steps, oldest first.
    pub steps: Vec<ReadStep<'a>>,
    reader: Reader<'a>,
}

/// One step of the build: a history entry, a layer, or both.
#[derive(Debug, Clone)]
pub struct ReadStep<'a> {
    /// History entry; `None` for a layer without one.
    pub history: Option<&'a spec::History>,
    /// Position of the layer, from 0.
    pub layer: Option<usize>,
    /// The entry, read back.
    pub parsed: ParsedEntry,
}

impl<'a> History<'a> {
    /// Reads the history of an image; `known` are the settings in its config.
    ///
    /// # Errors
    /// `Limit` for more than 10,000 entries, or settings of one kind.
    pub fn read(image: &'a Image, known: &'a Settings) -> Result<Self> {
        let windows = image.platform.os == "windows";
        let history = &image.config.history;
        for (what, found) in [
            ("history entries", history.len()),
            ("settings of one kind", known.longest()),
        ] {
            within(what, ENTRIES as u64, found as u64)?;
        }
        let mut reader = Reader::new(known, windows, history, BuildRecord::of(&image.config));
        let steps = image.steps();
        // Facts from the end of one pass help from the start of the next: first ends of values, then values.
        for _ in 0..2 {
            read_all(&mut reader, &steps);
            reader = reader.restart();
        }
        let steps = read_all(&mut reader, &steps);
        Ok(History {
            image,
            windows,
            steps,
            reader,
        })
    }

    /// Reads the history once more; after its first `entries` entries the settings are those of a base image.
    pub fn read_on(self, entries: usize, base: Settings) -> Self {
        let mut reader = self.reader.restart_on(entries, base);
        let count = self.steps.len();
        let mut steps = self.steps;
        for (i, step) in steps.iter_mut().enumerate() {
            if let Some(entry) = step.history {
                step.parsed = reader.read(entry, step.layer, i + 1 == count);
            }
        }
        History {
            steps,
            reader,
            ..self
        }
    }

    /// Returns the number of layers at the bottom without history entries.
    pub fn unrecorded(&self) -> usize {
        unrecorded(&self.steps)
    }

    /// Returns the settings that the history makes.
    pub fn settings(&self) -> &Settings {
        self.reader.so_far()
    }

    /// Tests if buildah made some of the entries.
    pub fn is_buildah(&self) -> bool {
        self.reader.is_buildah()
    }
}

/// Returns the number of layers at the bottom without history entries.
pub fn unrecorded(steps: &[ReadStep<'_>]) -> usize {
    steps
        .iter()
        .take_while(|step| step.history.is_none())
        .count()
}

fn read_all<'a>(reader: &mut Reader<'_>, steps: &[Step<'a>]) -> Vec<ReadStep<'a>> {
    let mut out = Vec::with_capacity(steps.len());
    for (i, step) in steps.iter().enumerate() {
        let parsed = match step.history {
            Some(entry) => reader.read(entry, step.layer, i + 1 == steps.len()),
            None => ParsedEntry::unrecorded(step.layer, reader.so_far().shell.clone()),
        };
        out.push(ReadStep {
            history: step.history,
            layer: step.layer,
            parsed,
        });
    }
    out
}
