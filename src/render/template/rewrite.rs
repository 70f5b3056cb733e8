//! Rewriting of `.Name` as a function call before a template runs, and checks of its names.
//!
//! gotmpl looks up fields in sorted maps that all behave alike. docker's data are Go types: an unknown
//! field is an error, an unknown label is not. So every `.A.B`, `$x.A` and `(…).A` of the parsed template becomes
//! `.field . "A" "B"`, which can tell them apart. Go also refuses unknown functions and variables when it parses, and
//! gotmpl only when it meets them; a listing without rows would never report them.

use std::collections::BTreeSet;
use std::mem;

use gotmpl::parse::{BranchNode, CommandNode, Expr, ListNode, Node, PipeNode, Pos, SmolStr};

use super::functions;

/// Rewrites the field lookups of a template, and adds its fields to `fields`.
///
/// # Errors
/// A message about an unknown function or variable.
pub(super) fn checked(mut tree: ListNode, fields: &mut Fields) -> Result<ListNode, String> {
    let mut rewrite = Rewrite::default();
    rewrite.list(&mut tree);
    fields.whole |= rewrite.fields.whole;
    fields.names.append(&mut rewrite.fields.names);
    let undeclared = rewrite
        .used
        .iter()
        .find(|name| !rewrite.declared.contains(*name));
    match (rewrite.unknown, undeclared) {
        (Some(name), _) => Err(format!("function \"{name}\" not defined")),
        (_, Some(name)) => Err(format!("undefined variable \"{name}\"")),
        _ => Ok(tree),
    }
}

/// Fields that a template uses.
#[derive(Default)]
pub(super) struct Fields {
    /// Names of fields on any level.
    pub names: BTreeSet<String>,
    /// True if it uses a whole object: `{{.}}`, `{{json .}}`, `{{template "x" .}}`.
    pub whole: bool,
}

#[derive(Default)]
struct Rewrite {
    fields: Fields,
    declared: BTreeSet<SmolStr>,
    used: BTreeSet<SmolStr>,
    unknown: Option<SmolStr>,
}

impl Rewrite {
    fn list(&mut self, list: &mut ListNode) {
        for node in &mut list.nodes {
            self.node(node);
        }
    }

    fn node(&mut self, node: &mut Node) {
        match node {
            Node::List(list) => self.list(list),
            Node::Action(action) => self.pipe(&mut action.pipe),
            Node::If(branch) | Node::With(branch) => {
                self.pipe(&mut branch.pipe);
                let pos = branch.pipe.pos;
                branch.pipe.commands.push(call(pos, functions::TRUTH, []));
                self.branch(branch);
            }
            Node::Range(branch) => {
                self.pipe(&mut branch.pipe);
                self.branch(branch);
            }
            Node::Template(call) => {
                if let Some(pipe) = &mut call.pipe {
                    self.pipe(pipe);
                }
            }
            Node::Define(define) => self.list(&mut define.body),
            Node::Text(_) | Node::Break(_) | Node::Continue(_) => {}
        }
    }

    fn branch(&mut self, branch: &mut BranchNode) {
        self.list(&mut branch.body);
        if let Some(otherwise) = &mut branch.else_body {
            self.list(otherwise);
        }
    }

    fn pipe(&mut self, pipe: &mut PipeNode) {
        self.declared.extend(pipe.decl.iter().cloned());
        let mut commands = Vec::with_capacity(pipe.commands.len());
        for mut command in pipe.commands.drain(..) {
            for argument in &mut command.args {
                self.expression(argument);
            }
            let pos = command.pos;
            if let Some(function) = taken_by(&command) {
                for argument in command.args.iter_mut().skip(1) {
                    let given = mem::replace(argument, Expr::Nil(pos));
                    *argument = as_pipe(call(pos, function, [given]));
                }
                if !commands.is_empty() {
                    commands.push(call(pos, function, []));
                }
            }
            commands.push(command);
        }
        pipe.commands = commands;
    }

    fn named(&mut self, names: &[SmolStr]) {
        let names = names.iter().map(|name| name.to_string());
        self.fields.names.extend(names);
    }

    fn expression(&mut self, expression: &mut Expr) {
        match expression {
            Expr::Field(pos, names) => {
                self.named(names);
                *expression = lookup(*pos, Expr::Dot(*pos), names);
            }
            Expr::Variable(pos, name, names) => {
                self.named(names);
                // Any other variable got its value from an expression that is looked at, too.
                self.fields.whole |= name == "$" && names.is_empty();
                if name != "$" {
                    self.used.insert(name.clone());
                }
                if !names.is_empty() {
                    let variable = Expr::Variable(*pos, name.clone(), Vec::new());
                    *expression = lookup(*pos, variable, names);
                }
            }
            Expr::Chain(pos, of, names) => {
                self.named(names);
                self.expression(of);
                // A function's name here is called by gotmpl, with the arguments that follow.
                if !matches!(**of, Expr::Identifier(..)) {
                    let of = mem::replace(&mut **of, Expr::Nil(*pos));
                    *expression = lookup(*pos, of, names);
                }
            }
            Expr::Identifier(_, name) => {
                if !functions::exists(name) {
                    self.unknown.get_or_insert(name.clone());
                }
            }
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            Expr::Dot(_) => self.fields.whole = true,
            Expr::String(..) | Expr::Number(..) | Expr::Bool(..) | Expr::Nil(_) => {}
        }
    }
}

fn lookup(pos: Pos, of: Expr, names: &[SmolStr]) -> Expr {
    let names = names
        .iter()
        .map(|name| Expr::String(pos, name.as_str().into()));
    let arguments = std::iter::once(of).chain(names);
    as_pipe(call(pos, functions::FIELD, arguments))
}

/// Returns the function for the arguments of Go's comparisons and logic, because durations are strings here.
fn taken_by(command: &CommandNode) -> Option<&'static str> {
    let Some(Expr::Identifier(_, name)) = command.args.first() else {
        return None;
    };
    match name.as_str() {
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" => Some(functions::NUMBER),
        "and" | "or" | "not" => Some(functions::TRUTH),
        _ => None,
    }
}

fn call(
    pos: Pos,
    function: &'static str,
    arguments: impl IntoIterator<Item = Expr>,
) -> CommandNode {
    let function = Expr::Identifier(pos, SmolStr::new_static(function));
    CommandNode {
        pos,
        args: std::iter::once(function).chain(arguments).collect(),
    }
}

fn as_pipe(command: CommandNode) -> Expr {
    let pos = command.pos;
    let pipe = PipeNode {
        pos,
        decl: Vec::new(),
        commands: vec![command],
        is_assign: false,
    };
    Expr::Pipe(pos, pipe)
}
