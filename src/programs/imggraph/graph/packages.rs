//! The view of packages: dependencies inside one image.

use std::collections::{HashMap, HashSet};

use super::{Edge, EdgeKind, Graph, Node, NodeKind, SizeOf, Totals, View};
use crate::packages::{Manager, Need, Package, Packages};

/// Limit on the packages whose cumulative sizes are computed, in quadratic time.
const MAX_SUMS: usize = 5_000;

/// Returns the graph of packages and their dependencies. Unsatisfied dependencies are facts of the package.
///
/// Of alternatives the first installed one counts; a package of that name precedes one that provides it, and of several
/// that provide it the first by name is taken. Dependencies of npm packages are resolved as by Node, from the directory
/// upward.
pub fn packages(packages: &Packages) -> Graph {
    let list = &packages.list;
    let names = Names::of(list);
    let mut graph = Graph {
        view: View::Packages,
        size_of: SizeOf::Raw,
        nodes: Vec::with_capacity(list.len()),
        edges: Vec::new(),
        totals: Totals::default(),
    };
    let mut ids: HashMap<String, usize> = HashMap::new();
    for (i, package) in list.iter().enumerate() {
        let mut seen = HashSet::new();
        let mut unmet: Vec<String> = Vec::new();
        for alternatives in &package.depends {
            match alternatives
                .iter()
                .find_map(|need| names.find(list, i, need))
            {
                Some(to) if to == i => {}
                Some(to) => {
                    if seen.insert(to) {
                        graph.edges.push(Edge {
                            from: i,
                            to,
                            kind: EdgeKind::DependsOn,
                        });
                    }
                }
                None => unmet.push(dependency_text(alternatives)),
            }
        }
        graph.nodes.push(node(package, unmet, &mut ids));
    }
    for edge in &graph.edges {
        graph.nodes[edge.to].shared_by += 1;
    }
    sum_up(&mut graph);
    graph.totals.images = 1;
    graph.totals.layers = list.len();
    for package in list {
        let size = package.size.unwrap_or_default();
        graph.totals.once = graph.totals.once.saturating_add(size);
        graph.totals.unknown += usize::from(package.size.is_none());
    }
    graph.totals.all = graph.totals.once;
    graph
}

/// Returns the text of a dependency.
fn dependency_text(alternatives: &[Need]) -> String {
    let words = alternatives
        .iter()
        .map(|need| match need.version.is_empty() {
            true => need.name.clone(),
            false => format!("{} ({})", need.name, need.version),
        });
    words.collect::<Vec<_>>().join(" | ")
}

fn node(package: &Package, unmet: Vec<String>, ids: &mut HashMap<String, usize>) -> Node {
    let mut id = format!("package:{}:{}", package.manager.name(), package.name);
    for part in [&package.architecture, &package.version] {
        if !part.is_empty() {
            id = format!("{id}:{part}");
        }
    }
    // One version may be installed several times.
    let twins = ids.entry(id.clone()).or_default();
    *twins += 1;
    if *twins > 1 {
        id = format!("{id}#{twins}");
    }
    let mut facts = vec![("manager", package.manager.name().to_owned())];
    for (key, value) in [
        ("architecture", &package.architecture),
        ("source", &package.source),
        ("place", &package.place),
    ] {
        if !value.is_empty() {
            facts.push((key, value.clone()));
        }
    }
    facts.extend(unmet.into_iter().map(|need| ("unmet", need)));
    Node {
        id,
        kind: NodeKind::Package,
        names: vec![package.name.clone()],
        label: "package".into(),
        digest: package.version.clone(),
        size: package.size,
        facts,
        ..Node::default()
    }
}

/// Computes the size of each package with all its dependencies.
fn sum_up(graph: &mut Graph) {
    if graph.nodes.len() > MAX_SUMS {
        return;
    }
    let mut next = vec![Vec::new(); graph.nodes.len()];
    for edge in &graph.edges {
        next[edge.from].push(edge.to);
    }
    let mut seen = vec![usize::MAX; graph.nodes.len()];
    for i in 0..graph.nodes.len() {
        let mut work = vec![i];
        seen[i] = i;
        let mut sum = Some(0u64);
        while let Some(at) = work.pop() {
            sum = sum
                .zip(graph.nodes[at].size)
                .map(|(a, b)| a.saturating_add(b));
            for &to in &next[at] {
                if seen[to] != i {
                    seen[to] = i;
                    work.push(to);
                }
            }
        }
        graph.nodes[i].cumulative = sum;
    }
}

/// Packages by name.
struct Names<'a> {
    /// Packages by their own names.
    own: HashMap<(Manager, &'a str), usize>,
    /// Packages by provided names.
    provided: HashMap<(Manager, &'a str), usize>,
    /// npm packages by the path of their metadata file.
    paths: HashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    fn of(list: &'a [Package]) -> Self {
        let mut names = Names {
            own: HashMap::new(),
            provided: HashMap::new(),
            paths: HashMap::new(),
        };
        for (i, package) in list.iter().enumerate() {
            names
                .own
                .entry((package.manager, &package.name))
                .or_insert(i);
            for name in &package.provides {
                names.provided.entry((package.manager, name)).or_insert(i);
            }
            if package.manager == Manager::Npm {
                names.paths.entry(&package.place).or_insert(i);
            }
        }
        names
    }

    fn find(&self, list: &[Package], from: usize, need: &Need) -> Option<usize> {
        let package = &list[from];
        if package.manager == Manager::Npm {
            return self.find_npm(package, need);
        }
        let key = (package.manager, need.name.as_str());
        self.own
            .get(&key)
            .or_else(|| self.provided.get(&key))
            .copied()
    }

    /// Searches `node_modules` of the package's directory, then of each directory above it.
    fn find_npm(&self, package: &Package, need: &Need) -> Option<usize> {
        let mut directory = package.place.strip_suffix("/package.json")?;
        loop {
            let path = match directory.ends_with("node_modules") {
                true => format!("{directory}/{}/package.json", need.name),
                false => format!("{directory}/node_modules/{}/package.json", need.name),
            };
            if let Some(&found) = self.paths.get(path.trim_start_matches('/')) {
                return Some(found);
            }
            if directory.is_empty() {
                return None;
            }
            directory = directory.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }
}
