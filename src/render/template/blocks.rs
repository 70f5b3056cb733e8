//! Check that the blocks of a template are closed, each by an `end` of its own.
//!
//! gotmpl takes an `{{end}}` or `{{else}}` that closes nothing for the end of the template, and the template's end for
//! that of every block; Go refuses both.

/// Name of the template in errors.
pub(super) const NAME: &str = "--format";

/// A block that is open.
struct Block<'a> {
    word: &'a str,
    has_else: bool,
    /// True inside a `range`.
    in_range: bool,
}

/// Checks the blocks of a template that gotmpl has parsed.
///
/// # Errors
/// Go's words for the first action that is not in its place.
pub(super) fn check(template: &str) -> Result<(), String> {
    let mut open: Vec<Block<'_>> = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let action = rest.get(start + 2..).unwrap_or_default();
        let at = template.len() - action.len() - 2;
        let length = length(action);
        let words = words(action.get(..length).unwrap_or_default());
        rest = action.get(length + 2..).unwrap_or_default();
        let unexpected = |problem: &str| {
            let before = template.get(..at).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before
                .rsplit('\n')
                .next()
                .unwrap_or_default()
                .chars()
                .count()
                + 1;
            Err(format!("template: {NAME}:{line}:{column}: {problem}"))
        };
        let in_range = open.last().is_some_and(|block| block.in_range);
        match words {
            ("end", _) if open.pop().is_none() => return unexpected("unexpected {{end}}"),
            ("else", next) => match open.last_mut() {
                Some(block) if !block.has_else && !matches!(block.word, "define" | "block") => {
                    block.has_else = !matches!(next, "if" | "with");
                }
                _ => return unexpected("unexpected {{else}}"),
            },
            (word @ ("if" | "with" | "range" | "define" | "block"), _) => open.push(Block {
                word,
                has_else: false,
                in_range: word == "range" || in_range && word != "define",
            }),
            ("break", "") if !in_range => return unexpected("{{break}} outside {{range}}"),
            ("continue", "") if !in_range => return unexpected("{{continue}} outside {{range}}"),
            _ => {}
        }
    }
    match open.last() {
        Some(_) => Err(format!(
            "template: {NAME}: unexpected EOF: a block without {{{{end}}}}"
        )),
        None => Ok(()),
    }
}

/// Bytes of an action up to its `}}`.
fn length(action: &str) -> usize {
    let bytes = action.as_bytes();
    let inside = action.strip_prefix('-').map_or(action, str::trim_start);
    if inside.starts_with("/*") {
        let start = action.len() - inside.len() + 2;
        let comment = action.get(start..).and_then(|comment| comment.find("*/"));
        let end = start + comment.map_or(0, |end| end + 2);
        let close = action.get(end..).and_then(|rest| rest.find("}}"));
        return close.map_or(action.len(), |close| end + close);
    }
    let mut quote = None;
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        match (quote, byte) {
            (Some(b'"' | b'\''), b'\\') => i += 1,
            (Some(open), byte) if open == byte => quote = None,
            (None, b'"' | b'\'' | b'`') => quote = Some(byte),
            (None, b'}') if bytes.get(i + 1) == Some(&b'}') => return i,
            _ => {}
        }
        i += 1;
    }
    action.len()
}

/// The first two words of an action; empty where there is none.
fn words(action: &str) -> (&str, &str) {
    let action = match action.strip_prefix('-') {
        Some(rest) if rest.starts_with(char::is_whitespace) => rest,
        _ => action,
    };
    let mut rest = action;
    let mut word = || {
        rest = rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        word
    };
    (word(), word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_closed_as_in_go() {
        for (template, wrong) in [
            ("{{if .A}}x{{else if .B}}y{{else}}z{{end}}", ""),
            (
                "{{with .A}}{{else with .B}}{{end}}{{- end }}",
                "1:35: unexpected {{end}}",
            ),
            (
                "{{range .A}}{{if .}}{{break}}{{end}}{{continue}}{{- end -}}",
                "",
            ),
            ("{{define \"x\"}}{{.}}{{end}}{{block \"y\" .}}{{end}}", ""),
            (
                "{{/* {{end}} */}}{{- /* {{if}} */ -}}{{\"{{end}}\"}}{{`}}{{end}}`}}{{'\"'}}",
                "",
            ),
            ("{{print \"\\\"}}\"}}{{end}}", "1:17: unexpected {{end}}"),
            ("{{end}}", "1:1: unexpected {{end}}"),
            ("a\n b{{ end }}c", "2:3: unexpected {{end}}"),
            ("{{else}}", "1:1: unexpected {{else}}"),
            (
                "{{if .A}}{{else}}{{else}}{{end}}",
                "1:18: unexpected {{else}}",
            ),
            (
                "{{define \"x\"}}{{else}}{{end}}",
                "1:15: unexpected {{else}}",
            ),
            ("{{if .A}}x", "unexpected EOF"),
            ("{{range .A}}{{if .}}x{{end}}", "unexpected EOF"),
            ("{{break}}", "1:1: {{break}} outside {{range}}"),
            ("{{range .A}}{{end}}{{continue}}", "outside {{range}}"),
            ("{{.end}}{{endless}}{{$end}}", ""),
        ] {
            match check(template) {
                Ok(()) => assert_eq!(wrong, "", "{template}"),
                Err(why) => assert!(
                    !wrong.is_empty() && why.contains(wrong),
                    "{template}: {why}"
                ),
            }
        }
    }
}
