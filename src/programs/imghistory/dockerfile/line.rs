//! A reconstructed Dockerfile: its lines, and findings about them.

use crate::spec::instruction::{Copy, Instruction, Pairs, Printer};

/// Dockerfile, as far as it can be reconstructed.
#[derive(Debug)]
pub struct Dockerfile {
    /// Image ID in full.
    pub id: String,
    /// True for an image for Windows, whose Dockerfile has another escape character.
    pub windows: bool,
    /// Lines, `FROM` first.
    pub lines: Vec<Line>,
    /// Contradictions between history and image, and values that look like secrets.
    pub findings: Vec<Finding>,
    /// Comments for the top of the file.
    pub remarks: Vec<String>,
}

/// One instruction and its source.
#[derive(Debug, Clone)]
pub struct Line {
    /// Instruction or placeholder.
    pub statement: Statement,
    /// Text of the instruction, of one or more lines; empty for a line of comments only.
    pub text: String,
    /// Confidence in the instruction.
    pub certainty: Certainty,
    /// Comments on facts that were never recorded.
    pub notes: Vec<String>,
    /// Further comments, printed with annotations.
    pub remarks: Vec<String>,
    /// Values of build arguments for this instruction.
    pub build_args: Pairs,
    /// True if the build arguments differ from those of the line before.
    pub new_args: bool,
    /// History entry; `None` for a line that only the config suggests.
    pub entry: Option<LineEntry>,
    /// Layer of the instruction.
    pub layer: Option<LineLayer>,
    /// Source of the instruction's files in a build context.
    pub files: Files,
    /// True if the history entry has the instruction as written in its Dockerfile.
    pub verbatim: bool,
}

/// Content of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// An instruction.
    Instruction(Instruction),
    /// All files of the layer of this number (1 = base layer), which no instruction made: a commit, an import, another
    /// program.
    Layer(usize),
    /// Comments only.
    Comment,
}

/// Confidence in a reconstructed line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Certainty {
    /// The history has all of it.
    Exact,
    /// History or config suggest it.
    Inferred,
    /// A part of it was never recorded, or cannot be written in a Dockerfile.
    Lost,
}

/// History entry of a line.
#[derive(Debug, Clone)]
pub struct LineEntry {
    /// Number, 1 = oldest entry.
    pub number: usize,
    /// Command as the builder wrote it.
    pub created_by: String,
}

/// Layer of a line.
#[derive(Debug, Clone, Default)]
pub struct LineLayer {
    /// Number, 1 = base layer.
    pub number: usize,
    /// Digest of the stored layer, if a manifest states it.
    pub digest: Option<String>,
    /// Digest of the uncompressed layer.
    pub diff_id: Option<String>,
    /// Bytes of the layer's files; `None` for a layer that is not in the archive.
    pub size: Option<u64>,
    /// Number of entries that are not directories; `None` for a layer that is not in the archive.
    pub files: Option<u64>,
    /// Paths of the layer of a copy, sorted.
    pub paths: Vec<Vec<u8>>,
    /// True if the layer's content may become files in a build context.
    pub as_files: bool,
    /// Paths that the layer removes from those below; the content of a directory ends in `/`.
    pub removed: Vec<Vec<u8>>,
}

/// Source of an instruction's files in a build context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Its own layer, for a copy; a command is run again.
    Own,
    /// The layer of this number (1 = base layer), which a later line has.
    InLayer(usize),
    /// Its layer, even for a command: the command cannot be run again.
    Layer,
}

/// Contradiction between history and image, or value that should not be public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `secret`, `copy`, `mount`, `form`, `time`, `layers`, or the setting that is not in the config.
    pub kind: &'static str,
    /// Number of the history entry, 1 = oldest entry.
    pub entry: Option<usize>,
    /// Number of the layer, 1 = base layer.
    pub layer: Option<usize>,
    /// Description.
    pub text: String,
}

impl Finding {
    /// Returns a finding about the whole image.
    pub fn of_image(kind: &'static str, text: impl Into<String>) -> Self {
        Finding {
            kind,
            entry: None,
            layer: None,
            text: text.into(),
        }
    }

    /// Tests if the finding is about the history entry of a line.
    pub fn is_about(&self, line: &Line) -> bool {
        self.entry.is_some() && self.entry == line.entry_number()
    }
}

impl Certainty {
    /// Returns the word for it in JSON and in comments.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl Statement {
    /// Returns the instruction, if it is one.
    pub fn instruction(&self) -> Option<&Instruction> {
        match self {
            Statement::Instruction(instruction) => Some(instruction),
            Statement::Layer(_) | Statement::Comment => None,
        }
    }

    /// Returns the `COPY` or `ADD`, if it is one.
    pub fn copy(&self) -> Option<&Copy> {
        match self {
            Statement::Instruction(Instruction::Copy(copy)) => Some(copy),
            _ => None,
        }
    }

    /// Returns the `COPY` or `ADD` for change, if it is one.
    pub fn copy_mut(&mut self) -> Option<&mut Copy> {
        match self {
            Statement::Instruction(Instruction::Copy(copy)) => Some(copy),
            _ => None,
        }
    }

    /// Returns the keyword: `COPY` for a layer, empty for a comment.
    pub fn keyword(&self) -> &'static str {
        match self {
            Statement::Instruction(instruction) => instruction.keyword(),
            Statement::Layer(_) => "COPY",
            Statement::Comment => "",
        }
    }
}

impl From<Instruction> for Statement {
    fn from(instruction: Instruction) -> Self {
        Statement::Instruction(instruction)
    }
}

impl Line {
    /// Returns a line without a text, a history entry and a layer.
    pub fn new(statement: impl Into<Statement>, certainty: Certainty) -> Self {
        Line {
            statement: statement.into(),
            text: String::new(),
            certainty,
            notes: Vec::new(),
            remarks: Vec::new(),
            build_args: Vec::new(),
            new_args: false,
            entry: None,
            layer: None,
            files: Files::Own,
            verbatim: false,
        }
    }

    /// Returns the number of the history entry, 1 = oldest entry.
    pub fn entry_number(&self) -> Option<usize> {
        self.entry.as_ref().map(|entry| entry.number)
    }

    /// Returns the number of the layer, 1 = base layer.
    pub fn layer_number(&self) -> Option<usize> {
        self.layer.as_ref().map(|layer| layer.number)
    }

    /// Returns the bytes of the layer's files: 0 without a layer, `None` for a layer that is not in the archive.
    pub fn size(&self) -> Option<u64> {
        self.layer.as_ref().map_or(Some(0), |layer| layer.size)
    }

    /// Returns the paths of the layer of a copy, sorted.
    pub fn paths(&self) -> &[Vec<u8>] {
        self.layer.as_ref().map_or(&[], |layer| &layer.paths)
    }

    /// Lowers the confidence to `Inferred`, unless it is lower, for the reason given.
    pub fn infer(&mut self, reason: impl Into<String>) {
        self.certainty = self.certainty.max(Certainty::Inferred);
        self.remarks.push(reason.into());
    }

    /// Prints the text, and notes values that it could not hold.
    pub fn print(&mut self, printer: &Printer<'_>) {
        let printed = match &self.statement {
            Statement::Instruction(instruction) => printer.print(instruction),
            Statement::Layer(number) => printer.print(&Instruction::Copy(Copy {
                sources: vec![format!("<layer:{number}>")],
                destination: "/".to_owned(),
                ..Copy::default()
            })),
            Statement::Comment => return self.text.clear(),
        };
        self.text = printed.text;
        if !printed.lost.is_empty() {
            self.certainty = Certainty::Lost;
            self.notes.extend(printed.lost);
        }
    }
}

/// Returns the escape character of a Dockerfile.
pub fn escape_character(windows: bool) -> char {
    match windows {
        true => '`',
        false => '\\',
    }
}

/// Returns a printer for instructions to which neither shell nor heredocs matter.
pub fn default_printer(windows: bool) -> Printer<'static> {
    Printer {
        escape: escape_character(windows),
        shell: &[],
        heredocs: false,
    }
}
