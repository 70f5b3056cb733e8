//! Regular expressions on paths, anchored at both ends, on bytes.

use regex_automata::meta;
use regex_syntax::hir::{Hir, Look};

use super::posix;

/// Syntax of regular expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Rust,
    PosixBasic,
    PosixExtended,
}

impl Syntax {
    /// Names that `-regextype` takes.
    pub(super) const NAMES: &str = "posix-extended, posix-basic, rust";

    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "rust" => Syntax::Rust,
            "posix-basic" => Syntax::PosixBasic,
            "posix-extended" => Syntax::PosixExtended,
            _ => return None,
        })
    }
}

/// Bytes of the automaton of one expression.
const MAX_SIZE: usize = 10 << 20;
/// Nesting of groups.
const MAX_NESTING: u32 = 100;

/// A regular expression that a whole path has to match.
#[derive(Debug, Clone)]
pub(super) struct Regex {
    regex: meta::Regex,
}

impl Regex {
    /// Compiles a pattern. A `.` matches any byte, letters of ASCII ignore case if asked.
    ///
    /// # Errors
    /// The problem as text.
    pub(super) fn new(pattern: &[u8], syntax: Syntax, ignores_case: bool) -> Result<Self, String> {
        let pattern = match syntax {
            Syntax::PosixBasic => posix::translate(pattern, false)?,
            Syntax::PosixExtended => posix::translate(pattern, true)?,
            Syntax::Rust => {
                let text = std::str::from_utf8(pattern);
                let text = text.map_err(|_| "invalid UTF-8: bytes are written as \\xNN")?;
                text.to_owned()
            }
        };
        let hir = regex_syntax::ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .dot_matches_new_line(true)
            .case_insensitive(ignores_case)
            .nest_limit(MAX_NESTING)
            .build()
            .parse(&pattern);
        let hir = hir.map_err(|error| match error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            _ => "invalid syntax".to_owned(),
        })?;
        let whole = Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)]);
        let config = meta::Config::new()
            .nfa_size_limit(Some(MAX_SIZE))
            .utf8_empty(false);
        let regex = meta::Builder::new()
            .configure(config)
            .build_from_hir(&whole)
            .map_err(|_| format!("too large: limit {MAX_SIZE} bytes"))?;
        Ok(Regex { regex })
    }

    pub(super) fn is_match(&self, path: &[u8]) -> bool {
        self.regex.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntaxes_differ_as_documented() {
        use Syntax::{PosixBasic, PosixExtended, Rust};
        // Those of POSIX as `find -regextype SYNTAX -regex PATTERN` of GNU find 4.9 decides.
        for (pattern, syntax, yes, no) in [
            ("a|b", Rust, &["a", "b"][..], &["ab", "xa", ""][..]),
            (".*", Rust, &["a\nb", "é", ""], &[]),
            ("a|b", PosixBasic, &["a|b"], &["a"]),
            ("a\\|b", PosixBasic, &["a", "b"], &["a|b"]),
            ("\\(ab\\)*c", PosixBasic, &["c", "ababc"], &["(ab)c"]),
            ("*a\\{2\\}", PosixBasic, &["*aa"], &["a", "*a"]),
            ("a\\+b\\?", PosixBasic, &["aa", "aab"], &["b", "a+b?"]),
            ("a^b$c", PosixBasic, &["a^b$c"], &["abc"]),
            ("^a$", PosixBasic, &["a"], &["^a$"]),
            ("(a|b){2,}", PosixExtended, &["ab", "bbb"], &["a"]),
            ("a{,2}", PosixExtended, &["", "aa"], &["aaa"]),
            ("[]a-]+", PosixExtended, &["]a-"], &["b", "\\"]),
            ("[^]a]", PosixExtended, &["b", "\n"], &["]", "a"]),
            ("[\\n]", PosixExtended, &["\\", "n"], &["\n"]),
            ("[[:digit:]&&x]", PosixExtended, &["5", "&", "x"], &["y"]),
            ("[[.-.]a]", PosixExtended, &["-", "a"], &["."]),
            ("a)", PosixExtended, &["a)"], &["a"]),
            ("a\\.b", PosixExtended, &["a.b"], &["axb"]),
            ("a.b", PosixExtended, &["axb", "a\nb"], &["ab"]),
            ("\\w+\\W", PosixExtended, &["a_1-"], &["-"]),
            ("(ab)??", PosixExtended, &["", "ab"], &["abab"]),
            ("a+?", PosixExtended, &["", "a", "aaa"], &["b"]),
            ("xa+?", PosixExtended, &["x", "xa", "xaaa"], &[""]),
            ("a{2}{3}", PosixExtended, &["aaaaaa"], &["aaaaa"]),
            ("(?:a)", Rust, &["a"], &["?:a"]),
            ("é", PosixExtended, &["é"], &["e"]),
        ] {
            let regex = Regex::new(pattern.as_bytes(), syntax, false).expect(pattern);
            for path in yes {
                assert!(regex.is_match(path.as_bytes()), "{pattern} {path}");
            }
            for path in no {
                assert!(!regex.is_match(path.as_bytes()), "{pattern} {path}");
            }
        }
        let any_case = Regex::new(b"[a-c]X", PosixExtended, true).expect("a pattern");
        assert!(any_case.is_match(b"Bx") && !any_case.is_match(b"dx"));
        assert!(
            Regex::new(b".*", Rust, false)
                .expect("a pattern")
                .is_match(b"\xff/\n")
        );
    }

    #[test]
    fn invalid_patterns_are_refused_on_one_line() {
        use Syntax::{PosixBasic, PosixExtended, Rust};
        let deep = "(".repeat(5000);
        for (pattern, syntax) in [
            ("(", Rust),
            ("a)(b", Rust),
            ("[", PosixExtended),
            ("[a", PosixBasic),
            ("(", PosixExtended),
            ("\\(", PosixBasic),
            ("\\)", PosixBasic),
            ("(a)\\1", PosixExtended),
            ("a{2", PosixExtended),
            ("a{3,2}", PosixExtended),
            ("[[:foo:]]", PosixExtended),
            ("[b-a]", PosixExtended),
            ("*", PosixExtended),
            ("a\\", PosixExtended),
            ("((a{1000}){1000}){1000}", PosixExtended),
            (&deep, PosixExtended),
            (&deep, Rust),
        ] {
            let why = Regex::new(pattern.as_bytes(), syntax, false).expect_err(pattern);
            assert!(!why.contains('\n') && !why.is_empty(), "{pattern}: {why}");
        }
        let nested = "(".repeat(5000) + &")".repeat(5000);
        assert!(Regex::new(nested.as_bytes(), PosixExtended, false).is_err());
    }
}
