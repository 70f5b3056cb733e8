//! Variables, quotes and escapes in arguments, by the rules of docker's shell-like expansion.

use std::iter::Peekable;
use std::str::Chars;

use super::invalid::invalid;
use crate::error::Result;

/// Limit on the nesting of `${a:-${b:-…}}`.
const NESTING: usize = 64;

/// Expands one word; blanks in it do not separate.
pub(super) fn word(text: &str, env: &[String], escape: char) -> Result<String> {
    expand(text, env, escape).map(|(word, _)| word)
}

/// Expands one word to any number of words: blanks in values of variables separate.
pub(super) fn words(text: &str, env: &[String], escape: char) -> Result<Vec<String>> {
    expand(text, env, escape).map(|(_, words)| words)
}

fn expand(text: &str, env: &[String], escape: char) -> Result<(String, Vec<String>)> {
    let mut lexer = Lexer {
        chars: text.chars().peekable(),
        env,
        escape,
        depth: 0,
    };
    lexer
        .until(None)
        .map_err(|why| invalid(format!("failed to process {text:?}: {why}")))
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    env: &'a [String],
    escape: char,
    depth: usize,
}

/// Words that are being collected.
#[derive(Default)]
struct Words {
    done: Vec<String>,
    word: String,
}

impl Words {
    fn add(&mut self, c: char) {
        if !c.is_whitespace() {
            self.word.push(c);
        } else if !self.word.is_empty() {
            self.done.push(std::mem::take(&mut self.word));
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.done.push(self.word);
        }
        self.done
    }
}

type Lexed<T> = std::result::Result<T, String>;

impl Lexer<'_> {
    /// Reads up to and including `stop`, or to the end.
    fn until(&mut self, stop: Option<char>) -> Lexed<(String, Vec<String>)> {
        let mut result = String::new();
        let mut words = Words::default();
        while let Some(c) = self.chars.next() {
            match c {
                c if Some(c) == stop => return Ok((result, words.finish())),
                '\'' => {
                    let text = self.single_quoted()?;
                    words.word.push_str(&text);
                    result.push_str(&text);
                }
                '"' => {
                    let text = self.double_quoted()?;
                    words.word.push_str(&text);
                    result.push_str(&text);
                }
                '$' => {
                    let text = self.dollar()?;
                    text.chars().for_each(|c| words.add(c));
                    result.push_str(&text);
                }
                c if c == self.escape => {
                    let Some(next) = self.chars.next() else { break };
                    words.word.push(next);
                    result.push(next);
                }
                c => {
                    words.add(c);
                    result.push(c);
                }
            }
        }
        match stop {
            None => Ok((result, words.finish())),
            Some(stop) => Err(format!(
                "unexpected end of statement while looking for matching {stop}"
            )),
        }
    }

    fn single_quoted(&mut self) -> Lexed<String> {
        let mut result = String::new();
        for c in self.chars.by_ref() {
            if c == '\'' {
                return Ok(result);
            }
            result.push(c);
        }
        Err("unexpected end of statement while looking for matching single-quote".to_owned())
    }

    fn double_quoted(&mut self) -> Lexed<String> {
        let mut result = String::new();
        while let Some(c) = self.chars.next() {
            match c {
                '"' => return Ok(result),
                '$' => result.push_str(&self.dollar()?),
                c if c == self.escape => match self.chars.peek() {
                    None => {}
                    Some(&next) if matches!(next, '"' | '$') || next == c => {
                        result.extend(self.chars.next());
                    }
                    Some(_) => result.push(c),
                },
                c => result.push(c),
            }
        }
        Err("unexpected end of statement while looking for matching double-quote".to_owned())
    }

    /// After a `$`.
    fn dollar(&mut self) -> Lexed<String> {
        if self.chars.peek() != Some(&'{') {
            let name = self.name();
            return Ok(match name.is_empty() {
                true => "$".to_owned(),
                false => self.value(&name).unwrap_or_default().to_owned(),
            });
        }
        self.chars.next();
        match self.chars.peek() {
            None => return Err("syntax error: missing '}'".to_owned()),
            Some('{' | '}' | ':') => return Err("syntax error: bad substitution".to_owned()),
            Some(_) => {}
        }
        let name = self.name();
        let Some(mut modifier) = self.chars.next() else {
            return Err("syntax error: missing '}'".to_owned());
        };
        let null_is_unset = modifier == ':';
        if null_is_unset {
            let Some(next) = self.chars.next() else {
                return Err("syntax error: missing '}'".to_owned());
            };
            modifier = next;
        }
        let colon = if null_is_unset { ":" } else { "" };
        let unsupported = || format!("unsupported modifier ({colon}{modifier}) in substitution");
        let value = self.value(&name).map(str::to_owned);
        let present = value
            .clone()
            .filter(|value| !(null_is_unset && value.is_empty()));
        match (modifier, null_is_unset) {
            ('}', false) => Ok(value.unwrap_or_default()),
            ('-', _) => self.alternative().map(|word| present.unwrap_or(word)),
            ('+', _) => {
                let word = self.alternative()?;
                Ok(present.map(|_| word).unwrap_or_default())
            }
            ('?', _) => {
                let word = self.alternative()?;
                present.ok_or_else(|| match (word.is_empty(), value) {
                    (false, _) => format!("{name}: {word}"),
                    (true, None) => format!("{name}: is not allowed to be unset"),
                    (true, Some(_)) => format!("{name}: is not allowed to be empty"),
                })
            }
            _ => Err(unsupported()),
        }
    }

    /// Reads the word after a modifier, up to the brace.
    fn alternative(&mut self) -> Lexed<String> {
        self.depth += 1;
        if self.depth > NESTING {
            return Err("syntax error: nested too deep".to_owned());
        }
        let ended = self.until(Some('}')).map(|(word, _)| word);
        self.depth -= 1;
        match ended {
            Err(_) if self.chars.peek().is_none() => Err("syntax error: missing '}'".to_owned()),
            ended => ended,
        }
    }

    /// Reads the name of a variable: letters, digits and `_`, or digits alone, or one special character.
    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(&c) = self.chars.peek() {
            if name.is_empty() && matches!(c, '@' | '*' | '#' | '?' | '-' | '$' | '!') {
                self.chars.next();
                return c.to_string();
            }
            let digits_only = name.starts_with(|c: char| c.is_numeric());
            let fits = match digits_only {
                true => c.is_numeric(),
                false => c.is_alphanumeric() || c == '_',
            };
            if !fits {
                break;
            }
            name.push(c);
            self.chars.next();
        }
        name
    }

    fn value(&self, name: &str) -> Option<&str> {
        let values = self.env.iter().rev().filter_map(|variable| {
            let (known, value) = variable.split_once('=').unwrap_or((variable, ""));
            (known == name).then_some(value)
        });
        values.take(1).next()
    }
}
