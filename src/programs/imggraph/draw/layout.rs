//! Positions of boxes: ranks in the direction of the drawing, rows across it, without overlaps.
//!
//! The rank of a node is the length of the longest path to it. Each node has one of its predecessors as parent, which
//! makes a forest; a leaf gets a row of its own, any other node the middle of its children's rows. So two nodes of one
//! rank never have the same row: their children's rows are apart.

use super::labels::RankDir;
use crate::programs::imggraph::graph::Graph;

/// Width and height of a box.
pub(super) const BOX: (f64, f64) = (252.0, 66.0);
/// Space between boxes of one rank.
const GAP: f64 = 14.0;
/// Space between ranks.
const RANK_GAP: f64 = 56.0;
/// Space around the drawing.
pub(super) const MARGIN: f64 = 20.0;
/// Space above it for a heading.
pub(super) const HEAD: f64 = 56.0;

/// Positions of all boxes.
#[derive(Debug)]
pub(super) struct Layout {
    /// Upper left corner of each box.
    pub at: Vec<(f64, f64)>,
    /// Width and height of the drawing.
    pub size: (f64, f64),
    /// Rank of each box.
    pub rank: Vec<usize>,
}

/// Places the boxes of a graph, `head` below the upper edge. Takes time and memory in proportion to nodes and edges.
pub(super) fn layout(graph: &Graph, rankdir: RankDir, head: f64) -> Layout {
    let count = graph.nodes.len();
    let (next, _) = graph.neighbors();
    let (rank, parents) = ranks(&next);
    let mut under = vec![Vec::new(); count];
    let mut roots = Vec::new();
    for (i, parent) in parents.iter().enumerate() {
        match parent {
            Some(parent) => under[*parent].push(i),
            None => roots.push(i),
        }
    }
    // Rows from the leaves inward, without recursion: a node is done after its children.
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
    let position = |i: usize| {
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
        at: (0..count).map(position).collect(),
        size: (inner.0 + 2.0 * MARGIN, inner.1 + 2.0 * MARGIN + head),
        rank,
    }
}

/// Returns the rank of each node and its parent, which is one rank before it. Edges that close a cycle do not count.
fn ranks(next: &[Vec<usize>]) -> (Vec<usize>, Vec<Option<usize>>) {
    let count = next.len();
    let mut is_follower = vec![false; count];
    for &i in next.iter().flatten() {
        is_follower[i] = true;
    }
    // Where a circle hangs on nothing it begins at its first node.
    let mut starts: Vec<usize> = (0..count).filter(|&i| !is_follower[i]).collect();
    starts.extend((0..count).filter(|&i| is_follower[i]));
    // 0 new, 1 in progress, 2 done; `order` has the finished nodes, followers first.
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
    let mut parents = vec![None; count];
    for &i in order.iter().rev() {
        for &follower in &forward[i] {
            if rank[i] + 1 > rank[follower] {
                rank[follower] = rank[i] + 1;
                parents[follower] = Some(i);
            }
        }
    }
    (rank, parents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_and_diamonds_have_ranks() {
        // 0 -> 1 -> 3, 0 -> 2 -> 1, 3 -> 1 closes a cycle; 4 <-> 5 are separate.
        let next = vec![vec![1, 2], vec![3], vec![1], vec![1], vec![5], vec![4]];
        let (rank, parents) = ranks(&next);
        assert_eq!(rank, [0, 2, 1, 3, 0, 1]);
        assert_eq!(parents, [None, Some(2), Some(0), Some(1), None, Some(4)]);
    }
}
