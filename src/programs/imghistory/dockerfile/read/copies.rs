//! Arguments of `COPY` and `ADD`.

use super::parsed::{ParsedEntry, Producer};
use super::reader::Reader;
use super::verbatim::{self, Scope};
use crate::programs::imghistory::dockerfile::line::Certainty;
use crate::spec::instruction::{Copy, Instruction};

impl Reader<'_> {
    /// Reads `--chown=1:1file:ab… in /x`, the form of the classic builder and buildah.
    pub(super) fn copy_with_sums(
        &self,
        add: bool,
        value: &str,
        layer: Option<usize>,
        out: &mut ParsedEntry,
    ) {
        let mut copy = Copy {
            add,
            ..Copy::default()
        };
        let mut rest = value;
        while rest.starts_with("--") {
            let end = rest.find(' ').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            // The builder omits the blank after an option.
            let glued = ["file:", "dir:", "multi:"]
                .iter()
                .filter_map(|kind| word.find(kind))
                .min();
            let (flag, after) = match glued {
                Some(at) => rest.split_at(at),
                None => (word, after),
            };
            copy.flags.push(flag.to_owned());
            rest = after.trim_start();
        }
        let Some((source, destination)) = rest.split_once(" in ") else {
            if rest.trim_end().ends_with(" in") || rest.is_empty() {
                out.lose("the target of this copy is not recorded");
                return out.set_layer_only(layer);
            }
            return copy_of_words(add, value, out);
        };
        copy.destination = destination.trim().to_owned();
        if copy.destination.contains('$') && self.buildah {
            let args = self.args_here();
            let scope = Scope {
                args: &args,
                declared: &self.declared,
                so_far: &self.so_far,
                known: self.known,
                last: &|_| false,
                assumed: false,
            };
            match verbatim::word(&copy.destination, &scope) {
                Some(found) if !found.is_empty() => copy.destination = found,
                _ => out.notes.push(format!(
                    "the target of this copy is {}, and the value of a build argument in it is not recorded",
                    copy.destination
                )),
            }
        }
        let (kind, sum) = source.split_once(':').unwrap_or((source, ""));
        let cut: String = sum.chars().take(12).collect();
        out.certainty = Certainty::Lost;
        match kind {
            "file" => copy.sources.push(format!("<file:{cut}>")),
            "dir" => {
                copy.sources.push(format!("<dir:{cut}>"));
                if !copy.destination.ends_with('/') {
                    copy.destination.push('/');
                }
            }
            "multi" => copy.sources.push("<several-sources>".to_owned()),
            _ if source.starts_with("tarsum") => {
                let end = source.rsplit([':', '+']).next().unwrap_or_default();
                let cut: String = end.chars().take(12).collect();
                copy.sources.push(format!("<tarsum:{cut}>"));
            }
            _ => {
                out.certainty = Certainty::Exact;
                copy.sources
                    .extend(source.split_whitespace().map(str::to_owned));
            }
        }
        if out.certainty == Certainty::Lost {
            out.remarks.push(match (add, kind) {
                (true, "file") => "the name of the source is not recorded; a file, or an archive that was unpacked".to_owned(),
                (_, "multi") => "the names and the number of the sources are not recorded".to_owned(),
                _ => "the name of the source is not recorded".to_owned(),
            });
        }
        out.set(Instruction::Copy(copy));
    }
}

/// Reads `--chown=a src dst`, the form of BuildKit and kaniko.
pub(super) fn copy_of_words(add: bool, rest: &str, out: &mut ParsedEntry) {
    let mut copy = Copy {
        add,
        ..Copy::default()
    };
    let mut rest = rest;
    while rest.starts_with("--") {
        let end = rest.find(' ').unwrap_or(rest.len());
        let (flag, after) = rest.split_at(end);
        copy.flags.push(flag.to_owned());
        // One blank only: a second one is an empty source.
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    // BuildKit writes one blank between words, so more of them are empty words: an empty source is the whole context,
    // an empty target the current directory.
    let mut words: Vec<String> = match serde_json::from_str::<Vec<String>>(rest) {
        Ok(words) => words,
        Err(_) if out.producer == Producer::BuildKit => {
            rest.split(' ').map(str::to_owned).collect()
        }
        Err(_) => rest.split_whitespace().map(str::to_owned).collect(),
    };
    copy.destination = match words.pop() {
        Some(destination) if !destination.is_empty() => destination,
        _ => ".".to_owned(),
    };
    let is_unknown = words.iter().all(String::is_empty);
    if is_unknown {
        words.clear();
    }
    copy.sources = words;
    if is_unknown && copy.destination == "." {
        out.lose("a copy whose source and target are not recorded");
    } else if copy.sources.is_empty() || copy.sources.iter().any(String::is_empty) {
        out.lose("a source of this copy came from a variable that was empty when it was noted");
    } else if out.producer == Producer::BuildKit
        && !add
        && copy.sources.iter().any(|source| source.starts_with('/'))
    {
        out.certainty = Certainty::Inferred;
        out.notes.push(
            "--from of this COPY is not recorded; its absolute source is probably in another stage"
                .to_owned(),
        );
    } else if copy.sources.len() > 1 {
        out.infer("blanks within a name look like blanks between names");
    }
    out.set(Instruction::Copy(copy));
}
