//! The order in which packages are installed.

use std::collections::BTreeSet;

use super::{Reached, Universe};

/// The places of packages in the order of installation: whatever a package depends on comes before it, and of a circle
/// first what the others pre-depend on, then what waits for the fewest. Where all that leaves a choice, essential packages
/// and names in their order decide.
pub(super) fn of(universe: &Universe<'_>, reached: &[Reached]) -> Vec<usize> {
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
    for circle in circles(reached, &roots) {
        match circle[..] {
            [one] => order.push(one),
            _ => break_circle(reached, &circle, &rank, &mut order),
        }
    }
    order
}

fn edges(reached: &Reached) -> impl Iterator<Item = usize> {
    reached.pre_depends.iter().chain(&reached.depends).copied()
}

/// The strongly connected parts, what is depended on first: Tarjan's algorithm with a stack of its own.
fn circles(reached: &[Reached], roots: &[usize]) -> Vec<Vec<usize>> {
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

/// Orders the packages of a circle.
fn break_circle(reached: &[Reached], circle: &[usize], rank: &[usize], order: &mut Vec<usize>) {
    let members: BTreeSet<usize> = circle.iter().copied().collect();
    let within = |places: &[usize], of: usize| -> BTreeSet<usize> {
        let places = places.iter().copied();
        places
            .filter(|one| *one != of && members.contains(one))
            .collect()
    };
    // How many of the circle each waits for, and who waits for it.
    let mut waits = vec![(0usize, 0usize); reached.len()];
    let mut waiting: Vec<Vec<(usize, bool)>> = vec![Vec::new(); reached.len()];
    for one in circle {
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
    let mut ahead: BTreeSet<((usize, usize), usize, usize)> = circle
        .iter()
        .map(|one| (waits[*one], rank[*one], *one))
        .collect();
    while let Some((_, _, one)) = ahead.pop_first() {
        order.push(one);
        for (other, before) in std::mem::take(&mut waiting[one]) {
            if !ahead.remove(&(waits[other], rank[other], other)) {
                continue;
            }
            match before {
                true => waits[other].0 -= 1,
                false => waits[other].1 -= 1,
            }
            ahead.insert((waits[other], rank[other], other));
        }
    }
}
