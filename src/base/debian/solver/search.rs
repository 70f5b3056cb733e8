//! Boolean satisfiability search over packages.
//!
//! Input: clauses, each a list of literals (take or leave a package) of which one must be true. Output: an assignment, or
//! the clauses that contradict each other. The algorithm is conflict-driven clause learning, as in MiniSat: two literals
//! of each clause are watched, a conflict is traced back to the last decision, and the learnt clause is added. Clauses may
//! be added at any time, so that only those of considered packages are ever created.
//!
//! The search is deterministic. The caller makes the decisions and knows the meaning of clauses.

use crate::error::{Result, within};

/// Maximum number of literals of all clauses: about 100 MB.
const MAX_LITERALS: u64 = 20_000_000;
/// Maximum number of conflicts; known repositories need fewer than a hundred.
const MAX_CONFLICTS: u64 = 20_000;

/// Literal: take a package, or leave it.
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

/// Index of a clause.
pub(super) type ClauseId = u32;

/// Disjunction of literals.
#[derive(Debug)]
struct Clause {
    /// Literals, of which the first two are watched.
    literals: Vec<Literal>,
    /// Clauses that a learnt clause follows from.
    parents: Vec<ClauseId>,
}

/// State of a variable.
#[derive(Debug, Clone, Copy, Default)]
struct Variable {
    value: Option<bool>,
    level: u32,
    /// Clause that forced the value.
    reason: Option<ClauseId>,
    is_seen: bool,
}

/// Clauses that contradict each other.
#[derive(Debug)]
pub(super) struct Contradiction(pub(super) Vec<ClauseId>);

/// State of the search.
#[derive(Debug, Default)]
pub(super) struct Search {
    clauses: Vec<Clause>,
    literals: usize,
    /// Clauses to check when a literal becomes false, by literal.
    watches: Vec<Vec<ClauseId>>,
    variables: Vec<Variable>,
    /// Assigned literals, in order of assignment.
    trail: Vec<Literal>,
    /// Length of the trail before each decision.
    decisions: Vec<usize>,
    /// Length of the propagated part of the trail.
    head: usize,
    /// Clause that was false when it was added.
    pending: Option<ClauseId>,
    /// Clauses of one literal; they hold at every decision level, whenever they were added.
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

    /// Returns the value of a literal; `None` if unassigned.
    pub(super) fn value(&self, literal: Literal) -> Option<bool> {
        let value = self.variables[literal.variable() as usize].value?;
        Some(value == literal.is_take())
    }

    pub(super) fn is_taken(&self, variable: u32) -> bool {
        self.variables[variable as usize].value == Some(true)
    }

    /// Returns the literals of a clause, in unspecified order.
    pub(super) fn literals(&self, clause: ClauseId) -> &[Literal] {
        &self.clauses[clause as usize].literals
    }

    /// Adds a clause of any length; an empty one is a contradiction.
    pub(super) fn add(&mut self, literals: Vec<Literal>) -> Result<ClauseId> {
        self.push(literals, Vec::new())
    }

    fn push(&mut self, mut literals: Vec<Literal>, parents: Vec<ClauseId>) -> Result<ClauseId> {
        self.literals += literals.len() + parents.len();
        let found = self.literals as u64;
        within("relations between packages", MAX_LITERALS, found)?;
        // Watch true or unassigned literals first, then those assigned last.
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
        // The cast is lossless: there are fewer clauses than literals, since an empty clause is the last.
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

    /// Assigns an unassigned literal as a decision, which a conflict may undo.
    pub(super) fn decide(&mut self, literal: Literal) {
        self.decisions.push(self.trail.len());
        self.assign(literal, None);
    }

    /// Propagates all consequences. Returns whether decisions were undone.
    pub(super) fn settle(&mut self) -> Result<Result<bool, Contradiction>> {
        let mut went_back = false;
        while let Some(conflict) = self.pending.take().or_else(|| self.propagate()) {
            went_back = true;
            self.conflicts += 1;
            let what = "conflicts in dependency resolution";
            within(what, MAX_CONFLICTS, self.conflicts)?;
            if let Err(contradiction) = self.learn(conflict)? {
                return Ok(Err(contradiction));
            }
        }
        Ok(Ok(went_back))
    }

    /// Assigns literals forced by clauses. Returns a false clause, if one is found.
    fn propagate(&mut self) -> Option<ClauseId> {
        while self.head < self.trail.len() {
            let falsified = self.trail[self.head].not();
            self.head += 1;
            let watching = std::mem::take(&mut self.watches[falsified.index()]);
            let mut kept = Vec::with_capacity(watching.len());
            let mut conflict = None;
            for id in watching {
                if conflict.is_some() {
                    kept.push(id);
                    continue;
                }
                let literals = &mut self.clauses[id as usize].literals;
                if literals[0] == falsified {
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
            self.watches[falsified.index()] = kept;
            if conflict.is_some() {
                return conflict;
            }
        }
        None
    }

    /// Learns a clause from a false clause, undoes decisions, and propagates the first consequence.
    fn learn(&mut self, conflict: ClauseId) -> Result<Result<(), Contradiction>> {
        // A clause added late may be false since an earlier decision.
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
        // Clauses that forced literals without any decision.
        let mut ground: Vec<ClauseId> = Vec::new();
        // Number of literals of this level left to trace back.
        let mut open = 0;
        let mut next = self.trail.len();
        let mut clause = Some(conflict);
        let asserted = loop {
            if let Some(id) = clause {
                parents.push(id);
                for literal in &self.clauses[id as usize].literals {
                    let variable = &mut self.variables[literal.variable() as usize];
                    // The literal that a reason forced was seen before.
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
            // Latest seen literal of this level; the decision itself at the latest.
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

    /// Undoes decisions above a level.
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

    /// Returns the original clauses that a conflict without decisions follows from, in order of addition.
    fn contradiction(&self, conflict: ClauseId) -> Contradiction {
        let mut visited = vec![false; self.clauses.len()];
        let mut queue = vec![conflict];
        let mut found = Vec::new();
        // Without decisions every literal has a permanent reason. Parents of learnt clauses include the reasons of their
        // own literals.
        let mut reasons = vec![conflict];
        while let Some(id) = reasons.pop() {
            for literal in &self.clauses[id as usize].literals {
                let reason = self.variables[literal.variable() as usize].reason;
                if let Some(reason) = reason
                    && !visited[reason as usize]
                {
                    visited[reason as usize] = true;
                    reasons.push(reason);
                    queue.push(reason);
                }
            }
        }
        visited.fill(false);
        while let Some(id) = queue.pop() {
            if std::mem::replace(&mut visited[id as usize], true) {
                continue;
            }
            let parents = &self.clauses[id as usize].parents;
            queue.extend(parents);
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

    /// Returns whether any assignment satisfies all clauses, by trying each.
    fn can_hold(clauses: &[Vec<(u32, bool)>]) -> bool {
        (0..1 << VARIABLES).any(|taken| clauses.iter().all(|clause| holds(clause, taken)))
    }

    fn clauses() -> impl Strategy<Value = Vec<Vec<(u32, bool)>>> {
        let clause = prop::collection::btree_map(0..VARIABLES, any::<bool>(), 1..4);
        prop::collection::vec(clause.prop_map(|map| map.into_iter().collect()), 1..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// Adds clauses during the search, as the solver does.
        #[test]
        fn finds_an_assignment_if_there_is_one(clauses in clauses(), early in 0usize..40) {
            let mut search = Search::new(VARIABLES as usize);
            let mut queue = clauses.iter().peekable();
            let add = |search: &mut Search, clause: &Vec<(u32, bool)>| {
                let literals = clause.iter().map(|(variable, take)| match take {
                    true => Literal::take(*variable),
                    false => Literal::leave(*variable),
                });
                search.add(literals.collect()).expect("few literals");
            };
            for clause in queue.by_ref().take(early) {
                add(&mut search, clause);
            }
            let found = loop {
                match search.settle().expect("few conflicts") {
                    Err(Contradiction(core)) => break Err(core),
                    Ok(true) => continue,
                    Ok(false) => {}
                }
                let open = (0..VARIABLES).find(|variable| search.value(Literal::take(*variable)).is_none());
                // Odd variables wait for a clause, so that clauses come before and after decisions.
                let clause = queue.next_if(|_| open.is_none_or(|open| open % 2 == 1));
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
                    // Learnt clauses shift the indices: compare by content.
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
