//! Writing of an export as a tar or cpio archive, to a file on all cores or to a stream.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::sync_channel;

use super::copy::{copy, read};
use super::format::ArchiveFormat;
use super::item::Item;
use super::plan::Export;
use super::select::display;
use crate::blob::{CHUNK, FileRange, Meter, SerialWriter};
use crate::error::{At, During, Result};
use crate::parallel::in_parallel;
use crate::write::too_large;

/// Minimum size of contents in bytes that are copied in the kernel and not through a buffer.
const LARGE: u64 = 256 << 10;
/// Bytes of one task.
const TASK: u64 = 16 << 20;
/// Bytes that are collected before they are written.
const BATCH: usize = 1 << 20;

/// Part of the output that can be written independently.
enum Task {
    /// Rows with their small contents, and their offset in the output.
    Rows(Range<usize>, u64),
    /// Part of large contents, its offset in the output, and its row.
    Bytes(FileRange, u64, usize),
}

impl Export {
    /// Writes the archive to an empty file, on all cores.
    ///
    /// # Errors
    /// `DiffIdMismatch` for a damaged layer; `Limit` for numbers that the format cannot hold; `Truncated` if a layer has
    /// become shorter; `Io`.
    pub fn to_file(&self, format: ArchiveFormat, file: &File, meter: &Meter) -> Result<()> {
        let mut rows = Vec::new();
        let mut large = Vec::new();
        let mut header = Vec::new();
        let (mut offset, mut from, mut from_offset) = (0_u64, 0, 0);
        for (row, item) in self.items().enumerate() {
            header.clear();
            let has_contents = format.header(&item, &mut header)?;
            let start = offset + header.len() as u64;
            offset = start;
            if has_contents {
                if item.size >= LARGE {
                    for (at, range) in item.parts().at(|| display(&item.path))? {
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
                let end = end.and_then(|end| end.checked_add(format.padding(item.size) as u64));
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
        let end = format.end();
        let length = offset.checked_add(end.len() as u64).ok_or_else(too_large)?;
        file.set_len(length).during("write")?;
        file.write_all_at(&end, offset).during("write")?;
        // In the order of the output, which is mostly that of the layers.
        large.append(&mut rows);
        large.sort_by_key(|task| match task {
            Task::Rows(_, at) | Task::Bytes(_, at, _) => *at,
        });
        let writer = SerialWriter::new(file);
        self.proof.beside(&Meter::default(), || {
            in_parallel(&large, |task| match task {
                Task::Rows(rows, at) => self.rows_at(format, rows.clone(), *at, &writer, meter),
                Task::Bytes(range, at, row) => copy(range, &writer, *at, meter).at(|| {
                    self.item(*row)
                        .map_or_else(String::new, |item| display(&item.path))
                }),
            })
            .into_iter()
            .collect()
        })
    }

    /// Writes rows and their small contents at offset `at`.
    fn rows_at(
        &self,
        format: ArchiveFormat,
        rows: Range<usize>,
        at: u64,
        file: &SerialWriter<'_>,
        meter: &Meter,
    ) -> Result<()> {
        let mut batch = Vec::new();
        let mut offset = at;
        let flush = |batch: &mut Vec<u8>, offset: &mut u64| -> Result<()> {
            file.write_all_at(batch, *offset).during("write")?;
            *offset += batch.len() as u64;
            batch.clear();
            Ok(())
        };
        for item in rows.filter_map(|row| self.item(row)) {
            if !format.header(&item, &mut batch)? {
                continue;
            }
            if item.size >= LARGE {
                flush(&mut batch, &mut offset)?;
                // Written by another task; padding and holes are zeros already.
                offset += item.size + format.padding(item.size) as u64;
                continue;
            }
            append(&item, &mut batch).at(|| display(&item.path))?;
            batch.resize(batch.len() + format.padding(item.size), 0);
            meter.add(item.size);
            if batch.len() >= BATCH {
                flush(&mut batch, &mut offset)?;
            }
        }
        flush(&mut batch, &mut offset)
    }

    /// Writes the archive to a stream. A second thread reads the contents.
    ///
    /// # Errors
    /// As [`Export::to_file`]; the output is incomplete then.
    pub fn to_stream(
        &self,
        format: ArchiveFormat,
        out: &mut dyn Write,
        meter: &Meter,
    ) -> Result<()> {
        self.proof
            .beside(&Meter::default(), || self.in_order(format, out, meter))
    }

    fn in_order(&self, format: ArchiveFormat, out: &mut dyn Write, meter: &Meter) -> Result<()> {
        let (sender, batches) = sync_channel::<Vec<u8>>(4);
        let (spare, spares) = sync_channel::<Vec<u8>>(6);
        std::thread::scope(|scope| {
            let reader = scope.spawn(move || -> Result<()> {
                let mut batch = Vec::new();
                // The writing thread reports its errors itself; here they only end the loop.
                let send = |batch: &mut Vec<u8>| {
                    let mut next: Vec<u8> = spares.try_recv().unwrap_or_default();
                    next.clear();
                    sender.send(std::mem::replace(batch, next)).is_ok()
                };
                for item in self.items() {
                    let has_contents = format.header(&item, &mut batch)?;
                    if has_contents {
                        let place = || display(&item.path);
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
                        batch.resize(batch.len() + format.padding(item.size), 0);
                    }
                    if batch.len() >= BATCH && !send(&mut batch) {
                        return Ok(());
                    }
                }
                batch.extend(format.end());
                send(&mut batch);
                Ok(())
            });
            let mut written = Ok(());
            for batch in batches {
                written = out.write_all(&batch).during("write");
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
        out.flush().during("write")
    }
}

/// Appends zeros, in batches; returns false if the writing thread has ended.
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
