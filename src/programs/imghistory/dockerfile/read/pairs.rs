//! Lists whose quotes the history lost, split with the help of the config.

use crate::spec::instruction::{Pairs, go};

/// Limit on the bytes of a name.
const NAME: usize = 256;
/// Limit on the names and values of a config that are compared.
const KNOWN: usize = 1000;
/// Limit on the positions tried for the shell in a command with build arguments.
const STARTS: usize = 64;

/// Splits `A=b c D=e`. `known` are the pairs of the config, by which the ends of values are found.
///
/// Also returns true if the config confirms all of it, or if nothing in it is ambiguous.
pub fn pairs(text: &str, known: &[(String, String)]) -> (Pairs, bool) {
    let known = known.get(..KNOWN).unwrap_or(known);
    let mut out: Pairs = Vec::new();
    let mut sure = true;
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let Some((key, tail)) = key(rest) else {
            sure = false;
            match out.last_mut() {
                Some((_, value)) => {
                    value.push(' ');
                    value.push_str(rest);
                }
                // The old form `ENV A b`.
                None => {
                    let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
                    out.push((key.to_owned(), value.trim().to_owned()));
                }
            }
            break;
        };
        let (value, after, confirmed) = value(&key, tail, known);
        sure &= confirmed;
        out.push((key, value));
        rest = after.trim_start();
    }
    (out, sure)
}

/// Splits off a key and the sign after it.
fn key(text: &str) -> Option<(String, &str)> {
    if let Some((key, rest)) = go::quoted(text)
        && let Some(rest) = rest.strip_prefix('=')
    {
        return Some((key, rest));
    }
    let (key, rest) = text.split_once('=')?;
    Some((key.to_owned(), rest))
}

/// Splits off a value; also returns true for one that is certain.
fn value<'a>(key: &str, text: &'a str, known: &[(String, String)]) -> (String, &'a str, bool) {
    let ends = |rest: &str| rest.is_empty() || rest.starts_with(' ');
    let stated = known.iter().find(|(name, _)| name == key);
    let unquoted = go::quoted(text).filter(|(_, rest)| ends(rest));
    if let Some((_, stated)) = stated {
        if let Some(rest) = text.strip_prefix(stated.as_str()).filter(|rest| ends(rest)) {
            return (stated.clone(), rest, true);
        }
        if let Some((value, rest)) = &unquoted
            && value == stated
        {
            return (value.clone(), rest, true);
        }
    }
    // Quotes that belong to the value were found in the config above; these do not.
    if let Some((value, rest)) = unquoted {
        return (value, rest, false);
    }
    let is_key = |name: &str| match known.is_empty() {
        false => known.iter().any(|(known, _)| known == name),
        true => is_identifier(name),
    };
    let end = text
        .match_indices(' ')
        .map(|(at, _)| at)
        .find(|&at| name(text, at + 1).is_some_and(is_key));
    let end = end.unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    (value.to_owned(), rest, !value.contains(' '))
}

/// Tests for the name of a variable.
pub fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Splits `/a /b c`; items of the config may have blanks.
pub fn list(text: &str, known: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let ends = |rest: &&str| rest.is_empty() || rest.starts_with(' ');
        let stated = known
            .iter()
            .take(KNOWN)
            .filter(|item| {
                !item.is_empty()
                    && rest
                        .strip_prefix(item.as_str())
                        .is_some_and(|rest| ends(&rest))
            })
            .max_by_key(|item| item.len());
        let end = match stated {
            Some(item) => item.len(),
            None => rest.find(' ').unwrap_or(rest.len()),
        };
        let (item, after) = rest.split_at(end);
        out.push(item.to_owned());
        rest = after.trim_start();
    }
    out
}

/// Splits build arguments off a command: `|2 A=1 B=x y /bin/sh -c make` is `A=1`, `B=x y` and `/bin/sh -c make`.
///
/// `declared` are the names seen so far, `had` their values elsewhere, `shell` the shell's words joined. Returns `None`
/// for a command without build arguments.
pub fn build_args<'a>(
    text: &'a str,
    declared: &[String],
    had: &[(String, String)],
    shell: &str,
) -> Option<(Pairs, &'a str)> {
    let (count, rest) = text.strip_prefix('|')?.split_once(' ')?;
    let count: usize = count.parse().ok().filter(|&count| count <= 1000)?;
    if count == 0 {
        return Some((Vec::new(), rest));
    }
    let with_blank = format!("{shell} ");
    // The command may start at the shell, else anywhere after the last name.
    let starts: Vec<usize> = rest
        .match_indices(&with_blank)
        .map(|(at, _)| at)
        .filter(|&at| at > 0 && rest.as_bytes().get(at - 1) == Some(&b' '))
        .collect();
    for &start in starts.iter().take(STARTS) {
        let head = rest.get(..start)?;
        if let Some(pairs) = split_args(head.strip_suffix(' ')?, count, declared) {
            return Some((pairs, rest.get(start..)?));
        }
    }
    exec_args(rest, count, declared, had)
        .or_else(|| {
            // buildah omits arguments without a value, but counts them.
            let start = *starts.first()?;
            let head = rest.get(..start)?.strip_suffix(' ')?;
            let fewer = names(head, declared).len();
            let pairs = (fewer < count).then(|| split_args(head, fewer, declared));
            Some((pairs??, rest.get(start..)?))
        })
        .or_else(|| {
            // Arguments that cannot be split are lost, the command is not.
            let start = *starts.first()?;
            Some((Vec::new(), rest.get(start..)?))
        })
}

fn exec_args<'a>(
    rest: &'a str,
    count: usize,
    declared: &[String],
    had: &[(String, String)],
) -> Option<(Pairs, &'a str)> {
    // The exec form: the last value is that of another entry, or ends at the first blank, as most do.
    let names = names(rest, declared);
    let names = match names.len() < count {
        true => self::names(rest, &[]),
        false => names,
    };
    let last = *names.get(count - 1)?;
    let tail = rest.get(last..)?;
    let (name, value) = tail.split_once('=')?;
    let known = had
        .iter()
        .filter(|(known, had)| {
            let after = value.strip_prefix(had.as_str());
            known == name && after.is_some_and(|after| after.starts_with(' '))
        })
        .map(|(_, had)| name.len() + 1 + had.len())
        .max();
    let end = last + known.or_else(|| tail.find(' ')).unwrap_or(tail.len());
    let pairs = split_args(rest.get(..end)?, count, declared)?;
    Some((pairs, rest.get(end..)?.trim_start()))
}

fn split_args(text: &str, count: usize, declared: &[String]) -> Option<Pairs> {
    let mut starts = names(text, declared);
    if starts.len() < count {
        starts = names(text, &[]);
    }
    // A value may look like another argument; each name comes once, and the first one is the first.
    let mut chosen: Vec<(usize, &str)> = Vec::new();
    let all = starts.len() == count;
    for at in starts {
        let (name, _) = text.get(at..)?.split_once('=')?;
        // BuildKit records an argument that is declared again twice.
        let again = chosen.iter().any(|(_, known)| *known == name);
        if chosen.len() < count && (all || !again) {
            chosen.push((at, name));
        }
    }
    if chosen.len() != count || chosen.first()?.0 != 0 {
        return None;
    }
    let mut out: Pairs = Vec::new();
    for (i, (at, name)) in chosen.iter().enumerate() {
        let end = chosen.get(i + 1).map_or(text.len(), |(next, _)| next - 1);
        let value = text.get(at + name.len() + 1..end)?;
        match out.iter_mut().find(|(known, _)| known == name) {
            Some((_, last)) => value.clone_into(last),
            None => out.push(((*name).to_owned(), value.to_owned())),
        }
    }
    Some(out)
}

/// Returns the positions at which arguments may start: each `NAME=` after a blank, with a declared name or, if none are
/// declared, any name.
fn names(text: &str, declared: &[String]) -> Vec<usize> {
    let blanks = text.match_indices(' ').map(|(at, _)| at + 1);
    std::iter::once(0)
        .chain(blanks)
        .filter(|&at| {
            name(text, at).is_some_and(|name| match declared.is_empty() {
                true => is_identifier(name),
                false => declared.iter().take(KNOWN).any(|known| known == name),
            })
        })
        .collect()
}

/// Returns the text from `at` up to the next `=`, if that is near: a longer search at each blank would take too long.
fn name(text: &str, at: usize) -> Option<&str> {
    let bytes = text.as_bytes().get(at..)?;
    let window = bytes.get(..bytes.len().min(NAME))?;
    let end = window.iter().position(|&byte| byte == b'=')?;
    text.get(at..at + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(pairs: &[(&str, &str)]) -> Pairs {
        pairs
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn ends_of_values_are_found_by_the_config() {
        let known = owned(&[
            ("A", "b c"),
            ("D", "e"),
            ("E", ""),
            ("Q", "\"q\""),
            ("S", "x y"),
        ]);
        for (text, expected, sure) in [
            ("A=b c D=e", &[("A", "b c"), ("D", "e")][..], true),
            ("E= D=e", &[("E", ""), ("D", "e")], true),
            ("Q=\"q\" D=e", &[("Q", "\"q\""), ("D", "e")], true),
            ("S=\"x y\"", &[("S", "x y")], true),
            ("A=old one D=e", &[("A", "old one"), ("D", "e")], false),
            ("X=1 2 Y=3", &[("X", "1 2 Y=3")], false),
            ("X=1", &[("X", "1")], true),
            ("A b", &[("A", "b")], false),
        ] {
            assert_eq!(pairs(text, &known), (owned(expected), sure), "{text}");
        }
        let split = owned(&[("a.b", "1 2"), ("C", "3")]);
        assert_eq!(pairs("a.b=1 2 C=3", &[]).0, split);
    }

    #[test]
    fn items_may_have_blanks() {
        let known = ["/data".to_owned(), "/my data".to_owned()];
        assert_eq!(
            list("/my data /data /x", &known),
            ["/my data", "/data", "/x"]
        );
    }

    #[test]
    fn build_arguments_are_split_off() {
        let declared: Vec<String> = ["A", "B", "C"].map(str::to_owned).into();
        let had = owned(&[("C", "x y"), ("C", "z")]);
        for (text, expected, command) in [
            (
                "|1 A=1 /bin/sh -c make",
                &[("A", "1")][..],
                "/bin/sh -c make",
            ),
            (
                "|2 A=1 B=x y /bin/sh -c make A=2",
                &[("A", "1"), ("B", "x y")],
                "/bin/sh -c make A=2",
            ),
            (
                "|3 A=1 B= C=x /bin/sh -c a",
                &[("A", "1"), ("B", ""), ("C", "x")],
                "/bin/sh -c a",
            ),
            (
                "|1 A=B=2 C=3 /bin/sh -c a",
                &[("A", "B=2 C=3")],
                "/bin/sh -c a",
            ),
            ("|1 ZZ=1 2 /bin/sh -c a", &[("ZZ", "1 2")], "/bin/sh -c a"),
            (
                "|3 A=x B=b c A=y /bin/sh -c a",
                &[("A", "y"), ("B", "b c")],
                "/bin/sh -c a",
            ),
            ("|1 A=1 apk add x", &[("A", "1")], "apk add x"),
            ("|0 /bin/sh -c a", &[], "/bin/sh -c a"),
            (
                "|2 A=1 C=x y apk add x",
                &[("A", "1"), ("C", "x y")],
                "apk add x",
            ),
        ] {
            let found = build_args(text, &declared, &had, "/bin/sh -c");
            assert_eq!(found, Some((owned(expected), command)), "{text}");
        }
        for text in ["|", "|x A=1", "|1", "|1 make", "|99999999999 A=1 b"] {
            assert_eq!(
                build_args(text, &declared, &had, "/bin/sh -c"),
                None,
                "{text}"
            );
        }
    }
}
