//! The search: which packages to take so that every clause holds.
//!
//! In come clauses, each a list of packages to take or to leave of which one must come true; out goes an assignment, or
//! the clauses that cannot hold together. It is conflict-driven clause learning, as in MiniSat: two literals of each
//! clause are watched, a conflict is traced back to what was decided last, and what was learnt from it becomes a clause.
//! Clauses may be added at any time, so that only those of packages that are looked at are ever made.
//!
//! Nothing is random, and what is decided is up to the caller. Left to it too: what the clauses mean.

use crate::error::{Error, Fault, Result};

/// The most literals of all clauses together: some 100 MB.
const MAX_LITERALS: usize = 20_000_000;
/// How often the search may find itself in a dead end: no repository has been seen to need a hundred.
const MAX_CONFLICTS: u64 = 20_000;

/// To take a package, or to leave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Literal(u32);

impl Literal {
    pub(super) fn take(variable: u32) -> Self {
        Literal(variable << 1)
    }

    pub(super) fn leave(variable: u32) -> Self {
        Literal(variable << 1 | 1)
    }

    pub(super) fn variable(self) -> u32 {
        self.0 >> 1
    }

    pub(super) fn is_take(self) -> bool {
        self.0 & 1 == 0
    }

    fn not(self) -> Self {
        Literal(self.0 ^ 1)
    }

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// A clause by its number.
pub(super) type ClauseId = u32;

#[derive(Debug)]
struct Clause {
    /// The first two are watched.
    literals: Vec<Literal>,
    /// What a learnt clause follows from.
    parents: Vec<ClauseId>,
}

/// What is known of a variable.
#[derive(Debug, Clone, Copy, Default)]
struct Variable {
    value: Option<bool>,
    level: u32,
    /// The clause that left no choice.
    reason: Option<ClauseId>,
    is_seen: bool,
}

/// Why there is no assignment: clauses that contradict each other.
#[derive(Debug)]
pub(super) struct Contradiction(pub(super) Vec<ClauseId>);

#[derive(Debug, Default)]
pub(super) struct Search {
    clauses: Vec<Clause>,
    literals: usize,
    /// By literal: the clauses that have to be looked at when it becomes false.
    watches: Vec<Vec<ClauseId>>,
    variables: Vec<Variable>,
    /// What is assigned, in this order.
    trail: Vec<Literal>,
    /// How long the trail was before each decision.
    decisions: Vec<usize>,
    /// How much of the trail was propagated.
    head: usize,
    /// A clause that was false when it was added.
    pending: Option<ClauseId>,
    /// Clauses of one literal. Added late, they hold since before the decisions that were made meanwhile.
    units: Vec<ClauseId>,
    conflicts: u64,
}

impl Search {
    pub(super) fn new(variables: usize) -> Self {
        Search {
            watches: vec![Vec::new(); variables * 2],
            variables: vec![Variable::default(); variables],
            ..Search::default()
        }
    }

    /// Whether a literal is true or false, if that is known.
    pub(super) fn value(&self, literal: Literal) -> Option<bool> {
        let value = self.variables[literal.variable() as usize].value?;
        Some(value == literal.is_take())
    }

    pub(super) fn is_taken(&self, variable: u32) -> bool {
        self.variables[variable as usize].value == Some(true)
    }

    /// The literals of a clause, in no order.
    pub(super) fn literals(&self, clause: ClauseId) -> &[Literal] {
        &self.clauses[clause as usize].literals
    }

    /// Adds a clause, which may be one literal, or none, which is a contradiction.
    pub(super) fn add(&mut self, literals: Vec<Literal>) -> Result<ClauseId> {
        self.push(literals, Vec::new())
    }

    fn push(&mut self, mut literals: Vec<Literal>, parents: Vec<ClauseId>) -> Result<ClauseId> {
        self.literals += literals.len() + parents.len();
        if self.literals > MAX_LITERALS {
            return Err(Error::new(Fault::Limit {
                what: "relations between packages",
                limit: MAX_LITERALS as u64,
                found: self.literals as u64,
            }));
        }
        // To be watched: first what is true or open, then what became false last.
        for place in 0..literals.len().min(2) {
            let rank = |literal: &Literal| match self.value(*literal) {
                Some(false) => self.variables[literal.variable() as usize].level,
                _ => u32::MAX,
            };
            let best = (place..literals.len())
                .rev()
                .max_by_key(|i| rank(&literals[*i]));
            literals.swap(place, best.unwrap_or(place));
        }
        // There are fewer clauses than literals, so that the numbers suffice; each clause has one or is the last.
        let id = self.clauses.len() as ClauseId;
        let state = |i: usize| literals.get(i).map(|literal| self.value(*literal));
        let (first, second) = (state(0), state(1));
        match first {
            None | Some(Some(false)) => {
                self.pending.get_or_insert(id);
            }
            Some(None) if matches!(second, None | Some(Some(false))) => {
                self.assign(literals[0], Some(id));
            }
            Some(_) => {}
        }
        match &literals[..] {
            [] => {}
            [_] => self.units.push(id),
            [first, second, ..] => {
                self.watches[first.index()].push(id);
                self.watches[second.index()].push(id);
            }
        }
        self.clauses.push(Clause { literals, parents });
        Ok(id)
    }

    fn level(&self) -> u32 {
        self.decisions.len() as u32
    }

    fn assign(&mut self, literal: Literal, reason: Option<ClauseId>) {
        let level = self.level();
        let variable = &mut self.variables[literal.variable() as usize];
        variable.value = Some(literal.is_take());
        variable.level = level;
        variable.reason = reason;
        self.trail.push(literal);
    }

    /// Makes an open literal true until a conflict shows that it cannot be.
    pub(super) fn decide(&mut self, literal: Literal) {
        self.decisions.push(self.trail.len());
        self.assign(literal, None);
    }

    /// Draws all consequences. Returns whether decisions had to be taken back.
    pub(super) fn settle(&mut self) -> Result<Result<bool, Contradiction>> {
        let mut went_back = false;
        while let Some(conflict) = self.pending.take().or_else(|| self.propagate()) {
            went_back = true;
            self.conflicts += 1;
            if self.conflicts > MAX_CONFLICTS {
                return Err(Error::new(Fault::Limit {
                    what: "dead ends in the search for packages that fit together",
                    limit: MAX_CONFLICTS,
                    found: self.conflicts,
                }));
            }
            if let Err(contradiction) = self.learn(conflict)? {
                return Ok(Err(contradiction));
            }
        }
        Ok(Ok(went_back))
    }

    /// Makes true what clauses leave no choice about. Returns a clause that is false.
    fn propagate(&mut self) -> Option<ClauseId> {
        while self.head < self.trail.len() {
            let gone = self.trail[self.head].not();
            self.head += 1;
            let watching = std::mem::take(&mut self.watches[gone.index()]);
            let mut kept = Vec::with_capacity(watching.len());
            let mut conflict = None;
            for id in watching {
                if conflict.is_some() {
                    kept.push(id);
                    continue;
                }
                let literals = &mut self.clauses[id as usize].literals;
                if literals[0] == gone {
                    literals.swap(0, 1);
                }
                let value = |literal: Literal| {
                    let value = self.variables[literal.variable() as usize].value;
                    value.map(|value| value == literal.is_take())
                };
                let first = literals[0];
                if value(first) == Some(true) {
                    kept.push(id);
                    continue;
                }
                let other = (2..literals.len()).find(|i| value(literals[*i]) != Some(false));
                if let Some(other) = other {
                    literals.swap(1, other);
                    self.watches[literals[1].index()].push(id);
                    continue;
                }
                kept.push(id);
                match value(first) {
                    None => self.assign(first, Some(id)),
                    _ => conflict = Some(id),
                }
            }
            self.watches[gone.index()] = kept;
            if conflict.is_some() {
                return conflict;
            }
        }
        None
    }

    /// Learns from a clause that is false, goes back as far as that takes, and draws the first consequence.
    fn learn(&mut self, conflict: ClauseId) -> Result<Result<(), Contradiction>> {
        // Clauses that were added late may be false since an earlier decision.
        let levels = self.clauses[conflict as usize].literals.iter();
        let level = levels.map(|literal| self.variables[literal.variable() as usize].level);
        let level = level.max().unwrap_or(0);
        self.back_to(level);
        if level == 0 {
            return Ok(Err(self.contradiction(conflict)));
        }
        let mut learnt = Vec::new();
        let mut parents = Vec::new();
        let mut seen = Vec::new();
        // Clauses that left no choice without any decision.
        let mut ground: Vec<ClauseId> = Vec::new();
        // How many literals of this level still have to be traced back.
        let mut open = 0;
        let mut next = self.trail.len();
        let mut clause = Some(conflict);
        let asserted = loop {
            if let Some(id) = clause {
                parents.push(id);
                for literal in &self.clauses[id as usize].literals {
                    let variable = &mut self.variables[literal.variable() as usize];
                    // The literal that a reason made true was seen before.
                    if variable.is_seen {
                        continue;
                    }
                    variable.is_seen = true;
                    seen.push(literal.variable());
                    match variable.level {
                        0 => ground.extend(variable.reason),
                        at if at == level => open += 1,
                        _ => learnt.push(*literal),
                    }
                }
            }
            // The latest of this level that was met. There is one: the decision itself at the last.
            let found = self.trail[..next].iter().rposition(|literal| {
                let variable = &self.variables[literal.variable() as usize];
                variable.is_seen && variable.level == level
            });
            let Some(found) = found else {
                break None;
            };
            next = found;
            let literal = self.trail[found];
            open -= 1;
            if open == 0 {
                break Some(literal.not());
            }
            clause = self.variables[literal.variable() as usize].reason;
        };
        while let Some(id) = ground.pop() {
            parents.push(id);
            for literal in &self.clauses[id as usize].literals {
                let variable = &mut self.variables[literal.variable() as usize];
                if !std::mem::replace(&mut variable.is_seen, true) {
                    seen.push(literal.variable());
                    ground.extend(variable.reason);
                }
            }
        }
        for variable in seen {
            self.variables[variable as usize].is_seen = false;
        }
        let levels = learnt.iter();
        let levels = levels.map(|literal| self.variables[literal.variable() as usize].level);
        self.back_to(levels.max().unwrap_or(0));
        learnt.extend(asserted);
        self.push(learnt, parents)?;
        Ok(Ok(()))
    }

    fn back_to(&mut self, level: u32) {
        if level >= self.level() {
            return;
        }
        let start = self.decisions[level as usize];
        for literal in self.trail.drain(start..) {
            let variable = &mut self.variables[literal.variable() as usize];
            variable.value = None;
            variable.reason = None;
        }
        self.decisions.truncate(level as usize);
        self.head = self.head.min(start);
        for i in 0..self.units.len() {
            let id = self.units[i];
            let literal = self.clauses[id as usize].literals[0];
            if self.value(literal).is_none() {
                self.assign(literal, Some(id));
            }
        }
    }

    /// The clauses, none of them learnt, from which a conflict without any decision follows; in the order they were added.
    fn contradiction(&self, conflict: ClauseId) -> Contradiction {
        let mut met = vec![false; self.clauses.len()];
        let mut ahead = vec![conflict];
        let mut found = Vec::new();
        // Nothing was decided here, so that every literal has a reason that holds for good. Of clauses that something was
        // learnt from, the parents have those of their literals.
        let mut reasons = vec![conflict];
        while let Some(id) = reasons.pop() {
            for literal in &self.clauses[id as usize].literals {
                let reason = self.variables[literal.variable() as usize].reason;
                if let Some(reason) = reason
                    && !met[reason as usize]
                {
                    met[reason as usize] = true;
                    reasons.push(reason);
                    ahead.push(reason);
                }
            }
        }
        met.fill(false);
        while let Some(id) = ahead.pop() {
            if std::mem::replace(&mut met[id as usize], true) {
                continue;
            }
            let parents = &self.clauses[id as usize].parents;
            ahead.extend(parents);
            if parents.is_empty() {
                found.push(id);
            }
        }
        found.sort_unstable();
        Contradiction(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VARIABLES: u32 = 8;

    fn holds(clause: &[(u32, bool)], taken: u32) -> bool {
        clause
            .iter()
            .any(|(variable, take)| (taken >> variable & 1 == 1) == *take)
    }

    /// Whether any assignment makes all clauses true, by trying each.
    fn can_hold(clauses: &[Vec<(u32, bool)>]) -> bool {
        (0..1 << VARIABLES).any(|taken| clauses.iter().all(|clause| holds(clause, taken)))
    }

    fn clauses() -> impl Strategy<Value = Vec<Vec<(u32, bool)>>> {
        let clause = prop::collection::btree_map(0..VARIABLES, any::<bool>(), 1..4);
        prop::collection::vec(clause.prop_map(|map| map.into_iter().collect()), 1..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// Clauses come one after the other while the search goes on, as packages are looked at.
        #[test]
        fn finds_an_assignment_if_there_is_one(clauses in clauses(), early in 0usize..40) {
            let mut search = Search::new(VARIABLES as usize);
            let mut ahead = clauses.iter().peekable();
            let add = |search: &mut Search, clause: &Vec<(u32, bool)>| {
                let literals = clause.iter().map(|(variable, take)| match take {
                    true => Literal::take(*variable),
                    false => Literal::leave(*variable),
                });
                search.add(literals.collect()).expect("few literals");
            };
            for clause in ahead.by_ref().take(early) {
                add(&mut search, clause);
            }
            let found = loop {
                match search.settle().expect("few conflicts") {
                    Err(Contradiction(core)) => break Err(core),
                    Ok(true) => continue,
                    Ok(false) => {}
                }
                let open = (0..VARIABLES).find(|variable| search.value(Literal::take(*variable)).is_none());
                // An odd one waits for a clause, so that clauses come before and after decisions.
                let clause = ahead.next_if(|_| open.is_none_or(|open| open % 2 == 1));
                match (clause, open) {
                    (Some(clause), _) => add(&mut search, clause),
                    (None, Some(open)) => search.decide(Literal::take(open)),
                    (None, None) => {
                        let taken = (0..VARIABLES).filter(|variable| search.is_taken(*variable));
                        break Ok(taken.fold(0, |all, one| all | 1 << one));
                    }
                }
            };
            match found {
                Ok(taken) => prop_assert!(clauses.iter().all(|clause| holds(clause, taken))),
                Err(core) => {
                    // The numbers of clauses are not those of the list once something was learnt.
                    let core: Vec<Vec<(u32, bool)>> = core
                        .iter()
                        .map(|id| search.literals(*id).iter().map(|l| (l.variable(), l.is_take())).collect())
                        .collect();
                    let is_given = |one: &Vec<(u32, bool)>| {
                        let sorted: std::collections::BTreeSet<_> = one.iter().collect();
                        clauses.iter().any(|clause| sorted.iter().copied().eq(clause))
                    };
                    prop_assert!(core.iter().all(is_given), "{:?}", core);
                    prop_assert!(!can_hold(&core), "{core:?}");
                }
            }
        }
    }
}
