//! Tests on the contents of a version.

use crate::elf::Elf;
use crate::facts::{ContentFacts, Magic};
use crate::glob::Glob;

/// A test on facts of contents. Names are as in the expression.
#[derive(Debug, Clone)]
pub enum ContentTest {
    /// They are text.
    Text,
    /// They begin as a file of this kind.
    Magic(Magic),
    /// A library that is needed.
    Needed(Glob),
    /// Name as a library.
    Soname(Glob),
    /// Dynamic linker.
    Interpreter(Glob),
    /// Build ID by its first digits, all small.
    BuildId(String),
}

impl ContentTest {
    /// Tests contents.
    pub fn is_match(&self, facts: &ContentFacts) -> bool {
        let elf = |test: &dyn Fn(&Elf) -> bool| facts.elf.as_deref().is_some_and(test);
        let is_match = |glob: &Glob, name: &Option<Vec<u8>>| {
            let name = name.as_ref();
            name.is_some_and(|name| glob.is_match(name))
        };
        match self {
            ContentTest::Text => facts.is_text,
            ContentTest::Magic(kind) => facts.magic == Some(*kind),
            ContentTest::Needed(glob) => {
                elf(&|elf| elf.needed.iter().any(|name| glob.is_match(name)))
            }
            ContentTest::Soname(glob) => elf(&|elf| is_match(glob, &elf.soname)),
            ContentTest::Interpreter(glob) => elf(&|elf| is_match(glob, &elf.interpreter)),
            ContentTest::BuildId(digits) => elf(&|elf| {
                let own = elf.build_id.as_ref().map(hex::encode);
                own.is_some_and(|own| own.starts_with(digits))
            }),
        }
    }

    /// Reports whether the headers of ELF files are needed.
    pub fn needs_elf(&self) -> bool {
        !matches!(self, ContentTest::Text | ContentTest::Magic(_))
    }
}
