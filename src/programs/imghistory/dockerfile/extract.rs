//! A build context: the Dockerfile with the files that its copies brought.
//!
//! A copy's layer becomes a folder that `COPY` takes over as it is, where that gives the same without root: all of it
//! root's own, plain files, folders and links. Anything else becomes a tar that `ADD` unpacks, which keeps owners,
//! modes, attributes and times.
//!
//! What a hostile layer could try here is to write outside the folder: files are only made in fresh folders of our
//! own, below names that were checked, and never through a link, because every parent has to be a folder of the same
//! layer. All else is bytes of one tar.

use std::collections::HashSet;
use std::fs::{self, File, FileTimes};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::write::Writer;
use super::{Certainty, Command, Copy, Dockerfile, Instruction, Line, escape, layers};
use crate::archive::{Image, Layer};
use crate::blob::Meter;
use crate::error::{At, Error, Fault, Result};
use crate::layer::{Entry, EntryKind, FileInput, Limits, TarInput, Walker, Whiteout};
use crate::tree::Proof;

/// The folder of the context that holds what copies brought.
const FOLDER: &str = "layers";

/// Writes what copies, imports and commits brought into `folder`, and changes their lines so that a build takes it.
///
/// `folder` has to be there and empty; the Dockerfile itself is left to the caller, who writes it last.
///
/// # Errors
/// `Io` from writing, and what is wrong with a damaged layer.
pub fn extract(
    dockerfile: &mut Dockerfile,
    image: &Image,
    folder: &Path,
    limits: &Limits,
    meter: &Meter,
) -> Result<()> {
    if dockerfile.windows {
        // Their layers hold registry hives beside files, which no COPY makes.
        dockerfile
            .remarks
            .push("the files of Windows layers are not extracted".into());
        return Ok(());
    }
    let mut out: Vec<Line> = Vec::new();
    let mut read = HashSet::new();
    for mut line in std::mem::take(&mut dockerfile.lines) {
        let is_import = matches!(&line.instruction, Instruction::Copy(copy) if copy.sources.iter().any(|source| source.starts_with("<import") || source.starts_with("<rootfs")));
        let has_content = line.stands_for_files
            || matches!(
                line.instruction,
                Instruction::Copy(_) | Instruction::Layer(_)
            );
        if let Some(number) = line.in_layer {
            let text = shown(&line);
            line.notes.push(format!(
                "{text}, whose files come with layer {number} below"
            ));
            line.text.clear();
            out.push(line);
            continue;
        }
        let layer = line.layer.and_then(|number| image.layers.get(number - 1));
        if !has_content {
            out.push(line);
            continue;
        }
        let (Some(number), Some(layer)) = (line.layer, layer) else {
            // What it copied would be missing in the context.
            let text = shown(&line);
            line.notes.push(format!("{text}, which made no layer"));
            line.text.clear();
            out.push(line);
            continue;
        };
        if layer.content().is_none() || line.files.is_none() {
            line.notes.push("its layer is not in the archive".into());
            line.certainty = Certainty::Lost;
            out.push(line);
            continue;
        }
        let shown = shown(&line);
        if !line.removed.is_empty() {
            out.push(removal(&line));
        }
        let top = folder.join(FOLDER);
        let place = || format!("layer {number} of {}", image.layers.len());
        if !line.paths.is_empty() {
            read.insert(number);
        }
        let copy = if line.paths.is_empty() {
            None
        } else if line.as_files && !is_import {
            make_folder(&top)?;
            files(layer, &top.join(number.to_string()), limits, meter).at(place)?;
            Some((false, format!("{FOLDER}/{number}/")))
        } else {
            make_folder(&top)?;
            tar(layer, &top.join(format!("{number}.tar")), limits, meter).at(place)?;
            Some((true, format!("{FOLDER}/{number}.tar")))
        };
        line.text.clear();
        line.typed = None;
        line.options.clear();
        line.notes.retain(|note| !note.starts_with("--from "));
        if !shown.is_empty() {
            line.notes.push(shown);
        }
        match copy {
            None => line.notes.push("nothing in its layer".into()),
            Some((add, source)) => {
                line.instruction = Instruction::Copy(Copy {
                    add,
                    sources: vec![source],
                    destination: "/".into(),
                    ..Copy::default()
                });
                line.write(&Writer {
                    escape: escape(false),
                    shell: &[],
                    heredocs: false,
                });
                line.certainty = Certainty::Inferred;
                line.remarks.push("with all that its layer holds".into());
            }
        }
        out.push(line);
    }
    dockerfile.lines = out;
    // The headers of the others say which lines there are, and so what is extracted.
    let count = image.layers.len();
    let others = image.layers.iter().enumerate();
    let others = others.filter(|(i, _)| !read.contains(&(i + 1)));
    let places = others.map(|(i, layer)| (layer, format!("layer {} of {count}", i + 1)));
    Proof::of_layers(places)?.check(meter)
}

/// What stood there, in one line.
fn shown(line: &Line) -> String {
    match line.instruction {
        Instruction::Layer(_) => String::new(),
        _ => line.text.split('\n').next().unwrap_or_default().to_owned(),
    }
}

/// A command that removes what a layer hides: no copy does that.
fn removal(line: &Line) -> Line {
    let mut words: Vec<String> = vec!["rm".into(), "-rf".into(), "--".into()];
    let mut whole = true;
    let mut inside = Vec::new();
    for path in &line.removed {
        match (std::str::from_utf8(path), path.last()) {
            // The content of a folder, and not the folder.
            (Ok(path), Some(b'/')) => inside.push(format!("/{}", path.trim_end_matches('/'))),
            (Ok(path), _) => words.push(format!("/{path}")),
            (Err(_), _) => whole = false,
        }
    }
    let command = match inside.is_empty() {
        true => Command::Exec(words),
        false => {
            let script = "for d in \"$@\"; do find \"$d\" -mindepth 1 -delete; done";
            let mut all = vec!["/bin/sh".into(), "-c".into()];
            all.push(match words.len() {
                3 => script.to_owned(),
                _ => format!("{}; {script}", shell_words(&words)),
            });
            all.push("sh".into());
            all.extend(inside);
            Command::Exec(all)
        }
    };
    let mut made = Line::new(Instruction::Run(command), Certainty::Inferred);
    made.layer = line.layer;
    made.remarks
        .push("what the layer removes, which a copy does not".into());
    if !whole {
        made.certainty = Certainty::Lost;
        made.notes
            .push("a name that is not UTF-8 is not removed".into());
    }
    made.write(&Writer {
        escape: escape(false),
        shell: &[],
        heredocs: false,
    });
    made
}

fn shell_words(words: &[String]) -> String {
    let quoted = words
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', "'\\''")));
    quoted.collect::<Vec<_>>().join(" ")
}

fn make_folder(path: &Path) -> Result<()> {
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

/// The plain layer as one file. Whiteouts are left out: `ADD` would make files of them.
fn tar(layer: &Layer, path: &Path, limits: &Limits, meter: &Meter) -> Result<()> {
    let write = |error| failed("write", error, path);
    let file = create(path, 0o644)?;
    layers::plain(layer, limits, meter, |plain| {
        let mut out = BufWriter::with_capacity(crate::blob::CHUNK, &file);
        io::copy(plain, &mut out)
            .and_then(|_| out.flush())
            .map_err(|error| Error::io("write", error))
    })?;
    let size = file.metadata().map_err(write)?.len();
    let file = Arc::new(file);
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
    let mut out = BufWriter::with_capacity(crate::blob::CHUNK, create(&part, 0o644)?);
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

/// The layer as files below `top`, which is made. Only for layers whose entries were found to be ordinary.
fn files(layer: &Layer, top: &Path, limits: &Limits, meter: &Meter) -> Result<()> {
    fs::create_dir(top).map_err(|error| failed("create", error, top))?;
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(|error| failed("change", error, path))
    };
    // As `/` is, whatever the mask of the user: a copy of the folder may set it.
    mode(top, 0o755)?;
    let mut folders: Vec<(PathBuf, u32, Option<SystemTime>)> = Vec::new();
    layers::read(layer, layers::Extent::Whole, limits, meter, |walker| {
        while let Some(entry) = walker.next_entry()? {
            let clean = entry.clean_path();
            if clean.is_empty() {
                continue;
            }
            let path = top.join(std::ffi::OsStr::from_bytes(clean));
            let time = time(entry);
            match entry.kind {
                EntryKind::Directory => {
                    fs::create_dir(&path).map_err(|error| failed("create", error, &path))?;
                    folders.push((path, entry.metadata.mode.into(), time));
                }
                EntryKind::Symlink => {
                    let target = std::ffi::OsStr::from_bytes(&entry.link_target);
                    std::os::unix::fs::symlink(target, &path)
                        .map_err(|error| failed("create", error, &path))?;
                }
                EntryKind::File => {
                    let bits = entry.metadata.mode;
                    let mut file = create(&path, 0o600)?;
                    let mut buf = vec![0; 64 << 10];
                    loop {
                        match walker.read_data(&mut buf)? {
                            0 => break,
                            n => file
                                .write_all(&buf[..n])
                                .map_err(|error| failed("write", error, &path))?,
                        }
                    }
                    if let Some(time) = time {
                        // The time is a kindness; a file system that cannot hold it may keep its own.
                        let _ = file.set_times(FileTimes::new().set_modified(time));
                    }
                    mode(&path, bits.into())?;
                }
                // The walk that judged the layer has seen none.
                _ => return Err(Fault::StreamConsumed.into()),
            }
        }
        Ok(())
    })?;
    // Inner ones first, so that what is done inside does not touch them again.
    for (path, bits, time) in folders.into_iter().rev() {
        if let (Some(time), Ok(folder)) = (time, File::open(&path)) {
            let _ = folder.set_times(FileTimes::new().set_modified(time));
        }
        mode(&path, bits)?;
    }
    Ok(())
}

fn time(entry: &Entry) -> Option<SystemTime> {
    let seconds = u64::try_from(entry.metadata.mtime.seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, entry.metadata.mtime.nanos))
}
