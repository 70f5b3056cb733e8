//! Long shell commands on several lines; the shell sees the same command.

/// Columns up to which a command stays on one line.
const WIDTH: usize = 100;

/// Breaks a command before `&&` and after `;`. A short command, or one without a safe place to break, stays one line.
///
/// Runs of blanks between words are left over from continuation lines and become one blank. Quotes, substitutions and
/// comments stay untouched, and so does a text that cannot be scanned.
pub(super) fn shell_lines(text: &str) -> Vec<String> {
    let unchanged = || vec![text.to_owned()];
    // The lone parentheses of `case` patterns mislead the scan where it matters: in quotes.
    let misleading = text.contains("case ") && text.contains('"') && text.contains("$(");
    if text.contains("<<") || misleading {
        return unchanged();
    }
    let Some(pieces) = pieces(text) else {
        return unchanged();
    };
    let had_lines = text.contains("   ") || text.contains('\t');
    let joined = pieces.join(" ");
    match had_lines || joined.chars().count() > WIDTH {
        true => pieces,
        false => vec![joined],
    }
}

/// Tests for a blank of both the shell and the builder.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn pieces(text: &str) -> Option<Vec<String>> {
    let mut pieces: Vec<String> = Vec::new();
    let mut piece = String::new();
    // The open delimiters around the current character: `"`, `(`, `{` or a backquote.
    let mut stack: Vec<char> = Vec::new();
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let inside = stack.last().copied();
        match (inside, c) {
            (_, '\\') => {
                piece.push(c);
                piece.push(chars.next()?);
                before = 'x';
                continue;
            }
            (Some('`'), '`') | (Some('"'), '"') | (Some('{'), '}') | (Some('('), ')') => {
                stack.pop();
            }
            (Some('`'), _) => {}
            (_, '`') => stack.push('`'),
            (_, '$') if matches!(chars.peek(), Some('(' | '{')) => {
                piece.push(c);
                let open = chars.next()?;
                stack.push(open);
                piece.push(open);
                before = 'x';
                continue;
            }
            (Some('"'), _) => {}
            (_, '"') => stack.push('"'),
            (Some('{'), _) => {}
            (_, '\'') => {
                piece.push(c);
                loop {
                    let inner = chars.next()?;
                    piece.push(inner);
                    if inner == '\'' {
                        break;
                    }
                }
                before = 'x';
                continue;
            }
            (_, '(') => stack.push('('),
            (None, '#') if is_blank(before) || before == ';' => {
                // A comment takes the rest; no line may start with one.
                let mut line = match piece.trim().is_empty() {
                    true => pieces.pop().map_or_else(String::new, |last| last + " "),
                    false => piece,
                };
                line.push(c);
                line.extend(chars);
                pieces.push(line.trim_end().to_owned());
                return Some(pieces);
            }
            (Some(_), '#') if is_blank(before) => return None,
            (None, '&') if chars.peek() == Some(&'&') => {
                chars.next();
                cut(&mut pieces, &mut piece);
                piece.push_str("&&");
                before = '&';
                continue;
            }
            (None, ';') => {
                piece.push(';');
                if chars.peek() == Some(&';') {
                    chars.next();
                    piece.push(';');
                }
                cut(&mut pieces, &mut piece);
                before = ';';
                continue;
            }
            (None, c) if is_blank(c) => {
                if !is_blank(before) && !piece.is_empty() {
                    piece.push(' ');
                }
                before = ' ';
                continue;
            }
            _ => {}
        }
        piece.push(c);
        before = c;
    }
    cut(&mut pieces, &mut piece);
    stack.is_empty().then_some(pieces)
}

fn cut(pieces: &mut Vec<String>, piece: &mut String) {
    let done = std::mem::take(piece);
    let done = done.trim_matches(' ');
    if done.chars().all(|c| c == ';')
        && !done.is_empty()
        && let Some(last) = pieces.last_mut()
    {
        last.push(' ');
        last.push_str(done);
    } else if !done.is_empty() {
        pieces.push(done.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_broken_outside_quotes_only() {
        for (text, lines) in [
            ("make && make install", &["make && make install"][..]),
            (
                "apt-get update     && apt-get install -y   curl    git     && rm -rf /var/lib/apt",
                &[
                    "apt-get update",
                    "&& apt-get install -y curl git",
                    "&& rm -rf /var/lib/apt",
                ],
            ),
            (
                "set -e;   make;\tmake install",
                &["set -e;", "make;", "make install"],
            ),
            (
                "echo 'a   &&   b' \"c;   d\"",
                &["echo 'a   &&   b' \"c;   d\""],
            ),
            (
                "echo \"$(a   \"b   && c\")\"   && d",
                &["echo \"$(a   \"b   && c\")\"", "&& d"],
            ),
            (
                "find . -exec rm {} \\;   && x",
                &["find . -exec rm {} \\;", "&& x"],
            ),
            (
                "case $1 in a)   x;;   b) y;; esac",
                &["case $1 in a) x;;", "b) y;;", "esac"],
            ),
            ("a;   # b; && c", &["a; # b; && c"]),
            ("a   b # c   && d", &["a b # c   && d"]),
            ("echo 'open   && x", &["echo 'open   && x"]),
            (
                "echo ${a:-\"   && \"}   ; b",
                &["echo ${a:-\"   && \"} ;", "b"],
            ),
            ("echo `a   && b`   && c", &["echo `a   && b`", "&& c"]),
            ("(a   && b)   && c", &["(a   && b)", "&& c"]),
            ("cat <<E   && x", &["cat <<E   && x"]),
        ] {
            assert_eq!(shell_lines(text), lines, "{text}");
        }
    }
}
