//! Which words of two texts differ.

use std::collections::HashMap;

use imara_diff::{Algorithm, Diff, InternedInput};

use crate::programs::imgdiff::compare::best_pairs;
use crate::render::page::escaped;

/// Limit on the bytes of texts that are compared word by word; of longer ones all is marked.
const MAX_TEXT: usize = 100_000;

/// Share of common words from which two commands are shown side by side as versions of each other.
const ALIKE: f64 = 0.3;
/// Limit on the pairs of commands that are compared.
const PAIRS: usize = 10_000;
/// Limit on the characters of a command that are compared with others.
const COMMAND: usize = 2_000;

/// Words, runs of blanks, and single other characters.
fn words(text: &str) -> Vec<&str> {
    let class = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' => 1,
        c if c.is_whitespace() => 2,
        _ => 0,
    };
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let kind = class(first);
        let end = match kind {
            0 => first.len_utf8(),
            _ => rest.find(|c| class(c) != kind).unwrap_or(rest.len()),
        };
        let (word, tail) = rest.split_at(end);
        words.push(word);
        rest = tail;
    }
    words
}

/// Both texts as markup, `del` around the words that only the old one has, `ins` around those of the new one.
pub(super) fn marked(old: &str, new: &str) -> [String; 2] {
    if old == new {
        return [escaped(old), escaped(new)];
    }
    if old.len().max(new.len()) > MAX_TEXT {
        return [element("del", old), element("ins", new)];
    }
    let both = [words(old), words(new)];
    let mut input: InternedInput<&str> = InternedInput::default();
    input.update_before(both[0].iter().copied());
    input.update_after(both[1].iter().copied());
    let diff = Diff::compute(Algorithm::Myers, &input);
    let differs: [Vec<bool>; 2] = [
        (0..both[0].len())
            .map(|i| u32::try_from(i).is_ok_and(|i| diff.is_removed(i)))
            .collect(),
        (0..both[1].len())
            .map(|i| u32::try_from(i).is_ok_and(|i| diff.is_added(i)))
            .collect(),
    ];
    let [old, new] = &both;
    [
        markup("del", old, &differs[0]),
        markup("ins", new, &differs[1]),
    ]
}

fn element(name: &str, text: &str) -> String {
    match text.is_empty() {
        true => String::new(),
        false => format!("<{name}>{}</{name}>", escaped(text)),
    }
}

/// Joins words; blanks between two that differ are marked with them.
fn markup(name: &str, words: &[&str], differs: &[bool]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while at < words.len() {
        let is_marked = differs[at];
        let mut end = at;
        while end < words.len()
            && (differs[end] == is_marked
                || (is_marked
                    && words[end].trim().is_empty()
                    && differs.get(end + 1) == Some(&true)))
        {
            end += 1;
        }
        let text = words[at..end].concat();
        match is_marked {
            true => out.push_str(&element(name, &text)),
            false => out.push_str(&escaped(&text)),
        }
        at = end;
    }
    out
}

/// Pairs two lists of commands in order, by the words that they have in common.
pub(super) fn alike_pairs(old: &[&str], new: &[&str]) -> Vec<(Option<usize>, Option<usize>)> {
    let (n, m) = (old.len(), new.len());
    let score = |at: usize| match likeness(head(old[at / m]), head(new[at % m])) {
        score if score < ALIKE => 0.0,
        score => score,
    };
    let scores: Vec<f64> = match n.saturating_mul(m) <= PAIRS {
        true => (0..n * m).map(score).collect(),
        false => Vec::new(),
    };
    best_pairs(n, m, &scores)
}

/// The beginning of a command.
fn head(text: &str) -> &str {
    let end = text
        .char_indices()
        .nth(COMMAND)
        .map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// Share of words that two texts have in common, from 0 to 1; 0 for texts without words.
fn likeness(old: &str, new: &str) -> f64 {
    let mut counts: HashMap<&str, (u32, u32)> = HashMap::new();
    let real = |word: &&str| !word.trim().is_empty();
    let (old, new) = (words(old), words(new));
    for word in old.iter().copied().filter(real) {
        counts.entry(word).or_default().0 += 1;
    }
    for word in new.iter().copied().filter(real) {
        counts.entry(word).or_default().1 += 1;
    }
    let both: u32 = counts.values().map(|(old, new)| old.min(new)).sum();
    let all: u32 = counts.values().map(|(old, new)| old + new).sum();
    match all {
        0 => 0.0,
        all => 2.0 * f64::from(both) / f64::from(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_differ_are_marked_and_escaped() {
        let check = |old: &str, new: &str, expected: [&str; 2]| {
            assert_eq!(marked(old, new), expected.map(str::to_owned));
        };
        check(
            "VER=3.11 <a>",
            "VER=3.12 <a>",
            [
                "VER=3.<del>11</del> &lt;a&gt;",
                "VER=3.<ins>12</ins> &lt;a&gt;",
            ],
        );
        check(
            "a b c",
            "a x y c",
            ["a <del>b</del> c", "a <ins>x y</ins> c"],
        );
        check("", "<b>", ["", "<ins>&lt;b&gt;</ins>"]);
        check("same", "same", ["same", "same"]);
        let long = "x ".repeat(MAX_TEXT);
        assert_eq!(marked(&long, "y")[1], "<ins>y</ins>");
    }

    #[test]
    fn texts_are_alike_by_their_words() {
        assert!((likeness("a b c d", "a b c x") - 0.75).abs() < 1e-9);
        assert!(likeness("a", "b") < 1e-9);
        assert!(likeness("", " ") < 1e-9);
        assert_eq!(
            alike_pairs(&["RUN a b c", "x"], &["y", "RUN a b d"]),
            [(None, Some(0)), (Some(0), Some(1)), (Some(1), None)]
        );
    }
}
