//! Files that binaries need to be loaded, copied into a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::elf_cache::ElfCache;
use super::search::{self, Object};
use crate::base::elf::{Elf, Libc};
use crate::base::rootfs::{Contents, Kind, Node};
use crate::error::{At, Error, Fault, Result};
use crate::programs::imgbase::Base;
use crate::programs::imgbase::root::Root;

/// Interpreters of scripts whose interpreters are scripts, and so on.
const MAX_SCRIPTS: u32 = 4;

/// A file that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where it is: below the root if it begins with `/`, else in the system.
    pub file: PathBuf,
    /// Where it goes in the image; where it is in the root without it.
    pub destination: Option<Vec<u8>>,
}

impl Wanted {
    /// Where it goes in the image, with a `/` before it.
    pub fn place(&self) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt;
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

/// What is worth saying of a closure.
#[derive(Debug, Clone, Default)]
pub struct Closure {
    /// Programs and libraries that may open others while they run.
    pub open_others: Vec<Vec<u8>>,
    /// The packages that own the files.
    pub packages: Vec<String>,
    /// What machine the programs are for, as `e_machine` says.
    pub machine: Option<u16>,
    /// How many files there are.
    pub files: usize,
    /// Paths in the image of the programs and libraries that came along because others need them, in their order.
    pub needed: Vec<Vec<u8>>,
    /// The `os-release` of the tree that they come from.
    pub os_release: Option<Vec<u8>>,
}

/// Takes a `FILE[:DEST]` apart.
///
/// # Errors
/// The message for the user.
pub fn wanted(text: &str) -> Result<Wanted, String> {
    let (file, destination) = match text.rsplit_once(':') {
        Some((file, destination)) if destination.starts_with('/') => (file, Some(destination)),
        _ => (text, None),
    };
    if file.is_empty() {
        return Err("it is written FILE or FILE:/PATH".to_owned());
    }
    Ok(Wanted {
        file: file.into(),
        destination: destination.map(|path| path.as_bytes().to_vec()),
    })
}

/// Builder of a tree and its closure.
pub(super) struct Builder<'a> {
    pub(super) root: Root,
    pub(super) elves: ElfCache,
    pub(super) base: &'a mut Base,
    pub(super) objects: Vec<Object>,
    /// Which object is at a path of the image.
    pub(super) places: BTreeMap<Vec<u8>, usize>,
    /// Places in the root whose files were taken, and where they went.
    pub(super) taken: BTreeSet<(Vec<u8>, Vec<u8>)>,
    /// Directories of libraries that a loader finds by its cache alone.
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

    /// Copies a requested file or directory.
    pub(super) fn wanted(&mut self, wanted: &Wanted) -> Result<()> {
        let place = || wanted.file.to_string_lossy().into_owned();
        let not_found = || {
            Error::from(Fault::Io {
                action: "open",
                source: std::sync::Arc::new(std::io::ErrorKind::NotFound.into()),
            })
        };
        if wanted.file.is_absolute() {
            let inside = std::os::unix::ffi::OsStrExt::as_bytes(wanted.file.as_os_str()).to_vec();
            let resolved = self
                .root
                .resolve(&inside)?
                .ok_or_else(not_found)
                .at(place)?;
            let outside = self.root.outside(&resolved.path);
            if outside.is_dir() {
                return self
                    .directory(&outside, wanted.destination.as_deref().unwrap_or(&inside))
                    .at(place);
            }
            return match &wanted.destination {
                None => self.take(&inside, 0, None).map(drop),
                Some(destination) => self.copy(&outside, &resolved.path, destination, 0, None),
            }
            .at(place);
        }
        let destination = wanted.place();
        let outside = std::fs::canonicalize(&wanted.file)
            .map_err(|error| Error::io("open", error))
            .at(place)?;
        if outside.is_dir() {
            return self.directory(&outside, &destination).at(place);
        }
        // What stands beside it is looked for beside it, wherever the root is.
        let inside = std::os::unix::ffi::OsStrExt::as_bytes(outside.as_os_str()).to_vec();
        self.copy(&outside, &inside, &destination, 0, None)
            .at(place)
    }

    /// All that is in a directory, root's.
    pub(super) fn directory(&mut self, outside: &Path, destination: &[u8]) -> Result<()> {
        let options = crate::disk::Options {
            owner: Some((0, 0)),
            ..crate::disk::Options::default()
        };
        let directory = crate::disk::Directory::read(outside, &options)?;
        self.base.rootfs.put(destination, Node::folder(0o755))?;
        for (item, _) in directory.items() {
            let path = [destination, b"/", &item.path].concat();
            let from = outside
                .join::<&std::ffi::OsStr>(std::os::unix::ffi::OsStrExt::from_bytes(&item.path));
            match item.kind {
                crate::layer::EntryKind::File => {
                    let inside = std::os::unix::ffi::OsStrExt::as_bytes(from.as_os_str()).to_vec();
                    self.copy(&from, &inside, &path, 0, None)?;
                    if let Some(node) = self.base.rootfs.get_mut(&path) {
                        (node.uid, node.gid) = (0, 0);
                    }
                }
                crate::layer::EntryKind::Symlink => {
                    let node = Node::symlink(&item.link_target).at(item.metadata.mtime.seconds);
                    self.base.rootfs.put(&path, node)?;
                }
                crate::layer::EntryKind::Directory => {
                    let node = Node::folder(item.metadata.mode).at(item.metadata.mtime.seconds);
                    self.base.rootfs.put(&path, node)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes what a path of the root leads to, with the links on the way. Returns the object's number if it is loaded.
    pub(super) fn take(&mut self, path: &[u8], depth: u32, loader: Option<usize>) -> Result<bool> {
        let Some(resolved) = self.root.resolve(path)? else {
            return Ok(false);
        };
        let outside = self.root.outside(&resolved.path);
        for (place, target) in &resolved.links {
            let metadata = std::fs::symlink_metadata(self.root.outside(place));
            let time = metadata.map_or(0, |metadata| metadata.mtime());
            if self.base.rootfs.get(place).is_none() {
                self.parents(place)?;
                self.base
                    .rootfs
                    .put(place, Node::symlink(target).at(time))?;
                self.taken.insert((place.clone(), place.clone()));
            }
        }
        self.parents(&resolved.path)?;
        if outside.is_dir() {
            return Ok(true);
        }
        self.copy(&outside, &resolved.path, &resolved.path, depth, loader)?;
        Ok(true)
    }

    /// Makes the directories on the way to a place as they are in the root.
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
                let mode = u16::try_from(metadata.mode() & 0o7777).unwrap_or(0o755);
                let node = Node::folder(mode).at(metadata.mtime());
                self.base.rootfs.put(directory, node)?;
            }
        }
        Ok(())
    }

    /// Copies a file to a place of the image, and takes what it needs.
    fn copy(
        &mut self,
        outside: &Path,
        inside: &[u8],
        destination: &[u8],
        depth: u32,
        loader: Option<usize>,
    ) -> Result<()> {
        let destination = crate::layer::clean_path(destination).path.into_owned();
        if self
            .base
            .rootfs
            .get(&destination)
            .is_some_and(|node| node.contents().is_some())
        {
            return Ok(());
        }
        let contents = Contents::of_path(outside)?;
        let metadata = std::fs::metadata(outside).map_err(|error| Error::io("read", error))?;
        let system = loader.is_some() || inside == destination;
        let (uid, gid) = match system {
            true => (metadata.uid(), metadata.gid()),
            false => (0, 0),
        };
        let node = Node {
            kind: Kind::File(contents),
            mode: u16::try_from(metadata.mode() & 0o7777).unwrap_or(0o755),
            mtime: metadata.mtime(),
            uid,
            gid,
            ..Node::file(0, Vec::new())
        };
        let destination = self.base.rootfs.put(&destination, node)?.path;
        self.taken.insert((inside.to_vec(), destination.clone()));
        match self.elves.of(outside)? {
            Some(elf) => self.load(elf, inside, &destination, depth, loader),
            None => self.script(outside, &destination, depth),
        }
    }

    /// Adds an object whose libraries are to be found.
    fn load(
        &mut self,
        elf: Elf,
        inside: &[u8],
        destination: &[u8],
        depth: u32,
        loader: Option<usize>,
    ) -> Result<()> {
        let directory = |path: &[u8]| {
            let path = path.strip_prefix(b"/").unwrap_or(path);
            let cut = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            [b"/", &path[..cut]].concat()
        };
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
            return Err(needs(&interpreter, "it is not there").at(text(destination)));
        }
        Ok(())
    }

    /// Takes the interpreter of a script.
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
                needs(interpreter, "interpreters of interpreters go on and on")
                    .at(text(destination)),
            );
        }
        if !self.take(interpreter, depth + 1, None)? {
            return Err(needs(interpreter, "it is not there").at(text(destination)));
        }
        if !interpreter.ends_with(b"/env") {
            return Ok(());
        }
        let is_name = |word: &&[u8]| !word.starts_with(b"-") && !word.contains(&b'=');
        let Some(program) = words.find(is_name) else {
            return Ok(());
        };
        for directory in [
            "/usr/local/sbin",
            "/usr/local/bin",
            "/usr/sbin",
            "/usr/bin",
            "/sbin",
            "/bin",
        ] {
            let path = [directory.as_bytes(), b"/", program].concat();
            if self.take(&path, depth + 1, None)? {
                return Ok(());
            }
        }
        Err(needs(
            program,
            "it is in none of the usual directories of programs",
        )
        .at(text(destination)))
    }

    /// Finds the libraries of all objects, until there are no new ones.
    pub(super) fn libraries(&mut self) -> Result<()> {
        let mut next = 0;
        while next < self.objects.len() {
            let needed = self.objects[next].elf.needed.clone();
            for name in needed {
                self.library(next, &name).at(|| self.place_of(next))?;
            }
            next += 1;
        }
        Ok(())
    }

    fn place_of(&self, object: usize) -> String {
        let mut places = self.places.iter();
        let place = places.find(|(_, number)| **number == object);
        place.map_or_else(String::new, |(path, _)| text(path))
    }

    fn library(&mut self, by: usize, name: &[u8]) -> Result<()> {
        if self.libc == Libc::Musl && is_musls_own(name) {
            return Ok(());
        }
        if name.contains(&b'/') {
            return match name.starts_with(b"/") && self.take(name, 0, Some(by))? {
                true => Ok(()),
                false => Err(needs(name, "it is not there")),
            };
        }
        let target = self.objects[by].elf.target;
        for directory in search::directories(&self.root, &self.objects, by, self.libc)? {
            let path = [&directory.path, b"/".as_slice(), name].concat();
            // A file of the system that was named from outside of the root has its neighbours there.
            let Some(resolved) = self.root.resolve(&path)? else {
                continue;
            };
            let outside = self.root.outside(&resolved.path);
            if !outside.is_file() {
                continue;
            }
            match self.elves.of(&outside)? {
                Some(elf) if elf.target.goes_with(&target) => {}
                // Loaders go on past what is for another machine.
                _ => continue,
            }
            if directory.by_cache && !self.cached.contains(&directory.path) {
                self.cached.push(directory.path.clone());
            }
            if directory.path == directory.new {
                self.take(&path, 0, Some(by))?;
            } else {
                let new = [&directory.new, b"/".as_slice(), name].concat();
                let new = crate::base::rootfs::flat(&new);
                self.copy(&outside, &resolved.path, &new, 0, Some(by))?;
            }
            return Ok(());
        }
        Err(needs(
            name,
            "it is in none of the directories where its loader looks",
        ))
    }
}

/// Names that musl's loader takes for itself.
fn is_musls_own(name: &[u8]) -> bool {
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
