//! Headers of a layer's or a root filesystem's tar: any entry, the same bytes on every host.
//!
//! Headers are ustar. What one cannot hold (long names, large numbers, parts of seconds, times before 1970, extended
//! attributes) goes into a PAX header before it, which is written only then, with a fixed name and its records sorted
//! (FORMATS of docker load, GNU tar, Go and Python agree on all of it). Nothing comes from the clock or the host.

use std::io::Write as _;

use crate::layer::{EntryKind, Mtime, Xattr};

/// Bytes of a block; contents are filled up with zeros to a whole number of them.
pub const BLOCK: u64 = 512;

/// What ends a tar.
pub const END: [u8; 1024] = [0; 1024];

/// An entry to be written, without its contents.
///
/// ```
/// use imgkit::layer::{EntryKind, StreamInput, Walker};
/// use imgkit::write::entry::{END, EntryOut};
///
/// let mut tar = Vec::new();
/// EntryOut { path: b"etc", kind: EntryKind::Directory, mode: 0o755, ..EntryOut::default() }.header(&mut tar);
/// tar.extend(END);
/// let mut walker = Walker::new(StreamInput::new(&tar[..]));
/// assert_eq!(walker.next_entry()?.map(|entry| entry.path.clone()), Some(b"etc/".to_vec()));
/// # Ok::<(), imgkit::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct EntryOut<'a> {
    /// The path, without the `/` that a folder's name ends with; empty for the top, which is written `./`.
    pub path: &'a [u8],
    /// What it is. `Other` is written with its letter and contents.
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u16,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Owner's name; a hint.
    pub user_name: &'a [u8],
    /// Group's name; a hint.
    pub group_name: &'a [u8],
    /// Modification time.
    pub mtime: Mtime,
    /// Bytes of contents that follow the header; 0 for what has none.
    pub size: u64,
    /// Target of a link.
    pub link_target: &'a [u8],
    /// Major and minor number of a device.
    pub device: (u64, u64),
    /// Extended attributes; their order does not matter.
    pub xattrs: &'a [Xattr],
}

impl EntryOut<'_> {
    /// Appends the header, with a PAX header before it where it needs one: a whole number of blocks. `size` bytes of
    /// contents follow, filled up by [`padding`].
    pub fn header(&self, out: &mut Vec<u8>) {
        let mut path = self.path.to_vec();
        if path.is_empty() {
            path.push(b'.');
        }
        let mut type_flag = self.kind.letter();
        if type_flag == 0 {
            type_flag = b'0';
        }
        if self.kind == EntryKind::Directory {
            path.push(b'/');
        }
        let mut block = [0; BLOCK as usize];
        let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut record = |key: &str, value: Vec<u8>| records.push((key.into(), value));

        match split(&path) {
            Some((prefix, name)) => {
                put(&mut block, 0, name);
                put(&mut block, 345, prefix);
            }
            None => {
                // What readers without PAX make of it: as much of the end as fits.
                let start = path.len() - 100;
                put(&mut block, 0, path.get(start..).unwrap_or_default());
                record("path", path.clone());
            }
        }
        put(
            &mut block,
            157,
            self.link_target.get(..100).unwrap_or(self.link_target),
        );
        if self.link_target.len() > 100 {
            record("linkpath", self.link_target.to_vec());
        }
        octal(&mut block, 100, 8, u64::from(self.mode & 0o7777));
        for (key, at, width, value) in [
            ("uid", 108, 8, self.uid),
            ("gid", 116, 8, self.gid),
            ("size", 124, 12, self.size),
        ] {
            if !octal(&mut block, at, width, value) {
                record(key, value.to_string().into_bytes());
            }
        }
        let seconds = u64::try_from(self.mtime.seconds).unwrap_or_default();
        if !octal(&mut block, 136, 12, seconds) || self.mtime.seconds < 0 || self.mtime.nanos > 0 {
            // The earliest second of all has a number that no reader takes; a nanosecond later has one.
            let earliest = self.mtime.seconds == i64::MIN && self.mtime.nanos == 0;
            let mtime = Mtime {
                nanos: self.mtime.nanos.max(u32::from(earliest)),
                ..self.mtime
            };
            record("mtime", time(mtime).into_bytes());
        }
        for (key, at, value) in [
            ("uname", 265, self.user_name),
            ("gname", 297, self.group_name),
        ] {
            // The field is a text that a NUL ends.
            match value.len() < 32 {
                true => put(&mut block, at, value),
                false => record(key, value.to_vec()),
            }
        }
        for (key, at, value) in [
            ("SCHILY.devmajor", 329, self.device.0),
            ("SCHILY.devminor", 337, self.device.1),
        ] {
            if !octal(&mut block, at, 8, value) {
                record(key, value.to_string().into_bytes());
            }
        }
        for xattr in self.xattrs {
            let key = match xattr.name.starts_with(crate::layer::acl::PREFIX) {
                true => xattr.name.clone(),
                false => [b"SCHILY.xattr.", xattr.name.as_slice()].concat(),
            };
            records.push((key, xattr.value.clone()));
        }
        if !records.is_empty() {
            records.sort_unstable();
            let body: Vec<u8> = records
                .iter()
                .flat_map(|(key, value)| pax(key, value))
                .collect();
            let mut extension = [0; BLOCK as usize];
            put(&mut extension, 0, b"pax");
            octal(&mut extension, 100, 8, 0o644);
            for (at, width) in [(108, 8), (116, 8), (136, 12), (329, 8), (337, 8)] {
                octal(&mut extension, at, width, 0);
            }
            octal(&mut extension, 124, 12, body.len() as u64);
            finish(&mut extension, b'x');
            out.extend_from_slice(&extension);
            out.extend_from_slice(&body);
            out.resize(out.len() + padding(body.len() as u64), 0);
        }
        finish(&mut block, type_flag);
        out.extend_from_slice(&block);
    }
}

/// How many zeros follow contents of that size.
pub fn padding(size: u64) -> usize {
    // Less than a block.
    ((BLOCK - size % BLOCK) % BLOCK) as usize
}

/// A time as PAX and mtree write it: seconds since 1970 with as many digits behind the point as it needs.
pub fn time(time: Mtime) -> String {
    let (sign, whole, nanos) = match (time.seconds, time.nanos) {
        // Forward from the second before is back from the second after.
        (seconds @ ..=-1, nanos @ 1..) => {
            ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanos)
        }
        (seconds, nanos) => (
            if seconds < 0 { "-" } else { "" },
            seconds.unsigned_abs(),
            nanos,
        ),
    };
    let fraction = format!("{nanos:09}");
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

/// Where a name is cut so that both parts fit their fields; `None` if it cannot be.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= 100 {
        return Some((b"", path));
    }
    // The last slash that leaves a short enough prefix; a closing slash belongs to the name.
    let most = path.len().min(156).min(path.len() - 1);
    let slash = path.get(..most)?.iter().rposition(|&byte| byte == b'/')?;
    let (prefix, name) = (path.get(..slash)?, path.get(slash + 1..)?);
    (slash > 0 && name.len() <= 100).then_some((prefix, name))
}

fn put(block: &mut [u8; BLOCK as usize], at: usize, bytes: &[u8]) {
    if let Some(to) = block.get_mut(at..at + bytes.len()) {
        to.copy_from_slice(bytes);
    }
}

/// Writes digits and a NUL; whether the number fits. One that does not is written as 0.
fn octal(block: &mut [u8; BLOCK as usize], at: usize, width: usize, value: u64) -> bool {
    let digits = width - 1;
    let fits = value >> (3 * digits) == 0;
    let text = format!("{:0digits$o}\0", if fits { value } else { 0 });
    put(block, at, text.as_bytes());
    fits
}

fn finish(block: &mut [u8; BLOCK as usize], type_flag: u8) {
    block[156] = type_flag;
    put(block, 257, b"ustar\x0000");
    put(block, 148, b"        ");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    put(block, 148, format!("{sum:06o}\0 ").as_bytes());
}

/// A record, whose length counts its own digits.
fn pax(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut record = Vec::with_capacity(length);
    // Writing to memory does not fail.
    let _ = write!(record, "{length} ");
    record.extend_from_slice(key);
    record.push(b'=');
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Entry, StreamInput, Walker};
    use std::io::Read;

    fn read_back(entry: &EntryOut<'_>) -> Entry {
        let mut tar = Vec::new();
        entry.header(&mut tar);
        assert_eq!(tar.len() % 512, 0);
        tar.extend(vec![
            7;
            usize::try_from(entry.size.min(4096)).expect("small")
        ]);
        tar.extend(vec![0; padding(tar.len() as u64)]);
        tar.extend(END);
        let mut walker = Walker::new(StreamInput::new(&tar[..]));
        let found = walker
            .next_entry()
            .expect("a header")
            .expect("an entry")
            .clone();
        assert!(walker.anomalies().is_empty());
        // The second opinion, on what both can tell.
        let mut archive = tar::Archive::new(&tar[..]);
        let mut entries = archive.entries().expect("a tar");
        let mut theirs = entries.next().expect("an entry").expect("readable");
        assert_eq!(theirs.path_bytes(), found.path);
        assert_eq!(
            theirs.link_name_bytes().unwrap_or_default(),
            found.link_target
        );
        assert_eq!(
            theirs.header().mode().expect("a mode"),
            u32::from(found.metadata.mode)
        );
        if entry.size < 4096 {
            let mut contents = Vec::new();
            theirs.read_to_end(&mut contents).expect("contents");
            assert_eq!(contents.len() as u64, entry.size);
        }
        found
    }

    #[test]
    fn names_of_every_length_come_back() {
        for length in (1..420).chain([1000, 4095, 60_000]) {
            for part in [1, 7, 99, 100, 101, 155, 156, 255] {
                let mut path = Vec::new();
                while path.len() < length {
                    if path.len() % (part + 1) == part && path.len() + 1 < length {
                        path.push(b'/');
                    } else {
                        path.push(0x80 | (path.len() % 50) as u8);
                    }
                }
                let folder = EntryOut {
                    path: &path,
                    kind: EntryKind::Directory,
                    ..EntryOut::default()
                };
                assert_eq!(read_back(&folder).clean_path(), path);
                let link = EntryOut {
                    path: &path,
                    kind: EntryKind::Symlink,
                    link_target: &path,
                    ..EntryOut::default()
                };
                let found = read_back(&link);
                assert_eq!((found.path, found.link_target), (path.clone(), path));
            }
        }
    }

    #[test]
    fn numbers_of_every_size_come_back() {
        for value in [
            0,
            1,
            0o7777,
            0o777_7777,
            0o1000_0000,
            u64::from(u32::MAX),
            1 << 33,
            (1 << 33) - 1,
        ] {
            let entry = EntryOut {
                path: b"x",
                uid: value,
                gid: value,
                mode: 0o6755,
                ..EntryOut::default()
            };
            let found = read_back(&entry);
            assert_eq!(
                (found.metadata.uid, found.metadata.gid, found.metadata.mode),
                (value, value, 0o6755)
            );
        }
        let mut tar = Vec::new();
        EntryOut {
            path: b"x",
            size: 1 << 40,
            ..EntryOut::default()
        }
        .header(&mut tar);
        let mut walker = Walker::new(StreamInput::new(&tar[..]));
        let size = walker
            .next_entry()
            .expect("a header")
            .map(|entry| entry.size);
        assert_eq!(size, Some(1 << 40));
    }

    #[test]
    fn times_and_attributes_come_back() {
        for (seconds, nanos, text) in [
            (0, 0, "0"),
            (1, 500_000_000, "1.5"),
            (-1, 0, "-1"),
            (-1, 999_999_999, "-0.000000001"),
            (-2, 500_000_000, "-1.5"),
            (i64::MAX, 1, "9223372036854775807.000000001"),
            (i64::MIN, 900_000_000, "-9223372036854775807.1"),
        ] {
            let mtime = Mtime { seconds, nanos };
            assert_eq!(time(mtime), text);
            assert_eq!(
                read_back(&EntryOut {
                    path: b"x",
                    mtime,
                    ..EntryOut::default()
                })
                .metadata
                .mtime,
                mtime
            );
        }
        let earliest = |nanos| Mtime {
            seconds: i64::MIN,
            nanos,
        };
        let entry = EntryOut {
            path: b"x",
            mtime: earliest(0),
            ..EntryOut::default()
        };
        assert_eq!(read_back(&entry).metadata.mtime, earliest(1));
        let xattr = |name: &[u8], value: &[u8]| Xattr {
            name: name.into(),
            value: value.into(),
        };
        let (a, b) = (
            xattr(b"user.z", b"\0=\n"),
            xattr(b"security.capability", &[1; 20]),
        );
        let mut bytes = Vec::new();
        let mut other = Vec::new();
        EntryOut {
            path: b"x",
            xattrs: &[a.clone(), b.clone()],
            ..EntryOut::default()
        }
        .header(&mut bytes);
        EntryOut {
            path: b"x",
            xattrs: &[b.clone(), a.clone()],
            ..EntryOut::default()
        }
        .header(&mut other);
        assert_eq!(bytes, other);
        let found = read_back(&EntryOut {
            path: b"x",
            xattrs: &[a.clone(), b.clone()],
            ..EntryOut::default()
        });
        assert_eq!(found.metadata.xattrs, [b, a]);
        let names = vec![b'n'; 40];
        let found = read_back(&EntryOut {
            path: b"x",
            user_name: &names,
            group_name: b"g",
            ..EntryOut::default()
        });
        assert_eq!((found.user_name, found.group_name), (names, b"g".to_vec()));
    }
}
