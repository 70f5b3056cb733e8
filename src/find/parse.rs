//! Parsing: words to a tree of operators and tests.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::contents::ContentTest;
use super::expression::{Act, Expression, Node, Uses};
use super::plan;
use super::printf::Printf;
use super::regex::Syntax;
use super::test::Test;
use super::time::Origin;
use super::words::{self, Arity};
use crate::error::{At, Error, Fault, Result, within};
use crate::facts::Magic;

/// Maximum number of words of an expression.
pub const MAX_WORDS: usize = 10_000;
/// Maximum nesting of parentheses.
pub const MAX_DEPTH: usize = 100;

/// Operators that stand between two expressions, by their precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operator {
    Comma,
    Or,
    And,
}

fn operator(word: &[u8]) -> Option<Operator> {
    Some(match word {
        b"," => Operator::Comma,
        b"-o" | b"-or" => Operator::Or,
        b"-a" | b"-and" => Operator::And,
        _ => return None,
    })
}

/// Words that are left, and the settings that words before them made.
pub(super) struct Parser<'a> {
    words: &'a [&'a [u8]],
    at: usize,
    depth: usize,
    pub(super) origin: Origin,
    pub(super) syntax: Syntax,
    min_depth: u64,
    max_depth: u64,
    is_depth_first: bool,
    has_action: bool,
    writes: bool,
    pub(super) uses: Uses,
    pub(super) hash_sets: Vec<OsString>,
    pub(super) content_tests: Vec<ContentTest>,
}

impl Expression {
    /// Parses words; none match everything. `now` is the time that ages are counted from, in seconds since 1970.
    ///
    /// # Errors
    /// `Usage` and `Word` with the word; `Limit` for more than [`MAX_WORDS`] words, or more than [`MAX_DEPTH`] open
    /// parentheses.
    pub fn parse(words: &[impl AsRef<OsStr>], now: i64) -> Result<Self> {
        within(
            "words of an expression",
            MAX_WORDS as u64,
            words.len() as u64,
        )?;
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_ref().as_bytes()).collect();
        let mut parser = Parser {
            words: &words,
            at: 0,
            depth: 0,
            origin: Origin::at(now),
            syntax: Syntax::Rust,
            min_depth: 0,
            max_depth: u64::MAX,
            is_depth_first: false,
            has_action: false,
            writes: false,
            uses: Uses::default(),
            hash_sets: Vec::new(),
            content_tests: Vec::new(),
        };
        let mut root = match words.is_empty() {
            true => Node::Test(Test::Constant(true)),
            false => parser.whole()?,
        };
        if let Some(word) = parser.peek() {
            return Err(usage(word, "too many ')'"));
        }
        plan::order(&mut root);
        Ok(Expression {
            root,
            now,
            has_action: parser.has_action,
            writes: parser.writes,
            min_depth: parser.min_depth,
            max_depth: parser.max_depth,
            is_depth_first: parser.is_depth_first,
            uses: parser.uses,
            hash_sets: parser.hash_sets,
            content_tests: parser.content_tests,
        })
    }
}

/// A usage error at a word.
pub(super) fn usage(word: &[u8], why: impl Into<String>) -> Error {
    Error::usage(why).at(String::from_utf8_lossy(word))
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a [u8]> {
        self.words.get(self.at).copied()
    }

    fn next(&mut self) -> Option<&'a [u8]> {
        let word = self.peek()?;
        self.at += 1;
        Some(word)
    }

    /// All words.
    fn whole(&mut self) -> Result<Node> {
        self.skip_settings();
        match self.peek() {
            None => Ok(Node::Test(Test::Constant(true))),
            Some(_) => self.operands(Operator::Comma),
        }
    }

    /// Takes words that change the meaning of those behind them and are no tests: as in find, `! -daystart -mtime 0`
    /// negates the test.
    fn skip_settings(&mut self) {
        while self.peek() == Some(b"-daystart") {
            self.at += 1;
            self.origin = self.origin.of_day();
        }
    }

    /// Expressions with an operator of this precedence between them, or of a higher one.
    fn operands(&mut self, precedence: Operator) -> Result<Node> {
        let mut nodes = Vec::new();
        loop {
            nodes.push(match precedence {
                Operator::Comma => self.operands(Operator::Or)?,
                Operator::Or => self.operands(Operator::And)?,
                Operator::And => self.negated()?,
            });
            let Some(word) = self.peek().filter(|word| *word != b")") else {
                break;
            };
            match operator(word) {
                Some(found) if found == precedence => self.at += 1,
                // Two expressions beside each other mean `-a`.
                None if precedence == Operator::And => {}
                _ => break,
            }
        }
        Ok(match (nodes.len(), precedence) {
            (1, _) => nodes.remove(0),
            (_, Operator::Comma) => Node::List(nodes),
            (_, Operator::Or) => Node::Or(nodes),
            (_, Operator::And) => Node::And(nodes),
        })
    }

    /// One expression with the `!` before it.
    fn negated(&mut self) -> Result<Node> {
        let mut is_negated = false;
        self.skip_settings();
        while matches!(self.peek(), Some(b"!" | b"-not")) {
            self.at += 1;
            is_negated = !is_negated;
            self.skip_settings();
        }
        let node = self.primary()?;
        self.skip_settings();
        Ok(match is_negated {
            true => Node::Not(Box::new(node)),
            false => node,
        })
    }

    fn primary(&mut self) -> Result<Node> {
        let before = self
            .at
            .checked_sub(1)
            .and_then(|at| self.words.get(at).copied());
        let missing = |word| Err(usage(word, "expected an expression after it"));
        let Some(word) = self.next() else {
            return missing(before.unwrap_or_default());
        };
        if operator(word).is_some() {
            return Err(usage(word, "expected an expression before it"));
        }
        match (word, before) {
            (b"(", _) => self.group(word),
            (b")", Some(b"(")) => Err(usage(b"()", "empty parentheses")),
            (b")", Some(before)) if self.depth > 0 => missing(before),
            (b")", _) => Err(usage(word, "too many ')'")),
            _ => self.word(word),
        }
    }

    fn group(&mut self, word: &[u8]) -> Result<Node> {
        self.depth += 1;
        within(
            "nesting of an expression",
            MAX_DEPTH as u64,
            self.depth as u64,
        )?;
        let node = self.operands(Operator::Comma)?;
        self.depth -= 1;
        match self.next() {
            Some(b")") => Ok(node),
            _ => Err(usage(word, "expected a ')' after it")),
        }
    }

    /// A test or an action with its argument.
    fn word(&mut self, word: &'a [u8]) -> Result<Node> {
        let Some(arity) = words::arity(word) else {
            if !word.starts_with(b"-") {
                return Err(usage(word, "images must precede the expression"));
            }
            let (why, hint) = words::refusal(word);
            let fault = Fault::Word { why, hint };
            return Err(Error::new(fault).at(String::from_utf8_lossy(word)));
        };
        let argument = match arity {
            Arity::Alone => None,
            Arity::One => Some(self.next().ok_or_else(|| usage(word, "missing argument"))?),
            Arity::Optional => match self.peek() {
                None | Some(b"(" | b")" | b"!" | b",") => None,
                Some(next) if next.starts_with(b"-") => None,
                Some(_) => self.next(),
            },
        };
        let test = match argument {
            None => self.alone(word),
            Some(argument) => self.with_argument(word, argument),
        };
        self.uses.digests |= matches!(word, b"-digest" | b"-duplicate" | b"-altered" | b"-hashset");
        test.at(|| String::from_utf8_lossy(word).into_owned())
    }

    /// A word without an argument.
    fn alone(&mut self, word: &[u8]) -> Result<Node> {
        let act = match word {
            b"-print" => Act::Print,
            b"-print0" => Act::Print0,
            b"-ls" => Act::List,
            b"-prune" => Act::Prune,
            b"-quit" => Act::Quit,
            _ => {
                return Ok(Node::Test(match word {
                    b"-false" => Test::Constant(false),
                    b"-empty" => Test::Empty,
                    b"-nouser" => Test::NoUser,
                    b"-nogroup" => Test::NoGroup,
                    b"-duplicate" => Test::Duplicate,
                    b"-cap" => Test::Capability(None),
                    b"-elf" => self.contents(ContentTest::Magic(Magic::Elf)),
                    b"-unowned" => {
                        self.uses.packages = true;
                        Test::Unowned
                    }
                    b"-altered" => {
                        (self.uses.packages, self.uses.altered) = (true, true);
                        Test::Altered
                    }
                    b"-text" => self.contents(ContentTest::Text),
                    b"-d" | b"-depth" => {
                        self.is_depth_first = true;
                        Test::Constant(true)
                    }
                    // `-true`.
                    _ => Test::Constant(true),
                }));
            }
        };
        // What prunes or ends does not print.
        self.has_action |= !matches!(act, Act::Prune | Act::Quit);
        self.writes |= matches!(act, Act::Print0 | Act::Printf(_) | Act::List);
        Ok(Node::Act(act))
    }

    fn with_argument(&mut self, word: &[u8], argument: &[u8]) -> Result<Node> {
        match word {
            b"-printf" => {
                (self.has_action, self.writes) = (true, true);
                let format = Printf::parse(argument).map_err(Error::usage)?;
                return Ok(Node::Act(Act::Printf(format)));
            }
            b"-maxdepth" => self.max_depth = depth(argument)?,
            b"-mindepth" => self.min_depth = depth(argument)?,
            b"-regextype" => {
                let found = std::str::from_utf8(argument).ok().and_then(Syntax::parse);
                self.syntax = found.ok_or_else(|| invalid("syntax", argument, Syntax::NAMES))?;
            }
            _ => return Ok(Node::Test(self.test(word, argument)?)),
        }
        Ok(Node::Test(Test::Constant(true)))
    }
}

/// The error of an argument that is not of the form its word expects.
pub(super) fn invalid(what: &str, argument: &[u8], expected: &str) -> Error {
    let argument = String::from_utf8_lossy(argument);
    Error::usage(format!("invalid {what} '{argument}': expected {expected}"))
}

fn depth(argument: &[u8]) -> Result<u64> {
    let text = std::str::from_utf8(argument).ok();
    let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| invalid("depth", argument, "a number"))
}
