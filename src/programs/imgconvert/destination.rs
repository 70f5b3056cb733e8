//! Destination of a conversion: parsing, checks and writing.

use std::path::{Path, PathBuf};

use crate::archive::{Name, TreeKind};
use crate::blob::Meter;
use crate::cli::{self, Common, Io};
use crate::error::{At, During, Error, Fault, Result};
use crate::spec::Reference;
use crate::store::{Policy, Store, add_to_tree, check_tree};
use crate::write::registry::{self, Plan, PushOptions, RegistryTree};
use crate::write::{Bundle, Format, Holds, ListedName, archive, layout};

/// Output of a conversion and its format.
pub(super) enum Destination {
    /// Archive on standard output.
    Stream(Format),
    /// Archive in a file.
    Archive(Format, PathBuf),
    /// OCI layout, new or existing.
    Layout(PathBuf),
    /// New directory in skopeo's `dir:` format.
    Dir(PathBuf),
    /// Tree of repositories, new or existing.
    Tree(TreeKind, PathBuf),
    /// The local store.
    Store(Store),
}

impl Destination {
    /// Parses a destination in skopeo's syntax, and the name that it gives to the image.
    ///
    /// # Errors
    /// `Usage` for an unknown format, a missing path, and a registry; `BadReference`.
    pub(super) fn parse(text: &str, common: &Common) -> Result<(Self, Option<ListedName>)> {
        if cli::is_stdout(Path::new(text)) {
            return Ok((Destination::Stream(Format::Docker), None));
        }
        cli::refuse_online(text)?;
        let (kind, rest) = match text.split_once(':') {
            Some((
                kind @ ("docker-archive" | "docker-legacy" | "oci-archive" | "oci" | "dir"
                | "registry-tree" | "layout-tree" | "dir-tree" | "store"),
                rest,
            )) => (kind, rest),
            _ => ("", text),
        };
        if kind == "store" {
            let name = (!rest.is_empty()).then(|| ListedName::new(rest));
            return Ok((Destination::Store(cli::store(common)?), name.transpose()?));
        }
        let (path, reference) = match kind {
            "" | "dir" => (rest, ""),
            _ => rest.split_once(':').unwrap_or((rest, "")),
        };
        let usage = |why: String| Err(Error::usage(why));
        if path.is_empty() || text.starts_with(':') {
            return usage(format!("'{text}': missing file name"));
        }
        if let ("", Some((prefix, _))) = (kind, text.split_once(':'))
            && !prefix.contains('/')
            && !prefix.starts_with('.')
        {
            // Otherwise a reference, or the prefix of an unknown format, would become part of the file name.
            let name = match prefix.contains('.') {
                true => format!(", docker-archive:{text} to give a name"),
                false => String::new(),
            };
            return usage(format!(
                "'{text}': unknown output format '{prefix}': write ./{text} for a file{name}"
            ));
        }
        let is_stream = cli::is_stdout(Path::new(path));
        let path = PathBuf::from(path);
        let format = match kind {
            "oci-archive" => Format::Oci,
            "docker-legacy" => Format::DockerLegacy,
            _ => Format::Docker,
        };
        let destination = match (kind, is_stream) {
            ("oci" | "dir" | "registry-tree" | "layout-tree" | "dir-tree", true) => {
                return usage(format!(
                    "'{text}': cannot write a directory to standard output"
                ));
            }
            (_, true) => Destination::Stream(format),
            ("oci", false) => Destination::Layout(path),
            ("dir", false) => Destination::Dir(path),
            ("registry-tree", false) => Destination::Tree(TreeKind::Registry, path),
            ("layout-tree", false) => Destination::Tree(TreeKind::Layouts, path),
            ("dir-tree", false) => Destination::Tree(TreeKind::Dirs, path),
            (_, false) => Destination::Archive(format, path),
        };
        let name = match (kind, reference) {
            (_, "") => None,
            ("oci" | "oci-archive", text) => Some(name_in_layout(text)?),
            (_, text) => Some(ListedName::new(text)?),
        };
        Ok((destination, name))
    }

    /// Parses a name that is given beside the destination.
    ///
    /// # Errors
    /// `Usage` if the destination has a name, or cannot hold one; `BadReference`.
    pub(super) fn name(&self, text: &str, has_name: bool) -> Result<ListedName> {
        let tag = [("--tag", true)];
        if has_name {
            cli::no_effect("with a name in the destination", &tag)?;
        }
        match self {
            Destination::Dir(_) => {
                cli::no_effect("with dir:, which holds no name", &tag)?;
                ListedName::new(text)
            }
            Destination::Layout(_) | Destination::Archive(Format::Oci, _) => name_in_layout(text),
            _ => ListedName::new(text),
        }
    }

    /// Returns the path of a file or directory.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Destination::Archive(_, path)
            | Destination::Layout(path)
            | Destination::Dir(path)
            | Destination::Tree(_, path) => Some(path),
            Destination::Stream(_) | Destination::Store(_) => None,
        }
    }

    /// Tests if the destination is a file or directory at whose path an OCI layout exists.
    pub(super) fn is_existing_layout(&self) -> bool {
        !matches!(self, Destination::Tree(..)) && self.path().is_some_and(is_layout)
    }

    /// Tests if the format is docker's before version 25, which holds uncompressed layers only.
    pub(super) fn is_docker_legacy(&self) -> bool {
        matches!(
            self,
            Destination::Archive(Format::DockerLegacy, _)
                | Destination::Stream(Format::DockerLegacy)
        )
    }

    /// Tests if the output is a file that can be written a second time.
    pub(super) fn is_rewritable(&self) -> bool {
        matches!(self, Destination::Archive(_, path) if archive::is_replaceable(path))
    }

    /// Returns the contents that the format can hold.
    pub(super) fn holds(&self) -> Holds {
        match self {
            Destination::Dir(_) | Destination::Tree(TreeKind::Dirs, _) => Holds::Signatures,
            _ if self.is_docker_legacy() => Holds::Images,
            _ => Holds::Artifacts,
        }
    }

    /// Tests if clients of the destination expect compressed layers.
    pub(super) fn is_registry(&self) -> bool {
        matches!(self, Destination::Tree(TreeKind::Registry, _))
    }

    /// Returns the directory for temporary files: on the file system of the output.
    ///
    /// # Errors
    /// As [`Store::blob_directory`].
    pub(super) fn temp_dir(&self) -> Result<PathBuf> {
        match self {
            Destination::Store(store) => store.blob_directory(),
            Destination::Layout(path) if is_layout(path) => Store::at(path).blob_directory(),
            _ => Ok(cli::temporary_directory(self.path())),
        }
    }

    /// Refuses an existing output, other than an OCI layout or an empty file or directory, and a path that cannot be
    /// replaced. `force` allows to replace a file.
    ///
    /// # Errors
    /// `Exists`; `NotAFile`; `Io`.
    pub(super) fn check_vacant(&self, force: bool) -> Result<()> {
        let Some(path) = self.path() else {
            return Ok(());
        };
        let place = || path.to_string_lossy().into_owned();
        let exists = |kind| Err(Error::exists(kind).at(place()));
        let metadata = std::fs::metadata(path);
        match self {
            Destination::Tree(TreeKind::Registry, path) => return registry::check(path),
            Destination::Tree(_, path) => return check_tree(path),
            _ => {}
        }
        if let Destination::Archive(..) = self {
            archive::check_target(path).at(place)?;
            // An empty file, as mktemp creates it, holds nothing that could be lost.
            let is_file = metadata.is_ok_and(|found| found.is_file() && found.len() > 0);
            return match is_file && !force {
                true => exists("a file"),
                false => Ok(()),
            };
        }
        let Ok(metadata) = metadata else {
            return Ok(());
        };
        if !metadata.is_dir() {
            return exists("a file that is not a directory");
        }
        let takes_layout = matches!(self, Destination::Layout(_));
        if takes_layout && is_layout(path) {
            return Ok(());
        }
        let mut entries = std::fs::read_dir(path).during("open").at(place)?;
        match (entries.next().is_some(), takes_layout) {
            (false, _) => Ok(()),
            (true, true) => exists("a directory that is neither empty nor an OCI layout"),
            (true, false) => exists("a directory that is not empty"),
        }
    }

    /// Writes the images of a bundle.
    ///
    /// # Errors
    /// As [`archive::to_path`], [`layout::layout`] and [`Store::add`].
    pub(super) fn write(&self, bundle: &Bundle, io: &mut Io, meter: &Meter) -> Result<()> {
        let add_to = |store: &Store| store.add(bundle, Policy::Replace, meter).map(|_| ());
        match self {
            Destination::Stream(format) => archive::to_stream(bundle, *format, io.out(), meter),
            Destination::Archive(format, path) => archive::to_path(bundle, *format, path, meter)
                .map_err(|error| match error.fault() {
                    Fault::Io { .. } => error.at(path.to_string_lossy()),
                    _ => error,
                }),
            Destination::Dir(path) => layout::dir(bundle, path, meter),
            Destination::Tree(kind, path) => {
                let plan = Plan::of(bundle)?;
                plan.missing
                    .iter()
                    .chain(&plan.notes)
                    .for_each(|note| io.note(note));
                if *kind != TreeKind::Registry {
                    return add_to_tree(bundle, *kind, path, &plan, meter);
                }
                let tree = RegistryTree::open(path, PushOptions::default())?;
                tree.push(&mut bundle.clone(), plan, meter).map(|_| ())
            }
            Destination::Layout(path) if is_layout(path) => add_to(&Store::at(path)),
            Destination::Layout(path) => match layout::layout(bundle, path, meter) {
                // Another program has created the layout meanwhile. Other errors stay errors.
                Err(error) if is_taken(&error) && is_layout(path) => add_to(&Store::at(path)),
                written => written,
            },
            Destination::Store(store) => add_to(store),
        }
    }
}

fn is_layout(path: &Path) -> bool {
    path.join("index.json").exists()
}

/// Tests if a directory could not be renamed because its new name is that of a directory that is not empty.
fn is_taken(error: &Error) -> bool {
    use std::io::ErrorKind::{AlreadyExists, DirectoryNotEmpty};
    matches!(error.fault(), Fault::Io { source, .. } if matches!(source.kind(), AlreadyExists | DirectoryNotEmpty))
}

/// Parses a name in an OCI layout: a reference, or any text that the image specification allows there, as in skopeo and
/// umoci.
fn name_in_layout(text: &str) -> Result<ListedName> {
    if !text.contains(['/', ':', '@']) {
        return Ok(ListedName::typed(Name::Tag(text.to_owned()), text));
    }
    match Reference::parse(text) {
        Ok(reference) => Ok(ListedName::typed(Name::Full(reference.tagged()), text)),
        Err(error) => {
            let separators = ['-', '.', '_', ':', '@', '+', '/'];
            let word = |part: &str| {
                !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            };
            match text.replace("--", "-").split(separators).all(word) {
                true => Ok(ListedName::typed(Name::Text(text.to_owned()), text)),
                false => Err(error),
            }
        }
    }
}
