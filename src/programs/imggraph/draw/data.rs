//! The graph as JSON.

use std::io::{self, Write};

use serde_json::{Map, Value, json as object};

use crate::error::{Error, Result};
use crate::programs::imggraph::graph::{Edge, Graph, Node};
use crate::render::human;
use crate::render::json::pretty;

/// Writes the graph as one JSON document, indented. Its keys are described in the man page and only grow.
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

/// One value after the other, so that never more than one is held.
fn list(key: &str, values: impl Iterator<Item = Value>, out: &mut dyn Write) -> io::Result<()> {
    write!(out, ",\n    \"{key}\": [")?;
    let mut any = false;
    for value in values {
        let comma = if any { "," } else { "" };
        any = true;
        // Line ends inside texts are escaped, so every one is between values.
        write!(
            out,
            "{comma}\n        {}",
            pretty(&value).replace('\n', "\n        ")
        )?;
    }
    write!(out, "{}]", if any { "\n    " } else { "" })
}

fn node(node: &Node) -> Value {
    let mut facts = Map::new();
    for (key, value) in &node.facts {
        // What can come more than once is a list.
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
                "CreatedBy": layer.made_by,
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
        "CreatedBy": node.made_by,
        "Size": node.size.map(human::size),
        "SizeBytes": node.size,
        "CumulativeBytes": node.cumulative,
        "SharedBy": node.shared_by,
        "Absent": node.absent,
        "Hidden": node.hidden,
        "Facts": facts,
        "Layers": layers,
    })
}
