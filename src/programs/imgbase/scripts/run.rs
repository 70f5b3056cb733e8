//! What a maintainer script comes down to on a first installation, worked out without running it.
//!
//! A script is walked with the arguments that dpkg gives (`configure ""`, `install`); what can be known is: arguments,
//! variables set from known text, files of the tree, accounts, answers of debconf (a template's default), versions. Where
//! a condition is known, only one branch is walked; where it is not, all are. What comes out are the commands that are
//! left, with their words as far as they are known.

use std::collections::BTreeMap;

use super::shell::{MAX_DEPTH, Node, Part, Redirect, Word, parse};
use crate::base::debian::Unpacked;
use crate::base::rootfs::{Kind, Rootfs};

/// How many commands are walked before the rest is given up: the longest real script has hundreds.
const MAX_STEPS: usize = 20_000;
/// How much of a file of the tree is looked at.
const MAX_FILE: u64 = 1 << 20;

/// How the name of a temporary file begins: there is none until the script is run.
pub(in crate::programs::imgbase) const MADE_UP: &str = "/tmp/made-by-mktemp.";

/// A command that a script would run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::programs::imgbase) struct Effect {
    /// Its line, counted from 1.
    pub line: usize,
    /// Its words; `None` for one that is not known.
    pub words: Vec<Option<String>>,
    /// The files it writes to, and whether it adds to them.
    pub outputs: Vec<(Option<String>, bool)>,
    /// The text it is given, if that is written in the script.
    pub input: Option<String>,
    /// Whether it is run in any case.
    pub certain: bool,
    /// Permissions that new files do not get.
    pub umask: u16,
}

impl Effect {
    /// The words if all are known.
    pub fn literal(&self) -> Option<Vec<&str>> {
        self.words.iter().map(Option::as_deref).collect()
    }

    /// The first word, if it is known.
    pub fn name(&self) -> &str {
        let first = self.words.first().and_then(Option::as_deref);
        first.unwrap_or_default()
    }
}

/// Walks a script.
///
/// # Errors
/// The line and what was not understood there; line 0 for what is no script of the shell.
pub(in crate::programs::imgbase) fn effects(
    script: &str,
    args: &[&str],
    package: &Unpacked,
    rootfs: &Rootfs,
) -> Result<Vec<Effect>, (usize, &'static str)> {
    let first = script.lines().next().unwrap_or_default();
    let shells = [
        "/bin/sh",
        "/bin/bash",
        "/bin/dash",
        "/usr/bin/sh",
        "/usr/bin/bash",
    ];
    let program = first.strip_prefix("#!").map(str::trim).unwrap_or_default();
    let program = program.split_ascii_whitespace().next().unwrap_or_default();
    if !shells.contains(&program) {
        return Err((0, "not a script of the shell"));
    }
    let tree = parse(script)?;
    let mut walk = Walk {
        rootfs,
        package,
        templates: templates(package),
        vars: BTreeMap::new(),
        functions: BTreeMap::new(),
        args: args.iter().map(|arg| Some((*arg).to_owned())).collect(),
        out: Vec::new(),
        steps: 0,
        depth: 0,
        umask: 0o022,
    };
    for (name, value) in [
        ("DPKG_ROOT", ""),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DPKG_MAINTSCRIPT_NAME", ""),
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ] {
        walk.vars.insert(name.to_owned(), Some(value.to_owned()));
    }
    let (name, arch) = (package.name().to_owned(), package.architecture().to_owned());
    walk.vars
        .insert("DPKG_MAINTSCRIPT_PACKAGE".to_owned(), Some(name));
    walk.vars
        .insert("DPKG_MAINTSCRIPT_ARCH".to_owned(), Some(arch));
    walk.node(&tree, true);
    match walk.steps > MAX_STEPS {
        true => Err((0, "longer than any real one")),
        false => Ok(walk.out),
    }
}

/// The defaults of a package's debconf questions.
fn templates(package: &Unpacked) -> BTreeMap<String, String> {
    let mut defaults = BTreeMap::new();
    let Some(member) = package.members.get("templates") else {
        return defaults;
    };
    let mut name = String::new();
    for line in String::from_utf8_lossy(&member.bytes).lines() {
        if let Some(template) = line.strip_prefix("Template:") {
            name = template.trim().to_owned();
            defaults.insert(name.clone(), String::new());
        } else if let Some(default) = line.strip_prefix("Default:") {
            defaults.insert(name.clone(), default.trim().to_owned());
        }
    }
    defaults
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Yes,
    No,
    Maybe,
}

impl Status {
    fn not(self) -> Self {
        match self {
            Status::Yes => Status::No,
            Status::No => Status::Yes,
            Status::Maybe => Status::Maybe,
        }
    }
}

impl From<bool> for Status {
    fn from(is: bool) -> Self {
        if is { Status::Yes } else { Status::No }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy)]
struct Flow {
    status: Status,
    /// Whether nothing follows: `exit`, or `return` in a function.
    left: Option<Leaving>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// One round of a loop, or all of it.
    Loop,
    Function,
    Script,
}

fn on(status: Status) -> Flow {
    Flow { status, left: None }
}

struct Walk<'a> {
    rootfs: &'a Rootfs,
    package: &'a Unpacked,
    templates: BTreeMap<String, String>,
    vars: BTreeMap<String, Option<String>>,
    functions: BTreeMap<String, Node>,
    args: Vec<Option<String>>,
    out: Vec<Effect>,
    steps: usize,
    /// Calls and substitutions inside each other.
    depth: usize,
    umask: u16,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node, certain: bool) -> Flow {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Flow {
                status: Status::Maybe,
                left: Some(Leaving::Script),
            };
        }
        match node {
            Node::Simple {
                line,
                assigns,
                words,
                redirects,
            } => self.simple(*line, assigns, words, redirects, certain),
            Node::List(nodes) => {
                let mut flow = on(Status::Yes);
                for node in nodes {
                    flow = self.node(node, certain);
                    if flow.left.is_some() {
                        break;
                    }
                }
                flow
            }
            Node::And(left, right) => self.either(left, right, Status::No, certain),
            Node::Or(left, right) => self.either(left, right, Status::Yes, certain),
            Node::Not(inner) => {
                let flow = self.node(inner, certain);
                Flow {
                    status: flow.status.not(),
                    ..flow
                }
            }
            Node::Pipe(nodes) => {
                for node in nodes {
                    self.aside(node, certain);
                }
                on(Status::Maybe)
            }
            Node::Sub(inner) => {
                let vars = self.vars.clone();
                let flow = self.node(inner, certain);
                self.vars = vars;
                on(flow.status)
            }
            Node::If(arms, otherwise) => self.branches(arms, otherwise.as_deref(), certain),
            Node::Case(word, arms) => self.case(word, arms, certain),
            Node::Loop(condition, body) => {
                self.forget(body);
                self.forget(condition);
                let flow = self.node(condition, certain);
                if flow.left.is_none() {
                    self.aside(body, false);
                }
                on(Status::Maybe)
            }
            Node::For(name, words, body) => {
                let words: Vec<Option<String>> =
                    words.iter().flat_map(|word| self.expand(word)).collect();
                if words.iter().any(Option::is_none) {
                    self.forget(body);
                    self.vars.insert(name.clone(), None);
                    self.aside(body, false);
                    return on(Status::Maybe);
                }
                let mut flow = on(Status::Yes);
                for word in words {
                    self.vars.insert(name.clone(), word);
                    flow = self.node(body, certain);
                    match flow.left {
                        None => {}
                        Some(Leaving::Loop) => flow.left = None,
                        Some(_) => break,
                    }
                }
                flow
            }
            Node::Function(name, body) => {
                self.functions.insert(name.clone(), (**body).clone());
                on(Status::Yes)
            }
        }
    }

    /// Walks what may or may not be run: what it sets is known in it, and not after it.
    fn aside(&mut self, node: &Node, certain: bool) -> Flow {
        let before = self.vars.clone();
        let flow = self.node(node, certain);
        for (name, value) in &mut self.vars {
            if before.get(name) != Some(value) {
                *value = None;
            }
        }
        flow
    }

    /// What a loop sets is not known from its second round on.
    fn forget(&mut self, body: &Node) {
        match body {
            Node::Simple { assigns, .. } => {
                for (name, _) in assigns {
                    self.vars.insert(name.clone(), None);
                }
            }
            Node::List(nodes) | Node::Pipe(nodes) => {
                nodes.iter().for_each(|node| self.forget(node))
            }
            Node::And(a, b) | Node::Or(a, b) | Node::Loop(a, b) => {
                self.forget(a);
                self.forget(b);
            }
            Node::Not(inner) | Node::Sub(inner) | Node::For(_, _, inner) => self.forget(inner),
            Node::If(arms, otherwise) => {
                for (condition, then) in arms {
                    self.forget(condition);
                    self.forget(then);
                }
                otherwise.iter().for_each(|node| self.forget(node));
            }
            Node::Case(_, arms) => arms.iter().for_each(|(_, node)| self.forget(node)),
            Node::Function(..) => {}
        }
    }

    /// `&&` and `||`: the right side is not run if the left one ended in `stop`.
    fn either(&mut self, left: &Node, right: &Node, stop: Status, certain: bool) -> Flow {
        let flow = self.node(left, certain);
        if flow.left.is_some() || flow.status == stop {
            return flow;
        }
        if flow.status != Status::Maybe {
            return self.node(right, certain);
        }
        let flow = self.aside(right, false);
        // `… || exit 1`, `… || true`: what follows is what follows when things went well.
        match flow.status {
            status if status == stop => on(stop),
            _ if flow.left.is_some() => on(stop),
            _ => on(Status::Maybe),
        }
    }

    fn branches(&mut self, arms: &[(Node, Node)], otherwise: Option<&Node>, certain: bool) -> Flow {
        let mut open = false;
        for (condition, then) in arms {
            let flow = self.node(condition, certain && !open);
            if flow.left.is_some() {
                return flow;
            }
            match flow.status {
                Status::No => {}
                Status::Yes if !open => return self.node(then, certain),
                Status::Yes => {
                    self.aside(then, false);
                    return on(Status::Maybe);
                }
                Status::Maybe => {
                    open = true;
                    self.aside(then, false);
                }
            }
        }
        match (otherwise, open) {
            (Some(node), false) => self.node(node, certain),
            (Some(node), true) => {
                self.aside(node, false);
                on(Status::Maybe)
            }
            (None, true) => on(Status::Maybe),
            (None, false) => on(Status::Yes),
        }
    }

    fn case(&mut self, word: &Word, arms: &[(Vec<Word>, Node)], certain: bool) -> Flow {
        let Some(value) = self.text(word) else {
            for (_, node) in arms {
                self.aside(node, false);
            }
            return on(Status::Maybe);
        };
        for (patterns, node) in arms {
            for pattern in patterns {
                match self.matches(pattern, &value) {
                    Status::Yes => return self.node(node, certain),
                    Status::Maybe => {
                        self.aside(node, false);
                    }
                    Status::No => {}
                }
            }
        }
        on(Status::Yes)
    }

    fn matches(&self, pattern: &Word, value: &str) -> Status {
        let star = |part: &Part| matches!(part, Part::Other(text) if text == "*");
        match pattern.parts.as_slice() {
            [] => value.is_empty().into(),
            [part] if star(part) => Status::Yes,
            [Part::Text(text)] => (text == value).into(),
            [Part::Text(text), part] if star(part) => value.starts_with(text.as_str()).into(),
            [part, Part::Text(text)] if star(part) => value.ends_with(text.as_str()).into(),
            _ => match self.text(pattern) {
                Some(text) => (text == value).into(),
                None => Status::Maybe,
            },
        }
    }

    fn simple(
        &mut self,
        line: usize,
        assigns: &[(String, Word)],
        words: &[Word],
        redirects: &[Redirect],
        certain: bool,
    ) -> Flow {
        let mut status = Status::Yes;
        if words.is_empty() {
            // One after the other: a later one may use an earlier one.
            for (name, word) in assigns {
                let value = self.text(word);
                if value.is_none() {
                    status = Status::Maybe;
                }
                self.vars.insert(name.clone(), value);
            }
            if redirects.is_empty() {
                return on(status);
            }
        }
        let words: Vec<Option<String>> = words.iter().flat_map(|word| self.expand(word)).collect();
        let mut outputs = Vec::new();
        let mut input = None;
        for redirect in redirects {
            match redirect.op.as_str() {
                ">" | ">>" | ">|" => {
                    let target = self.text(&redirect.target);
                    if target.as_deref() != Some("/dev/null")
                        && target.as_deref() != Some("/dev/stderr")
                    {
                        outputs.push((target, redirect.op == ">>"));
                    }
                }
                "<<" | "<<-" => input = self.text(&redirect.target),
                _ => {}
            }
        }
        let effect = Effect {
            line,
            words,
            outputs,
            input,
            certain,
            umask: self.umask,
        };
        let flow = self.command(&effect, certain);
        flow.unwrap_or_else(|| {
            self.out.push(effect);
            on(Status::Maybe)
        })
    }

    /// What a command does that is known here; `None` if it is one that is left.
    fn command(&mut self, effect: &Effect, certain: bool) -> Option<Flow> {
        let name = match effect.words.first() {
            None => {
                if !effect.outputs.is_empty() {
                    self.out.push(effect.clone());
                }
                return Some(on(Status::Yes));
            }
            Some(name) => name.as_deref()?,
        };
        let args = &effect.words[1..];
        let first = args.first().and_then(Option::as_deref);
        let writes = !effect.outputs.is_empty();
        if let Some(body) = self.functions.get(name).cloned() {
            if self.depth >= MAX_DEPTH / 2 {
                return None;
            }
            if writes {
                self.out.push(effect.clone());
            }
            let before = std::mem::replace(&mut self.args, args.to_vec());
            self.depth += 1;
            let flow = self.node(&body, certain);
            self.depth -= 1;
            self.args = before;
            let left = flow.left.filter(|left| *left == Leaving::Script);
            return Some(Flow { left, ..flow });
        }
        let flow = match name {
            "true" | ":" | "echo" | "printf" | "cat" | "set" | "umask" | "cd" | "trap"
            | "readonly"
                if writes =>
            {
                self.out.push(effect.clone());
                on(Status::Yes)
            }
            "umask" => {
                if let Some(mask) = first.and_then(|text| u16::from_str_radix(text, 8).ok()) {
                    self.umask = mask & 0o777;
                }
                on(Status::Yes)
            }
            "deb-systemd-helper" if args.iter().flatten().any(|arg| arg == "was-enabled") => {
                // On a first installation nothing was ever disabled.
                on(Status::Yes)
            }
            "dpkg-statoverride" if args.iter().flatten().any(|arg| arg == "--list") => {
                let path = args.iter().flatten().find(|arg| arg.starts_with('/'))?;
                let text = self
                    .rootfs
                    .read(b"var/lib/dpkg/statoverride", MAX_FILE)
                    .ok()?;
                let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
                on(text
                    .lines()
                    .any(|line| line.split(' ').nth(3) == Some(path))
                    .into())
            }
            "true" | ":" | "echo" | "printf" | "set" | "cd" | "trap" | "hash" | "sync" => {
                on(Status::Yes)
            }
            "cat" if args.is_empty() => on(Status::Yes),
            "false" => on(Status::No),
            "continue" | "break" => Flow {
                status: Status::Yes,
                left: Some(Leaving::Loop),
            },
            "exit" | "return" => {
                let status = match first {
                    None | Some("0") => Status::Yes,
                    Some(_) => Status::No,
                };
                let left = match name {
                    "exit" => Leaving::Script,
                    _ => Leaving::Function,
                };
                Flow {
                    status,
                    left: Some(left),
                }
            }
            "shift" => {
                if !self.args.is_empty() {
                    self.args.remove(0);
                }
                on(Status::Yes)
            }
            "export" | "local" | "declare" | "readonly" => {
                for arg in args.iter().flatten() {
                    if let Some((name, value)) = arg.split_once('=') {
                        self.vars.insert(name.to_owned(), Some(value.to_owned()));
                    }
                }
                for arg in args {
                    if arg.is_none() {
                        // Which variable it was is in the source; the usual form is one alone.
                        return None;
                    }
                }
                on(Status::Yes)
            }
            "unset" => {
                for arg in args.iter().flatten() {
                    self.vars.insert(arg.clone(), Some(String::new()));
                }
                on(Status::Yes)
            }
            "[" | "test" => {
                let end = args.len() - usize::from(name == "[" && !args.is_empty());
                on(self.test(&args[..end]))
            }
            "." | "source" => match first {
                Some("/usr/share/debconf/confmodule") => on(Status::Yes),
                Some(path) if path.starts_with('/') && self.depth < MAX_DEPTH / 2 => {
                    let text = self.rootfs.read(path.as_bytes(), MAX_FILE).ok()??;
                    let tree = parse(&String::from_utf8_lossy(&text)).ok()?;
                    self.depth += 1;
                    let flow = self.node(&tree, certain);
                    self.depth -= 1;
                    flow
                }
                _ => return None,
            },
            "db_get" => match first.and_then(|question| self.templates.get(question)) {
                Some(default) => {
                    let default = default.clone();
                    self.vars.insert("RET".to_owned(), Some(default));
                    on(Status::Yes)
                }
                None => {
                    self.vars.insert("RET".to_owned(), None);
                    on(Status::Maybe)
                }
            },
            _ if name.starts_with("db_") => on(Status::Yes),
            "command" | "which" | "type" => {
                let wanted = args.iter().flatten().find(|arg| !arg.starts_with('-'))?;
                on(self.program(wanted).is_some().into())
            }
            "getent" | "id" => on(self.account(name, args)),
            "dpkg" if first == Some("--compare-versions") => on(compare(args)),
            _ => return None,
        };
        Some(flow)
    }

    /// Where a program is that is called by its name.
    fn program(&self, name: &str) -> Option<String> {
        if name.starts_with('/') {
            return self.kind(name, true).map(|_| name.to_owned());
        }
        let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        let paths = folders.iter().map(|folder| format!("{folder}/{name}"));
        paths
            .into_iter()
            .find(|path| self.kind(path, true).is_some())
    }

    fn kind(&self, path: &str, follow: bool) -> Option<&Kind> {
        // What the system mounts or makes when it starts is not there.
        let there = match follow {
            true => self.rootfs.follow(path.as_bytes()),
            false => self.rootfs.resolve(path.as_bytes()),
        };
        self.rootfs.get(&there.ok()?).map(|node| &node.kind)
    }

    fn account(&self, name: &str, args: &[Option<String>]) -> Status {
        let words: Option<Vec<&str>> = args.iter().map(Option::as_deref).collect();
        let Some(words) = words else {
            return Status::Maybe;
        };
        let plain: Vec<&str> = words
            .into_iter()
            .filter(|word| !word.starts_with('-'))
            .collect();
        let (file, wanted) = match (name, plain.as_slice()) {
            ("getent", [database @ ("passwd" | "group"), wanted]) => (*database, *wanted),
            ("id", [wanted]) => ("passwd", *wanted),
            _ => return Status::Maybe,
        };
        let path = format!("etc/{file}");
        let Ok(Some(bytes)) = self.rootfs.read(path.as_bytes(), MAX_FILE) else {
            return Status::No;
        };
        let text = String::from_utf8_lossy(&bytes);
        let mut names = text.lines().filter_map(|line| {
            let mut fields = line.split(':');
            Some((fields.next()?, fields.nth(1)?))
        });
        names
            .any(|(name, id)| name == wanted || id == wanted)
            .into()
    }

    fn test(&self, args: &[Option<String>]) -> Status {
        // Or binds less than and; both are read from the left.
        let is = |arg: &Option<String>, text| arg.as_deref() == Some(text);
        if let Some(at) = args
            .iter()
            .position(|arg| is(arg, "-o"))
            .filter(|at| *at > 0)
        {
            return match (self.test(&args[..at]), self.test(&args[at + 1..])) {
                (Status::Yes, _) | (_, Status::Yes) => Status::Yes,
                (Status::No, Status::No) => Status::No,
                _ => Status::Maybe,
            };
        }
        if let Some(at) = args
            .iter()
            .position(|arg| is(arg, "-a"))
            .filter(|at| *at > 0)
        {
            return match (self.test(&args[..at]), self.test(&args[at + 1..])) {
                (Status::No, _) | (_, Status::No) => Status::No,
                (Status::Yes, Status::Yes) => Status::Yes,
                _ => Status::Maybe,
            };
        }
        match args {
            [not, rest @ ..] if is(not, "!") && !rest.is_empty() => self.test(rest).not(),
            [] => Status::No,
            [None] | [None, _] => Status::Maybe,
            [Some(text)] => (!text.is_empty()).into(),
            [Some(op), value] => match (op.as_str(), value.as_deref()) {
                (_, None) => Status::Maybe,
                ("-n", Some(text)) => (!text.is_empty()).into(),
                ("-z", Some(text)) => text.is_empty().into(),
                ("-h" | "-L", Some(path)) => {
                    matches!(self.kind(path, false), Some(Kind::Symlink(_))).into()
                }
                ("-d", Some(path)) => matches!(self.kind(path, true), Some(Kind::Folder)).into(),
                ("-f", Some(path)) => matches!(self.kind(path, true), Some(Kind::File(_))).into(),
                ("-e" | "-x" | "-r" | "-w" | "-s", Some(path)) => {
                    (!path.is_empty() && self.kind(path, true).is_some()).into()
                }
                ("-t", _) => Status::No,
                _ => Status::Maybe,
            },
            [a, op, b] => match (a, op.as_deref(), b) {
                (Some(a), Some("=" | "=="), Some(b)) => (a == b).into(),
                (Some(a), Some("!="), Some(b)) => (a != b).into(),
                (Some(a), Some(op), Some(b)) => match (a.parse::<i64>(), b.parse::<i64>()) {
                    (Ok(a), Ok(b)) => match op {
                        "-eq" => (a == b).into(),
                        "-ne" => (a != b).into(),
                        "-gt" => (a > b).into(),
                        "-ge" => (a >= b).into(),
                        "-lt" => (a < b).into(),
                        "-le" => (a <= b).into(),
                        _ => Status::Maybe,
                    },
                    _ => Status::Maybe,
                },
                _ => Status::Maybe,
            },
            _ => Status::Maybe,
        }
    }

    /// A word as one text.
    fn text(&self, word: &Word) -> Option<String> {
        let mut text = String::new();
        for part in &word.parts {
            text.push_str(&self.part(part)?);
        }
        Some(text)
    }

    fn part(&self, part: &Part) -> Option<String> {
        match part {
            Part::Text(text) => Some(text.clone()),
            Part::Param(name, default) => {
                let value = self.param(name);
                match (default, value) {
                    (Some(default), Some(value)) if value.is_empty() => self.text(default),
                    (_, value) => value,
                }
            }
            Part::Command(text) => self.substitute(text),
            Part::Other(_) => None,
        }
    }

    fn param(&self, name: &str) -> Option<String> {
        match name {
            "@" | "*" => {
                let args: Option<Vec<&str>> = self.args.iter().map(Option::as_deref).collect();
                Some(args?.join(" "))
            }
            "#" => Some(self.args.len().to_string()),
            "0" => Some(format!(
                "/var/lib/dpkg/info/{}.postinst",
                self.package.name()
            )),
            "?" | "$" | "!" | "-" => None,
            name => match name.parse::<usize>() {
                Ok(number) => match self.args.get(number - 1) {
                    Some(arg) => arg.clone(),
                    None => Some(String::new()),
                },
                // What nobody has set is empty.
                Err(_) => self.vars.get(name).cloned().unwrap_or(Some(String::new())),
            },
        }
    }

    /// A word as the words that come of it.
    fn expand(&self, word: &Word) -> Vec<Option<String>> {
        if let [Part::Param(name, None)] = word.parts.as_slice()
            && name == "@"
        {
            return self.args.clone();
        }
        let text = self.text(word);
        let has_params = word.parts.iter().any(|part| !matches!(part, Part::Text(_)));
        match text {
            Some(text) if !word.quoted && has_params => text
                .split_ascii_whitespace()
                .map(|word| Some(word.to_owned()))
                .collect(),
            text => vec![text],
        }
    }

    /// What a command would print, for the few that are known.
    fn substitute(&self, script: &str) -> Option<String> {
        let Ok(Node::Simple { words, assigns, .. }) = parse(script) else {
            return None;
        };
        if !assigns.is_empty() || script.len() > 4096 {
            return None;
        }
        let words: Vec<Part> = words
            .into_iter()
            .map(|word| match word.parts.as_slice() {
                [part @ (Part::Text(_) | Part::Param(_, None))] => part.clone(),
                [] => Part::Text(String::new()),
                _ => Part::Other(String::new()),
            })
            .collect();
        let words: Option<Vec<String>> = words.iter().map(|part| self.part(part)).collect();
        let words = words?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["command", "-v", name] | ["which", name] => {
                Some(self.program(name).unwrap_or_default())
            }
            ["mktemp", ..] => Some(MADE_UP.to_owned()),
            ["uname"] | ["uname", "-s"] => Some("Linux".to_owned()),
            ["echo", text] => Some((*text).to_owned()),
            ["dpkg-divert", "--listpackage", path] => {
                Some(self.diversion(path).map(|(_, by)| by).unwrap_or_default())
            }
            ["dpkg-divert", "--truename", path] => Some(
                self.diversion(path)
                    .map_or((*path).to_owned(), |(to, _)| to),
            ),
            ["readlink", path] => match self.kind(path, false) {
                Some(Kind::Symlink(target)) => Some(String::from_utf8_lossy(target).into_owned()),
                _ => Some(String::new()),
            },
            _ => None,
        }
    }

    fn diversion(&self, path: &str) -> Option<(String, String)> {
        let bytes = self
            .rootfs
            .read(b"var/lib/dpkg/diversions", MAX_FILE)
            .ok()??;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let mut found = lines.chunks_exact(3).filter(|three| three[0] == path);
        found
            .next()
            .map(|three| (three[1].to_owned(), three[2].to_owned()))
    }
}

/// `dpkg --compare-versions [--] A OP B` with nothing as one of them, which is what a first installation compares.
fn compare(args: &[Option<String>]) -> Status {
    let words: Vec<Option<&str>> = args[1..]
        .iter()
        .map(Option::as_deref)
        .filter(|word| *word != Some("--"))
        .collect();
    match words.as_slice() {
        [Some(""), Some(op), Some(other)] if !other.is_empty() => matches!(
            *op,
            "lt" | "le" | "ne" | "<" | "<<" | "<=" | "gt-nl" | "ge-nl"
        )
        .into(),
        _ => Status::Maybe,
    }
}
