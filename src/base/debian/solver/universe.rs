//! The packages that there are to choose from, and who satisfies whom.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::base::debian::Version;
use crate::base::debian::relation::{Relation, parse_plain};
use crate::error::{At, Error, Fault, Result};

/// The most packages of all repositories together: Debian has some 65,000 for one architecture.
const MAX_CANDIDATES: usize = 2_000_000;

/// A package that could be taken: what the solver has to know of its control data.
#[derive(Debug, Clone)]
pub struct Candidate<'t> {
    /// Its name.
    pub name: &'t str,
    /// Its version.
    pub version: Version<'t>,
    /// Its architecture, or `all`.
    pub architecture: &'t str,
    /// How it may be combined with other architectures.
    pub multi_arch: MultiArch,
    /// Whether every system has it without being asked.
    pub is_essential: bool,
    /// How much it belongs to every system.
    pub priority: Priority,
    /// Of two that fit, the one with the higher rank is taken whatever the versions are.
    pub rank: i32,
    /// The suite it is from, for requests that name one; empty if none does.
    pub suite: &'t str,
    pub(in crate::base::debian) pre_depends: &'t str,
    pub(in crate::base::debian) depends: &'t str,
    pub(in crate::base::debian) recommends: &'t str,
    pub(super) conflicts: &'t str,
    pub(super) breaks: &'t str,
    pub(super) provides: &'t str,
}

/// The field `Multi-Arch`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MultiArch {
    /// It satisfies packages of its own architecture.
    #[default]
    No,
    /// It can be there for several architectures at once.
    Same,
    /// It satisfies packages of any architecture.
    Foreign,
    /// It satisfies those of any architecture that ask for `NAME:any`.
    Allowed,
}

/// The field `Priority`, the highest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Needed for the system to work.
    Required,
    /// Expected on any system.
    Important,
    /// On every system that has no reason against.
    Standard,
    /// All others.
    #[default]
    Optional,
    /// What Policy had below that once.
    Extra,
}

impl<'t> Candidate<'t> {
    /// Reads one from the fields of its control data.
    ///
    /// # Errors
    /// `Schema` for a package without a name or a usable version. The place is its name.
    pub fn of(fields: impl Iterator<Item = (&'t str, &'t str)>) -> Result<Self> {
        let mut name = "";
        let mut version = "";
        // Versions are only looked at below; a literal keeps the struct whole until then.
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
        // One pass: indexes have tens of thousands of these.
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
            return Err(Error::new(Fault::Schema {
                field: "Package".into(),
                expected: "a name",
                found: "none".into(),
            }));
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

/// A package by its place in the [`Universe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Choice(pub(super) u32);

impl Choice {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// All packages, by name. Which order they came in does not matter, but for packages that are equal in name, version,
/// architecture and rank: of those the first is taken.
#[derive(Debug)]
pub struct Universe<'t> {
    native: &'t str,
    /// By name; of a name the best first.
    candidates: Vec<Candidate<'t>>,
    /// Where each was in what was given.
    sources: Vec<usize>,
    by_name: HashMap<&'t str, (u32, u32)>,
    /// Those that provide a name, the likeliest first, with how they provide it.
    providers: HashMap<&'t str, Vec<(Choice, Relation<'t>)>>,
}

impl<'t> Universe<'t> {
    /// Sorts packages for a machine of that architecture. Packages of architectures that are neither native, `all` nor
    /// in `foreign` are left out.
    ///
    /// # Errors
    /// `Schema` for a field `Provides` that cannot be read, placed at the package; `Limit` for more than anybody has.
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
        if all.len() > MAX_CANDIDATES {
            return Err(Error::new(Fault::Limit {
                what: "packages",
                limit: MAX_CANDIDATES as u64,
                found: all.len() as u64,
            }));
        }
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
        // The same package from two repositories: the first is as good as the other.
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
                // What a package provides under its own name is the package.
                if provided.name != candidate.name {
                    let list = self.providers.entry(provided.name).or_default();
                    list.push((Choice(i), provided));
                }
            }
        }
        // Those of one name follow each other, the best first: a further one of an architecture is stale.
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
            // The sort keeps those of one name in their order, the best first. A version that there is a better one of
            // comes last: what it provides may have moved elsewhere since.
            list.sort_by_key(|(choice, _)| {
                let provider = &candidates[choice.index()];
                (stale[choice.index()], provider.priority, provider.name)
            });
        }
        Ok(())
    }

    /// A package.
    pub fn candidate(&self, choice: Choice) -> &Candidate<'t> {
        &self.candidates[choice.index()]
    }

    /// Where it was in what the universe was made of.
    pub fn source(&self, choice: Choice) -> usize {
        self.sources[choice.index()]
    }

    /// The architecture of the machine.
    pub fn native(&self) -> &'t str {
        self.native
    }

    /// All packages, by name, those of one name the best first.
    pub fn all(&self) -> impl Iterator<Item = Choice> + use<> {
        // There are no more than MAX_CANDIDATES.
        (0..self.candidates.len() as u32).map(Choice)
    }

    /// The packages of a name, the native and best first.
    pub fn named(&self, name: &str) -> impl Iterator<Item = Choice> + use<> {
        let (start, end) = self.by_name.get(name).copied().unwrap_or_default();
        (start..end).map(Choice)
    }

    /// The packages that provide a name without having it, the likeliest first: the highest priority, then by name.
    pub fn providers(&self, name: &str) -> &[(Choice, Relation<'t>)] {
        self.providers.get(name).map_or(&[], Vec::as_slice)
    }

    /// What a package provides.
    pub(in crate::base::debian) fn provided(&self, choice: Choice) -> Result<Vec<Relation<'t>>> {
        parse_plain(self.candidate(choice).provides)
    }

    /// The architecture a package counts as.
    pub fn machine(&self, candidate: &Candidate<'t>) -> &'t str {
        match candidate.architecture {
            "all" | "" => self.native,
            architecture => architecture,
        }
    }

    /// Who satisfies a relation of that package, the first choice first: packages of that name, its own architecture
    /// first, then those that provide the name.
    pub(super) fn satisfiers(&self, from: Option<Choice>, relation: &Relation<'_>) -> Vec<Choice> {
        let machine = from.map_or(self.native, |from| self.machine(self.candidate(from)));
        let fits = |choice: &Choice| self.is_seen(machine, relation, *choice, None);
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
                        && self.is_seen(machine, relation, *choice, Some(provided))
                })
                .map(|(choice, _)| *choice),
        );
        found
    }

    /// Who a field `Conflicts` or `Breaks` of that package is against: of any architecture, itself never.
    pub(super) fn enemies(&self, of: Choice, relation: &Relation<'_>) -> Vec<Choice> {
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

    /// Whether two packages of one name can be there together: the same version for two architectures.
    pub(super) fn coexist(&self, a: Choice, b: Choice) -> bool {
        let (a, b) = (self.candidate(a), self.candidate(b));
        let same = |one: &Candidate| one.multi_arch == MultiArch::Same;
        self.machine(a) != self.machine(b) && same(a) && same(b) && a.version == b.version
    }

    /// Whether a package of that machine sees the other one, by dpkg's rules on architectures.
    fn is_seen(
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

/// Whether a name that is provided is what a relation asks for: a version is satisfied only by one that is stated.
fn provides(provided: &Relation<'_>, wanted: &Relation<'_>) -> bool {
    match (&wanted.version, &provided.version) {
        (None, _) => true,
        (Some(_), Some((_, version))) => wanted.allows(version),
        (Some(_), None) => false,
    }
}
