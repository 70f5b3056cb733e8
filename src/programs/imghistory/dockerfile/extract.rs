//! A build context: the Dockerfile with the files of its copies.
//!
//! A copy's layer becomes a directory for `COPY` if that gives the same layer without root: only regular files,
//! directories and links, all owned by root. Any other layer becomes a tar for `ADD`, which keeps owners, modes,
//! attributes and times.

use std::collections::HashSet;
use std::path::Path;

use super::context;
use super::line::{Certainty, Dockerfile, Files, Line, LineLayer, Statement, default_printer};
use crate::archive::{Image, Layer};
use crate::blob::Meter;
use crate::error::{At, Result};
use crate::layer::Limits;
use crate::spec::instruction::{Command, Copy, Instruction};
use crate::tree::Proof;

/// Directory of the context with the files of copies.
const DIRECTORY: &str = "layers";

/// Writes the files of copies, imports and commits into `directory`, and changes their lines so that a build copies them.
///
/// `directory` has to exist and to be empty. The Dockerfile itself is left to the caller, who writes it last.
///
/// # Errors
/// `Io` of writing; the fault of a damaged layer.
pub fn extract(
    dockerfile: &mut Dockerfile,
    image: &Image,
    directory: &Path,
    limits: &Limits,
    meter: &Meter,
) -> Result<()> {
    if dockerfile.windows {
        // Their layers have registry hives beside files, which no COPY makes.
        dockerfile
            .remarks
            .push("the files of Windows layers are not extracted".into());
        return Ok(());
    }
    let mut extraction = Extraction {
        image,
        directory,
        limits,
        meter,
        read: HashSet::new(),
        lines: Vec::new(),
    };
    for line in std::mem::take(&mut dockerfile.lines) {
        extraction.add(line)?;
    }
    dockerfile.lines = extraction.lines;
    // The headers of the other layers decided on the lines, and so on the extracted files.
    let count = image.layers.len();
    let others = image.layers.iter().enumerate();
    let others = others.filter(|(i, _)| !extraction.read.contains(&(i + 1)));
    let contexts = others.map(|(i, layer)| (layer, format!("layer {} of {count}", i + 1)));
    Proof::of_layers(contexts)?.check(meter)
}

struct Extraction<'a> {
    image: &'a Image,
    directory: &'a Path,
    limits: &'a Limits,
    meter: &'a Meter,
    /// Numbers of the layers that were read and verified.
    read: HashSet<usize>,
    lines: Vec<Line>,
}

impl Extraction<'_> {
    /// Adds a line, and writes the files of its layer.
    fn add(&mut self, mut line: Line) -> Result<()> {
        if let Files::InLayer(number) = line.files {
            let text = first_line(&line);
            line.notes.push(format!(
                "{text}, whose files come with layer {number} below"
            ));
            line.text.clear();
        } else if line.files == Files::Layer || is_copy(&line) {
            match line.layer.take() {
                Some(facts) if facts.number <= self.image.layers.len() => {
                    return self.add_layer(line, facts);
                }
                layer => {
                    line.layer = layer;
                    // Its source would be missing in the context.
                    let text = first_line(&line);
                    line.notes.push(format!("{text}, which made no layer"));
                    line.text.clear();
                }
            }
        }
        self.lines.push(line);
        Ok(())
    }

    /// Adds a line whose files come from its layer.
    fn add_layer(&mut self, mut line: Line, facts: LineLayer) -> Result<()> {
        let stored = self.image.layers.get(facts.number - 1);
        let stored = stored.filter(|layer| layer.content().is_some() && facts.files.is_some());
        let Some(stored) = stored else {
            line.notes.push("its layer is not in the archive".into());
            line.certainty = Certainty::Lost;
            line.layer = Some(facts);
            self.lines.push(line);
            return Ok(());
        };
        if !facts.removed.is_empty() {
            self.lines.push(removal(&facts));
        }
        let as_files = facts.as_files && !is_import(&line);
        let source = match facts.paths.is_empty() {
            true => None,
            false => Some(self.write(stored, facts.number, as_files)?),
        };
        let text = first_line(&line);
        line.text.clear();
        line.notes.retain(|note| !note.starts_with("--from "));
        if !text.is_empty() {
            line.notes.push(text);
        }
        match source {
            None => line.notes.push("nothing in its layer".into()),
            Some(source) => {
                line.statement = Instruction::Copy(Copy {
                    add: !as_files,
                    sources: vec![source],
                    destination: "/".into(),
                    ..Copy::default()
                })
                .into();
                line.print(&default_printer(false));
                line.certainty = Certainty::Inferred;
                line.remarks.push("with all that its layer holds".into());
            }
        }
        line.layer = Some(facts);
        self.lines.push(line);
        Ok(())
    }

    /// Writes a layer as a directory or as a tar; returns its path in the context.
    fn write(&mut self, layer: &Layer, number: usize, as_files: bool) -> Result<String> {
        self.read.insert(number);
        let (top, limits, meter) = (self.directory.join(DIRECTORY), self.limits, self.meter);
        context::create_directory(&top)?;
        let (written, source) = match as_files {
            true => (
                context::write_files(layer, &top.join(number.to_string()), limits, meter),
                format!("{DIRECTORY}/{number}/"),
            ),
            false => (
                context::write_tar(layer, &top.join(format!("{number}.tar")), limits, meter),
                format!("{DIRECTORY}/{number}.tar"),
            ),
        };
        written.at(|| format!("layer {number} of {}", self.image.layers.len()))?;
        Ok(source)
    }
}

/// Tests for a line with files of its own: a copy, an import or a commit.
fn is_copy(line: &Line) -> bool {
    line.statement.copy().is_some() || matches!(line.statement, Statement::Layer(_))
}

/// Tests for a root filesystem of unknown source.
fn is_import(line: &Line) -> bool {
    let copy = line.statement.copy();
    copy.is_some_and(|copy| {
        let mut sources = copy.sources.iter();
        sources.any(|source| source.starts_with("<import") || source.starts_with("<rootfs"))
    })
}

/// Returns the first line of an instruction; empty for a layer without one.
fn first_line(line: &Line) -> String {
    match line.statement {
        Statement::Layer(_) => String::new(),
        _ => line.text.split('\n').next().unwrap_or_default().to_owned(),
    }
}

/// Returns a command for the removals of a layer, which no copy makes.
fn removal(layer: &LineLayer) -> Line {
    let mut words: Vec<String> = vec!["rm".into(), "-rf".into(), "--".into()];
    let mut complete = true;
    let mut inside = Vec::new();
    for path in &layer.removed {
        match (std::str::from_utf8(path), path.last()) {
            // The content of a directory, but not the directory.
            (Ok(path), Some(b'/')) => inside.push(format!("/{}", path.trim_end_matches('/'))),
            (Ok(path), _) => words.push(format!("/{path}")),
            (Err(_), _) => complete = false,
        }
    }
    let command = match inside.is_empty() {
        true => Command::Exec(words),
        false => {
            let script = "for d in \"$@\"; do find \"$d\" -mindepth 1 -delete; done";
            let mut all = vec!["/bin/sh".into(), "-c".into()];
            all.push(match words.len() {
                3 => script.to_owned(),
                _ => format!("{}; {script}", shell_words(&words)),
            });
            all.push("sh".into());
            all.extend(inside);
            Command::Exec(all)
        }
    };
    let mut made = Line::new(Instruction::Run(command), Certainty::Inferred);
    made.layer = Some(LineLayer {
        number: layer.number,
        size: Some(0),
        ..LineLayer::default()
    });
    made.remarks
        .push("what the layer removes, which a copy does not".into());
    if !complete {
        made.certainty = Certainty::Lost;
        made.notes
            .push("a name that is not UTF-8 is not removed".into());
    }
    made.print(&default_printer(false));
    made
}

/// Quotes words for the shell.
fn shell_words(words: &[String]) -> String {
    let quoted = words
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', "'\\''")));
    quoted.collect::<Vec<_>>().join(" ")
}
