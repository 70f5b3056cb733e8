//! Relations between packages: fields such as `Depends` and `Conflicts`.
//!
//! Debian Policy chapter 7: `a (>= 1), b:any | c`, with the restrictions of source packages, `[amd64]` and `<!nocheck>`,
//! which some repositories also use in binary packages.

use std::fmt;

use super::Version;
use crate::error::{Error, Result, within};

/// Maximum number of relations of one field: the largest fields in Debian have a few thousand.
const MAX_RELATIONS: usize = 100_000;

/// Package name with restrictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation<'t> {
    /// Package name, real or virtual.
    pub name: &'t str,
    /// Architecture qualifier after `:`: an architecture, `any` or `native`.
    pub qualifier: Option<&'t str>,
    /// Version restriction.
    pub version: Option<(Operator, Version<'t>)>,
    /// Architecture restriction, between `[` and `]`.
    architectures: &'t str,
    /// Build profiles, between the first `<` and the last `>`.
    profiles: &'t str,
}

/// Comparison operator of a version restriction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`, and the obsolete `<`.
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`, and the obsolete `>`.
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Operator {
    /// Returns the operator as written.
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

/// Relations of which one must be satisfied, separated by `|`.
pub type Alternatives<'t> = Vec<Relation<'t>>;

/// Parses a field: every item must be satisfied by one of its alternatives.
///
/// Empty items, as of a trailing comma, are ignored.
///
/// # Errors
/// `Schema` for an invalid relation, `Limit` for too many relations.
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
        let (limit, found) = (MAX_RELATIONS as u64, count as u64);
        within("relations of a field", limit, found)?;
        all.push(alternatives);
    }
    Ok(all)
}

/// Parses a field without alternatives: `Conflicts`, `Breaks`, `Replaces`, `Provides`.
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
    Error::schema("relation", expected, format!("'{}'", found.trim()))
}

impl<'t> Relation<'t> {
    /// Creates a relation to any version of a package.
    pub fn to(name: &'t str) -> Self {
        Relation {
            name,
            qualifier: None,
            version: None,
            architectures: "",
            profiles: "",
        }
    }

    /// Parses a relation: `name[:arch] [(op version)] [[arch ...]] [<profile ...> ...]`.
    ///
    /// # Errors
    /// `Schema` for an invalid relation.
    pub fn parse(text: &'t str) -> Result<Self> {
        let trimmed = text.trim();
        let end = trimmed.find(|c: char| c.is_ascii_whitespace() || matches!(c, '(' | '[' | '<'));
        let (name, mut rest) = trimmed.split_at(end.unwrap_or(trimmed.len()));
        let (name, qualifier) = match name.split_once(':') {
            None => (name, None),
            Some((name, qualifier)) if is_name(qualifier) => (name, Some(qualifier)),
            Some(_) => return Err(bad("an architecture after ':'", trimmed)),
        };
        if !is_name(name) {
            return Err(bad("a package name", trimmed));
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
                .ok_or_else(|| bad("a closing '>'", trimmed))?;
            rest = "";
        }
        match rest {
            "" => Ok(relation),
            _ => Err(bad("end of relation", trimmed)),
        }
    }

    fn version(text: &'t str, whole: &str) -> Result<(Operator, Version<'t>)> {
        let text = text.trim();
        let end = text.find(|c| !matches!(c, '<' | '>' | '='));
        let (operator, version) = text.split_at(end.unwrap_or(text.len()));
        let operator = match operator {
            "<<" => Operator::Earlier,
            "<=" | "<" => Operator::EarlierOrEqual,
            // dpkg treats a missing operator as `=`.
            "=" | "" => Operator::Equal,
            ">=" | ">" => Operator::LaterOrEqual,
            ">>" => Operator::Later,
            _ => return Err(bad("one of << <= = >= >> before the version", whole)),
        };
        let version = Version::parse(version).map_err(|_| bad("a version", whole))?;
        Ok((operator, version))
    }

    /// Returns whether a version satisfies the version restriction.
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

    /// Returns whether the architecture restriction is empty or includes an architecture.
    ///
    /// Supported wildcards: `any`, `linux-any` and `any-ARCH`, all that apply to Linux.
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

    /// Returns whether the relation is restricted to build profiles, and so does not apply to installed packages.
    pub fn is_for_builds(&self) -> bool {
        !self.profiles.is_empty()
    }
}

/// Splits at the closing bracket: the text inside, and the rest.
fn closed<'t>(inner: &'t str, bracket: char, whole: &str) -> Result<(&'t str, &'t str)> {
    let (inner, after) = inner
        .split_once(bracket)
        .ok_or_else(|| bad("a closing bracket", whole))?;
    Ok((inner, after.trim_start()))
}

/// Returns whether a text is a package or architecture name. Policy allows lower case, digits and `+-.`; old packages
/// also use upper case and `_`.
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
    fn relations_are_parsed() {
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
    fn version_and_architecture_restrictions() {
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
    fn invalid_relations_are_refused() {
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
