//! Volumes of parity, written in a second pass over an archive's volumes.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::files::{numbered, write_table};
use super::out::{sums_in, sums_of};
use crate::archive::volumes::{
    Joined, ParityColumns, Piece, VolumeTable, chunk_length, encode_stripe,
};
use crate::blob::{Meter, NewFile, ReadAt, open_regular, parent_directory, sync_directory};
use crate::error::{At, During, Error, Result, same_digest};
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
    fill(&data, columns, &outputs, meter)?;
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

/// Stripes that are planned at a time.
const STRIPES: u64 = 4096;

/// Makes the parity of all stripes, on all cores, for outputs in the order of their columns, which need not be all.
fn fill(
    data: &impl ReadAt,
    columns: ParityColumns,
    outputs: &[Output],
    meter: &Meter,
) -> Result<()> {
    let stripe = columns.stripe(rayon::current_num_threads());
    let count = columns.length.div_ceil(stripe);
    let encode = |number: &u64| {
        let start = number * stripe;
        let length = stripe.min(columns.length - start);
        let read = |column: u64, bytes: &mut [u8]| {
            read_padded(data, column * columns.length + start, bytes)?;
            meter.add(bytes.len() as u64);
            Ok(())
        };
        let write = |column: u64, bytes: &[u8]| {
            let next = outputs.partition_point(|output| output.columns.first <= column);
            let output = next.checked_sub(1).and_then(|last| outputs.get(last));
            let Some(output) = output.filter(|output| column < output.columns.first + output.count)
            else {
                return Ok(());
            };
            let at = (column - output.columns.first) * columns.length + start;
            let written = output.file.file().write_all_at(bytes, at);
            written.map_err(|error| Error::io("write", error).at(output.path.to_string_lossy()))
        };
        encode_stripe(&columns, length, read, write)
    };
    let mut first = 0;
    while first < count {
        let stripes: Vec<u64> = (first..count.min(first + STRIPES)).collect();
        in_parallel(&stripes, encode)
            .into_iter()
            .collect::<Result<()>>()?;
        first += STRIPES;
    }
    Ok(())
}

/// Fills a buffer; what is past the end is zeros.
fn read_padded(data: &impl ReadAt, offset: u64, bytes: &mut [u8]) -> Result<()> {
    let (total, mut done) = (data.length(), 0);
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

/// Writes volumes of parity again, from an archive that can be read. What is there stays if a result is not the volume.
///
/// # Errors
/// As [`write`]; `DigestMismatch` if one has other bytes than before.
pub(crate) fn rewrite_parity(volumes: &[(&Path, &VolumeTable)], data: &impl ReadAt) -> Result<()> {
    let mut outputs = Vec::new();
    for (path, table) in volumes {
        let Some(columns) = table.parity else {
            continue;
        };
        let file = NewFile::beside(path, 0o600)?;
        file.file().set_len(table.size).during("write")?;
        outputs.push(Output {
            path: path.to_path_buf(),
            file,
            count: table.size / columns.length,
            columns,
        });
    }
    outputs.sort_by_key(|output| output.columns.first);
    let Some(columns) = outputs.first().map(|output| output.columns) else {
        return Ok(());
    };
    fill(data, columns, &outputs, &Meter::default())?;
    for output in outputs {
        let known = volumes.iter().find(|(path, _)| *path == output.path);
        let Some((path, table)) = known else { continue };
        let place = || path.to_string_lossy().into_owned();
        let found = sums_in(output.file.file(), table.chunk).at(place)?.sha256;
        same_digest(&table.sha256, &found).at(place)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        output.file.replace(&name).at(place)?;
    }
    Ok(())
}
