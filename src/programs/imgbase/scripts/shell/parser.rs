//! Parser of shell scripts.

use super::lexer::{Lexer, Token};
use super::syntax::{Command, MAX_DEPTH, Part, Redirect, SyntaxError, Word};

/// Number of commands that a chain of `&&` and `||` may join.
const MAX_CHAIN: usize = 200;

/// Words that are reserved where a command begins.
const RESERVED: [&str; 14] = [
    "if", "then", "elif", "else", "fi", "case", "esac", "for", "while", "until", "do", "done", "}",
    ")",
];

/// Parses a script.
///
/// # Errors
/// The line that is not understood, and the reason.
pub(in super::super) fn parse(script: &str) -> Result<Command, SyntaxError> {
    let tokens = Lexer::new(script).all()?;
    let mut parser = Parser { tokens, at: 0 };
    let command = parser.list(&[], 0)?;
    match parser.at == parser.tokens.len() {
        true => Ok(command),
        false => Err((parser.line(), "a word that ends nothing")),
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
}

impl Parser {
    fn line(&self) -> usize {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        token.map_or(0, |(_, line)| *line)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    /// Returns the next token if it may be a reserved word.
    fn reserved(&self) -> Option<&str> {
        match self.peek()? {
            Token::Word(word, source) if !word.quoted => Some(source.as_str()),
            Token::Op(op @ (")" | ";;")) => Some(op),
            _ => None,
        }
    }

    /// Consumes the next token if it is `wanted`, and returns whether it is.
    fn take(&mut self, wanted: &'static str) -> bool {
        let here = match self.peek() {
            Some(Token::Op(op)) => *op == wanted,
            Some(Token::Word(_, source)) => source == wanted,
            _ => false,
        };
        self.at += usize::from(here);
        here
    }

    fn expect(&mut self, wanted: &'static str) -> Result<(), SyntaxError> {
        match self.take(wanted) {
            true => Ok(()),
            false => Err((self.line(), "a compound command without its end")),
        }
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(Token::Newline)) || self.take(";") {
            self.at += usize::from(matches!(self.peek(), Some(Token::Newline)));
        }
    }

    /// Parses commands up to one of the words in `ends`, which is not consumed.
    fn list(&mut self, ends: &[&str], depth: usize) -> Result<Command, SyntaxError> {
        if depth > MAX_DEPTH {
            return Err((self.line(), "commands nested too deep"));
        }
        let mut commands = Vec::new();
        loop {
            while let Some(Token::Newline | Token::Op(";" | "&")) = self.peek() {
                self.at += 1;
            }
            match self.reserved() {
                Some(word) if ends.contains(&word) => break,
                Some(word) if RESERVED[1..].contains(&word) && !starts(word) => {
                    return Err((self.line(), "a word that ends nothing"));
                }
                _ if self.peek().is_none() => break,
                _ => commands.push(self.and_or(depth)?),
            }
        }
        Ok(match commands.len() {
            1 => commands.remove(0),
            _ => Command::List(commands),
        })
    }

    fn and_or(&mut self, depth: usize) -> Result<Command, SyntaxError> {
        let mut left = self.pipe(depth)?;
        // Each link of the chain is one level of the syntax tree.
        for _ in 0..MAX_CHAIN {
            let is_and = match self.peek() {
                Some(Token::Op("&&")) => true,
                Some(Token::Op("||")) => false,
                _ => return Ok(left),
            };
            self.at += 1;
            self.newlines();
            let right = Box::new(self.pipe(depth)?);
            left = match is_and {
                true => Command::And(Box::new(left), right),
                false => Command::Or(Box::new(left), right),
            };
        }
        Err((self.line(), "a chain of too many commands"))
    }

    fn newlines(&mut self) {
        while matches!(self.peek(), Some(Token::Newline)) {
            self.at += 1;
        }
    }

    fn pipe(&mut self, depth: usize) -> Result<Command, SyntaxError> {
        if self.reserved() == Some("!") {
            self.at += 1;
            return Ok(Command::Not(Box::new(self.pipe_of(depth)?)));
        }
        self.pipe_of(depth)
    }

    fn pipe_of(&mut self, depth: usize) -> Result<Command, SyntaxError> {
        let mut commands = vec![self.command(depth + 1)?];
        while self.take("|") {
            self.newlines();
            commands.push(self.command(depth + 1)?);
        }
        Ok(match commands.len() {
            1 => commands.remove(0),
            _ => Command::Pipe(commands),
        })
    }

    fn command(&mut self, depth: usize) -> Result<Command, SyntaxError> {
        let line = self.line();
        if matches!(self.peek(), Some(Token::Op("("))) {
            self.at += 1;
            let inner = self.list(&[")"], depth)?;
            self.expect(")")?;
            let command = Command::Sub(Box::new(inner));
            return self.redirected(command, line);
        }
        let command = match self.reserved() {
            Some("if") => {
                self.at += 1;
                let mut arms = Vec::new();
                let mut otherwise = None;
                loop {
                    let condition = self.list(&["then"], depth)?;
                    self.expect("then")?;
                    let then = self.list(&["elif", "else", "fi"], depth)?;
                    arms.push((condition, then));
                    if self.take("elif") {
                        continue;
                    }
                    if self.take("else") {
                        otherwise = Some(Box::new(self.list(&["fi"], depth)?));
                    }
                    self.expect("fi")?;
                    break Command::If(arms, otherwise);
                }
            }
            Some("while" | "until") => {
                self.at += 1;
                let condition = self.list(&["do"], depth)?;
                Command::Loop(Box::new(condition), self.body(depth)?)
            }
            Some("for") => {
                self.at += 1;
                let name = self.source()?;
                self.newlines();
                let mut words = Vec::new();
                if self.take("in") {
                    while let Some(Token::Word(word, _)) = self.peek() {
                        words.push(word.clone());
                        self.at += 1;
                    }
                } else {
                    words.push(Word {
                        parts: vec![Part::Param("@".to_owned(), None)],
                        quoted: true,
                    });
                }
                self.blank();
                Command::For(name, words, self.body(depth)?)
            }
            Some("case") => self.case(depth)?,
            Some("{") => {
                self.at += 1;
                let inner = self.list(&["}"], depth)?;
                self.expect("}")?;
                inner
            }
            Some("function") => {
                self.at += 1;
                let name = self.source()?;
                let _ = self.take("(") && self.take(")");
                self.newlines();
                let body = self.command(depth + 1)?;
                return Ok(Command::Function(name, Box::new(body)));
            }
            _ => return self.simple(depth),
        };
        self.redirected(command, line)
    }

    /// Parses the body of a loop, with its `do` and `done`.
    fn body(&mut self, depth: usize) -> Result<Box<Command>, SyntaxError> {
        self.expect("do")?;
        let body = self.list(&["done"], depth)?;
        self.expect("done")?;
        Ok(Box::new(body))
    }

    /// Parses the redirections of a compound command, which become a command of their own.
    fn redirected(&mut self, command: Command, line: usize) -> Result<Command, SyntaxError> {
        let mut redirects = Vec::new();
        while let Some(Token::Redirect(op)) = self.peek() {
            let op = *op;
            self.at += 1;
            redirects.push(self.redirect(op)?);
        }
        // The output is unknown.
        let unknown = Word {
            parts: vec![Part::Other(String::new())],
            quoted: true,
        };
        redirects.retain(|redirect: &Redirect| redirect.op.starts_with('>') && redirect.op != ">&");
        if redirects.is_empty() {
            return Ok(command);
        }
        let empty = Command::Simple {
            line,
            assigns: Vec::new(),
            words: vec![unknown],
            redirects,
        };
        Ok(Command::List(vec![empty, command]))
    }

    /// Consumes a word, and returns its source.
    fn source(&mut self) -> Result<String, SyntaxError> {
        match self.peek() {
            Some(Token::Word(_, source)) => {
                let source = source.clone();
                self.at += 1;
                Ok(source)
            }
            _ => Err((self.line(), "a name is missing")),
        }
    }

    fn case(&mut self, depth: usize) -> Result<Command, SyntaxError> {
        self.at += 1;
        let Some(Token::Word(word, _)) = self.peek().cloned() else {
            return Err((self.line(), "a word is missing"));
        };
        self.at += 1;
        self.newlines();
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.blank();
            if self.take("esac") {
                return Ok(Command::Case(word, arms));
            }
            let _ = self.take("(");
            let mut patterns = Vec::new();
            while let Some(Token::Word(pattern, _)) = self.peek().cloned() {
                self.at += 1;
                patterns.push(pattern);
                if !self.take("|") {
                    break;
                }
            }
            self.expect(")")?;
            let body = self.list(&[";;", "esac"], depth)?;
            let _ = self.take(";;");
            arms.push((patterns, body));
        }
    }

    fn redirect(&mut self, op: &str) -> Result<Redirect, SyntaxError> {
        match self.peek().cloned() {
            Some(Token::Word(target, _)) => {
                self.at += 1;
                Ok(Redirect {
                    op: op.to_owned(),
                    target,
                })
            }
            _ => Err((self.line(), "a redirect to nothing")),
        }
    }

    fn simple(&mut self, depth: usize) -> Result<Command, SyntaxError> {
        let line = self.line();
        let (mut assigns, mut words, mut redirects) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            match self.peek().cloned() {
                Some(Token::Redirect(op)) => {
                    self.at += 1;
                    redirects.push(self.redirect(op)?);
                }
                Some(Token::Word(word, source)) => {
                    self.at += 1;
                    if words.is_empty()
                        && let Some((name, value)) = assignment(&word, &source)
                    {
                        assigns.push((name, value));
                        continue;
                    }
                    let first = words.is_empty();
                    words.push(word);
                    if first && matches!(self.peek(), Some(Token::Op("("))) {
                        self.at += 1;
                        self.expect(")")?;
                        self.newlines();
                        let body = self.command(depth + 1)?;
                        return Ok(Command::Function(source, Box::new(body)));
                    }
                }
                _ => break,
            }
        }
        if words.is_empty() && assigns.is_empty() && redirects.is_empty() {
            return Err((line, "a command is missing"));
        }
        Ok(Command::Simple {
            line,
            assigns,
            words,
            redirects,
        })
    }
}

fn starts(word: &str) -> bool {
    matches!(word, "case" | "for" | "while" | "until")
}

/// Parses an assignment, `NAME=value`.
fn assignment(word: &Word, source: &str) -> Option<(String, Word)> {
    let (name, _) = source.split_once('=')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty()
        || !name.chars().all(is_name)
        || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let mut value = word.clone();
    match value.parts.first_mut() {
        Some(Part::Text(text)) => *text = text.get(name.len() + 1..)?.to_owned(),
        _ => return None,
    }
    value
        .parts
        .retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    Some((name.to_owned(), value))
}
