//! PAX records (POSIX pax, "pax Extended Header"): `length key=value` lines that override header fields.
//!
//! A malformed record is an error and never skipped: a reader that goes on after it sees other entries than one
//! that stops, and that difference is what smuggles files past a check.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::limits::EntryLimits;
use super::metadata::{Mtime, Xattr};
use crate::error::{Fault, TarFault};

/// libarchive writes base64 without padding, others with.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One overridable field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Setting<T> {
    /// Not mentioned: a global record or the header decides.
    #[default]
    Unset,
    /// Mentioned without a value: the header decides, even against a global record.
    Deleted,
    /// Overrides.
    Value(T),
}

impl<T: Copy> Setting<T> {
    /// This entry's own setting, or else the global one.
    pub(crate) fn or(self, global: Setting<T>) -> Option<T> {
        match (self, global) {
            (Setting::Value(value), _) | (Setting::Unset, Setting::Value(value)) => Some(value),
            _ => None,
        }
    }
}

/// A text field, whose buffer is kept from entry to entry.
#[derive(Debug, Default)]
pub(crate) struct Text {
    setting: Setting<()>,
    bytes: Vec<u8>,
}

impl Text {
    pub(crate) fn get(&self) -> Setting<&[u8]> {
        match self.setting {
            Setting::Unset => Setting::Unset,
            Setting::Deleted => Setting::Deleted,
            Setting::Value(()) => Setting::Value(&self.bytes),
        }
    }

    fn set(&mut self, value: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(value);
        self.setting = match value {
            [] => Setting::Deleted,
            _ => Setting::Value(()),
        };
    }

    fn clear(&mut self) {
        self.setting = Setting::Unset;
        self.bytes.clear();
    }
}

/// What the `GNU.sparse.*` records say, still as written except for numbers.
#[derive(Debug, Default)]
pub(crate) struct SparseRecords {
    pub(crate) major: Option<u64>,
    pub(crate) minor: Option<u64>,
    /// `GNU.sparse.size` (0.x) or `GNU.sparse.realsize` (1.0).
    pub(crate) real_size: Option<u64>,
    /// `GNU.sparse.name`; empty where absent.
    pub(crate) name: Vec<u8>,
    /// Offsets and lengths in turn, from `GNU.sparse.map` or from pairs of records.
    pub(crate) map: Vec<u64>,
    /// Whether any record said so, because a map may be empty.
    pub(crate) seen: bool,
    /// Whether size or count came after the map had begun: GNU tar allocates by them.
    pub(crate) late: bool,
}

/// The values of one extension header, or of all global ones so far.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) path: Text,
    pub(crate) link_path: Text,
    pub(crate) user_name: Text,
    pub(crate) group_name: Text,
    pub(crate) size: Setting<u64>,
    pub(crate) uid: Setting<u64>,
    pub(crate) gid: Setting<u64>,
    pub(crate) mtime: Setting<Mtime>,
    /// Times that nothing here is compared by: one that cannot be read is only remembered in `inexact`.
    pub(crate) atime: Option<Mtime>,
    pub(crate) ctime: Option<Mtime>,
    /// Whether other readers take other times or attributes than these: not all know libarchive's spelling.
    pub(crate) inexact: bool,
    pub(crate) xattrs: Vec<Xattr>,
    pub(crate) sparse: SparseRecords,
    /// `SCHILY.realsize`, which libarchive takes for the size of the contents.
    pub(crate) real_size: Option<u64>,
    /// Whether global records speak of what can only be meant for one file, and are left out here.
    pub(crate) left_out: bool,
    /// What is accepted at most.
    pub(crate) limits: EntryLimits,
    /// Records whose key nothing here needs.
    pub(crate) other: u32,
}

/// Whose records they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// An `x` header, for one entry.
    Local,
    /// A `g` header, for all that follow. Attributes and sparse maps of one file cannot be meant for all and are
    /// left out.
    Global,
}

impl Values {
    /// Back to nothing, keeping the buffers.
    pub(crate) fn clear(&mut self) {
        self.path.clear();
        self.link_path.clear();
        self.user_name.clear();
        self.group_name.clear();
        self.size = Setting::Unset;
        self.uid = Setting::Unset;
        self.gid = Setting::Unset;
        self.mtime = Setting::Unset;
        self.atime = None;
        self.ctime = None;
        self.inexact = false;
        self.xattrs.clear();
        self.real_size = None;
        self.left_out = false;
        self.other = 0;
        if self.sparse.seen {
            self.sparse = SparseRecords::default();
        }
    }

    /// Reads records into the values, a later one over an earlier one of the same key.
    ///
    /// # Errors
    /// `PaxRecord` for anything malformed, `Limit` for too many or too long attributes or too many map numbers.
    /// The fault has no offset yet.
    pub(crate) fn read(&mut self, mut records: &[u8], scope: Scope) -> Result<(), PaxFault> {
        while !records.is_empty() {
            let Record { key, value, rest } = split(records)?;
            self.record(key, value, scope)?;
            records = rest;
        }
        Ok(())
    }

    /// Whether a record takes back what a header or a global record says.
    pub(crate) fn deletes(&self) -> bool {
        let texts = [
            &self.path,
            &self.link_path,
            &self.user_name,
            &self.group_name,
        ];
        let numbers = [self.size, self.uid, self.gid];
        texts
            .iter()
            .any(|text| matches!(text.get(), Setting::Deleted))
            || numbers
                .iter()
                .any(|number| matches!(number, Setting::Deleted))
            || matches!(self.mtime, Setting::Deleted)
    }

    /// Whether a record says something that the entries' own headers say too, or must not say.
    pub(crate) fn overrides(&self) -> bool {
        let texts = [
            &self.path,
            &self.link_path,
            &self.user_name,
            &self.group_name,
        ];
        let numbers = [self.size, self.uid, self.gid];
        self.left_out
            || texts
                .iter()
                .any(|text| matches!(text.get(), Setting::Value(_)))
            || numbers
                .iter()
                .any(|number| matches!(number, Setting::Value(_)))
            || matches!(self.mtime, Setting::Value(_))
    }

    fn record(&mut self, key: &[u8], value: &[u8], scope: Scope) -> Result<(), PaxFault> {
        match key {
            b"path" => self.path.set(name(value)?),
            b"linkpath" => self.link_path.set(name(value)?),
            b"uname" => self.user_name.set(name(value)?),
            b"gname" => self.group_name.set(name(value)?),
            b"size" => self.size = setting(value, decimal)?,
            b"uid" => self.uid = setting(value, decimal)?,
            b"gid" => self.gid = setting(value, decimal)?,
            b"mtime" => self.mtime = setting(value, time)?,
            b"atime" | b"ctime" => {
                self.other = self.other.saturating_add(1);
                let read = time(value).ok();
                self.inexact |= read.is_none() && !value.is_empty();
                match key {
                    b"atime" => self.atime = read,
                    _ => self.ctime = read,
                }
            }
            _ if key.starts_with(b"GNU.sparse.") && scope == Scope::Local => {
                self.sparse_record(key, value)?
            }
            b"SCHILY.realsize" if scope == Scope::Local => {
                self.real_size = decimal(value).ok();
                self.other = self.other.saturating_add(1);
            }
            _ if key.starts_with(b"GNU.sparse.") => {
                self.left_out = true;
                self.other = self.other.saturating_add(1);
            }
            _ => match (attribute(key, value)?, scope) {
                (Some(xattr), Scope::Local) => {
                    self.inexact |= key.starts_with(b"LIBARCHIVE.");
                    self.add_xattr(xattr)?;
                }
                (xattr, _) => {
                    self.left_out |= xattr.is_some();
                    self.other = self.other.saturating_add(1);
                }
            },
        }
        Ok(())
    }

    fn add_xattr(&mut self, xattr: Xattr) -> Result<(), PaxFault> {
        limit(
            "extended attribute size",
            self.limits.xattr_size,
            xattr.value.len(),
        )?;
        // bsdtar writes each attribute under both key forms.
        if let Some(same) = self.xattrs.iter_mut().find(|old| old.name == xattr.name) {
            *same = xattr;
            return Ok(());
        }
        limit(
            "extended attributes",
            self.limits.xattrs,
            self.xattrs.len().saturating_add(1),
        )?;
        self.xattrs.push(xattr);
        Ok(())
    }

    fn sparse_record(&mut self, key: &[u8], value: &[u8]) -> Result<(), PaxFault> {
        let sparse = &mut self.sparse;
        let segments = self.limits.segments;
        sparse.seen = true;
        let heads: [&[u8]; 2] = [b"GNU.sparse.size", b"GNU.sparse.numblocks"];
        sparse.late |= heads.contains(&key) && !sparse.map.is_empty();
        match key {
            b"GNU.sparse.major" => sparse.major = Some(decimal(value)?),
            b"GNU.sparse.minor" => sparse.minor = Some(decimal(value)?),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => sparse.real_size = Some(decimal(value)?),
            b"GNU.sparse.name" => {
                sparse.name.clear();
                sparse.name.extend_from_slice(name(value)?);
            }
            b"GNU.sparse.offset" if sparse.map.len().is_multiple_of(2) => {
                sparse.map.push(decimal(value)?)
            }
            b"GNU.sparse.numbytes" if !sparse.map.len().is_multiple_of(2) => {
                sparse.map.push(decimal(value)?)
            }
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                return Err(PaxFault::Record(
                    "sparse offsets and lengths must alternate",
                ));
            }
            b"GNU.sparse.map" => {
                sparse.map.clear();
                for number in value
                    .split(|&byte| byte == b',')
                    .filter(|_| !value.is_empty())
                {
                    sparse.map.push(decimal(number)?);
                    limit("sparse segments", segments, sparse.map.len() / 2)?;
                }
            }
            // numblocks only repeats what the map says.
            _ => {}
        }
        limit("sparse segments", segments, sparse.map.len() / 2)
    }
}

/// What stops the reading of records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PaxFault {
    /// The rule that is broken.
    Record(&'static str),
    /// What there is too much of, the limit, the number found.
    Limit(&'static str, u64, u64),
}

impl PaxFault {
    /// As the fault of the header at `offset`.
    pub(crate) fn at(self, offset: u64) -> Fault {
        match self {
            PaxFault::Record(why) => Fault::Tar {
                offset,
                why: TarFault::PaxRecord { why },
            },
            PaxFault::Limit(what, limit, found) => Fault::Limit { what, limit, found },
        }
    }
}

fn limit(what: &'static str, limit: u64, found: usize) -> Result<(), PaxFault> {
    if found as u64 > limit {
        return Err(PaxFault::Limit(what, limit, found as u64));
    }
    Ok(())
}

/// One record, and what follows it.
struct Record<'a> {
    key: &'a [u8],
    value: &'a [u8],
    rest: &'a [u8],
}

/// Takes the first record off.
fn split(records: &[u8]) -> Result<Record<'_>, PaxFault> {
    let fault = PaxFault::Record;
    let blank = records
        .iter()
        .take(20)
        .position(|&byte| byte == b' ')
        .ok_or(fault("no blank after the length"))?;
    let (digits, _) = records.split_at(blank);
    let length = decimal(digits).map_err(|_| fault("the length is no decimal number"))?;
    let (record, rest) = usize::try_from(length)
        .ok()
        .and_then(|length| records.split_at_checked(length))
        .ok_or(fault("the length is larger than what is there"))?;
    let (last, record) = record
        .get(blank + 1..)
        .and_then(|record| record.split_last())
        .ok_or(fault("the length is too small"))?;
    if *last != b'\n' {
        return Err(fault("it does not end with a line feed"));
    }
    let equals = record
        .iter()
        .position(|&byte| byte == b'=')
        .ok_or(fault("no '=' after the key"))?;
    let (key, value) = record.split_at(equals);
    if key.is_empty() {
        return Err(fault("the key is empty"));
    }
    if key.contains(&0) {
        return Err(fault("NUL in the key"));
    }
    let value = value.get(1..).unwrap_or_default();
    Ok(Record { key, value, rest })
}

fn setting<T>(
    value: &[u8],
    read: impl Fn(&[u8]) -> Result<T, PaxFault>,
) -> Result<Setting<T>, PaxFault> {
    match value {
        [] => Ok(Setting::Deleted),
        _ => read(value).map(Setting::Value),
    }
}

fn name(value: &[u8]) -> Result<&[u8], PaxFault> {
    if value.contains(&0) {
        return Err(PaxFault::Record("NUL in a name"));
    }
    Ok(value)
}

/// Digits only, at most `i64::MAX`, which is what every reader can hold.
fn decimal(value: &[u8]) -> Result<u64, PaxFault> {
    let fault = PaxFault::Record("not a decimal number");
    if value.is_empty() {
        return Err(fault);
    }
    let mut number: u64 = 0;
    for &byte in value {
        let digit = byte.wrapping_sub(b'0');
        let next = number
            .checked_mul(10)
            .and_then(|number| number.checked_add(u64::from(digit)));
        match next {
            Some(next) if digit < 10 && i64::try_from(next).is_ok() => number = next,
            _ => return Err(fault),
        }
    }
    Ok(number)
}

/// Seconds with any number of decimals, rounded down to nanoseconds.
fn time(value: &[u8]) -> Result<Mtime, PaxFault> {
    let fault = || PaxFault::Record("not a time");
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let mut parts = digits.splitn(2, |&byte| byte == b'.');
    let whole = parts.next().unwrap_or_default();
    let fraction = parts.next().unwrap_or_default();
    if negative && whole == b"9223372036854775808" && fraction.iter().all(|&digit| digit == b'0') {
        return Ok(Mtime {
            seconds: i64::MIN,
            nanos: 0,
        });
    }
    let seconds = decimal(whole)
        .ok()
        .and_then(|seconds| i64::try_from(seconds).ok())
        .ok_or_else(fault)?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(fault());
    }
    let (near, far) = fraction.split_at(fraction.len().min(9));
    let nanos = (0..9).fold(0, |nanos, at| {
        nanos * 10 + near.get(at).map_or(0, |&digit| u32::from(digit - b'0'))
    });
    if !negative {
        return Ok(Mtime { seconds, nanos });
    }
    let beyond = far.iter().any(|&digit| digit != b'0');
    let nanos = nanos + u32::from(beyond);
    let (seconds, nanos) = match nanos {
        0 => (-seconds, 0),
        _ => (-seconds - 1, 1_000_000_000_u32.saturating_sub(nanos)),
    };
    Ok(Mtime { seconds, nanos })
}

/// The extended attribute that a record holds, if it holds one.
fn attribute(key: &[u8], value: &[u8]) -> Result<Option<Xattr>, PaxFault> {
    let (name, value) = if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
        (name.to_vec(), value.to_vec())
    } else if key.starts_with(super::acl::PREFIX) && !value.is_empty() {
        (key.to_vec(), value.to_vec())
    } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
        let decoded = BASE64
            .decode(value)
            .map_err(|_| PaxFault::Record("an attribute's value is no base64"))?;
        (percent_decoded(name)?, decoded)
    } else {
        return Ok(None);
    };
    if name.is_empty() {
        return Err(PaxFault::Record("an attribute has no name"));
    }
    Ok(Some(Xattr { name, value }))
}

fn percent_decoded(name: &[u8]) -> Result<Vec<u8>, PaxFault> {
    let fault = || PaxFault::Record("an attribute's name has a bad '%'");
    let hex = |byte: Option<&u8>| {
        byte.and_then(|&byte| char::from(byte).to_digit(16))
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or_else(fault)
    };
    let mut out = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        if byte == b'%' {
            let decoded = hex(bytes.next())? << 4 | hex(bytes.next())?;
            if decoded == 0 {
                return Err(PaxFault::Record("NUL in the key"));
            }
            out.push(decoded);
        } else {
            out.push(byte);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::testing::record;
    use super::*;

    fn read(records: &[u8]) -> Result<Values, PaxFault> {
        let mut values = Values::default();
        values.read(records, Scope::Local).map(|()| values)
    }

    #[test]
    fn malformed_records_are_errors() {
        for records in [
            &b"5 a=b"[..],
            b"6 a=b",
            b"99 a=b\n",
            b"2 a=b\n",
            b"0 a=b\n",
            b"+6 a=b\n",
            b"-6 a=b\n",
            b" 6 a=b\n",
            b"6a=b\n",
            b"5 ab\n",
            b"5 =b\n",
            b"7 a=b\n\0",
            b"6 a=b\n\0\0",
            b"7 \0a=b\n",
            b"99999999999999999999 a=b\n",
            b"000000000000000000000000006 a=b\n",
            b"9 path=\0\n",
            b"13 linkpath=\0\n",
            b"10 size=-1\n",
            b"10 size=1.\n",
            b"10 size=0x\n",
            b"28 size=9223372036854775808\n",
            b"10 uid=1 \n",
            b"12 mtime=.5\n",
            b"12 mtime=+5\n",
            b"14 mtime=1e10\n",
            b"15 mtime=1.5.5\n",
            b"11 mtime=-\n",
            b"27 LIBARCHIVE.xattr.a=*!*\n",
            b"28 LIBARCHIVE.xattr.a%0=YQ\n",
            b"29 LIBARCHIVE.xattr.a%00=YQ\n",
            b"18 SCHILY.xattr.=\n",
            b"22 GNU.sparse.map=1,,\n",
            b"25 GNU.sparse.numbytes=1\n",
        ] {
            let fault = read(records).map(|_| ());
            let shown = String::from_utf8_lossy(records);
            assert!(matches!(fault, Err(PaxFault::Record(_))), "{shown:?}");
        }
    }

    #[test]
    fn times_round_down() {
        for (text, seconds, nanos) in [
            ("0", 0, 0),
            ("1.", 1, 0),
            ("1350244992.023960108", 1_350_244_992, 23_960_108),
            ("1.9999999999999999999999999999999999999999", 1, 999_999_999),
            ("-1", -1, 0),
            ("-1.5", -2, 500_000_000),
            ("-0.0000000001", -1, 999_999_999),
            ("-0.000", 0, 0),
            ("9223372036854775807.1", i64::MAX, 100_000_000),
            ("-9223372036854775807.1", i64::MIN, 900_000_000),
        ] {
            assert_eq!(
                time(text.as_bytes()),
                Ok(Mtime { seconds, nanos }),
                "{text}"
            );
        }
    }

    #[test]
    fn attributes_of_both_spellings() {
        let records = [
            record("SCHILY.xattr.user.a=b", b"\0\n="),
            record("LIBARCHIVE.xattr.user%2e%C3%A9", b"AAE"),
            record("LIBARCHIVE.xattr.user.p", b"AAE="),
            record("SCHILY.xattr.user.p", b"later"),
            record("SCHILY.xattr.user.empty", b""),
        ];
        let values = read(&records.concat()).expect("well-formed");
        let shown: Vec<_> = values
            .xattrs
            .iter()
            .map(|x| (&*x.name, &*x.value))
            .collect();
        let expected: [(&[u8], &[u8]); 4] = [
            // The key ends at the first '=', as every reader has it.
            (b"user.a", b"b=\0\n="),
            ("user.é".as_bytes(), b"\0\x01"),
            (b"user.p", b"later"),
            (b"user.empty", b""),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn attributes_are_limited() {
        let many: Vec<u8> = (0..257)
            .flat_map(|n| record(&format!("SCHILY.xattr.user.{n}"), b"x"))
            .collect();
        assert!(matches!(read(&many), Err(PaxFault::Limit(_, 256, 257))));
        let long = record("SCHILY.xattr.user.x", &vec![0; (64 << 10) + 1]);
        assert!(matches!(
            read(&long),
            Err(PaxFault::Limit(_, 65_536, 65_537))
        ));
    }
}
