//! Members of a tar that holds an archive: one pass over its headers, then lookups by name.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::content::{Content, Kept};
use super::detours::Detours;
use super::member::{Member, MemberKind, resolve};
use super::options::Open;
use crate::blob::{Behind, Chunk, FileRange, Hasher, NewFile, ReadAhead};
use crate::error::{During, Error, Fault, Result, TarFault, within};
use crate::layer::{self, Limits};
use crate::layer::{
    Anomalies, EntryKind, FileInput, Mtime, StreamInput, Tail, TarInput, Walker, clean_path,
};
use crate::spec::Digest;

/// Largest size in bytes of a stream's member that is held whatever its content, while there is room.
const MAX_SMALL: u64 = 64 << 10;

/// Members of a tar in its order, and positions by name.
#[derive(Debug, Default)]
pub struct MemberTable {
    pub(super) members: Vec<Member>,
    /// Positions by clean name, in the order of the tar. Names with `..` are not included.
    pub(super) by_name: HashMap<Box<[u8]>, Vec<usize>>,
    /// Names that occur several times and were found to have the same bytes each time.
    agreed: Mutex<HashSet<Box<[u8]>>>,
    /// Members that unpackers extract to another path than their name.
    pub detours: Detours,
    /// Anomalies that do not make the tar unreadable.
    pub anomalies: Anomalies,
    /// Bytes after the end marker, if the walk reached it.
    pub tail: Option<Tail>,
    /// Offset in bytes after the end marker, if the walk reached it.
    pub end: Option<u64>,
    /// Error that stopped the walk before the end; the members up to there are known.
    pub fault: Option<Error>,
}

impl MemberTable {
    /// Indexes a tar in a file by reading its headers.
    ///
    /// # Errors
    /// Only if the first block is no tar header or reading fails; later damage goes to [`MemberTable::fault`].
    pub fn index(range: &FileRange, limits: &Limits) -> Result<Self> {
        let (file, start) = range.parts();
        let walker = Walker::new(FileInput::new(Arc::clone(file), start, range.len()));
        MemberTable::walk(walker, limits, |_, member| {
            Ok(Content::Range(range.slice(member.data_offset, member.size)))
        })
    }

    /// Indexes a tar on a stream in one pass: documents are held, everything else is scanned.
    ///
    /// With [`Open::temp_dir`] scanned members are also written to temporary files there.
    ///
    /// # Errors
    /// As [`MemberTable::index`].
    pub fn pass(stream: ReadAhead, open: &Open) -> Result<Self> {
        let mut held = 0;
        // Members that expand far share one allowance, or many small ones would add up to a bomb.
        let mut limits = open.limits;
        let mut table = MemberTable::walk(
            Walker::new(StreamInput::new(stream)),
            &open.limits,
            |walker, member| {
                let mut data = MemberData::new(walker, member.size);
                let mut head = Vec::new();
                let mut first = data.by_ref().take(512);
                first.read_to_end(&mut head).during("read")?;
                let most = open.limits.held;
                let document = open.limits.document.max(open.limits.config);
                let small = member.size <= MAX_SMALL && held <= most / 2;
                if small || (member.size <= document && looks_like_json(&head)) {
                    held += member.size;
                    within("bytes of documents", most, held)?;
                    data.read_to_end(&mut head).during("read")?;
                    return Ok(Content::Memory(head.into()));
                }
                let named = named_digest(&member.clean);
                let hasher = named
                    .and_then(|digest| Hasher::like(&digest).ok())
                    .unwrap_or_default();
                let meter = open.meter.part(&label(&member.clean), member.size);
                let Some(directory) = &open.temp_dir else {
                    let stored = io::Cursor::new(head).chain(data);
                    let scan = layer::scan(stored, hasher, &limits, &meter)?;
                    deduct(&mut limits, &scan);
                    return Ok(Content::Passed(Arc::new(scan)));
                };
                let file = Arc::new(NewFile::in_directory(directory, 0o644)?);
                data.keep(&head, &file).during("read")?;
                let stored = io::Cursor::new(head).chain(&mut data);
                let scan = layer::scan(stored, hasher, &limits, &meter)?;
                data.finish().during("write")?;
                deduct(&mut limits, &scan);
                let scan = Arc::new(scan);
                let copy = file.file().try_clone().during("read")?;
                let range = FileRange::whole(copy)?;
                Ok(Content::Kept(Arc::new(Kept { file, range, scan })))
            },
        )?;
        table.members.shrink_to_fit();
        Ok(table)
    }

    fn walk<I: TarInput>(
        mut walker: Walker<I>,
        limits: &Limits,
        mut content: impl FnMut(&mut Walker<I>, &NewMember) -> Result<Content>,
    ) -> Result<Self> {
        let mut table = MemberTable::default();
        // Members are counted below.
        walker = walker.within(limits).max_entries(u64::MAX);
        let (mut named, most_named) = (0, limits.member_text);
        // Size in bytes that the header of the last member states.
        let mut stated = 0;
        loop {
            let entry = match walker.next_entry() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(error) => {
                    let unreadable =
                        matches!(error.fault(), Fault::Io { .. } | Fault::Codec { .. });
                    if table.members.is_empty() || unreadable {
                        return Err(error);
                    }
                    table.fault = Some(table.truncated_member(error, stated));
                    break;
                }
            };
            within("members", limits.entries, table.members.len() as u64 + 1)?;
            named += (entry.path.len() + entry.link_target.len()) as u64;
            within("bytes of members' names", most_named, named)?;
            let sparse = entry.sparse.is_some();
            stated = entry.stored_size;
            let new = NewMember {
                name: entry.path.clone(),
                clean: entry.clean_path().to_vec(),
                escapes: entry.climbs(),
                data_offset: entry.data_offset,
                size: entry.stored_size,
                offset: entry.header_offset,
                mtime: entry.metadata.mtime,
            };
            let kind = match entry.kind {
                EntryKind::File if sparse => Some(MemberKind::Sparse),
                EntryKind::File => None,
                EntryKind::Symlink => Some(MemberKind::Symlink(entry.link_target.clone())),
                EntryKind::HardLink => Some(MemberKind::HardLink(entry.link_target.clone())),
                EntryKind::Directory => Some(MemberKind::Directory),
                _ => Some(MemberKind::Other),
            };
            let kind = match kind {
                Some(kind) => kind,
                None => match content(&mut walker, &new) {
                    Ok(content) => MemberKind::File(content),
                    Err(error) => {
                        let error = error.at(String::from_utf8_lossy(&new.name));
                        let cut =
                            matches!(error.fault(), Fault::Tar { .. } | Fault::Truncated { .. });
                        if table.members.is_empty() || !cut {
                            return Err(error);
                        }
                        table.fault = Some(error);
                        break;
                    }
                },
            };
            if !new.escapes {
                let position = table.members.len();
                table
                    .by_name
                    .entry(new.clean.into_boxed_slice())
                    .or_default()
                    .push(position);
            }
            table.members.push(Member {
                name: new.name,
                kind,
                offset: new.offset,
                mtime: new.mtime,
            });
        }
        // A stream has to be read to its end to be known complete.
        if let Some(end) = walker.end() {
            table.end = Some(end.offset);
            table.tail = Some(walker.check_tail()?);
        }
        table.anomalies = walker.into_parts().1;
        table.detours = Detours::of(&table.members);
        Ok(table)
    }

    /// Converts an end within the contents of the last member to `Truncated` with the number of bytes found, as on a
    /// stream.
    fn truncated_member(&self, error: Error, expected: u64) -> Error {
        let Some(last) = self.members.last() else {
            return error;
        };
        let (Fault::Tar { offset, why }, MemberKind::File(_)) = (error.fault(), &last.kind) else {
            return error;
        };
        let TarFault::UnexpectedEnd { missing } = why else {
            return error;
        };
        let padded = expected.next_multiple_of(512);
        let found = padded.saturating_sub(*missing);
        if *offset != last.offset || found >= expected {
            return error;
        }
        let what = "the member";
        Error::truncated(what, expected, found).at(String::from_utf8_lossy(&last.name))
    }

    /// Members in the order of the tar.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Clean names, unordered, with the positions of their members in the order of the tar.
    pub fn names(&self) -> impl Iterator<Item = (&[u8], &[usize])> {
        self.by_name
            .iter()
            .map(|(name, positions)| (&**name, positions.as_slice()))
    }

    /// Tests if there is a member of that name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name.as_bytes())
    }

    /// Returns the content of a member, links between members followed; `None` if it is missing.
    ///
    /// # Errors
    /// `Ambiguous` if the name occurs twice with different bytes, or if another member is extracted to it by a detour,
    /// because loaders differ in their choice; `BadLink` for links that lead out, in circles or to no member;
    /// `NotAFile` for a member of another type.
    pub fn get(&self, name: &str, hops: u64) -> Result<Option<Content>> {
        let clean = clean_path(name.as_bytes());
        if clean.climbs || clean.path.is_empty() {
            return Ok(None);
        }
        let mut name = clean.path.into_owned();
        let mut target = Vec::new();
        for _ in 0..=hops {
            self.check_detours(&name)?;
            let Some(positions) = self.by_name.get(name.as_slice()) else {
                return if target.is_empty() {
                    Ok(None)
                } else {
                    Err(bad_link(&target, "leads to no member"))
                };
            };
            let Some(&last) = positions.last() else {
                return Ok(None);
            };
            self.check_duplicates(&name, positions)?;
            let next = match &self.members[last].kind {
                MemberKind::File(content) => return Ok(Some(content.clone())),
                MemberKind::Directory => {
                    return Err(Error::not_a_file("a directory"));
                }
                MemberKind::Sparse => {
                    let what = "sparse member: recreate the archive without sparse files";
                    return Err(Error::unsupported(what));
                }
                MemberKind::Other => {
                    return Err(Error::not_a_file("a special file"));
                }
                MemberKind::HardLink(link) => {
                    target.clone_from(link);
                    resolve(b"", link)
                }
                MemberKind::Symlink(link) => {
                    target.clone_from(link);
                    let directory = name
                        .iter()
                        .rposition(|&byte| byte == b'/')
                        .map_or(&b""[..], |slash| &name[..slash]);
                    if self.detours.leads_through_link(directory, link) {
                        return Err(bad_link(link, "passes through another link"));
                    }
                    if link.starts_with(b"/") {
                        None
                    } else {
                        resolve(directory, link)
                    }
                }
            };
            name = next.ok_or_else(|| bad_link(&target, "leads out of the archive"))?;
        }
        Err(bad_link(&target, "too many links in a row"))
    }

    /// Refuses a name that another member is extracted to, or that passes through a link.
    fn check_detours(&self, name: &[u8]) -> Result<()> {
        if let Some(position) = self.detours.extracted_to(name) {
            let member = String::from_utf8_lossy(&self.members[position].name);
            let why = format!("some loaders extract member '{member}' to this path, others do not");
            return Err(Error::ambiguous(why));
        }
        match self.detours.link_above(name) {
            Some(link) => {
                let error = Error::not_a_file("a symbolic link");
                Err(error.at(String::from_utf8_lossy(&link).into_owned()))
            }
            None => Ok(()),
        }
    }

    /// Refuses members of one name that differ.
    fn check_duplicates(&self, name: &[u8], positions: &[usize]) -> Result<()> {
        if positions.len() < 2 {
            return Ok(());
        }
        let mut agreed = self.agreed.lock().unwrap_or_else(PoisonError::into_inner);
        if !agreed.contains(name) {
            self.compare(positions)?;
            agreed.insert(name.into());
        }
        Ok(())
    }

    fn compare(&self, positions: &[usize]) -> Result<()> {
        for pair in positions.windows(2) {
            let same = match (&self.members[pair[0]].kind, &self.members[pair[1]].kind) {
                (MemberKind::File(a), MemberKind::File(b)) => a.same_as(b)?,
                (MemberKind::Symlink(a), MemberKind::Symlink(b)) => a == b,
                (MemberKind::HardLink(a), MemberKind::HardLink(b)) => a == b,
                (MemberKind::Directory, MemberKind::Directory) => true,
                _ => false,
            };
            if !same {
                let why =
                    "several different members have this name; loaders take the first or the last";
                return Err(Error::ambiguous(why));
            }
        }
        Ok(())
    }
}

struct NewMember {
    name: Vec<u8>,
    clean: Vec<u8>,
    escapes: bool,
    data_offset: u64,
    size: u64,
    offset: u64,
    mtime: Mtime,
}

/// Returns the digest that the name of a blob ends with: as in a layout, or as in the storage of a registry.
fn named_digest(name: &[u8]) -> Option<Digest> {
    let mut parts = std::str::from_utf8(name).ok()?.rsplit('/');
    let (hex, algorithm) = match parts.next()? {
        "data" => (parts.next()?, parts.nth(1)?),
        hex => (hex, parts.next()?),
    };
    Digest::from_hex(algorithm, hex).ok()
}

/// Returns the label of a member in progress output: a short digest, or the name.
fn label(name: &[u8]) -> String {
    match named_digest(name) {
        Some(digest) => digest.short().to_owned(),
        None => crate::escape::brief(&String::from_utf8_lossy(name)).into_owned(),
    }
}

/// Tests if bytes start like a JSON document, after a byte order mark and white space.
fn looks_like_json(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_none_or(|first| matches!(first, b'{' | b'['))
}

/// Subtracts the expansion of a member from the allowance of the members after it.
fn deduct(limits: &mut Limits, scan: &layer::Scan) {
    let trace = scan.trace.as_ref().map_or(0, layer::Trace::len) as u64;
    // Never down to 0, which would disable tracing.
    limits.trace = limits.trace.saturating_sub(trace).max(limits.trace.min(1));
    if scan.uncompressed_size / 100 > scan.size {
        limits.decode.grace = limits.decode.grace.saturating_sub(scan.uncompressed_size);
    }
}

fn bad_link(target: &[u8], why: &'static str) -> Error {
    Fault::BadLink {
        target: String::from_utf8_lossy(target).into_owned(),
        why,
    }
    .into()
}

/// Reader of the walker's current entry that fails if data are missing, and can copy them to a file.
struct MemberData<'a> {
    walker: &'a mut Walker<StreamInput<ReadAhead>>,
    size: u64,
    left: u64,
    chunk: Chunk,
    position: usize,
    behind: Option<Behind<()>>,
}

impl<'a> MemberData<'a> {
    fn new(walker: &'a mut Walker<StreamInput<ReadAhead>>, size: u64) -> Self {
        MemberData {
            walker,
            size,
            left: size,
            chunk: Vec::new().into(),
            position: 0,
            behind: None,
        }
    }

    /// Copies the bytes read so far and all later ones to a file.
    fn keep(&mut self, read: &[u8], file: &Arc<NewFile>) -> io::Result<()> {
        let mut behind = Behind::writing(Arc::clone(file));
        behind.add(read.to_vec().into())?;
        behind.add(self.chunk[self.position..].to_vec().into())?;
        self.behind = Some(behind);
        Ok(())
    }

    /// Waits until all bytes are in the file.
    fn finish(self) -> io::Result<()> {
        self.behind.map_or(Ok(()), Behind::finish)
    }
}

impl BufRead for MemberData<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.chunk.len() && self.left > 0 {
            let chunk = self.walker.take_data().map_err(Error::into_io)?;
            if chunk.is_empty() {
                return Err(
                    Error::truncated("the member", self.size, self.size - self.left).into_io(),
                );
            }
            self.left = self.left.saturating_sub(chunk.len() as u64);
            if let Some(behind) = &mut self.behind {
                behind.add(chunk.clone())?;
            }
            (self.chunk, self.position) = (chunk, 0);
        }
        Ok(&self.chunk[self.position..])
    }

    fn consume(&mut self, n: usize) {
        self.position = (self.position + n).min(self.chunk.len());
    }
}

impl Read for MemberData<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        crate::blob::read_buffered(self, buf)
    }
}
