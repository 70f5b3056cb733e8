//! Lists of images as plain text: one reference or several with commas between them on each line.

use super::collect::Collector;
use crate::error::Result;

/// Tests if a text is YAML or JSON: its first line that is neither blank nor a comment starts a document, a list or a
/// mapping. No line of a text list does, because a reference has neither blanks nor a colon at its end.
///
/// Lines that `grep` has taken out of a document are no document: nothing is left of its structure.
pub(super) fn is_yaml(text: &str) -> bool {
    let lines = text.lines().map(without_comment);
    let mut lines = lines.filter(|line| !line.is_empty());
    let Some(line) = lines.next() else {
        return false;
    };
    if is_taken_out(line) && lines.all(is_taken_out) {
        return false;
    }
    line.starts_with("---")
        || line.starts_with(['%', '{', '[', '&', '!', '?', '|', '>'])
        || line == "-"
        || line.starts_with("- ")
        || line.starts_with("-\t")
        || line.ends_with(':')
        || line.contains(": ")
        || line.contains(":\t")
}

/// Reads a text list: `#` comments, blank lines, commas, and `NAME=REFERENCE`.
///
/// # Errors
/// `Limit`.
pub(super) fn read(text: &str, offset: usize, collector: &mut Collector<'_>) -> Result<()> {
    for (number, line) in text.lines().enumerate() {
        let line = without_comment(line);
        let number = number + 1 + offset;
        if line.contains("{{") {
            collector.image(unquoted(value(line)), number)?;
            continue;
        }
        for item in value(line).split(',') {
            collector.image(unquoted(renamed(item)), number)?;
        }
    }
    Ok(())
}

/// Returns the reference of `NAME=REFERENCE`.
pub(super) fn renamed(item: &str) -> &str {
    item.rsplit_once('=')
        .map_or(item, |(_, reference)| reference)
}

fn unquoted(item: &str) -> &str {
    item.trim().trim_matches(['"', '\''])
}

/// Tests if a line is `image: VALUE` with the text of an image.
fn is_taken_out(line: &str) -> bool {
    let text = value(line);
    let is_node = text.starts_with(['{', '[', '&', '*', '!', '|', '>']);
    text.len() < line.len() && (!is_node || text.starts_with("{{"))
}

/// Returns the value of a line `image: VALUE`, and any other line itself.
fn value(line: &str) -> &str {
    let key = line.strip_prefix("- ").map_or(line, str::trim_start);
    key.strip_prefix("image: ").unwrap_or(line)
}

/// Removes a comment, and blanks around the rest. A `#` inside a word is none.
fn without_comment(line: &str) -> &str {
    let starts = |at: usize| {
        line[..at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
    };
    let comment = line
        .match_indices('#')
        .map(|(at, _)| at)
        .find(|at| starts(*at));
    line[..comment.unwrap_or(line.len())].trim()
}
