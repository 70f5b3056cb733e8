//! New layers, compressed as requested.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::entry::EntryOut;
use super::{LayerWriter, MediaTypes, NewLayer, Recode};
use crate::archive::{Content, Kept};
use crate::blob::{Compression, Meter, NewFile};
use crate::disk::{Directory, Item};
use crate::error::Result;
use crate::layer::{EntryKind, Scan};
use std::io::Read;

/// Options for new layers.
#[derive(Debug)]
pub struct Packer<'a> {
    /// Compression; `media_types` and `prune_sparse` are ignored.
    pub recode: &'a Recode,
    /// Directory for anonymous temporary files.
    pub temp_dir: &'a Path,
    /// Counts the compressed bytes.
    pub meter: &'a Meter,
}

impl Packer<'_> {
    /// Starts a layer. It is compressed while it is written, if the options allow that.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn writer(&self) -> Result<LayerWriter> {
        let file = NewFile::in_directory(self.temp_dir, 0o644)?;
        let is_streamable = !self.recode.chunked && self.recode.reproducible.is_none();
        Ok(match self.recode.compression {
            Some(to @ (Compression::Gzip | Compression::Zstd)) if is_streamable => {
                LayerWriter::compressing(file, to, self.recode.level, self.meter)
            }
            _ => LayerWriter::new(file, self.meter),
        })
    }

    /// Adds a layer that was written here, compressed if the options say so and it is not yet.
    ///
    /// # Errors
    /// `Unsupported` for a compression that the media types lack; `Io`.
    pub fn layer(&self, kept: Kept, types: MediaTypes) -> Result<NewLayer> {
        self.pack(
            &Arc::clone(&kept.scan),
            Content::Kept(Arc::new(kept)),
            types,
        )
    }

    /// Writes a directory as a layer.
    ///
    /// # Errors
    /// `Changed` and `Io` for files that change while they are read.
    pub fn directory(&self, directory: &Directory) -> Result<Kept> {
        let mut out = self.writer()?;
        let mut written: HashMap<u64, Vec<u8>> = HashMap::new();
        for (i, (item, _)) in directory.items().enumerate() {
            let first = item.inode.and_then(|inode| written.get(&inode)).cloned();
            if let (None, Some(inode)) = (&first, item.inode) {
                written.insert(inode, item.path.clone());
            }
            write_item(&item, first.as_deref(), || directory.contents(i), &mut out)?;
        }
        out.finish()
    }

    /// Compresses the layer in `content`, if it has to be.
    pub(crate) fn pack(
        &self,
        scan: &Scan,
        content: Content,
        types: MediaTypes,
    ) -> Result<NewLayer> {
        let to = match self.recode.compression {
            Some(to) => to,
            // Readers written in Go refuse zeros after a gzip stream.
            None if scan.padding > 0 => Compression::None,
            None => match scan.compression {
                same @ (Compression::None | Compression::Gzip | Compression::Zstd) => same,
                Compression::Xz | Compression::Bzip2 => Compression::None,
            },
        };
        // Fails before the compression starts if the media types have none for it.
        types.layer(to)?;
        if to == scan.compression && scan.padding == 0 && !self.recode.chunked {
            return NewLayer::scanned(scan, content, types);
        }
        let (kept, annotations) =
            super::compress_layer(scan, content, to, self.recode, self.temp_dir, self.meter)?;
        let mut layer = NewLayer::kept(kept, types)?;
        let annotations = annotations.into_iter();
        let annotations = annotations.map(|(key, text)| (key.to_owned(), text));
        layer.descriptor.annotations = annotations.collect();
        Ok(layer)
    }
}

/// Writes an item: as a link to `first`, or with its contents.
///
/// # Errors
/// `Io`, and the errors of `contents`.
pub(crate) fn write_item<R: Read>(
    item: &Item,
    first: Option<&[u8]>,
    contents: impl FnOnce() -> Result<R>,
    out: &mut LayerWriter,
) -> Result<()> {
    let entry = entry_of(item);
    match first {
        Some(first) => out.entry(&EntryOut {
            kind: EntryKind::HardLink,
            link_target: first,
            size: 0,
            ..entry
        }),
        None if item.kind == EntryKind::File && item.size > 0 => out.file(&entry, contents()?),
        None => out.entry(&entry),
    }
}

/// The tar entry of an item.
pub(crate) fn entry_of(item: &Item) -> EntryOut<'_> {
    EntryOut {
        path: &item.path,
        kind: item.kind,
        mode: item.metadata.mode,
        uid: item.metadata.uid,
        gid: item.metadata.gid,
        mtime: item.metadata.mtime,
        size: item.size,
        link_target: &item.link_target,
        device: item.device,
        xattrs: &item.metadata.xattrs,
        ..EntryOut::default()
    }
}
