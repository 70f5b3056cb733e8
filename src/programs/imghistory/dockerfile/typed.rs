//! Entries that hold an instruction as it was typed, as buildah and kaniko write them: quotes and variables are in it.
//!
//! The text can stand as it is. What it sets is worked out as the builder did it; where that takes a build argument
//! whose value nothing records, the config tells the value, and with it the argument's.

use super::instruction::{Command, Health, Instruction, Pairs};
use super::settings::Settings;
use crate::spec::instruction::{
    Change, Command as Words, expanded, expanded_word, parse as parse_changes,
};
use crate::spec::join_paths;

/// The most variables of one instruction that are solved for.
const VARIABLES: usize = 16;
/// The first of the characters that stand for values that are sought: none of a text.
const MARK: u32 = 0xF0000;

/// What is known where an instruction stands.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Build arguments with their values there.
    pub args: &'a Pairs,
    /// Names of the build arguments that are declared.
    pub declared: &'a [String],
    /// What is set so far.
    pub so_far: &'a Settings,
    /// What the config says in the end.
    pub known: &'a Settings,
    /// Whether nothing sets a key again later: see [`keys`].
    pub last: &'a dyn Fn(&str) -> bool,
    /// Whether the PATH of the base is not known.
    pub assumed: bool,
}

/// The PATH that all builders give to an image that has none.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An instruction read from a text as it was typed.
#[derive(Debug, Clone)]
pub struct Typed {
    /// Its values.
    pub instruction: Instruction,
    /// Whether the text means the same where it stands in the new Dockerfile.
    pub stands: bool,
    /// Whether all values are certain.
    pub sure: bool,
    /// Whether the config bears out all values that it has; `None` if it has none of them.
    pub fits: Option<bool>,
    /// Build arguments whose values came out of the config.
    pub learnt: Pairs,
}

/// The names of what an instruction sets, as far as a later one takes the place of an earlier one.
pub fn keys(word: &str, value: &str) -> Vec<String> {
    match word {
        "ENV" | "LABEL" => match change(word, value, "\\") {
            Some(Change::Env(pairs) | Change::Label(pairs)) => pairs
                .into_iter()
                .map(|(key, _)| format!("{word} {key}"))
                .collect(),
            _ => Vec::new(),
        },
        "USER" | "WORKDIR" | "STOPSIGNAL" => vec![word.to_owned()],
        _ => Vec::new(),
    }
}

fn instructions(
    word: &str,
    value: &str,
    escape: &str,
) -> Option<Vec<crate::spec::instruction::Instruction>> {
    let text = format!("{word} {value}");
    let lines = match escape {
        "\\" => vec![text],
        other => vec![format!("# escape={other}"), text],
    };
    parse_changes(&lines).ok()
}

fn change(word: &str, value: &str, escape: &str) -> Option<Change> {
    let mut parsed = instructions(word, value, escape)?;
    (parsed.len() == 1).then(|| parsed.remove(0).change)
}

/// Reads an instruction; `None` for a text that is none by docker's grammar.
pub fn read(word: &str, value: &str, around: &Around<'_>) -> Option<Typed> {
    if value.contains(['\n', '\r']) || value.chars().any(|c| u32::from(c) >= MARK) {
        return None;
    }
    let found = read_with(word, value, "\\", around);
    if found
        .as_ref()
        .is_some_and(|typed| typed.fits != Some(false))
    {
        return found;
    }
    // A Dockerfile may have had another escape character: then its values are written, not its text.
    let mut other = read_with(word, value, "`", around).filter(|typed| typed.fits == Some(true));
    if let Some(typed) = &mut other {
        typed.stands = false;
    }
    other.or(found)
}

fn read_with(word: &str, value: &str, escape: &str, around: &Around<'_>) -> Option<Typed> {
    let [parsed] = &instructions(word, value, escape)?[..] else {
        return None;
    };
    let mut variables = variables(around);
    let plain = expanded(parsed, &variables).ok()?;
    let sought: Vec<String> = names(value)
        .into_iter()
        .filter(|name| {
            let is = |(known, _): &(String, String)| known == name;
            let is_assumed = around.assumed && name == "PATH";
            !is_assumed && !around.args.iter().any(is) && !around.so_far.env.iter().any(is)
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
            expanded(parsed, &variables).ok()
        }
    };
    let mut solver = Solver {
        sought: &sought,
        around,
        learnt: Vec::new(),
        fits: None,
        sure: true,
    };
    let instruction = solver.instruction(plain, open)?;
    let is_open = |name: &String| {
        around.declared.contains(name) && !solver.learnt.iter().any(|(known, _)| known == name)
    };
    Some(Typed {
        instruction,
        stands: solver.sure || !sought.iter().any(is_open),
        sure: solver.sure,
        fits: solver.fits,
        learnt: solver.learnt,
    })
}

/// A path or word that was typed, its variables replaced; `None` where one of them is not known.
pub fn word(text: &str, around: &Around<'_>) -> Option<String> {
    let known = |name: &String| {
        let is = |(known, _): &(String, String)| known == name;
        around.args.iter().any(is)
            || around.so_far.env.iter().any(is)
            || !around.declared.contains(name)
    };
    if !names(text).iter().all(known) {
        return None;
    }
    expanded_word(text, &variables(around)).ok()
}

/// All variables as the builder has them; of one that is there twice the last counts.
fn variables(around: &Around<'_>) -> Vec<String> {
    let path = around.assumed.then(|| format!("PATH={PATH}"));
    let known = around.args.iter().chain(&around.so_far.env);
    let known = known.map(|(name, value)| format!("{name}={value}"));
    path.into_iter().chain(known).collect()
}

/// The names behind `$` and `${`, each once.
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

struct Solver<'a> {
    sought: &'a [String],
    around: &'a Around<'a>,
    learnt: Pairs,
    fits: Option<bool>,
    sure: bool,
}

impl Solver<'_> {
    fn instruction(&mut self, plain: Change, open: Option<Change>) -> Option<Instruction> {
        let known = self.around.known;
        Some(match (plain, open) {
            (Change::Env(pairs), open) => {
                let open = match open {
                    Some(Change::Env(open)) => Some(open),
                    _ => None,
                };
                Instruction::Env(self.pairs("ENV", pairs, open, &known.env))
            }
            (Change::Label(pairs), open) => {
                let open = match open {
                    Some(Change::Label(open)) => Some(open),
                    _ => None,
                };
                Instruction::Label(self.pairs("LABEL", pairs, open, &known.labels))
            }
            (Change::Expose(ports), open) => {
                let open = match open {
                    Some(Change::Expose(open)) => open,
                    _ => ports.clone(),
                };
                Instruction::Expose(self.each(ports, open, &known.ports, |port| {
                    match port.contains('/') {
                        true => port.to_owned(),
                        false => format!("{port}/tcp"),
                    }
                }))
            }
            (Change::Volume(paths), open) => {
                let open = match open {
                    Some(Change::Volume(open)) => open,
                    _ => paths.clone(),
                };
                Instruction::Volume(self.each(paths, open, &known.volumes, str::to_owned))
            }
            (Change::User(text), open) => {
                let open = match open {
                    Some(Change::User(open)) => Some(open),
                    _ => None,
                };
                Instruction::User(self.one("USER", text, open, &known.user))
            }
            (Change::StopSignal(text), open) => {
                let open = match open {
                    Some(Change::StopSignal(open)) => Some(open),
                    _ => None,
                };
                Instruction::StopSignal(self.one("STOPSIGNAL", text, open, &known.stop_signal))
            }
            (Change::Workdir(text), open) => {
                let workdir = &self.around.so_far.workdir;
                let whole = join_paths(workdir, &text);
                let open = match open {
                    Some(Change::Workdir(open)) => Some(join_paths(workdir, &open)),
                    _ => None,
                };
                let end = join_paths("/", &known.workdir);
                match self.one("WORKDIR", whole.clone(), open, &end) {
                    // As it was typed: it may be relative.
                    found if found == whole => Instruction::Workdir(text),
                    found => Instruction::Workdir(found),
                }
            }
            (Change::Cmd(words), _) => Instruction::Cmd(command(words)),
            (Change::Entrypoint(words), _) => Instruction::Entrypoint(command(words)),
            (Change::OnBuild(text), _) => Instruction::Onbuild(text),
            (Change::Healthcheck(check), _) => {
                let nanos = |value: i64| u64::try_from(value).unwrap_or_default();
                Instruction::Healthcheck(Health {
                    test: check.test,
                    times: [
                        nanos(check.interval),
                        nanos(check.timeout),
                        nanos(check.start_period),
                        nanos(check.start_interval),
                    ],
                    retries: nanos(check.retries),
                })
            }
        })
    }

    fn pairs(&mut self, word: &str, plain: Pairs, open: Option<Pairs>, known: &Pairs) -> Pairs {
        let open = open.unwrap_or_else(|| plain.clone());
        let mut out = Pairs::new();
        for ((key, value), (_, template)) in plain.into_iter().zip(open) {
            let stated = known
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.as_str());
            let is_last = (self.around.last)(&format!("{word} {key}"));
            let value = match stated {
                // What it adds to is not known, so neither is that it is wrong.
                Some(stated)
                    if is_last && word == "ENV" && key == "PATH" && self.around.assumed =>
                {
                    stated.to_owned()
                }
                _ => self.value(value, &template, stated, is_last),
            };
            out.push((key, value));
        }
        out
    }

    fn one(&mut self, word: &str, plain: String, open: Option<String>, stated: &str) -> String {
        let template = open.unwrap_or_else(|| plain.clone());
        let is_last = (self.around.last)(word);
        let stated = Some(stated).filter(|stated| !stated.is_empty());
        self.value(plain, &template, stated, is_last)
    }

    fn value(
        &mut self,
        plain: String,
        template: &str,
        stated: Option<&str>,
        is_last: bool,
    ) -> String {
        let is_whole = template == plain;
        let Some(stated) = stated.filter(|_| is_last) else {
            self.sure &= is_whole;
            return plain;
        };
        let mut fits = plain == stated;
        if !fits && !is_whole && self.solve(template, stated) {
            fits = true;
        }
        self.sure &= is_whole || fits;
        self.fits = Some(fits && self.fits != Some(false));
        match fits || !is_whole {
            true => stated.to_owned(),
            false => plain,
        }
    }

    /// Values that are a set in the config: each that has an open variable is the one of them that it can be.
    fn each(
        &mut self,
        plain: Vec<String>,
        open: Vec<String>,
        known: &[String],
        whole: impl Fn(&str) -> String,
    ) -> Vec<String> {
        if plain == open || plain.len() != open.len() && !plain.is_empty() {
            return plain;
        }
        let mut out = Vec::new();
        for (i, template) in open.iter().enumerate() {
            let plain = plain.get(i).map_or("", String::as_str);
            let is_there = |value: &str| known.iter().any(|known| *known == whole(value));
            if template == plain || is_there(plain) {
                out.push(plain.to_owned());
                continue;
            }
            let found = known
                .iter()
                .take(1000)
                .find(|known| self.solve(&whole(template), known));
            match found {
                Some(value) => out.push(value.clone()),
                None => self.sure = false,
            }
        }
        out
    }

    /// Finds values for the marks in a template so that it becomes a text, and notes them.
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
                // What comes last takes all that is left.
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
                && self.around.declared.contains(name)
                && !value.is_empty()
            {
                self.learnt.push((name.clone(), value));
            }
        }
        true
    }
}

fn command(words: Words) -> Command {
    match words {
        Words::Exec(words) => Command::Exec(words),
        Words::Shell(text) => Command::Shell(text),
    }
}
