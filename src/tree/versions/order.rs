//! Names of a tree by the bytes of their paths.
//!
//! This is not the order of a walk: `a-b` comes before `a/b`, and both after `a`. A directory's own path and its
//! contents are two places among its siblings: that of `NAME` and that of `NAME/`.

use crate::tree::node::ROOT_NAME;
use crate::tree::paths::Paths;
use crate::tree::positions::PathIdx;

/// Steps of a visit to all names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visit {
    /// The next path in order.
    Path(PathIdx),
    /// The paths below this directory follow.
    Enter(PathIdx),
    /// The directory entered last has no more paths.
    Leave,
}

/// All names in order, present or not. No recursion; its memory is bounded by the depth of paths and the length of names.
pub(super) struct PathOrder<'p> {
    paths: &'p Paths,
    open: Vec<Open<'p>>,
}

/// A directory that was entered.
struct Open<'p> {
    /// Its names that were not visited.
    rest: &'p [PathIdx],
    /// Visited names whose contents were not entered. Each is the beginning of the next.
    waiting: Vec<PathIdx>,
}

impl<'p> PathOrder<'p> {
    pub(super) fn new(paths: &'p Paths) -> Self {
        PathOrder {
            paths,
            // The root is the only name of a list that is no directory.
            open: vec![Open {
                rest: std::slice::from_ref(&ROOT_NAME),
                waiting: Vec::new(),
            }],
        }
    }
}

impl Iterator for PathOrder<'_> {
    type Item = Visit;

    fn next(&mut self) -> Option<Visit> {
        let paths = self.paths;
        let top = self.open.last_mut()?;
        let next = top.rest.split_first();
        if let Some(&directory) = top.waiting.last() {
            let comes_first = |name: &[u8]| {
                let own = paths.part(directory);
                // Only a name that begins with the directory's can come before its contents.
                let behind = name.strip_prefix(own).and_then(|rest| rest.first());
                behind.is_none_or(|&byte| byte > b'/')
            };
            if next.is_none_or(|(&name, _)| comes_first(paths.part(name))) {
                top.waiting.pop();
                self.open.push(Open {
                    rest: paths.children(directory),
                    waiting: Vec::new(),
                });
                return Some(Visit::Enter(directory));
            }
        }
        let Some((&name, rest)) = next else {
            self.open.pop();
            return (!self.open.is_empty()).then_some(Visit::Leave);
        };
        top.rest = rest;
        if !paths.children(name).is_empty() {
            top.waiting.push(name);
        }
        Some(Visit::Path(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_in_the_order_of_their_bytes() {
        let mut paths = Paths::default();
        let mut expected = vec![Vec::new()];
        let mut state = 1_u64;
        for _ in 0..2000 {
            let mut name = PathIdx::ROOT;
            for _ in 0..1 + state % 4 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let length = 1 + (state >> 40) as usize % 3;
                let part: Vec<u8> = (0..length)
                    .map(|at| b"a-\xff0.+"[(state >> (44 + 5 * at)) as usize % 6])
                    .collect();
                name = paths.child(name, &part);
                expected.push(paths.path(name));
            }
        }
        expected.sort();
        expected.dedup();
        paths.seal();
        let mut depth = 0;
        let mut found = Vec::new();
        for visit in PathOrder::new(&paths) {
            match visit {
                Visit::Path(name) => found.push(paths.path(name)),
                Visit::Enter(_) => depth += 1,
                Visit::Leave => depth -= 1,
            }
        }
        assert_eq!(depth, 0);
        assert!(found.len() > 1000);
        assert_eq!(found, expected);
    }
}
