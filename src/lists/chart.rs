//! Charts of Helm, as directories and packages, and directories of lists.
//!
//! Of a chart, `Chart.yaml`, `values.yaml`, the files below `crds` and the charts below `charts` are read. Templates are
//! not: they are text that becomes YAML when it is rendered.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::Path;

use super::collect::{Listed, MAX_REFERENCES, Reading};
use super::parse::{bytes, parse};
use crate::blob::{Compression, Decoder, open_regular};
use crate::error::{At, During, Error, Fault, Result, within};
use crate::layer::{EntryKind, StreamInput, Walker};

/// Deepest directory that is searched.
const MAX_DEPTH: u64 = 16;
/// Deepest package of a chart in one of another.
const MAX_PACKAGES: u64 = 4;

/// Reads a chart, or all lists and charts below a directory, in the order of their paths. Links are not followed.
///
/// # Errors
/// As [`super::read_path`].
pub(super) fn directory(top: &Path, reading: Reading<'_>) -> Result<Vec<Listed>> {
    let mut found = Vec::new();
    let mut names = 0;
    let mut work = vec![(top.to_owned(), 0, Step::Lists)];
    while let Some((path, depth, step)) = work.pop() {
        let place = path.to_string_lossy().into_owned();
        if step == Step::File {
            let file = open_regular(&path, false).at(|| place.clone())?;
            let bytes = bytes(file, reading).at(|| place.clone())?;
            found.extend(match is_package(&place) {
                true => package(&place, &bytes, reading)?,
                false => parse(&place, &bytes, reading)?,
            });
            within_all(&found).at(|| place)?;
            continue;
        }
        within("depth of a list", MAX_DEPTH, depth).at(|| place.clone())?;
        let below = entries(&path, &mut names, reading.limits.entries).at(|| place)?;
        let is_chart = below.contains(&("Chart.yaml".to_owned(), false));
        let steps = below.iter().rev().filter_map(|(name, is_directory)| {
            let step = match is_chart {
                true => in_chart(name, *is_directory),
                false => step.below(name, *is_directory),
            };
            Some((path.join(name), depth + 1, step?))
        });
        work.extend(steps.collect::<Vec<_>>());
    }
    Ok(found)
}

/// Returns the names of files and directories in a directory, with true for a directory. Their number counts towards
/// `names`.
fn entries(path: &Path, names: &mut u64, most: u64) -> Result<BTreeSet<(String, bool)>> {
    let mut below = BTreeSet::new();
    for entry in std::fs::read_dir(path).during("open")? {
        let entry = entry.during("read")?;
        *names += 1;
        within("files", most, *names)?;
        let kind = entry.file_type().during("read")?;
        // Names that are not UTF-8 are none of those that are looked for.
        if let Ok(name) = entry.file_name().into_string()
            && (kind.is_file() || kind.is_dir())
        {
            below.insert((name, kind.is_dir()));
        }
    }
    Ok(below)
}

/// A file that is read, or a directory that is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    File,
    /// A directory of lists and charts.
    Lists,
    /// A directory of charts that another one needs, some of them as packages.
    Charts,
}

impl Step {
    /// Returns the step for an entry of this directory, which is no chart itself.
    fn below(self, name: &str, is_directory: bool) -> Option<Step> {
        match is_directory {
            true => Some(self).filter(|_| !name.starts_with('.')),
            false => {
                let is_wanted = is_list(name) || self == Step::Charts && is_package(name);
                is_wanted.then_some(Step::File)
            }
        }
    }
}

/// Returns the step for an entry of a chart.
fn in_chart(name: &str, is_directory: bool) -> Option<Step> {
    match (name, is_directory) {
        ("crds", true) => Some(Step::Lists),
        ("charts", true) => Some(Step::Charts),
        ("Chart.yaml" | "values.yaml", false) => Some(Step::File),
        _ => None,
    }
}

/// Checks the number of references in several files.
fn within_all(found: &[Listed]) -> Result<()> {
    within("references of a list", MAX_REFERENCES, found.len() as u64)
}

fn is_list(name: &str) -> bool {
    [".yaml", ".yml", ".json", "images.txt"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn is_package(name: &str) -> bool {
    name.ends_with(".tgz") || name.ends_with(".tar.gz")
}

/// Reads the package of a chart, and the packages in it. `name` is its path.
///
/// # Errors
/// As [`super::read_path`].
pub(super) fn package(name: &str, bytes: &[u8], reading: Reading<'_>) -> Result<Vec<Listed>> {
    let mut found = Vec::new();
    let mut left = reading.limits.list;
    let mut work = vec![(name.to_owned(), bytes.to_vec(), 0)];
    while let Some((name, bytes, depth)) = work.pop() {
        let members = members(&bytes, reading, &mut left).at(|| name.clone())?;
        for (path, content) in members {
            let path = format!("{name}/{path}");
            match is_package(&path) {
                true => {
                    within("depth of a list", MAX_PACKAGES, depth + 1).at(|| path.clone())?;
                    work.push((path, content, depth + 1));
                }
                false => found.extend(parse(&path, &content, reading)?),
            }
            within_all(&found).at(|| name.clone())?;
        }
    }
    Ok(found)
}

/// Reads the files of a package that belong to a list, each with its path. Their sizes are taken off `left`.
fn members(bytes: &[u8], reading: Reading<'_>, left: &mut u64) -> Result<Vec<(String, Vec<u8>)>> {
    let limits = reading.limits;
    let decoder = Decoder::new(bytes, Compression::Gzip, limits.decode)?;
    let input = StreamInput::new(BufReader::new(decoder));
    let mut walker = Walker::new(input).within(limits);
    let mut found = Vec::new();
    while let Some(entry) = walker.next_entry()? {
        let path = match std::str::from_utf8(entry.clean_path()) {
            Ok(path) if entry.kind == EntryKind::File && is_of_chart(path) => path.to_owned(),
            _ => continue,
        };
        *left = left.checked_sub(entry.stored_size).ok_or_else(|| {
            let most = limits.list;
            Error::limit("size of a list in bytes", most, most.saturating_add(1))
        })?;
        let mut content = Vec::new();
        let mut buf = vec![0; 64 << 10];
        loop {
            let read = walker.read_data(&mut buf)?;
            match buf.get(..read) {
                None | Some([]) => break,
                Some(read) => content.extend_from_slice(read),
            }
        }
        found.push((path, content));
    }
    // The checksum of gzip is behind the end of the tar.
    walker.check_tail()?;
    if !found.iter().any(|(path, _)| is_chart(path)) {
        let why = "expected a chart, found no Chart.yaml".to_owned();
        return Err(Error::new(Fault::List {
            line: None,
            why,
            is_template: false,
        }));
    }
    Ok(found)
}

/// Tests if a path is that of the `Chart.yaml` of a package.
fn is_chart(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    parts.next() == Some("Chart.yaml") && parts.next().is_none()
}

/// Tests if a file of a package is a list: below the directory of the chart, or that of a chart it needs.
fn is_of_chart(path: &str) -> bool {
    let mut parts: Vec<&str> = path.split('/').skip(1).collect();
    loop {
        match parts[..] {
            ["Chart.yaml" | "values.yaml"] => return true,
            ["charts", file] => return is_package(file),
            ["crds", .., file] => return is_list(file),
            ["charts", _, ..] => drop(parts.drain(..2)),
            _ => return false,
        }
    }
}
