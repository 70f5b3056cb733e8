//! A shell script as a tree of commands.
//!
//! The grammar is that of POSIX (Shell Command Language, 2.10), as far as maintainer scripts use it; what is not understood
//! is an error, and then nothing is known of the script. What a command substitution would give is kept as text.
//!
//! What a hostile script could try: to nest without end. It is refused past [`MAX_DEPTH`].

/// How deep commands may be nested.
pub(super) const MAX_DEPTH: usize = 40;

/// How many commands `&&` and `||` may join.
const MAX_CHAIN: usize = 200;

/// The words that are no arguments where a command begins.
const RESERVED: [&str; 14] = [
    "if", "then", "elif", "else", "fi", "case", "esac", "for", "while", "until", "do", "done", "}",
    ")",
];

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// As it is.
    Text(String),
    /// `$NAME`, `${NAME}`; with a default, `${NAME:-default}`.
    Param(String, Option<Word>),
    /// `$(…)` and its text.
    Command(String),
    /// What is not worked out: arithmetic, patterns, `~`. With its source.
    Other(String),
}

/// One word: its parts. Whether it is quoted is told by what parts it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub parts: Vec<Part>,
    /// Whether any of it is quoted: it stays one word when it is empty.
    pub quoted: bool,
}

/// Where output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redirect {
    /// `>`, `>>`, `<`, `>&`, `<<`, ….
    pub op: String,
    /// The file, or the text of a here-document.
    pub target: Word,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Simple {
        line: usize,
        assigns: Vec<(String, Word)>,
        words: Vec<Word>,
        redirects: Vec<Redirect>,
    },
    List(Vec<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Pipe(Vec<Node>),
    If(Vec<(Node, Node)>, Option<Box<Node>>),
    Case(Word, Vec<(Vec<Word>, Node)>),
    /// `while`, `until`: the condition and the body.
    Loop(Box<Node>, Box<Node>),
    For(String, Vec<Word>, Box<Node>),
    Function(String, Box<Node>),
    /// `( … )`.
    Sub(Box<Node>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(Word, String),
    Op(&'static str),
    /// A redirect operator, with the number before it.
    Redirect(&'static str),
    Newline,
}

/// Reads a script.
///
/// # Errors
/// The line and what was not understood there.
pub(super) fn parse(script: &str) -> Result<Node, (usize, &'static str)> {
    let tokens = Lexer::new(script).all()?;
    let mut parser = Parser { tokens, at: 0 };
    let node = parser.list(&[], 0)?;
    match parser.at == parser.tokens.len() {
        true => Ok(node),
        false => Err((parser.line(), "a word that ends nothing")),
    }
}

struct Lexer {
    text: Vec<char>,
    at: usize,
    line: usize,
    /// Here-documents whose text is still to come.
    pending: Vec<Pending>,
}

struct Pending {
    token: usize,
    end: String,
    /// Nothing in it is expanded.
    as_it_is: bool,
    /// Tabs at the start of lines are taken away.
    no_tabs: bool,
}

type Failed = (usize, &'static str);

impl Lexer {
    fn new(script: &str) -> Self {
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

    fn ahead(&self, text: &str) -> bool {
        let mut at = self.at;
        text.chars().all(|c| {
            at += 1;
            self.text.get(at - 1) == Some(&c)
        })
    }

    fn all(mut self) -> Result<Vec<(Token, usize)>, Failed> {
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
            // A number right before a redirect belongs to it.
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
                    as_it_is: word.quoted,
                    no_tabs,
                });
            }
            tokens.push((Token::Word(word, source), line));
        }
        Ok(tokens)
    }

    fn here_documents(&mut self, tokens: &mut [(Token, usize)]) -> Result<(), Failed> {
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
            let part = match text.contains(['$', '`', '\\']) && !pending.as_it_is {
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

    /// A word up to a blank or an operator.
    fn word(&mut self, depth: usize) -> Result<Word, Failed> {
        let mut word = Word::default();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | '\r' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                _ => self.part(&mut word, false, depth)?,
            }
        }
        Ok(word)
    }

    fn part(&mut self, word: &mut Word, in_quotes: bool, depth: usize) -> Result<(), Failed> {
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
                loop {
                    match self.next() {
                        Some('\'') => break,
                        Some(c) => push(word, c),
                        None => return Err((line, "a quote without an end")),
                    }
                }
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
                let mut text = String::new();
                loop {
                    match self.next() {
                        Some('`') => break,
                        Some(c) => text.push(c),
                        None => return Err((line, "a command substitution without an end")),
                    }
                }
                word.parts.push(Part::Command(text));
            }
            Some('$') => {
                let part = self.dollar(depth)?;
                match part {
                    Part::Text(_) => push(word, '$'),
                    part => word.parts.push(part),
                }
            }
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

    fn dollar(&mut self, depth: usize) -> Result<Part, Failed> {
        let line = self.line;
        if self.ahead("((") || self.ahead("(") {
            let arithmetic = self.ahead("((");
            let text = self.balanced('(', ')')?;
            return Ok(match arithmetic {
                true => Part::Other(text),
                false => Part::Command(text),
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
            Some(_) | None if line > 0 => return Ok(Part::Text("$".to_owned())),
            _ => {}
        }
        Ok(Part::Param(name, None))
    }

    /// The text between brackets, the outer ones not included; those in quotes do not count.
    fn balanced(&mut self, open: char, close: char) -> Result<String, Failed> {
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

    /// The reserved word here, if a command could begin with it.
    fn reserved(&self) -> Option<&str> {
        match self.peek()? {
            Token::Word(word, source) if !word.quoted => Some(source.as_str()),
            Token::Op(op @ (")" | ";;")) => Some(op),
            _ => None,
        }
    }

    fn take(&mut self, wanted: &'static str) -> bool {
        let here = match self.peek() {
            Some(Token::Op(op)) => *op == wanted,
            Some(Token::Word(_, source)) => source == wanted,
            _ => false,
        };
        self.at += usize::from(here);
        here
    }

    fn expect(&mut self, wanted: &'static str) -> Result<(), Failed> {
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

    /// Commands up to one of these words, which stays.
    fn list(&mut self, ends: &[&str], depth: usize) -> Result<Node, Failed> {
        if depth > MAX_DEPTH {
            return Err((self.line(), "commands nested too deep"));
        }
        let mut nodes = Vec::new();
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
                _ => nodes.push(self.and_or(depth)?),
            }
        }
        Ok(match nodes.len() {
            1 => nodes.remove(0),
            _ => Node::List(nodes),
        })
    }

    fn and_or(&mut self, depth: usize) -> Result<Node, Failed> {
        let mut left = self.pipe(depth)?;
        // Each link of the chain is one level of the tree.
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
                true => Node::And(Box::new(left), right),
                false => Node::Or(Box::new(left), right),
            };
        }
        Err((self.line(), "a chain of too many commands"))
    }

    fn newlines(&mut self) {
        while matches!(self.peek(), Some(Token::Newline)) {
            self.at += 1;
        }
    }

    fn pipe(&mut self, depth: usize) -> Result<Node, Failed> {
        if self.reserved() == Some("!") {
            self.at += 1;
            return Ok(Node::Not(Box::new(self.pipe_of(depth)?)));
        }
        self.pipe_of(depth)
    }

    fn pipe_of(&mut self, depth: usize) -> Result<Node, Failed> {
        let mut nodes = vec![self.command(depth + 1)?];
        while self.take("|") {
            self.newlines();
            nodes.push(self.command(depth + 1)?);
        }
        Ok(match nodes.len() {
            1 => nodes.remove(0),
            _ => Node::Pipe(nodes),
        })
    }

    fn command(&mut self, depth: usize) -> Result<Node, Failed> {
        let line = self.line();
        if matches!(self.peek(), Some(Token::Op("("))) {
            self.at += 1;
            let inner = self.list(&[")"], depth)?;
            self.expect(")")?;
            let node = Node::Sub(Box::new(inner));
            return self.redirected(node, line);
        }
        let node = match self.reserved() {
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
                    break Node::If(arms, otherwise);
                }
            }
            Some("while" | "until") => {
                self.at += 1;
                let condition = self.list(&["do"], depth)?;
                self.expect("do")?;
                let body = self.list(&["done"], depth)?;
                self.expect("done")?;
                Node::Loop(Box::new(condition), Box::new(body))
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
                self.expect("do")?;
                let body = self.list(&["done"], depth)?;
                self.expect("done")?;
                Node::For(name, words, Box::new(body))
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
                return Ok(Node::Function(name, Box::new(body)));
            }
            _ => return self.simple(depth),
        };
        self.redirected(node, line)
    }

    /// A compound command's own redirects: they are kept as a command that does nothing else.
    fn redirected(&mut self, node: Node, line: usize) -> Result<Node, Failed> {
        let mut redirects = Vec::new();
        while let Some(Token::Redirect(op)) = self.peek() {
            let op = *op;
            self.at += 1;
            redirects.push(self.redirect(op)?);
        }
        if redirects.is_empty() {
            return Ok(node);
        }
        // What would be written is not known.
        let unknown = Word {
            parts: vec![Part::Other(String::new())],
            quoted: true,
        };
        redirects.retain(|redirect: &Redirect| redirect.op.starts_with('>') && redirect.op != ">&");
        if redirects.is_empty() {
            return Ok(node);
        }
        let empty = Node::Simple {
            line,
            assigns: Vec::new(),
            words: vec![unknown],
            redirects,
        };
        Ok(Node::List(vec![empty, node]))
    }

    fn source(&mut self) -> Result<String, Failed> {
        match self.peek() {
            Some(Token::Word(_, source)) => {
                let source = source.clone();
                self.at += 1;
                Ok(source)
            }
            _ => Err((self.line(), "a name is missing")),
        }
    }

    fn case(&mut self, depth: usize) -> Result<Node, Failed> {
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
                return Ok(Node::Case(word, arms));
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

    fn redirect(&mut self, op: &str) -> Result<Redirect, Failed> {
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

    fn simple(&mut self, depth: usize) -> Result<Node, Failed> {
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
                        return Ok(Node::Function(source, Box::new(body)));
                    }
                }
                _ => break,
            }
        }
        if words.is_empty() && assigns.is_empty() && redirects.is_empty() {
            return Err((line, "a command is missing"));
        }
        Ok(Node::Simple {
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

/// `NAME=value`.
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
