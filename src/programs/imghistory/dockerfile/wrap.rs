//! Long shell commands over several lines, without changing what the shell sees.

/// Columns from which a command is broken.
const WIDTH: usize = 100;

/// The lines of a command, broken before `&&` and after `;`; one line where it is short or nothing is safe to break.
///
/// Blanks between words are what continuation lines of the original left behind, so runs of them become one. Nothing
/// is touched within quotes, substitutions and comments, and nothing at all in a text that does not scan.
pub fn wrap(text: &str) -> Vec<String> {
    let whole = || vec![text.to_owned()];
    // Patterns of `case` have a parenthesis without its like, which misleads the scan where it matters: in quotes.
    let misleading = text.contains("case ") && text.contains('"') && text.contains("$(");
    if text.contains("<<") || misleading {
        return whole();
    }
    let Some(pieces) = pieces(text) else {
        return whole();
    };
    let had_lines = text.contains("   ") || text.contains('\t');
    let joined = pieces.join(" ");
    match had_lines || joined.chars().count() > WIDTH {
        true => pieces,
        false => vec![joined],
    }
}

/// Whether these are blanks to the shell as well as to the builder.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn pieces(text: &str) -> Option<Vec<String>> {
    let mut pieces: Vec<String> = Vec::new();
    let mut piece = String::new();
    // What encloses the current place: `"`, `(`, `{` or a backquote.
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
                // A comment takes the rest, and no line may start with it.
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
            assert_eq!(wrap(text), lines, "{text}");
        }
    }
}
