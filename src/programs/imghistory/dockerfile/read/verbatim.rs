//! Entries with an instruction as written, quotes and variables included: the form of buildah and kaniko.
//!
//! The text can be copied to the new Dockerfile. Its values are computed as the builder did; a build argument whose value
//! is not recorded is solved for: the config has the final value.

use crate::programs::imghistory::dockerfile::settings::{Settings, with_protocol};
use crate::spec::instruction::{Change, Instruction, Pairs, expand_word, parse};
use crate::spec::join_paths;

/// Limit on the variables of one instruction that are solved for.
const VARIABLES: usize = 16;
/// First of the private-use characters that mark unknown values.
const MARK: u32 = 0xF0000;

/// Known values at an instruction.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Build arguments with their values.
    pub args: &'a Pairs,
    /// Names of the declared build arguments.
    pub declared: &'a [String],
    /// Settings made by earlier instructions.
    pub so_far: &'a Settings,
    /// Settings in the config.
    pub known: &'a Settings,
    /// Tests if no later instruction sets a key: see [`keys`].
    pub last: &'a dyn Fn(&str) -> bool,
    /// True if the PATH of the base is unknown.
    pub assumed: bool,
}

/// PATH that all builders give to an image without one.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Instruction read from a text as written.
#[derive(Debug, Clone)]
pub struct Verbatim {
    /// The instruction with its values.
    pub instruction: Instruction,
    /// True if the text has the same meaning in the new Dockerfile.
    pub can_be_copied: bool,
    /// True if all values are certain.
    pub sure: bool,
    /// True if the config confirms all values that it has; `None` if it has none of them.
    pub fits: Option<bool>,
    /// Build arguments whose values follow from the config.
    pub learnt: Pairs,
}

/// Returns the keys that an instruction sets and a later one may overwrite.
pub fn keys(word: &str, value: &str) -> Vec<String> {
    match word {
        "ENV" | "LABEL" => match parse_one(word, value, "\\").map(|change| change.instruction) {
            Some(Instruction::Env(pairs) | Instruction::Label(pairs)) => pairs
                .into_iter()
                .map(|(key, _)| format!("{word} {key}"))
                .collect(),
            _ => Vec::new(),
        },
        "USER" | "WORKDIR" | "STOPSIGNAL" => vec![word.to_owned()],
        _ => Vec::new(),
    }
}

/// Parses one instruction; `escape` is the escape character of its Dockerfile.
fn parse_one(word: &str, value: &str, escape: &str) -> Option<Change> {
    let text = format!("{word} {value}");
    let lines = match escape {
        "\\" => vec![text],
        other => vec![format!("# escape={other}"), text],
    };
    let mut changes = parse(&lines).ok()?;
    (changes.len() == 1).then(|| changes.remove(0))
}

/// Reads an instruction; returns `None` for an invalid one by docker's grammar.
pub fn read(word: &str, value: &str, scope: &Scope<'_>) -> Option<Verbatim> {
    if value.contains(['\n', '\r']) || value.chars().any(|c| u32::from(c) >= MARK) {
        return None;
    }
    let found = read_with(word, value, "\\", scope);
    if found
        .as_ref()
        .is_some_and(|verbatim| verbatim.fits != Some(false))
    {
        return found;
    }
    // With another escape character in its Dockerfile, its values can be written, but not its text.
    let mut other =
        read_with(word, value, "`", scope).filter(|verbatim| verbatim.fits == Some(true));
    if let Some(verbatim) = &mut other {
        verbatim.can_be_copied = false;
    }
    other.or(found)
}

fn read_with(word: &str, value: &str, escape: &str, scope: &Scope<'_>) -> Option<Verbatim> {
    let change = parse_one(word, value, escape)?;
    let mut variables = variables(scope);
    let expanded = change.expand(&variables).ok()?;
    let sought: Vec<String> = names(value)
        .into_iter()
        .filter(|name| {
            let is = |(known, _): &(String, String)| known == name;
            let is_assumed = scope.assumed && name == "PATH";
            !is_assumed && !scope.args.iter().any(is) && !scope.so_far.env.iter().any(is)
        })
        .take(VARIABLES)
        .collect();
    let open = match sought.is_empty() {
        true => None,
        false => {
            for (name, number) in sought.iter().zip(MARK..) {
                let mark = char::from_u32(number)?;
                variables.push(format!("{name}={mark}"));
            }
            change.expand(&variables).ok()
        }
    };
    let mut solver = Solver {
        sought: &sought,
        scope,
        learnt: Vec::new(),
        fits: None,
        sure: true,
    };
    let open = open.unwrap_or_else(|| expanded.clone());
    let instruction = solver.instruction(expanded, open);
    let is_open = |name: &String| {
        scope.declared.contains(name) && !solver.learnt.iter().any(|(known, _)| known == name)
    };
    Some(Verbatim {
        instruction,
        can_be_copied: solver.sure || !sought.iter().any(is_open),
        sure: solver.sure,
        fits: solver.fits,
        learnt: solver.learnt,
    })
}

/// Replaces the variables in a path or word; returns `None` if one of them is unknown.
pub fn word(text: &str, scope: &Scope<'_>) -> Option<String> {
    let known = |name: &String| {
        let is = |(known, _): &(String, String)| known == name;
        scope.args.iter().any(is)
            || scope.so_far.env.iter().any(is)
            || !scope.declared.contains(name)
    };
    if !names(text).iter().all(known) {
        return None;
    }
    expand_word(text, &variables(scope)).ok()
}

/// Returns all variables as the builder has them; of several with one name the last counts.
fn variables(scope: &Scope<'_>) -> Vec<String> {
    let path = scope.assumed.then(|| format!("PATH={DEFAULT_PATH}"));
    let known = scope.args.iter().chain(&scope.so_far.env);
    let known = known.map(|(name, value)| format!("{name}={value}"));
    path.into_iter().chain(known).collect()
}

/// Returns the names after `$` and `${`, each once.
pub fn names(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for part in text.split('$').skip(1) {
        let part = part.strip_prefix('{').unwrap_or(part);
        let end = part
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(part.len());
        let name = part.get(..end).unwrap_or_default();
        let is_name = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
        if is_name && out.len() < VARIABLES && !out.iter().any(|known| known == name) {
            out.push(name.to_owned());
        }
    }
    out
}

/// Solves for the values of variables that are not recorded.
struct Solver<'a> {
    sought: &'a [String],
    scope: &'a Scope<'a>,
    learnt: Pairs,
    fits: Option<bool>,
    sure: bool,
}

impl Solver<'_> {
    /// Returns the instruction with values from the config. `expanded` has empty values for unknown variables, `open` has
    /// marks for them.
    fn instruction(&mut self, expanded: Instruction, open: Instruction) -> Instruction {
        let known = self.scope.known;
        match (expanded, open) {
            (Instruction::Env(pairs), Instruction::Env(open)) => {
                Instruction::Env(self.pairs("ENV", pairs, open, &known.env))
            }
            (Instruction::Label(pairs), Instruction::Label(open)) => {
                Instruction::Label(self.pairs("LABEL", pairs, open, &known.labels))
            }
            (Instruction::Expose(ports), Instruction::Expose(open)) => {
                Instruction::Expose(self.each(ports, open, &known.ports, with_protocol))
            }
            (Instruction::Volume(paths), Instruction::Volume(open)) => {
                Instruction::Volume(self.each(paths, open, &known.volumes, str::to_owned))
            }
            (Instruction::User(text), Instruction::User(open)) => {
                Instruction::User(self.one("USER", text, &open, &known.user))
            }
            (Instruction::StopSignal(text), Instruction::StopSignal(open)) => {
                Instruction::StopSignal(self.one("STOPSIGNAL", text, &open, &known.stop_signal))
            }
            (Instruction::Workdir(text), Instruction::Workdir(open)) => {
                let workdir = &self.scope.so_far.workdir;
                let (path, open) = (join_paths(workdir, &text), join_paths(workdir, &open));
                let end = join_paths("/", &known.workdir);
                match self.one("WORKDIR", path.clone(), &open, &end) {
                    // As written: it may be relative.
                    found if found == path => Instruction::Workdir(text),
                    found => Instruction::Workdir(found),
                }
            }
            (expanded, _) => expanded,
        }
    }

    fn pairs(&mut self, word: &str, pairs: Pairs, open: Pairs, known: &Pairs) -> Pairs {
        let mut out = Pairs::new();
        for ((key, value), (_, template)) in pairs.into_iter().zip(open) {
            let stated = known
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.as_str());
            let is_last = (self.scope.last)(&format!("{word} {key}"));
            let value = match stated {
                // The value that it extends is unknown, so it cannot be wrong.
                Some(stated) if is_last && word == "ENV" && key == "PATH" && self.scope.assumed => {
                    stated.to_owned()
                }
                _ => self.value(value, &template, stated, is_last),
            };
            out.push((key, value));
        }
        out
    }

    fn one(&mut self, word: &str, value: String, template: &str, stated: &str) -> String {
        let is_last = (self.scope.last)(word);
        let stated = Some(stated).filter(|stated| !stated.is_empty());
        self.value(value, template, stated, is_last)
    }

    /// Returns a value: that of the config if it is the last one and matches.
    fn value(
        &mut self,
        value: String,
        template: &str,
        stated: Option<&str>,
        is_last: bool,
    ) -> String {
        let is_complete = template == value;
        let Some(stated) = stated.filter(|_| is_last) else {
            self.sure &= is_complete;
            return value;
        };
        let mut fits = value == stated;
        if !fits && !is_complete && self.solve(template, stated) {
            fits = true;
        }
        self.sure &= is_complete || fits;
        self.fits = Some(fits && self.fits != Some(false));
        match fits || !is_complete {
            true => stated.to_owned(),
            false => value,
        }
    }

    /// Returns values that form a set in the config: a value with unknown variables is the member that it matches.
    /// `normalized` gives a value the form that it has in the config.
    fn each(
        &mut self,
        values: Vec<String>,
        open: Vec<String>,
        known: &[String],
        normalized: impl Fn(&str) -> String,
    ) -> Vec<String> {
        if values == open || values.len() != open.len() && !values.is_empty() {
            return values;
        }
        let mut out = Vec::new();
        for (i, template) in open.iter().enumerate() {
            let value = values.get(i).map_or("", String::as_str);
            let is_known = |value: &str| known.iter().any(|known| *known == normalized(value));
            if template == value || is_known(value) {
                out.push(value.to_owned());
                continue;
            }
            let found = known
                .iter()
                .take(1000)
                .find(|known| self.solve(&normalized(template), known));
            match found {
                Some(value) => out.push(value.clone()),
                None => self.sure = false,
            }
        }
        out
    }

    /// Finds values for the marks in a template that turn it into `text`, and records them.
    fn solve(&mut self, template: &str, text: &str) -> bool {
        let is_mark = |c: char| {
            let at = u32::from(c).checked_sub(MARK);
            at.is_some_and(|at| (at as usize) < self.sought.len())
        };
        let mut values: Vec<(usize, String)> = Vec::new();
        let mut rest = text;
        let mut parts = template;
        while let Some(at) = parts.find(is_mark) {
            let (before, after) = parts.split_at(at);
            let Some(tail) = rest.strip_prefix(before) else {
                return false;
            };
            let Some(mark) = after.chars().next() else {
                return false;
            };
            let number = (u32::from(mark) - MARK) as usize;
            parts = after.get(mark.len_utf8()..).unwrap_or_default();
            let end = parts.find(is_mark).unwrap_or(parts.len());
            let next = parts.get(..end).unwrap_or_default();
            let known = values.iter().find(|(known, _)| *known == number);
            let length = match known {
                Some((_, value)) if tail.starts_with(value.as_str()) => value.len(),
                Some(_) => return false,
                // The last one takes the rest.
                None if end == parts.len() => match tail.strip_suffix(next) {
                    Some(value) => value.len(),
                    None => return false,
                },
                None if next.is_empty() => return false,
                None => match tail.find(next) {
                    Some(at) => at,
                    None => return false,
                },
            };
            let (value, tail) = tail.split_at(length);
            if known.is_none() {
                values.push((number, value.to_owned()));
            }
            rest = tail;
        }
        if rest != parts {
            return false;
        }
        for (number, value) in values {
            if let Some(name) = self.sought.get(number)
                && self.scope.declared.contains(name)
                && !value.is_empty()
            {
                self.learnt.push((name.clone(), value));
            }
        }
        true
    }
}
