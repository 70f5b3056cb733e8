//! Slack: bytes of an archive that no image shows, where imgverify finds them.
//!
//! [`slack`] passes each such region to a visitor: its place is exact, so that the same bytes can be cut out again. They are
//! members and blobs that nothing refers to; members whose name another one has later; hidden bytes of the archive's tar and of
//! each layer's; fields of gzip headers, skippable frames of zstd and bytes behind a gzip stream of the layers as stored.

use std::collections::HashSet;
use std::io::{BufReader, Read};
use std::sync::Arc;

use super::blobs::owned_frames;
use super::references::{stray_code, strays};
use super::report::key;
use crate::archive::{Archive, Content, Image, Layer, MemberKind, MemberTable};
use crate::blob::{
    Compression, Decoder, FileRange, FrameWatch, RangeReader, SkippableFrames, each_chunk,
};
use crate::error::{At, Error, Fault, Result};
use crate::layer::{
    FileInput, GzipHeader, HiddenPlace, Limits, StreamInput, hidden_bytes, sniffable,
};
use crate::nested::Source;

/// Bytes that offsets are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionOf {
    /// The archive's file.
    Archive,
    /// A member of the archive that is not at a known place in a file.
    Member,
    /// A compressed layer as it is stored.
    Stored,
    /// The uncompressed tar of a layer.
    Layer,
}

/// A region of bytes that no image shows.
#[derive(Debug, Clone)]
pub struct Region {
    /// Code of imgverify's finding.
    pub code: &'static str,
    /// Layer from 1, for [`RegionOf::Stored`] and [`RegionOf::Layer`], in the first image that has it.
    pub layer: Option<usize>,
    /// Path of the member or entry; empty behind an end.
    pub place: Vec<u8>,
    /// Bytes that the offset is of.
    pub of: RegionOf,
    /// Offset in bytes.
    pub offset: u64,
    /// Offset in the archive's file, if the bytes are there as they are.
    pub stored_at: Option<u64>,
}

/// Receives a region and its bytes.
pub type VisitSlack<'v> = dyn FnMut(&Region, &mut dyn Read) -> Result<()> + 'v;

/// Passes all regions of an archive to `visit`: first those of the archive's tar, then those of each distinct layer. Costs a pass
/// over the headers of uncompressed layers, and one over all bytes of compressed ones. Returns the layers that ended early; what
/// lies before was passed.
///
/// # Errors
/// `Io`, and those of `visit`.
pub fn slack(archive: &Archive, limits: &Limits, visit: &mut VisitSlack<'_>) -> Result<Vec<Error>> {
    let mut failed = Vec::new();
    members(archive, limits, visit)?;
    let mut seen = HashSet::new();
    for image in &archive.images {
        for (number, layer) in image.layers.iter().enumerate() {
            let Some(content) = layer.content().filter(|content| seen.insert(key(content))) else {
                continue;
            };
            let mut own = Own {
                number: number + 1,
                stored_at: stored_at(content),
                visit: &mut *visit,
                is_visitors: false,
                is_plain: false,
            };
            let read = own.read(layer, content, limits);
            let read = read.at(|| layer.place()).at(|| context(image, number));
            match read {
                Err(error) if own.is_visitors => return Err(error),
                Err(error) => failed.push(error),
                Ok(()) => {}
            }
        }
    }
    Ok(failed)
}

fn context(image: &Image, number: usize) -> String {
    format!("layer {} of {}", number + 1, image.layers.len())
}

/// Offset of contents in the archive's file.
fn stored_at(content: &Content) -> Option<u64> {
    let Content::Range(range) = content else {
        return None;
    };
    let (file, start) = range.parts();
    file.file().map(|_| start)
}

/// Regions of the archive itself.
fn members(archive: &Archive, limits: &Limits, visit: &mut VisitSlack<'_>) -> Result<()> {
    if let Some(table) = archive.container.table() {
        if let Some(tar) = tar_of(table) {
            let mut own = |place: HiddenPlace<'_>, bytes: &mut dyn Read| {
                let at = tar.parts().1.saturating_add(place.offset);
                let region = Region {
                    code: place.code,
                    layer: None,
                    place: place.path.to_vec(),
                    of: RegionOf::Archive,
                    offset: at,
                    stored_at: Some(at),
                };
                visit(&region, bytes)
            };
            let (file, start) = tar.parts();
            let input = FileInput::new(Arc::clone(file), start, tar.len());
            let walked = hidden_bytes(input, limits, &mut own);
            // Where the archive is cut or damaged, opening it has told so.
            if let Err(error) = walked
                && matches!(error.fault(), Fault::Io { .. })
            {
                return Err(error);
            }
        }
        for (name, positions) in table.names().filter(|(_, positions)| positions.len() > 1) {
            let (_, former) = positions.split_last().unwrap_or((&0, &[]));
            for &at in former {
                if let Some(MemberKind::File(content)) =
                    table.members().get(at).map(|member| &member.kind)
                {
                    whole("duplicate-member", name, content, visit)?;
                }
            }
        }
    }
    let names = archive.container.names(limits).unwrap_or_default();
    for name in strays(archive, &names) {
        if let Ok(Some(content)) = archive.container.get(name) {
            whole(stray_code(archive, name), name.as_bytes(), &content, visit)?;
        }
    }
    Ok(())
}

/// The tar that the members of a table are in, if it is in a file.
fn tar_of(table: &MemberTable) -> Option<FileRange> {
    let found = table.members().iter().find_map(|member| {
        let MemberKind::File(Content::Range(range)) = &member.kind else {
            return None;
        };
        let (file, start) = range.parts();
        // Contents are behind their header.
        let before = member.offset.saturating_add(512);
        Some((Arc::clone(file), start.checked_sub(before)?))
    });
    let (file, start) = found?;
    let whole = FileRange::of(file);
    Some(whole.slice(start, u64::MAX))
}

/// A member as a region; nothing where its bytes were not kept.
fn whole(
    code: &'static str,
    name: &[u8],
    content: &Content,
    visit: &mut VisitSlack<'_>,
) -> Result<()> {
    let at = stored_at(content);
    let region = Region {
        code,
        layer: None,
        place: name.to_vec(),
        of: at.map_or(RegionOf::Member, |_| RegionOf::Archive),
        offset: at.unwrap_or(0),
        stored_at: at,
    };
    match content.reader() {
        Ok(mut bytes) => visit(&region, &mut bytes),
        Err(error) if matches!(error.fault(), Fault::StreamConsumed) => Ok(()),
        Err(error) => Err(error.at(String::from_utf8_lossy(name))),
    }
}

/// A layer that is being read.
struct Own<'v, 'r> {
    number: usize,
    stored_at: Option<u64>,
    visit: &'v mut VisitSlack<'r>,
    /// The error is that of the visitor.
    is_visitors: bool,
    /// The layer is stored as it is.
    is_plain: bool,
}

impl Own<'_, '_> {
    fn region(
        &mut self,
        (code, of): (&'static str, RegionOf),
        place: &[u8],
        offset: u64,
        bytes: &mut dyn Read,
    ) -> Result<()> {
        let stored_at = (self.stored_at).filter(|_| of == RegionOf::Stored || self.is_plain);
        let region = Region {
            code,
            layer: Some(self.number),
            place: place.to_vec(),
            of,
            offset,
            stored_at: stored_at.map(|start| start.saturating_add(offset)),
        };
        let mut source = Source::new(bytes, None);
        let visited = (self.visit)(&region, &mut source);
        self.is_visitors |= visited.is_err();
        visited?;
        source.error.map_or(Ok(()), Err)
    }

    fn read(&mut self, layer: &Layer, content: &Content, limits: &Limits) -> Result<()> {
        let compression = content.compression()?;
        let range = content.range()?;
        if let (Compression::None, Some(range)) = (compression, &range) {
            self.is_plain = true;
            let (file, start) = range.parts();
            let input = FileInput::new(Arc::clone(file), start, range.len());
            return hidden_bytes(input, limits, &mut |place, bytes| {
                self.region(
                    (place.code, RegionOf::Layer),
                    place.path,
                    place.offset,
                    bytes,
                )
            });
        }
        let mut stored = sniffable(content.reader()?);
        let mut frames = SkippableFrames::default();
        let watched = (compression == Compression::Zstd).then_some(&mut frames);
        let watched = FrameWatch::new(&mut stored, watched);
        let mut decoder = Decoder::new(watched, compression, limits.decode)?;
        // It ends at an error of the decoder: what lies before is walked.
        let mut source = Source::new(&mut decoder, None);
        let mut decoded = BufReader::with_capacity(crate::blob::CHUNK, &mut source);
        let input = StreamInput::new(&mut decoded);
        let walked = hidden_bytes(input, limits, &mut |place, bytes| {
            self.region(
                (place.code, RegionOf::Layer),
                place.path,
                place.offset,
                bytes,
            )
        });
        if self.is_visitors {
            return walked;
        }
        let ended = walked.and_then(|()| each_chunk(&mut decoded, |_| Ok(())));
        let ended = source.error.map_or(ended, Err);
        let Some(range) = range else { return ended };
        drop(decoder);
        match compression {
            Compression::Gzip => {
                self.gzip_header(&range)?;
                let is_behind = matches!(
                    ended.as_ref().map_err(Error::fault),
                    Err(Fault::Codec { why, .. }) if why.contains("trailing data")
                );
                if is_behind {
                    let mut left = 0;
                    each_chunk(&mut stored, |chunk| {
                        left += chunk.len() as u64;
                        Ok(())
                    })?;
                    let offset = range.len().saturating_sub(left);
                    let mut bytes = range.slice(offset, left).reader();
                    return self.region(("compression", RegionOf::Stored), b"", offset, &mut bytes);
                }
            }
            Compression::Zstd => {
                let owned = owned_frames(&frames, layer.descriptor.iter());
                for frame in &frames.frames {
                    let offset = frame.offset.saturating_add(8);
                    if owned.contains(&offset) {
                        continue;
                    }
                    let mut bytes = range.slice(offset, frame.size).reader();
                    self.region(
                        ("skippable-frame", RegionOf::Stored),
                        b"",
                        offset,
                        &mut bytes,
                    )?;
                }
            }
            _ => {}
        }
        ended
    }

    /// Fields of a gzip header.
    fn gzip_header(&mut self, range: &FileRange) -> Result<()> {
        let head = range.slice(0, crate::blob::CHUNK as u64).bytes(u64::MAX)?;
        let Some(header) = GzipHeader::read(&head) else {
            return Ok(());
        };
        let mut part = |code, at: u64, length: usize| {
            let mut bytes: RangeReader = range.slice(at, length as u64).reader();
            self.region((code, RegionOf::Stored), b"", at, &mut bytes)
        };
        let mut at = 10;
        if !header.extra.is_empty() {
            at += 2;
            for (id, bytes) in &header.extra {
                if id != b"SG" {
                    part("gzip-extra", at + 4, bytes.len())?;
                }
                at += 4 + bytes.len() as u64;
            }
        }
        for text in [&header.name, &header.comment].into_iter().flatten() {
            part("gzip-header", at, text.len())?;
            at += text.len() as u64 + 1;
        }
        Ok(())
    }
}
