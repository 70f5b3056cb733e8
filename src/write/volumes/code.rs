//! Volumes of parity, written in a second pass over an archive's volumes.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::files::{numbered, write_table};
use super::out::{sums_in, sums_of};
use crate::archive::volumes::{
    Joined, ParityColumns, Piece, VolumeTable, chunk_length, encode_stripe,
};
use crate::blob::{Meter, NewFile, ReadAt, open_regular, parent_directory, sync_directory};
use crate::error::{At, During, Error, Result};
use crate::parallel::in_parallel;

/// A volume of parity that is being written.
struct Output {
    path: PathBuf,
    file: NewFile,
    columns: ParityColumns,
    /// Number of columns in it.
    count: u64,
}

/// Writes the parity of an archive in volumes of at most `limit` bytes. Returns their paths.
///
/// # Errors
/// `Io`; `Volumes` for an unsupported number of columns.
pub(super) fn write(
    path: &Path,
    columns: ParityColumns,
    volumes: &[PathBuf],
    tables: &[VolumeTable],
    limit: u64,
    meter: &Meter,
) -> Result<Vec<PathBuf>> {
    let mut pieces = Vec::new();
    for (volume, table) in volumes.iter().zip(tables) {
        let place = || volume.to_string_lossy().into_owned();
        let file = open_regular(volume, true).at(place)?;
        pieces.push(Piece::plain(file, table.offset).at(place)?);
    }
    let total = tables.last().map_or(0, |table| table.offset + table.size);
    let data = Joined::new(pieces, total);
    let each = (limit / columns.length).max(1);
    let count = columns.parity.div_ceil(each);
    let width = count.to_string().len().max(2);
    let mut outputs = Vec::new();
    for number in 1..=count {
        let path = numbered(path, &format!("p{number:0width$}"));
        let first = (number - 1) * each;
        let count = each.min(columns.parity - first);
        let file = NewFile::beside(&path, 0o600)?;
        file.file()
            .set_len(count * columns.length)
            .during("write")?;
        outputs.push(Output {
            path,
            file,
            columns: ParityColumns { first, ..columns },
            count,
        });
    }
    fill(&data, total, columns, each, &outputs, meter)?;
    let mut paths = Vec::new();
    for (output, number) in outputs.into_iter().zip(1..) {
        let name = output
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        output.file.replace(&name)?;
        let chunk = chunk_length(columns.length);
        let sums = sums_of(&output.path, chunk)?;
        let set = tables
            .first()
            .map_or_else(String::new, |table| table.set.clone());
        let table = VolumeTable {
            set,
            number,
            offset: output.columns.first * columns.length,
            size: output.count * columns.length,
            first_member: None,
            whole: Some((tables.len() as u64, total)),
            parity: Some(output.columns),
            prev: None,
            chunk,
            chunks: sums.chunks,
            sha256: sums.sha256,
            name: name.into_owned(),
            sums: tables.iter().map(|table| table.sha256.clone()).collect(),
        };
        write_table(&output.path, &table)?;
        paths.push(output.path);
    }
    sync_directory(parent_directory(path))?;
    Ok(paths)
}

/// Makes the parity of all stripes, on all cores.
fn fill(
    data: &impl ReadAt,
    total: u64,
    columns: ParityColumns,
    each: u64,
    outputs: &[Output],
    meter: &Meter,
) -> Result<()> {
    let stripe = columns.stripe();
    let stripes: Vec<u64> = (0..columns.length.div_ceil(stripe)).collect();
    let done = in_parallel(&stripes, |number| {
        let start = number * stripe;
        let length = stripe.min(columns.length - start);
        let read = |column: u64, bytes: &mut [u8]| {
            read_padded(data, total, column * columns.length + start, bytes)?;
            meter.add(bytes.len() as u64);
            Ok(())
        };
        let write = |column: u64, bytes: &[u8]| {
            let index = usize::try_from(column / each).unwrap_or(usize::MAX);
            let Some(output) = outputs.get(index) else {
                return Ok(());
            };
            let at = (column % each) * columns.length + start;
            let written = output.file.file().write_all_at(bytes, at);
            written.map_err(|error| Error::io("write", error).at(output.path.to_string_lossy()))
        };
        encode_stripe(&columns, length, read, write)
    });
    done.into_iter().collect()
}

/// Fills a buffer; what is past the end is zeros.
fn read_padded(data: &impl ReadAt, total: u64, offset: u64, bytes: &mut [u8]) -> Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let at = offset + done as u64;
        if at >= total {
            rest.fill(0);
            break;
        }
        match data.read_at(rest, at).during("read")? {
            0 => return Err(Error::truncated("the volumes", total, at)),
            n => done += n,
        }
    }
    Ok(())
}

/// Writes one volume of parity again, from an archive that can be read.
///
/// # Errors
/// As [`write`]; `DigestMismatch` if it has other bytes than before.
pub(crate) fn rewrite_parity(path: &Path, table: &VolumeTable, data: &impl ReadAt) -> Result<()> {
    let Some(columns) = table.parity else {
        return Ok(());
    };
    let file = NewFile::beside(path, 0o600)?;
    file.file().set_len(table.size).during("write")?;
    let stripe = columns.stripe();
    for number in 0..columns.length.div_ceil(stripe) {
        let start = number * stripe;
        let length = stripe.min(columns.length - start);
        let read = |column: u64, bytes: &mut [u8]| {
            read_padded(data, data.length(), column * columns.length + start, bytes)
        };
        let write = |column: u64, bytes: &[u8]| {
            let inside = column.checked_sub(columns.first);
            match inside.map(|inside| inside * columns.length + start) {
                Some(at) if at < table.size => file.file().write_all_at(bytes, at).during("write"),
                _ => Ok(()),
            }
        };
        encode_stripe(&columns, length, read, write)?;
    }
    // What is there stays if the result is not the volume.
    let found = sums_in(file.file(), table.chunk)?.sha256;
    crate::error::same_digest(&table.sha256, &found)?;
    file.replace(&path.file_name().unwrap_or_default().to_string_lossy())
}
