//! Tests of the storage of lines, and of reads of any length.

use std::io::{self, Read};

use super::*;

fn grep(pattern: &str, options: Options) -> Grep {
    Grep::new(&[pattern.to_owned()], options).expect("a pattern")
}

fn store() -> Store {
    Store::new(std::env::temp_dir())
}

fn all(store: &Store, lines: &Lines) -> Vec<Line> {
    let mut all = Vec::new();
    let read = store.each(lines, |line| {
        all.push(line);
        Ok(())
    });
    read.expect("lines");
    all
}

/// Reads a byte or a few at a time.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1 % 7 + 1;
        let length = self.1.min(buffer.len());
        self.0.read(buffer.get_mut(..length).unwrap_or_default())
    }
}

#[test]
fn many_lines_come_back_from_the_file() {
    let options = Options {
        line_numbers: true,
        positions: true,
        ..Options::default()
    };
    let grep = grep("[0-9]+", options);
    let store = store();
    let text: String = (0..400_000).map(|n| format!("line {n}\n")).collect();
    let results: Vec<Matches> = (0..3)
        .map(|_| {
            let found = grep.search(&mut text.as_bytes(), Some(text.len() as u64), &store);
            found.expect("readable").expect("matches")
        })
        .collect();
    for matches in &results {
        assert_eq!(matches.count, 400_000);
        let lines = all(&store, &matches.lines);
        assert_eq!(lines.len(), 400_000);
        for (number, line) in lines.iter().enumerate() {
            assert_eq!(line.number, number as u64 + 1);
            assert_eq!(line.text, format!("line {number}").as_bytes());
            assert_eq!(line.positions, [(5, line.text.len() as u64)]);
        }
    }
}

#[test]
fn the_length_of_reads_changes_nothing() {
    let mut text = "alpha beta\n".repeat(9_000).into_bytes();
    text.extend_from_slice(b"\0alpha\n");
    let store = store();
    let grep = grep("beta$|\\balpha", Options::default());
    let search = |contents: &mut dyn Read| {
        let found = grep.search(contents, Some(text.len() as u64), &store);
        let found = found.expect("readable").expect("matches");
        (found.count, found.binary, all(&store, &found.lines).len())
    };
    let whole = search(&mut &*text);
    assert!(whole.1.is_some() && whole.2 > 1000);
    assert_eq!(search(&mut Slow(&text, 0)), whole);
}

#[test]
fn what_was_searched_before_changes_nothing() {
    let store = store();
    let grep = grep("alpha", Options::default());
    let mut late = "alpha beta\n".repeat(9_000).into_bytes();
    late.push(0);
    let long = "alpha ".repeat(100_000);
    let search = |text: &[u8]| {
        let found = grep.search(&mut &*text, Some(text.len() as u64), &store);
        let found = found.expect("readable").expect("matches");
        (found.binary, all(&store, &found.lines).len())
    };
    let first = search(&late);
    search(long.as_bytes());
    assert_eq!(search(&late), first);
}

#[test]
fn unusual_patterns_are_refused() {
    let refused = |pattern: &str, options: Options| {
        let made = Grep::new(&[pattern.to_owned()], options);
        made.map(|_| ()).expect_err("an error").to_string()
    };
    let options = Options::default;
    assert!(refused("a\\nb", options()).contains("-U searches across lines"));
    assert!(refused("a\\x00", options()).contains("-a searches binary files"));
    assert!(refused("(?:a{1000}){1000}{1000}", options()).contains("-e: "));
    assert!(refused(&"(".repeat(500), options()).contains("-e: "));
    let patterns = vec!["a".to_owned(); 10_001];
    assert!(Grep::new(&patterns, options()).is_err());
    let text = Options {
        text: true,
        multi_line: true,
        ..options()
    };
    Grep::new(&["a\\nb\\x00".to_owned()], text).expect("a pattern");
}
