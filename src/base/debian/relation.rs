//! What a package says of others: the fields that declare relationships.
//!
//! Debian Policy chapter 7: `a (>= 1), b:any | c`, with the restrictions of source packages, `[amd64]` and `<!nocheck>`,
//! which are read because repositories of odd making carry them.

use std::fmt;

use super::Version;
use crate::error::{Error, Fault, Result};

/// The most relations of one field: the largest of Debian have some thousands.
const MAX_RELATIONS: usize = 100_000;

/// One package that is named, with what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation<'t> {
    /// The package's name, real or virtual.
    pub name: &'t str,
    /// What stands after a `:`: an architecture, `any` or `native`.
    pub qualifier: Option<&'t str>,
    /// Which versions.
    pub version: Option<(Operator, Version<'t>)>,
    /// The words between `[` and `]`.
    architectures: &'t str,
    /// What stands between the first `<` and the last `>`.
    profiles: &'t str,
}

/// How a version is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`, and `<` as it was written once.
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`, and `>` as it was written once.
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Operator {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Operator::Earlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterOrEqual => ">=",
            Operator::Later => ">>",
        }
    }
}

/// Relations of which one must hold, written with `|`.
pub type Alternatives<'t> = Vec<Relation<'t>>;

/// Reads a field: all of its items must hold, and of each item one alternative.
///
/// Empty items, as a comma too many leaves them, do not count.
///
/// # Errors
/// `Schema` for what is no relation, `Limit` for more than anybody has.
pub fn parse(field: &str) -> Result<Vec<Alternatives<'_>>> {
    let mut all = Vec::new();
    let mut count = 0;
    for item in field.split(',') {
        if item.trim().is_empty() {
            continue;
        }
        let mut alternatives = Vec::with_capacity(1);
        for text in item.split('|') {
            alternatives.push(Relation::parse(text)?);
            count += 1;
        }
        if count > MAX_RELATIONS {
            return Err(Error::new(Fault::Limit {
                what: "relations of a field",
                limit: MAX_RELATIONS as u64,
                found: count as u64,
            }));
        }
        all.push(alternatives);
    }
    Ok(all)
}

/// Reads a field without alternatives: `Conflicts`, `Breaks`, `Replaces`, `Provides`.
///
/// # Errors
/// As [`parse`]; `Schema` for alternatives.
pub fn parse_plain(field: &str) -> Result<Vec<Relation<'_>>> {
    let all = parse(field)?;
    let mut plain = Vec::with_capacity(all.len());
    for alternatives in all {
        match alternatives[..] {
            [one] => plain.push(one),
            _ => return Err(bad("relations without alternatives", field)),
        }
    }
    Ok(plain)
}

fn bad(expected: &'static str, found: &str) -> Error {
    Error::new(Fault::Schema {
        field: "relation".into(),
        expected,
        found: format!("'{}'", found.trim()),
    })
}

impl<'t> Relation<'t> {
    /// A relation to any version of a package.
    pub fn to(name: &'t str) -> Self {
        Relation {
            name,
            qualifier: None,
            version: None,
            architectures: "",
            profiles: "",
        }
    }

    /// Reads one: `name[:arch] [(op version)] [[arch ...]] [<profile ...> ...]`.
    ///
    /// # Errors
    /// `Schema` for what is none.
    pub fn parse(text: &'t str) -> Result<Self> {
        let trimmed = text.trim();
        let end = trimmed.find(|c: char| c.is_ascii_whitespace() || matches!(c, '(' | '[' | '<'));
        let (name, mut rest) = trimmed.split_at(end.unwrap_or(trimmed.len()));
        let (name, qualifier) = match name.split_once(':') {
            None => (name, None),
            Some((name, qualifier)) if is_name(qualifier) => (name, Some(qualifier)),
            Some(_) => return Err(bad("an architecture after the ':'", trimmed)),
        };
        if !is_name(name) {
            return Err(bad("the name of a package", trimmed));
        }
        let mut relation = Relation {
            qualifier,
            ..Relation::to(name)
        };
        rest = rest.trim_start();
        if let Some(inner) = rest.strip_prefix('(') {
            let (version, after) = closed(inner, ')', trimmed)?;
            relation.version = Some(Self::version(version, trimmed)?);
            rest = after;
        }
        if let Some(inner) = rest.strip_prefix('[') {
            (relation.architectures, rest) = closed(inner, ']', trimmed)?;
        }
        if let Some(inner) = rest.strip_prefix('<') {
            relation.profiles = inner
                .strip_suffix('>')
                .ok_or_else(|| bad("a '>' at the end", trimmed))?;
            rest = "";
        }
        match rest {
            "" => Ok(relation),
            _ => Err(bad("nothing after a relation", trimmed)),
        }
    }

    fn version(text: &'t str, whole: &str) -> Result<(Operator, Version<'t>)> {
        let text = text.trim();
        let end = text.find(|c| !matches!(c, '<' | '>' | '='));
        let (operator, version) = text.split_at(end.unwrap_or(text.len()));
        let operator = match operator {
            "<<" => Operator::Earlier,
            "<=" | "<" => Operator::EarlierOrEqual,
            // Without an operator dpkg takes the version to be meant exactly.
            "=" | "" => Operator::Equal,
            ">=" | ">" => Operator::LaterOrEqual,
            ">>" => Operator::Later,
            _ => return Err(bad("one of << <= = >= >> before the version", whole)),
        };
        let version = Version::parse(version).map_err(|_| bad("a version", whole))?;
        Ok((operator, version))
    }

    /// Whether a package of that version is what is asked for.
    pub fn allows(&self, version: &Version<'_>) -> bool {
        let Some((operator, wanted)) = &self.version else {
            return true;
        };
        let order = version.cmp(wanted);
        match operator {
            Operator::Earlier => order.is_lt(),
            Operator::EarlierOrEqual => order.is_le(),
            Operator::Equal => order.is_eq(),
            Operator::LaterOrEqual => order.is_ge(),
            Operator::Later => order.is_gt(),
        }
    }

    /// Whether it counts where that is the architecture: there is no list, or the list has it.
    ///
    /// Of wildcards `any`, `linux-any` and `any-ARCH` are known, which is all that Linux has.
    pub fn is_for(&self, architecture: &str) -> bool {
        let mut words = self.architectures.split_ascii_whitespace().peekable();
        let Some(first) = words.peek() else {
            return true;
        };
        let negated = first.starts_with('!');
        let found = words.any(|word| {
            let word = word.strip_prefix('!').unwrap_or(word);
            let cpu = word.strip_prefix("any-").or(word.strip_prefix("linux-"));
            word == architecture
                || word == "any"
                || matches!(cpu, Some(cpu) if cpu == "any" || cpu == architecture)
        });
        found != negated
    }

    /// Whether it counts only in some build profiles, so that it says nothing about installed packages.
    pub fn is_for_builds(&self) -> bool {
        !self.profiles.is_empty()
    }
}

/// What is between an opening bracket and its closing one, and what comes after it.
fn closed<'t>(inner: &'t str, bracket: char, whole: &str) -> Result<(&'t str, &'t str)> {
    let (inner, after) = inner
        .split_once(bracket)
        .ok_or_else(|| bad("a closing bracket", whole))?;
    Ok((inner, after.trim_start()))
}

/// A package or an architecture: Policy has lower case, digits and `+-.`; upper case and `_` are in old packages.
fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-._~".contains(&byte))
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        if let Some((operator, version)) = &self.version {
            write!(f, " ({} {version})", operator.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_of_every_form() {
        let field = "libc6 (>= 2.36), python3:any (<<3.12) |\n perl,\n awk , x(=1:2-3)[linux-any !hurd-i386] <!nocheck> <a>,, y (1)";
        let read = parse(field).expect("relations");
        let shown = |alternatives: &Alternatives<'_>| {
            let each: Vec<String> = alternatives.iter().map(Relation::to_string).collect();
            each.join(" | ")
        };
        let shown: Vec<String> = read.iter().map(shown).collect();
        assert_eq!(
            shown,
            [
                "libc6 (>= 2.36)",
                "python3:any (<< 3.12) | perl",
                "awk",
                "x (= 1:2-3)",
                "y (= 1)"
            ]
        );
        assert!(read[3][0].is_for_builds() && !read[0][0].is_for_builds());
        assert_eq!(read[1][0].qualifier, Some("any"));
        assert!(parse("").expect("nothing").is_empty());
    }

    #[test]
    fn versions_and_architectures_that_are_meant() {
        for (relation, version, allowed) in [
            ("a (<< 2)", "2", false),
            ("a (<< 2)", "2~", true),
            ("a (< 2)", "2", true),
            ("a (<= 2)", "2-1", false),
            ("a (= 2)", "02-0", true),
            ("a (> 2)", "2", true),
            ("a (>> 2)", "2", false),
            ("a (>> 2)", "1:1", true),
            ("a", "0", true),
        ] {
            let parsed = Relation::parse(relation).expect("a relation");
            let version = Version::parse(version).expect("a version");
            assert_eq!(parsed.allows(&version), allowed, "{relation} {version}");
        }
        for (relation, expected) in [
            ("a", true),
            ("a [i386 amd64]", true),
            ("a [i386]", false),
            ("a [!i386]", true),
            ("a [!amd64 !i386]", false),
            ("a [linux-any]", true),
            ("a [any-amd64]", true),
            ("a [any-i386]", false),
            ("a [any]", true),
        ] {
            let parsed = Relation::parse(relation).expect("a relation");
            assert_eq!(parsed.is_for("amd64"), expected, "{relation}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        for bad in [
            "a b",
            "a (>= 1",
            "a (>= )",
            "a (~ 1)",
            "a (=> 1)",
            "a |",
            "| a",
            "-a",
            "a: (= 1)",
            "a:b:c",
            "a [x",
            "a <x",
            "(>= 1)",
            "${misc:Depends}",
            "a (>= 1) b",
            "\u{1b}[31m",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(parse_plain("a | b").is_err());
        let many = "a,".repeat(MAX_RELATIONS + 1);
        assert!(parse(&many).is_err());
    }
}
