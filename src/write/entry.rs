//! Tar headers of any entry, with the same bytes on every host.
//!
//! Headers are ustar. A PAX header precedes one that cannot hold its entry (long names, large numbers, fractions of
//! seconds, times before 1970, extended attributes); it has a fixed name, and its records are sorted (FORMATS of docker
//! load, GNU tar, Go and Python agree on all of it). Nothing comes from the clock or the host.

pub use super::ustar::{BLOCK, END, padding};
use super::ustar::{Block, HeaderStyle, longest_prefix, split_path};
use crate::layer::{EntryKind, Mtime, Xattr, acl};

/// An entry to write, without its contents.
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
    /// Path, without the `/` at the end of a directory's name; empty for the root, which is written as `./`.
    pub path: &'a [u8],
    /// Kind of the entry. `Other` is written with its type flag and contents.
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u16,
    /// User ID of the owner.
    pub uid: u64,
    /// Group ID.
    pub gid: u64,
    /// Name of the owner, a hint.
    pub user_name: &'a [u8],
    /// Name of the group, a hint.
    pub group_name: &'a [u8],
    /// Modification time.
    pub mtime: Mtime,
    /// Size in bytes of the contents that follow the header; 0 for entries without contents.
    pub size: u64,
    /// Target of a link.
    pub link_target: &'a [u8],
    /// Major and minor number of a device.
    pub device: (u64, u64),
    /// Extended attributes, in any order.
    pub xattrs: &'a [Xattr],
}

/// PAX records of an entry: keys and values.
type Records = Vec<(Vec<u8>, Vec<u8>)>;

impl EntryOut<'_> {
    /// Appends the header, with a PAX header before it where it needs one: a whole number of blocks. `size` bytes of
    /// contents follow, then [`padding`].
    pub fn header(&self, out: &mut Vec<u8>) {
        self.header_with(HeaderStyle::Layer, out);
    }

    /// Appends the header in a style.
    pub(super) fn header_with(&self, style: HeaderStyle, out: &mut Vec<u8>) {
        let (mut block, mut records) = (Block::default(), Records::new());
        self.put_names(style, &mut block, &mut records);
        self.put_numbers(&mut block, &mut records);
        self.put_mtime(&mut block, &mut records);
        for xattr in self.xattrs {
            let key = match xattr.name.starts_with(acl::PREFIX) {
                true => xattr.name.clone(),
                false => [b"SCHILY.xattr.", xattr.name.as_slice()].concat(),
            };
            records.push((key, xattr.value.clone()));
        }
        if !records.is_empty() {
            records.sort_unstable();
            let body: Vec<u8> = records
                .iter()
                .flat_map(|(key, value)| pax_record(key, value))
                .collect();
            extension(&body, style, out);
        }
        out.extend_from_slice(&block.finish(self.type_flag(), style));
    }

    fn type_flag(&self) -> u8 {
        match self.kind.letter() {
            0 => b'0',
            letter => letter,
        }
    }

    /// Path, link target, and names of owner and group.
    fn put_names(&self, style: HeaderStyle, block: &mut Block, records: &mut Records) {
        let mut path = self.path.to_vec();
        if path.is_empty() {
            path.push(b'.');
        }
        if self.kind == EntryKind::Directory {
            path.push(b'/');
        }
        match split_path(&path) {
            Some((prefix, name)) => {
                block.put(0, name);
                block.put(345, prefix);
            }
            None => {
                // Readers without PAX see as much of the end as fits.
                block.put(0, path.get(path.len() - 100..).unwrap_or_default());
                if style == HeaderStyle::ImageArchive {
                    block.put(345, longest_prefix(&path).unwrap_or_default());
                }
                records.push((b"path".into(), path));
            }
        }
        let target = self.link_target;
        block.put(157, target.get(..100).unwrap_or(target));
        if target.len() > 100 {
            records.push((b"linkpath".into(), target.to_vec()));
        }
        for (key, at, value) in [
            ("uname", 265, self.user_name),
            ("gname", 297, self.group_name),
        ] {
            // The field ends with a NUL.
            match value.len() < 32 {
                true => block.put(at, value),
                false => records.push((key.into(), value.to_vec())),
            }
        }
    }

    /// Mode, owner, size and device.
    fn put_numbers(&self, block: &mut Block, records: &mut Records) {
        block.put_octal(100, 8, u64::from(self.mode & 0o7777));
        for (key, at, width, value) in [
            ("uid", 108, 8, self.uid),
            ("gid", 116, 8, self.gid),
            ("size", 124, 12, self.size),
            ("SCHILY.devmajor", 329, 8, self.device.0),
            ("SCHILY.devminor", 337, 8, self.device.1),
        ] {
            if !block.put_octal(at, width, value) {
                records.push((key.into(), value.to_string().into_bytes()));
            }
        }
    }

    fn put_mtime(&self, block: &mut Block, records: &mut Records) {
        let Mtime { seconds, nanos } = self.mtime;
        let fits = block.put_octal(136, 12, u64::try_from(seconds).unwrap_or_default());
        if !fits || seconds < 0 || nanos > 0 {
            // Readers refuse the number of the earliest second, but not that of a nanosecond later.
            let is_earliest = seconds == i64::MIN && nanos == 0;
            let nanos = nanos.max(u32::from(is_earliest));
            let text = time(Mtime { seconds, nanos });
            records.push((b"mtime".into(), text.into_bytes()));
        }
    }
}

/// Appends a PAX header with its records.
fn extension(body: &[u8], style: HeaderStyle, out: &mut Vec<u8>) {
    let mut block = Block::default();
    block.put(0, b"pax");
    block.put_octal(100, 8, 0o644);
    for (at, width) in [(108, 8), (116, 8), (136, 12), (329, 8), (337, 8)] {
        block.put_octal(at, width, 0);
    }
    block.put_octal(124, 12, body.len() as u64);
    out.extend_from_slice(&block.finish(b'x', style));
    out.extend_from_slice(body);
    out.resize(out.len() + padding(body.len() as u64), 0);
}

/// A PAX record, whose length counts its own digits.
fn pax_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// Formats a time as PAX and mtree do: seconds since 1970, with as many decimal places as it needs.
pub fn time(time: Mtime) -> String {
    let (sign, whole, nanos) = match (time.seconds, time.nanos) {
        // Nanoseconds count forward from the second before, the text counts back from the second after.
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
        // The tar crate reads the same, as far as it can.
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
    fn names_of_any_length_are_read_back() {
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
                let directory = EntryOut {
                    path: &path,
                    kind: EntryKind::Directory,
                    ..EntryOut::default()
                };
                assert_eq!(read_back(&directory).clean_path(), path);
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
    fn numbers_of_any_size_are_read_back() {
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
    fn times_and_attributes_are_read_back() {
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
