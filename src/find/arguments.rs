//! Arguments of tests.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::contents::ContentTest;
use super::facts::{STATES, Stamp};
use super::mode::Permissions;
use super::number::{Number, Size};
use super::parse::{Parser, invalid};
use super::regex::Regex;
use super::test::{Layers, PathPattern, Test, Types};
use super::time::{Age, Unit};
use crate::error::{Error, Result};
use crate::facts::Magic;
use crate::glob::{Dialect, Glob};
use crate::layer::{clean_path, is_capability};

impl Parser<'_> {
    /// Test of a word with an argument.
    pub(super) fn test(&mut self, word: &[u8], argument: &[u8]) -> Result<Test> {
        // Text that is not UTF-8 is valid in patterns and names only.
        let text = std::str::from_utf8(argument).unwrap_or("\u{fffd}");
        let number = || {
            let expected = "N, +N or -N";
            Number::parse(text).ok_or_else(|| invalid("number", argument, expected))
        };
        let age = |unit| {
            let age = self.origin.age(text, unit);
            age.ok_or_else(|| invalid("age", argument, "N, +N or -N"))
        };
        let path = || clean_path(argument).path.into_owned();
        Ok(match word {
            b"-name" => Test::Name(glob(argument, false)?),
            b"-iname" => Test::Name(glob(argument, true)?),
            b"-path" | b"-wholename" => Test::Path(path_glob(argument, false)?),
            b"-ipath" | b"-iwholename" => Test::Path(path_glob(argument, true)?),
            b"-regex" => Test::Regex(self.regex(argument, false)?),
            b"-iregex" => Test::Regex(self.regex(argument, true)?),
            b"-lname" => Test::Target(glob(argument, false)?),
            b"-ilname" => Test::Target(glob(argument, true)?),
            b"-type" => Test::Types(types(argument)?),
            b"-size" => {
                let expected = "N, +N or -N and one of cwbkMG";
                Test::Size(Size::parse(text).ok_or_else(|| invalid("size", argument, expected))?)
            }
            b"-links" => Test::Links(number()?),
            b"-uid" => Test::Uid(number()?),
            b"-gid" => Test::Gid(number()?),
            b"-user" => Test::User(argument.to_vec(), id(text)),
            b"-group" => Test::Group(argument.to_vec(), id(text)),
            b"-perm" => {
                let expected = "octal digits or changes as of chmod, after - or /";
                let permissions = Permissions::parse(text);
                Test::Permissions(permissions.ok_or_else(|| invalid("mode", argument, expected))?)
            }
            b"-mtime" => Test::Age(Stamp::Modified, age(Unit::Days)?),
            b"-mmin" => Test::Age(Stamp::Modified, age(Unit::Minutes)?),
            b"-atime" => Test::Age(Stamp::Accessed, age(Unit::Days)?),
            b"-ctime" => Test::Age(Stamp::Changed, age(Unit::Days)?),
            b"-newermt" => {
                let expected = "a date like 2026-01-31 or 2026-01-31T12:00:00Z, or @SECONDS";
                let age = Age::after_date(text);
                Test::Age(
                    Stamp::Modified,
                    age.ok_or_else(|| invalid("date", argument, expected))?,
                )
            }
            b"-newer" | b"-newermm" => Test::Newer(path()),
            b"-samefile" => Test::SameFile(path()),
            b"-layer" => Test::Layers(layers(argument)?),
            b"-state" => Test::States(states(argument)?),
            b"-step" => Test::Step(glob(argument, false)?),
            b"-gone-by" => Test::GoneBy(glob(argument, false)?),
            b"-magic" => self.contents(ContentTest::Magic(magic(argument)?)),
            b"-needed" => self.contents(ContentTest::Needed(glob(argument, false)?)),
            b"-soname" => self.contents(ContentTest::Soname(glob(argument, false)?)),
            b"-interp" => self.contents(ContentTest::Interpreter(glob(argument, false)?)),
            b"-build-id" => self.contents(ContentTest::BuildId(build_id(argument)?)),
            b"-package" => {
                self.uses.packages = true;
                Test::Package(glob(argument, false)?)
            }
            b"-hashset" => {
                self.hash_sets.push(OsStr::from_bytes(argument).to_owned());
                Test::HashSet(self.hash_sets.len() - 1)
            }
            b"-cap" => Test::Capability(Some(capability(argument)?)),
            b"-xattr" => xattr(argument)?,
            _ => digest(argument)?,
        })
    }

    /// A test on contents, which gets the next number.
    pub(super) fn contents(&mut self, test: ContentTest) -> Test {
        self.content_tests.push(test.clone());
        Test::Contents(test, self.content_tests.len() - 1)
    }

    fn regex(&self, argument: &[u8], ignores_case: bool) -> Result<PathPattern<Regex>> {
        let pattern = argument.strip_prefix(b"^").unwrap_or(argument);
        let pattern = match pattern {
            [b'\\', b'.', after @ ..] | [b'.', after @ ..] if after.starts_with(b"/") => after,
            _ => pattern,
        };
        let is_relative = !pattern.starts_with(b"/");
        let regex = Regex::new(pattern, self.syntax, ignores_case).map_err(|why| {
            let shown = String::from_utf8_lossy(argument);
            Error::usage(format!("invalid regular expression '{shown}': {why}"))
        })?;
        Ok(PathPattern {
            pattern: regex,
            is_relative,
        })
    }
}

fn glob(argument: &[u8], ignores_case: bool) -> Result<Glob> {
    Glob::of_bytes(argument, Dialect::Find, ignores_case).map_err(|why| {
        let shown = String::from_utf8_lossy(argument);
        Error::usage(format!("invalid pattern '{shown}': {why}"))
    })
}

fn magic(argument: &[u8]) -> Result<Magic> {
    let found = std::str::from_utf8(argument).ok().and_then(Magic::of_name);
    found.ok_or_else(|| {
        let names = Magic::ALL.map(Magic::name).join(", ");
        let shown = String::from_utf8_lossy(argument);
        Error::usage(format!("invalid kind '{shown}': expected one of {names}"))
    })
}

/// Digits of a build ID, in small letters.
fn build_id(argument: &[u8]) -> Result<String> {
    let text = String::from_utf8_lossy(argument).to_ascii_lowercase();
    let is_valid =
        (8..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match is_valid {
        true => Ok(text),
        false => Err(invalid(
            "build ID",
            argument,
            "at least 8 hexadecimal digits",
        )),
    }
}

fn path_glob(argument: &[u8], ignores_case: bool) -> Result<PathPattern<Glob>> {
    let pattern = match argument {
        [b'.', after @ ..] if after.starts_with(b"/") => after,
        _ => argument,
    };
    Ok(PathPattern {
        pattern: glob(pattern, ignores_case)?,
        is_relative: !pattern.starts_with(b"/"),
    })
}

fn types(argument: &[u8]) -> Result<Types> {
    let expected = "a list of f, d, l, b, c, p, h, w and o";
    let mut types = Types::default();
    for part in argument.split(|byte| *byte == b',') {
        match part {
            b"h" => types.has_hard_links = true,
            [letter] if b"fdlbcpwo".contains(letter) => types.letters.push(*letter),
            _ => return Err(invalid("type", argument, expected)),
        }
    }
    Ok(types)
}

/// Number of a user or group that is given by its number.
fn id(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn layers(argument: &[u8]) -> Result<Layers> {
    let error = || invalid("layer", argument, "a number, A..B or a digest");
    let text = std::str::from_utf8(argument).map_err(|_| error())?;
    let number = |text: &str, default: usize| match text {
        "" => Ok(default),
        text => match text.parse() {
            Ok(number) if number > 0 && !text.starts_with('+') => Ok(number),
            _ => Err(error()),
        },
    };
    if let Some((from, to)) = text.split_once("..") {
        let (from, to) = (number(from, 1)?, number(to, usize::MAX)?);
        return match from <= to {
            true => Ok(Layers::Range(from, to)),
            false => Err(Error::usage(format!("empty range '{text}'"))),
        };
    }
    if text.is_empty() {
        return Err(error());
    }
    if text.len() < 6 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = number(text, 1)?;
        return Ok(Layers::Range(number, number));
    }
    match hex_digits(text.strip_prefix("sha256:").unwrap_or(text), 4) {
        Some(digits) => Ok(Layers::Digest(digits)),
        None => Err(error()),
    }
}

/// At least so many and at most 64 hexadecimal digits, made small.
fn hex_digits(text: &str, least: usize) -> Option<String> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex && (least..=64).contains(&text.len())).then(|| text.to_ascii_lowercase())
}

fn states(argument: &[u8]) -> Result<BTreeSet<&'static str>> {
    let parts = argument.split(|byte| *byte == b',');
    let state = |part: &[u8]| STATES.into_iter().find(|state| state.as_bytes() == part);
    let states: Option<BTreeSet<_>> = parts.map(state).collect();
    states.ok_or_else(|| {
        let expected = format!("a list of {}", STATES.join(", "));
        invalid("state", argument, &expected)
    })
}

/// Name of a capability with its prefix.
fn capability(argument: &[u8]) -> Result<String> {
    let text = String::from_utf8_lossy(argument).to_ascii_lowercase();
    let name = text.strip_prefix("cap_").unwrap_or(&text);
    match is_capability(name) {
        true => Ok(format!("cap_{name}")),
        false => Err(invalid("capability", argument, "a name like net_raw")),
    }
}

fn xattr(argument: &[u8]) -> Result<Test> {
    let mut parts = argument.splitn(2, |byte| *byte == b'=');
    let name = parts.next().unwrap_or_default();
    if name.is_empty() {
        return Err(invalid("attribute", argument, "NAME or NAME=GLOB"));
    }
    let value = parts.next().map(|value| glob(value, false)).transpose()?;
    Ok(Test::Xattr(name.to_vec(), value))
}

fn digest(argument: &[u8]) -> Result<Test> {
    let expected = "64 hexadecimal digits, or sha256: and at least 8 of them";
    let error = || invalid("digest", argument, expected);
    let text = std::str::from_utf8(argument).map_err(|_| error())?;
    let digits = match text.strip_prefix("sha256:") {
        Some(digits) => hex_digits(digits, 8),
        None => hex_digits(text, 64),
    };
    Ok(Test::Digest(digits.ok_or_else(error)?))
}
