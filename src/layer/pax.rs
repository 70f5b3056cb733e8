//! PAX records (POSIX pax, "pax Extended Header"): `length key=value` lines that override header fields.
//!
//! A malformed record is an error and never skipped: readers that continue after it would see other entries than readers
//! that stop, and such differences smuggle files past a check.

use super::metadata::{Mtime, Xattr};
use super::pax_value::{PaxFault, Setting, Text, attribute, decimal, name, setting, time};
use crate::limits::EntryLimits;

/// Values of the `GNU.sparse.*` records, as written except for numbers.
#[derive(Debug, Default)]
pub(crate) struct SparseRecords {
    pub(crate) major: Option<u64>,
    pub(crate) minor: Option<u64>,
    /// `GNU.sparse.size` (0.x) or `GNU.sparse.realsize` (1.0).
    pub(crate) real_size: Option<u64>,
    /// `GNU.sparse.name`; empty if missing.
    pub(crate) name: Vec<u8>,
    /// Alternating offsets and lengths, from `GNU.sparse.map` or from pairs of records.
    pub(crate) map: Vec<u64>,
    /// True if there is any such record; a map may be empty.
    pub(crate) seen: bool,
    /// True if the size or count follows the start of the map; GNU tar allocates by them.
    pub(crate) late: bool,
}

/// Values of one extension header, or of all global ones so far.
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
    /// Access time; layers are not compared by it, so an invalid one only sets `inexact`.
    pub(crate) atime: Option<Mtime>,
    /// Time of the last change of attributes; as for `atime`.
    pub(crate) ctime: Option<Mtime>,
    /// Creation time; as for `atime`.
    pub(crate) birth: Option<Mtime>,
    /// True if other readers get other times or attributes: not all of them know libarchive's keys.
    pub(crate) inexact: bool,
    pub(crate) xattrs: Vec<Xattr>,
    pub(crate) sparse: SparseRecords,
    /// `SCHILY.realsize`, which libarchive takes as the size of the contents.
    pub(crate) real_size: Option<u64>,
    /// True if global records with fields of single files were ignored.
    pub(crate) ignored_global: bool,
    /// Limits on accepted input.
    pub(crate) limits: EntryLimits,
    /// Number of records with unused keys.
    pub(crate) other: u32,
}

/// Scope of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// An `x` header: the next entry.
    Local,
    /// A `g` header: all following entries. Attributes and sparse maps apply to single files and are ignored.
    Global,
}

impl Values {
    /// Clears all values, keeping the buffers.
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
        self.birth = None;
        self.inexact = false;
        self.xattrs.clear();
        self.real_size = None;
        self.ignored_global = false;
        self.other = 0;
        if self.sparse.seen {
            self.sparse = SparseRecords::default();
        }
    }

    /// Reads records into the values; later records replace earlier ones with the same key.
    ///
    /// # Errors
    /// `Record` for malformed records, `Limit` for too many or too long attributes or too many sparse segments.
    pub(crate) fn read(&mut self, mut records: &[u8], scope: Scope) -> Result<(), PaxFault> {
        while !records.is_empty() {
            let Record { key, value, rest } = split(records)?;
            self.record(key, value, scope)?;
            records = rest;
        }
        Ok(())
    }

    /// Reports whether a record without a value deletes a field.
    pub(crate) fn deletes(&self) -> bool {
        self.settings().contains(&Setting::Deleted)
    }

    /// Reports whether a record overrides fields of the entries' headers, or was ignored.
    pub(crate) fn overrides(&self) -> bool {
        self.ignored_global || self.settings().contains(&Setting::Value(()))
    }

    /// All overridable fields, without their values.
    fn settings(&self) -> [Setting<()>; 8] {
        [
            self.path.setting,
            self.link_path.setting,
            self.user_name.setting,
            self.group_name.setting,
            self.size.without_value(),
            self.uid.without_value(),
            self.gid.without_value(),
            self.mtime.without_value(),
        ]
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
            b"LIBARCHIVE.creationtime" => {
                self.other = self.other.saturating_add(1);
                self.birth = time(value).ok();
            }
            _ if key.starts_with(b"GNU.sparse.") && scope == Scope::Local => {
                self.sparse_record(key, value)?
            }
            b"SCHILY.realsize" if scope == Scope::Local => {
                self.real_size = decimal(value).ok();
                self.other = self.other.saturating_add(1);
            }
            _ if key.starts_with(b"GNU.sparse.") => {
                self.ignored_global = true;
                self.other = self.other.saturating_add(1);
            }
            _ => match (attribute(key, value)?, scope) {
                (Some(xattr), Scope::Local) => {
                    self.inexact |= key.starts_with(b"LIBARCHIVE.");
                    self.add_xattr(xattr)?;
                }
                (xattr, _) => {
                    self.ignored_global |= xattr.is_some();
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
        // bsdtar writes each attribute under both keys.
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
            // numblocks repeats the length of the map.
            _ => {}
        }
        limit("sparse segments", segments, sparse.map.len() / 2)
    }
}

fn limit(what: &'static str, limit: u64, found: usize) -> Result<(), PaxFault> {
    if found as u64 > limit {
        return Err(PaxFault::Limit(what, limit, found as u64));
    }
    Ok(())
}

/// One record, and the bytes after it.
struct Record<'a> {
    key: &'a [u8],
    value: &'a [u8],
    rest: &'a [u8],
}

/// Splits off the first record.
fn split(records: &[u8]) -> Result<Record<'_>, PaxFault> {
    let fault = PaxFault::Record;
    let blank = records
        .iter()
        .take(20)
        .position(|&byte| byte == b' ')
        .ok_or(fault("missing blank after the length"))?;
    let (digits, _) = records.split_at(blank);
    let length = decimal(digits).map_err(|_| fault("invalid length"))?;
    let (record, rest) = usize::try_from(length)
        .ok()
        .and_then(|length| records.split_at_checked(length))
        .ok_or(fault("the length exceeds the records"))?;
    let (last, record) = record
        .get(blank + 1..)
        .and_then(|record| record.split_last())
        .ok_or(fault("the length is too small"))?;
    if *last != b'\n' {
        return Err(fault("missing line feed at the end"));
    }
    let equals = record
        .iter()
        .position(|&byte| byte == b'=')
        .ok_or(fault("missing '=' after the key"))?;
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
    fn attributes_of_both_keys_are_read() {
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
