//! Parser of the header, the program headers, and the data they point to.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};

use object::elf as is;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, Sym};
use object::read::{ReadCache, ReadCacheOps, ReadRef, StringTable};

use super::types::{Elf, Kind, Target};
use crate::error::{Error, Fault, Result};

/// Maximum size in bytes of all reads of a file but single strings: some times the dynamic strings of the largest known
/// library.
pub const MAX_READ: u64 = 64 << 20;

/// Maximum number of `DT_NEEDED` entries of one file.
pub const MAX_NEEDED: usize = 4096;

/// Maximum number of entries of a dynamic section or symbol table.
const MAX_ENTRIES: u64 = 1 << 20;

/// Maximum size in bytes of a build ID, which has 20 as a rule.
const MAX_BUILD_ID: usize = 64;

/// Maximum size in bytes of the interpreter path.
const MAX_INTERPRETER: usize = 4096;

impl Elf {
    /// Reads the properties of a file; `None` if it does not begin with the ELF magic number.
    ///
    /// Reads a few kilobytes of most files, at scattered offsets.
    ///
    /// # Errors
    /// `Elf` for a file that is damaged or exceeds a limit, `Io`.
    pub fn read(mut from: impl Read + Seek) -> Result<Option<Self>> {
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
        let left = Cell::new(MAX_READ);
        let data = Capped(&cache, &left);
        let read = match ident[4] {
            1 => parse::<is::FileHeader32<object::Endianness>, _>(data),
            2 => parse::<is::FileHeader64<object::Endianness>, _>(data),
            _ => Err("unknown class: expected 32 or 64 bits"),
        };
        match (read, cache.into_inner().failed) {
            (_, Some(error)) => Err(Error::io("read", error)),
            (Ok(elf), None) => Ok(Some(elf)),
            (Err(why), None) => Err(Fault::Elf { why }.into()),
        }
    }
}

/// Reader that records I/O errors, which the ELF parser does not pass on.
struct Watched<R> {
    from: R,
    failed: Option<io::Error>,
}

impl<R> Watched<R> {
    fn keep<T>(&mut self, result: io::Result<T>) -> Result<T, ()> {
        result.map_err(|error| {
            // An unexpected end of file is damage, not an I/O error.
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

/// Limits the size of all reads, in bytes that are left: the cache keeps them, and allocates memory before it reads the
/// first byte.
struct Capped<'a, R: ReadCacheOps>(&'a ReadCache<R>, &'a Cell<u64>);

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
        self.1.set(self.1.get().checked_sub(size).ok_or(())?);
        self.0.read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: std::ops::Range<u64>, end: u8) -> Result<&'a [u8], ()> {
        self.0.read_bytes_at_until(range, end)
    }
}

/// Parses a file of one class, 32 or 64 bits.
fn parse<'d, H, D>(data: D) -> Result<Elf, &'static str>
where
    H: FileHeader<Endian = object::Endianness>,
    D: ReadRef<'d>,
{
    let (mut elf, headers) = Headers::<H, D>::parse(data)?;
    let Some(dynamic) = headers.read_segments(&mut elf)? else {
        return Ok(elf);
    };
    elf.is_dynamic = true;
    let Some((start, end)) = headers.string_range(&dynamic)? else {
        return Ok(elf);
    };
    headers.read_names(&mut elf, &dynamic, start, end)?;
    elf.opens_libraries = headers.imports_dlopen(&dynamic, start, end)?;
    Ok(elf)
}

/// Values of the dynamic section: addresses and string offsets, not resolved yet.
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

impl Dynamic {
    fn parse<D: Dyn<Endian = object::Endianness>>(
        entries: &[D],
        endian: object::Endianness,
    ) -> Result<Self, &'static str> {
        let mut dynamic = Dynamic::default();
        for entry in entries {
            let value: u64 = entry.d_val(endian).into();
            let offset = u32::try_from(value).map_err(|_| "dynamic string offset out of range");
            match entry.d_tag(endian) {
                is::DT_NULL => break,
                is::DT_STRTAB => dynamic.strings = Some(value),
                is::DT_STRSZ => dynamic.strings_size = value,
                is::DT_SYMTAB => dynamic.symbols = Some(value),
                is::DT_SONAME => dynamic.soname = Some(offset?),
                is::DT_RPATH => dynamic.rpath = Some(offset?),
                is::DT_RUNPATH => dynamic.runpath = Some(offset?),
                is::DT_NEEDED if dynamic.needed.len() == MAX_NEEDED => {
                    return Err("too many needed libraries");
                }
                is::DT_NEEDED => dynamic.needed.push(offset?),
                _ => {}
            }
        }
        Ok(dynamic)
    }
}

/// Program headers of a file, with access to its data.
struct Headers<'d, H: FileHeader, D> {
    data: D,
    endian: object::Endianness,
    segments: &'d [H::ProgramHeader],
}

impl<'d, H, D> Headers<'d, H, D>
where
    H: FileHeader<Endian = object::Endianness>,
    D: ReadRef<'d>,
{
    /// Parses the file header: target, kind and the table of segments.
    fn parse(data: D) -> Result<(Elf, Self), &'static str> {
        let header = H::parse(data).map_err(|_| "damaged file header")?;
        let endian = header.endian().map_err(|_| "unknown byte order")?;
        let segments = header.program_headers(endian, data);
        let segments = segments.map_err(|_| "damaged program headers")?;
        let elf = Elf {
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
        let headers = Headers {
            data,
            endian,
            segments,
        };
        Ok((elf, headers))
    }

    /// Reads the interpreter, the ABI note and the dynamic section.
    fn read_segments(&self, elf: &mut Elf) -> Result<Option<Dynamic>, &'static str> {
        let (endian, data) = (self.endian, self.data);
        let mut dynamic = None;
        for segment in self.segments {
            match segment.p_type(endian) {
                is::PT_INTERP => {
                    let path = segment.interpreter(endian, data);
                    let path = path.map_err(|_| "damaged interpreter path")?;
                    if path.is_some_and(|path| path.len() > MAX_INTERPRETER) {
                        return Err("interpreter path too long");
                    }
                    elf.interpreter = path.map(<[u8]>::to_vec);
                }
                is::PT_DYNAMIC => {
                    if segment.p_filesz(endian).into() / 8 > MAX_ENTRIES {
                        return Err("dynamic section too large");
                    }
                    let entries = segment.dynamic(endian, data);
                    let entries = entries.map_err(|_| "damaged dynamic section")?;
                    dynamic = entries
                        .map(|entries| Dynamic::parse(entries, endian))
                        .transpose()?;
                }
                is::PT_NOTE => {
                    // Notes are optional: a damaged one does not prevent loading.
                    if let Ok(Some(mut notes)) = segment.notes(endian, data) {
                        while let Ok(Some(note)) = notes.next() {
                            if note.name() != b"GNU" {
                                continue;
                            }
                            let (kind, value) = (note.n_type(endian), note.desc());
                            if kind == is::NT_GNU_ABI_TAG && elf.abi.is_none() {
                                elf.abi = words(value, elf.target.is_big_endian);
                            } else if kind == is::NT_GNU_BUILD_ID && value.len() <= MAX_BUILD_ID {
                                elf.build_id.get_or_insert_with(|| value.to_vec());
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(dynamic)
    }

    /// File offset of an address, by the `PT_LOAD` segment that contains it.
    fn file_offset(&self, address: u64) -> Option<u64> {
        let endian = self.endian;
        self.segments.iter().find_map(|segment| {
            let start: u64 = segment.p_vaddr(endian).into();
            let inside = address.checked_sub(start)?;
            let contains =
                segment.p_type(endian) == is::PT_LOAD && inside < segment.p_filesz(endian).into();
            let offset: u64 = segment.p_offset(endian).into();
            contains.then(|| offset.checked_add(inside)).flatten()
        })
    }

    /// File offsets of the start and end of the dynamic strings; `None` if there are none and none is needed.
    fn string_range(&self, dynamic: &Dynamic) -> Result<Option<(u64, u64)>, &'static str> {
        let names = [dynamic.soname, dynamic.rpath, dynamic.runpath];
        let needs_strings = !dynamic.needed.is_empty() || names.iter().any(Option::is_some);
        let start = dynamic
            .strings
            .and_then(|address| self.file_offset(address));
        let Some(start) = start else {
            return match needs_strings {
                true => Err("missing dynamic strings"),
                false => Ok(None),
            };
        };
        let end = start.checked_add(dynamic.strings_size);
        let end = end.filter(|end| self.data.len().is_ok_and(|len| *end <= len));
        let end = end.ok_or("dynamic strings extend past the end of the file")?;
        Ok(Some((start, end)))
    }

    /// Resolves the library names and search paths of the dynamic section.
    fn read_names(
        &self,
        elf: &mut Elf,
        dynamic: &Dynamic,
        start: u64,
        end: u64,
    ) -> Result<(), &'static str> {
        let strings = StringTable::new(self.data, start, end);
        let string = |offset: u32| {
            let string = strings.get(offset).map(<[u8]>::to_vec);
            string.map_err(|_| "damaged dynamic string")
        };
        elf.soname = dynamic.soname.map(string).transpose()?;
        elf.rpath = dynamic.rpath.map(string).transpose()?;
        elf.runpath = dynamic.runpath.map(string).transpose()?;
        let needed = dynamic.needed.iter().map(|offset| string(*offset));
        elf.needed = needed.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Returns whether the file imports `dlopen` or `dlmopen`.
    fn imports_dlopen(
        &self,
        dynamic: &Dynamic,
        start: u64,
        end: u64,
    ) -> Result<bool, &'static str> {
        let (data, endian) = (self.data, self.endian);
        let bytes = data.read_bytes_at(start, end - start);
        let bytes = bytes.map_err(|()| "dynamic strings too large")?;
        // Linkers merge strings: a name may be the end of a longer one.
        let offsets: Vec<u32> = [b"dlopen\0".as_slice(), b"dlmopen\0"]
            .iter()
            .flat_map(|name| {
                let windows = bytes.windows(name.len()).enumerate();
                windows.filter_map(move |(at, found)| (found == *name).then_some(at))
            })
            .filter_map(|at| u32::try_from(at).ok())
            .take(MAX_NEEDED)
            .collect();
        if offsets.is_empty() {
            return Ok(false);
        }
        // The number of symbols is not recorded, but linkers put the strings directly after the symbols.
        let symbols = dynamic
            .symbols
            .and_then(|address| self.file_offset(address));
        let count = symbols
            .and_then(|symbols| start.checked_sub(symbols))
            .map(|size| size / std::mem::size_of::<H::Sym>() as u64)
            .filter(|count| *count <= MAX_ENTRIES);
        let table = symbols.zip(count).and_then(|(symbols, count)| {
            let count = usize::try_from(count).ok()?;
            data.read_slice_at::<H::Sym>(symbols, count).ok()
        });
        // An unreadable table counts as an import, so that the file is reported.
        Ok(table.is_none_or(|table| {
            table.iter().any(|symbol| {
                offsets.contains(&symbol.st_name(endian))
                    && symbol.st_shndx(endian) == is::SHN_UNDEF
            })
        }))
    }
}

/// Decodes the four 32-bit words of an ABI note.
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
    use crate::elf::{Abi, Libc};

    /// Regular files of testdata/elf/tree.tar, built with gcc.
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
    fn properties_match_readelf() {
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
        assert!(program.target.is_64 && program.target.is_compatible_with(&opens.target));
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
        assert!(!other.is_compatible_with(&opens.target));
        for text in ["etc/ld.so.conf".to_owned(), format!("{gnu}/libempty.so.1")] {
            assert_eq!(
                Elf::read(Cursor::new(&files[&text])).expect("no damage"),
                None
            );
        }
    }

    #[test]
    fn damaged_files_never_panic() {
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
        assert_eq!(error, "damaged ELF file: dynamic section too large");
    }
}
