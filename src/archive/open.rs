//! Opening: from a path or stream to an [`Archive`].

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::assembly::Assembly;
use super::blob_names::BlobNames;
use super::container::{Container, Holder};
use super::discover::Documents;
use super::graph::GraphReader;
use super::model::{Archive, DockerHalf, Format, OciHalf};
use super::options::Open;
use super::volumes::{self, SetInput};
use crate::blob::{self, ReadAhead, sha256};
use crate::error::{At, Fault, NotAnImage, Result};
use crate::escape;
use crate::spec::{Descriptor, Document, MediaType, json};

impl Open {
    /// Opens a file or directory.
    ///
    /// # Errors
    /// `NotAnImage` with the detected kind of input; `Tar`, `Codec`, `Json`, `Schema` for unreadable content. Damage that
    /// leaves something to list is kept with the part it concerns, see [`Archive::faults_of`].
    pub fn path(&self, path: &Path) -> Result<Archive> {
        let name = display(path);
        Container::open(path, self)
            .and_then(|container| self.assemble(&name, container))
            .map_err(|error| match error.fault() {
                Fault::NotAnImage(_) if path.is_dir() => {
                    volumes::not_one_set(path, self.limits.volumes).unwrap_or(error)
                }
                _ => error,
            })
            .at(|| name.clone())
    }

    /// Opens a set of volumes, which may be in several directories. `name` is the archive's in errors.
    ///
    /// # Errors
    /// As [`Open::path`]; `Volumes`.
    pub fn volumes(&self, name: &str, set: SetInput) -> Result<Archive> {
        Container::from_set(set, self)
            .and_then(|container| self.assemble(name, container))
            .at(|| name.to_owned())
    }

    /// Reads a FIFO as a stream. A FIFO without a writer is empty input; no writer is waited for.
    ///
    /// # Errors
    /// As [`Open::stdin`].
    pub fn pipe(&self, path: &Path) -> Result<Archive> {
        let name = display(path);
        blob::open_fifo(path)
            .and_then(|file| Container::from_stream(self.read_ahead(file), self))
            .and_then(|container| self.assemble(&name, container))
            .at(|| name.clone())
    }

    /// Reads an archive from any source of bytes in one pass, as from a pipe.
    ///
    /// # Errors
    /// As [`Open::path`].
    pub fn stream(&self, source: impl Read + Send + 'static) -> Result<Archive> {
        Container::from_stream(ReadAhead::new(source), self)
            .and_then(|container| self.assemble("-", container))
    }

    /// Opens standard input.
    ///
    /// # Errors
    /// As [`Open::path`], and `Usage` if it is a terminal.
    pub fn stdin(&self) -> Result<Archive> {
        Container::stdin(self)
            .and_then(|container| self.assemble("-", container))
            .at(|| "standard input".into())
    }

    /// Joins the halves of a container into one archive.
    fn assemble(&self, name: &str, container: Container) -> Result<Archive> {
        if let Holder::Document(bytes) = &container.holder {
            let bytes = Arc::clone(bytes);
            return document(name, container, bytes);
        }
        let documents = Documents::discover(&container, self);
        let documents = documents.map_err(|error| container.explained(error))?;
        let mut assembly = Assembly {
            faults: documents.faults,
            notes: documents.notes,
            examine: self.examine,
            ..Assembly::default()
        };
        let has_docker = documents.docker.is_some();
        let oci = match documents.index {
            Some(index) => assembly.add_oci(&container, index, documents.names, has_docker)?,
            None => None,
        };
        if let Some(manifest) = documents.other_manifest {
            assembly.check_other_manifest(&manifest);
        }
        let docker = match documents.docker {
            Some((manifest, items)) => Some(assembly.add_docker(&container, manifest, items)?),
            None => None,
        };
        if let Some(oci) = &oci {
            assembly.join(&oci.edges, container.has_exact_names());
            let beside = container.table().filter(|_| !container.top.is_empty());
            if beside.is_some_and(|table| table.has("zarf.yaml")) {
                assembly.name_by_base(&oci.edges);
            }
        }
        if !self.examine {
            assembly.check_layers();
            assembly.note_damaged_manifests();
        }
        let format = format(&container, &docker, &oci, documents.names);
        Ok(assembly.into_archive(name, container, format, docker, oci))
    }
}

/// Returns the format that the halves found amount to. `names` is how `index.json` or the `dir:` manifest names blobs.
fn format(
    container: &Container,
    docker: &Option<DockerHalf>,
    oci: &Option<OciHalf>,
    names: BlobNames,
) -> Format {
    if let Holder::Tree(tree) = &container.holder {
        return Format::Tree(tree.kind);
    }
    match (docker, oci) {
        (Some(half), _) if half.manifest.is_none() => Format::DockerV1,
        (Some(_), Some(_)) => Format::DockerAndOci,
        (Some(_), None) => Format::Docker,
        (None, None) if !matches!(container.get("oci-layout"), Ok(Some(_))) => Format::Docker,
        (None, _) if names == BlobNames::Hex => Format::Dir,
        (None, _) => Format::Oci,
    }
}

/// Returns a path as text; bytes that are not UTF-8 are escaped.
fn display(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => escape::bytes(path.as_os_str().as_encoded_bytes()).into_owned(),
    }
}

/// Makes an archive of a lone manifest or index.
fn document(name: &str, container: Container, bytes: Arc<[u8]>) -> Result<Archive> {
    let limits = container.limits.json;
    let document = match Document::parse(&bytes, &limits) {
        Ok(document) => document,
        Err(error) if matches!(error.fault(), Fault::Ambiguous { .. }) => return Err(error),
        Err(_) => {
            json::parse(&bytes, &limits)?;
            return Err(Fault::NotAnImage(NotAnImage::Document).into());
        }
    };
    let media_type = document.served_media_type();
    let (digest, size) = (sha256(&bytes), bytes.len() as u64);
    let descriptor = Descriptor::new(MediaType::new(media_type), digest, size);
    let names = BlobNames::Layout;
    let mut reader = GraphReader::new(&container, names);
    let edges = vec![reader.document(Arc::clone(&bytes), descriptor)?];
    let mut assembly = Assembly {
        nodes: reader.nodes,
        images: reader.images,
        ..Assembly::default()
    };
    assembly.join(&edges, false);
    let oci = OciHalf {
        index: bytes,
        edges,
        layout_version: None,
        names,
        stated: OnceLock::new(),
    };
    Ok(assembly.into_archive(name, container, Format::Document, None, Some(oci)))
}
