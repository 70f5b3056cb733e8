//! The solver: decides packages one by one, as apt does, and adds the clauses of a package once it is considered.

use std::collections::{HashMap, HashSet};

use super::clause::{Meaning, Need, NeedReason};
use super::failure::{self, Unsolvable};
use super::order::ordered;
use super::request::{Request, Variant};
use super::search::{ClauseId, Contradiction, Literal, Search};
use super::solution::{Reached, Reason, Solution};
use super::universe::{Choice, Priority, Universe};
use crate::base::debian::relation::{self, Alternatives, Relation};
use crate::error::{At, Result};

/// Finds packages that satisfy a request.
///
/// # Errors
/// `NoSuchPackage` for an unknown requested name; `Schema` for invalid relations, with package and field as context;
/// `Limit` if the search takes too long or needs too many clauses.
pub fn solve(universe: &Universe<'_>, request: &Request) -> Result<Result<Solution, Unsolvable>> {
    let count = universe.all().count();
    let mut solver = Solver {
        universe,
        request,
        search: Search::new(count),
        meanings: Vec::new(),
        active: vec![false; count],
        needs: vec![Vec::new(); count],
        recommends: vec![Vec::new(); count],
        roots: Vec::new(),
        round: Round::default(),
    };
    solver.add_request()?;
    match solver.run()? {
        Ok(()) => {
            let reached = solver.reached();
            Ok(Ok(ordered(universe, reached)))
        }
        Err(core) => {
            let core = core.0.iter();
            let facts = core.map(|id| (solver.meanings[*id as usize].clone(), solver.choices(*id)));
            Ok(Err(failure::explain(universe, facts.collect())))
        }
    }
}

/// State of the solver.
struct Solver<'u, 't> {
    universe: &'u Universe<'t>,
    request: &'u Request,
    search: Search,
    /// Meanings by clause.
    meanings: Vec<Meaning>,
    /// Set by package once its clauses are added.
    active: Vec<bool>,
    needs: Vec<Vec<Need>>,
    recommends: Vec<Vec<Need>>,
    roots: Vec<Need>,
    round: Round,
}

/// Progress through the needs of taken packages since the last backtracking.
#[derive(Debug, Default)]
struct Round {
    /// Next need of the request.
    root: usize,
    /// Taken packages, in the order they were needed.
    queue: Vec<Choice>,
    satisfied: HashSet<Choice>,
    /// Stack of packages with open needs, each with the index of its next need. A package that satisfies a need of the
    /// topmost one is pushed, so that its own needs come first. Packages of the request are at the bottom, the first one
    /// uppermost.
    open: Vec<(Choice, usize)>,
    /// Next package of the queue and next of its recommendations.
    recommended: (usize, usize),
}

impl Solver<'_, '_> {
    fn add(&mut self, literals: Vec<Literal>, meaning: Meaning) -> Result<()> {
        let id = self.search.add(literals)? as usize;
        // Clauses between the last one added here and this one were learnt by the search.
        self.meanings.resize(id, Meaning::Learnt);
        self.meanings.push(meaning);
        Ok(())
    }

    /// Returns the packages that a clause offers, in the order of the universe.
    fn choices(&self, clause: ClauseId) -> Vec<Choice> {
        let literals = self.search.literals(clause).iter();
        let taken = literals.filter(|literal| literal.is_take());
        let mut choices: Vec<Choice> = taken.map(|literal| Choice(literal.variable())).collect();
        choices.sort_unstable();
        choices
    }

    fn add_root(&mut self, choices: Vec<Choice>, reason: Reason) -> Result<()> {
        let literals = choices.iter().map(|choice| Literal::take(choice.0));
        self.add(literals.collect(), Meaning::Requested(reason.clone()))?;
        let reason = NeedReason::Request(reason);
        self.roots.push(Need { choices, reason });
        Ok(())
    }

    /// Adds the clauses of the request itself.
    fn add_request(&mut self) -> Result<()> {
        let (universe, request) = (self.universe, self.request);
        for wanted in &request.exclude {
            // An unknown name counts as excluded.
            for choice in universe.named(&wanted.name) {
                if wanted.fits(universe, choice)? {
                    let meaning = Meaning::Excluded(choice, wanted.text.clone());
                    self.add(vec![Literal::leave(choice.0)], meaning)?;
                }
            }
        }
        for wanted in &request.include {
            let choices = wanted.choices(universe)?;
            self.add_root(choices, Reason::Requested(wanted.text.clone()))?;
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
            // Only the best package of a name counts; native packages come first.
            if std::mem::replace(&mut last, candidate.name) == candidate.name
                || !universe.is_native(choice)
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
            let native = native.filter(|choice| universe.is_native(*choice));
            self.add_root(native.collect(), reason)?;
        }
        Ok(())
    }

    /// Takes packages until all needs are satisfied.
    fn run(&mut self) -> Result<Result<(), Contradiction>> {
        loop {
            match self.search.settle()? {
                Err(contradiction) => return Ok(Err(contradiction)),
                Ok(true) => self.round = Round::default(),
                Ok(false) if !self.step()? => return Ok(Ok(())),
                Ok(false) => {}
            }
        }
    }

    /// Checks the needs of taken packages, up to the next package that must be taken or activated. Returns whether there
    /// was one.
    fn step(&mut self) -> Result<bool> {
        // Needs of the request come first.
        while let Some(need) = self.roots.get(self.round.root).cloned() {
            if self.satisfy(None, &need)? {
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
            if self.satisfy(Some(choice), &need)? {
                return Ok(true);
            }
            // As in apt, the needs of the package that satisfies this one come before the next need.
            if let Some((_, next)) = self.round.open.get_mut(depth - 1) {
                *next += 1;
            }
        }
        // All dependencies are satisfied; recommendations follow.
        while let Some(choice) = self.round.queue.get(self.round.recommended.0).copied() {
            while let Some(need) = self.recommends[choice.index()].get(self.round.recommended.1) {
                let need = need.clone();
                if let Some(taken) = self.taken_choice(&need) {
                    if self.open(taken) {
                        return Ok(true);
                    }
                    self.round.recommended.1 += 1;
                    continue;
                }
                match self.take_one(&need)? {
                    true => return Ok(true),
                    // The recommendation cannot be satisfied.
                    false => self.round.recommended.1 += 1,
                }
            }
            self.round.recommended = (self.round.recommended.0 + 1, 0);
        }
        Ok(false)
    }

    /// Returns the first choice of a need that is taken.
    fn taken_choice(&self, need: &Need) -> Option<Choice> {
        let mut choices = need.choices.iter().copied();
        choices.find(|choice| self.search.is_taken(choice.0))
    }

    /// Opens the package that satisfies a need, unless one that was opened before does. Returns whether a package had to
    /// be taken or activated first.
    ///
    /// As in apt, packages required by later needs do not count yet: the first alternative may be taken in addition to
    /// the one that is needed later.
    fn satisfy(&mut self, from: Option<Choice>, need: &Need) -> Result<bool> {
        if need
            .choices
            .iter()
            .any(|choice| self.round.satisfied.contains(choice))
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
            // Adding the clause again makes the search detect the conflict.
            self.add_need(from, need)?;
        }
        Ok(true)
    }

    /// Schedules the needs of a package to be checked next. Returns whether this is the first time.
    fn open(&mut self, taken: Choice) -> bool {
        let is_new = self.round.satisfied.insert(taken);
        if is_new {
            self.round.queue.push(taken);
            self.round.open.push((taken, 0));
        }
        is_new
    }

    /// Takes the first possible choice of a need, or activates it. Returns whether there is one.
    fn take_one(&mut self, need: &Need) -> Result<bool> {
        for choice in &need.choices {
            let take = Literal::take(choice.0);
            if self.search.value(take) != Some(false) {
                // Conflicts may rule the choice out: they must be known before the decision.
                if !self.activate(*choice)? {
                    self.search.decide(take);
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds the clause of a need.
    fn add_need(&mut self, from: Option<Choice>, need: &Need) -> Result<()> {
        let take = need.choices.iter().map(|choice| Literal::take(choice.0));
        let leave = from.map(|from| Literal::leave(from.0));
        let literals = leave.into_iter().chain(take).collect();
        let meaning = match (&need.reason, from) {
            (NeedReason::Relation(field, relation), Some(from)) => {
                Meaning::Dependency(from, field, relation.clone())
            }
            (NeedReason::Request(reason), _) => Meaning::Requested(reason.clone()),
            (NeedReason::Relation(..), None) => Meaning::Learnt,
        };
        self.add(literals, meaning)
    }

    /// Adds the clauses of a package, once. Returns whether this call added them.
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
                self.add(literals, Meaning::SameName(choice, other))?;
            }
        }
        for (field, text) in [
            ("Conflicts", candidate.conflicts),
            ("Breaks", candidate.breaks),
        ] {
            for relation in relation::parse_plain(text).at(|| place(field))? {
                if !self.applies(&relation) {
                    continue;
                }
                for other in universe.conflicting(choice, &relation) {
                    let literals = vec![Literal::leave(choice.0), Literal::leave(other.0)];
                    self.add(
                        literals,
                        Meaning::Conflict(choice, other, field, relation.to_string()),
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
                    self.add_need(Some(choice), &need)?;
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

    /// Returns whether a relation applies to installed packages of the native architecture.
    fn applies(&self, relation: &Relation<'_>) -> bool {
        relation.is_for(self.universe.native()) && !relation.is_for_builds()
    }

    /// Returns the need of a package for one item of a field; `None` if it is satisfied without another package.
    fn need(
        &self,
        of: Choice,
        field: &'static str,
        alternatives: &Alternatives<'_>,
    ) -> Option<Need> {
        let mut choices: Vec<Choice> = Vec::new();
        let mut texts: Vec<String> = Vec::new();
        for relation in alternatives
            .iter()
            .filter(|relation| self.applies(relation))
        {
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
        // A relation satisfied by the package itself is no need.
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
        let reason = NeedReason::Relation(field, texts.join(" | "));
        Some(Need { choices, reason })
    }

    /// Returns the taken packages that are reachable from the request, fewest steps first.
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
            if let (Some(taken), NeedReason::Request(reason)) =
                (self.taken_choice(need), &need.reason)
            {
                reach(taken, reason.clone(), &mut reached);
            }
        }
        let mut next = 0;
        while let Some(choice) = reached.get(next).map(|reached| reached.choice) {
            let needs = self.needs[choice.index()].iter();
            for need in needs.chain(&self.recommends[choice.index()]) {
                let (Some(taken), NeedReason::Relation(field, relation)) =
                    (self.taken_choice(need), &need.reason)
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
