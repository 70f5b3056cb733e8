//! Text to lines: continuations, comments and directives; then each line to a name, flags and arguments.
//!
//! The meaning of arguments is left to `arguments`. Cutting follows docker's parser rule by rule: a blank decides there
//! between two forms.

use serde_json::Value;

use super::invalid::invalid;
use crate::error::{At, Result};

/// One instruction, cut into words.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// The text as written, continuation lines joined.
    pub text: String,
    /// The instruction's name in lower case.
    pub name: String,
    /// `--name=value` before the arguments, without quotes and escapes.
    pub flags: Vec<String>,
    pub arguments: Arguments,
}

/// Text after the name and flags.
#[derive(Debug, Clone)]
pub(super) enum Arguments {
    /// The JSON form.
    Json(Vec<String>),
    /// Text, of one or more parts.
    Words(Vec<String>),
    /// Names and values.
    Pairs(Vec<(String, String)>),
    /// The type of a health check and its command.
    Check(String, Box<Arguments>),
    /// The instruction after `ONBUILD`.
    Nested(Box<Line>),
}

/// Depth at which nested `ONBUILD` is refused while parsing: docker does not allow two.
const NESTING: usize = 3;

/// Tests for a blank between arguments; a no-break space does not count.
fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// Cuts a text into instructions; also returns the escape character.
pub(super) fn parse(text: &str) -> Result<(Vec<Line>, char)> {
    let mut parsed = Vec::new();
    let mut directives = Directives::default();
    let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        directives.see(line)?;
        if line.starts_with('#') {
            continue;
        }
        let (mut joined, mut continues) = continued(line, directives.escape);
        while continues {
            let Some(next) = lines.next() else { break };
            if next.trim_start().starts_with('#') || next.trim().is_empty() {
                continue;
            }
            let (rest, more) = continued(next, directives.escape);
            joined.push_str(&rest);
            continues = more;
        }
        if joined.trim().is_empty() {
            continue;
        }
        let line = cut(&joined, directives.escape, 0).at(|| joined.trim().to_owned())?;
        parsed.push(line);
    }
    match parsed.is_empty() {
        true => Err(invalid("file with no instructions")),
        false => Ok((parsed, directives.escape)),
    }
}

/// Parser directives such as `# escape=`, which count only at the top.
struct Directives {
    escape: char,
    escape_set: bool,
    over: bool,
}

impl Default for Directives {
    fn default() -> Self {
        Directives {
            escape: '\\',
            escape_set: false,
            over: false,
        }
    }
}

impl Directives {
    fn see(&mut self, line: &str) -> Result<()> {
        if self.over {
            return Ok(());
        }
        let directive = || {
            let (name, value) = line.strip_prefix('#')?.split_once('=')?;
            let value = value.trim_matches([' ', '\t']);
            Some((name.trim_matches([' ', '\t']).to_ascii_lowercase(), value))
        };
        match directive() {
            Some((name, value)) if name == "escape" && !value.is_empty() => {
                if self.escape_set {
                    return Err(invalid("only one escape parser directive can be used"));
                }
                self.escape = match value.chars().next() {
                    Some(token @ ('\\' | '`')) => token,
                    token => {
                        let token: String = token.into_iter().collect();
                        let why = format!("invalid escape token '{token}' does not match ` or \\");
                        return Err(invalid(why));
                    }
                };
                self.escape_set = true;
            }
            Some((name, _)) if name == "syntax" || name == "check" => {}
            _ => self.over = true,
        }
        Ok(())
    }
}

/// Splits off the continuation mark of a line; returns true if it had one. A doubled mark does not count.
fn continued(line: &str, escape: char) -> (String, bool) {
    let end = line.trim_end_matches([' ', '\t']);
    match end.strip_suffix(escape) {
        Some(rest) if !rest.ends_with(escape) => (rest.to_owned(), true),
        _ => (line.to_owned(), false),
    }
}

fn cut(text: &str, escape: char, depth: usize) -> Result<Line> {
    let trimmed = text.trim();
    let (name, rest) = match trimmed.find(is_blank) {
        Some(at) => (&trimmed[..at], trimmed[at..].trim_start_matches(is_blank)),
        None => (trimmed, ""),
    };
    let name = name.to_lowercase();
    let (flags, rest) = flags(rest);
    let rest = rest.trim();
    let arguments = match name.as_str() {
        "cmd" | "entrypoint" | "run" | "shell" => maybe_json(rest)?,
        "volume" | "add" | "copy" => match json(rest)? {
            Some(list) => Arguments::Json(list),
            None => Arguments::Words(blank_separated(rest)),
        },
        "expose" | "from" => Arguments::Words(blank_separated(rest)),
        "env" | "label" => Arguments::Pairs(pairs(rest, &name.to_uppercase(), escape)?),
        "healthcheck" => {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let command = maybe_json(rest[end..].trim_start())?;
            Arguments::Check(rest[..end].to_owned(), Box::new(command))
        }
        "onbuild" if !rest.is_empty() => {
            if depth == NESTING {
                return Err(invalid(
                    "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
                ));
            }
            Arguments::Nested(Box::new(cut(rest, escape, depth + 1)?))
        }
        "stopsignal" | "user" | "workdir" | "maintainer" if !rest.is_empty() => {
            Arguments::Words(vec![rest.to_owned()])
        }
        _ => Arguments::Words(Vec::new()),
    };
    Ok(Line {
        text: trimmed.to_owned(),
        name,
        flags,
        arguments,
    })
}

/// Splits off the words that begin with `--`. A lone `--` ends them.
fn flags(text: &str) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if !rest.starts_with("--") {
            return (flags, rest);
        }
        let mut word = String::new();
        let mut quote = None;
        let mut blank_counts = false;
        let mut end = rest.len();
        let mut chars = rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match (quote, c) {
                (None, c) if c.is_whitespace() => {
                    end = at;
                    break;
                }
                (None, '\'' | '"') => (quote, blank_counts) = (Some(c), true),
                (Some(open), c) if c == open => quote = None,
                (_, '\\') => word.extend(chars.next().map(|(_, c)| c)),
                _ => word.push(c),
            }
        }
        rest = &rest[end..];
        if word == "--" {
            return (flags, rest);
        }
        if blank_counts || !word.is_empty() {
            flags.push(word);
        }
    }
}

/// Returns the words between blanks.
fn blank_separated(text: &str) -> Vec<String> {
    let words = text.split(is_blank).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// Returns the words of the JSON form, or `None` for a text in another form. Text after the array is ignored, as docker
/// does.
fn json(text: &str) -> Result<Option<Vec<String>>> {
    if !text.starts_with('[') {
        return Ok(None);
    }
    let first = serde_json::Deserializer::from_str(text)
        .into_iter::<Value>()
        .next();
    let Some(Ok(Value::Array(items))) = first else {
        return Ok(None);
    };
    let texts = items.into_iter().map(|item| match item {
        Value::String(text) => Ok(text),
        _ => Err(invalid(
            "when using JSON array syntax, arrays must be comprised of strings only",
        )),
    });
    texts.collect::<Result<_>>().map(Some)
}

fn maybe_json(text: &str) -> Result<Arguments> {
    Ok(match json(text)? {
        Some(list) => Arguments::Json(list),
        None if text.is_empty() => Arguments::Words(Vec::new()),
        None => Arguments::Words(vec![text.to_owned()]),
    })
}

/// Returns the pairs of `NAME=VALUE …`, or of the old form `NAME VALUE`: the first word decides. Quotes and escapes stay.
fn pairs(text: &str, name: &str, escape: char) -> Result<Vec<(String, String)>> {
    let words = words(text, escape);
    let Some(first) = words.first() else {
        return Ok(Vec::new());
    };
    if !first.contains('=') {
        let Some(at) = text.find(is_blank) else {
            return Err(invalid(format!("{name} must have two arguments")));
        };
        let value = text[at..].trim_start_matches(is_blank);
        return Ok(vec![(text[..at].to_owned(), value.to_owned())]);
    }
    let pair = |word: &String| match word.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(invalid(format!(
            "Syntax error - can't find = in {word:?}. Must be of the form: name=value"
        ))),
    };
    words.iter().map(pair).collect()
}

/// Splits a text at blanks that are neither quoted nor escaped.
fn words(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut blank_counts = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            if blank_counts || !word.is_empty() {
                words.push(std::mem::take(&mut word));
                blank_counts = false;
            }
            continue;
        }
        if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && matches!(c, '\'' | '"') {
            (quote, blank_counts) = (Some(c), true);
        } else if c == escape && quote != Some('\'') {
            // At the very end it is dropped; elsewhere the next character loses its special meaning.
            if let Some(next) = chars.next() {
                word.push(c);
                word.push(next);
            }
            continue;
        }
        word.push(c);
    }
    if blank_counts || !word.is_empty() {
        words.push(word);
    }
    words
}
