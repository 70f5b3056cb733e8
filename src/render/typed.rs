//! Backslashes in a template that came through a shell, where nobody can type a tab.

/// Position of a backslash in a template.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    Text,
    Action,
    Quoted,
    Raw,
    Comment,
}

/// The template with `\t` and `\n` replaced everywhere but inside double quotes.
pub(super) fn unescaped(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut state = In::Text;
    let mut rest = template;
    while let Some(first) = rest.chars().next() {
        let token = [r"\t", r"\n", "{{", "}}", "/*", "*/"]
            .into_iter()
            .find(|token| rest.starts_with(token));
        let mut taken = first.len_utf8();
        match (state, token, first) {
            (In::Quoted, _, '\\') => {
                taken += rest[taken..].chars().next().map_or(0, char::len_utf8);
            }
            (In::Quoted, _, '"') | (In::Raw, _, '`') => state = In::Action,
            (In::Quoted, ..) => {}
            (_, Some(escape @ (r"\t" | r"\n")), _) => {
                out.push(if escape == r"\t" { '\t' } else { '\n' });
                rest = &rest[escape.len()..];
                continue;
            }
            (In::Text, Some("{{"), _) => (state, taken) = (In::Action, 2),
            (In::Action, Some("}}"), _) => (state, taken) = (In::Text, 2),
            (In::Action, Some("/*"), _) => (state, taken) = (In::Comment, 2),
            (In::Comment, Some("*/"), _) => (state, taken) = (In::Action, 2),
            (In::Action, _, '"') => state = In::Quoted,
            (In::Action, _, '`') => state = In::Raw,
            _ => {}
        }
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backslashes_mean_tab_and_line_end_but_in_quotes() {
        for (typed, template) in [
            (r"{{.ID}}\t{{.Size}}\n", "{{.ID}}\t{{.Size}}\n"),
            (r#"{{join .X "\n"}}\n"#, "{{join .X \"\\n\"}}\n"),
            (r#"{{"a\"\\"}}\t"#, "{{\"a\\\"\\\\\"}}\t"),
            (r"{{print `\t}}`}}\t", "{{print `\t}}`}}\t"),
            (r#"{{/* it's "}} */}}\t"#, "{{/* it's \"}} */}}\t"),
            (r#""\t""#, "\"\t\""),
            (r"\", r"\"),
            (r#"{{"\"#, r#"{{"\"#),
            ("é\\t{{é", "é\t{{é"),
        ] {
            assert_eq!(unescaped(typed), template);
        }
    }
}
