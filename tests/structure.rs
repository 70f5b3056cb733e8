//! The structure of the source: modules use those below them only, without circles, and stay small.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use crate::common::repository;

/// The most lines of a file in `src`.
const MAX_FILE: usize = 600;
/// The most lines of a function.
const MAX_FUNCTION: usize = 100;
/// Modules that all others may use.
const FOR_ALL: [&str; 5] = ["escape", "error", "index_vec", "limits", "parallel"];

/// Adds the Rust files below a directory to `found`.
pub fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            found.push(path);
        }
    }
}

/// A path as its parts: `["archive", "image", "Image"]`.
type Parts = Vec<String>;

/// One file of the library: the names that it defines, passes on and uses. Tests are left out.
#[derive(Default)]
struct Module {
    defines: BTreeSet<String>,
    /// `pub use`, by the name that it makes.
    passes_on: BTreeMap<String, Parts>,
    /// `pub use …::*`.
    passes_on_all: Vec<Parts>,
    uses: Vec<Parts>,
}

/// The modules of the library by their paths (`archive::image`).
struct Library(BTreeMap<String, Module>);

impl Library {
    fn read() -> Self {
        let top = repository("src");
        let mut files = Vec::new();
        sources(&top, &mut files);
        let mut parsed = BTreeMap::new();
        for file in files {
            let inside = file
                .strip_prefix(&top)
                .expect("below src")
                .with_extension("");
            let mut parts: Parts = inside
                .iter()
                .map(|part| part.to_str().expect("UTF-8").to_owned())
                .collect();
            if parts.last().is_some_and(|last| last == "mod") {
                parts.pop();
            }
            let is_test = parts
                .last()
                .is_some_and(|last| last == "tests" || last == "testing");
            if is_test || parts.join("::") == "lib" {
                continue;
            }
            let text = std::fs::read_to_string(&file).expect("a source");
            let syntax = syn::parse_file(&text).expect("Rust");
            parsed.insert(parts.join("::"), syntax);
        }
        let names: BTreeSet<String> = parsed.keys().cloned().collect();
        let modules = parsed.iter().map(|(path, syntax)| {
            let mut names = Names {
                known: &names,
                at: path.split("::").map(str::to_owned).collect(),
                module: Module::default(),
            };
            names.visit_file(syntax);
            (path.clone(), names.module)
        });
        Library(modules.collect())
    }

    /// The module that defines what a path names; `None` for what is not of the library.
    fn resolve(&self, parts: &[String]) -> Option<String> {
        let mut parts = parts.to_vec();
        for _ in 0..16 {
            let prefix = (1..=parts.len()).rev();
            let mut prefix = prefix.map(|n| (parts[..n].join("::"), n));
            let (path, n) = prefix.find(|(path, _)| self.0.contains_key(path))?;
            let module = &self.0[&path];
            let Some(name) = parts.get(n) else {
                return Some(path);
            };
            if let Some(target) = module.passes_on.get(name) {
                parts = [target, &parts[n + 1..]].concat();
                continue;
            }
            let in_all = |all: &&Parts| {
                let module = self.0.get(&all.join("::"));
                module.is_some_and(|m| m.defines.contains(name) || m.passes_on.contains_key(name))
            };
            match module.passes_on_all.iter().find(in_all) {
                Some(all) if !module.defines.contains(name) => {
                    parts = [all, &parts[n..]].concat();
                }
                _ => return Some(path),
            }
        }
        panic!("{parts:?} leads in a circle");
    }

    /// The modules that each one's code uses. A module that is only named on the way to another is not used.
    fn edges(&self) -> BTreeMap<&str, BTreeSet<String>> {
        let of = |path: &str, module: &Module| {
            let mut used = BTreeSet::new();
            for parts in &module.uses {
                let Some(target) = self.resolve(parts) else {
                    continue;
                };
                let is_way = parts.join("::") == target && self.0[&target].defines.is_empty();
                if target != path && !is_way {
                    used.insert(target);
                }
            }
            used
        };
        let modules = self.0.iter();
        modules
            .map(|(path, module)| (&**path, of(path, module)))
            .collect()
    }
}

/// Collects the names of one file.
struct Names<'a> {
    known: &'a BTreeSet<String>,
    at: Parts,
    module: Module,
}

impl Names<'_> {
    /// A path from the library's root; `None` for one that begins with a name from elsewhere.
    fn absolute(&self, path: &[String]) -> Option<Parts> {
        let (first, rest) = path.split_first()?;
        let mut base = self.at.clone();
        match &**first {
            "crate" => return Some(rest.to_vec()),
            "self" => return Some([base, rest.to_vec()].concat()),
            "super" => {
                let above = path.iter().take_while(|part| *part == "super").count();
                base.truncate(base.len().checked_sub(above)?);
                return Some([base, path[above..].to_vec()].concat());
            }
            _ => base.push(first.clone()),
        }
        self.known
            .contains(&base.join("::"))
            .then(|| [base, rest.to_vec()].concat())
    }

    fn add_use(&mut self, tree: &syn::UseTree, before: &[String], is_passed_on: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let (path, name) = match tree {
            syn::UseTree::Path(path) => {
                return self.add_use(&path.tree, &with(&path.ident), is_passed_on);
            }
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.add_use(item, before, is_passed_on);
                }
                return;
            }
            syn::UseTree::Glob(_) => {
                if let (Some(all), true) = (self.absolute(before), is_passed_on) {
                    self.module.passes_on_all.push(all);
                }
                return;
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                (before.to_vec(), before.last().cloned())
            }
            syn::UseTree::Name(name) => (with(&name.ident), Some(name.ident.to_string())),
            syn::UseTree::Rename(rename) if rename.ident == "self" => {
                (before.to_vec(), Some(rename.rename.to_string()))
            }
            syn::UseTree::Rename(rename) => (with(&rename.ident), Some(rename.rename.to_string())),
        };
        let (Some(path), Some(name)) = (self.absolute(&path), name) else {
            return;
        };
        match is_passed_on {
            true => drop(self.module.passes_on.insert(name, path)),
            false => self.module.uses.push(path),
        }
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        use syn::Item::{Const, Enum, Fn, Impl, Macro, Mod, Static, Struct, Trait, Type, Use};
        let (attributes, name) = match item {
            Const(item) => (&item.attrs, Some(&item.ident)),
            Enum(item) => (&item.attrs, Some(&item.ident)),
            Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Static(item) => (&item.attrs, Some(&item.ident)),
            Struct(item) => (&item.attrs, Some(&item.ident)),
            Trait(item) => (&item.attrs, Some(&item.ident)),
            Type(item) => (&item.attrs, Some(&item.ident)),
            Macro(item) => (&item.attrs, item.ident.as_ref()),
            Impl(item) => (&item.attrs, None),
            Mod(item) => (&item.attrs, None),
            Use(item) => (&item.attrs, None),
            _ => return visit::visit_item(self, item),
        };
        if is_test(attributes) {
            return;
        }
        self.module.defines.extend(name.map(ToString::to_string));
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.content.is_some() {
            self.at.push(module.ident.to_string());
            visit::visit_item_mod(self, module);
            self.at.pop();
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_passed_on = !matches!(item.vis, syn::Visibility::Inherited);
        self.add_use(&item.tree, &[], is_passed_on);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let parts = path.segments.iter().map(|part| part.ident.to_string());
            let path = self.absolute(&parts.collect::<Parts>());
            self.module.uses.extend(path);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        type Arguments = syn::punctuated::Punctuated<syn::Expr, syn::Token![,]>;
        if let Ok(arguments) = call.parse_body_with(Arguments::parse_terminated) {
            // The arguments live as long as this call only, and so does the visitor.
            for argument in &arguments {
                let mut inner = Names {
                    known: self.known,
                    at: self.at.clone(),
                    module: Module::default(),
                };
                inner.visit_expr(argument);
                self.module.uses.append(&mut inner.module.uses);
            }
        }
    }
}

/// The groups of modules each of which uses all others of its group, directly or through others.
fn circles(edges: &BTreeMap<&str, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reachable = |start: &str| {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut work: Vec<&str> = edges[start].iter().map(String::as_str).collect();
        while let Some(next) = work.pop() {
            if seen.insert(next) {
                work.extend(edges[next].iter().map(String::as_str));
            }
        }
        seen
    };
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|path| (*path, reachable(path))).collect();
    let mut found = BTreeSet::new();
    for (path, reached) in &reach {
        let circle: Vec<String> = reached
            .iter()
            .filter(|other| reach[**other].contains(path))
            .map(ToString::to_string)
            .collect();
        if !circle.is_empty() {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

/// The modules in the order of the table in `src/lib.rs`, innermost first, and the modules that each may use.
fn table() -> Vec<(String, BTreeSet<String>)> {
    let library = std::fs::read_to_string(repository("src/lib.rs")).expect("src/lib.rs");
    let rows = library
        .lines()
        .skip_while(|line| !line.starts_with("//! | module | holds | may use |"));
    let mut modules: Vec<(String, BTreeSet<String>)> = Vec::new();
    for line in rows.skip(2).map_while(|line| line.strip_prefix("//! | ")) {
        let cells: Vec<&str> = line.trim_end_matches(" |").split(" | ").collect();
        let [names, _, may_use] = cells[..] else {
            panic!("three cells: {line}");
        };
        let above = modules.iter().map(|(name, _)| name.clone());
        let allowed: BTreeSet<String> = match may_use {
            "nothing" | "nothing else" => BTreeSet::new(),
            "all above" => above.collect(),
            list => list.split(", ").map(str::to_owned).collect(),
        };
        let names = names.split("[`").skip(1);
        let names = names.filter_map(|rest| rest.split('`').next());
        modules.extend(names.map(|name| (name.to_owned(), allowed.clone())));
    }
    modules
}

#[test]
fn imports_are_resolved_through_reexports_tests_and_macros() {
    let known = ["a", "a::b", "a::c", "d"].map(str::to_owned).into();
    let read = |path: &str, text: &str| {
        let mut names = Names {
            known: &known,
            at: path.split("::").map(str::to_owned).collect(),
            module: Module::default(),
        };
        names.visit_file(&syn::parse_file(text).expect("Rust"));
        (path.to_owned(), names.module)
    };
    let library = Library(BTreeMap::from([
        read(
            "a",
            "pub mod b; mod c; pub use b::{One, Two as Other}; pub use c::*;",
        ),
        read(
            "a::b",
            "pub struct One; pub struct Two; #[cfg(test)] mod tests { use super::super::Three; }",
        ),
        read(
            "a::c",
            "use super::One; pub struct Three; use std::fmt::Debug;",
        ),
        read(
            "d",
            "use crate::a::{Other, Three}; fn f() { println!(\"{}\", crate::a::b::g()); }",
        ),
    ]));
    let edges = library.edges();
    let of = |path: &str| edges[path].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("a"), [""; 0]);
    assert_eq!(of("a::b"), [""; 0]);
    assert_eq!(of("a::c"), ["a::b"]);
    assert_eq!(of("d"), ["a::b", "a::c"]);
    assert!(circles(&edges).is_empty());
    let round = BTreeMap::from([
        ("x", BTreeSet::from(["y".to_owned()])),
        ("y", BTreeSet::from(["z".to_owned()])),
        ("z", BTreeSet::from(["x".to_owned()])),
        ("w", BTreeSet::from(["x".to_owned()])),
    ]);
    assert_eq!(circles(&round), [["x", "y", "z"]]);
}

#[test]
fn modules_use_those_that_the_table_allows() {
    let library = Library::read();
    assert!(library.0.len() > 200, "{} modules", library.0.len());
    let table = table();
    assert!(table.len() > 15, "{table:?}");
    let top = |path: &str| path.split("::").next().unwrap_or_default().to_owned();
    let mut seen = BTreeSet::new();
    for (path, used) in library.edges() {
        let module = top(path);
        let row = table.iter().find(|(name, _)| *name == module);
        let (_, allowed) = row.unwrap_or_else(|| panic!("{module} is not in the table"));
        for other in used.iter().map(|other| top(other)) {
            let is_allowed = other == module
                || allowed.contains(&other)
                || FOR_ALL.contains(&&*other) && !FOR_ALL.contains(&&*module);
            assert!(is_allowed, "{path} uses {other}");
        }
        seen.insert(module);
    }
    let listed: BTreeSet<String> = table.into_iter().map(|(name, _)| name).collect();
    assert_eq!(seen, listed);
}

#[test]
fn no_modules_use_each_other_in_a_circle() {
    let library = Library::read();
    let circles = circles(&library.edges());
    assert!(
        circles.is_empty(),
        "{} circles: {circles:#?}",
        circles.len()
    );
}

#[test]
fn programs_are_thin_and_use_no_other_program() {
    let mut files = Vec::new();
    sources(&repository("bin"), &mut files);
    assert_eq!(files.len(), 22, "{files:?}");
    for main in &files {
        let text = std::fs::read_to_string(main).expect("a main");
        let lines = text.lines().count();
        assert!(lines <= 15, "{}: {lines} lines", main.display());
    }
    let library = Library::read();
    let program = |path: &str| {
        let rest = path.strip_prefix("programs::")?;
        Some(rest.split("::").next().unwrap_or_default().to_owned())
    };
    for (path, used) in library.edges() {
        let Some(own) = program(path) else { continue };
        for other in used.iter().filter_map(|used| program(used)) {
            assert_eq!(own, other, "{path}");
        }
    }
}

#[test]
fn files_and_functions_stay_small() {
    let mut files = Vec::new();
    sources(&repository("src"), &mut files);
    let mut long = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source");
        let lines: Vec<&str> = text.lines().collect();
        let name = file.strip_prefix(repository("src")).expect("below src");
        if lines.len() > MAX_FILE {
            long.push(format!("{}: {} lines", name.display(), lines.len()));
        }
        // rustfmt closes a function in the column in which it begins.
        for (start, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            let is_function = code.split('(').next().is_some_and(|head| {
                let words: Vec<&str> = head.split_whitespace().collect();
                let is_named = words.windows(2).any(|pair| pair[0] == "fn");
                is_named && !code.starts_with("//")
            });
            if !is_function || line.ends_with(['}', ';']) {
                continue;
            }
            let end = format!("{}}}", &line[..line.len() - code.len()]);
            let length = lines[start..].iter().position(|line| *line == end);
            if length.is_some_and(|length| length >= MAX_FUNCTION) {
                long.push(format!("{}: {code}", name.display()));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}
