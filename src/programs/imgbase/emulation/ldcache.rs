//! `/etc/ld.so.cache`, as glibc's `ldconfig` (2.36) writes it, byte for byte.
//!
//! It lists the libraries in the directories of `/etc/ld.so.conf`, `/lib` and `/usr/lib` by the names under which programs
//! need them. The format is the "new format" of glibc's `elf/cache.c`: a header, entries in descending order of [`compare`],
//! strings with shared tails, and extensions (the generator, and the names of directories for certain processors).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::editor::TreeEditor;
use crate::base::rootfs::{Kind as NodeKind, Node, Rootfs};
use crate::elf::{Abi, Elf, Kind, Target, machine};
use crate::error::Result;
use crate::programs::imgbase::loader_config::{self, CONF};

/// An entry of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// Name under which programs need the library.
    name: Vec<u8>,
    /// Path of the library.
    path: Vec<u8>,
    flags: u32,
    /// Subdirectory of `glibc-hwcaps`.
    hwcaps: Option<Vec<u8>>,
}

/// Writes the cache, and links from needed names to libraries, where the tree has ldconfig or its configuration.
pub(super) fn make(editor: &mut TreeEditor<'_>) -> Result<()> {
    let program = program(&editor.base.rootfs)?;
    if program.is_none() && !editor.exists(CONF) {
        return Ok(());
    }
    let (machine, generator) = match program {
        Some((target, generator)) => (Some(target), generator),
        None => (None, None),
    };
    let found = scan(&editor.base.rootfs, machine.map(|target| target.machine))?;
    for note in &found.notes {
        editor.note(note);
    }
    for (path, target) in &found.links {
        editor.add(&String::from_utf8_lossy(path), Node::symlink(target))?;
    }
    let is_big_endian = machine.is_some_and(|target| target.is_big_endian);
    let generator = generator.unwrap_or_else(|| b"imgbase".to_vec());
    let bytes = cache(found.entries, &generator, is_big_endian);
    editor.write("etc/ld.so.cache", bytes)
}

/// Returns the machine of the tree's own ldconfig, and the generator name that it writes into caches.
fn program(rootfs: &Rootfs) -> Result<Option<(Target, Option<Vec<u8>>)>> {
    for path in ["usr/sbin/ldconfig", "sbin/ldconfig", "usr/bin/ldconfig"] {
        let resolved = rootfs.follow(path.as_bytes())?;
        let Some(contents) = rootfs.get(&resolved).and_then(|node| node.contents()) else {
            continue;
        };
        let Ok(Some(elf)) = Elf::read(contents.reader()?) else {
            continue;
        };
        let bytes = contents.bytes(super::editor::MAX_READ)?;
        let start = b"ldconfig (";
        let mut windows = bytes.windows(start.len());
        let name = windows.position(|window| window == start).and_then(|at| {
            let rest = &bytes[at..];
            let end = rest.iter().position(|byte| *byte == 0)?;
            (end < 256).then(|| rest[..end].to_vec())
        });
        return Ok(Some((elf.target, name)));
    }
    Ok(None)
}

/// Libraries of all directories.
#[derive(Debug, Default)]
struct Found {
    entries: Vec<Entry>,
    /// Links to make: path and target.
    links: Vec<(Vec<u8>, Vec<u8>)>,
    notes: Vec<String>,
}

/// Finds the libraries of a machine, by default that of the first library.
fn scan(rootfs: &Rootfs, machine: Option<u16>) -> Result<Found> {
    let mut machine = machine;
    let mut found = Found::default();
    let mut seen = BTreeSet::new();
    for directory in directories(rootfs)? {
        let Ok(resolved) = rootfs.follow(&directory) else {
            continue;
        };
        if rootfs.kind(&resolved) != Some(&NodeKind::Directory) || !seen.insert(resolved.clone()) {
            continue;
        }
        let mut scan = |written: &[u8], directory: &[u8], hwcaps: Option<&[u8]>| {
            scan_directory(rootfs, written, directory, hwcaps, &mut machine, &mut found)
        };
        scan(&directory, &resolved, None)?;
        let hwcaps = [resolved.as_slice(), b"/glibc-hwcaps"].concat();
        let children = rootfs.children(&hwcaps);
        for named in children.filter(|named| named.node.kind == NodeKind::Directory) {
            let name = &named.path[hwcaps.len() + 1..];
            let written = [directory.as_slice(), b"/glibc-hwcaps/", name].concat();
            scan(&written, named.path, Some(name))?;
        }
    }
    Ok(found)
}

/// Returns the directories as written: those of `ld.so.conf` and included files, then the built-in ones.
fn directories(rootfs: &Rootfs) -> Result<Vec<Vec<u8>>> {
    let mut directories = loader_config::directories(rootfs)?;
    directories.extend([b"/lib".to_vec(), b"/usr/lib".to_vec()]);
    Ok(directories)
}

/// A library in one directory.
struct Library {
    file: Vec<u8>,
    is_link: bool,
    flags: u32,
}

/// Adds the libraries of one directory, which entries name as `written`.
fn scan_directory(
    rootfs: &Rootfs,
    written: &[u8],
    directory: &[u8],
    hwcaps: Option<&[u8]>,
    machine: &mut Option<u16>,
    found: &mut Found,
) -> Result<()> {
    // Sorted by name. ldconfig uses the order of the file system, which only matters for ties.
    let mut libraries: BTreeMap<Vec<u8>, Library> = BTreeMap::new();
    for named in rootfs.children(directory) {
        let name = &named.path[directory.len() + 1..];
        let is_library = (name.starts_with(b"lib") || name.starts_with(b"ld-"))
            && name.windows(3).any(|three| three == b".so")
            && !name.ends_with(b"-gdb.py")
            && !name.ends_with(b".dpkg-new")
            && !name.ends_with(b".dpkg-tmp");
        if !is_library {
            continue;
        }
        let Ok(resolved) = rootfs.follow(named.path) else {
            continue;
        };
        let Some(contents) = rootfs.get(&resolved).and_then(|node| node.contents()) else {
            continue;
        };
        let elf = match Elf::read(contents.reader()?) {
            Ok(Some(elf)) if elf.kind == Kind::Shared && elf.is_dynamic => elf,
            Ok(_) => continue,
            Err(error) => {
                let path = String::from_utf8_lossy(named.path);
                found.notes.push(format!("/{path} is left out: {error}"));
                continue;
            }
        };
        let wanted = *machine.get_or_insert(elf.target.machine);
        let pair = [machine::I386, machine::X86_64];
        let fits = elf.target.machine == wanted
            || pair.contains(&wanted) && pair.contains(&elf.target.machine);
        if !fits {
            continue;
        }
        let mut is_link = matches!(named.node.kind, NodeKind::Symlink(_));
        let mut soname = elf.soname.clone().unwrap_or_else(|| name.to_vec());
        // A link with another name counts as a file, unless it is the one that compilers use.
        if is_link && name != soname && !(name.ends_with(b".so") && soname.starts_with(name)) {
            is_link = false;
        }
        if is_link {
            soname = name.to_vec();
        }
        let new = Library {
            file: name.to_vec(),
            is_link,
            flags: flags(&elf),
        };
        // A file has precedence over a link, then the higher version.
        let is_better = libraries.get(&soname).is_none_or(|known| {
            let by_kind = new.is_link.cmp(&known.is_link);
            by_kind.then_with(|| compare(&known.file, &new.file)) == Ordering::Less
        });
        if is_better {
            libraries.insert(soname, new);
        }
    }
    for (soname, library) in libraries {
        let file = if hwcaps.is_none() {
            &soname
        } else {
            &library.file
        };
        let path = [written, b"/", file].concat();
        if hwcaps.is_none() && !library.is_link && library.file != soname && !soname.contains(&b'/')
        {
            found
                .links
                .push(([directory, b"/", soname.as_slice()].concat(), library.file));
        }
        found.entries.push(Entry {
            name: soname,
            path,
            flags: library.flags,
            hwcaps: hwcaps.map(<[u8]>::to_vec),
        });
    }
    Ok(())
}

/// Returns the type of a library, by machine and ABI (`ldconfig.h`).
fn flags(elf: &Elf) -> u32 {
    const LIBC6: u32 = 3;
    let target = elf.target;
    let of_machine = match (target.machine, target.abi(), target.is_64) {
        (machine::X86_64, Abi::X32, _) => 0x0800,
        (machine::X86_64, ..) => 0x0300,
        (machine::SPARCV9, _, true) => 0x0100,
        (machine::IA64, ..) => 0x0200,
        (machine::S390, _, true) => 0x0400,
        (machine::PPC64, ..) => 0x0500,
        (machine::MIPS, Abi::N32, _) => 0x0600,
        (machine::MIPS, Abi::N64, _) => 0x0700,
        (machine::ARM, Abi::HardFloat, _) => 0x0900,
        (machine::AARCH64, ..) => 0x0a00,
        (machine::ARM, Abi::SoftFloat, _) => 0x0b00,
        (machine::RISCV, Abi::SoftFloat, _) => 0x0f00,
        (machine::RISCV, ..) => 0x1000,
        (machine::LOONGARCH, Abi::SoftFloat, _) => 0x1100,
        (machine::LOONGARCH, ..) => 0x1200,
        _ => 0,
    };
    if of_machine != 0 {
        return of_machine | LIBC6;
    }
    // Other machines: by the needed libraries.
    let libc = |name: &Vec<u8>| matches!(name.as_slice(), b"libc.so.6" | b"libm.so.6");
    let known = elf.needed.iter().any(libc)
        || elf.soname.as_ref().is_some_and(libc)
        || elf.libc().is_some();
    if known { LIBC6 } else { 1 }
}

/// Compares library names in glibc's order (`_dl_cache_libcmp`): digits as numbers, and after every other byte.
pub(super) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let number = |bytes: &[u8], at: &mut usize| {
        // Wraps like a C int.
        let mut value = 0_i32;
        while let Some(digit) = bytes.get(*at).filter(|byte| byte.is_ascii_digit()) {
            value = value.wrapping_mul(10).wrapping_add(i32::from(digit - b'0'));
            *at += 1;
        }
        value
    };
    let (mut i, mut j) = (0, 0);
    while let Some(&x) = a.get(i) {
        let y = b.get(j).copied().unwrap_or(0);
        match (x.is_ascii_digit(), y.is_ascii_digit()) {
            (true, true) => {
                let order = number(a, &mut i).cmp(&number(b, &mut j));
                if order != Ordering::Equal {
                    return order;
                }
            }
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            // Bytes are signed in glibc.
            (false, false) if x != y => return x.cast_signed().cmp(&y.cast_signed()),
            (false, false) => (i, j) = (i + 1, j + 1),
        }
    }
    match b.get(j) {
        Some(_) => Ordering::Less,
        None => Ordering::Equal,
    }
}

/// Compares entries; equal ones stay in the order of the directories.
fn before(a: &Entry, b: &Entry) -> Ordering {
    let by_hwcaps = match (&a.hwcaps, &b.hwcaps) {
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (a, b) => a.cmp(b),
    };
    compare(&b.name, &a.name)
        .then(b.flags.cmp(&a.flags))
        .then(by_hwcaps)
}

/// Writes a cache.
fn cache(mut entries: Vec<Entry>, generator: &[u8], is_big_endian: bool) -> Vec<u8> {
    const HEADER: usize = 48;
    const ENTRY: usize = 24;
    const EXTENSION: u64 = 1 << 62;
    entries.sort_by(before);
    let hwcaps: BTreeSet<&[u8]> = entries
        .iter()
        .filter_map(|entry| entry.hwcaps.as_deref())
        .collect();
    let mut strings: BTreeSet<&[u8]> = hwcaps.clone();
    for entry in &entries {
        strings.extend([entry.name.as_slice(), &entry.path]);
    }
    let start = HEADER + ENTRY * entries.len();
    let (table, offsets) = shared_tails(&strings, start);

    let u32_of = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let u32s = |value: u32| match is_big_endian {
        true => value.to_be_bytes(),
        false => value.to_le_bytes(),
    };
    let number = |value: usize| u32s(u32_of(value));
    let end = start + table.len();
    let extensions = end.next_multiple_of(4);
    let mut bytes = b"glibc-ld.so.cache1.1".to_vec();
    bytes.extend(number(entries.len()));
    bytes.extend(number(table.len()));
    bytes.extend([if is_big_endian { 3 } else { 2 }, 0, 0, 0]);
    bytes.extend(number(extensions));
    bytes.extend([0; 12]);
    for entry in &entries {
        bytes.extend(u32s(entry.flags));
        bytes.extend(number(offsets[entry.name.as_slice()]));
        bytes.extend(number(offsets[entry.path.as_slice()]));
        bytes.extend(u32s(0));
        let index = entry
            .hwcaps
            .as_deref()
            .and_then(|name| hwcaps.iter().position(|known| *known == name));
        let hwcap = index.map_or(0, |index| EXTENSION | index as u64);
        bytes.extend(match is_big_endian {
            true => hwcap.to_be_bytes(),
            false => hwcap.to_le_bytes(),
        });
    }
    bytes.extend(&table);
    bytes.resize(extensions, 0);
    // Sections: the generator and, if there are any, the names of hwcaps directories.
    let count = 1 + usize::from(!hwcaps.is_empty());
    let names = extensions + 8 + 16 * count;
    let writer = names + 4 * hwcaps.len();
    bytes.extend(u32s(0xeaa4_2174));
    bytes.extend(number(count));
    for (tag, offset, size) in [(0, writer, generator.len()), (1, names, 4 * hwcaps.len())]
        .iter()
        .take(count)
    {
        bytes.extend([u32s(*tag), u32s(0), number(*offset), number(*size)].concat());
    }
    for name in &hwcaps {
        bytes.extend(number(offsets[name]));
    }
    bytes.extend(generator);
    bytes
}

/// Returns a table of zero-terminated strings, where a string may be the tail of another one, and the offset of each.
fn shared_tails<'s>(
    strings: &BTreeSet<&'s [u8]>,
    start: usize,
) -> (Vec<u8>, BTreeMap<&'s [u8], usize>) {
    let mut sorted: Vec<&[u8]> = strings.iter().copied().collect();
    // Compared from the end, in descending order, the longer of two first.
    sorted.sort_by(|a, b| {
        let ends = a.iter().rev().zip(b.iter().rev());
        let mut orders = ends.map(|(x, y)| y.cmp(x));
        let order = orders.find(|order| *order != Ordering::Equal);
        order.unwrap_or_else(|| b.len().cmp(&a.len()))
    });
    let mut table: Vec<u8> = Vec::new();
    let mut offsets = BTreeMap::new();
    let mut last: Option<(&[u8], usize)> = None;
    for string in sorted {
        let shared = last.filter(|(before, _)| before.ends_with(string));
        let at = match shared {
            Some((before, at)) => at + before.len() - string.len(),
            None => {
                let at = start + table.len();
                table.extend(string);
                table.push(0);
                at
            }
        };
        offsets.insert(string, at);
        last = Some((string, at));
    }
    (table, offsets)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Reads testdata/elf/tree.tar, for which ldconfig wrote the expected cache.
    fn tree() -> Rootfs {
        let tar = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/elf/tree.tar");
        let mut archive = tar::Archive::new(std::fs::File::open(tar).expect("a tar"));
        let mut rootfs = Rootfs::default();
        for entry in archive.entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            let path = entry.path_bytes().into_owned();
            let link = entry.link_name_bytes().map(|link| link.into_owned());
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("bytes");
            let node = match entry.header().entry_type() {
                tar::EntryType::Directory => Node::directory(0o755),
                tar::EntryType::Symlink => Node::symlink(link.expect("a link")),
                _ => Node::file(0o755, bytes),
            };
            rootfs.put(&path, node).expect("a node");
        }
        rootfs
    }

    #[test]
    fn the_cache_equals_that_of_ldconfig() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/elf/ld.so.cache");
        let expected = std::fs::read(file).expect("a cache");
        let at = expected
            .windows(10)
            .position(|ten| ten == b"ldconfig (")
            .expect("a generator");
        let found = scan(&tree(), Some(machine::X86_64)).expect("libraries");
        assert!(cache(found.entries, &expected[at..], false) == expected);
    }

    #[test]
    fn names_are_in_the_order_of_glibc() {
        let mut names = vec![
            "libn.so.9",
            "libn.so.10",
            "liba10.so",
            "liba.so",
            "liba9.so",
            "liba+.so",
            "lib",
        ];
        names.sort_by(|a, b| compare(a.as_bytes(), b.as_bytes()));
        assert_eq!(
            names,
            [
                "lib",
                "liba+.so",
                "liba.so",
                "liba9.so",
                "liba10.so",
                "libn.so.9",
                "libn.so.10"
            ]
        );
        assert_eq!(compare(b"libn.so.09", b"libn.so.9"), Ordering::Equal);
    }

    #[test]
    fn numbers_are_big_endian_for_a_big_endian_machine() {
        let entry = Entry {
            name: b"libc.so.6".to_vec(),
            path: b"/lib/libc.so.6".to_vec(),
            flags: 0x403,
            hwcaps: None,
        };
        let bytes = cache(vec![entry], b"x", true);
        assert_eq!(&bytes[20..32], [0, 0, 0, 1, 0, 0, 0, 15, 3, 0, 0, 0]);
        assert_eq!(&bytes[48..60], [0, 0, 4, 3, 0, 0, 0, 77, 0, 0, 0, 72]);
    }
}
