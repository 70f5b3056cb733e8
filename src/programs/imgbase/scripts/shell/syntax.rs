//! The syntax tree of a shell script.

/// Nesting depth of commands that is refused.
pub(in super::super) const MAX_DEPTH: usize = 40;

/// A syntax error: line number, from 1, and reason.
pub(super) type SyntaxError = (usize, &'static str);

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Part {
    /// Literal text.
    Text(String),
    /// `$NAME`, `${NAME}`; with a default, `${NAME:-default}`.
    Param(String, Option<Word>),
    /// `$(…)`, with the text of the command.
    Substitution(String),
    /// An expansion that is not evaluated (arithmetic, patterns), with its source.
    Other(String),
}

/// A word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Word {
    pub parts: Vec<Part>,
    /// True if a part is quoted, so that an empty word is kept.
    pub quoted: bool,
}

/// A redirection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Redirect {
    /// `>`, `>>`, `<`, `>&`, `<<`, ….
    pub op: String,
    /// Path of the file, or text of a here-document.
    pub target: Word,
}

/// A command of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Command {
    Simple {
        line: usize,
        assigns: Vec<(String, Word)>,
        words: Vec<Word>,
        redirects: Vec<Redirect>,
    },
    List(Vec<Command>),
    And(Box<Command>, Box<Command>),
    Or(Box<Command>, Box<Command>),
    Not(Box<Command>),
    Pipe(Vec<Command>),
    /// `if`: conditions with their branches, and the `else` branch.
    If(Vec<(Command, Command)>, Option<Box<Command>>),
    /// `case`: the word, and patterns with their branches.
    Case(Word, Vec<(Vec<Word>, Command)>),
    /// `while` or `until`: condition and body.
    Loop(Box<Command>, Box<Command>),
    /// `for`: variable, words and body.
    For(String, Vec<Word>, Box<Command>),
    /// A function definition: name and body.
    Function(String, Box<Command>),
    /// `( … )`.
    Sub(Box<Command>),
}
