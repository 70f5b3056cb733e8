//! Triggers: the instructions that `ONBUILD` accepts.

use super::go;
use super::words::{is_bare_char, is_bare_word, is_port};

/// Tests if ONBUILD accepts a text: an instruction with arguments that parses by itself.
pub(super) fn is_trigger(text: &str) -> bool {
    let (word, rest) = text.trim().split_once([' ', '\t']).unwrap_or((text, ""));
    let rest = rest.trim();
    if rest.is_empty() || rest.contains("<<") {
        return false;
    }
    let words = || {
        rest.split_ascii_whitespace()
            .filter(|word| !word.starts_with("--"))
    };
    match word.to_ascii_uppercase().as_str() {
        "RUN" | "CMD" | "ENTRYPOINT" => !rest.starts_with('[') || go::quoted_list(rest).is_some(),
        "USER" | "WORKDIR" | "STOPSIGNAL" => true,
        "COPY" | "ADD" => !rest.starts_with('[') && words().count() >= 2 || is_json_list(rest),
        "VOLUME" => !rest.starts_with('[') || is_json_list(rest),
        "EXPOSE" => words().all(is_port),
        "ENV" | "LABEL" => {
            words().all(|word| {
                word.split_once('=').is_some_and(|(key, value)| {
                    is_bare_word(key) && !value.is_empty() && value.chars().all(is_bare_char)
                })
            }) || is_quoted_pairs(rest)
        }
        "ARG" => {
            words().count() == 1
                && words().all(|word| {
                    let (key, value) = word.split_once('=').unwrap_or((word, ""));
                    is_bare_word(key) && value.chars().all(is_bare_char)
                })
        }
        "SHELL" => is_json_list(rest),
        _ => false,
    }
}

fn is_json_list(text: &str) -> bool {
    serde_json::from_str::<Vec<String>>(text).is_ok_and(|list| !list.is_empty())
}

/// Tests for `KEY="value"` once or more, without escapes in the values.
fn is_quoted_pairs(text: &str) -> bool {
    let mut rest = text.trim();
    while !rest.is_empty() {
        let Some((key, tail)) = rest.split_once("=\"") else {
            return false;
        };
        let Some((value, tail)) = tail.split_once('"') else {
            return false;
        };
        if !is_bare_word(key) || value.contains('\\') || !(tail.is_empty() || tail.starts_with(' '))
        {
            return false;
        }
        rest = tail.trim_start();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ascii_blanks_divide_arguments() {
        assert!(is_trigger("COPY --chown=x a b"));
        assert!(!is_trigger("COPY --chown=x \"\u{2028}b"));
        assert!(!is_trigger("EXPOSE 1\u{2028}2"));
    }
}
