//! `ld.so.conf`, the directories of glibc's loader.

use super::dpkg_files::ReadFile;
use crate::error::Result;
use crate::glob::{Dialect, Glob};

/// Path of the configuration.
pub(crate) const CONF: &str = "etc/ld.so.conf";
/// Maximum number of included files.
const MAX_INCLUDES: usize = 256;
/// Maximum number of directories.
const MAX_DIRECTORIES: usize = 1024;

/// Returns the directories as written, with those of included files in the place of their line.
///
/// # Errors
/// As [`ReadFile::read_file`] and [`ReadFile::names`].
pub(crate) fn directories(tree: &impl ReadFile) -> Result<Vec<Vec<u8>>> {
    let mut directories = Vec::new();
    // Remaining lines, the next one last.
    let mut lines: Vec<String> = Vec::new();
    let mut included = 0;
    let take = |lines: &mut Vec<String>, path: &str| -> Result<()> {
        let bytes = tree.read_file(path)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        lines.extend(text.lines().rev().map(str::to_owned));
        Ok(())
    };
    take(&mut lines, CONF)?;
    while let Some(line) = lines.pop() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let patterns = line.strip_prefix("include");
        if let Some(patterns) = patterns.filter(|rest| rest.starts_with([' ', '\t'])) {
            for pattern in patterns.split_ascii_whitespace().rev() {
                let pattern = match pattern.starts_with('/') {
                    true => pattern.to_owned(),
                    false => format!("/etc/{pattern}"),
                };
                for path in matching(tree, &pattern)?.iter().rev() {
                    included += 1;
                    if included <= MAX_INCLUDES {
                        take(&mut lines, path)?;
                    }
                }
            }
            continue;
        }
        // `DIR=TYPE` is an obsolete form.
        let directory = line.split('=').next().unwrap_or_default();
        let directory = directory.trim().trim_end_matches('/');
        if directory.starts_with('/') && directories.len() < MAX_DIRECTORIES {
            directories.push(directory.as_bytes().to_vec());
        }
    }
    Ok(directories)
}

/// Returns the files that match a pattern, sorted; only the file name may contain wildcards.
fn matching(tree: &impl ReadFile, pattern: &str) -> Result<Vec<String>> {
    let (directory, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let Ok(glob) = Glob::new(name, Dialect::Shell) else {
        return Ok(Vec::new());
    };
    let mut names = tree.names(directory)?;
    names.retain(|found| {
        glob.is_match(found.as_bytes()) && (!found.starts_with('.') || pattern.contains("/."))
    });
    names.sort_unstable();
    Ok(names
        .iter()
        .map(|name| format!("{directory}/{name}"))
        .collect())
}
