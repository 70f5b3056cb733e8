//! Fields of an entry, combined from its header, PAX records and GNU extensions.

use super::anomaly::{Anomalies, AnomalyKind};
use super::entry::Entry;
use super::extension::Extensions;
use super::header::{BLOCK, Header};
use super::input::TarInput;
use super::metadata::{EntryKind, Mtime, OtherTimes};
use super::sparse::{self, Form};
use crate::error::{Error, Fault, Result, TarFault, within};

/// Largest size that the twelve bytes of a header hold in octal digits.
const MAX_OCTAL: u64 = 0o77_777_777_777;

/// Sources of an entry's fields. Records of the entry take precedence over global ones, and these over the header.
pub(super) struct Fields<'a> {
    pub(super) header: &'a Header<'a>,
    pub(super) extensions: &'a mut Extensions,
    /// Offset of the header.
    pub(super) offset: u64,
}

/// Sizes of an entry's contents in bytes.
pub(super) struct Sizes {
    /// Stored contents, with a sparse map in front of them.
    pub(super) stored: u64,
    /// Padding after the contents.
    pub(super) padding: u64,
    /// True if the record and the header state different sizes.
    pub(super) desync: bool,
}

impl Fields<'_> {
    /// Sets path, kind, link target and device numbers. Returns the form of the sparse map in the records, if any.
    pub(super) fn names(&mut self, entry: &mut Entry, limit: u64) -> Result<Option<Form>> {
        let header = self.header;
        entry.path.clear();
        match self.extensions.path() {
            Some(path) => entry.path.extend_from_slice(path),
            None => {
                let prefix = header.prefix();
                if !prefix.is_empty() {
                    entry.path.extend_from_slice(prefix);
                    entry.path.push(b'/');
                }
                entry.path.extend_from_slice(header.name());
            }
        }
        let records = &self.extensions.local.sparse;
        let form = sparse::form(records, self.offset)?;
        if form.is_some() && !records.name.is_empty() {
            entry.path.clear();
            entry.path.extend_from_slice(&records.name);
        }
        check_length("name", &entry.path, limit)?;
        entry.kind = kind(header.type_flag(), &entry.path);
        entry.link_target.clear();
        if entry.kind.is_link() {
            let target = self.extensions.link_path().unwrap_or(header.link_name());
            check_length("link target", target, limit)?;
            entry.link_target.extend_from_slice(target);
        }
        entry.device = match entry.kind.is_device() {
            true => header.device().map_err(|field| self.invalid(field))?,
            false => (0, 0),
        };
        Ok(form)
    }

    /// Sets mode, owner, time and extended attributes.
    pub(super) fn metadata(&mut self, entry: &mut Entry) -> Result<()> {
        let (header, offset) = (self.header, self.offset);
        let invalid = |field| number_fault(offset, field);
        let (local, global) = (&mut self.extensions.local, &self.extensions.global);
        let metadata = &mut entry.metadata;
        metadata.mode = header.mode().map_err(invalid)?;
        // A number in the header may be invalid if a record replaces it: that is the purpose of the record.
        metadata.uid = match local.uid.or(global.uid) {
            Some(uid) => uid,
            None => header.uid().map_err(invalid)?,
        };
        metadata.gid = match local.gid.or(global.gid) {
            Some(gid) => gid,
            None => header.gid().map_err(invalid)?,
        };
        metadata.mtime = match local.mtime.or(global.mtime) {
            Some(mtime) => mtime,
            None => Mtime::from_seconds(header.mtime().map_err(invalid)?),
        };
        // Damage of these fields is no error: few readers look at them.
        let [access, change] = header.other_times().unwrap_or_default();
        entry.times = OtherTimes {
            access: (local.atime.or(global.atime)).or(access.map(Mtime::from_seconds)),
            change: (local.ctime.or(global.ctime)).or(change.map(Mtime::from_seconds)),
            birth: local.birth.or(global.birth),
        };
        entry.user_name.clear();
        let user_name = local.user_name.get().or(global.user_name.get());
        entry
            .user_name
            .extend_from_slice(user_name.unwrap_or(header.user_name()));
        entry.group_name.clear();
        let group_name = local.group_name.get().or(global.group_name.get());
        entry
            .group_name
            .extend_from_slice(group_name.unwrap_or(header.group_name()));
        metadata.xattrs.clear();
        metadata.xattrs.append(&mut local.xattrs);
        Ok(())
    }

    /// Determines the sizes. `own` is the size in the header, `position` the offset of the contents.
    pub(super) fn sizes(
        &self,
        entry: &Entry,
        own: u64,
        position: u64,
        anomalies: &mut Anomalies,
    ) -> Result<Sizes> {
        let (local, global) = (&self.extensions.local, &self.extensions.global);
        let stated = local.size.or(global.size).unwrap_or(own);
        // With a record, a size of 8 GiB and more is written as 0 or as all ones in the header.
        let is_beyond = stated > MAX_OCTAL && (own == 0 || own == MAX_OCTAL);
        let stored = if entry.has_contents() { stated } else { 0 };
        if stated > 0 && !entry.has_contents() {
            let path = Some(entry.path.as_slice());
            anomalies.add(AnomalyKind::SizeOnLink, self.offset, path);
        }
        // Checked before any contents are read, so that the offset of the next header cannot overflow.
        let end = stored
            .checked_next_multiple_of(BLOCK as u64)
            .and_then(|padded| position.checked_add(padded))
            .filter(|&end| i64::try_from(end).is_ok());
        if end.is_none() {
            return Err(self.invalid("size"));
        }
        Ok(Sizes {
            stored,
            padding: stored.next_multiple_of(BLOCK as u64) - stored,
            desync: own != stated && !is_beyond,
        })
    }

    /// Sets the size and the sparse map, which may precede the contents in `input`. Returns the number of stored bytes
    /// after the map.
    pub(super) fn sparse(
        &self,
        entry: &mut Entry,
        form: Option<Form>,
        stored: u64,
        input: &mut impl TarInput,
        limit: u64,
    ) -> Result<u64> {
        let offset = self.offset;
        let records = &self.extensions.local.sparse;
        entry.size = stored;
        entry.sparse = None;
        if form.is_some() && entry.kind != EntryKind::File {
            return Err(sparse::fault(offset, "only a file can be sparse"));
        }
        let (map, stored) = match form {
            _ if self.header.type_flag() == b'S' => {
                let size = self.header.gnu_real_size();
                entry.size = size.map_err(|field| self.invalid(field))?;
                (sparse::gnu_map(self.header, offset, input, limit)?, stored)
            }
            None => return Ok(stored),
            Some(form) => {
                entry.size = records.real_size.unwrap_or(stored);
                match form {
                    Form::Records => (sparse::record_map(records, offset)?, stored),
                    Form::Data => {
                        let (map, taken) = sparse::data_map(input, offset, stored, limit)?;
                        (map, stored.saturating_sub(taken))
                    }
                }
            }
        };
        sparse::check(offset, &map, entry.size, stored)?;
        entry.sparse = Some(map);
        Ok(stored)
    }

    /// Reports whether some readers take another size for that of the contents.
    pub(super) fn has_other_size(&self, entry: &Entry) -> bool {
        let is_other = |size: u64| size != entry.size;
        // libarchive takes this field for the size of any entry with GNU's magic.
        self.extensions.local.real_size.is_some_and(is_other)
            || self.header.has_gnu_real_size() && self.header.gnu_real_size().is_ok_and(is_other)
    }

    fn invalid(&self, field: &'static str) -> Error {
        number_fault(self.offset, field)
    }
}

/// Error for a numeric field of the header at `offset`.
pub(super) fn number_fault(offset: u64, field: &'static str) -> Error {
    let why = TarFault::Number { field };
    Error::new(Fault::Tar { offset, why })
}

fn kind(type_flag: u8, path: &[u8]) -> EntryKind {
    match type_flag {
        // Before there were types, a trailing slash marked a directory.
        0 if path.ends_with(b"/") => EntryKind::Directory,
        0 | b'7' | b'S' => EntryKind::File,
        letter => EntryKind::of_letter(letter),
    }
}

fn check_length(what: &'static str, name: &[u8], limit: u64) -> Result<()> {
    within(what, limit, name.len() as u64)
}
