//! Texts as unified diffs.

use std::io::Write;
use std::ops::Range;

use imara_diff::sources::byte_lines;
use imara_diff::{Algorithm, Diff, Hunk, InternedInput, Token};

use crate::error::{During, Result};
use crate::escape;

/// Number of context lines around a difference.
const CONTEXT: u32 = 3;

/// Tests if contents are no text: as git has it, a NUL is among the first bytes.
pub fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(8000).any(|byte| *byte == 0)
}

/// Writes the differences of lines in the format of `diff -u`, without names. Bytes that would do something to a terminal
/// are escaped. Equal texts have none.
///
/// # Errors
/// `Io`.
pub fn unified<W: Write + ?Sized>(out: &mut W, was: &[u8], is: &[u8]) -> Result<()> {
    let input = InternedInput::new(byte_lines(was), byte_lines(is));
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_lines(&input);
    let mut hunks = diff.hunks().peekable();
    let mut group = Vec::new();
    while let Some(hunk) = hunks.next() {
        let end = hunk.before.end;
        group.push(hunk);
        // Two that share a line of context, or have none between them, are shown as one.
        let is_near = |next: &Hunk| next.before.start - end <= 2 * CONTEXT;
        if !hunks.peek().is_some_and(is_near) {
            write_hunks(out, &input, &group).during("write")?;
            group.clear();
        }
    }
    Ok(())
}

fn write_hunks<W: Write + ?Sized>(
    out: &mut W,
    input: &InternedInput<&[u8]>,
    group: &[Hunk],
) -> std::io::Result<()> {
    let (Some(first), Some(last)) = (group.first(), group.last()) else {
        return Ok(());
    };
    let before = u32::try_from(input.before.len()).unwrap_or(u32::MAX);
    let head = first.before.start.min(CONTEXT);
    let tail = (before - last.before.end).min(CONTEXT);
    let range = |from: u32, to: u32| {
        let (from, to) = (from - head, to + tail);
        match to - from {
            // Of no lines it says after which they would be.
            0 => format!("{from},0"),
            1 => format!("{}", from + 1),
            count => format!("{},{count}", from + 1),
        }
    };
    let (was, is) = (
        range(first.before.start, last.before.end),
        range(first.after.start, last.after.end),
    );
    writeln!(out, "@@ -{was} +{is} @@")?;
    let mut at = first.before.start - head;
    for hunk in group {
        write_lines(out, ' ', input, &input.before, at..hunk.before.start)?;
        write_lines(out, '-', input, &input.before, hunk.before.clone())?;
        write_lines(out, '+', input, &input.after, hunk.after.clone())?;
        at = hunk.before.end;
    }
    write_lines(out, ' ', input, &input.before, at..at + tail)
}

fn write_lines<W: Write + ?Sized>(
    out: &mut W,
    sign: char,
    input: &InternedInput<&[u8]>,
    side: &[Token],
    range: Range<u32>,
) -> std::io::Result<()> {
    let range = range.start as usize..range.end as usize;
    for token in side.get(range).unwrap_or_default() {
        let line = input.interner[*token];
        let (line, whole) = match line.strip_suffix(b"\n") {
            Some(line) => (line, true),
            None => (line, false),
        };
        // A tab is as harmless as a blank, and patches without tabs are hard to read.
        let parts: Vec<_> = line
            .split(|byte| *byte == b'\t')
            .map(escape::bytes)
            .collect();
        writeln!(out, "{sign}{}", parts.join("\t"))?;
        if !whole {
            writeln!(out, "\\ No newline at end of file")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Applies a patch to a file by the rules of the format alone.
    fn patched(was: &[u8], patch: &str) -> Vec<u8> {
        let old: Vec<&[u8]> = was.split_inclusive(|byte| *byte == b'\n').collect();
        let (mut out, mut at) = (Vec::new(), 0);
        let (mut left, mut before) = ([0, 0], "");
        for line in patch.lines() {
            if let Some(header) = line.strip_prefix("@@ -") {
                assert_eq!(left, [0, 0], "a hunk is as long as it says");
                let ranges = header.strip_suffix(" @@").expect("its end");
                let (was, is) = ranges.split_once(" +").expect("two ranges");
                let range = |text: &str| {
                    let (from, count) = text.split_once(',').unwrap_or((text, "1"));
                    let (from, count): (usize, usize) = (
                        from.parse().expect("a line"),
                        count.parse().expect("a count"),
                    );
                    (from - usize::from(count > 0), count)
                };
                let ((from, gone), (to, came)) = (range(was), range(is));
                assert!(from >= at, "hunks are in order");
                out.extend(old[at..from].iter().map(|line| line.to_vec()));
                assert_eq!(out.len(), to, "it is where it says");
                (at, left) = (from, [gone, came]);
                continue;
            }
            if line.starts_with('\\') {
                // It is about the line above, which one side or both have.
                if before != "-" {
                    out.last_mut().map(Vec::pop);
                }
                continue;
            }
            let (sign, text) = line.split_at(1);
            before = sign;
            let text = [text.as_bytes(), b"\n"].concat();
            if sign != "+" {
                assert_eq!(
                    old[at].strip_suffix(b"\n").unwrap_or(old[at]),
                    &text[..text.len() - 1]
                );
                at += 1;
                left[0] -= 1;
            }
            if sign != "-" {
                out.push(text);
                left[1] -= 1;
            }
        }
        assert_eq!(left, [0, 0]);
        out.extend(old[at..].iter().map(|line| line.to_vec()));
        out.concat()
    }

    proptest! {
        #[test]
        fn a_patch_makes_the_new_text_of_the_old(
            was in proptest::collection::vec(0..6u8, 0..60),
            edits in proptest::collection::vec((0..60usize, 0..4usize, 0..8u8), 0..5),
            ends in any::<[bool; 2]>(),
        ) {
            let mut is = was.clone();
            for (at, gone, new) in edits {
                let at = at.min(is.len());
                let end = (at + gone).min(is.len());
                is.splice(at..end, (0..new % 3).map(|_| new));
            }
            let text = |lines: &[u8], end: bool| {
                let mut text: Vec<u8> = lines.iter().flat_map(|line| [b'a' + line, b'\n']).collect();
                if !end {
                    text.pop();
                }
                text
            };
            let (was, is) = (text(&was, ends[0]), text(&is, ends[1]));
            let mut patch = Vec::new();
            unified(&mut patch, &was, &is).expect("memory");
            let patch = String::from_utf8(patch).expect("text");
            prop_assert_eq!(patched(&was, &patch), is.clone(), "{}", patch);
            prop_assert_eq!(patch.is_empty(), was == is);
        }
    }
}
