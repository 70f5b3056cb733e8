//! Available packages, and the relations they satisfy.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::base::debian::Version;
use crate::base::debian::relation::{Relation, parse_plain};
use crate::error::{At, Error, Result, within};

/// Maximum number of packages of all repositories: Debian has about 65,000 for one architecture.
const MAX_CANDIDATES: u64 = 2_000_000;

/// Available package: the control fields that the solver uses.
#[derive(Debug, Clone)]
pub struct Candidate<'t> {
    /// Package name.
    pub name: &'t str,
    /// Version.
    pub version: Version<'t>,
    /// Architecture, or `all`.
    pub architecture: &'t str,
    /// Multi-arch behavior.
    pub multi_arch: MultiArch,
    /// Set for essential packages.
    pub is_essential: bool,
    /// Priority.
    pub priority: Priority,
    /// Rank: a package of a higher rank is preferred regardless of version.
    pub rank: i32,
    /// Suite, for requests that name one; empty if none does.
    pub suite: &'t str,
    pub(in crate::base::debian) pre_depends: &'t str,
    pub(in crate::base::debian) depends: &'t str,
    pub(in crate::base::debian) recommends: &'t str,
    pub(super) conflicts: &'t str,
    pub(super) breaks: &'t str,
    pub(super) provides: &'t str,
}

/// Value of the field `Multi-Arch`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MultiArch {
    /// Satisfies packages of its own architecture.
    #[default]
    No,
    /// Can be installed for several architectures at once.
    Same,
    /// Satisfies packages of any architecture.
    Foreign,
    /// Satisfies relations to `NAME:any` of any architecture.
    Allowed,
}

/// Value of the field `Priority`, highest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Necessary for the system to work.
    Required,
    /// Expected on any system.
    Important,
    /// Part of a standard system.
    Standard,
    /// All other packages.
    #[default]
    Optional,
    /// Below optional; deprecated by Policy.
    Extra,
}

impl<'t> Candidate<'t> {
    /// Reads a package from its control fields.
    ///
    /// # Errors
    /// `Schema` for a package without a name or a valid version. The context is the name.
    pub fn of(fields: impl Iterator<Item = (&'t str, &'t str)>) -> Result<Self> {
        let mut name = "";
        let mut version = "";
        // Name and version are set below, after the loop.
        let mut candidate = Candidate {
            name,
            version: Version::parse("0")?,
            architecture: "",
            multi_arch: MultiArch::No,
            is_essential: false,
            priority: Priority::Optional,
            rank: 0,
            suite: "",
            pre_depends: "",
            depends: "",
            recommends: "",
            conflicts: "",
            breaks: "",
            provides: "",
        };
        // One pass: an index has tens of thousands of packages.
        for (field, value) in fields {
            let place = match field.as_bytes().first().map(u8::to_ascii_lowercase) {
                Some(b'p') if field.eq_ignore_ascii_case("Package") => &mut name,
                Some(b'p') if field.eq_ignore_ascii_case("Pre-Depends") => {
                    &mut candidate.pre_depends
                }
                Some(b'p') if field.eq_ignore_ascii_case("Provides") => &mut candidate.provides,
                Some(b'p') if field.eq_ignore_ascii_case("Priority") => {
                    candidate.priority = Priority::of(value);
                    continue;
                }
                Some(b'v') if field.eq_ignore_ascii_case("Version") => &mut version,
                Some(b'a') if field.eq_ignore_ascii_case("Architecture") => {
                    &mut candidate.architecture
                }
                Some(b'm') if field.eq_ignore_ascii_case("Multi-Arch") => {
                    candidate.multi_arch = match value.trim() {
                        "same" => MultiArch::Same,
                        "foreign" => MultiArch::Foreign,
                        "allowed" => MultiArch::Allowed,
                        _ => MultiArch::No,
                    };
                    continue;
                }
                Some(b'e') if field.eq_ignore_ascii_case("Essential") => {
                    candidate.is_essential = value.trim() == "yes";
                    continue;
                }
                Some(b'd') if field.eq_ignore_ascii_case("Depends") => &mut candidate.depends,
                Some(b'r') if field.eq_ignore_ascii_case("Recommends") => &mut candidate.recommends,
                Some(b'c') if field.eq_ignore_ascii_case("Conflicts") => &mut candidate.conflicts,
                Some(b'b') if field.eq_ignore_ascii_case("Breaks") => &mut candidate.breaks,
                _ => continue,
            };
            *place = value.trim();
        }
        if name.is_empty() {
            return Err(Error::schema("Package", "package name", "none"));
        }
        candidate.name = name;
        candidate.version = Version::parse(version).at(|| name.to_owned())?;
        Ok(candidate)
    }
}

impl Priority {
    fn of(text: &str) -> Self {
        match text.trim() {
            "required" => Priority::Required,
            "important" => Priority::Important,
            "standard" => Priority::Standard,
            "extra" => Priority::Extra,
            _ => Priority::Optional,
        }
    }
}

/// Index of a package in the [`Universe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Choice(pub(super) u32);

impl Choice {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// All packages, by name. The order of the input matters only for packages of equal name, version, architecture and
/// rank: of those the first is taken.
#[derive(Debug)]
pub struct Universe<'t> {
    native: &'t str,
    /// Packages by name, best first.
    candidates: Vec<Candidate<'t>>,
    /// Index of each package in the input.
    sources: Vec<usize>,
    by_name: HashMap<&'t str, (u32, u32)>,
    /// Providers of each name, most preferred first, with the provided relation.
    providers: HashMap<&'t str, Vec<(Choice, Relation<'t>)>>,
}

impl<'t> Universe<'t> {
    /// Sorts packages for a native architecture. Packages of architectures other than native, `all` and `foreign` are
    /// ignored.
    ///
    /// # Errors
    /// `Schema` for an invalid field `Provides`, with the package as context; `Limit` for too many packages.
    pub fn new(
        candidates: impl IntoIterator<Item = Candidate<'t>>,
        native: &'t str,
        foreign: &[&str],
    ) -> Result<Self> {
        let is_usable = |architecture| {
            architecture == native || architecture == "all" || foreign.contains(&architecture)
        };
        let mut all: Vec<(usize, Candidate<'t>)> = candidates
            .into_iter()
            .enumerate()
            .filter(|(_, candidate)| is_usable(candidate.architecture))
            .collect();
        within("packages", MAX_CANDIDATES, all.len() as u64)?;
        all.sort_by(|(i, a), (j, b)| {
            let is_foreign =
                |one: &Candidate| one.architecture != native && one.architecture != "all";
            let key = |one: &Candidate<'t>| (one.name, is_foreign(one), Reverse(one.rank));
            key(a)
                .cmp(&key(b))
                .then_with(|| b.version.cmp(&a.version))
                .then_with(|| a.architecture.cmp(b.architecture))
                .then_with(|| i.cmp(j))
        });
        // Duplicates from several repositories: keep the first.
        all.dedup_by(|(_, b), (_, a)| {
            let key = |one: &Candidate<'t>| (one.name, one.architecture, one.rank);
            key(a) == key(b) && a.version.as_str() == b.version.as_str() && a.suite == b.suite
        });
        let (sources, candidates): (Vec<usize>, Vec<Candidate<'t>>) = all.into_iter().unzip();
        let mut universe = Universe {
            native,
            candidates,
            sources,
            by_name: HashMap::new(),
            providers: HashMap::new(),
        };
        universe.index()?;
        Ok(universe)
    }

    fn index(&mut self) -> Result<()> {
        for (i, candidate) in (0..).zip(&self.candidates) {
            let range = self.by_name.entry(candidate.name).or_insert((i, i));
            range.1 = i + 1;
            if candidate.provides.is_empty() {
                continue;
            }
            let place = || format!("{}: Provides", candidate.name);
            for provided in parse_plain(candidate.provides).at(place)? {
                // A package is no provider of its own name.
                if provided.name != candidate.name {
                    let list = self.providers.entry(provided.name).or_default();
                    list.push((Choice(i), provided));
                }
            }
        }
        // Packages of one name are adjacent, best first: further ones of the same architecture are stale.
        let candidates = &self.candidates;
        let (mut name, mut architectures) = ("", Vec::new());
        let stale = candidates.iter().map(|candidate| {
            if candidate.name != name {
                name = candidate.name;
                architectures.clear();
            }
            let is_stale = architectures.contains(&candidate.architecture);
            if !is_stale {
                architectures.push(candidate.architecture);
            }
            is_stale
        });
        let stale: Vec<bool> = stale.collect();
        for list in self.providers.values_mut() {
            // The stable sort keeps packages of one name best first. Stale versions come last: the names they provide may
            // have moved to another package.
            list.sort_by_key(|(choice, _)| {
                let provider = &candidates[choice.index()];
                (stale[choice.index()], provider.priority, provider.name)
            });
        }
        Ok(())
    }

    /// Returns a package.
    pub fn candidate(&self, choice: Choice) -> &Candidate<'t> {
        &self.candidates[choice.index()]
    }

    /// Returns the index of a package in the input of [`Universe::new`].
    pub fn source(&self, choice: Choice) -> usize {
        self.sources[choice.index()]
    }

    /// Returns the native architecture.
    pub fn native(&self) -> &'t str {
        self.native
    }

    /// Returns all packages by name, best first within a name.
    pub fn all(&self) -> impl Iterator<Item = Choice> + use<> {
        // The cast is lossless: there are at most MAX_CANDIDATES.
        (0..self.candidates.len() as u32).map(Choice)
    }

    /// Returns the packages of a name, native packages first, then best first.
    pub fn named(&self, name: &str) -> impl Iterator<Item = Choice> + use<> {
        let (start, end) = self.by_name.get(name).copied().unwrap_or_default();
        (start..end).map(Choice)
    }

    /// Returns the packages that provide a name without having it, by priority, then by name.
    pub fn providers(&self, name: &str) -> &[(Choice, Relation<'t>)] {
        self.providers.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns the provided relations of a package.
    pub(in crate::base::debian) fn provided(&self, choice: Choice) -> Result<Vec<Relation<'t>>> {
        parse_plain(self.candidate(choice).provides)
    }

    /// Returns the effective architecture of a package: native for `all`.
    pub fn machine(&self, candidate: &Candidate<'t>) -> &'t str {
        match candidate.architecture {
            "all" | "" => self.native,
            architecture => architecture,
        }
    }

    /// Returns whether a package is of the native architecture, or of all.
    pub(in crate::base::debian) fn is_native(&self, choice: Choice) -> bool {
        self.machine(self.candidate(choice)) == self.native
    }

    /// Returns the packages that satisfy a relation of package `from`, in order of preference: packages of the name, of
    /// the same architecture first, then providers.
    pub(super) fn satisfiers(&self, from: Option<Choice>, relation: &Relation<'_>) -> Vec<Choice> {
        let machine = from.map_or(self.native, |from| self.machine(self.candidate(from)));
        let fits = |choice: &Choice| self.is_visible(machine, relation, *choice, None);
        let mut found: Vec<Choice> = self
            .named(relation.name)
            .filter(|choice| relation.allows(&self.candidate(*choice).version) && fits(choice))
            .collect();
        if machine != self.native {
            found.sort_by_key(|choice| self.machine(self.candidate(*choice)) != machine);
        }
        let providers = self.providers(relation.name).iter();
        found.extend(
            providers
                .filter(|(choice, provided)| {
                    provides(provided, relation)
                        && self.is_visible(machine, relation, *choice, Some(provided))
                })
                .map(|(choice, _)| *choice),
        );
        found
    }

    /// Returns the packages that a field `Conflicts` or `Breaks` of package `of` excludes: of any architecture, never the
    /// package itself.
    pub(super) fn conflicting(&self, of: Choice, relation: &Relation<'_>) -> Vec<Choice> {
        let name = self.candidate(of).name;
        let is_meant = |choice: &Choice| {
            let other = self.candidate(*choice);
            other.name != name
                && match relation.qualifier {
                    None | Some("any") => true,
                    Some("native") => self.machine(other) == self.native,
                    Some(architecture) => self.machine(other) == architecture,
                }
        };
        let real = self.named(relation.name);
        let real = real.filter(|choice| relation.allows(&self.candidate(*choice).version));
        let providers = self.providers(relation.name).iter();
        let virtually = providers
            .filter(|(_, provided)| provides(provided, relation))
            .map(|(choice, _)| *choice);
        real.chain(virtually).filter(is_meant).collect()
    }

    /// Returns whether two packages of one name can be installed together: the same version for two architectures.
    pub(super) fn coexist(&self, a: Choice, b: Choice) -> bool {
        let (a, b) = (self.candidate(a), self.candidate(b));
        let same = |one: &Candidate| one.multi_arch == MultiArch::Same;
        self.machine(a) != self.machine(b) && same(a) && same(b) && a.version == b.version
    }

    /// Returns whether a relation of a package of architecture `machine` can be satisfied by another package, by dpkg's
    /// multi-arch rules.
    fn is_visible(
        &self,
        machine: &str,
        relation: &Relation<'_>,
        choice: Choice,
        provided: Option<&Relation<'_>>,
    ) -> bool {
        let other = self.candidate(choice);
        match relation.qualifier {
            None => other.multi_arch == MultiArch::Foreign || self.machine(other) == machine,
            Some("any") => {
                other.multi_arch == MultiArch::Allowed
                    || provided.is_some_and(|provided| provided.qualifier == Some("any"))
            }
            Some("native") => self.machine(other) == self.native,
            Some(architecture) => self.machine(other) == architecture,
        }
    }
}

/// Returns whether a provided name satisfies a relation: a versioned relation needs a provided version.
fn provides(provided: &Relation<'_>, wanted: &Relation<'_>) -> bool {
    match (&wanted.version, &provided.version) {
        (None, _) => true,
        (Some(_), Some((_, version))) => wanted.allows(version),
        (Some(_), None) => false,
    }
}
