//! An export as a tar or cpio: into a file on all cores, each part straight to its place, or to a stream in order.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::sync_channel;

use rustix::io::Errno;

use super::rows::Item;
use super::{Export, shown};
use crate::blob::{CHUNK, FileRange, Meter, SerialWriter};
use crate::error::{At, Error, Fault, Result};
use crate::parallel::in_parallel;
use crate::write::entry;

/// The shape of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A tar, with PAX headers where they are needed.
    Tar,
    /// A cpio of the form `newc`, which has no place for extended attributes and for 4 GiB in one file.
    Cpio,
}

/// Contents from this size on are copied by the system and not through a buffer.
const LARGE: u64 = 256 << 10;
/// Bytes that one core takes on at a time.
const TASK: u64 = 16 << 20;
/// How many bytes are put together before they are written.
const BATCH: usize = 1 << 20;
/// What files are kept in by the system.
const PAGE: u64 = 4096;

/// A part of the output that can be written without the others.
enum Task {
    /// Rows with their small contents, and where they start.
    Rows(Range<usize>, u64),
    /// A part of large contents, and where it belongs.
    Bytes(FileRange, u64, usize),
}

impl Shape {
    /// Appends what stands before a row's contents; whether contents follow.
    fn header(self, item: &Item<'_>, out: &mut Vec<u8>) -> Result<bool> {
        let name = item.name();
        match self {
            Shape::Tar => {
                let entry = item.entry(&name);
                entry.header(out);
                Ok(entry.size > 0)
            }
            Shape::Cpio => cpio(item, &name, out).at(|| shown(&item.path)),
        }
    }

    fn padding(self, size: u64) -> usize {
        match self {
            Shape::Tar => entry::padding(size),
            Shape::Cpio => ((4 - size % 4) % 4) as usize,
        }
    }

    fn end(self) -> Vec<u8> {
        match self {
            Shape::Tar => entry::END.to_vec(),
            Shape::Cpio => {
                let mut out = Vec::new();
                cpio_header(&[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], b"TRAILER!!!", &mut out);
                out
            }
        }
    }
}

impl Export {
    /// Writes the archive into an empty file, on all cores: no byte is where another one has to be written first.
    ///
    /// # Errors
    /// `DiffIdMismatch` for a layer that is another one; `Unsupported` for what the shape cannot hold, `Truncated` if a layer
    /// has become shorter, `Io`.
    pub fn to_file(&self, shape: Shape, file: &File, meter: &Meter) -> Result<()> {
        let write_error = |error| Error::io("write", error);
        let mut rows = Vec::new();
        let mut large = Vec::new();
        let mut header = Vec::new();
        let (mut offset, mut from, mut from_offset) = (0_u64, 0, 0);
        for (row, item) in self.items().enumerate() {
            header.clear();
            let has_contents = shape.header(&item, &mut header)?;
            let start = offset + header.len() as u64;
            offset = start;
            if has_contents {
                if item.size >= LARGE {
                    for (at, range) in item.parts().at(|| shown(&item.path))? {
                        let mut done = 0;
                        while done < range.len() {
                            large.push(Task::Bytes(
                                range.slice(done, TASK),
                                start + at + done,
                                row,
                            ));
                            done += TASK;
                        }
                    }
                }
                let end = start.checked_add(item.size);
                let end = end.and_then(|end| end.checked_add(shape.padding(item.size) as u64));
                offset = end
                    .filter(|&end| i64::try_from(end).is_ok())
                    .ok_or_else(too_large)?;
            }
            if offset - from_offset > TASK {
                rows.push(Task::Rows(from..row + 1, from_offset));
                (from, from_offset) = (row + 1, offset);
            }
        }
        rows.push(Task::Rows(from..self.len(), from_offset));
        let end = shape.end();
        let length = offset.checked_add(end.len() as u64).ok_or_else(too_large)?;
        file.set_len(length).map_err(write_error)?;
        file.write_all_at(&end, offset).map_err(write_error)?;
        // In the order of the output, which is mostly that of the layers, too.
        large.append(&mut rows);
        large.sort_by_key(|task| match task {
            Task::Rows(_, at) | Task::Bytes(_, at, _) => *at,
        });
        let writer = SerialWriter::new(file);
        self.proof.beside(&Meter::default(), || {
            in_parallel(&large, |task| match task {
                Task::Rows(rows, at) => self.rows_at(shape, rows.clone(), *at, &writer, meter),
                Task::Bytes(range, at, row) => copy(range, &writer, *at, meter).at(|| {
                    self.item(*row)
                        .map_or_else(String::new, |item| shown(&item.path))
                }),
            })
            .into_iter()
            .collect()
        })
    }

    /// Writes rows and their small contents from `at` on.
    fn rows_at(
        &self,
        shape: Shape,
        rows: Range<usize>,
        at: u64,
        file: &SerialWriter<'_>,
        meter: &Meter,
    ) -> Result<()> {
        let mut batch = Vec::new();
        let mut offset = at;
        let flush = |batch: &mut Vec<u8>, offset: &mut u64| -> Result<()> {
            file.write_all_at(batch, *offset)
                .map_err(|error| Error::io("write", error))?;
            *offset += batch.len() as u64;
            batch.clear();
            Ok(())
        };
        for item in rows.filter_map(|row| self.item(row)) {
            if !shape.header(&item, &mut batch)? {
                continue;
            }
            if item.size >= LARGE {
                flush(&mut batch, &mut offset)?;
                // Another task writes it; padding and holes are zeros already.
                offset += item.size + shape.padding(item.size) as u64;
                continue;
            }
            append(&item, &mut batch).at(|| shown(&item.path))?;
            batch.resize(batch.len() + shape.padding(item.size), 0);
            meter.add(item.size);
            if batch.len() >= BATCH {
                flush(&mut batch, &mut offset)?;
            }
        }
        flush(&mut batch, &mut offset)
    }

    /// Writes the archive to a stream. Contents are read by another thread than the one that writes.
    ///
    /// # Errors
    /// As [`Export::to_file`]; what has been written by then is not whole.
    pub fn to_stream(&self, shape: Shape, out: &mut dyn Write, meter: &Meter) -> Result<()> {
        self.proof
            .beside(&Meter::default(), || self.in_order(shape, out, meter))
    }

    fn in_order(&self, shape: Shape, out: &mut dyn Write, meter: &Meter) -> Result<()> {
        let (sender, batches) = sync_channel::<Vec<u8>>(4);
        let (spare, spares) = sync_channel::<Vec<u8>>(6);
        std::thread::scope(|scope| {
            let reader = scope.spawn(move || -> Result<()> {
                let mut batch = Vec::new();
                // An error of the one who writes is his to say; here it only ends the work.
                let send = |batch: &mut Vec<u8>| {
                    let mut next: Vec<u8> = spares.try_recv().unwrap_or_default();
                    next.clear();
                    sender.send(std::mem::replace(batch, next)).is_ok()
                };
                for item in self.items() {
                    let has_contents = shape.header(&item, &mut batch)?;
                    if has_contents {
                        let place = || shown(&item.path);
                        let mut done = 0;
                        for (at, range) in item.parts().at(place)? {
                            if !zeros(&mut batch, at - done, &send) {
                                return Ok(());
                            }
                            let mut position = 0;
                            while position < range.len() {
                                let piece = range.slice(position, CHUNK as u64);
                                read(&piece, &mut batch).at(place)?;
                                position += piece.len();
                                if batch.len() >= BATCH && !send(&mut batch) {
                                    return Ok(());
                                }
                            }
                            done = at + range.len();
                        }
                        if !zeros(&mut batch, item.size - done, &send) {
                            return Ok(());
                        }
                        batch.resize(batch.len() + shape.padding(item.size), 0);
                    }
                    if batch.len() >= BATCH && !send(&mut batch) {
                        return Ok(());
                    }
                }
                batch.extend(shape.end());
                send(&mut batch);
                Ok(())
            });
            let mut written = Ok(());
            for batch in batches {
                written = out
                    .write_all(&batch)
                    .map_err(|error| Error::io("write", error));
                if written.is_err() {
                    break;
                }
                meter.add(batch.len() as u64);
                let _ = spare.try_send(batch);
            }
            match reader.join() {
                Ok(result) => written.and(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })?;
        out.flush().map_err(|error| Error::io("write", error))
    }
}

/// Appends zeros, in batches; false if nobody takes them.
fn zeros(batch: &mut Vec<u8>, mut count: u64, send: &dyn Fn(&mut Vec<u8>) -> bool) -> bool {
    while count > 0 {
        let some = count.min(BATCH as u64);
        // At most a batch.
        batch.resize(batch.len() + some as usize, 0);
        count -= some;
        if batch.len() >= BATCH && !send(batch) {
            return false;
        }
    }
    true
}

fn too_large() -> Error {
    Fault::Limit {
        what: "size of the archive in bytes",
        limit: i64::MAX.cast_unsigned(),
        found: u64::MAX,
    }
    .into()
}

/// Appends small contents with their holes.
fn append(item: &Item<'_>, batch: &mut Vec<u8>) -> Result<()> {
    let start = batch.len();
    for (at, range) in item.parts()? {
        // Below the size, which is small.
        batch.resize(start + at as usize, 0);
        read(&range, batch)?;
    }
    batch.resize(start + item.size as usize, 0);
    Ok(())
}

/// Appends all bytes of a range.
fn read(range: &FileRange, batch: &mut Vec<u8>) -> Result<()> {
    let (file, offset) = range.parts();
    let start = batch.len();
    let length = usize::try_from(range.len()).unwrap_or(usize::MAX);
    batch.resize(start + length, 0);
    let buf = batch.get_mut(start..).unwrap_or_default();
    file.read_exact_at(buf, offset)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::new(Fault::Truncated {
                what: "the file",
                expected: offset + range.len(),
                found: file.metadata().map_or(0, |metadata| metadata.len()),
            }),
            _ => Error::io("read", error),
        })
}

/// Copies a range to its place: inside the system where it can do that, else through a buffer.
///
/// # Errors
/// `Truncated` if the file has become shorter; `Io`.
pub(super) fn copy(range: &FileRange, to: &SerialWriter<'_>, at: u64, meter: &Meter) -> Result<()> {
    let (file, offset) = range.parts();
    let mut done = 0;
    // Where pages do not lie the same the system copies each in two pieces, which takes longer than two copies do;
    // nor could any file system share them.
    let alike = offset % PAGE == at % PAGE;
    while alike && done < range.len() {
        let (mut from, mut into) = (offset + done, at + done);
        let wanted = usize::try_from(range.len() - done)
            .unwrap_or(usize::MAX)
            .min(8 << 20);
        let copied = to.exclusive(
            into,
            |to| rustix::fs::copy_file_range(&**file, Some(&mut from), to, Some(&mut into), wanted),
            |&copied| copied as u64,
        );
        match copied {
            Ok(0)
            | Err(
                Errno::XDEV
                | Errno::INVAL
                | Errno::NOSYS
                | Errno::OPNOTSUPP
                | Errno::PERM
                | Errno::BADF,
            ) => break,
            Ok(n) => {
                done += n as u64;
                meter.add(n as u64);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::io("write", errno.into())),
        }
    }
    let mut buf = Vec::new();
    while done < range.len() {
        buf.clear();
        let piece = range.slice(done, CHUNK as u64);
        read(&piece, &mut buf)?;
        to.write_all_at(&buf, at + done)
            .map_err(|error| Error::io("write", error))?;
        done += piece.len();
        meter.add(piece.len());
    }
    Ok(())
}

fn cpio(item: &Item<'_>, name: &[u8], out: &mut Vec<u8>) -> Result<bool> {
    use crate::tree::NodeKind;
    let number = |what: &'static str, value: u64| {
        u32::try_from(value).map_err(|_| {
            Error::new(Fault::Limit {
                what,
                limit: u64::from(u32::MAX),
                found: value,
            })
        })
    };
    let type_bits = match item.kind {
        super::ItemKind::Node(NodeKind::Folder) => 0o040_000,
        super::ItemKind::Node(NodeKind::Symlink) => 0o120_000,
        super::ItemKind::Node(NodeKind::CharDevice) => 0o020_000,
        super::ItemKind::Node(NodeKind::BlockDevice) => 0o060_000,
        super::ItemKind::Node(NodeKind::Fifo) => 0o010_000,
        _ => 0o100_000,
    };
    // Of a file with several names, the last one has the contents.
    let size = match item.is_file() && item.is_last_name() {
        true => item.size,
        false => item.link_target.len() as u64,
    };
    let links = match item.kind {
        super::ItemKind::Node(NodeKind::Folder) => 2,
        _ => item.link_count,
    };
    let seconds = u64::try_from(item.meta.mtime.seconds).unwrap_or_default();
    let fields = [
        number("entries of a cpio", item.number())?,
        type_bits | u32::from(item.meta.mode),
        number("owner of a cpio entry", item.meta.owner.uid)?,
        number("group of a cpio entry", item.meta.owner.gid)?,
        links,
        u32::try_from(seconds).unwrap_or(u32::MAX),
        number("size of a cpio entry in bytes", size)?,
        0,
        0,
        number("device number of a cpio entry", item.device.0)?,
        number("device number of a cpio entry", item.device.1)?,
    ];
    let name = if name.is_empty() { b"." } else { name };
    cpio_header(&fields, name, out);
    if !item.link_target.is_empty() {
        out.extend_from_slice(item.link_target);
        out.resize(out.len() + Shape::Cpio.padding(size), 0);
        return Ok(false);
    }
    Ok(size > 0)
}

/// The magic, the fields in hexadecimal, the name with a NUL, and zeros up to a multiple of 4.
fn cpio_header(fields: &[u32; 11], name: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"070701");
    // The device that the file is on takes two of the thirteen fields; no host's is written.
    let length = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
    for field in fields.iter().chain([&length, &0]) {
        out.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    out.extend_from_slice(name);
    out.push(0);
    // A header is 110 bytes.
    out.resize(out.len() + (4 - (110 + name.len() + 1) % 4) % 4, 0);
}
