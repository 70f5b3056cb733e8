//! Evaluation of a maintainer script on a first installation, without running it.
//!
//! A script is evaluated with the arguments that dpkg passes (`configure ""`, `install`). Known facts are: arguments,
//! variables that are set from known text, files of the tree, accounts, debconf answers (the default of the template),
//! versions. A known condition selects one branch; with an unknown one all branches are evaluated. The result is the list
//! of remaining commands, with their words as far as they are known.

use std::collections::BTreeMap;

use super::condition::{compare, test};
use super::effect::Effect;
use super::environment::{Environment, MAX_FILE};
use super::shell::{Command, MAX_DEPTH, Redirect, Word, parse};
use super::status::Status;
use crate::base::debian::Unpacked;
use crate::base::rootfs::Rootfs;

/// Number of commands after which a script is given up; the longest real script has hundreds.
const MAX_STEPS: usize = 20_000;

/// Shells whose scripts are understood.
const SHELLS: &str = "/bin/sh /bin/bash /bin/dash /usr/bin/sh /usr/bin/bash";

/// Returns the commands that a script of a package would run on a tree when the package is installed for the first
/// time; none if the package has no such script.
///
/// # Errors
/// The line that is not understood, and the reason.
pub(crate) fn effects_of(
    package: &Unpacked,
    script: &str,
    rootfs: &Rootfs,
) -> Result<Vec<Effect>, (usize, &'static str)> {
    let Some(member) = package.members.get(script) else {
        return Ok(Vec::new());
    };
    if let Some(at) = member.bytes.iter().position(|byte| *byte == 0) {
        // Shells treat a NUL in different ways.
        let before = member.bytes.get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        return Err((line, "a NUL"));
    }
    let args: &[&str] = match script {
        "preinst" => &["install"],
        _ => &["configure", ""],
    };
    let text = String::from_utf8_lossy(&member.bytes);
    effects(&text, args, package, rootfs)
}

/// Evaluates a script.
///
/// # Errors
/// The line that is not understood, and the reason; line 0 for the script as a whole.
fn effects(
    script: &str,
    args: &[&str],
    package: &Unpacked,
    rootfs: &Rootfs,
) -> Result<Vec<Effect>, (usize, &'static str)> {
    let first = script.lines().next().unwrap_or_default();
    let program = first.strip_prefix("#!").map(str::trim).unwrap_or_default();
    let program = program.split_ascii_whitespace().next().unwrap_or_default();
    if !SHELLS.split(' ').any(|shell| shell == program) {
        return Err((0, "not a script of the shell"));
    }
    let script = parse(script)?;
    let mut evaluator = Evaluator {
        env: Environment::new(package, rootfs, args),
        functions: BTreeMap::new(),
        out: Vec::new(),
        steps: 0,
        depth: 0,
        umask: 0o022,
    };
    evaluator.run(&script, true);
    match evaluator.steps > MAX_STEPS {
        true => Err((0, "longer than any real one")),
        false => Ok(evaluator.out),
    }
}

/// Outcome of a command.
#[derive(Debug, Clone, Copy)]
struct Flow {
    status: Status,
    /// Set if the command ends its surroundings: `exit`, `return`, `break`.
    exit: Option<Exit>,
}

/// Extent that a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// One round of a loop, or all of it.
    Loop,
    Function,
    Script,
}

fn on(status: Status) -> Flow {
    Flow { status, exit: None }
}

fn ending(status: Status, exit: Exit) -> Flow {
    let exit = Some(exit);
    Flow { status, exit }
}

struct Evaluator<'a> {
    env: Environment<'a>,
    functions: BTreeMap<String, Command>,
    out: Vec<Effect>,
    steps: usize,
    /// Nesting depth of calls.
    depth: usize,
    umask: u16,
}

impl Evaluator<'_> {
    fn run(&mut self, command: &Command, certain: bool) -> Flow {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return ending(Status::Unknown, Exit::Script);
        }
        match command {
            Command::Simple {
                line,
                assigns,
                words,
                redirects,
            } => self.simple(*line, assigns, words, redirects, certain),
            Command::List(commands) => {
                let mut flow = on(Status::Success);
                for command in commands {
                    flow = self.run(command, certain);
                    if flow.exit.is_some() {
                        break;
                    }
                }
                flow
            }
            Command::And(left, right) => self.chain(left, right, Status::Failure, certain),
            Command::Or(left, right) => self.chain(left, right, Status::Success, certain),
            Command::Not(inner) => {
                let flow = self.run(inner, certain);
                Flow {
                    status: flow.status.not(),
                    ..flow
                }
            }
            Command::Pipe(commands) => {
                for command in commands {
                    self.run_scoped(command, certain);
                }
                on(Status::Unknown)
            }
            Command::Sub(inner) => {
                let vars = self.env.vars.clone();
                let flow = self.run(inner, certain);
                self.env.vars = vars;
                on(flow.status)
            }
            Command::If(arms, otherwise) => self.branches(arms, otherwise.as_deref(), certain),
            Command::Case(word, arms) => self.case(word, arms, certain),
            Command::Loop(condition, body) => {
                self.forget(body);
                self.forget(condition);
                let flow = self.run(condition, certain);
                if flow.exit.is_none() {
                    self.run_scoped(body, false);
                }
                on(Status::Unknown)
            }
            Command::For(name, words, body) => self.for_loop(name, words, body, certain),
            Command::Function(name, body) => {
                self.functions.insert(name.clone(), (**body).clone());
                on(Status::Success)
            }
        }
    }

    fn for_loop(&mut self, name: &str, words: &[Word], body: &Command, certain: bool) -> Flow {
        let words: Vec<Option<String>> = words
            .iter()
            .flat_map(|word| self.env.expand(word))
            .collect();
        if words.iter().any(Option::is_none) {
            self.forget(body);
            self.env.vars.insert(name.to_owned(), None);
            self.run_scoped(body, false);
            return on(Status::Unknown);
        }
        let mut flow = on(Status::Success);
        for word in words {
            self.env.vars.insert(name.to_owned(), word);
            flow = self.run(body, certain);
            match flow.exit {
                None => {}
                Some(Exit::Loop) => flow.exit = None,
                Some(_) => break,
            }
        }
        flow
    }

    /// Evaluates a command that may not be reached: the variables that it sets are known in it, and unknown after it.
    fn run_scoped(&mut self, command: &Command, certain: bool) -> Flow {
        let before = self.env.vars.clone();
        let flow = self.run(command, certain);
        for (name, value) in &mut self.env.vars {
            if before.get(name) != Some(value) {
                *value = None;
            }
        }
        flow
    }

    /// Marks the variables that a loop sets as unknown, which they are from its second round on.
    fn forget(&mut self, body: &Command) {
        match body {
            Command::Simple { assigns, .. } => {
                for (name, _) in assigns {
                    self.env.vars.insert(name.clone(), None);
                }
            }
            Command::List(commands) | Command::Pipe(commands) => {
                commands.iter().for_each(|command| self.forget(command))
            }
            Command::And(a, b) | Command::Or(a, b) | Command::Loop(a, b) => {
                self.forget(a);
                self.forget(b);
            }
            Command::Not(inner) | Command::Sub(inner) | Command::For(_, _, inner) => {
                self.forget(inner)
            }
            Command::If(arms, otherwise) => {
                for (condition, then) in arms {
                    self.forget(condition);
                    self.forget(then);
                }
                otherwise.iter().for_each(|command| self.forget(command));
            }
            Command::Case(_, arms) => arms.iter().for_each(|(_, command)| self.forget(command)),
            Command::Function(..) => {}
        }
    }

    /// Evaluates `left && right` or `left || right`: `right` is not reached if `left` ends with the status `stop`.
    fn chain(&mut self, left: &Command, right: &Command, stop: Status, certain: bool) -> Flow {
        let flow = self.run(left, certain);
        if flow.exit.is_some() || flow.status == stop {
            return flow;
        }
        if flow.status != Status::Unknown {
            return self.run(right, certain);
        }
        let flow = self.run_scoped(right, false);
        // After `… || exit 1` or `… || true` evaluation goes on as if the left side had succeeded.
        match flow.status {
            status if status == stop => on(stop),
            _ if flow.exit.is_some() => on(stop),
            _ => on(Status::Unknown),
        }
    }

    fn branches(
        &mut self,
        arms: &[(Command, Command)],
        otherwise: Option<&Command>,
        certain: bool,
    ) -> Flow {
        let mut open = false;
        for (condition, then) in arms {
            let flow = self.run(condition, certain && !open);
            if flow.exit.is_some() {
                return flow;
            }
            match flow.status {
                Status::Failure => {}
                Status::Success if !open => return self.run(then, certain),
                Status::Success => {
                    self.run_scoped(then, false);
                    return on(Status::Unknown);
                }
                Status::Unknown => {
                    open = true;
                    self.run_scoped(then, false);
                }
            }
        }
        match (otherwise, open) {
            (Some(command), false) => self.run(command, certain),
            (Some(command), true) => {
                self.run_scoped(command, false);
                on(Status::Unknown)
            }
            (None, true) => on(Status::Unknown),
            (None, false) => on(Status::Success),
        }
    }

    fn case(&mut self, word: &Word, arms: &[(Vec<Word>, Command)], certain: bool) -> Flow {
        let Some(value) = self.env.text(word) else {
            for (_, command) in arms {
                self.run_scoped(command, false);
            }
            return on(Status::Unknown);
        };
        for (patterns, command) in arms {
            for pattern in patterns {
                match self.env.matches(pattern, &value) {
                    Status::Success => return self.run(command, certain),
                    Status::Unknown => {
                        self.run_scoped(command, false);
                    }
                    Status::Failure => {}
                }
            }
        }
        on(Status::Success)
    }

    fn simple(
        &mut self,
        line: usize,
        assigns: &[(String, Word)],
        words: &[Word],
        redirects: &[Redirect],
        certain: bool,
    ) -> Flow {
        let mut status = Status::Success;
        if words.is_empty() {
            // In their order: an assignment may use an earlier one.
            for (name, word) in assigns {
                let value = self.env.text(word);
                if value.is_none() {
                    status = Status::Unknown;
                }
                self.env.vars.insert(name.clone(), value);
            }
            if redirects.is_empty() {
                return on(status);
            }
        }
        let words = words.iter().flat_map(|word| self.env.expand(word));
        let words: Vec<Option<String>> = words.collect();
        let mut outputs = Vec::new();
        let mut input = None;
        for redirect in redirects {
            match redirect.op.as_str() {
                ">" | ">>" | ">|" => {
                    let target = self.env.text(&redirect.target);
                    if !matches!(target.as_deref(), Some("/dev/null" | "/dev/stderr")) {
                        outputs.push((target, redirect.op == ">>"));
                    }
                }
                "<<" | "<<-" => input = self.env.text(&redirect.target),
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
        let flow = self.known(&effect, certain);
        flow.unwrap_or_else(|| {
            self.out.push(effect);
            on(Status::Unknown)
        })
    }

    /// Evaluates a command with a known result; `None` for any other one.
    fn known(&mut self, effect: &Effect, certain: bool) -> Option<Flow> {
        let Some(name) = effect.words.first() else {
            if !effect.outputs.is_empty() {
                self.out.push(effect.clone());
            }
            return Some(on(Status::Success));
        };
        let name = name.as_deref()?;
        let args = &effect.words[1..];
        if let Some(body) = self.functions.get(name).cloned() {
            return self.call(&body, effect, certain);
        }
        if !effect.outputs.is_empty() {
            // A builtin that does nothing else than write.
            if let "true" | ":" | "echo" | "printf" | "cat" | "set" | "umask" | "cd" | "trap"
            | "readonly" = name
            {
                self.out.push(effect.clone());
                return Some(on(Status::Success));
            }
        }
        match name {
            "continue" | "break" | "exit" | "return" => Some(leave(name, args)),
            "umask" | "shift" | "export" | "local" | "declare" | "readonly" | "unset" => {
                self.assign(name, args).map(on)
            }
            "." | "source" => self.source(args, certain),
            _ => self.query(name, args).map(on),
        }
    }

    /// Calls a function of the script; `None` if calls nest too deep.
    fn call(&mut self, body: &Command, effect: &Effect, certain: bool) -> Option<Flow> {
        if self.depth >= MAX_DEPTH / 2 {
            return None;
        }
        if !effect.outputs.is_empty() {
            self.out.push(effect.clone());
        }
        let before = std::mem::replace(&mut self.env.args, effect.words[1..].to_vec());
        self.depth += 1;
        let flow = self.run(body, certain);
        self.depth -= 1;
        self.env.args = before;
        let exit = flow.exit.filter(|exit| *exit == Exit::Script);
        Some(Flow { exit, ..flow })
    }

    /// Evaluates a script of the tree that is sourced.
    fn source(&mut self, args: &[Option<String>], certain: bool) -> Option<Flow> {
        match args.first().and_then(Option::as_deref)? {
            "/usr/share/debconf/confmodule" => Some(on(Status::Success)),
            path if path.starts_with('/') && self.depth < MAX_DEPTH / 2 => {
                let text = self.env.rootfs.read(path.as_bytes(), MAX_FILE).ok()??;
                let script = parse(&String::from_utf8_lossy(&text)).ok()?;
                self.depth += 1;
                let flow = self.run(&script, certain);
                self.depth -= 1;
                Some(flow)
            }
            _ => None,
        }
    }

    /// Evaluates a builtin that changes the shell's state.
    fn assign(&mut self, name: &str, args: &[Option<String>]) -> Option<Status> {
        let first = args.first().and_then(Option::as_deref);
        match name {
            "umask" => {
                if let Some(mask) = first.and_then(|text| u16::from_str_radix(text, 8).ok()) {
                    self.umask = mask & 0o777;
                }
            }
            "shift" => {
                if !self.env.args.is_empty() {
                    self.env.args.remove(0);
                }
            }
            "unset" => {
                for arg in args.iter().flatten() {
                    self.env.vars.insert(arg.clone(), Some(String::new()));
                }
            }
            _ => {
                for arg in args.iter().flatten() {
                    if let Some((name, value)) = arg.split_once('=') {
                        self.env
                            .vars
                            .insert(name.to_owned(), Some(value.to_owned()));
                    }
                }
                // The name of the variable is unknown, too.
                if args.iter().any(Option::is_none) {
                    return None;
                }
            }
        }
        Some(Status::Success)
    }

    /// Evaluates a command that changes no file; `None` for other commands.
    fn query(&mut self, name: &str, args: &[Option<String>]) -> Option<Status> {
        let first = args.first().and_then(Option::as_deref);
        let has = |word: &str| args.iter().flatten().any(|arg| arg == word);
        Some(match name {
            // On a first installation no unit was ever disabled.
            "deb-systemd-helper" if has("was-enabled") => Status::Success,
            "dpkg-statoverride" if has("--list") => {
                let path = args.iter().flatten().find(|arg| arg.starts_with('/'))?;
                let file = b"var/lib/dpkg/statoverride";
                let text = self.env.rootfs.read(file, MAX_FILE).ok()?;
                let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
                text.lines()
                    .any(|line| line.split(' ').nth(3) == Some(path))
                    .into()
            }
            "true" | ":" | "echo" | "printf" | "set" | "cd" | "trap" | "hash" | "sync" => {
                Status::Success
            }
            "cat" if args.is_empty() => Status::Success,
            "false" => Status::Failure,
            "[" | "test" => {
                let end = args.len() - usize::from(name == "[" && !args.is_empty());
                test(&self.env, &args[..end])
            }
            "db_get" => {
                let default = first.and_then(|question| self.env.templates.get(question));
                let default = default.cloned();
                let status = match default.is_some() {
                    true => Status::Success,
                    false => Status::Unknown,
                };
                self.env.vars.insert("RET".to_owned(), default);
                status
            }
            _ if name.starts_with("db_") => Status::Success,
            "command" | "which" | "type" => {
                let wanted = args.iter().flatten().find(|arg| !arg.starts_with('-'))?;
                self.env.program(wanted).is_some().into()
            }
            "getent" | "id" => self.env.account(name, args),
            "dpkg" if first == Some("--compare-versions") => compare(args),
            _ => return None,
        })
    }
}

/// Evaluates a builtin that ends a loop, a function or the script.
fn leave(name: &str, args: &[Option<String>]) -> Flow {
    let status = match args.first().and_then(Option::as_deref) {
        None | Some("0") => Status::Success,
        Some(_) => Status::Failure,
    };
    match name {
        "exit" => ending(status, Exit::Script),
        "return" => ending(status, Exit::Function),
        _ => ending(Status::Success, Exit::Loop),
    }
}
