//! A line before its text is printed.

use super::line::{Line, escape_character};
use super::read::ParsedEntry;
use crate::spec::instruction::{Pairs, Printer};

/// Line without a text, and the facts needed to print it.
#[derive(Debug)]
pub struct Draft {
    /// The line, its text empty.
    pub line: Line,
    /// Instruction as written in its Dockerfile, if that can be copied.
    pub verbatim: Option<String>,
    /// Options of RUN, as written.
    pub options: Vec<String>,
    /// Build arguments whose values follow from the config.
    pub learnt: Pairs,
    /// Shell in force.
    pub shell: Vec<String>,
    /// True for a builder that reads heredocs.
    pub heredocs: bool,
}

impl Draft {
    /// Returns a draft of a line that needs no further facts.
    pub fn of(line: Line) -> Self {
        Draft {
            line,
            verbatim: None,
            options: Vec::new(),
            learnt: Vec::new(),
            shell: Vec::new(),
            heredocs: false,
        }
    }

    /// Returns a draft of a history entry.
    pub fn of_entry(parsed: ParsedEntry, heredocs: bool) -> Self {
        let mut line = Line::new(parsed.statement, parsed.certainty);
        line.notes = parsed.notes;
        line.remarks = parsed.remarks;
        line.build_args = parsed.build_args;
        line.verbatim = parsed.verbatim.is_some();
        Draft {
            line,
            verbatim: parsed.verbatim,
            options: parsed.options,
            learnt: parsed.learnt,
            shell: parsed.shell,
            heredocs,
        }
    }

    /// Prints the text: the instruction as written, if that can be copied.
    pub fn print(self, windows: bool) -> Line {
        let mut line = self.line;
        let printer = Printer {
            escape: escape_character(windows),
            shell: &self.shell,
            heredocs: self.heredocs,
        };
        if let Some(text) = self.verbatim.filter(|text| printer.is_verbatim(text)) {
            line.text = printer.fold(&text);
            return line;
        }
        line.print(&printer);
        if let Some(command) = line.text.strip_prefix("RUN ")
            && !self.options.is_empty()
        {
            line.text = format!("RUN {} {command}", self.options.join(" "));
        }
        line
    }
}
