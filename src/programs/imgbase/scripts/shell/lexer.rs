//! Tokens of a shell script.

use super::syntax::{MAX_DEPTH, Part, SyntaxError, Word};

/// A token of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word and its source.
    Word(Word, String),
    Op(&'static str),
    /// A redirection operator.
    Redirect(&'static str),
    Newline,
}

/// Divides a script into tokens.
pub(super) struct Lexer {
    text: Vec<char>,
    at: usize,
    line: usize,
    /// Here-documents whose text follows the current line.
    pending: Vec<Pending>,
}

/// A here-document whose text follows.
struct Pending {
    token: usize,
    end: String,
    /// True if its text is literal.
    is_literal: bool,
    /// Removes tabs at the start of lines.
    no_tabs: bool,
}

impl Lexer {
    pub(super) fn new(script: &str) -> Self {
        Lexer {
            text: script.chars().collect(),
            at: 0,
            line: 1,
            pending: Vec::new(),
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    /// Reads the text before a character, and the character; `None` if the script ends before it.
    fn until(&mut self, end: char) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.next()? {
                c if c == end => return Some(text),
                c => text.push(c),
            }
        }
    }

    /// Returns whether the rest of the script starts with `text`.
    fn ahead(&self, text: &str) -> bool {
        let mut at = self.at;
        text.chars().all(|c| {
            at += 1;
            self.text.get(at - 1) == Some(&c)
        })
    }

    /// Returns all tokens, each with its line number.
    pub(super) fn all(mut self) -> Result<Vec<(Token, usize)>, SyntaxError> {
        const OPS: [&str; 9] = ["&&", "||", ";;", ";", "&", "|", "(", ")", "\n"];
        const REDIRECTS: [&str; 9] = ["<<-", "<<", ">>", ">&", "<&", ">|", "<>", ">", "<"];
        let mut tokens: Vec<(Token, usize)> = Vec::new();
        loop {
            while matches!(self.peek(), Some(' ' | '\t' | '\r')) || self.ahead("\\\n") {
                if self.next() == Some('\\') {
                    self.next();
                }
            }
            let line = self.line;
            let Some(c) = self.peek() else { break };
            if c == '#' {
                while self.peek().is_some_and(|c| c != '\n') {
                    self.next();
                }
                continue;
            }
            // A number directly before a redirection is its file descriptor.
            let digits = self.text[self.at..]
                .iter()
                .take_while(|c| c.is_ascii_digit());
            let digits = digits.count();
            if digits > 0 && matches!(self.text.get(self.at + digits), Some('<' | '>')) {
                self.at += digits;
            }
            if let Some(op) = REDIRECTS.iter().find(|op| self.ahead(op)) {
                self.at += op.len();
                tokens.push((Token::Redirect(op), line));
                continue;
            }
            if let Some(op) = OPS.iter().find(|op| self.ahead(op)) {
                for _ in 0..op.len() {
                    self.next();
                }
                match *op {
                    "\n" => {
                        self.here_documents(&mut tokens)?;
                        tokens.push((Token::Newline, line));
                    }
                    op => tokens.push((Token::Op(op), line)),
                }
                continue;
            }
            let start = self.at;
            let word = self.word(0)?;
            let source: String = self.text[start..self.at].iter().collect();
            if let Some((Token::Redirect(op @ ("<<" | "<<-")), _)) = tokens.last() {
                let no_tabs = *op == "<<-";
                self.pending.push(Pending {
                    token: tokens.len(),
                    end: source.replace(['\'', '"', '\\'], ""),
                    is_literal: word.quoted,
                    no_tabs,
                });
            }
            tokens.push((Token::Word(word, source), line));
        }
        Ok(tokens)
    }

    fn here_documents(&mut self, tokens: &mut [(Token, usize)]) -> Result<(), SyntaxError> {
        for pending in std::mem::take(&mut self.pending) {
            let mut text = String::new();
            loop {
                if self.peek().is_none() {
                    return Err((self.line, "a here-document without an end"));
                }
                let mut line = String::new();
                while let Some(c) = self.next() {
                    if c == '\n' {
                        break;
                    }
                    line.push(c);
                }
                if pending.no_tabs {
                    line = line.trim_start_matches('\t').to_owned();
                }
                if line == pending.end {
                    break;
                }
                text.push_str(&line);
                text.push('\n');
            }
            let part = match text.contains(['$', '`', '\\']) && !pending.is_literal {
                true => Part::Other(text),
                false => Part::Text(text),
            };
            let word = Word {
                parts: vec![part],
                quoted: true,
            };
            if let Some((slot, _)) = tokens.get_mut(pending.token) {
                *slot = Token::Word(word, String::new());
            }
        }
        Ok(())
    }

    /// Reads a word, which ends before a blank or an operator.
    fn word(&mut self, depth: usize) -> Result<Word, SyntaxError> {
        let mut word = Word::default();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | '\r' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                _ => self.part(&mut word, false, depth)?,
            }
        }
        Ok(word)
    }

    fn part(&mut self, word: &mut Word, in_quotes: bool, depth: usize) -> Result<(), SyntaxError> {
        if depth > MAX_DEPTH {
            return Err((self.line, "quotes nested too deep"));
        }
        let line = self.line;
        let push = |word: &mut Word, c: char| match word.parts.last_mut() {
            Some(Part::Text(text)) => text.push(c),
            _ => word.parts.push(Part::Text(c.to_string())),
        };
        match self.next() {
            None => {}
            Some('\'') if !in_quotes => {
                word.quoted = true;
                let text = self.until('\'').ok_or((line, "a quote without an end"))?;
                text.chars().for_each(|c| push(word, c));
            }
            Some('"') if !in_quotes => {
                word.quoted = true;
                loop {
                    match self.peek() {
                        Some('"') => {
                            self.next();
                            break;
                        }
                        Some(_) => self.part(word, true, depth + 1)?,
                        None => return Err((line, "a quote without an end")),
                    }
                }
            }
            Some('\\') => match self.next() {
                Some('\n') | None => {}
                Some(c) if in_quotes && !matches!(c, '$' | '`' | '"' | '\\') => {
                    push(word, '\\');
                    push(word, c);
                }
                Some(c) => {
                    word.quoted = true;
                    push(word, c);
                }
            },
            Some('`') => {
                let unclosed = (line, "a command substitution without an end");
                let text = self.until('`').ok_or(unclosed)?;
                word.parts.push(Part::Substitution(text));
            }
            Some('$') => match self.dollar(depth)? {
                Part::Text(_) => push(word, '$'),
                part => word.parts.push(part),
            },
            Some(c @ ('*' | '?' | '[')) if !in_quotes => {
                // A lone [ is the command.
                let alone = c == '[' && matches!(self.peek(), None | Some(' '));
                match alone && word.parts.is_empty() {
                    true => push(word, c),
                    false => word.parts.push(Part::Other(c.to_string())),
                }
            }
            Some(c) => push(word, c),
        }
        Ok(())
    }

    fn dollar(&mut self, depth: usize) -> Result<Part, SyntaxError> {
        if self.ahead("(") {
            let arithmetic = self.ahead("((");
            let text = self.balanced('(', ')')?;
            return Ok(match arithmetic {
                true => Part::Other(text),
                false => Part::Substitution(text),
            });
        }
        if self.ahead("{") {
            let text = self.balanced('{', '}')?;
            let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let (name, rest) = text.split_at(end.unwrap_or(text.len()));
            if name.is_empty() {
                return Ok(Part::Other(text));
            }
            let default = rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-'));
            return Ok(match (rest.is_empty(), default) {
                (true, _) => Part::Param(name.to_owned(), None),
                (_, Some(default)) => {
                    let mut inner = Lexer::new(default);
                    let mut word = Word::default();
                    while inner.peek().is_some() {
                        inner.part(&mut word, true, depth + 1)?;
                    }
                    Part::Param(name.to_owned(), Some(word))
                }
                _ => Part::Other(text),
            });
        }
        let mut name = String::new();
        match self.peek() {
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                while let Some(c) = self
                    .peek()
                    .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
                {
                    name.push(c);
                    self.next();
                }
            }
            Some(c @ ('0'..='9' | '@' | '*' | '#' | '?' | '$' | '!' | '-')) => {
                name.push(c);
                self.next();
            }
            _ => return Ok(Part::Text("$".to_owned())),
        }
        Ok(Part::Param(name, None))
    }

    /// Reads the text between brackets, without the outer ones; brackets in quotes do not count.
    fn balanced(&mut self, open: char, close: char) -> Result<String, SyntaxError> {
        let line = self.line;
        let mut depth = 0_usize;
        let mut quote = None;
        let mut text = String::new();
        while let Some(c) = self.next() {
            match (quote, c) {
                (None, '\\') => {
                    text.push(c);
                    text.extend(self.next());
                    continue;
                }
                (None, '\'' | '"') => quote = Some(c),
                (Some(end), c) if c == end => quote = None,
                (None, c) if c == open => depth += 1,
                (None, c) if c == close => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(text.chars().skip(1).collect());
                    }
                }
                _ => {}
            }
            text.push(c);
        }
        Err((line, "a bracket without an end"))
    }
}
