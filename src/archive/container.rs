//! Storage of an archive: a tar in a file, a tar on a stream, a directory, a tree of repositories, or a lone document.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::content::Content;
use super::directory::Directory;
use super::inside::Inside;
use super::member::MemberKind;
use super::members::MemberTable;
use super::options::{Half, Open, TreeKind};
use super::signs::{SIGN_DEPTH, Signs};
use super::tree::Tree;
use super::volumes::{self, SetInput, Source};
use crate::blob::{self, Compression, Decoder, FileRange, ReadAhead};
use crate::error::{At, During, Error, Fault, NotAnImage, Result, TarFault, VolumeFault, within};
use crate::layer::Limits;
use crate::limits::Bound;
use crate::spec::Digest;

/// Storage of an archive's members, detected by content and never by name.
#[derive(Debug)]
pub struct Container {
    /// The members.
    pub holder: Holder,
    /// Compression of the whole archive.
    pub outer: Compression,
    /// True if read from a stream: a pipe, or the decoded bytes of a compressed file.
    pub streamed: bool,
    /// Directory of a tar that the archive is in: empty, or a path with a slash at its end.
    pub top: String,
    /// Missing volumes of a set: what is in them is not in the archive.
    pub missing: Option<MissingVolumes>,
    /// Limits on the input.
    pub limits: Limits,
    /// Documents read so far.
    documents: Mutex<Documents>,
}

/// Volumes of a set that are missing.
#[derive(Debug)]
pub struct MissingVolumes {
    /// Error that names them.
    pub error: Error,
    /// Name of the archive.
    pub set: String,
    /// Blobs that begin before the first missing byte, in their order; the last one may end after it.
    pub leading: Vec<Digest>,
}

/// Documents by position, each kept once however many names lead to it, and their total size in bytes.
#[derive(Debug, Default)]
struct Documents {
    by_position: HashMap<(u64, u64, u64), Arc<[u8]>>,
    bytes: u64,
}

/// Kinds of storage.
#[derive(Debug)]
pub enum Holder {
    /// A tar.
    Table(Box<MemberTable>),
    /// A directory.
    Directory(Directory),
    /// A directory of repositories.
    Tree(Box<Tree>),
    /// No members: the input is one JSON document.
    Document(Arc<[u8]>),
}

impl Container {
    /// Tests if names are repositories and tags without a host: `app` is not `library/app` then.
    pub fn has_exact_names(&self) -> bool {
        match &self.holder {
            Holder::Tree(tree) => tree.kind != TreeKind::Dirs && tree.registry.is_none(),
            _ => false,
        }
    }

    /// Opens a file or directory.
    ///
    /// # Errors
    /// `NotAnImage` for unknown bytes, `NotAFile` for FIFOs and devices, `Io`.
    pub fn open(path: &Path, open: &Open) -> Result<Self> {
        let metadata = std::fs::metadata(path).during("open")?;
        if metadata.is_dir() {
            return Ok(match Tree::open(path, open)? {
                Some(tree) => Container {
                    limits: open.limits.for_tree(),
                    ..Container::seekable(Holder::Tree(Box::new(tree)), open)
                },
                None => match volumes::only_set_in(path, open.limits.volumes) {
                    Some(first) => return Container::from_files(&first, open),
                    None => Container::seekable(Holder::Directory(Directory::open(path)?), open),
                },
            });
        }
        Container::from_files(path, open)
    }

    /// Opens a file, or the several files that it stands for.
    fn from_files(path: &Path, open: &Open) -> Result<Self> {
        match volumes::source_of(path, open.limits.volumes, open.temp_dir.as_deref())? {
            None => Container::from_file(blob::open_regular(path, true)?, 0, open),
            Some(Source::Set(set)) => Container::from_set(set, open),
            Some(Source::Pieces(pieces)) => {
                let container = Container::from_range(pieces.range()?, open)?;
                if let Some(end) = container.table().and_then(|table| table.end) {
                    pieces.check_end(end)?;
                }
                Ok(container)
            }
        }
    }

    /// Returns an error of an image that was not found, as the one of the missing volumes that it is in, if there are any.
    pub(super) fn explained(&self, error: Error) -> Error {
        match (&self.missing, error.fault()) {
            (Some(missing), Fault::NotAnImage(_)) => no_list(&missing.set, &missing.error),
            _ => error,
        }
    }

    /// Opens a set of volumes. Without all of them, what is whole in the others is there.
    ///
    /// # Errors
    /// As [`Container::open`].
    pub fn from_set(set: SetInput, open: &Open) -> Result<Self> {
        let Some(missing) = set.missing else {
            return Container::from_range(set.range, open);
        };
        let open = &Open {
            only: open.only.or(Some(Half::Oci)),
            ..open.clone()
        };
        let (table, leading) = MemberTable::runs(&set.range, &set.runs, &set.lost, &open.limits)?;
        if table.members().is_empty() {
            return Err(no_list(&set.name, &missing));
        }
        let leading = leading.iter().filter_map(|name| {
            let name = std::str::from_utf8(name).ok()?;
            Digest::from_blob_path(name)
        });
        let leading = leading.collect();
        Ok(Container {
            missing: Some(MissingVolumes {
                error: missing,
                set: set.name,
                leading,
            }),
            ..Container::tar(table, open)?
        })
    }

    /// Reads standard input: by position if it is a file, in one pass if it is a pipe.
    ///
    /// # Errors
    /// `Usage` if it is a terminal; else as [`Container::open`].
    pub fn stdin(open: &Open) -> Result<Self> {
        let (file, position) = blob::stdin()?;
        if let Some(position) = position {
            return Container::from_file(file, position, open);
        }
        // Fewer and longer reads. Failure is harmless: the pipe keeps its size.
        let _ = rustix::pipe::fcntl_setpipe_size(&file, blob::CHUNK * 4);
        Container::from_stream(open.read_ahead(file), open)
    }

    fn from_file(file: File, start: u64, open: &Open) -> Result<Self> {
        let whole = FileRange::whole(file)?;
        Container::from_range(whole.slice(start, whole.len()), open)
    }

    fn from_range(range: FileRange, open: &Open) -> Result<Self> {
        if range.is_empty() {
            return Err(Fault::NotAnImage(NotAnImage::Empty).into());
        }
        let mut head = [0; 512];
        let n = range.head(&mut head)?;
        let compression = Compression::sniff(&head[..n]);
        if compression != Compression::None {
            return Container::from_stream(ReadAhead::new(range.reader()), open);
        }
        if is_document(&head[..n]) {
            let whole = Content::Range(range).bytes(open.limits.of_document())?;
            return Ok(Container::seekable(Holder::Document(whole), open));
        }
        let table = MemberTable::index(&range, &open.limits).map_err(not_a_tar)?;
        Container::tar(table, open)
    }

    /// Reads an archive from a stream in one pass, decoding it if it is compressed.
    ///
    /// # Errors
    /// As [`Container::open`]; `Codec` if the stream is truncated or damaged.
    pub fn from_stream(mut stream: ReadAhead, open: &Open) -> Result<Self> {
        let head = stream.fill_buf().during("read")?;
        if head.is_empty() {
            return Err(Fault::NotAnImage(NotAnImage::Empty).into());
        }
        let outer = Compression::sniff(head);
        if outer == Compression::None && is_document(head) {
            let mut bytes = Vec::new();
            let limit = open.limits.document;
            let read = stream.take(limit + 1).read_to_end(&mut bytes);
            read.during("read")?;
            within("document size in bytes", limit, bytes.len() as u64)?;
            return Ok(Container::seekable(Holder::Document(bytes.into()), open));
        }
        let table = if outer == Compression::None {
            MemberTable::pass(stream, open)
        } else {
            // Decoding and hashing run on different threads, so the slower of the two sets the speed.
            let decoder = Decoder::new(stream, outer, open.limits.decode)?;
            MemberTable::pass(ReadAhead::new(decoder), open)
        };
        let table = table.map_err(not_a_tar)?;
        Ok(Container {
            outer,
            streamed: true,
            ..Container::tar(table, open)?
        })
    }

    /// Creates a container of what a tar holds.
    fn tar(table: MemberTable, open: &Open) -> Result<Self> {
        Ok(match Inside::of(table, open)? {
            Inside::Image(table, top) => Container {
                top,
                ..Container::seekable(Holder::Table(table), open)
            },
            Inside::Tree(tree) => Container {
                limits: open.limits.for_tree(),
                ..Container::seekable(Holder::Tree(tree), open)
            },
        })
    }

    /// Creates an uncompressed container that is read by position.
    fn seekable(holder: Holder, open: &Open) -> Self {
        Container {
            holder,
            outer: Compression::None,
            streamed: false,
            top: String::new(),
            missing: None,
            limits: open.limits,
            documents: Mutex::default(),
        }
    }

    /// Returns the content of a member; `None` if it is missing.
    ///
    /// # Errors
    /// As [`MemberTable::get`]; in a directory also for links that lead out of it.
    pub fn get(&self, name: &str) -> Result<Option<Content>> {
        match &self.holder {
            Holder::Table(table) => table.get(&format!("{}{name}", self.top), self.limits.hops),
            Holder::Directory(directory) => directory.get(name, self.limits.hops),
            Holder::Tree(tree) => tree.get(name, self.limits.hops),
            Holder::Document(_) => Ok(None),
        }
        .at(|| self.place(name))
    }

    /// Returns the path of a member for errors: of a tree that of the file in its repository.
    pub fn place(&self, name: &str) -> String {
        match &self.holder {
            Holder::Tree(tree) => tree.place(name),
            _ => format!("{}{name}", self.top),
        }
    }

    /// Reads a small member; `None` if it is missing.
    ///
    /// # Errors
    /// `Limit` if it is larger than its bound; as [`Container::get`]. The context is the member.
    pub fn read(&self, name: &str, bound: Bound) -> Result<Option<Arc<[u8]>>> {
        match self.get(name)? {
            None => Ok(None),
            Some(content) => {
                let held = self.hold(&content, bound, false);
                held.map(Some).at(|| self.place(name))
            }
        }
    }

    /// Reads a document. Each position in the archive is kept once; with `again` its size counts towards the limit each
    /// time, for callers that keep a parsed copy.
    ///
    /// # Errors
    /// `Limit` if it is larger than its bound, or all documents together exceed [`Limits::held`]; as
    /// [`Content::bytes`].
    pub(super) fn hold(&self, content: &Content, bound: Bound, again: bool) -> Result<Arc<[u8]>> {
        let position = content.position().filter(|_| content.len() <= bound.most);
        let mut documents = self
            .documents
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = position.and_then(|position| documents.by_position.get(&position).cloned());
        let is_known = known.is_some();
        if (again || !is_known) && content.len() <= bound.most {
            let found = documents.bytes.saturating_add(content.len());
            within("bytes of documents", self.limits.held, found)?;
            documents.bytes = found;
        }
        if let Some(known) = known {
            return Ok(known);
        }
        let bytes = content.bytes(bound)?;
        if let Some(position) = position {
            documents.by_position.insert(position, Arc::clone(&bytes));
        }
        Ok(bytes)
    }

    /// Returns the clean names of all files, sorted.
    ///
    /// # Errors
    /// `Limit` and `Io` from listing a directory.
    pub fn names(&self, limits: &Limits) -> Result<Vec<String>> {
        match &self.holder {
            Holder::Document(_) => Ok(Vec::new()),
            Holder::Directory(directory) => directory.names(limits.entries),
            Holder::Tree(tree) => tree.names(limits.entries),
            Holder::Table(table) => {
                let names = table.names().filter(|(_, positions)| {
                    positions
                        .iter()
                        .any(|&i| !matches!(table.members()[i].kind, MemberKind::Directory))
                });
                let names = names.map(|(name, _)| String::from_utf8_lossy(name));
                let mut names: Vec<String> = names
                    .filter_map(|name| name.strip_prefix(&*self.top).map(str::to_owned))
                    .collect();
                names.sort_unstable();
                Ok(names)
            }
        }
    }

    /// Returns the beginnings of all names, which tell the kind of an input that is no image. One pass over the names.
    pub(super) fn signs(&self) -> Signs {
        let mut signs = Signs::default();
        match &self.holder {
            Holder::Document(_) | Holder::Tree(_) => {}
            Holder::Directory(directory) => {
                for name in directory.beginnings(SIGN_DEPTH) {
                    signs.add(name.as_bytes());
                }
            }
            Holder::Table(table) => {
                for (name, _) in table.names() {
                    name.strip_prefix(self.top.as_bytes())
                        .into_iter()
                        .for_each(|name| signs.add(name));
                }
            }
        }
        signs
    }

    /// Members of the tar, whatever it holds; `None` if the archive is no tar.
    pub fn table(&self) -> Option<&MemberTable> {
        match &self.holder {
            Holder::Table(table) => Some(table),
            Holder::Tree(tree) => tree.table(),
            Holder::Directory(_) | Holder::Document(_) => None,
        }
    }

    /// Error that stopped the walk over a tar's members before its end.
    pub fn fault(&self) -> Option<&Error> {
        self.table()?.fault.as_ref()
    }
}

/// Tests if the bytes start like a JSON document, which a tar of images cannot.
fn is_document(head: &[u8]) -> bool {
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    // A member name may start with a brace, but the first block of a tar has a magic or NUL bytes, which JSON has not.
    matches!(first, Some(b'{' | b'[')) && !head.iter().take(512).any(|&byte| byte == 0)
}

/// Returns the error for missing volumes that leave nothing to list.
fn no_list(set: &str, missing: &Error) -> Error {
    match missing.fault() {
        Fault::Volumes(VolumeFault::Missing { numbers, of }) => {
            let (set, numbers, of) = (set.to_owned(), numbers.clone(), *of);
            Fault::Volumes(VolumeFault::NoList { set, numbers, of }).into()
        }
        _ => missing.clone(),
    }
}

fn not_a_tar(error: Error) -> Error {
    match error.fault() {
        Fault::Tar {
            why: TarFault::NotATar,
            ..
        } => Fault::NotAnImage(NotAnImage::UnknownBytes).into(),
        _ => error,
    }
}
