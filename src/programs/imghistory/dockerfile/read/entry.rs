//! Producer and form of a history entry.

use super::classic::is_verbatim_prefix;
use super::forms::{is_bare_shell, is_buildkit, is_foreign, is_shell_command, is_shell_prefix};
use super::pairs;
use super::parsed::{ParsedEntry, Producer};
use super::reader::Reader;
use crate::programs::imghistory::dockerfile::line::Certainty;
use crate::spec::History;
use crate::spec::instruction::{Command, Copy, Instruction, KEYWORDS};

/// Limit on the bytes of an entry: builders read no longer instruction, except heredocs.
const LENGTH: usize = 256 << 10;

impl Reader<'_> {
    /// Reads an entry into `out`. `layer` is the position of its layer, from 0.
    pub(super) fn read_entry(
        &mut self,
        entry: &History,
        layer: Option<usize>,
        out: &mut ParsedEntry,
    ) {
        let raw = entry.created_by.as_str();
        let text = raw.trim();
        if raw.len() > LENGTH {
            out.notes
                .push("an entry of the history is too long to be read".to_owned());
            return out.set_layer_only(layer);
        }
        let comment = entry.comment.as_str();
        if comment.starts_with("merge sha256:") && comment.contains(" to sha256:") {
            out.notes.push(format!("squashed: {comment}"));
            if text.is_empty() {
                return out.set_layer_only(layer);
            }
        }
        if text.is_empty() {
            return unnamed(comment, layer, out);
        }
        if let Some((before, rest)) = text.split_once("#(nop)")
            && is_shell_prefix(before)
        {
            out.producer = Producer::Classic;
            out.buildah = is_verbatim_prefix(rest);
            self.follow_shell(before.trim(), out.buildah);
            return self.classic(rest, layer, out);
        }
        // The blank is missing after an empty command.
        let (body, suffixed) = match raw.strip_suffix("# buildkit") {
            Some(body) => (body.strip_suffix(' ').unwrap_or(body), true),
            None => (raw, false),
        };
        let (word, rest) = body.split_once([' ', '\t', '\n']).unwrap_or((body, ""));
        if (suffixed || is_buildkit(entry)) && KEYWORDS.contains(&word) {
            out.producer = Producer::BuildKit;
            return self.buildkit(word, rest, layer, out);
        }
        if text.starts_with('|')
            && let Some((args, command)) =
                pairs::build_args(text, &self.declared, &self.had, &self.prefix().join(" "))
        {
            out.producer = Producer::Classic;
            out.buildah = self.buildah;
            out.build_args = args;
            return self.command(command, out);
        }
        if let Some(command) = raw.strip_prefix(&format!("{} ", self.prefix().join(" "))) {
            out.producer = Producer::Classic;
            out.buildah = self.buildah;
            return match self.kept_words(raw) {
                Some(words) => out.set(Instruction::Run(Command::Exec(words))),
                None => self.run(command, out),
            };
        }
        if is_bare_shell(text) || self.is_commit(text) {
            return committed(comment, layer, out);
        }
        if is_foreign(text, entry.author.as_deref().unwrap_or_default()) {
            return foreign(text, layer, out);
        }
        if KEYWORDS.contains(&word) && !rest.trim().is_empty() {
            out.producer = Producer::Verbatim;
            let sure = entry.author.as_deref() == Some("kaniko");
            return self.written(word, rest.trim(), layer, sure, out);
        }
        if self.docker || is_shell_command(text) {
            out.producer = Producer::Classic;
            return self.command(text, out);
        }
        foreign(text, layer, out);
    }

    /// Tests for an entry of `docker commit`: it records the command of the container, mostly that of the image.
    fn is_commit(&self, text: &str) -> bool {
        let ran = |words: &[String]| !words.is_empty() && words.join(" ") == text;
        ran(&self.so_far.cmd) || self.is_last && ran(&self.known.cmd)
    }
}

/// Reads an entry without a command.
fn unnamed(comment: &str, layer: Option<usize>, out: &mut ParsedEntry) {
    if comment.starts_with("Imported from") || layer == Some(0) {
        out.producer = Producer::Import;
        if !comment.is_empty() {
            out.notes.push(comment.to_owned());
        }
        return rootfs("import", layer, out);
    }
    if !comment.is_empty() {
        out.notes.push(comment.to_owned());
    }
    out.set_layer_only(layer);
}

/// Reads an entry whose layer is a root filesystem of unknown source.
fn rootfs(source: &str, layer: Option<usize>, out: &mut ParsedEntry) {
    if layer.is_none() {
        return;
    }
    out.certainty = Certainty::Lost;
    out.remarks
        .push("the name of the archive is not recorded".to_owned());
    out.set(Instruction::Copy(Copy {
        add: true,
        sources: vec![format!("<{source}>")],
        destination: "/".to_owned(),
        ..Copy::default()
    }));
}

/// Reads an entry of a commit.
fn committed(comment: &str, layer: Option<usize>, out: &mut ParsedEntry) {
    out.producer = Producer::Commit;
    let message = match comment.is_empty() || comment.starts_with("FROM ") {
        true => String::new(),
        false => format!(": {comment}"),
    };
    out.notes.push(format!("committed container{message}"));
    out.set_layer_only(layer);
}

/// Reads an entry of a program without Dockerfiles.
fn foreign(text: &str, layer: Option<usize>, out: &mut ParsedEntry) {
    out.producer = match text.starts_with("# ") {
        true => Producer::Import,
        false => Producer::Other,
    };
    out.notes.push(text.to_owned());
    match (out.producer, layer) {
        (Producer::Import, Some(_)) => rootfs("rootfs", layer, out),
        _ => out.set_layer_only(layer),
    }
}
