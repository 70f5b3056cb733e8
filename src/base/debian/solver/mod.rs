//! Which packages to take: so that whatever is asked for is there, all dependencies hold, and no two conflict.
//!
//! In comes a [`Universe`] of packages and a [`Request`]; out comes a [`Solution`] in the order of installation, or an
//! [`Unsolvable`] that says which facts cannot hold together. The choice is the one that `apt-get install` makes on an
//! empty system where it makes one: a dependency that is not satisfied yet takes its first alternative, a real package
//! before those that provide its name, the best version of it, the depender's own architecture first. What turns out to
//! lead nowhere is taken back (see `search`), so that a solution is found if there is one.
//!
//! Only packages of the closure are ever looked at in detail. The result depends on the packages and the request alone,
//! not on the order they came in.
//!
//! What a hostile index could try: relations by the million and conflicts of everything with everything ([`Fault::Limit`]
//! from `search`), circles (nothing here recurses), names that are no names (refused where they are read).

mod failure;
mod order;
mod search;
#[cfg(test)]
mod tests;
mod universe;

use std::collections::{HashMap, HashSet};

use crate::base::debian::Version;
use crate::base::debian::relation::{self, Alternatives, Relation};
use crate::error::{At, Candidates, Error, Fault, Result};

pub use failure::{Fact, Unsolvable};
pub(in crate::base::debian) use failure::{shown, verb};
pub use universe::{Candidate, Choice, MultiArch, Priority, Universe};

use search::{ClauseId, Literal, Search};

/// What to take packages for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// What every system of that kind has.
    pub variant: Variant,
    /// Packages that were asked for.
    pub include: Vec<Wanted>,
    /// Packages that must not be taken.
    pub exclude: Vec<Wanted>,
    /// Names of packages that are taken before others that would do as well.
    pub prefer: Vec<String>,
    /// Names that count as satisfied, whatever the version, without anything being taken.
    pub assume: Vec<String>,
    /// Whether to take what packages recommend too, where that is possible.
    pub recommends: bool,
}

/// The packages that a system starts with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Variant {
    /// None.
    #[default]
    None,
    /// Those with `Essential: yes`.
    Essential,
    /// Also those of priority required, and apt.
    Minbase,
    /// Also those of priority important.
    Important,
    /// Also those of priority standard.
    Standard,
}

/// A package that was asked for by name: `NAME[:ARCH][=VERSION | /SUITE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// As it was typed.
    text: String,
    name: String,
    architecture: Option<String>,
    version: Option<String>,
    suite: Option<String>,
}

impl Wanted {
    /// Reads one.
    ///
    /// # Errors
    /// `Usage` for what names no package.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            let why = format!(
                "'{text}': {why}: a package is NAME, NAME:ARCH, NAME=VERSION or NAME/SUITE"
            );
            Error::from(Fault::Usage(why))
        };
        let (name, version, suite) = match (text.split_once('='), text.split_once('/')) {
            (Some((name, version)), _) => (name, Some(version), None),
            (None, Some((name, suite))) => (name, None, Some(suite)),
            (None, None) => (text, None, None),
        };
        // With the architecture: the grammar of relations has both.
        let parsed = Relation::parse(name).map_err(|_| bad("not the name of a package"))?;
        if parsed.to_string() != name || parsed.version.is_some() {
            return Err(bad("not the name of a package"));
        }
        if let Some(version) = version {
            Version::parse(version).map_err(|_| bad("not a version"))?;
        }
        if suite.is_some_and(str::is_empty) {
            return Err(bad("no suite after the '/'"));
        }
        Ok(Wanted {
            text: text.to_owned(),
            name: parsed.name.to_owned(),
            architecture: parsed.qualifier.map(str::to_owned),
            version: version.map(str::to_owned),
            suite: suite.map(str::to_owned),
        })
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The package's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn fits(&self, universe: &Universe<'_>, choice: Choice) -> Result<bool> {
        let candidate = universe.candidate(choice);
        let version = self.version.as_deref().map(Version::parse).transpose()?;
        let machine = match self.architecture.as_deref() {
            None | Some("any") => None,
            Some("native") => Some(universe.native()),
            Some(architecture) => Some(architecture),
        };
        Ok(version.is_none_or(|version| version == candidate.version)
            && self
                .suite
                .as_deref()
                .is_none_or(|suite| suite == candidate.suite)
            && machine.is_none_or(|machine| {
                machine == candidate.architecture || machine == universe.machine(candidate)
            }))
    }

    /// The packages that it can mean, the best first: those of the name, or those that provide it.
    pub(in crate::base::debian) fn choices(&self, universe: &Universe<'_>) -> Result<Vec<Choice>> {
        let mut found = Vec::new();
        for choice in universe.named(&self.name) {
            if self.fits(universe, choice)? {
                found.push(choice);
            }
        }
        if universe.named(&self.name).next().is_none() && self.version.is_none() {
            for (choice, _) in universe.providers(&self.name) {
                if self.fits(universe, *choice)? {
                    found.push(*choice);
                }
            }
        }
        let is_native =
            |choice: &Choice| universe.machine(universe.candidate(*choice)) == universe.native();
        if self.architecture.is_none() && found.iter().any(is_native) {
            found.retain(is_native);
        }
        if !found.is_empty() {
            return Ok(found);
        }
        let here = universe.named(&self.name).map(|choice| {
            let candidate = universe.candidate(choice);
            let Candidate {
                name,
                version,
                architecture,
                ..
            } = candidate;
            format!("{name}:{architecture}={version}")
        });
        Err(Error::from(Fault::NoSuchPackage {
            wanted: self.text.clone(),
            candidates: here.collect::<Candidates>(),
        }))
    }
}

/// Why a package was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It was asked for, in these words.
    Asked(String),
    /// It is essential.
    Essential,
    /// It has a priority that the variant takes.
    Priority(Priority),
    /// The variant has it.
    Variant,
    /// Another one needs or recommends it.
    Needed {
        /// The one, by its place in [`Solution::taken`].
        by: usize,
        /// The field: `Depends`, `Pre-Depends`, `Recommends`.
        field: &'static str,
        /// What the field says: `a (>= 1) | b`.
        relation: String,
    },
}

/// A package that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Which one.
    pub choice: Choice,
    /// Where it was in what the universe was made of.
    pub source: usize,
    /// Why: of several reasons one that is fewest steps away from what was asked for.
    pub reason: Reason,
}

impl Taken {
    /// Whether somebody asked for it by name.
    pub fn is_asked_for(&self) -> bool {
        matches!(self.reason, Reason::Asked(_))
    }
}

/// Packages that fit together.
#[derive(Debug, Clone, Default)]
pub struct Solution {
    /// In the order of installation: what others depend on comes before them, but for circles.
    pub taken: Vec<Taken>,
}

impl Solution {
    /// The place of a package that was taken, of any architecture.
    pub fn position(&self, universe: &Universe<'_>, name: &str) -> Option<usize> {
        let name_of = |taken: &Taken| universe.candidate(taken.choice).name;
        self.taken.iter().position(|taken| name_of(taken) == name)
    }
}

/// What a clause says.
#[derive(Debug, Clone)]
enum Says {
    /// Nothing of its own: it was learnt.
    Learnt,
    /// It was asked for; the reason that those have who are taken for it.
    Root(Reason),
    /// A package needs one of these.
    Needs(Choice, &'static str, String),
    /// Two cannot be together: field and relation of the first.
    Against(Choice, Choice, &'static str, String),
    /// Two of one name.
    Same(Choice, Choice),
    /// It was asked not to be taken.
    Excluded(Choice, String),
}

/// What a package, or the request, needs: one of these, in the order of preference.
#[derive(Debug, Clone)]
struct Need {
    choices: Vec<Choice>,
    reason: Reasoned,
}

#[derive(Debug, Clone)]
enum Reasoned {
    Root(Reason),
    By(&'static str, String),
}

/// Finds packages for a request.
///
/// # Errors
/// `NoSuchPackage` for a name that was asked for and is not there; `Schema` for relations that cannot be read, placed at
/// the package and field; `Limit` for a universe that is too entangled.
pub fn solve(universe: &Universe<'_>, request: &Request) -> Result<Result<Solution, Unsolvable>> {
    let count = universe.all().count();
    let mut solver = Solver {
        universe,
        request,
        search: Search::new(count),
        says: Vec::new(),
        active: vec![false; count],
        needs: vec![Vec::new(); count],
        recommends: vec![Vec::new(); count],
        roots: Vec::new(),
        round: Round::default(),
    };
    solver.start()?;
    match solver.run()? {
        Ok(()) => {
            let reached = solver.reached();
            let order = order::of(universe, &reached);
            Ok(Ok(solution(universe, reached, &order)))
        }
        Err(core) => {
            let core = core.0.iter();
            let facts = core.map(|id| (solver.says[*id as usize].clone(), solver.choices(*id)));
            Ok(Err(failure::explain(universe, facts.collect())))
        }
    }
}

struct Solver<'u, 't> {
    universe: &'u Universe<'t>,
    request: &'u Request,
    search: Search,
    /// By the number of the clause.
    says: Vec<Says>,
    /// Whether the clauses of a package were added.
    active: Vec<bool>,
    needs: Vec<Vec<Need>>,
    recommends: Vec<Vec<Need>>,
    roots: Vec<Need>,
    round: Round,
}

/// How far the needs of what is taken were looked through, since something was last taken back.
#[derive(Debug, Default)]
struct Round {
    /// The next of the request's.
    root: usize,
    /// What is taken, in the order it was needed.
    queue: Vec<Choice>,
    met: HashSet<Choice>,
    /// A stack of those of it whose needs are not looked through to the end, each with the number of its next need. The
    /// topmost is at work; what satisfies a need of it goes on top, so that its own needs come before the next one. What
    /// the request needs is at the bottom, the first of it uppermost.
    open: Vec<(Choice, usize)>,
    /// The next of the queue and of what it recommends.
    recommended: (usize, usize),
}

/// What is taken, why, and the places of those that satisfy its needs.
#[derive(Debug)]
struct Reached {
    choice: Choice,
    reason: Reason,
    pre_depends: Vec<usize>,
    depends: Vec<usize>,
}

fn solution(universe: &Universe<'_>, reached: Vec<Reached>, order: &[usize]) -> Solution {
    let mut places = vec![0; reached.len()];
    for (place, one) in order.iter().enumerate() {
        places[*one] = place;
    }
    let mut taken: Vec<(usize, Taken)> = Vec::with_capacity(reached.len());
    for (one, mut reached) in reached.into_iter().enumerate() {
        if let Reason::Needed { by, .. } = &mut reached.reason {
            *by = places[*by];
        }
        let choice = reached.choice;
        let source = universe.source(choice);
        let reason = reached.reason;
        taken.push((
            places[one],
            Taken {
                choice,
                source,
                reason,
            },
        ));
    }
    taken.sort_by_key(|(place, _)| *place);
    Solution {
        taken: taken.into_iter().map(|(_, taken)| taken).collect(),
    }
}

impl Solver<'_, '_> {
    fn add(&mut self, literals: Vec<Literal>, says: Says) -> Result<()> {
        let id = self.search.add(literals)? as usize;
        // Between the last clause that was added here and this one the search has learnt.
        self.says.resize(id, Says::Learnt);
        self.says.push(says);
        Ok(())
    }

    /// The packages that a clause offers to take, in the order of the universe.
    fn choices(&self, clause: ClauseId) -> Vec<Choice> {
        let literals = self.search.literals(clause).iter();
        let taken = literals.filter(|literal| literal.is_take());
        let mut choices: Vec<Choice> = taken.map(|literal| Choice(literal.variable())).collect();
        choices.sort_unstable();
        choices
    }

    fn root(&mut self, choices: Vec<Choice>, reason: Reason) -> Result<()> {
        let literals = choices.iter().map(|choice| Literal::take(choice.0));
        self.add(literals.collect(), Says::Root(reason.clone()))?;
        let reason = Reasoned::Root(reason);
        self.roots.push(Need { choices, reason });
        Ok(())
    }

    /// Adds the clauses of the request itself.
    fn start(&mut self) -> Result<()> {
        let (universe, request) = (self.universe, self.request);
        for wanted in &request.exclude {
            // Nothing of that name is as good as excluded.
            for choice in universe.named(&wanted.name) {
                if wanted.fits(universe, choice)? {
                    let says = Says::Excluded(choice, wanted.text.clone());
                    self.add(vec![Literal::leave(choice.0)], says)?;
                }
            }
        }
        for wanted in &request.include {
            let choices = wanted.choices(universe)?;
            self.root(choices, Reason::Asked(wanted.text.clone()))?;
        }
        let lowest = match request.variant {
            Variant::None => return Ok(()),
            Variant::Essential => None,
            Variant::Minbase => Some(Priority::Required),
            Variant::Important => Some(Priority::Important),
            Variant::Standard => Some(Priority::Standard),
        };
        let mut last = "";
        for choice in universe.all() {
            let candidate = universe.candidate(choice);
            // The best of a name stands for it; the native ones come first.
            if std::mem::replace(&mut last, candidate.name) == candidate.name
                || universe.machine(candidate) != universe.native()
                || request
                    .exclude
                    .iter()
                    .any(|wanted| wanted.name == candidate.name)
            {
                continue;
            }
            let reason = if candidate.is_essential {
                Reason::Essential
            } else if lowest.is_some_and(|lowest| candidate.priority <= lowest) {
                Reason::Priority(candidate.priority)
            } else if lowest.is_some() && candidate.name == "apt" {
                Reason::Variant
            } else {
                continue;
            };
            let native = universe.named(candidate.name);
            let is_native = |choice: &Choice| {
                universe.machine(universe.candidate(*choice)) == universe.native()
            };
            self.root(native.filter(is_native).collect(), reason)?;
        }
        Ok(())
    }

    /// Takes packages until everything holds.
    fn run(&mut self) -> Result<Result<(), search::Contradiction>> {
        loop {
            match self.search.settle()? {
                Err(contradiction) => return Ok(Err(contradiction)),
                Ok(true) => self.round = Round::default(),
                Ok(false) if !self.step()? => return Ok(Ok(())),
                Ok(false) => {}
            }
        }
    }

    /// Looks through the needs of what is taken, up to the next package that has to be taken or looked at. Returns
    /// whether there was any.
    fn step(&mut self) -> Result<bool> {
        // What was asked for counts from the beginning.
        while let Some(need) = self.roots.get(self.round.root).cloned() {
            if self.meet(None, &need)? {
                return Ok(true);
            }
            self.round.root += 1;
            if self.round.root == self.roots.len() {
                self.round.open.reverse();
            }
        }
        while let Some((choice, next)) = self.round.open.last().copied() {
            if self.activate(choice)? {
                return Ok(true);
            }
            let Some(need) = self.needs[choice.index()].get(next).cloned() else {
                self.round.open.pop();
                continue;
            };
            let depth = self.round.open.len();
            if self.meet(Some(choice), &need)? {
                return Ok(true);
            }
            // The needs of what satisfies it come before its own next one, as apt goes.
            if let Some((_, next)) = self.round.open.get_mut(depth - 1) {
                *next += 1;
            }
        }
        // All that must be there is; now what is only recommended.
        while let Some(choice) = self.round.queue.get(self.round.recommended.0).copied() {
            while let Some(need) = self.recommends[choice.index()].get(self.round.recommended.1) {
                let need = need.clone();
                if let Some(taken) = self.taken_of(&need) {
                    if self.open(taken) {
                        return Ok(true);
                    }
                    self.round.recommended.1 += 1;
                    continue;
                }
                match self.take_one(&need)? {
                    true => return Ok(true),
                    // It cannot be.
                    false => self.round.recommended.1 += 1,
                }
            }
            self.round.recommended = (self.round.recommended.0 + 1, 0);
        }
        Ok(false)
    }

    /// The first of a need that is taken.
    fn taken_of(&self, need: &Need) -> Option<Choice> {
        let mut choices = need.choices.iter().copied();
        choices.find(|choice| self.search.is_taken(choice.0))
    }

    /// Opens the package that satisfies a need, if none that is open or was does. Returns whether one had to be taken or
    /// looked at first.
    ///
    /// What has to be there for a need that is still to come does not count yet, because it does not for apt: so the first
    /// alternative may come along beside the one that turns out to be needed.
    fn meet(&mut self, from: Option<Choice>, need: &Need) -> Result<bool> {
        if need
            .choices
            .iter()
            .any(|choice| self.round.met.contains(choice))
        {
            return Ok(false);
        }
        let mut choices = need.choices.iter().copied();
        let first =
            choices.find(|choice| self.search.value(Literal::take(choice.0)) != Some(false));
        if let Some(taken) = first.filter(|choice| self.search.is_taken(choice.0)) {
            self.open(taken);
            return Ok(false);
        }
        if !self.take_one(need)? {
            // The search would have found this out; to say it again makes sure that it has.
            self.clause(from, need)?;
        }
        Ok(true)
    }

    /// Has the needs of a package looked through next. Returns whether they were not.
    fn open(&mut self, taken: Choice) -> bool {
        let is_new = self.round.met.insert(taken);
        if is_new {
            self.round.queue.push(taken);
            self.round.open.push((taken, 0));
        }
        is_new
    }

    /// Takes the first of a need that can be taken, or looks at it first. Returns whether there is one.
    fn take_one(&mut self, need: &Need) -> Result<bool> {
        for choice in &need.choices {
            let take = Literal::take(choice.0);
            if self.search.value(take) != Some(false) {
                // Its conflicts may rule it out, which has to be known before.
                if !self.activate(*choice)? {
                    self.search.decide(take);
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn clause(&mut self, from: Option<Choice>, need: &Need) -> Result<()> {
        let take = need.choices.iter().map(|choice| Literal::take(choice.0));
        let leave = from.map(|from| Literal::leave(from.0));
        let literals = leave.into_iter().chain(take).collect();
        let says = match (&need.reason, from) {
            (Reasoned::By(field, relation), Some(from)) => {
                Says::Needs(from, field, relation.clone())
            }
            (Reasoned::Root(reason), _) => Says::Root(reason.clone()),
            (Reasoned::By(..), None) => Says::Learnt,
        };
        self.add(literals, says)
    }

    /// Adds the clauses of a package, once. Returns whether that was now.
    fn activate(&mut self, choice: Choice) -> Result<bool> {
        if std::mem::replace(&mut self.active[choice.index()], true) {
            return Ok(false);
        }
        let universe = self.universe;
        let candidate = universe.candidate(choice);
        let place = |field: &str| format!("{} {}: {field}", candidate.name, candidate.version);
        for other in universe.named(candidate.name) {
            if other != choice && !universe.coexist(choice, other) {
                let literals = vec![Literal::leave(choice.0), Literal::leave(other.0)];
                self.add(literals, Says::Same(choice, other))?;
            }
        }
        for (field, text) in [
            ("Conflicts", candidate.conflicts),
            ("Breaks", candidate.breaks),
        ] {
            for relation in relation::parse_plain(text).at(|| place(field))? {
                if !self.counts(&relation) {
                    continue;
                }
                for enemy in universe.enemies(choice, &relation) {
                    let literals = vec![Literal::leave(choice.0), Literal::leave(enemy.0)];
                    self.add(
                        literals,
                        Says::Against(choice, enemy, field, relation.to_string()),
                    )?;
                }
            }
        }
        for (field, text) in [
            ("Pre-Depends", candidate.pre_depends),
            ("Depends", candidate.depends),
        ] {
            for alternatives in relation::parse(text).at(|| place(field))? {
                if let Some(need) = self.need(choice, field, &alternatives) {
                    self.clause(Some(choice), &need)?;
                    self.needs[choice.index()].push(need);
                }
            }
        }
        if self.request.recommends {
            let field = "Recommends";
            for alternatives in relation::parse(candidate.recommends).at(|| place(field))? {
                let need = self.need(choice, field, &alternatives);
                self.recommends[choice.index()].extend(need);
            }
        }
        Ok(true)
    }

    /// Whether a relation says anything about installed packages here.
    fn counts(&self, relation: &Relation<'_>) -> bool {
        relation.is_for(self.universe.native()) && !relation.is_for_builds()
    }

    /// What a package needs for an item of a field; `None` if that is nothing.
    fn need(
        &self,
        of: Choice,
        field: &'static str,
        alternatives: &Alternatives<'_>,
    ) -> Option<Need> {
        let mut choices: Vec<Choice> = Vec::new();
        let mut texts: Vec<String> = Vec::new();
        for relation in alternatives.iter().filter(|relation| self.counts(relation)) {
            if self.request.assume.iter().any(|name| name == relation.name) {
                return None;
            }
            texts.push(relation.to_string());
            for choice in self.universe.satisfiers(Some(of), relation) {
                if !choices.contains(&choice) {
                    choices.push(choice);
                }
            }
        }
        // What it provides for itself needs nobody.
        if texts.is_empty() || choices.contains(&of) {
            return None;
        }
        let is_preferred = |choice: &Choice| {
            let name = self.universe.candidate(*choice).name;
            self.request
                .prefer
                .iter()
                .any(|preferred| preferred == name)
        };
        choices.sort_by_key(|choice| !is_preferred(choice));
        let reason = Reasoned::By(field, texts.join(" | "));
        Some(Need { choices, reason })
    }

    /// What is taken and can be reached from the request, the fewest steps first.
    fn reached(&self) -> Vec<Reached> {
        let mut places: HashMap<Choice, usize> = HashMap::new();
        let mut reached: Vec<Reached> = Vec::new();
        let mut reach = |choice: Choice, reason: Reason, reached: &mut Vec<Reached>| {
            *places.entry(choice).or_insert_with(|| {
                reached.push(Reached {
                    choice,
                    reason,
                    pre_depends: Vec::new(),
                    depends: Vec::new(),
                });
                reached.len() - 1
            })
        };
        for need in &self.roots {
            if let (Some(taken), Reasoned::Root(reason)) = (self.taken_of(need), &need.reason) {
                reach(taken, reason.clone(), &mut reached);
            }
        }
        let mut next = 0;
        while let Some(choice) = reached.get(next).map(|reached| reached.choice) {
            let needs = self.needs[choice.index()].iter();
            for need in needs.chain(&self.recommends[choice.index()]) {
                let (Some(taken), Reasoned::By(field, relation)) =
                    (self.taken_of(need), &need.reason)
                else {
                    continue;
                };
                let reason = Reason::Needed {
                    by: next,
                    field,
                    relation: relation.clone(),
                };
                let place = reach(taken, reason, &mut reached);
                match *field {
                    "Pre-Depends" => reached[next].pre_depends.push(place),
                    "Depends" => reached[next].depends.push(place),
                    _ => {}
                }
            }
            next += 1;
        }
        reached
    }
}
