//! A listing as bytes, for a cache.
//!
//! Numbers have a fixed width, the lowest byte first; byte strings follow their length. Invalid bytes cannot make a
//! reader panic, loop or allocate more than their own size, but they are not detected in general: the cache has to
//! return listings unchanged.

use strum::VariantArray;

use super::{Listing, Owner, Record};
use crate::layer::{Anomalies, Anomaly, AnomalyKind, EntryKind};

/// Size in bytes of a record.
const RECORD: usize = 47;

impl Listing {
    /// The listing as bytes.
    pub(crate) fn freeze(&self) -> Vec<u8> {
        let most = self.records.len() * (RECORD + 32) + self.text.len() + self.extras.len();
        let mut out = Vec::with_capacity(most + 4096);
        put(&mut out, self.records.len() as u64);
        for record in &self.records {
            out.extend_from_slice(&record.data.to_le_bytes());
            out.extend_from_slice(&record.size.to_le_bytes());
            out.extend_from_slice(&record.seconds.to_le_bytes());
            out.extend_from_slice(&record.nanos.to_le_bytes());
            out.extend_from_slice(&record.text.to_le_bytes());
            out.extend_from_slice(&record.owner.to_le_bytes());
            out.extend_from_slice(&record.extra.to_le_bytes());
            out.extend_from_slice(&record.mode.to_le_bytes());
            out.extend_from_slice(&record.shared.to_le_bytes());
            let (kind, letter) = kind(record.kind);
            out.extend_from_slice(&[kind, letter, u8::from(record.climbs)]);
        }
        for bytes in [&self.text, &self.extras] {
            put_bytes(&mut out, bytes);
        }
        put(&mut out, self.owners.len() as u64);
        for owner in &self.owners {
            put(&mut out, owner.uid);
            put(&mut out, owner.gid);
            put_bytes(&mut out, &owner.user_name);
            put_bytes(&mut out, &owner.group_name);
        }
        put(&mut out, self.digests.len() as u64);
        for digest in &self.digests {
            out.extend_from_slice(digest);
        }
        let (kept, counts) = self.anomalies.parts();
        put(&mut out, kept.len() as u64);
        for anomaly in kept {
            put(&mut out, anomaly.kind as u64);
            put(&mut out, anomaly.header_offset);
            put(&mut out, u64::from(anomaly.path.is_some()));
            put_bytes(&mut out, anomaly.path.as_deref().unwrap_or_default());
        }
        put(&mut out, counts.len() as u64);
        for &count in counts {
            put(&mut out, count);
        }
        out
    }

    /// Reads a listing that [`Listing::freeze`] wrote, with or without the digests of contents.
    pub(crate) fn thaw(mut bytes: &[u8], with_digests: bool) -> Option<Self> {
        let from = &mut bytes;
        let count = take_count(from, RECORD)?;
        let (records, rest) = from.split_at_checked(count.checked_mul(RECORD)?)?;
        *from = rest;
        let records = records.chunks_exact(RECORD).map(thaw_record);
        let records: Vec<Record> = records.collect::<Option<_>>()?;
        let text = take_bytes(from)?.to_vec();
        let extras = take_bytes(from)?.to_vec();
        let mut owners = Vec::new();
        for _ in 0..take_count(from, 32)? {
            owners.push(Owner {
                uid: take(from)?,
                gid: take(from)?,
                user_name: take_bytes(from)?.into(),
                group_name: take_bytes(from)?.into(),
            });
        }
        let count = take_count(from, 32)?;
        let (digests, rest) = from.split_at_checked(count.checked_mul(32)?)?;
        *from = rest;
        let anomalies = thaw_anomalies(from)?;
        if !from.is_empty() || count != records.len() {
            return None;
        }
        let digests = match with_digests {
            true => digests.as_chunks().0.to_vec(),
            false => Vec::new(),
        };
        Some(Listing {
            records,
            text,
            extras,
            owners,
            digests,
            anomalies,
            ..Listing::default()
        })
    }
}

fn thaw_anomalies(from: &mut &[u8]) -> Option<Anomalies> {
    let mut kept = Vec::new();
    for _ in 0..take_count(from, 32)? {
        let kind = usize::try_from(take(from)?).ok()?;
        kept.push(Anomaly {
            kind: *AnomalyKind::VARIANTS.get(kind)?,
            header_offset: take(from)?,
            path: {
                let is_some = take(from)? != 0;
                let path = take_bytes(from)?.to_vec();
                is_some.then_some(path)
            },
        });
    }
    let counts: Option<Vec<u64>> = (0..take_count(from, 8)?).map(|_| take(from)).collect();
    Anomalies::from_parts(kept, &counts?)
}

fn thaw_record(mut bytes: &[u8]) -> Option<Record> {
    let from = &mut bytes;
    Some(Record {
        data: u64::from_le_bytes(array(from)?),
        size: u64::from_le_bytes(array(from)?),
        seconds: i64::from_le_bytes(array(from)?),
        nanos: u32::from_le_bytes(array(from)?),
        text: u32::from_le_bytes(array(from)?),
        owner: u32::from_le_bytes(array(from)?),
        extra: u32::from_le_bytes(array(from)?),
        mode: u16::from_le_bytes(array(from)?),
        shared: u16::from_le_bytes(array(from)?),
        kind: {
            let [kind, letter] = array(from)?;
            thaw_kind(kind, letter)?
        },
        climbs: array::<1>(from)? != [0],
    })
}

fn kind(kind: EntryKind) -> (u8, u8) {
    match kind {
        EntryKind::File => (0, 0),
        EntryKind::HardLink => (1, 0),
        EntryKind::Symlink => (2, 0),
        EntryKind::CharDevice => (3, 0),
        EntryKind::BlockDevice => (4, 0),
        EntryKind::Directory => (5, 0),
        EntryKind::Fifo => (6, 0),
        EntryKind::Other(letter) => (7, letter),
    }
}

fn thaw_kind(kind: u8, letter: u8) -> Option<EntryKind> {
    Some(match kind {
        0 => EntryKind::File,
        1 => EntryKind::HardLink,
        2 => EntryKind::Symlink,
        3 => EntryKind::CharDevice,
        4 => EntryKind::BlockDevice,
        5 => EntryKind::Directory,
        6 => EntryKind::Fifo,
        7 => EntryKind::Other(letter),
        _ => return None,
    })
}

fn put(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn array<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*array)
}

fn take(from: &mut &[u8]) -> Option<u64> {
    array(from).map(u64::from_le_bytes)
}

/// A number of items of at least `size` bytes each, all of which must be present.
fn take_count(from: &mut &[u8], size: usize) -> Option<usize> {
    let count = usize::try_from(take(from)?).ok()?;
    (count.checked_mul(size)? <= from.len()).then_some(count)
}

fn take_bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_count(from, 1)?;
    let (bytes, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::layer::testing::{Head, Tar};
    use crate::layer::{Entry, Mtime, OtherTimes, Segment, StreamInput, Walker};
    use crate::tree::positions::EntryIdx;

    fn listing() -> Listing {
        let records = [
            ("mtime", &b"-3.5"[..]),
            ("atime", b"7.25"),
            ("ctime", b"-1"),
            ("LIBARCHIVE.creationtime", b"3"),
            ("SCHILY.xattr.user.a", b"\0\xff\x07"),
        ];
        let tar = Tar::default()
            .entry(b'5', "/etc/", b"")
            .pax(&records)
            .head(Head::new("etc/passwd", b'0', 5).put(265, b"root\0"))
            .data(b"root\n")
            .link(b'2', "etc/link", "passwd")
            .end();
        let mut walker = Walker::new(StreamInput::new(&tar[..]));
        Listing::of(&mut walker, true).expect("a listing")
    }

    fn shown(listing: &Listing) -> Vec<String> {
        let mut all = Vec::new();
        let each: Result<()> = listing.each(|at, record, path| {
            let (owner, digest) = (listing.owner(record), listing.digest(at));
            let extra = listing.extra(record);
            all.push(format!(
                "{path:?} {record:?} {owner:?} {digest:?} {extra:?}"
            ));
            Ok(())
        });
        each.expect("shown");
        all.push(format!("{:?}", listing.anomalies()));
        all
    }

    #[test]
    fn frozen_listings_are_read_back() {
        let listing = listing();
        let frozen = listing.freeze();
        let thawed = Listing::thaw(&frozen, true).expect("thawed");
        assert_eq!(shown(&thawed), shown(&listing));
        assert_eq!(thawed.freeze(), frozen);
        assert_eq!(listing.len(), 3);
        assert_eq!(thawed.anomalies().count(AnomalyKind::AbsolutePath), 1);
        let time = |seconds, nanos| Some(Mtime { seconds, nanos });
        let second = EntryIdx::from(1);
        let times = thawed.extra(thawed.record(second).expect("a record")).times;
        let expected = OtherTimes {
            access: time(7, 250_000_000),
            change: time(-1, 0),
            birth: time(3, 0),
        };
        assert_eq!(times, expected);
        let bare = Listing::thaw(&frozen, false).expect("thawed");
        assert_eq!(bare.digest(second), None);
        assert!(listing.digest(second).is_some());
    }

    #[test]
    fn extras_of_sparse_files_and_devices_are_read_back() {
        let mut sparse = Entry::named(b"sparse".to_vec());
        sparse.size = 1 << 40;
        sparse.sparse = Some(vec![Segment {
            offset: 512,
            length: 9,
        }]);
        let mut device = Entry::named(b"dev/x".to_vec());
        device.kind = EntryKind::CharDevice;
        device.device = (10, 200);
        let listing = Listing::of_entries([Ok(sparse), Ok(device)]).expect("a listing");
        let mut listing = listing;
        listing.digests = vec![[0; 32]; 2];
        let thawed = Listing::thaw(&listing.freeze(), true).expect("thawed");
        assert_eq!(shown(&thawed), shown(&listing));
    }

    #[test]
    fn headers_are_where_the_tar_has_them() {
        let tar = Tar::default()
            .pax(&[("path", b"a")])
            .entry(b'0', "x", &[7; 700])
            .entry(b'V', "label", b"text")
            .entry(
                b'g',
                "global",
                &crate::layer::testing::record("comment", b"-"),
            )
            .pax(&[("path", b"b")])
            .link(b'1', "b", "a")
            .file("c", b"c")
            .end();
        let mut walker = Walker::new(StreamInput::new(&tar[..]));
        let mut expected = Vec::new();
        while let Some(entry) = walker.next_entry().expect("a tar") {
            expected.push(entry.header_offset);
        }
        let mut walker = Walker::new(StreamInput::new(&tar[..]));
        let listing = Listing::of(&mut walker, false).expect("a listing");
        let headers = |at: usize| listing.headers(EntryIdx::from(at)).expect("an entry");
        let found: Vec<_> = (0..listing.len()).map(headers).collect();
        let own: Vec<u64> = found.iter().map(|(_, header)| *header).collect();
        assert_eq!(own, expected);
        let first: Vec<u64> = found.iter().map(|(first, _)| *first).collect();
        assert_eq!(first, [0, 1024 + 512 + 1024, 3584, 6144]);
    }

    #[test]
    fn damaged_bytes_do_no_harm() {
        let frozen = listing().freeze();
        for end in 0..frozen.len() {
            assert!(
                Listing::thaw(&frozen[..end], true).is_none(),
                "cut at {end}"
            );
        }
        for at in 0..frozen.len() {
            for bit in [0x01, 0x80] {
                let mut changed = frozen.clone();
                changed[at] ^= bit;
                if let Some(listing) = Listing::thaw(&changed, true) {
                    shown(&listing);
                    let _ = crate::tree::Tree::apply(vec![std::sync::Arc::new(listing)]);
                }
            }
        }
    }
}
