//! Order of tests: the cheapest first, wherever the result is the same.

use super::expression::Node;
use super::test::{Cost, Test};

/// Sorts the operands of all operators.
pub(super) fn order(node: &mut Node) {
    match node {
        Node::Not(inner) => order(inner),
        Node::List(nodes) => nodes.iter_mut().for_each(order),
        Node::And(nodes) | Node::Or(nodes) => {
            nodes.iter_mut().for_each(order);
            // What acts stays where it is, and so does what stands before and after it.
            for run in nodes.split_mut(|node| !is_pure(node)) {
                run.sort_by_key(cost);
            }
        }
        Node::Test(_) | Node::Act(_) => {}
    }
}

/// Tests if evaluation has no effect but its result.
fn is_pure(node: &Node) -> bool {
    match node {
        Node::Test(_) => true,
        Node::Act(_) => false,
        Node::Not(inner) => is_pure(inner),
        Node::And(nodes) | Node::Or(nodes) | Node::List(nodes) => nodes.iter().all(is_pure),
    }
}

fn cost(node: &Node) -> Cost {
    match node {
        Node::Test(test) => Test::cost(test),
        Node::Act(_) => Cost::Field,
        Node::Not(inner) => cost(inner),
        Node::And(nodes) | Node::Or(nodes) | Node::List(nodes) => {
            nodes.iter().map(cost).max().unwrap_or(Cost::Field)
        }
    }
}
