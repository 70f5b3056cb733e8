//! What is left of maintainer scripts.

use std::collections::BTreeSet;

use super::{Effect, Recipe, effects_of};
use crate::base::debian::Unpacked;
use crate::programs::imgbase::Base;
use crate::programs::imgbase::standins::would_change;

/// What a package's install scripts are to an image made without running them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// There are none.
    None,
    /// All that they would do is done, or means nothing in an image.
    Covered,
    /// Something is left.
    Uncovered,
}

impl Class {
    /// `none`, `covered`, `uncovered`.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::None => "none",
            Class::Covered => "covered",
            Class::Uncovered => "uncovered",
        }
    }
}

/// A line of a script that would still do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// `preinst` or `postinst`.
    pub script: &'static str,
    /// Counted from 1; 0 if it is the script as a whole.
    pub line: usize,
    /// The line as it is written, blanks at its ends taken away.
    pub text: String,
    /// The command with its words as far as they are known, `…` for one that is not.
    pub command: String,
    /// Whether it is run in any case, as far as can be told.
    pub certain: bool,
}

/// The scripts of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageScripts {
    /// Its name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// Its class.
    pub class: Class,
    /// What is left, in the order of the scripts.
    pub left: Vec<Left>,
    /// What would be left had no recipe answered it.
    pub answered: Vec<Left>,
    /// What is put off until it is needed: `bytecode of Python`.
    pub later: Vec<&'static str>,
}

impl PackageScripts {
    /// Adds what is left to what is answered or to what is not, once.
    fn add(&mut self, left: Left, answers: &[&str]) {
        let is_answered = answers
            .iter()
            .any(|answer| left.command.starts_with(answer));
        let list = match is_answered {
            true => &mut self.answered,
            false => &mut self.left,
        };
        if !list.contains(&left) {
            list.push(left);
        }
    }
}

/// Compares the scripts of all packages with the finished tree, package after package. What a recipe answers is covered.
pub fn report(base: &Base, recipes: &[Recipe]) -> Vec<PackageScripts> {
    let mut scratch = base.clone();
    let packages = base.packages.iter();
    packages
        .map(|package| of_package(package, recipes, &mut scratch))
        .collect()
}

fn of_package(package: &Unpacked, recipes: &[Recipe], scratch: &mut Base) -> PackageScripts {
    let answers: Vec<&str> = recipes
        .iter()
        .filter(|recipe| recipe.is_for(package))
        .flat_map(|recipe| recipe.answers.iter().map(String::as_str))
        .collect();
    let mut found = PackageScripts {
        package: package.name().to_owned(),
        version: package.version().to_owned(),
        architecture: package.architecture().to_owned(),
        class: Class::None,
        left: Vec::new(),
        answered: Vec::new(),
        later: Vec::new(),
    };
    let mut later = BTreeSet::new();
    for script in ["preinst", "postinst"] {
        let Some(member) = package.members.get(script) else {
            continue;
        };
        found.class = found.class.max(Class::Covered);
        let text = String::from_utf8_lossy(&member.bytes);
        let effects = match effects_of(package, script, &scratch.rootfs) {
            Ok(effects) => effects,
            Err((line, why)) => {
                let left = Left {
                    script,
                    line,
                    text: line_of(&text, line),
                    command: format!("not understood: {why}"),
                    certain: true,
                };
                found.add(left, &answers);
                continue;
            }
        };
        for effect in effects {
            match judge(package, &effect, scratch) {
                Judgement::Done => {}
                Judgement::Later(what) => {
                    later.insert(what);
                }
                Judgement::Left => {
                    let left = Left {
                        script,
                        line: effect.line,
                        text: line_of(&text, effect.line),
                        command: shown(&effect),
                        certain: effect.certain,
                    };
                    found.add(left, &answers);
                }
            }
        }
    }
    found.later = later.into_iter().collect();
    if !found.left.is_empty() {
        found.class = Class::Uncovered;
    }
    found
}

fn line_of(text: &str, line: usize) -> String {
    let lines = line.checked_sub(1).and_then(|at| text.lines().nth(at));
    lines.unwrap_or_default().trim().to_owned()
}

fn shown(effect: &Effect) -> String {
    let words = effect
        .words
        .iter()
        .map(|word| word.as_deref().unwrap_or("…").to_owned());
    let outputs = effect.outputs.iter().map(|(path, adds)| {
        let op = if *adds { ">>" } else { ">" };
        format!("{op} {}", path.as_deref().unwrap_or("…"))
    });
    words.chain(outputs).collect::<Vec<_>>().join(" ")
}

enum Judgement {
    Done,
    Later(&'static str),
    Left,
}

/// Programs that look and change nothing, as scripts use them.
const LOOKING: [&str; 38] = [
    "getcap",
    "ischroot",
    "awk",
    "basename",
    "cat",
    "cksum",
    "cmp",
    "comm",
    "cut",
    "df",
    "diff",
    "dirname",
    "dpkg-query",
    "egrep",
    "expr",
    "fgrep",
    "grep",
    "head",
    "hostname",
    "ls",
    "mktemp",
    "pidof",
    "printenv",
    "ps",
    "pwd",
    "readlink",
    "realpath",
    "sha512sum",
    "md5sum",
    "sleep",
    "sort",
    "ss",
    "stat",
    "tail",
    "tr",
    "uname",
    "uniq",
    "wc",
];

/// Programs whose work a stand-in does, or that have nothing to do while nothing runs.
const STOOD_IN: [&str; 24] = [
    "dpkg-maintscript-helper", // Moves what older versions left: there was none.
    "dpkg-trigger",            // Asks another package for what its stand-in does anyway.
    "deb-systemd-invoke",      // Starts and stops services, as do the next ones.
    "invoke-rc.d",
    "systemctl",
    "service",
    "start-stop-daemon",
    "telinit",
    "ldconfig",
    "pam-auth-update",
    "update-shells",
    "add-shell",
    "remove-shell",
    "shadowconfig",
    "update-passwd",
    "update-ca-certificates",
    "update-menus",
    "restorecon",
    "selinuxenabled",
    "udevadm",
    "pwck",
    "grpck",
    "nscd",
    "ucfr", // Keeps count of what ucf did; what ucf did is another matter.
];

/// What is made when it is first needed.
const LATER: [(&str, &str); 8] = [
    ("py3compile", "bytecode of Python"),
    ("pycompile", "bytecode of Python"),
    ("py3clean", "bytecode of Python"),
    ("update-python-modules", "bytecode of Python"),
    ("mandb", "index of manual pages"),
    ("install-info", "index of info pages"),
    ("update-info-dir", "index of info pages"),
    ("fc-cache", "cache of fonts"),
];

/// Commands of single packages that a stand-in answers: package, how the command begins, and the path that then is there.
const ANSWERED: [(&str, &[&str], &str); 13] = [
    ("tzdata", &["ln", "-nsf"], "etc/localtime"),
    ("tzdata", &["mv", "-f"], "etc/localtime"),
    ("tzdata", &["date"], "etc/localtime"),
    ("tzdata", &["echo"], "etc/timezone"),
    // They clean up after versions of long ago.
    ("dpkg", &["mv"], "var/lib/dpkg/status"),
    ("usr-is-merged", &["rm", "-v"], "usr/lib"),
    ("usr-is-merged", &["rmdir"], "usr/lib"),
    // Its link is what the package brings; it is put in the place of one that another shell may have left.
    ("dash", &["rm", "-f"], "usr/bin/sh"),
    ("dash", &["ln", "-sf", "dash"], "usr/bin/sh"),
    ("dash", &["mv", "-f"], "usr/bin/sh"),
    ("dash", &["cp", "-dp"], "usr/bin/sh"),
    // Only looks whether perl is there.
    ("libc6", &["perl", "-e", ""], "usr/bin/perl"),
    ("ca-certificates", &[], "etc/ssl/certs/ca-certificates.crt"),
];

fn judge(package: &Unpacked, effect: &Effect, scratch: &mut Base) -> Judgement {
    let name = effect.name().rsplit('/').next().unwrap_or_default();
    let answered = ANSWERED.iter().any(|(of, start, path)| {
        let starts = start.len() <= effect.words.len()
            && start
                .iter()
                .zip(&effect.words)
                .all(|(word, known)| known.as_deref() == Some(word));
        *of == package.name() && starts && scratch.rootfs.get(path.as_bytes()).is_some()
    });
    if answered {
        return Judgement::Done;
    }
    if effect.outputs.is_empty() {
        let mut words = effect.words.iter().flatten();
        if words.any(|word| word.ends_with("/py_compile.py") || word.ends_with("rtupdate")) {
            return Judgement::Later("bytecode of Python");
        }
        if let Some((_, what)) = LATER.iter().find(|(known, _)| *known == name) {
            return Judgement::Later(what);
        }
        let is_find = name == "find"
            && !effect
                .words
                .iter()
                .flatten()
                .any(|word| word.starts_with("-exec") || word == "-delete");
        let is_sed = name == "sed"
            && !effect
                .words
                .iter()
                .flatten()
                .any(|word| word.starts_with("-i") || word.starts_with("--in-place"));
        if LOOKING.contains(&name) || STOOD_IN.contains(&name) || is_find || is_sed {
            return Judgement::Done;
        }
    }
    match would_change(scratch, effect) {
        Some(false) => Judgement::Done,
        _ => Judgement::Left,
    }
}
