//! Tars: what is walked, and what is written and walked again.

use std::io::{BufRead, Write};
use std::sync::Arc;

use imgkit::layer::{
    Entry, EntryKind, FileInput, LayerSummary, Mtime, StreamInput, TarInput, Walker, Xattr,
    clean_path,
};
use imgkit::write::entry::{END, EntryOut, padding};

use super::{Short, Taken};

/// The most that sparse files are read of.
const CONTENTS: u64 = 1 << 20;

/// All that a walk tells.
fn told<I: TarInput>(input: I) -> Vec<String> {
    let mut walker = Walker::new(input).max_entries(20_000);
    let mut told = Vec::new();
    let mut buf = [0; 1021];
    loop {
        match walker.next_entry() {
            Ok(Some(entry)) => {
                sane(entry);
                told.push(format!("{entry:?}"));
                // Every other one is skipped, as most readers do with all.
                if entry.stored_size < CONTENTS && told.len().is_multiple_of(2) {
                    let mut sum = 0;
                    loop {
                        match walker.read_data(&mut buf) {
                            Ok(0) => break,
                            Ok(n) => {
                                sum = buf[..n].iter().fold(sum, |sum: u64, byte| {
                                    sum.wrapping_mul(31) + u64::from(*byte)
                                })
                            }
                            Err(error) => {
                                told.push(error.to_string());
                                break;
                            }
                        }
                    }
                    told.push(sum.to_string());
                }
            }
            Ok(None) => break,
            Err(error) => {
                told.push(error.to_string());
                assert!(walker.next_entry().is_err(), "it goes on after an error");
                break;
            }
        }
    }
    told.push(format!("{:?}", walker.end()));
    if walker.end().is_some() {
        told.push(format!("{:?}", walker.check_tail()));
    }
    told.push(format!("{:?}", walker.anomalies()));
    told
}

/// What holds for every entry.
fn sane(entry: &Entry) {
    let clean = clean_path(&entry.path);
    assert_eq!(&*clean.path, entry.clean_path());
    assert_eq!(clean.absolute, entry.is_absolute());
    assert_eq!(clean.climbs, entry.climbs());
    let again = clean_path(&clean.path);
    assert_eq!(again.path, clean.path);
    assert!(!again.absolute);
    if let Some(segments) = &entry.sparse {
        let mut end = 0;
        let mut sum = 0;
        for segment in segments {
            assert!(segment.offset >= end, "segments overlap");
            end = segment.offset + segment.length;
            sum += segment.length;
        }
        assert!(end <= entry.size);
        assert_eq!(sum, entry.stored_size);
    } else if entry.has_contents() {
        assert_eq!(entry.size, entry.stored_size);
    }
}

/// The same from a stream, from short reads and from a file.
fn walked(tar: &[u8]) {
    let whole = told(StreamInput::new(tar));
    assert_eq!(
        whole,
        told(StreamInput::new(Short::new(tar))),
        "short reads"
    );
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(tar).expect("a file");
    let input = FileInput::new(
        Arc::new(imgkit::blob::Backing::File(file)),
        0,
        tar.len() as u64,
    );
    assert_eq!(whole, told(input), "a file");
    // The last step of a walk is the summary's; it must be able to make all of it.
    let mut walker = Walker::new(StreamInput::new(tar)).max_entries(20_000);
    let _ = LayerSummary::of(&mut walker);
}

/// Gives all headers their checksums, as far as they can be found by the size in the header alone.
pub fn mend(tar: &mut [u8]) {
    let mut at = 0;
    while let Some(block) = tar.get_mut(at..at + 512) {
        at += 512;
        if block.iter().all(|byte| *byte == 0) {
            continue;
        }
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = std::str::from_utf8(&block[124..135]).unwrap_or_default();
        let size = usize::from_str_radix(digits.trim(), 8).unwrap_or(0);
        at = at.saturating_add(size.next_multiple_of(512));
    }
}

/// A tar as it is, and with its checksums put right.
pub fn tar(data: &[u8]) {
    walked(data);
    let mut mended = data.to_vec();
    mend(&mut mended);
    if mended != data {
        walked(&mended);
    }
}

fn block(name: &[u8], kind: u8, size: usize, gnu: bool) -> [u8; 512] {
    let mut block = [0; 512];
    let name = &name[..name.len().min(100)];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[136..148].copy_from_slice(b"00000000001\0");
    block[156] = kind;
    block[257..265].copy_from_slice(if gnu { b"ustar  \0" } else { b"ustar\x0000" });
    block
}

/// Extension headers with any content in front of entries: PAX records, long names, sparse maps.
pub fn pax(data: &[u8]) {
    let mut taken = Taken(data);
    let mut tar = Vec::new();
    while !taken.0.is_empty() && tar.len() < 1 << 20 {
        let kind = taken.byte();
        let gnu = kind & 0x80 != 0;
        let kind = b"xgxLKxS0125xSx07"[usize::from(kind % 16)];
        let content = if taken.byte() == 0 {
            taken.part()
        } else {
            taken.until(0)
        };
        let mut block = block(b"name", kind, content.len(), gnu);
        if kind == b'S' {
            // The sparse map of old GNU headers, and whatever else stands there.
            let map = &content[..content.len().min(483 - 386)];
            block[386..386 + map.len()].copy_from_slice(map);
            block[257..265].copy_from_slice(b"ustar  \0");
        }
        tar.extend(block);
        tar.extend(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend([0; 1024]);
    mend(&mut tar);
    walked(&tar);
}

/// Entries written, and read again.
pub fn written(data: &[u8]) {
    let mut taken = Taken(data);
    let mut tar = Vec::new();
    let mut expected = Vec::new();
    while !taken.0.is_empty() && expected.len() < 1000 {
        const KINDS: [EntryKind; 7] = [
            EntryKind::File,
            EntryKind::HardLink,
            EntryKind::Symlink,
            EntryKind::CharDevice,
            EntryKind::BlockDevice,
            EntryKind::Directory,
            EntryKind::Fifo,
        ];
        let kind = KINDS[usize::from(taken.byte()) % KINDS.len()];
        // Names in an image have no NUL, and those that are written are clean.
        let clean = clean_path(taken.until(0));
        let (climbs, path) = (clean.climbs, clean.path.into_owned());
        let link_target = taken.until(0);
        // Markers have rules of their own, and are not written as entries.
        let is_marker = path
            .split(|byte| *byte == b'/')
            .any(|part| part.starts_with(b".wh."));
        if path.len() > 4096 || link_target.len() > 4096 || is_marker || climbs {
            continue;
        }
        let is_link = matches!(kind, EntryKind::HardLink | EntryKind::Symlink);
        let is_device = matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice);
        if (path.is_empty() && kind != EntryKind::Directory) || (is_link && link_target.is_empty())
        {
            continue;
        }
        let contents = if kind == EntryKind::File {
            taken.part()
        } else {
            &[]
        };
        // But for the earliest, which is written a nanosecond later.
        let seconds = (taken.number().cast_signed() >> (taken.byte() % 64)).max(-i64::MAX);
        let nanos = u32::try_from(taken.number() % 1_000_000_000).unwrap_or(0);
        let mut xattrs: Vec<Xattr> = Vec::new();
        for _ in 0..taken.byte() % 4 {
            let name = [b"user.", taken.until(0)].concat();
            let value = taken.part().to_vec();
            let readable = std::str::from_utf8(&name).is_ok() && !name.contains(&b'=');
            if readable
                && name.len() < 200
                && value.len() < 5000
                && xattrs.iter().all(|one| one.name != name)
            {
                xattrs.push(Xattr { name, value });
            }
        }
        let name = |taken: &mut Taken<'_>| {
            let name = String::from_utf8_lossy(taken.until(0)).into_owned();
            if name.len() > 200 {
                String::new()
            } else {
                name
            }
        };
        let names = [name(&mut taken), name(&mut taken)];
        let entry = EntryOut {
            path: &path,
            kind,
            mode: (taken.number() & 0o7777) as u16,
            uid: taken.number() >> 1,
            gid: taken.number() >> 1,
            user_name: names[0].as_bytes(),
            group_name: names[1].as_bytes(),
            mtime: Mtime { seconds, nanos },
            size: contents.len() as u64,
            link_target: if is_link { link_target } else { &[] },
            device: if is_device {
                (taken.number() & 0x1f_ffff, taken.number() & 0x1f_ffff)
            } else {
                (0, 0)
            },
            xattrs: &xattrs,
        };
        entry.header(&mut tar);
        tar.extend(contents);
        tar.resize(tar.len() + padding(contents.len() as u64), 0);
        let mut same = Entry::named(path.clone());
        same.kind = kind;
        same.metadata.mode = entry.mode;
        same.metadata.uid = entry.uid;
        same.metadata.gid = entry.gid;
        same.user_name = entry.user_name.to_vec();
        same.group_name = entry.group_name.to_vec();
        same.metadata.mtime = entry.mtime;
        same.size = entry.size;
        same.link_target = entry.link_target.to_vec();
        same.device = entry.device;
        same.metadata.xattrs.clone_from(&xattrs);
        expected.push(shown(&same));
    }
    tar.extend(END);
    assert!(tar.len().is_multiple_of(512));
    let read = read(&tar[..]);
    assert_eq!(read, expected);
}

fn read(tar: impl BufRead) -> Vec<String> {
    let mut walker = Walker::new(StreamInput::new(tar));
    let mut read = Vec::new();
    while let Some(entry) = walker.next_entry().expect("what was written") {
        read.push(shown(entry));
    }
    assert!(walker.anomalies().is_empty(), "{:?}", walker.anomalies());
    read
}

/// What an entry says, whatever the way it is written.
fn shown(entry: &Entry) -> String {
    let mut xattrs = entry.metadata.xattrs.clone();
    xattrs.sort_by(|a, b| a.name.cmp(&b.name));
    format!(
        "{:?} {:?} {:o} {}:{} {:?} {:?} {:?} {} {:?} {:?} {xattrs:?}",
        entry.kind,
        entry.clean_path(),
        entry.metadata.mode,
        entry.metadata.uid,
        entry.metadata.gid,
        entry.user_name,
        entry.group_name,
        entry.metadata.mtime,
        entry.size,
        entry.link_target,
        entry.device,
    )
}
