//! Expressions of imgfind.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use imgkit::Result;
use imgkit::elf::Elf;
use imgkit::facts::{ContentFacts, Magic};
use imgkit::find::{Action, ContentTest, Expression, Facts, Kind, Stamp, starts_expression};
use imgkit::glob::Glob;
use imgkit::layer::Mtime;

/// A version with the path and the kind of a case.
struct Version<'a> {
    path: &'a [u8],
    kind: Kind,
}

/// Words, one each line, on paths that are words themselves: an expression is parsed or refused, and the same one gives
/// the same result twice.
pub fn find_expression(data: &[u8]) {
    let words: Vec<&OsStr> = data
        .split(|byte| *byte == b'\n')
        .map(OsStr::from_bytes)
        .collect();
    for word in &words {
        let _ = starts_expression(word.as_bytes());
    }
    let expression = match Expression::parse(&words, 1_800_000_000) {
        Ok(expression) => expression,
        Err(error) => {
            assert!(!error.to_string().contains('\n'), "{error}");
            return;
        }
    };
    let paths = words
        .iter()
        .map(|word| word.as_bytes())
        .filter(|path| !path.is_empty());
    for path in paths.take(4) {
        for kind in [Kind::File, Kind::Directory, Kind::Symlink] {
            let run = || {
                let mut out = Vec::new();
                let outcome = expression.evaluate(&Version { path, kind }, |action| {
                    match action {
                        Action::Print => out.push(b'P'),
                        Action::Print0 => out.push(0),
                        Action::Write(bytes) => out.extend_from_slice(bytes),
                    }
                    Ok(())
                });
                (outcome.expect("facts without errors"), out)
            };
            assert_eq!(run(), run());
        }
    }
}

impl Facts for Version<'_> {
    fn path(&self) -> &[u8] {
        self.path
    }
    fn kind(&self) -> Kind {
        self.kind
    }
    fn is_hard_link(&self) -> bool {
        self.path.len().is_multiple_of(2)
    }
    fn size(&self) -> u64 {
        self.path.len() as u64 * 300
    }
    fn mode(&self) -> u16 {
        0o4755
    }
    fn uid(&self) -> u64 {
        0
    }
    fn gid(&self) -> u64 {
        u64::MAX
    }
    fn time(&self, stamp: Stamp) -> Option<Mtime> {
        let seconds = match self.kind {
            Kind::File => i64::MIN,
            Kind::Directory => i64::MAX,
            _ => 1_799_999_999,
        };
        (stamp != Stamp::Changed).then_some(Mtime { seconds, nanos: 5 })
    }
    fn target(&self) -> &[u8] {
        self.path
    }
    fn entry(&self) -> u64 {
        1
    }
    fn layer(&self) -> usize {
        2
    }
    fn is_in_layer(&self, digits: &str) -> bool {
        "abcd".starts_with(digits)
    }
    fn state(&self) -> &'static str {
        "final"
    }
    fn step(&self) -> &str {
        "RUN true"
    }
    fn gone_by(&self) -> Option<&str> {
        Some("")
    }
    fn xattr(&self, name: &[u8]) -> Option<&[u8]> {
        (name != b"none").then_some(self.path)
    }
    fn user_id(&self, name: &[u8]) -> Result<Option<u64>> {
        Ok((name == b"root").then_some(0))
    }
    fn group_id(&self, _: &[u8]) -> Result<Option<u64>> {
        Ok(None)
    }
    fn user_name(&self) -> Result<Option<Cow<'_, [u8]>>> {
        Ok(Some(Cow::Borrowed(self.path)))
    }
    fn group_name(&self) -> Result<Option<Cow<'_, [u8]>>> {
        Ok(None)
    }
    fn links(&self) -> Result<u64> {
        Ok(1)
    }
    fn is_empty_directory(&self) -> Result<bool> {
        Ok(true)
    }
    fn time_of(&self, _: &[u8]) -> Result<Option<Mtime>> {
        Ok(None)
    }
    fn is_same_file(&self, path: &[u8]) -> Result<bool> {
        Ok(path == self.path)
    }
    fn is_duplicate(&self) -> Result<bool> {
        Ok(false)
    }
    fn has_package(&self, name: &Glob) -> Result<bool> {
        Ok(name.is_match(self.path))
    }
    fn is_owned(&self) -> Result<bool> {
        Ok(true)
    }
    fn is_altered(&self) -> Result<bool> {
        Ok(false)
    }
    fn is_in_hash_set(&self, number: usize) -> Result<bool> {
        Ok(number.is_multiple_of(2))
    }
    fn has_contents(&self, test: &ContentTest, number: usize) -> Result<bool> {
        let name = || Some(self.path.to_vec());
        let elf = Elf {
            soname: name(),
            interpreter: name(),
            needed: vec![self.path.to_vec()],
            build_id: name(),
            ..Elf::default()
        };
        let facts = ContentFacts {
            is_text: number.is_multiple_of(2),
            magic: Some(Magic::Elf),
            elf: Some(Box::new(elf)),
            ..ContentFacts::default()
        };
        Ok(test.is_match(&facts))
    }
    fn digest(&self) -> Result<Option<String>> {
        Ok(Some("abcd".repeat(16)))
    }
}
