//! `-printf` and `-ls`.

use std::borrow::Cow;
use std::fmt::Write;

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::Offset;

use super::facts::{Facts, Kind, Stamp, base_name, depth};
use crate::error::Result;
use crate::escape;
use crate::layer::{Mtime, permissions};

/// Widest field, in bytes.
const MAX_WIDTH: usize = 1000;
/// Age in seconds from which `-ls` shows the year instead of the time, and the same for times to come.
const OLD: i64 = 6 * 30 * 86_400;
const FUTURE: i64 = 3600;

/// A parsed format.
#[derive(Debug)]
pub(super) struct Printf {
    pieces: Vec<Piece>,
    /// Names are written as they are, because a NUL ends them; otherwise they are escaped.
    is_raw: bool,
}

#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    Field(Field),
}

/// A directive.
#[derive(Debug)]
struct Field {
    is_left: bool,
    has_zeros: bool,
    width: usize,
    precision: Option<usize>,
    letter: u8,
    /// Second letter of `%Tk`.
    part: u8,
}

impl Printf {
    /// Parses a format.
    ///
    /// # Errors
    /// The syntax error as text.
    pub(super) fn parse(format: &[u8]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        let mut rest = format;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'\\' => text.push(escaped(&mut rest)?),
                b'%' if rest.first() == Some(&b'%') => {
                    rest = rest.get(1..).unwrap_or_default();
                    text.push(b'%');
                }
                b'%' => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    pieces.push(Piece::Field(field(&mut rest)?));
                }
                byte => text.push(byte),
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        let has_nul = |piece: &Piece| matches!(piece, Piece::Text(text) if text.contains(&0));
        let is_raw = pieces.iter().any(has_nul);
        Ok(Printf { pieces, is_raw })
    }

    /// Formats a version.
    ///
    /// # Errors
    /// Those of its facts.
    pub(super) fn format<F: Facts + ?Sized>(&self, facts: &F) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Field(field) => field.write(&field.value(facts, self.is_raw)?, &mut out),
            }
        }
        Ok(out)
    }
}

/// The byte that an escape stands for, after its backslash.
fn escaped(rest: &mut &[u8]) -> Result<u8, String> {
    let Some((&byte, after)) = rest.split_first() else {
        return Err("trailing \\ in the format".to_owned());
    };
    let octal = rest
        .iter()
        .take(3)
        .take_while(|byte| matches!(byte, b'0'..=b'7'));
    let octal = octal.count();
    if octal > 0 {
        // At most three digits: 0o777.
        let (digits, after) = rest.split_at_checked(octal).unwrap_or_default();
        let digit = |sum: u16, digit: &u8| sum * 8 + u16::from(digit - b'0');
        let value = digits.iter().fold(0, digit);
        *rest = after;
        return u8::try_from(value).map_err(|_| "an octal escape above \\377".to_owned());
    }
    *rest = after;
    Ok(match byte {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' => b'\\',
        other => return Err(format!("unknown escape '\\{}'", other as char)),
    })
}

/// A directive after its `%`.
fn field(rest: &mut &[u8]) -> Result<Field, String> {
    let mut field = Field {
        is_left: false,
        has_zeros: false,
        width: 0,
        precision: None,
        letter: 0,
        part: 0,
    };
    let mut next = || {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        Some(byte)
    };
    let missing = || "trailing % in the format".to_owned();
    let mut byte = next().ok_or_else(missing)?;
    while matches!(byte, b'-' | b'0') {
        field.is_left |= byte == b'-';
        field.has_zeros |= byte == b'0';
        byte = next().ok_or_else(missing)?;
    }
    let mut digits = |byte: &mut u8| {
        let mut number = 0;
        while byte.is_ascii_digit() {
            number = (number * 10 + usize::from(*byte - b'0')).min(MAX_WIDTH + 1);
            *byte = next().ok_or_else(missing)?;
        }
        match number > MAX_WIDTH {
            true => Err(format!("a width above {MAX_WIDTH}")),
            false => Ok(number),
        }
    };
    field.width = digits(&mut byte)?;
    if byte == b'.' {
        // The dot is taken; its digits may be missing, which means 0.
        byte = b'0';
        field.precision = Some(digits(&mut byte)?);
    }
    field.letter = byte;
    if byte == b'T' {
        field.part = next().ok_or_else(missing)?;
    }
    let is_known = match byte {
        b'T' => b"@aAbBcdDFgGhHIjklmMnprsStTuUVwWxXyYZz+".contains(&field.part),
        byte => b"pPfhdsbkmMuUgGylnit".contains(&byte),
    };
    match is_known {
        true => Ok(field),
        false if byte == b'T' => Err(format!("unknown directive '%T{}'", field.part as char)),
        false => Err(format!("unknown directive '%{}'", byte as char)),
    }
}

impl Field {
    fn value<'a, F: Facts + ?Sized>(&self, facts: &'a F, is_raw: bool) -> Result<Cow<'a, [u8]>> {
        let path = facts.path();
        let name = |name: &'a [u8]| match is_raw {
            true => Cow::Borrowed(name),
            false => shown(name),
        };
        let number = |number: u64| Cow::Owned(number.to_string().into_bytes());
        let text = |text: String| Cow::Owned(text.into_bytes());
        let modified = || facts.time(Stamp::Modified).unwrap_or_default();
        Ok(match self.letter {
            b'p' | b'P' => name(path),
            b'f' => name(base_name(path)),
            b'h' => match path.iter().rposition(|byte| *byte == b'/') {
                None => Cow::Borrowed(b"."),
                Some(slash) => name(path.get(..slash).unwrap_or_default()),
            },
            b'd' => number(depth(path)),
            b's' => number(facts.size()),
            b'b' => number(stored(facts).div_ceil(512)),
            b'k' => number(stored(facts).div_ceil(1024)),
            b'm' => text(format!("{:o}", facts.mode())),
            b'M' => text(mode(facts)),
            b'u' => owner(facts.user_name()?, facts.uid(), is_raw),
            b'U' => number(facts.uid()),
            b'g' => owner(facts.group_name()?, facts.gid(), is_raw),
            b'G' => number(facts.gid()),
            b'y' => Cow::Owned(vec![facts.kind().letter()]),
            b'l' => name(facts.target()),
            b'n' => number(facts.links()?),
            b'i' => number(facts.entry()),
            b't' => text(format!(
                "{} {}",
                time(modified(), b'0'),
                time(modified(), b'Y')
            )),
            _ => text(time(modified(), self.part)),
        })
    }

    /// Writes a value in its width, as printf(3).
    fn write(&self, value: &[u8], out: &mut Vec<u8>) {
        let is_text = !matches!(self.letter, b'm' | b'd' | b'n');
        let cut = self.precision.filter(|_| is_text);
        let value = cut.and_then(|cut| value.get(..cut)).unwrap_or(value);
        let fill = self.width.saturating_sub(value.len());
        let zeros = self.has_zeros && !self.is_left && !is_text;
        if !self.is_left {
            out.resize(out.len() + fill, if zeros { b'0' } else { b' ' });
        }
        out.extend_from_slice(value);
        if self.is_left {
            out.resize(out.len() + fill, b' ');
        }
    }
}

/// A name as text.
fn shown(name: &[u8]) -> Cow<'_, [u8]> {
    match escape::bytes(name) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn owner(name: Option<Cow<'_, [u8]>>, id: u64, is_raw: bool) -> Cow<'_, [u8]> {
    match name {
        Some(name) if is_raw => name,
        Some(name) => Cow::Owned(shown(&name).into_owned()),
        None => Cow::Owned(id.to_string().into_bytes()),
    }
}

/// Bytes that a file of its size takes; nothing is known of where it is stored.
fn stored<F: Facts + ?Sized>(facts: &F) -> u64 {
    match facts.kind() {
        Kind::File => facts.size(),
        _ => 0,
    }
}

/// Kind and permissions as `ls -l` shows them.
fn mode<F: Facts + ?Sized>(facts: &F) -> String {
    let kind = match facts.kind() {
        Kind::File => '-',
        kind => char::from(kind.letter()),
    };
    format!("{kind}{}", permissions(facts.mode()))
}

/// A part of a time, in UTC, as find's `%Tk`; of `0` that of `%t` before the year.
fn time(time: Mtime, part: u8) -> String {
    let (first, last) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
    let seconds = time.seconds.clamp(first.as_second(), last.as_second());
    let at = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let date = Offset::UTC.to_datetime(at);
    let of = |format: &str| text_of(format, date);
    // Of whole seconds in ten digits, as find writes them.
    let fraction = format!(".{:09}0", time.nanos);
    match part {
        b'@' => format!("{}{fraction}", time.seconds),
        b's' => time.seconds.to_string(),
        b'S' => of("%S") + &fraction,
        b'T' | b'X' => of("%H:%M:%S") + &fraction,
        b'+' => of("%Y-%m-%d+%H:%M:%S") + &fraction,
        b'0' => of("%a %b %e %H:%M:%S") + &fraction,
        b'c' => of("%a %b %e %H:%M:%S %Y"),
        b'r' => of("%I:%M:%S %p"),
        b'x' | b'D' => of("%m/%d/%y"),
        b'Z' => "UTC".to_owned(),
        b'z' => "+0000".to_owned(),
        letter => of(&format!("%{}", char::from(letter))),
    }
}

fn text_of(format: &str, date: DateTime) -> String {
    // All formats are known ones.
    strtime::format(format, date).unwrap_or_default()
}

/// Returns the line of `find -ls`, with the position of the entry for the inode.
///
/// # Errors
/// Those of the facts.
pub(super) fn list_line<F: Facts + ?Sized>(facts: &F, now: i64) -> Result<Vec<u8>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let modified = facts.time(Stamp::Modified).unwrap_or_default();
    let is_recent =
        modified.seconds > now.saturating_sub(OLD) && modified.seconds < now.saturating_add(FUTURE);
    let day = format!(
        "{} {:>2}",
        time(modified, b'b'),
        time(modified, b'd').trim_start_matches('0')
    );
    let hour = match is_recent {
        true => format!("{}:{}", time(modified, b'H'), time(modified, b'M')),
        false => format!(" {}", time(modified, b'Y')),
    };
    let mut line = format!(
        "{:>9} {:>6} {} {:>3} {:<8} {:<8} {:>8} {day} {hour} {}",
        facts.entry(),
        stored(facts).div_ceil(1024),
        mode(facts),
        facts.links()?,
        text(&owner(facts.user_name()?, facts.uid(), false)),
        text(&owner(facts.group_name()?, facts.gid(), false)),
        facts.size(),
        text(&shown(facts.path())),
    );
    if facts.kind() == Kind::Symlink {
        let _ = write!(line, " -> {}", text(&shown(facts.target())));
    }
    line.push('\n');
    Ok(line.into_bytes())
}
