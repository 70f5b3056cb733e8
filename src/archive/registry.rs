//! Storage tree of the CNCF distribution registry: repositories, tags, and the links in them.
//!
//! ```text
//! blobs/<algorithm>/<2 digits>/<hex>/data
//! repositories/<name>/_manifests/revisions/<algorithm>/<hex>/link
//! repositories/<name>/_manifests/tags/<tag>/current/link
//! repositories/<name>/_manifests/tags/<tag>/index/<algorithm>/<hex>/link
//! repositories/<name>/_layers/<algorithm>/<hex>/link
//! repositories/<name>/_uploads/<id>/
//! ```
//!
//! All paths are relative to `docker/registry/v2`. A link is the text of a digest. Threats: links with other contents,
//! of any length, FIFOs or symbolic links in their place, names that are none, directories without end. Names are
//! checked against the grammar of references, which bounds their length and depth; links are read up to a bound, links
//! of the file system are not followed, and their number is limited.

use std::path::Path;

use rustix::fs::FileType;

use super::directory::Directory;
use super::files::Files;
use crate::error::{At, Error, Fault, Result, within};
use crate::limits::{Bound, Limits};
use crate::spec::{Digest, Reference};

/// Length in bytes up to which a link is read. The longest digest of a known algorithm has 135 bytes.
const LINK_LENGTH: Bound = Bound {
    what: "bytes of a link",
    most: 512,
};

/// Length in bytes of a link to a SHA-256 digest.
const USUAL_LENGTH: u64 = 71;

/// A link of a repository.
#[derive(Debug)]
pub struct Link {
    /// Path of its file.
    pub path: String,
    /// Digest in its path.
    pub named: Digest,
    /// Digest in its text.
    pub target: Result<Digest>,
    /// True if the text ends with a newline, which the server refuses in links of layers.
    pub has_newline: bool,
}

/// A path below `repositories` that is ignored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ignored {
    /// Path, without `docker/registry/v2`.
    pub path: String,
    /// The reason.
    pub why: &'static str,
    /// True for a link of the file system, which the server follows.
    pub is_link: bool,
}

impl Ignored {
    /// A path that is no valid name.
    pub(super) fn invalid(path: String) -> Self {
        Ignored {
            path,
            why: "invalid name",
            is_link: false,
        }
    }

    fn link(path: String) -> Self {
        Ignored {
            path,
            why: "a symbolic link",
            is_link: true,
        }
    }
}

/// The repositories of a tree, read on demand.
#[derive(Debug)]
pub struct Repositories<'a> {
    directory: &'a Files,
    limits: &'a Limits,
    /// Number of links read.
    links: u64,
}

impl<'a> Repositories<'a> {
    pub(super) fn of(directory: &'a Files, limits: &'a Limits) -> Self {
        Repositories {
            directory,
            limits,
            links: 0,
        }
    }

    /// Returns the names of all repositories, sorted, and the paths that are ignored.
    ///
    /// # Errors
    /// `Limit`; `Io`.
    pub fn names(&self) -> Result<(Vec<String>, Vec<Ignored>)> {
        let (mut names, mut ignored) = (Vec::new(), Vec::new());
        let mut work = vec![String::new()];
        while let Some(name) = work.pop() {
            let path = format!("repositories/{name}");
            let inside = self.directory.list(&path, self.limits.entries)?;
            let mut is_repository = false;
            for (base, kind) in inside {
                if kind == FileType::Symlink {
                    let path = path.trim_end_matches('/');
                    ignored.push(Ignored::link(format!("{path}/{base}")));
                    within("links", self.limits.links, ignored.len() as u64)?;
                }
                if !kind.is_dir() {
                    continue;
                }
                if base.starts_with('_') {
                    is_repository |= matches!(&*base, "_manifests" | "_layers");
                    continue;
                }
                let below = match name.is_empty() {
                    true => base,
                    false => format!("{name}/{base}"),
                };
                match is_valid_path(&below) {
                    true => work.push(below),
                    false => ignored.push(Ignored::invalid(format!("repositories/{below}"))),
                }
            }
            if is_repository && !name.is_empty() {
                names.push(name);
            }
            within("repositories", self.limits.repositories, names.len() as u64)?;
            within("links", self.limits.links, work.len() as u64)?;
        }
        names.sort_unstable();
        ignored.sort_unstable();
        Ok((names, ignored))
    }

    /// Returns the tags of a repository, sorted, and the paths that are no valid tags.
    ///
    /// # Errors
    /// `NotAFile` for a link of the file system in the place of a directory; `Limit`; `Io`.
    pub fn tags(&mut self, repository: &str) -> Result<(Vec<String>, Vec<String>)> {
        let path = format!("repositories/{repository}/_manifests/tags");
        let (mut tags, mut invalid) = (Vec::new(), Vec::new());
        for (base, _) in self.directories(&path)? {
            match Reference::parse(&format!("a:{base}")) {
                Ok(reference) if reference.tag() == Some(&base) => tags.push(base),
                _ => invalid.push(format!("{path}/{base}")),
            }
        }
        Ok((tags, invalid))
    }

    /// Returns the digest that a tag points to, and true if the link ends with a newline; `None` without a link.
    ///
    /// # Errors
    /// `BadDigest`; `NotAFile` and `BadLink` for anything but a regular file; `Limit`; `Io`. The context is the link.
    pub fn tag(&mut self, repository: &str, tag: &str) -> Result<Option<(Digest, bool)>> {
        self.read(&current_link(repository, tag))
    }

    /// Returns the links below a directory of a repository: `_layers`, `_manifests/revisions`, or the `index` of a tag.
    ///
    /// # Errors
    /// `NotAFile` for a link of the file system in the place of a directory; `Limit`; `Io` from listing. Errors of one
    /// link are in it.
    pub fn links(&mut self, directory: &str) -> Result<Vec<Link>> {
        let mut links = Vec::new();
        for (algorithm, kind) in self.directories(directory)? {
            let inside = format!("{directory}/{algorithm}");
            if !kind.is_dir() && kind != FileType::Symlink {
                continue;
            }
            for (hex, _) in self.directories(&inside)? {
                let Ok(named) = Digest::from_hex(&algorithm, &hex) else {
                    continue;
                };
                let path = format!("{inside}/{hex}/link");
                let (target, has_newline) = match self.read(&path) {
                    Ok(Some((target, has_newline))) => (Ok(target), has_newline),
                    Err(error) if !matches!(error.fault(), Fault::Limit { what: "links", .. }) => {
                        (Err(error), false)
                    }
                    Err(error) => return Err(error),
                    // The server takes the link for deleted.
                    Ok(None) => continue,
                };
                links.push(Link {
                    path,
                    named,
                    target,
                    has_newline,
                });
            }
        }
        Ok(links)
    }

    /// Lists a directory; a link in its place is no empty one, because the server follows it.
    fn directories(&self, path: &str) -> Result<Vec<(String, FileType)>> {
        if self.directory.kind(path) == Some(FileType::Symlink) {
            return Err(Error::not_a_file("a symbolic link").at(path));
        }
        self.directory.list(path, self.limits.links)
    }

    fn read(&mut self, path: &str) -> Result<Option<(Digest, bool)>> {
        self.links += 1;
        within("links", self.limits.links, self.links)?;
        let read = || -> Result<Option<(Digest, bool)>> {
            let Some(content) = self.directory.get(path, 0)? else {
                return Ok(None);
            };
            if content.len() > LINK_LENGTH.most {
                // Damage, not an input that a higher limit would make readable.
                return Err(Error::size_mismatch(USUAL_LENGTH, content.len()));
            }
            let bytes = content.bytes(LINK_LENGTH)?;
            let text = String::from_utf8_lossy(&bytes);
            let digest = text.strip_suffix('\n').unwrap_or(&text);
            Ok(Some((Digest::parse(digest)?, digest.len() < text.len())))
        };
        read().at(|| path.to_owned())
    }
}

/// Returns the names of the repositories below `docker/registry/v2`; none if the directory is missing.
///
/// # Errors
/// `Limit`; `Io`.
pub fn repository_names(storage: &Path) -> Result<Vec<String>> {
    if !storage.is_dir() {
        return Ok(Vec::new());
    }
    let directory = Files::Directory(Directory::open(storage)?);
    let names = Repositories::of(&directory, &Limits::default()).names()?.0;
    Ok(names)
}

/// Path of the blob with that digest.
pub fn data_path(digest: &Digest) -> String {
    let hex = digest.encoded();
    let start = hex.get(..2).unwrap_or(hex);
    format!("blobs/{}/{start}/{hex}/data", digest.algorithm())
}

/// Path of the link of a tag.
pub fn current_link(repository: &str, tag: &str) -> String {
    format!("repositories/{repository}/_manifests/tags/{tag}/current/link")
}

/// Path below `directory` of the link to a digest.
pub fn link_path(directory: &str, digest: &Digest) -> String {
    format!(
        "{directory}/{}/{}/link",
        digest.algorithm(),
        digest.encoded()
    )
}

/// Lists the virtual names of all blobs, see [`super::tree::Tree`].
pub(super) fn blob_names(directory: &Files, limit: u64) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let directories = |path: &str| -> Result<Vec<String>> {
        let inside = directory.list(path, limit)?.into_iter();
        let inside = inside.filter(|(_, kind)| *kind == FileType::Directory);
        Ok(inside.map(|(base, _)| base).collect())
    };
    for algorithm in directories("blobs")? {
        let path = format!("blobs/{algorithm}");
        for start in directories(&path)? {
            for hex in directories(&format!("{path}/{start}"))? {
                let digest = Digest::from_hex(&algorithm, &hex).ok();
                let digest = digest.filter(|digest| {
                    let data = data_path(digest);
                    data.contains(&format!("/{start}/")) && directory.kind(&data).is_some()
                });
                names.extend(digest.map(|digest| digest.blob_path()));
                within("files", limit, names.len() as u64)?;
            }
        }
    }
    Ok(names)
}

/// Tests if a text is a repository's name that a server accepts. Hosts in it have no port.
pub fn is_valid_path(name: &str) -> bool {
    let is_part = |part: &str| {
        let parsed = Reference::parse(&format!("a/{part}"));
        parsed.is_ok_and(|name| name.tag().is_none() && name.digest().is_none())
    };
    name.len() <= 255 && name.split('/').all(is_part)
}
