//! Volumes of sets: a line for each, and their repair.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::Args;
use crate::archive::volumes::{VolumeSet, set_of, sets_below};
use crate::cli::{Io, Verdict};
use crate::error::{At, Error, Result};
use crate::render::json;
use crate::verify::{CheckedVolume, VolumeState, check_volumes, repair_parity, repair_volumes};
use crate::{escape, limits::Limits};

/// Checks the volumes of all sets that the arguments name, and repairs them if so asked.
///
/// # Errors
/// `Usage` for an argument that is no volume; as [`check_volumes`]; `Io`.
pub(super) fn check(args: &Args, io: &mut Io) -> Result<Verdict> {
    let mut verdict = Verdict::Yes;
    for set in sets(args, &args.limits())? {
        let mut checked = check_volumes(&set)?;
        let is_damaged = |volume: &CheckedVolume| volume.state != VolumeState::Intact;
        let mut set = set;
        if args.repair && checked.iter().any(is_damaged) {
            // The archive first: parity is made of it.
            let damaged = checked.iter().filter(|volume| is_damaged(volume));
            let (parity, data): (Vec<_>, Vec<_>) = damaged.partition(|volume| volume.is_parity);
            let repaired = |volume: &CheckedVolume, io: &mut Io| {
                io.note(&format!("{}: repaired", shown(&volume.path)));
            };
            for (volume, result) in data.iter().zip(repair_volumes(&set, &data)?) {
                match result {
                    Ok(()) => repaired(volume, io),
                    Err(error) => io.fail(&error),
                }
            }
            set = again(&set, &data, &args.limits())?;
            match repair_parity(&set, &parity) {
                Ok(()) => parity.iter().for_each(|volume| repaired(volume, io)),
                Err(error) => io.fail(&error),
            }
            set = again(&set, &parity, &args.limits())?;
            checked = check_volumes(&set)?;
        }
        for volume in &checked {
            if volume.state != VolumeState::Intact {
                verdict = Verdict::No;
            }
            if !args.quiet {
                print(args, volume, io)?;
            }
        }
        if let Some(missing) = set.missing_error() {
            verdict = Verdict::No;
            if !args.quiet && !args.reporting.is_json() {
                io.line(&missing.to_string())?;
            }
        }
    }
    Ok(verdict)
}

/// Finds a set again after some of its volumes were written.
fn again(set: &VolumeSet, written: &[&CheckedVolume], limits: &Limits) -> Result<VolumeSet> {
    let volumes = set.volumes.values().chain(set.parity.values());
    let paths = volumes.map(|volume| &volume.path);
    let paths = paths.chain(written.iter().map(|written| &written.path));
    let directories: BTreeSet<PathBuf> = paths.map(|path| directory_of(path)).collect();
    let directories: Vec<PathBuf> = directories.into_iter().collect();
    let mut sets = sets_below(&directories, limits.volumes)?.into_iter();
    let same = sets.find(|(_, other)| other.id == set.id);
    Ok(same.map_or_else(|| set.clone(), |(_, same)| same))
}

fn directory_of(path: &Path) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Returns the sets that the arguments name: of all directories together, then of each file.
fn sets(args: &Args, limits: &Limits) -> Result<Vec<VolumeSet>> {
    let mut directories = Vec::new();
    let mut sets: Vec<VolumeSet> = Vec::new();
    for image in &args.images {
        let Some(path) = image.whole_path() else {
            let why = format!("expected a volume or a directory, found '{}'", image.text());
            return Err(Error::usage(why));
        };
        if path.is_dir() {
            directories.push(path);
            continue;
        }
        let place = || path.to_string_lossy().into_owned();
        match set_of(&path, limits.volumes).at(place)? {
            Some(set) if sets.iter().any(|known| known.id == set.id) => {}
            Some(set) => sets.push(set),
            None if path.exists() => {
                let why = "no volume: no table beside it, which imgsave writes".to_owned();
                return Err(Error::usage(why)).at(place);
            }
            None => {
                let missing = std::io::ErrorKind::NotFound.into();
                return Err(Error::io("open", missing)).at(place);
            }
        }
    }
    if !directories.is_empty() {
        let found = sets_below(&directories, limits.volumes)?;
        if found.is_empty() {
            let places = directories.iter().map(|path| path.to_string_lossy());
            let places: Vec<_> = places.collect();
            return Err(Error::usage(format!("no volumes in {}", places.join(", "))));
        }
        sets.extend(found.into_iter().map(|(_, set)| set));
    }
    Ok(sets)
}

fn shown(path: &Path) -> String {
    escape::text(&path.to_string_lossy()).into_owned()
}

fn print(args: &Args, volume: &CheckedVolume, io: &mut Io) -> Result<()> {
    let path = shown(&volume.path);
    if args.reporting.is_json() {
        let (state, damage) = match &volume.state {
            VolumeState::Intact => ("intact", None),
            VolumeState::Damaged { runs, chunk, .. } => ("damaged", Some((runs, *chunk))),
            VolumeState::TooLong => ("too long", None),
            VolumeState::Missing => ("missing", None),
        };
        let ranges = damage.map(|(runs, chunk)| {
            let range = |(first, count): &(u64, u64)| json!([first * chunk, count * chunk]);
            runs.iter().map(range).collect::<Vec<_>>()
        });
        return io.line(&json::line(&json!({
            "Type": "volume",
            "Volume": volume.path.to_string_lossy(),
            "Number": volume.number,
            "Parity": volume.is_parity,
            "State": state,
            "Damaged": ranges,
        }))?);
    }
    match &volume.state {
        VolumeState::Intact => io.line(&format!("{path}: ok")),
        VolumeState::TooLong => io.line(&format!("{path}: longer than stated")),
        VolumeState::Missing => io.line(&format!("{path}: missing")),
        VolumeState::Damaged {
            ranges,
            runs,
            chunk,
        } => {
            io.line(&format!("{path}: damaged at {ranges}"))?;
            for (first, count) in runs {
                io.line(&format!(
                    "  dd if=COPY of={path} bs={chunk} skip={first} seek={first} count={count} conv=notrunc"
                ))?;
            }
            Ok(())
        }
    }
}
