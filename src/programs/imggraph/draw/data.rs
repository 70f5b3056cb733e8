//! JSON document.

use std::io::{self, Write};

use serde_json::{Map, Value, json as object};

use crate::error::{Error, Result};
use crate::programs::imggraph::graph::{Edge, Graph, Node};
use crate::render::human;
use crate::render::json::pretty;

/// Writes the graph as one JSON document, indented. The man page describes its keys; new ones may be added.
///
/// # Errors
/// `Io` of the writer.
pub fn json(graph: &Graph, out: &mut dyn Write) -> Result<()> {
    let totals = &graph.totals;
    let head = object!({
        "View": graph.view.name(),
        "SizeOf": graph.size_of.name(),
        "Totals": {
            "Images": totals.images,
            "Layers": totals.layers,
            "AllBytes": totals.all,
            "OnceBytes": totals.once,
            "SavedBytes": totals.saved(),
            "UnknownSizes": totals.unknown,
        },
    });
    let write = |error| Error::io("write", error);
    let head = pretty(&head);
    let head = head.trim_end_matches("\n}");
    write!(out, "{head}").map_err(write)?;
    let edge = |edge: &Edge| {
        object!({
            "From": graph.nodes[edge.from].id,
            "To": graph.nodes[edge.to].id,
            "Kind": edge.kind.name(),
        })
    };
    list("Nodes", graph.nodes.iter().map(node), out).map_err(write)?;
    list("Edges", graph.edges.iter().map(edge), out).map_err(write)?;
    writeln!(out, "\n}}").map_err(write)
}

/// Writes a list value by value, so that one value at a time is in memory.
fn list(key: &str, values: impl Iterator<Item = Value>, out: &mut dyn Write) -> io::Result<()> {
    write!(out, ",\n    \"{key}\": [")?;
    let mut any = false;
    for value in values {
        let comma = if any { "," } else { "" };
        any = true;
        // Line ends inside texts are escaped, so all others are between values.
        write!(
            out,
            "{comma}\n        {}",
            pretty(&value).replace('\n', "\n        ")
        )?;
    }
    write!(out, "{}]", if any { "\n    " } else { "" })
}

/// Returns a node as JSON.
fn node(node: &Node) -> Value {
    let mut facts = Map::new();
    for (key, value) in &node.facts {
        // A key that can occur several times has a list.
        match facts.get_mut(*key) {
            Some(Value::Array(list)) => list.push(value.clone().into()),
            Some(_) => {}
            None if *key == "unmet" => {
                facts.insert((*key).to_owned(), vec![Value::from(value.clone())].into());
            }
            None => {
                facts.insert((*key).to_owned(), value.clone().into());
            }
        }
    }
    let layers: Vec<Value> = node
        .layers
        .iter()
        .map(|layer| {
            let text = |text: &str| match text {
                "" => Value::Null,
                text => text.into(),
            };
            object!({
                "Number": layer.number,
                "ChainID": text(&layer.chain_id),
                "DiffID": text(&layer.diff_id),
                "LayerDigest": text(&layer.digest),
                "CreatedBy": layer.created_by,
                "SizeBytes": layer.size,
            })
        })
        .collect();
    object!({
        "ID": node.id,
        "Kind": node.kind.name(),
        "Names": node.names,
        "Label": node.label,
        "Digest": node.digest,
        "CreatedBy": node.created_by,
        "Size": node.size.map(human::size),
        "SizeBytes": node.size,
        "CumulativeBytes": node.cumulative,
        "SharedBy": node.shared_by,
        "Absent": node.missing,
        "Hidden": node.hidden,
        "Facts": facts,
        "Layers": layers,
    })
}
