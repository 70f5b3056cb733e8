//! The words of the language: which there are, and those of find that are refused.

/// Kind of a word, by what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arity {
    /// Nothing follows.
    Alone,
    /// One argument.
    One,
    /// An argument, unless another word follows.
    Optional,
}

use Arity::{Alone, One, Optional};

/// All words but `(`, `)`, `!` and `,`.
const WORDS: [(&str, Arity); 67] = [
    ("-a", Alone),
    ("-altered", Alone),
    ("-and", Alone),
    ("-atime", One),
    ("-build-id", One),
    ("-cap", Optional),
    ("-ctime", One),
    ("-d", Alone),
    ("-daystart", Alone),
    ("-depth", Alone),
    ("-digest", One),
    ("-duplicate", Alone),
    ("-elf", Alone),
    ("-empty", Alone),
    ("-false", Alone),
    ("-gid", One),
    ("-gone-by", One),
    ("-group", One),
    ("-hashset", One),
    ("-ilname", One),
    ("-iname", One),
    ("-interp", One),
    ("-ipath", One),
    ("-iregex", One),
    ("-iwholename", One),
    ("-layer", One),
    ("-links", One),
    ("-lname", One),
    ("-ls", Alone),
    ("-magic", One),
    ("-maxdepth", One),
    ("-mindepth", One),
    ("-mmin", One),
    ("-mtime", One),
    ("-name", One),
    ("-needed", One),
    ("-newer", One),
    ("-newermm", One),
    ("-newermt", One),
    ("-nogroup", Alone),
    ("-not", Alone),
    ("-nouser", Alone),
    ("-o", Alone),
    ("-or", Alone),
    ("-package", One),
    ("-path", One),
    ("-perm", One),
    ("-print", Alone),
    ("-print0", Alone),
    ("-printf", One),
    ("-prune", Alone),
    ("-quit", Alone),
    ("-regex", One),
    ("-regextype", One),
    ("-samefile", One),
    ("-size", One),
    ("-soname", One),
    ("-state", One),
    ("-step", One),
    ("-text", Alone),
    ("-true", Alone),
    ("-type", One),
    ("-uid", One),
    ("-unowned", Alone),
    ("-user", One),
    ("-wholename", One),
    ("-xattr", One),
];

/// Hint of a word that would run a program or write a file.
const TAKE_OUT: &str = "pipe -print0, or take files out with imgexport";

/// Words of find that are refused: the problem, and a hint.
const REFUSED: [(&str, &str, &str); 32] = [
    ("-exec", RUNS, TAKE_OUT),
    ("-execdir", RUNS, TAKE_OUT),
    ("-ok", RUNS, TAKE_OUT),
    ("-okdir", RUNS, TAKE_OUT),
    ("-delete", RUNS, TAKE_OUT),
    ("-fprint", RUNS, TAKE_OUT),
    ("-fprint0", RUNS, TAKE_OUT),
    ("-fprintf", RUNS, TAKE_OUT),
    ("-fls", RUNS, TAKE_OUT),
    ("-files0-from", RUNS, TAKE_OUT),
    (
        "-inum",
        MEANINGLESS,
        "-samefile PATH finds the other names of a file",
    ),
    ("-fstype", MEANINGLESS, "-layer SEL selects by layer"),
    (
        "-xtype",
        MEANINGLESS,
        "-type l finds symbolic links, -lname those to a target",
    ),
    (
        "-readable",
        MEANINGLESS,
        "-perm /444 finds files that somebody may read",
    ),
    (
        "-writable",
        MEANINGLESS,
        "-perm /222 finds files that somebody may write",
    ),
    (
        "-executable",
        MEANINGLESS,
        "-perm /111 finds files that somebody may run",
    ),
    (
        "-context",
        MEANINGLESS,
        "-xattr security.selinux=GLOB finds labels",
    ),
    (
        "-amin",
        MEANINGLESS,
        "-atime N finds times of access where a layer recorded them",
    ),
    (
        "-cmin",
        MEANINGLESS,
        "-ctime N finds times of change where a layer recorded them",
    ),
    (
        "-anewer",
        MEANINGLESS,
        "-newer PATH compares times of modification",
    ),
    (
        "-cnewer",
        MEANINGLESS,
        "-newer PATH compares times of modification",
    ),
    (
        "-newerat",
        MEANINGLESS,
        "-newermt DATE compares times of modification",
    ),
    (
        "-newerct",
        MEANINGLESS,
        "-newermt DATE compares times of modification",
    ),
    (
        "-newerBt",
        MEANINGLESS,
        "-newermt DATE compares times of modification",
    ),
    (
        "-used",
        MEANINGLESS,
        "-atime N finds times of access where a layer recorded them",
    ),
    (
        "-follow",
        MEANINGLESS,
        "-lname GLOB finds symbolic links by their target",
    ),
    (
        "-L",
        MEANINGLESS,
        "-lname GLOB finds symbolic links by their target",
    ),
    (
        "-H",
        MEANINGLESS,
        "-lname GLOB finds symbolic links by their target",
    ),
    (
        "-xdev",
        MEANINGLESS,
        "-path or -prune leave directories out",
    ),
    (
        "-mount",
        MEANINGLESS,
        "-path or -prune leave directories out",
    ),
    ("-help", UNKNOWN, "--help stands before the images"),
    ("-version", UNKNOWN, "--version stands before the images"),
];
const RUNS: &str = "runs and changes nothing";
const MEANINGLESS: &str = "has no meaning in an archive";
const UNKNOWN: &str = "unknown word";

/// Kind of a word; `None` if there is no such word.
pub(super) fn arity(word: &[u8]) -> Option<Arity> {
    let found = WORDS.iter().find(|(name, _)| name.as_bytes() == word);
    found.map(|(_, arity)| *arity)
}

/// Problem and hint of a word that is not one of the language.
pub(super) fn refusal(word: &[u8]) -> (&'static str, Option<&'static str>) {
    let found = REFUSED.iter().find(|(name, ..)| name.as_bytes() == word);
    match found {
        Some((_, why, hint)) => (why, Some(hint)),
        None => (UNKNOWN, None),
    }
}

/// Tests if an argument after an image begins an expression: `(`, `!`, a word of the language, or one of find's that is
/// refused. `-o`, `-a` and `,` do not; nor do `-d`, `-L` and the like, which are options of programs.
pub fn starts_expression(argument: &[u8]) -> bool {
    let is_option = argument.len() == 2 && argument.starts_with(b"-");
    let is_known = || {
        let refused = REFUSED.iter().any(|(name, ..)| name.as_bytes() == argument);
        refused || arity(argument).is_some()
    };
    matches!(argument, b"(" | b"!") || !is_option && is_known()
}
