//! What holds an archive: a tar in a file, a tar on a stream, a folder, or a lone document.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, Read, Seek};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::folder::Folder;
use super::members::MemberTable;
use super::{Content, Open};
use crate::blob::{self, Compression, Decoder, FileRange, ReadAhead};
use crate::error::{At, Error, Fault, NotAnImage, Result, TarFault};
use crate::layer::Limits;
use crate::limits::Bound;

/// What holds an archive's members, told by its content and never by its name.
#[derive(Debug)]
pub struct Container {
    /// The members.
    pub holder: Holder,
    /// How the whole is packed.
    pub outer: Compression,
    /// Whether it went by on a stream: from a pipe, or out of a compressed file.
    pub streamed: bool,
    /// What is accepted at most.
    pub limits: Limits,
    /// The documents that were read.
    documents: Mutex<Documents>,
}

/// Documents by where they are, each kept once however many names lead there, and their bytes in all.
#[derive(Debug, Default)]
struct Documents {
    by_place: HashMap<(u64, u64, u64), Arc<[u8]>>,
    bytes: u64,
}

/// Where members are.
#[derive(Debug)]
pub enum Holder {
    /// In a tar.
    Table(Box<MemberTable>),
    /// In a folder.
    Folder(Folder),
    /// There are none: the input is one JSON document.
    Document(Arc<[u8]>),
}

impl Container {
    /// Opens a file or folder.
    ///
    /// # Errors
    /// `NotAnImage` for what is no container at all, `NotAFile` for FIFOs and devices, `Io`.
    pub fn open(path: &Path, open: &Open) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|error| Error::io("open", error))?;
        if metadata.is_dir() {
            let holder = Holder::Folder(Folder::open(path)?);
            return Ok(Container {
                holder,
                outer: Compression::None,
                streamed: false,
                limits: open.limits,
                documents: Mutex::default(),
            });
        }
        Container::from_file(blob::open_regular(path, true)?, 0, open)
    }

    /// Reads standard input: by position if it is a file, in one pass if it is a pipe.
    ///
    /// # Errors
    /// `Usage` if it is a terminal; else as [`Container::open`].
    pub fn stdin(open: &Open) -> Result<Self> {
        let stdin = io::stdin();
        if io::IsTerminal::is_terminal(&stdin) {
            let why = "refusing to read an archive from the terminal: name a file, or pipe one in";
            return Err(Fault::Usage(why.into()).into());
        }
        let file: File = stdin
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| Error::io("read", error))?
            .into();
        let metadata = file.metadata().map_err(|error| Error::io("read", error))?;
        if metadata.is_dir() {
            return Err(Fault::NotAFile {
                kind: "a directory",
            }
            .into());
        }
        if metadata.is_file()
            && let Ok(position) = (&file).stream_position()
        {
            return Container::from_file(file, position, open);
        }
        // Fewer and longer reads; a system that allows no more than it gave is as good.
        let _ = rustix::pipe::fcntl_setpipe_size(&file, blob::CHUNK * 4);
        Container::from_stream(open.ahead(file), open)
    }

    fn from_file(file: File, start: u64, open: &Open) -> Result<Self> {
        let whole = FileRange::whole(file)?;
        let range = whole.slice(start, whole.len());
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
            return Container::document(whole, open);
        }
        let table = MemberTable::index(&range, &open.limits).map_err(not_a_tar)?;
        Ok(Container {
            holder: Holder::Table(Box::new(table)),
            outer: Compression::None,
            streamed: false,
            limits: open.limits,
            documents: Mutex::default(),
        })
    }

    /// Reads an archive from a stream in one pass, decoding it if it is packed.
    ///
    /// # Errors
    /// As [`Container::open`]; `Codec` if the stream is cut short or damaged.
    pub fn from_stream(mut stream: ReadAhead, open: &Open) -> Result<Self> {
        let head = stream
            .fill_buf()
            .map_err(|error| Error::io("read", error))?;
        if head.is_empty() {
            return Err(Fault::NotAnImage(NotAnImage::Empty).into());
        }
        let outer = Compression::sniff(head);
        if outer == Compression::None && is_document(head) {
            let mut bytes = Vec::new();
            let limit = open.limits.document;
            let read = stream.take(limit + 1).read_to_end(&mut bytes);
            read.map_err(|error| Error::io("read", error))?;
            if bytes.len() as u64 > limit {
                let found = bytes.len() as u64;
                return Err(Fault::Limit {
                    what: "document size in bytes",
                    limit,
                    found,
                }
                .into());
            }
            return Container::document(bytes.into(), open);
        }
        let table = if outer == Compression::None {
            MemberTable::pass(stream, open)
        } else {
            // Decoding and hashing on different threads: the stream is as fast as the slower of the two.
            let decoder = Decoder::new(stream, outer, open.limits.decode)?;
            MemberTable::pass(ReadAhead::new(decoder), open)
        };
        let table = table.map_err(not_a_tar)?;
        Ok(Container {
            holder: Holder::Table(Box::new(table)),
            outer,
            streamed: true,
            limits: open.limits,
            documents: Mutex::default(),
        })
    }

    fn document(bytes: Arc<[u8]>, open: &Open) -> Result<Self> {
        Ok(Container {
            holder: Holder::Document(bytes),
            outer: Compression::None,
            streamed: false,
            limits: open.limits,
            documents: Mutex::default(),
        })
    }

    /// The content of a member.
    ///
    /// # Errors
    /// As [`MemberTable::get`]; a folder refuses links that lead out of it too.
    pub fn get(&self, name: &str) -> Result<Option<Content>> {
        match &self.holder {
            Holder::Table(table) => table.get(name, self.limits.hops),
            Holder::Folder(folder) => folder.get(name, self.limits.hops),
            Holder::Document(_) => Ok(None),
        }
        .at(|| name.to_owned())
    }

    /// The bytes of a small member.
    ///
    /// # Errors
    /// `Limit` if it is larger than its bound; as [`Container::get`]. The place is the member.
    pub fn read(&self, name: &str, bound: Bound) -> Result<Option<Arc<[u8]>>> {
        match self.get(name)? {
            None => Ok(None),
            Some(content) => {
                let held = self.hold(&content, bound, false);
                held.map(Some).at(|| name.to_owned())
            }
        }
    }

    /// The bytes of a document. They are kept once for each place in the archive; with `again` they count each time, for
    /// callers that keep what they make of them.
    ///
    /// # Errors
    /// `Limit` if it is larger than its bound, or all documents together than [`Limits::held`]; as [`Content::bytes`].
    pub(super) fn hold(&self, content: &Content, bound: Bound, again: bool) -> Result<Arc<[u8]>> {
        let place = content.place().filter(|_| content.len() <= bound.most);
        let mut documents = self
            .documents
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = place.and_then(|place| documents.by_place.get(&place).cloned());
        let is_known = known.is_some();
        if (again || !is_known) && content.len() <= bound.most {
            let (limit, found) = (
                self.limits.held,
                documents.bytes.saturating_add(content.len()),
            );
            if found > limit {
                let what = "bytes of documents";
                return Err(Fault::Limit { what, limit, found }.into());
            }
            documents.bytes = found;
        }
        if let Some(known) = known {
            return Ok(known);
        }
        let bytes = content.bytes(bound)?;
        if let Some(place) = place {
            documents.by_place.insert(place, Arc::clone(&bytes));
        }
        Ok(bytes)
    }

    /// The clean names of all files, sorted.
    ///
    /// # Errors
    /// `Limit` and `Io` from listing a folder.
    pub fn names(&self, limits: &Limits) -> Result<Vec<String>> {
        match &self.holder {
            Holder::Document(_) => Ok(Vec::new()),
            Holder::Folder(folder) => folder.names(limits.entries),
            Holder::Table(table) => {
                let names = table.names().filter(|(_, positions)| {
                    positions
                        .iter()
                        .any(|&i| !matches!(table.members()[i].kind, super::MemberKind::Folder))
                });
                let mut names: Vec<String> = names
                    .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
                    .collect();
                names.sort_unstable();
                Ok(names)
            }
        }
    }

    /// The beginnings of all names, for telling what an input is that is no image. One pass over the names.
    pub(super) fn signs(&self) -> Signs {
        let mut signs = Signs::default();
        match &self.holder {
            Holder::Document(_) => {}
            Holder::Folder(folder) => {
                for name in folder.beginnings(SIGN_DEPTH) {
                    signs.add(name.as_bytes());
                }
            }
            Holder::Table(table) => {
                for (name, _) in table.names() {
                    signs.add(name);
                }
            }
        }
        signs
    }

    /// What stopped the walk over a tar's members before its end.
    pub fn fault(&self) -> Option<&Error> {
        match &self.holder {
            Holder::Table(table) => table.fault.as_ref(),
            _ => None,
        }
    }
}

/// How many parts of a name can tell what an input is: `ROOT/docker/registry/v2`.
const SIGN_DEPTH: usize = 4;

/// The beginnings of names, up to [`SIGN_DEPTH`] parts, as far as anybody asks for them.
#[derive(Debug, Default)]
pub(super) struct Signs(HashSet<Vec<u8>>);

impl Signs {
    fn add(&mut self, name: &[u8]) {
        let ends = name
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(i, _)| i);
        for end in ends.chain([name.len()]).take(SIGN_DEPTH) {
            if !self.0.contains(&name[..end]) {
                self.0.insert(name[..end].to_vec());
            }
        }
    }

    /// Whether there are no names at all.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// Whether that name is at the top.
    pub(super) fn at_top(&self, name: &str) -> bool {
        self.0.contains(name.as_bytes())
    }

    /// Recognizes an image archive by names at its top that nothing else has: documents, blobs, and the digits of docker
    /// before 25.
    pub(super) fn of_image(&self) -> bool {
        let documents = ["manifest.json", "index.json", "oci-layout", "blobs/sha256"];
        let is_digits = |name: &[u8]| {
            let name = name.strip_suffix(b".json").unwrap_or(name);
            name.len() == 64 && name.iter().all(u8::is_ascii_hexdigit)
        };
        documents.iter().any(|name| self.at_top(name)) || self.0.iter().any(|name| is_digits(name))
    }

    /// The document that an image begins with, if it is below a folder: the image was put in with its folder.
    pub(super) fn image_below(&self) -> Option<String> {
        // Many a program has a manifest.json; what lies beside it tells.
        let documents = [
            ("index.json", "oci-layout"),
            ("manifest.json", "repositories"),
            ("manifest.json", "version"),
        ];
        let names = self
            .0
            .iter()
            .filter_map(|name| std::str::from_utf8(name).ok());
        let below = names.filter(|name| {
            name.rsplit_once('/').is_some_and(|(folder, base)| {
                let mut documents = documents.iter().filter(|(document, _)| *document == base);
                documents.any(|(_, beside)| self.at_top(&format!("{folder}/{beside}")))
            })
        });
        below
            .min_by_key(|name| (name.matches('/').count(), *name))
            .map(str::to_owned)
    }

    /// Whether that path is at the top or below a folder or two.
    pub(super) fn anywhere(&self, path: &str) -> bool {
        let suffix = format!("/{path}");
        self.at_top(path) || self.0.iter().any(|name| name.ends_with(suffix.as_bytes()))
    }
}

/// Whether the bytes start like a JSON document, which a tar of images cannot.
fn is_document(head: &[u8]) -> bool {
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    // A member name may start with a brace: a tar has a magic or NUL bytes in its first block, JSON has not.
    matches!(first, Some(b'{' | b'[')) && !head.iter().take(512).any(|&byte| byte == 0)
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
