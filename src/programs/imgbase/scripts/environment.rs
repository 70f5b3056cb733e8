//! Known facts while a script is evaluated: variables, arguments, files of the tree, debconf defaults.

use std::collections::BTreeMap;

use super::effect::TEMPORARY;
use super::shell::{Command, Part, Word, parse};
use super::status::Status;
use crate::base::debian::Unpacked;
use crate::base::rootfs::{Kind, Rootfs};

/// Largest file of the tree that is read, in bytes.
pub(super) const MAX_FILE: u64 = 1 << 20;

/// Facts that words and tests of a script are evaluated with.
pub(super) struct Environment<'a> {
    pub(super) rootfs: &'a Rootfs,
    pub(super) package: &'a Unpacked,
    /// Defaults of the package's debconf questions.
    pub(super) templates: BTreeMap<String, String>,
    /// Values of variables; `None` for an unknown value.
    pub(super) vars: BTreeMap<String, Option<String>>,
    /// Positional parameters.
    pub(super) args: Vec<Option<String>>,
}

impl<'a> Environment<'a> {
    /// Creates the environment in which dpkg runs a script of a package with these arguments.
    pub(super) fn new(package: &'a Unpacked, rootfs: &'a Rootfs, args: &[&str]) -> Self {
        let vars = [
            ("DPKG_ROOT", ""),
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("DPKG_MAINTSCRIPT_NAME", ""),
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ("DPKG_MAINTSCRIPT_PACKAGE", package.name()),
            ("DPKG_MAINTSCRIPT_ARCH", package.architecture()),
        ];
        let vars = vars.map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
        Environment {
            rootfs,
            package,
            templates: templates(package),
            vars: vars.into(),
            args: args.iter().map(|arg| Some((*arg).to_owned())).collect(),
        }
    }

    /// Returns the path of a program, looked up in the usual directories; `None` if it is missing.
    pub(super) fn program(&self, name: &str) -> Option<String> {
        if name.starts_with('/') {
            return self.kind(name, true).map(|_| name.to_owned());
        }
        let directories = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        let paths = directories
            .iter()
            .map(|directory| format!("{directory}/{name}"));
        paths
            .into_iter()
            .find(|path| self.kind(path, true).is_some())
    }

    /// Returns the kind of the node at a path; with `follow`, of the node that links lead to.
    pub(super) fn kind(&self, path: &str, follow: bool) -> Option<&Kind> {
        let resolved = match follow {
            true => self.rootfs.follow(path.as_bytes()),
            false => self.rootfs.resolve(path.as_bytes()),
        };
        self.rootfs.get(&resolved.ok()?).map(|node| &node.kind)
    }

    /// Evaluates `getent passwd NAME`, `getent group NAME` and `id NAME`.
    pub(super) fn account(&self, name: &str, args: &[Option<String>]) -> Status {
        let words: Option<Vec<&str>> = args.iter().map(Option::as_deref).collect();
        let Some(words) = words else {
            return Status::Unknown;
        };
        let operands: Vec<&str> = words
            .into_iter()
            .filter(|word| !word.starts_with('-'))
            .collect();
        let (file, wanted) = match (name, operands.as_slice()) {
            ("getent", [database @ ("passwd" | "group"), wanted]) => (*database, *wanted),
            ("id", [wanted]) => ("passwd", *wanted),
            _ => return Status::Unknown,
        };
        let path = format!("etc/{file}");
        let Ok(Some(bytes)) = self.rootfs.read(path.as_bytes(), MAX_FILE) else {
            return Status::Failure;
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

    /// Matches a value against a pattern of `case`; unknown for patterns with more than one `*`.
    pub(super) fn matches(&self, pattern: &Word, value: &str) -> Status {
        let star = |part: &Part| matches!(part, Part::Other(text) if text == "*");
        match pattern.parts.as_slice() {
            [] => value.is_empty().into(),
            [part] if star(part) => Status::Success,
            [Part::Text(text)] => (text == value).into(),
            [Part::Text(text), part] if star(part) => value.starts_with(text.as_str()).into(),
            [part, Part::Text(text)] if star(part) => value.ends_with(text.as_str()).into(),
            _ => match self.text(pattern) {
                Some(text) => (text == value).into(),
                None => Status::Unknown,
            },
        }
    }

    /// Returns the text of a word; `None` if it is unknown.
    pub(super) fn text(&self, word: &Word) -> Option<String> {
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
            Part::Substitution(text) => self.substitute(text),
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
                // An unset variable is empty.
                Err(_) => self.vars.get(name).cloned().unwrap_or(Some(String::new())),
            },
        }
    }

    /// Expands a word, and splits the result into words as a shell does.
    pub(super) fn expand(&self, word: &Word) -> Vec<Option<String>> {
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

    /// Returns the output of a command substitution; `None` for an unsupported command.
    fn substitute(&self, script: &str) -> Option<String> {
        let Ok(Command::Simple { words, assigns, .. }) = parse(script) else {
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
            ["mktemp", ..] => Some(TEMPORARY.to_owned()),
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

    /// Returns the new path and the package of a diversion.
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

/// Returns the defaults of a package's debconf questions.
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
