//! Parts of `COPY` and `ADD` that the history does not record, taken from the layer.

use std::collections::HashSet;

use super::layer_facts::{LayerFacts, Links};
use super::line::{Certainty, Line};
use crate::spec::instruction::is_bare_word;
use crate::spec::join_paths;

/// Layer of a copy, and the state that its target path depends on.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Working directory.
    pub workdir: &'a str,
    /// Facts about the layer.
    pub facts: &'a LayerFacts,
    /// Symbolic links of the layers below.
    pub links: &'a Links,
}

impl Target<'_> {
    /// Returns the absolute path of a target.
    pub fn absolute(&self, path: &str) -> String {
        join_paths(self.workdir, path)
    }

    /// Tests if the layer has an absolute path, directly or through links.
    pub fn has(&self, path: &str) -> bool {
        self.facts.has(&self.links.resolve(path))
            || self.facts.has(path.trim_start_matches('/').as_bytes())
    }
}

/// Adds the body of a heredoc source: the only file of the layer.
pub fn add_body(line: &mut Line, facts: Option<&LayerFacts>) {
    let Some(copy) = line.statement.copy_mut() else {
        return;
    };
    let heredocs = copy
        .sources
        .iter()
        .filter(|source| source.starts_with("<<"))
        .count();
    if heredocs == 0 {
        return;
    }
    let name = |source: &str| {
        let name = source.trim_start_matches("<<").trim_start_matches('-');
        name.trim_matches(['"', '\'']).to_owned()
    };
    if let ([source], Some(body)) = (
        copy.sources.as_mut_slice(),
        facts.and_then(|facts| facts.body.as_ref()),
    ) && body.ends_with('\n')
        && is_bare_word(&name(source))
        && !body.lines().any(|line| line == name(source))
    {
        *source = name(source);
        copy.body = Some(body.clone());
        line.remarks
            .push("the body of the heredoc is the file in the layer".into());
        return;
    }
    for source in &mut copy.sources {
        if source.starts_with("<<") {
            *source = format!("<heredoc:{}>", name(source));
        }
    }
    line.certainty = Certainty::Lost;
    line.notes
        .push("the body of a heredoc is not recorded".into());
}

/// Joins names with blanks, which BuildKit records like several names: the target is in the layer.
pub fn join_names(line: &mut Line, target: &Target<'_>) {
    let Some(copy) = line.statement.copy_mut() else {
        return;
    };
    let mut words = copy.sources.clone();
    words.push(copy.destination.clone());
    if words.len() < 3 || target.facts.incomplete || words.len() > 50 {
        return;
    }
    let name_from = |from: usize| words.get(from..).unwrap_or_default().join(" ");
    let exists = |from: &usize| target.has(&target.absolute(&name_from(*from)));
    // At least one word is a source; the target is the shortest name that exists.
    let Some(from) = (1..words.len()).rev().find(exists) else {
        return;
    };
    let destination = name_from(from);
    let source = words.get(..from).unwrap_or_default().join(" ");
    let name = source.rsplit('/').next().unwrap_or_default();
    let ends = |path: &Vec<u8>| {
        path.strip_suffix(name.as_bytes())
            .is_some_and(|before| before.is_empty() || before.ends_with(b"/"))
    };
    // Several sources need a directory as target; a single one has its name in the layer.
    let one = from > 1 && (!destination.ends_with('/') || target.facts.paths.iter().any(ends));
    if destination != copy.destination || one {
        copy.destination = destination;
        copy.sources = match one {
            true => vec![source],
            false => words.get(..from).unwrap_or_default().to_vec(),
        };
        line.infer("names with blanks, as the layer has them");
    }
}

/// Adds options for the owner and the mode of the files in the layer, for a builder that does not record options.
pub fn add_owner(line: &mut Line, target: &Target<'_>) {
    let facts = target.facts;
    let Some(copy) = line.statement.copy_mut() else {
        return;
    };
    let has_flags = !copy.flags.is_empty();
    let is_of_stage = copy.sources.iter().any(|source| source.starts_with('/'));
    if copy.add || has_flags || is_of_stage || facts.incomplete || copy.destination.contains('$') {
        return;
    }
    let path = target.absolute(&copy.destination);
    let entries = facts.attributes_at(&target.links.resolve(&path));
    let mut files = entries.iter().filter(|entry| !entry.is_directory);
    let Some(first) = files.next() else {
        return;
    };
    if !entries.iter().all(|entry| entry.owner == first.owner) {
        return;
    }
    if first.owner != (0, 0) {
        let (uid, gid) = first.owner;
        copy.flags.push(format!("--chown={uid}:{gid}"));
    }
    let regular = entries.iter().filter(|entry| entry.is_file);
    let modes: HashSet<u16> = regular.map(|entry| entry.mode & 0o7777).collect();
    // Modes that most files of a context have need no option.
    if let [mode] = modes.into_iter().collect::<Vec<_>>()[..]
        && !matches!(mode, 0o644 | 0o755 | 0o664 | 0o775 | 0o444 | 0o555)
        && !entries.iter().any(|entry| entry.is_directory)
    {
        copy.flags.push(format!("--chmod={mode:o}"));
    }
    if !copy.flags.is_empty() {
        line.infer("options of this copy are not recorded; these give what the layer has");
    }
}
