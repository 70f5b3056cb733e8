//! Files that binaries need to be loaded, copied into a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::elf_cache::ElfCache;
use super::search::{self, Object};
use crate::base::rootfs::{Contents, Kind, Node};
use crate::disk::{Directory, Options};
use crate::elf::{Elf, Libc};
use crate::error::{At, During, Error, Fault, Result};
use crate::layer::{EntryKind, clean_path, parent};
use crate::programs::imgbase::Base;
use crate::programs::imgbase::root::Root;

/// Maximum length of a chain of scripts whose interpreters are scripts.
const MAX_SCRIPTS: u32 = 4;

/// A requested file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedFile {
    /// Path of the file: below the root if absolute, else relative to the current directory of the host.
    pub file: PathBuf,
    /// Path in the image; by default the path below the root.
    pub destination: Option<Vec<u8>>,
}

impl RequestedFile {
    /// Parses `FILE[:DEST]`.
    ///
    /// # Errors
    /// A message for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (file, destination) = match text.rsplit_once(':') {
            Some((file, destination)) if destination.starts_with('/') => (file, Some(destination)),
            _ => (text, None),
        };
        if file.is_empty() {
            return Err("missing file: expected FILE or FILE:/PATH".to_owned());
        }
        Ok(RequestedFile {
            file: file.into(),
            destination: destination.map(|path| path.as_bytes().to_vec()),
        })
    }

    /// Returns the absolute path in the image.
    pub fn image_path(&self) -> Vec<u8> {
        match &self.destination {
            Some(destination) => destination.clone(),
            None if self.file.is_absolute() => self.file.as_os_str().as_bytes().to_vec(),
            None => {
                let name = self.file.file_name().unwrap_or_default();
                [b"/", name.as_bytes()].concat()
            }
        }
    }
}

/// Facts of a closure.
#[derive(Debug, Clone, Default)]
pub struct Closure {
    /// Programs and libraries that may open others at run time.
    pub open_others: Vec<Vec<u8>>,
    /// Packages that own the files.
    pub packages: Vec<String>,
    /// Machine of the programs, as in `e_machine`.
    pub machine: Option<u16>,
    /// Number of files.
    pub files: usize,
    /// Paths in the image of programs and libraries that were not requested but needed, in their order.
    pub needed: Vec<Vec<u8>>,
    /// Contents of `os-release` of the root.
    pub os_release: Option<Vec<u8>>,
}

/// Builder of a tree and its closure.
pub(super) struct Builder<'a> {
    pub(super) root: Root,
    pub(super) elves: ElfCache,
    pub(super) base: &'a mut Base,
    pub(super) objects: Vec<Object>,
    /// Indices of objects by path in the image.
    pub(super) places: BTreeMap<Vec<u8>, usize>,
    /// Copied files: path below the root, and path in the image.
    pub(super) taken: BTreeSet<(Vec<u8>, Vec<u8>)>,
    /// Directories of libraries that a loader finds only by its cache.
    pub(super) cached: Vec<Vec<u8>>,
    pub(super) libc: Libc,
    pub(super) closure: Closure,
}

impl<'a> Builder<'a> {
    /// Creates a builder that has copied nothing yet.
    pub(super) fn new(base: &'a mut Base, root: Root) -> Self {
        Builder {
            root,
            elves: ElfCache::default(),
            base,
            objects: Vec::new(),
            places: BTreeMap::new(),
            taken: BTreeSet::new(),
            cached: Vec::new(),
            libc: Libc::Glibc,
            closure: Closure::default(),
        }
    }

    /// Puts a node at a path of the image.
    pub(super) fn put(&mut self, path: &str, node: Node) -> Result<()> {
        self.base.rootfs.put(path.as_bytes(), node).map(drop)
    }

    /// Copies a requested file or directory.
    pub(super) fn add(&mut self, file: &RequestedFile) -> Result<()> {
        let context = || file.file.to_string_lossy().into_owned();
        let not_found = || Error::io("open", std::io::ErrorKind::NotFound.into());
        if file.file.is_absolute() {
            let inside = file.file.as_os_str().as_bytes();
            let resolved = self.root.resolve(inside)?;
            let resolved = resolved.ok_or_else(not_found).at(context)?;
            let outside = self.root.outside(&resolved.path);
            let destination = file.destination.as_deref();
            return match destination {
                _ if outside.is_dir() => self.directory(&outside, destination.unwrap_or(inside)),
                None => self.take(inside, 0, None).map(drop),
                Some(destination) => self.copy(&outside, &resolved.path, destination, 0, None),
            }
            .at(context);
        }
        let destination = file.image_path();
        let outside = std::fs::canonicalize(&file.file)
            .during("open")
            .at(context)?;
        if outside.is_dir() {
            return self.directory(&outside, &destination).at(context);
        }
        // Libraries relative to the file are looked up on the host, wherever the root is.
        let inside = outside.as_os_str().as_bytes();
        self.copy(&outside, inside, &destination, 0, None)
            .at(context)
    }

    /// Copies a directory; root owns the copies.
    pub(super) fn directory(&mut self, outside: &Path, destination: &[u8]) -> Result<()> {
        let options = Options {
            owner: Some((0, 0)),
            ..Options::default()
        };
        let directory = Directory::read(outside, &options)?;
        self.base.rootfs.put(destination, Node::directory(0o755))?;
        for (item, _) in directory.items() {
            let path = [destination, b"/", &item.path].concat();
            let from = outside.join(OsStr::from_bytes(&item.path));
            let node = match item.kind {
                EntryKind::File => {
                    self.copy(&from, from.as_os_str().as_bytes(), &path, 0, None)?;
                    if let Some(node) = self.base.rootfs.get_mut(&path) {
                        (node.uid, node.gid) = (0, 0);
                    }
                    continue;
                }
                EntryKind::Symlink => Node::symlink(&item.link_target),
                EntryKind::Directory => Node::directory(item.metadata.mode),
                _ => continue,
            };
            let node = node.at(item.metadata.mtime.seconds);
            self.base.rootfs.put(&path, node)?;
        }
        Ok(())
    }

    /// Copies the file that a path of the root leads to, with the links to it. Returns whether it exists.
    pub(super) fn take(&mut self, path: &[u8], depth: u32, loader: Option<usize>) -> Result<bool> {
        let Some(resolved) = self.root.resolve(path)? else {
            return Ok(false);
        };
        let outside = self.root.outside(&resolved.path);
        for (link, target) in &resolved.links {
            let metadata = std::fs::symlink_metadata(self.root.outside(link));
            let time = metadata.map_or(0, |metadata| metadata.mtime());
            if self.base.rootfs.get(link).is_none() {
                self.parents(link)?;
                self.base.rootfs.put(link, Node::symlink(target).at(time))?;
                self.taken.insert((link.clone(), link.clone()));
            }
        }
        self.parents(&resolved.path)?;
        if outside.is_dir() {
            return Ok(true);
        }
        self.copy(&outside, &resolved.path, &resolved.path, depth, loader)?;
        Ok(true)
    }

    /// Creates the parent directories of a path with their attributes in the root.
    fn parents(&mut self, path: &[u8]) -> Result<()> {
        for (i, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let directory = &path[..i];
            if directory.is_empty() || self.base.rootfs.get(directory).is_some() {
                continue;
            }
            let Ok(metadata) = std::fs::symlink_metadata(self.root.outside(directory)) else {
                continue;
            };
            if metadata.is_dir() {
                let node = Node::directory(mode(&metadata)).at(metadata.mtime());
                self.base.rootfs.put(directory, node)?;
            }
        }
        Ok(())
    }

    /// Copies a file to a path of the image, and its interpreter.
    fn copy(
        &mut self,
        outside: &Path,
        inside: &[u8],
        destination: &[u8],
        depth: u32,
        loader: Option<usize>,
    ) -> Result<()> {
        let destination = clean_path(destination).path.into_owned();
        if let Some(Kind::File(_)) = self.base.rootfs.kind(&destination) {
            return Ok(());
        }
        let contents = Contents::of_path(outside)?;
        let metadata = std::fs::metadata(outside).during("read")?;
        let mut node = Node::of(Kind::File(contents), mode(&metadata)).at(metadata.mtime());
        if loader.is_some() || inside == destination {
            node = node.owned(metadata.uid(), metadata.gid());
        }
        let destination = self.base.rootfs.put(&destination, node)?.path;
        self.taken.insert((inside.to_vec(), destination.clone()));
        match self.elves.of(outside)? {
            Some(elf) => self.load(elf, inside, &destination, depth, loader),
            None => self.script(outside, &destination, depth),
        }
    }

    /// Adds an object whose libraries will be looked up, and copies its interpreter.
    fn load(
        &mut self,
        elf: Elf,
        inside: &[u8],
        destination: &[u8],
        depth: u32,
        loader: Option<usize>,
    ) -> Result<()> {
        let directory =
            |path: &[u8]| [b"/", parent(path.strip_prefix(b"/").unwrap_or(path))].concat();
        if elf.opens_libraries {
            self.closure.open_others.push(destination.to_vec());
        }
        if let Some(libc) = elf.libc() {
            self.libc = libc;
        }
        self.closure.machine.get_or_insert(elf.target.machine);
        let interpreter = elf.interpreter.clone();
        self.places.insert(destination.to_vec(), self.objects.len());
        self.objects.push(Object {
            elf,
            origin: directory(inside),
            new_origin: directory(destination),
            loader,
        });
        if let Some(interpreter) = interpreter
            && !self.take(&interpreter, depth + 1, None)?
        {
            return Err(needs(&interpreter, "not found").at(text(destination)));
        }
        Ok(())
    }

    /// Copies the interpreter of a script.
    fn script(&mut self, outside: &Path, destination: &[u8], depth: u32) -> Result<()> {
        let mut head = [0; 256];
        let n = crate::blob::open_regular(outside, false)
            .and_then(crate::blob::FileRange::whole)
            .and_then(|range| range.head(&mut head))?;
        let Some(line) = head[..n].strip_prefix(b"#!") else {
            return Ok(());
        };
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let Some(interpreter) = words.next() else {
            return Ok(());
        };
        if depth >= MAX_SCRIPTS {
            return Err(
                needs(interpreter, "chain of interpreters is too long").at(text(destination))
            );
        }
        if !self.take(interpreter, depth + 1, None)? {
            return Err(needs(interpreter, "not found").at(text(destination)));
        }
        if !interpreter.ends_with(b"/env") {
            return Ok(());
        }
        let is_name = |word: &&[u8]| !word.starts_with(b"-") && !word.contains(&b'=');
        let Some(program) = words.find(is_name) else {
            return Ok(());
        };
        let directories = "/usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin";
        for directory in directories.split(' ') {
            let path = [directory.as_bytes(), b"/", program].concat();
            if self.take(&path, depth + 1, None)? {
                return Ok(());
            }
        }
        Err(needs(program, "not found in the usual directories of programs").at(text(destination)))
    }

    /// Looks up and copies the libraries of all objects, until there are no new ones.
    pub(super) fn libraries(&mut self) -> Result<()> {
        let mut next = 0;
        while next < self.objects.len() {
            let needed = self.objects[next].elf.needed.clone();
            for name in needed {
                self.library(next, &name).at(|| self.path_of(next))?;
            }
            next += 1;
        }
        Ok(())
    }

    fn path_of(&self, object: usize) -> String {
        let mut places = self.places.iter();
        let place = places.find(|(_, number)| **number == object);
        place.map_or_else(String::new, |(path, _)| text(path))
    }

    fn library(&mut self, by: usize, name: &[u8]) -> Result<()> {
        if self.libc == Libc::Musl && is_part_of_musl(name) {
            return Ok(());
        }
        if name.contains(&b'/') {
            return match name.starts_with(b"/") && self.take(name, 0, Some(by))? {
                true => Ok(()),
                false => Err(needs(name, "not found")),
            };
        }
        let target = self.objects[by].elf.target;
        for directory in search::directories(&self.root, &self.objects, by, self.libc)? {
            let path = [&directory.path, b"/".as_slice(), name].concat();
            // The libraries of a host file outside the root are found on the host.
            let Some(resolved) = self.root.resolve(&path)? else {
                continue;
            };
            let outside = self.root.outside(&resolved.path);
            if !outside.is_file() {
                continue;
            }
            match self.elves.of(&outside)? {
                Some(elf) if elf.target.is_compatible_with(&target) => {}
                // Loaders skip libraries for another machine.
                _ => continue,
            }
            if directory.by_cache && !self.cached.contains(&directory.path) {
                self.cached.push(directory.path.clone());
            }
            if directory.path == directory.new {
                self.take(&path, 0, Some(by))?;
            } else {
                let new = [&directory.new, b"/".as_slice(), name].concat();
                let new = crate::base::rootfs::normalize(&new);
                self.copy(&outside, &resolved.path, &new, 0, Some(by))?;
            }
            return Ok(());
        }
        Err(needs(name, "not found in the directories of its loader"))
    }
}

/// Returns the twelve permission bits.
fn mode(metadata: &Metadata) -> u16 {
    (metadata.mode() & 0o7777) as u16
}

/// Returns whether musl's loader provides a library itself.
fn is_part_of_musl(name: &[u8]) -> bool {
    let own = ["c", "pthread", "rt", "m", "dl", "util", "xnet"];
    own.iter()
        .any(|own| name.starts_with(format!("lib{own}.").as_bytes()))
}

/// Returns the error of a missing library, interpreter or directory.
pub(super) fn needs(name: &[u8], why: &'static str) -> Error {
    let what = text(name);
    Fault::Needs { what, why }.into()
}

fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
