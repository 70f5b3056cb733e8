//! Where boxes go: ranks in the direction of drawing, rows across it, no two boxes in one place.
//!
//! A node's rank is the length of the longest way to it. Each node hangs on one of those before it, which makes a
//! forest; a node without followers gets a row of its own, and one with followers stands in the middle of theirs. So the
//! rows of two nodes of one rank are never the same: those of their followers lie apart.

use super::RankDir;
use crate::programs::imggraph::graph::Graph;

/// The width and height of a box.
pub(super) const BOX: (f64, f64) = (252.0, 66.0);
/// Room between boxes of one rank, and between ranks.
const GAP: f64 = 14.0;
const RANK_GAP: f64 = 56.0;
/// Room around everything, and above it for a heading.
pub(super) const MARGIN: f64 = 20.0;
pub(super) const HEAD: f64 = 56.0;

/// The places of all boxes.
#[derive(Debug)]
pub(super) struct Layout {
    /// The upper left corner of each.
    pub at: Vec<(f64, f64)>,
    /// The width and height of the whole.
    pub size: (f64, f64),
    /// The rank of each: how far it is from where the drawing begins.
    pub rank: Vec<usize>,
}

/// Places the boxes of a graph, `head` below the upper edge. Costs time and memory in proportion to nodes and edges.
pub(super) fn layout(graph: &Graph, rankdir: RankDir, head: f64) -> Layout {
    let count = graph.nodes.len();
    let (next, _) = graph.steps();
    let (rank, hangs_on) = ranks(&next);
    let mut under = vec![Vec::new(); count];
    let mut roots = Vec::new();
    for (i, parent) in hangs_on.iter().enumerate() {
        match parent {
            Some(parent) => under[*parent].push(i),
            None => roots.push(i),
        }
    }
    // Rows from the ends of branches inward, without recursion: a node is done when its followers are.
    let mut row = vec![0.0; count];
    let mut rows: f64 = 0.0;
    let mut work: Vec<(usize, bool)> = roots.iter().rev().map(|&root| (root, false)).collect();
    while let Some((i, followers_done)) = work.pop() {
        match (under[i].as_slice(), followers_done) {
            ([], _) => {
                row[i] = rows;
                rows += 1.0;
            }
            ([first, .., last], true) => row[i] = (row[*first] + row[*last]) / 2.0,
            ([only], true) => row[i] = row[*only],
            (followers, false) => {
                work.push((i, true));
                work.extend(followers.iter().rev().map(|&follower| (follower, false)));
            }
        }
    }
    let ranks = rank.iter().max().map_or(0, |most| most + 1);
    let across = |extent: f64| rows.max(1.0) * (extent + GAP) - GAP;
    let along = |extent: f64| (ranks.max(1) as f64) * (extent + RANK_GAP) - RANK_GAP;
    let (width, height) = BOX;
    let is_flat = matches!(rankdir, RankDir::LeftToRight | RankDir::RightToLeft);
    let inner = match is_flat {
        true => (along(width), across(height)),
        false => (across(width), along(height)),
    };
    let place = |i: usize| {
        let (rank, row) = (rank[i] as f64, row[i]);
        let (x, y) = match is_flat {
            true => (rank * (width + RANK_GAP), row * (height + GAP)),
            false => (row * (width + GAP), rank * (height + RANK_GAP)),
        };
        let (x, y) = match rankdir {
            RankDir::LeftToRight | RankDir::TopToBottom => (x, y),
            RankDir::RightToLeft => (inner.0 - width - x, y),
            RankDir::BottomToTop => (x, inner.1 - height - y),
        };
        (x + MARGIN, y + MARGIN + head)
    };
    Layout {
        at: (0..count).map(place).collect(),
        size: (inner.0 + 2.0 * MARGIN, inner.1 + 2.0 * MARGIN + head),
        rank,
    }
}

/// The rank of each node and the node it hangs on, which is one rank before it. Edges that close a circle do not count.
fn ranks(next: &[Vec<usize>]) -> (Vec<usize>, Vec<Option<usize>>) {
    let count = next.len();
    let mut is_follower = vec![false; count];
    for &i in next.iter().flatten() {
        is_follower[i] = true;
    }
    // Where a circle hangs on nothing it begins at its first node.
    let mut starts: Vec<usize> = (0..count).filter(|&i| !is_follower[i]).collect();
    starts.extend((0..count).filter(|&i| is_follower[i]));
    // 0 new, 1 on the way, 2 done; `order` has what is done, followers first.
    let mut state = vec![0u8; count];
    let mut order = Vec::with_capacity(count);
    let mut forward: Vec<Vec<usize>> = vec![Vec::new(); count];
    for start in starts {
        if state[start] != 0 {
            continue;
        }
        state[start] = 1;
        let mut work = vec![(start, 0)];
        while let Some((i, at)) = work.pop() {
            match next[i].get(at) {
                None => {
                    state[i] = 2;
                    order.push(i);
                }
                Some(&follower) => {
                    work.push((i, at + 1));
                    if state[follower] != 1 {
                        forward[i].push(follower);
                    }
                    if state[follower] == 0 {
                        state[follower] = 1;
                        work.push((follower, 0));
                    }
                }
            }
        }
    }
    let mut rank = vec![0; count];
    let mut hangs_on = vec![None; count];
    for &i in order.iter().rev() {
        for &follower in &forward[i] {
            if rank[i] + 1 > rank[follower] {
                rank[follower] = rank[i] + 1;
                hangs_on[follower] = Some(i);
            }
        }
    }
    (rank, hangs_on)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_and_diamonds_have_ranks() {
        // 0 -> 1 -> 3, 0 -> 2 -> 1, 3 -> 1 closes a circle; 4 <-> 5 stand alone.
        let next = vec![vec![1, 2], vec![3], vec![1], vec![1], vec![5], vec![4]];
        let (rank, hangs_on) = ranks(&next);
        assert_eq!(rank, [0, 2, 1, 3, 0, 1]);
        assert_eq!(hangs_on, [None, Some(2), Some(0), Some(1), None, Some(4)]);
    }
}
