//! The header, the program headers, and what they point to.

use std::io::{self, Read, Seek, SeekFrom};

use object::elf as is;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, Sym};
use object::read::{ReadCache, ReadCacheOps, ReadRef, StringTable};

use super::{Elf, Kind, MAX_NEEDED, MAX_READ, Target};
use crate::error::{Error, Fault, Result};

/// The most entries of a dynamic section and of a symbol table.
const MAX_ENTRIES: u64 = 1 << 20;

pub(super) fn read(mut from: impl Read + Seek) -> Result<Option<Elf>> {
    let mut ident = [0; 16];
    let mut filled = 0;
    while filled < ident.len() {
        match from.read(&mut ident[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", error)),
        }
    }
    if !ident.starts_with(&is::ELFMAG) {
        return Ok(None);
    }
    let cache = ReadCache::new(Watched { from, failed: None });
    let read = match ident[4] {
        1 => facts::<is::FileHeader32<object::Endianness>, _>(Capped(&cache)),
        2 => facts::<is::FileHeader64<object::Endianness>, _>(Capped(&cache)),
        _ => Err("neither of 32 nor of 64 bits"),
    };
    match (read, cache.into_inner().failed) {
        (_, Some(error)) => Err(Error::io("read", error)),
        (Ok(elf), None) => Ok(Some(elf)),
        (Err(why), None) => Err(Fault::Elf { why }.into()),
    }
}

/// Keeps the system's answer, which the reader of ELF files does not pass on.
struct Watched<R> {
    from: R,
    failed: Option<io::Error>,
}

impl<R> Watched<R> {
    fn keep<T>(&mut self, result: io::Result<T>) -> Result<T, ()> {
        result.map_err(|error| {
            // The end of the file is the file's fault, not the system's.
            if error.kind() != io::ErrorKind::UnexpectedEof {
                self.failed.get_or_insert(error);
            }
        })
    }
}

impl<R: Read + Seek> ReadCacheOps for Watched<R> {
    fn len(&mut self) -> Result<u64, ()> {
        let len = self.from.seek(SeekFrom::End(0));
        self.keep(len)
    }

    fn seek(&mut self, pos: u64) -> Result<u64, ()> {
        let at = self.from.seek(SeekFrom::Start(pos));
        self.keep(at)
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ()> {
        let read = self.from.read(buf);
        self.keep(read)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> Result<(), ()> {
        let read = self.from.read_exact(buf);
        self.keep(read)
    }
}

/// Refuses to read much at once: memory for it would be taken before the first byte is there.
struct Capped<'a, R: ReadCacheOps>(&'a ReadCache<R>);

impl<R: ReadCacheOps> Clone for Capped<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: ReadCacheOps> Copy for Capped<'_, R> {}

impl<'a, R: ReadCacheOps> ReadRef<'a> for Capped<'a, R> {
    fn len(self) -> Result<u64, ()> {
        self.0.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        match size <= MAX_READ {
            true => self.0.read_bytes_at(offset, size),
            false => Err(()),
        }
    }

    fn read_bytes_at_until(self, range: std::ops::Range<u64>, end: u8) -> Result<&'a [u8], ()> {
        self.0.read_bytes_at_until(range, end)
    }
}

/// What the dynamic section says, before addresses are looked up.
#[derive(Default)]
struct Dynamic {
    strings: Option<u64>,
    strings_size: u64,
    symbols: Option<u64>,
    soname: Option<u32>,
    needed: Vec<u32>,
    rpath: Option<u32>,
    runpath: Option<u32>,
}

fn facts<'d, H, D>(data: D) -> Result<Elf, &'static str>
where
    H: FileHeader<Endian = object::Endianness>,
    D: ReadRef<'d>,
{
    let header = H::parse(data).map_err(|_| "its header is damaged")?;
    let endian = header.endian().map_err(|_| "of no known byte order")?;
    let segments = header.program_headers(endian, data);
    let segments = segments.map_err(|_| "its program headers are damaged")?;
    let mut elf = Elf {
        target: Target {
            is_64: header.is_type_64(),
            is_big_endian: header.is_big_endian(),
            machine: header.e_machine(endian).0,
            flags: header.e_flags(endian).0,
        },
        kind: match header.e_type(endian) {
            is::ET_EXEC => Kind::Program,
            is::ET_DYN => Kind::Shared,
            _ => Kind::Other,
        },
        ..Elf::default()
    };
    let mut dynamic = None;
    for segment in segments {
        match segment.p_type(endian) {
            is::PT_INTERP => {
                let path = segment.interpreter(endian, data);
                let path = path.map_err(|_| "the interpreter's name is damaged")?;
                if path.is_some_and(|path| path.len() > 4096) {
                    return Err("the interpreter's name is too long");
                }
                elf.interpreter = path.map(<[u8]>::to_vec);
            }
            is::PT_DYNAMIC => {
                if segment.p_filesz(endian).into() / 8 > MAX_ENTRIES {
                    return Err("its dynamic section is too large");
                }
                let entries = segment.dynamic(endian, data);
                let entries = entries.map_err(|_| "its dynamic section is damaged")?;
                dynamic = entries.map(|entries| gather(entries, endian)).transpose()?;
            }
            is::PT_NOTE if elf.abi.is_none() => {
                // Notes are for those who want them: damage there keeps nobody from loading the file.
                if let Ok(Some(mut notes)) = segment.notes(endian, data) {
                    while let Ok(Some(note)) = notes.next() {
                        if note.name() == b"GNU" && note.n_type(endian) == is::NT_GNU_ABI_TAG {
                            elf.abi = words(note.desc(), header.is_big_endian());
                        }
                    }
                }
            }
            _ => {}
        }
    }
    let Some(dynamic) = dynamic else {
        return Ok(elf);
    };
    elf.is_dynamic = true;
    // Where an address is in the file: PT_LOAD says.
    let place = |address: u64| {
        segments.iter().find_map(|segment| {
            let start: u64 = segment.p_vaddr(endian).into();
            let inside = address.checked_sub(start)?;
            let there =
                segment.p_type(endian) == is::PT_LOAD && inside < segment.p_filesz(endian).into();
            let offset: u64 = segment.p_offset(endian).into();
            there.then(|| offset.checked_add(inside)).flatten()
        })
    };
    let names = [dynamic.soname, dynamic.rpath, dynamic.runpath];
    let wants_strings = !dynamic.needed.is_empty() || names.iter().any(Option::is_some);
    let Some(start) = dynamic.strings.and_then(place) else {
        return match wants_strings {
            true => Err("its dynamic strings are nowhere"),
            false => Ok(elf),
        };
    };
    let end = start.checked_add(dynamic.strings_size);
    let end = end.filter(|end| data.len().is_ok_and(|len| *end <= len));
    let end = end.ok_or("its dynamic strings lead out of the file")?;
    let strings = StringTable::new(data, start, end);
    let string = |offset: u32| {
        let string = strings.get(offset).map(<[u8]>::to_vec);
        string.map_err(|_| "a dynamic string is damaged")
    };
    elf.soname = dynamic.soname.map(string).transpose()?;
    elf.rpath = dynamic.rpath.map(string).transpose()?;
    elf.runpath = dynamic.runpath.map(string).transpose()?;
    elf.needed = dynamic
        .needed
        .into_iter()
        .map(string)
        .collect::<Result<_, _>>()?;

    let bytes = data.read_bytes_at(start, end - start);
    let bytes = bytes.map_err(|()| "its dynamic strings are too large")?;
    // A name may be the end of another one.
    let offsets: Vec<u32> = [b"dlopen\0".as_slice(), b"dlmopen\0"]
        .iter()
        .flat_map(|name| {
            let windows = bytes.windows(name.len()).enumerate();
            windows.filter_map(move |(at, found)| (found == *name).then_some(at))
        })
        .filter_map(|at| u32::try_from(at).ok())
        .take(MAX_NEEDED)
        .collect();
    if !offsets.is_empty() {
        // The number of symbols is written nowhere, but linkers put the strings right behind them.
        let symbols = dynamic.symbols.and_then(place);
        let count = symbols
            .and_then(|symbols| start.checked_sub(symbols))
            .map(|size| size / std::mem::size_of::<H::Sym>() as u64)
            .filter(|count| *count <= MAX_ENTRIES);
        let table = symbols.zip(count).and_then(|(symbols, count)| {
            let count = usize::try_from(count).ok()?;
            data.read_slice_at::<H::Sym>(symbols, count).ok()
        });
        // Unknown is yes: it is for people to look at.
        elf.opens_libraries = table.is_none_or(|table| {
            table.iter().any(|symbol| {
                offsets.contains(&symbol.st_name(endian))
                    && symbol.st_shndx(endian) == is::SHN_UNDEF
            })
        });
    }
    Ok(elf)
}

fn gather<D: Dyn<Endian = object::Endianness>>(
    entries: &[D],
    endian: object::Endianness,
) -> Result<Dynamic, &'static str> {
    let mut dynamic = Dynamic::default();
    for entry in entries {
        let value: u64 = entry.d_val(endian).into();
        let offset = u32::try_from(value).map_err(|_| "a dynamic string is nowhere");
        match entry.d_tag(endian) {
            is::DT_NULL => break,
            is::DT_STRTAB => dynamic.strings = Some(value),
            is::DT_STRSZ => dynamic.strings_size = value,
            is::DT_SYMTAB => dynamic.symbols = Some(value),
            is::DT_SONAME => dynamic.soname = Some(offset?),
            is::DT_RPATH => dynamic.rpath = Some(offset?),
            is::DT_RUNPATH => dynamic.runpath = Some(offset?),
            is::DT_NEEDED if dynamic.needed.len() == MAX_NEEDED => {
                return Err("it needs too many libraries");
            }
            is::DT_NEEDED => dynamic.needed.push(offset?),
            _ => {}
        }
    }
    Ok(dynamic)
}

/// Four numbers of a note.
fn words(bytes: &[u8], is_big_endian: bool) -> Option<[u32; 4]> {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(bytes.get(..16)?.chunks_exact(4)) {
        let bytes = bytes.try_into().ok()?;
        *word = match is_big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        };
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Cursor;

    use super::*;
    use crate::base::elf::{Abi, Libc};

    /// The regular files of testdata/elf/tree.tar, which gcc made.
    fn files() -> BTreeMap<String, Vec<u8>> {
        let tar = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/elf/tree.tar");
        let mut archive = tar::Archive::new(std::fs::File::open(tar).expect("a tar"));
        let mut files = BTreeMap::new();
        for entry in archive.entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("a path").to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("bytes");
            files.insert(path.trim_start_matches("./").to_owned(), bytes);
        }
        files
    }

    fn elf(bytes: &[u8]) -> Elf {
        let elf = Elf::read(Cursor::new(bytes)).expect("no damage");
        elf.expect("an ELF file")
    }

    #[test]
    fn facts_are_what_readelf_shows() {
        let files = files();
        let gnu = "usr/lib/x86_64-linux-gnu";
        let opens = elf(&files[&format!("{gnu}/libopens.so.2")]);
        assert_eq!(opens.soname.as_deref(), Some(b"libopens.so.2".as_slice()));
        assert_eq!(
            opens.runpath.as_deref(),
            Some(b"$ORIGIN/../lib:/opt/lib".as_slice())
        );
        assert_eq!((opens.rpath, opens.abi), (None, None));
        assert_eq!(opens.needed, [b"libfake.so.1".to_vec()]);
        assert!(opens.opens_libraries && opens.is_dynamic);
        assert_eq!(opens.kind, Kind::Shared);
        let old = elf(&files[&format!("{gnu}/libold.so.3")]);
        assert_eq!(
            (old.rpath.as_deref(), old.runpath),
            (Some(b"/old".as_slice()), None)
        );
        let fake = elf(&files[&format!("{gnu}/libfake.so.1.2")]);
        assert_eq!(fake.abi, Some([0, 3, 2, 0]));
        assert!(!fake.opens_libraries && fake.needed.is_empty());
        let program = elf(&files["usr/bin/prog"]);
        let interpreter = b"/lib64/ld-linux-x86-64.so.2".as_slice();
        assert_eq!(program.interpreter.as_deref(), Some(interpreter));
        assert_eq!(program.libc(), Some(Libc::Glibc));
        assert!(program.target.is_64 && program.target.goes_with(&opens.target));
        assert_eq!(
            (program.target.machine, program.target.abi()),
            (62, Abi::Plain)
        );
        let fixed = elf(&files["usr/bin/static"]);
        assert_eq!(
            (fixed.kind, fixed.is_dynamic, fixed.interpreter),
            (Kind::Program, false, None)
        );
        let other = elf(&files["usr/lib32/libfake.so.1"]).target;
        assert_eq!((other.is_64, other.machine), (false, 3));
        assert!(!other.goes_with(&opens.target));
        for text in ["etc/ld.so.conf".to_owned(), format!("{gnu}/libempty.so.1")] {
            assert_eq!(
                Elf::read(Cursor::new(&files[&text])).expect("no damage"),
                None
            );
        }
    }

    #[test]
    fn a_damaged_file_is_an_error_or_facts_but_never_worse() {
        let files = files();
        for name in [
            "usr/bin/prog",
            "usr/lib/x86_64-linux-gnu/libopens.so.2",
            "usr/lib32/libfake.so.1",
        ] {
            let good = &files[name];
            for at in 0..good.len() {
                let _ = Elf::read(Cursor::new(&good[..at]));
                for byte in [0, 0x7f, 0xff, good[at] ^ 0x80] {
                    let mut bad = good.clone();
                    bad[at] = byte;
                    let _ = Elf::read(Cursor::new(bad));
                }
            }
        }
        // A dynamic section of 2^60 bytes.
        let mut bad = files["usr/bin/prog"].clone();
        let header = (0..8)
            .map(|n| 64 + n * 56)
            .find(|at| bad[*at] == 2)
            .expect("PT_DYNAMIC");
        bad[header + 32..header + 40].copy_from_slice(&(1_u64 << 60).to_le_bytes());
        let error = Elf::read(Cursor::new(bad))
            .expect_err("too large")
            .to_string();
        assert_eq!(error, "damaged ELF file: its dynamic section is too large");
    }
}
