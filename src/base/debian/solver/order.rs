//! Installation order of packages.

use std::collections::BTreeSet;

use super::solution::{Reached, Reason, Solution, Taken};
use super::universe::Universe;

/// Sorts packages into installation order and renumbers their reasons accordingly.
pub(super) fn ordered(universe: &Universe<'_>, reached: Vec<Reached>) -> Solution {
    let order = installation_order(universe, &reached);
    let mut positions = vec![0; reached.len()];
    for (place, one) in order.iter().enumerate() {
        positions[*one] = place;
    }
    let mut taken: Vec<(usize, Taken)> = Vec::with_capacity(reached.len());
    for (one, mut reached) in reached.into_iter().enumerate() {
        if let Reason::Needed { by, .. } = &mut reached.reason {
            *by = positions[*by];
        }
        let choice = reached.choice;
        let source = universe.source(choice);
        let reason = reached.reason;
        taken.push((
            positions[one],
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

/// Returns indices of packages in installation order: dependencies come first. In a cycle, packages with the fewest open
/// pre-dependencies come first, then those with the fewest open dependencies. Ties: essential packages first, then by
/// name.
fn installation_order(universe: &Universe<'_>, reached: &[Reached]) -> Vec<usize> {
    let key = |place: usize| {
        let candidate = universe.candidate(reached[place].choice);
        (
            !candidate.is_essential,
            candidate.name,
            reached[place].choice,
        )
    };
    let mut roots: Vec<usize> = (0..reached.len()).collect();
    roots.sort_by_key(|place| key(*place));
    let mut rank = vec![0; reached.len()];
    for (i, place) in roots.iter().enumerate() {
        rank[*place] = i;
    }
    let mut order = Vec::with_capacity(reached.len());
    for cycle in components(reached, &roots) {
        match cycle[..] {
            [one] => order.push(one),
            _ => order_cycle(reached, &cycle, &rank, &mut order),
        }
    }
    order
}

/// Returns the indices of all dependencies of a package.
fn edges(reached: &Reached) -> impl Iterator<Item = usize> {
    reached.pre_depends.iter().chain(&reached.depends).copied()
}

/// Returns the strongly connected components, dependencies first: Tarjan's algorithm with an explicit stack.
fn components(reached: &[Reached], roots: &[usize]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let mut number = vec![NEW; reached.len()];
    let mut low = vec![0; reached.len()];
    let mut is_open = vec![false; reached.len()];
    let mut open = Vec::new();
    let mut found = Vec::new();
    let mut count = 0;
    for root in roots {
        if number[*root] != NEW {
            continue;
        }
        let mut calls = vec![(*root, edges(&reached[*root]))];
        while let Some((place, rest)) = calls.last_mut() {
            let place = *place;
            if number[place] == NEW {
                number[place] = count;
                low[place] = count;
                count += 1;
                open.push(place);
                is_open[place] = true;
            }
            match rest.next() {
                Some(next) if number[next] == NEW => calls.push((next, edges(&reached[next]))),
                Some(next) if is_open[next] => low[place] = low[place].min(number[next]),
                Some(_) => {}
                None => {
                    calls.pop();
                    if let Some((above, _)) = calls.last() {
                        low[*above] = low[*above].min(low[place]);
                    }
                    if low[place] == number[place] {
                        let start = open.iter().rposition(|one| *one == place).unwrap_or(0);
                        let part = open.split_off(start);
                        for one in &part {
                            is_open[*one] = false;
                        }
                        found.push(part);
                    }
                }
            }
        }
    }
    found
}

/// Appends the packages of a cycle to the order.
fn order_cycle(reached: &[Reached], cycle: &[usize], rank: &[usize], order: &mut Vec<usize>) {
    let members: BTreeSet<usize> = cycle.iter().copied().collect();
    let within = |positions: &[usize], of: usize| -> BTreeSet<usize> {
        let positions = positions.iter().copied();
        positions
            .filter(|one| *one != of && members.contains(one))
            .collect()
    };
    // Open pre-dependencies and dependencies of each package within the cycle, and the packages that wait for it.
    let mut waits = vec![(0usize, 0usize); reached.len()];
    let mut waiting: Vec<Vec<(usize, bool)>> = vec![Vec::new(); reached.len()];
    for one in cycle {
        let before = within(&reached[*one].pre_depends, *one);
        let depends = within(&reached[*one].depends, *one);
        waits[*one] = (before.len(), depends.len());
        for other in before {
            waiting[other].push((*one, true));
        }
        for other in depends {
            waiting[other].push((*one, false));
        }
    }
    let mut ready: BTreeSet<((usize, usize), usize, usize)> = cycle
        .iter()
        .map(|one| (waits[*one], rank[*one], *one))
        .collect();
    while let Some((_, _, one)) = ready.pop_first() {
        order.push(one);
        for (other, before) in std::mem::take(&mut waiting[one]) {
            if !ready.remove(&(waits[other], rank[other], other)) {
                continue;
            }
            match before {
                true => waits[other].0 -= 1,
                false => waits[other].1 -= 1,
            }
            ready.insert((waits[other], rank[other], other));
        }
    }
}
