//! Patterns for paths and names, in the common dialects.
//!
//! In all of them `[a-z]` is one byte of a set and a `\` makes the next byte literal; in all but find's, `*` and `?` stop
//! at a `/`. Bytes count, not characters. Matching takes time linear in the path, and in the pattern for each 64 of its tokens, for any
//! input: all states of the pattern are tracked at once.

use std::borrow::Cow;
use std::collections::BTreeMap;

use memchr::memmem::Finder;

/// Dialect of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Go's `path.Match`, which docker uses for names.
    Go,
    /// Shell: as `path.Match`, with a `**` that does not stop at a `/`, `[!a]` beside `[^a]`, and `{a,b}`.
    Shell,
    /// GNU find: `fnmatch` without flags. `*`, `?` and sets match any byte, `/` too; `[!a]` beside `[^a]`, `[[:alpha:]]`;
    /// a `[` that is not closed is literal.
    Find,
}

/// Error of a set without an end.
const NOT_CLOSED: &str = "unclosed [";
/// Number of alternatives of a pattern with `{…,…}`.
const MAX_ALTERNATIVES: usize = 1000;

/// Pattern.
#[derive(Debug, Clone)]
pub struct Glob {
    /// Alternatives, of which one has to match.
    alternatives: Vec<Alternative>,
    ignores_case: bool,
}

/// Pattern without braces.
#[derive(Debug, Clone)]
struct Alternative {
    /// Literal bytes at the start; the whole pattern if there are no steps.
    literal: Vec<u8>,
    steps: Option<Steps>,
    /// Literal bytes at the end, compared first, because most paths differ there.
    end: Vec<u8>,
    /// The longest run of literal bytes after `literal`, searched before the steps are taken.
    inner: Finder<'static>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`: one byte except `/`; any in find's dialect.
    One,
    /// `*`: any bytes except `/`.
    Part,
    /// `**`: any bytes.
    All,
    /// `**/`: any directories, or none.
    Folders,
    /// `[a-z]`, `[^a]`: one byte of a set; never `/` but in find's dialect.
    Set(Vec<(u8, u8)>, bool),
}

impl Token {
    /// Makes a token for paths whose letters are all small.
    fn ignore_case(&mut self) {
        match self {
            Token::Byte(byte) => byte.make_ascii_lowercase(),
            Token::Set(ranges, _) => {
                let small = |(low, high): &(u8, u8)| {
                    let (low, high) = ((*low).max(b'A'), (*high).min(b'Z'));
                    (low <= high).then_some((low | 0x20, high | 0x20))
                };
                let more: Vec<_> = ranges.iter().filter_map(small).collect();
                ranges.extend(more);
            }
            Token::One | Token::Part | Token::All | Token::Folders => {}
        }
    }
}

impl Glob {
    /// Parses a pattern.
    ///
    /// # Errors
    /// The syntax error as text.
    pub fn new(pattern: &str, dialect: Dialect) -> Result<Self, &'static str> {
        Self::of_bytes(pattern.as_bytes(), dialect, false)
    }

    /// Parses a pattern that need not be UTF-8, and of which letters of ASCII can match in either case.
    ///
    /// # Errors
    /// The syntax error as text.
    pub fn of_bytes(
        pattern: &[u8],
        dialect: Dialect,
        ignores_case: bool,
    ) -> Result<Self, &'static str> {
        let plain = match dialect {
            Dialect::Shell => without_braces(pattern)?,
            Dialect::Go | Dialect::Find => vec![pattern.to_vec()],
        };
        let alternative = |text: &Vec<u8>| -> Result<Alternative, &'static str> {
            let mut tokens = tokens(text, dialect)?;
            if ignores_case {
                tokens.iter_mut().for_each(Token::ignore_case);
            }
            let byte = |token: &Token| match token {
                Token::Byte(byte) => Some(*byte),
                _ => None,
            };
            let literal: Vec<u8> = tokens.iter().map_while(byte).collect();
            let rest = &tokens[literal.len()..];
            let mut end: Vec<u8> = rest.iter().rev().map_while(byte).collect();
            end.reverse();
            let runs = rest.split(|token| byte(token).is_none());
            let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
            let inner: Vec<u8> = longest.iter().filter_map(byte).collect();
            Ok(Alternative {
                inner: Finder::new(&inner).into_owned(),
                steps: (!rest.is_empty()).then(|| Steps::new(rest, dialect)),
                literal,
                end,
            })
        };
        Ok(Glob {
            alternatives: plain.iter().map(alternative).collect::<Result<_, _>>()?,
            ignores_case,
        })
    }

    /// Tests if the pattern matches a whole path.
    pub fn is_match(&self, path: &[u8]) -> bool {
        let path = match self.ignores_case {
            true => Cow::Owned(path.to_ascii_lowercase()),
            false => Cow::Borrowed(path),
        };
        self.alternatives.iter().any(|alternative| {
            let rest = path.strip_prefix(alternative.literal.as_slice());
            rest.is_some_and(|rest| match &alternative.steps {
                None => rest.is_empty(),
                Some(_) if !rest.ends_with(&alternative.end) => false,
                Some(_) if alternative.inner.find(rest).is_none() => false,
                Some(steps) => {
                    let starts_part = alternative.literal.last().is_none_or(|last| *last == b'/');
                    steps.is_match(rest, starts_part)
                }
            })
        })
    }
}

/// Expands `{a,b{c,d}}` to its alternatives.
fn without_braces(pattern: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut done = Vec::new();
    let mut work = vec![pattern.to_vec()];
    while let Some(text) = work.pop() {
        let mut depth = 0_usize;
        // Position of the first opening brace, and of its commas.
        let mut cuts: Vec<usize> = Vec::new();
        let mut end = None;
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            match byte {
                b'\\' => at += 1,
                b'[' => {
                    if let Ok((_, after)) = set(&text[at + 1..], Dialect::Shell) {
                        at = text.len() - after.len() - 1;
                    }
                }
                b'{' => {
                    if depth == 0 {
                        cuts.push(at);
                    }
                    depth += 1;
                }
                b',' if depth == 1 => cuts.push(at),
                b'}' => {
                    depth = depth.checked_sub(1).ok_or("unmatched }")?;
                    if depth == 0 {
                        end = Some(at);
                        break;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        let (Some(end), Some(&start)) = (end, cuts.first()) else {
            if depth > 0 {
                return Err("unclosed {");
            }
            done.push(text);
            continue;
        };
        if done.len() + work.len() + cuts.len() > MAX_ALTERNATIVES {
            return Err("too many alternatives");
        }
        for (i, cut) in cuts.iter().enumerate() {
            let stop = cuts.get(i + 1).copied().unwrap_or(end);
            work.push([&text[..start], &text[cut + 1..stop], &text[end + 1..]].concat());
        }
    }
    Ok(done)
}

fn tokens(text: &[u8], dialect: Dialect) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'*' if rest.starts_with(b"*") => {
                rest = &rest[rest.iter().take_while(|byte| **byte == b'*').count()..];
                match rest.strip_prefix(b"/") {
                    _ if dialect == Dialect::Go => tokens.push(Token::Part),
                    _ if dialect == Dialect::Find => tokens.push(Token::All),
                    Some(after) => {
                        rest = after;
                        tokens.push(Token::Folders);
                    }
                    None => tokens.push(Token::All),
                }
            }
            b'*' if dialect == Dialect::Find => tokens.push(Token::All),
            b'*' => tokens.push(Token::Part),
            b'?' => tokens.push(Token::One),
            b'[' => match set(rest, dialect) {
                Err(NOT_CLOSED) if dialect == Dialect::Find => tokens.push(Token::Byte(byte)),
                Err(why) => return Err(why),
                Ok((set, after)) => {
                    tokens.push(set);
                    rest = after;
                }
            },
            b'\\' => {
                let (&byte, after) = rest.split_first().ok_or("trailing \\")?;
                rest = after;
                tokens.push(Token::Byte(byte));
            }
            byte => tokens.push(Token::Byte(byte)),
        }
    }
    Ok(tokens)
}

/// Parses a set after its `[`. Returns it and the rest. In Go's dialect `]` and `-` need a `\` to be members.
fn set(text: &[u8], dialect: Dialect) -> Result<(Token, &[u8]), &'static str> {
    let is_shell = dialect != Dialect::Go;
    let after = text.strip_prefix(b"^");
    let after = after.or_else(|| text.strip_prefix(b"!").filter(|_| is_shell));
    let (negated, mut rest) = (after.is_some(), after.unwrap_or(text));
    let one = |rest: &mut &[u8]| -> Result<u8, &'static str> {
        let (&byte, after) = rest.split_first().ok_or(NOT_CLOSED)?;
        *rest = after;
        match byte {
            b'\\' => {
                let (&byte, after) = rest.split_first().ok_or(NOT_CLOSED)?;
                *rest = after;
                Ok(byte)
            }
            b']' if !is_shell => Err("empty set or incomplete range in ["),
            b'-' if !is_shell => Err("range without a start in ["),
            byte => Ok(byte),
        }
    };
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty()
            && let Some(after) = rest.strip_prefix(b"]")
        {
            return Ok((Token::Set(ranges, negated), after));
        }
        if dialect == Dialect::Find
            && let Some(after) = rest.strip_prefix(b"[:")
        {
            let (name, after) = named_class(after).ok_or(NOT_CLOSED)?;
            ranges.extend_from_slice(class(name).ok_or("unknown class in [")?);
            rest = after;
            continue;
        }
        let low = one(&mut rest)?;
        let high = match rest.strip_prefix(b"-") {
            Some(after) if !(is_shell && after.starts_with(b"]")) => {
                rest = after;
                one(&mut rest)?
            }
            _ => low,
        };
        ranges.push((low, high));
    }
}

/// Splits the text after `[:` into the name of a class and what follows its `:]`; `None` without that.
pub(crate) fn named_class(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.windows(2).position(|two| two == b":]")?;
    let (name, after) = text.split_at_checked(end)?;
    Some((name, after.get(2..)?))
}

/// Ranges of a class of POSIX, as in the C locale.
pub(crate) fn class(name: &[u8]) -> Option<&'static [(u8, u8)]> {
    Some(match name {
        b"alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        b"digit" => &[(b'0', b'9')],
        b"alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        b"upper" => &[(b'A', b'Z')],
        b"lower" => &[(b'a', b'z')],
        b"space" => &[(b'\t', b'\r'), (b' ', b' ')],
        b"blank" => &[(b'\t', b'\t'), (b' ', b' ')],
        b"punct" => &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')],
        b"print" => &[(b' ', b'~')],
        b"graph" => &[(b'!', b'~')],
        b"cntrl" => &[(0, 31), (127, 127)],
        b"xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return None,
    })
}

/// Pattern as a nondeterministic automaton: state N means N tokens have matched, one bit each.
#[derive(Debug, Clone)]
struct Steps {
    /// 64 states each.
    words: usize,
    /// Classes of bytes that no token distinguishes.
    class: Box<[u8; 256]>,
    /// By class and word: states that such a byte advances.
    on: Vec<u64>,
    /// By word: states that every byte keeps, and states that every byte except `/` keeps.
    stays: Vec<u64>,
    stays_in_part: Vec<u64>,
    /// By word: states that advance without a byte, and states that do so at the start of a component.
    free: Vec<u64>,
    free_at_start: Vec<u64>,
    /// Final state.
    last: usize,
}

impl Steps {
    fn new(tokens: &[Token], dialect: Dialect) -> Self {
        let words = tokens.len() / 64 + 1;
        let bits = |is_set: &dyn Fn(&Token) -> bool| {
            let mut bits = vec![0_u64; words];
            for (i, _) in tokens.iter().enumerate().filter(|(_, it)| is_set(it)) {
                bits[i / 64] |= 1 << (i % 64);
            }
            bits
        };
        let is_stop = |byte: u8| byte == b'/' && dialect != Dialect::Find;
        let takes = |byte: u8| {
            move |token: &Token| match token {
                Token::Byte(wanted) => *wanted == byte,
                Token::One => !is_stop(byte),
                Token::Set(ranges, negated) => {
                    let mut ranges = ranges.iter();
                    let is_in = ranges.any(|(low, high)| (*low..=*high).contains(&byte));
                    !is_stop(byte) && is_in != *negated
                }
                Token::Part | Token::All | Token::Folders => false,
            }
        };
        let mut class = Box::new([0; 256]);
        let mut classes: BTreeMap<Vec<u64>, u8> = BTreeMap::new();
        let mut on = Vec::new();
        for byte in 0..=255_u8 {
            let column = bits(&takes(byte));
            // There are at most as many classes as bytes.
            let next = classes.len() as u8;
            let number = *classes.entry(column).or_insert_with_key(|column| {
                on.extend_from_slice(column);
                next
            });
            class[usize::from(byte)] = number;
        }
        Steps {
            words,
            class,
            on,
            stays: bits(&|token| matches!(token, Token::All | Token::Folders)),
            stays_in_part: bits(&|token| *token == Token::Part),
            free: bits(&|token| matches!(token, Token::Part | Token::All)),
            free_at_start: bits(&|token| *token == Token::Folders),
            last: tokens.len(),
        }
    }

    fn is_match(&self, path: &[u8], starts_part: bool) -> bool {
        let mut few = [0_u64; 4];
        let mut many = Vec::new();
        let now = match few.get_mut(..self.words) {
            Some(now) => now,
            None => {
                many.resize(self.words, 0);
                many.as_mut_slice()
            }
        };
        now[0] = 1;
        self.skip(now, starts_part);
        for &byte in path {
            let is_slash = byte == b'/';
            let column = usize::from(self.class[usize::from(byte)]) * self.words;
            let (mut carry, mut any) = (0, 0);
            for (word, states) in now.iter_mut().enumerate() {
                let moved = *states & self.on[column + word];
                let mut kept = *states & self.stays[word];
                if !is_slash {
                    kept |= *states & self.stays_in_part[word];
                }
                *states = moved << 1 | carry | kept;
                carry = moved >> 63;
                any |= *states;
            }
            if any == 0 {
                return false;
            }
            self.skip(now, is_slash);
        }
        now[self.last / 64] >> (self.last % 64) & 1 == 1
    }

    /// Adds the states that advance without a byte, in their order.
    fn skip(&self, now: &mut [u64], starts_part: bool) {
        loop {
            let (mut carry, mut news) = (0, 0);
            for (word, states) in now.iter_mut().enumerate() {
                let mut free = *states & self.free[word];
                if starts_part {
                    free |= *states & self.free_at_start[word];
                }
                let open = free << 1 | carry;
                carry = free >> 63;
                news |= open & !*states;
                *states |= open;
            }
            if news == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_match(pattern: &str, dialect: Dialect, path: &str) -> bool {
        let glob = Glob::new(pattern, dialect).expect(pattern);
        glob.is_match(path.as_bytes())
    }

    #[test]
    fn dialects_differ_as_documented() {
        use Dialect::{Go, Shell};
        for (pattern, dialect, yes, no) in [
            ("a/b", Go, &["a/b"][..], &["a", "a/b/c", "/a/b"][..]),
            ("**", Go, &["a", ""], &["a/b"]),
            ("{a,b}", Go, &["{a,b}"], &["a"]),
            ("[!a]", Go, &["!", "a"], &["b"]),
            ("**", Shell, &["a", "a/b"], &[]),
            ("a**b", Shell, &["ab", "a/x/b", "axb"], &["a/x"]),
            ("{a,b{c,d}}x", Shell, &["ax", "bcx", "bdx"], &["bx", "x"]),
            ("{,a}*", Shell, &["", "b", "ab"], &["a/"]),
            ("[{]a[}]", Shell, &["{a}"], &["a"]),
            ("\\{a\\}", Shell, &["{a}"], &["a"]),
            ("[!a-c]", Shell, &["d", "!"], &["a", "/", ""]),
            ("[]a-]", Shell, &["]", "a", "-"], &["b"]),
            (
                "a/**/z",
                Shell,
                &["a/z", "a/b/z", "a/b/c/z"],
                &["az", "a/bz"],
            ),
            ("a/**", Shell, &["a/b", "a/b/c"], &["a", "ab"]),
            ("**/x", Shell, &["x", "a/x", "a/b/x"], &["ax", "x/a"]),
            ("ab*ba", Shell, &["abba", "abxba"], &["aba", "ab", "ba"]),
        ] {
            for path in yes {
                assert!(is_match(pattern, dialect, path), "{pattern} {path}");
            }
            for path in no {
                assert!(!is_match(pattern, dialect, path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn finds_patterns_match_as_fnmatch() {
        use Dialect::Find;
        // Each as fnmatch(3) of glibc without flags decides in the C locale.
        for (pattern, yes, no) in [
            ("*", &["a", "a/b", ".a", ""][..], &[][..]),
            ("a?b", &["a/b", "axb"], &["ab"]),
            ("[!a]", &["/", "b"], &["a", ""]),
            ("[^a-c]*", &["d/x", "/"], &["a"]),
            ("[[:digit:][:upper:]x-]", &["5", "Q", "x", "-"], &["q", ":"]),
            ("[![:space:]]", &["a"], &[" ", "\t", "\x0b"]),
            ("[]-a]", &["]", "^", "_", "a"], &["b", "-"]),
            ("[a", &["[a"], &["a"]),
            ("{a,b}", &["{a,b}"], &["a"]),
            ("**/x", &["a/x", "/x"], &["x"]),
            ("\\*a", &["*a"], &["ba"]),
            ("[\\]]", &["]"], &["\\"]),
            ("[z-a]", &[], &["z", "a", "m"]),
        ] {
            for path in yes {
                assert!(is_match(pattern, Find, path), "{pattern} {path}");
            }
            for path in no {
                assert!(!is_match(pattern, Find, path), "{pattern} {path}");
            }
        }
        let any_case = |pattern: &str| Glob::of_bytes(pattern.as_bytes(), Find, true);
        let any_case = |pattern, path: &[u8]| any_case(pattern).expect(pattern).is_match(path);
        assert!(any_case("Ab*[X-Z]q", b"aB/yQ") && any_case("[x-z]", b"Y"));
        assert!(any_case("[[:upper:]]", b"a") && !any_case("[!A]", b"a"));
        assert!(any_case("[!b]\\*", b"A*") && !any_case("ab", b"abc"));
        let bytes = Glob::of_bytes(b"\xff[\x80-\xfe]*", Find, false).expect("a pattern");
        assert!(bytes.is_match(b"\xff\x80\xff") && !bytes.is_match(b"\xff\xff"));
        assert_eq!(
            Glob::new("[[:foo:]]", Find).map(|_| ()),
            Err("unknown class in [")
        );
    }

    #[test]
    fn invalid_patterns_are_refused() {
        use Dialect::{Go, Shell};
        let bad = |pattern, dialect| Glob::new(pattern, dialect).map(|_| ()).expect_err(pattern);
        for pattern in ["[", "[a", "[]", "[]a]", "[^]", "[-a]", "[a-]", "a\\"] {
            bad(pattern, Go);
        }
        assert_eq!(bad("[a", Shell), "unclosed [");
        assert_eq!(bad("a\\", Shell), "trailing \\");
        assert_eq!(bad("a{b,{c}", Shell), "unclosed {");
        assert_eq!(bad("a}", Shell), "unmatched }");
        let many = "{a,b}".repeat(10);
        assert_eq!(bad(&many, Shell), "too many alternatives");
    }

    #[test]
    fn matching_time_is_linear() {
        let pattern = "**/*a".repeat(2000) + "b";
        assert!(!is_match(&pattern, Dialect::Shell, &"a".repeat(4000)));
    }

    proptest! {
        /// Comparison with a crate that compiles patterns to regular expressions.
        #[test]
        fn patterns_match_as_elsewhere(
            left in "(\\*\\*/)?([ab/?*]|\\[ab\\]|\\[!a\\]|\\{a,b/\\}){0,7}",
            middle in "([ab]{60,70})?",
            right in "([ab/?*]|\\[ab\\]){0,4}(/\\*\\*)?",
            paths in proptest::collection::vec(("[abc/]{0,6}", "[abc/]{0,4}"), 1..40),
        ) {
            let pattern = format!("{left}{middle}{right}");
            // There `**` has another meaning unless it is a whole component, and may not follow another star.
            let inner = pattern.trim_start_matches("**/").trim_end_matches("/**");
            // Nor at a final slash, which names do not have.
            prop_assume!(!pattern.ends_with('/'));
            prop_assume!(!inner.contains("**") && !pattern.contains("**/**") && !pattern.contains("/*/**") && !pattern.starts_with("***"));
            // And its sets match slashes.
            let theirs = globset::GlobBuilder::new(&pattern.replace("[!a]", "[!a/]")).literal_separator(true).build();
            let theirs = theirs.expect("a pattern").compile_matcher();
            let ours = Glob::new(&pattern, Dialect::Shell).expect("a pattern");
            for (before, after) in paths {
                let path = format!("{before}{middle}{after}");
                prop_assert_eq!(ours.is_match(path.as_bytes()), theirs.is_match(&path), "{} {}", pattern, path);
            }
        }
    }
}
