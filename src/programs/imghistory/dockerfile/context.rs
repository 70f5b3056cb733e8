//! Files of a build context: a layer as a directory or as a tar.
//!
//! A hostile layer could try to write outside the directory: files are created only in new directories, below checked
//! names, and never through a link, because each parent has to be a directory of the same layer. All else is bytes of one
//! tar.

use std::fs::{self, File, FileTimes};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::layer_facts::{self, Extent, Walk};
use crate::archive::Layer;
use crate::blob::{Backing, CHUNK, Meter};
use crate::error::{During, Error, Fault, Result};
use crate::layer::{Entry, EntryKind, FileInput, Limits, TarInput, Walker, Whiteout};

/// Creates a directory, unless it exists.
pub fn create_directory(path: &Path) -> Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(failed("create", error, path))
        }
        _ => Ok(()),
    }
}

fn failed(action: &'static str, error: io::Error, path: &Path) -> Error {
    Error::io(action, error).at(path.to_string_lossy())
}

/// Writes the uncompressed layer as one file, without its whiteouts: `ADD` would make files of them.
///
/// # Errors
/// `Io`; the fault of a damaged layer.
pub fn write_tar(layer: &Layer, path: &Path, limits: &Limits, meter: &Meter) -> Result<()> {
    let write = |error| failed("write", error, path);
    let file = create(path, 0o644)?;
    layer_facts::read_uncompressed(layer, limits, meter, |tar| {
        let mut out = BufWriter::with_capacity(CHUNK, &file);
        io::copy(tar, &mut out)
            .and_then(|_| out.flush())
            .during("write")
    })?;
    let size = file.metadata().map_err(write)?.len();
    let file = Arc::new(Backing::File(file));
    let mut walker = Walker::new(FileInput::new(Arc::clone(&file), 0, size)).within(limits);
    let mut kept: Vec<(u64, u64)> = Vec::new();
    let (mut start, mut dropped) = (0, false);
    while let Some(entry) = walker.next_entry()? {
        let end = entry
            .data_offset
            .saturating_add(entry.stored_size)
            .next_multiple_of(512);
        if Whiteout::of(entry.clean_path()) != Whiteout::None {
            dropped = true;
        } else {
            match kept.last_mut() {
                Some((_, last)) if *last == start => *last = end,
                _ => kept.push((start, end)),
            }
        }
        start = end;
    }
    let has_marker = walker.end().is_some_and(|end| end.zero_blocks == 2);
    if !dropped && has_marker {
        return Ok(());
    }
    let part = path.with_extension("part");
    let mut out = BufWriter::with_capacity(CHUNK, create(&part, 0o644)?);
    for (from, to) in kept {
        let mut input = FileInput::new(Arc::clone(&file), from, to - from);
        let mut left = to - from;
        let mut buf = vec![0; 64 << 10];
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
            let found = input.read_full(&mut buf[..wanted]).map_err(write)?;
            // The last entry may end without its padding.
            buf[found..wanted].fill(0);
            out.write_all(&buf[..wanted]).map_err(write)?;
            left -= wanted as u64;
        }
    }
    out.write_all(&[0; 1024])
        .and_then(|()| out.flush())
        .and_then(|()| fs::rename(&part, path))
        .map_err(write)
}

fn create(path: &Path, mode: u32) -> Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|error| failed("create", error, path))
}

/// Writes the files of a layer below the new directory `top`. All entries must be known to be ordinary.
///
/// # Errors
/// `Io`; the fault of a damaged layer.
pub fn write_files(layer: &Layer, top: &Path, limits: &Limits, meter: &Meter) -> Result<()> {
    fs::create_dir(top).map_err(|error| failed("create", error, top))?;
    // The mode of `/`, regardless of the user's mask: a copy of the directory may set it.
    set_mode(top, 0o755)?;
    let mut directories: Vec<(PathBuf, u32, Option<SystemTime>)> = Vec::new();
    layer_facts::walk(layer, Extent::All, limits, meter, |walker| {
        while let Some(entry) = walker.next_entry()? {
            let clean = entry.clean_path();
            if clean.is_empty() {
                continue;
            }
            let path = top.join(std::ffi::OsStr::from_bytes(clean));
            let (bits, time) = (u32::from(entry.metadata.mode), time(entry));
            match entry.kind {
                EntryKind::Directory => {
                    fs::create_dir(&path).map_err(|error| failed("create", error, &path))?;
                    directories.push((path, bits, time));
                }
                EntryKind::Symlink => {
                    let target = std::ffi::OsStr::from_bytes(&entry.link_target);
                    std::os::unix::fs::symlink(target, &path)
                        .map_err(|error| failed("create", error, &path))?;
                }
                EntryKind::File => write_file(walker, &path, bits, time)?,
                // The first walk over the layer has found none.
                _ => return Err(Fault::StreamConsumed.into()),
            }
        }
        Ok(())
    })?;
    // Inner ones first, as changes inside a directory change its time.
    for (path, bits, time) in directories.into_iter().rev() {
        if let (Some(time), Ok(directory)) = (time, File::open(&path)) {
            let _ = directory.set_times(FileTimes::new().set_modified(time));
        }
        set_mode(&path, bits)?;
    }
    Ok(())
}

/// Writes the content of the current entry to a new file.
fn write_file(
    walker: &mut Walk<'_>,
    path: &Path,
    mode: u32,
    time: Option<SystemTime>,
) -> Result<()> {
    let mut file = create(path, 0o600)?;
    let mut buf = vec![0; 64 << 10];
    loop {
        match walker.read_data(&mut buf)? {
            0 => break,
            n => file
                .write_all(&buf[..n])
                .map_err(|error| failed("write", error, path))?,
        }
    }
    if let Some(time) = time {
        // Optional: a file system that cannot hold the time may keep its own.
        let _ = file.set_times(FileTimes::new().set_modified(time));
    }
    set_mode(path, mode)
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| failed("change", error, path))
}

fn time(entry: &Entry) -> Option<SystemTime> {
    let seconds = u64::try_from(entry.metadata.mtime.seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, entry.metadata.mtime.nanos))
}
