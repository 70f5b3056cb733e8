//! Coverage of maintainer scripts by the emulation.
//!
//! Scripts are evaluated on the finished tree: a command that would change nothing any more is covered, and all other
//! commands are reported.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::base::debian::Unpacked;
use crate::programs::imgbase::Base;
use crate::programs::imgbase::emulation::would_change;
use crate::programs::imgbase::scripts::{Effect, Recipe, effects_of};

/// Coverage of a package's install scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Coverage {
    /// The package has no scripts.
    None,
    /// The result of every command is in the image, or has no meaning in one.
    Covered,
    /// The result of a command is missing.
    Uncovered,
}

/// A command of a script that would still change the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UncoveredCommand {
    /// `preinst` or `postinst`.
    pub script: &'static str,
    /// Line number, from 1; 0 for the script as a whole.
    pub line: usize,
    /// Text of the line, trimmed.
    pub text: String,
    /// Words of the command, with `…` for each unknown one.
    pub command: String,
    /// True if the command is certain to be reached.
    pub certain: bool,
}

/// Coverage of the scripts of one package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScriptCoverage {
    /// Name of the package.
    pub package: String,
    /// Version of the package.
    pub version: String,
    /// Architecture of the package.
    pub architecture: String,
    /// Coverage of all its scripts.
    pub class: Coverage,
    /// Uncovered commands, in the order of the scripts.
    pub left: Vec<UncoveredCommand>,
    /// Commands that would be uncovered without a recipe.
    pub answered: Vec<UncoveredCommand>,
    /// Results that are made when they are first needed: `bytecode of Python`.
    pub later: Vec<&'static str>,
}

impl ScriptCoverage {
    /// Adds a command to the answered or the uncovered ones, unless it is among them.
    fn add(&mut self, left: UncoveredCommand, answers: &[&str]) {
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

/// Compares the scripts of all packages with the finished tree. Commands that a recipe replaces are covered.
pub fn report(base: &Base, recipes: &[Recipe]) -> Vec<ScriptCoverage> {
    let mut scratch = base.clone();
    let packages = base.packages.iter();
    packages
        .map(|package| of_package(package, recipes, &mut scratch))
        .collect()
}

fn of_package(package: &Unpacked, recipes: &[Recipe], scratch: &mut Base) -> ScriptCoverage {
    let answers: Vec<&str> = recipes
        .iter()
        .filter(|recipe| recipe.applies_to(package))
        .flat_map(|recipe| recipe.answers.iter().map(String::as_str))
        .collect();
    let mut found = ScriptCoverage {
        package: package.name().to_owned(),
        version: package.version().to_owned(),
        architecture: package.architecture().to_owned(),
        class: Coverage::None,
        left: Vec::new(),
        answered: Vec::new(),
        later: Vec::new(),
    };
    let mut later = BTreeSet::new();
    for script in ["preinst", "postinst"] {
        let Some(member) = package.members.get(script) else {
            continue;
        };
        found.class = found.class.max(Coverage::Covered);
        let text = String::from_utf8_lossy(&member.bytes);
        let effects = match effects_of(package, script, &scratch.rootfs) {
            Ok(effects) => effects,
            Err((line, why)) => {
                let left = UncoveredCommand {
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
                Judgement::Deferred(what) => {
                    later.insert(what);
                }
                Judgement::Uncovered => {
                    let left = UncoveredCommand {
                        script,
                        line: effect.line,
                        text: line_of(&text, effect.line),
                        command: display(&effect),
                        certain: effect.certain,
                    };
                    found.add(left, &answers);
                }
            }
        }
    }
    found.later = later.into_iter().collect();
    if !found.left.is_empty() {
        found.class = Coverage::Uncovered;
    }
    found
}

fn line_of(text: &str, line: usize) -> String {
    let lines = line.checked_sub(1).and_then(|at| text.lines().nth(at));
    lines.unwrap_or_default().trim().to_owned()
}

fn display(effect: &Effect) -> String {
    let words = effect
        .words
        .iter()
        .map(|word| word.as_deref().unwrap_or("…").to_owned());
    let outputs = effect.outputs.iter().map(|(path, appends)| {
        let op = if *appends { ">>" } else { ">" };
        format!("{op} {}", path.as_deref().unwrap_or("…"))
    });
    words.chain(outputs).collect::<Vec<_>>().join(" ")
}

/// Judgement of one command.
enum Judgement {
    Done,
    Deferred(&'static str),
    Uncovered,
}

/// Programs that change nothing, as scripts use them.
const READ_ONLY: &str = "getcap ischroot awk basename cat cksum cmp comm cut df diff dirname dpkg-query egrep expr \
    fgrep grep head hostname ls mktemp pidof printenv ps pwd readlink realpath sha512sum md5sum sleep sort ss stat \
    tail tr uname uniq wc";

/// Programs that are emulated, or that have no effect while no service runs. dpkg-maintscript-helper moves files of older
/// versions, of which there are none, and ucfr registers files of ucf, which is not on this list itself.
const EMULATED: &str = "dpkg-maintscript-helper dpkg-trigger deb-systemd-invoke invoke-rc.d systemctl service \
    start-stop-daemon telinit ldconfig pam-auth-update update-shells add-shell remove-shell shadowconfig \
    update-passwd update-ca-certificates update-menus restorecon selinuxenabled udevadm pwck grpck nscd ucfr";

/// Programs whose results are made when they are first needed.
const DEFERRED: [(&str, &str); 8] = [
    ("py3compile", "bytecode of Python"),
    ("pycompile", "bytecode of Python"),
    ("py3clean", "bytecode of Python"),
    ("update-python-modules", "bytecode of Python"),
    ("mandb", "index of manual pages"),
    ("install-info", "index of info pages"),
    ("update-info-dir", "index of info pages"),
    ("fc-cache", "cache of fonts"),
];

/// Commands of certain packages that are emulated: package, first words of the command, path that exists as a result.
const EMULATED_FOR: [(&str, &[&str], &str); 13] = [
    ("tzdata", &["ln", "-nsf"], "etc/localtime"),
    ("tzdata", &["mv", "-f"], "etc/localtime"),
    ("tzdata", &["date"], "etc/localtime"),
    ("tzdata", &["echo"], "etc/timezone"),
    // Cleanup after old versions.
    ("dpkg", &["mv"], "var/lib/dpkg/status"),
    ("usr-is-merged", &["rm", "-v"], "usr/lib"),
    ("usr-is-merged", &["rmdir"], "usr/lib"),
    // The package contains the link; the script replaces the link of another shell.
    ("dash", &["rm", "-f"], "usr/bin/sh"),
    ("dash", &["ln", "-sf", "dash"], "usr/bin/sh"),
    ("dash", &["mv", "-f"], "usr/bin/sh"),
    ("dash", &["cp", "-dp"], "usr/bin/sh"),
    // Only tests whether perl is installed.
    ("libc6", &["perl", "-e", ""], "usr/bin/perl"),
    ("ca-certificates", &[], "etc/ssl/certs/ca-certificates.crt"),
];

fn judge(package: &Unpacked, effect: &Effect, scratch: &mut Base) -> Judgement {
    let name = effect.name().rsplit('/').next().unwrap_or_default();
    let answered = EMULATED_FOR.iter().any(|(of, start, path)| {
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
            return Judgement::Deferred("bytecode of Python");
        }
        if let Some((_, what)) = DEFERRED.iter().find(|(known, _)| *known == name) {
            return Judgement::Deferred(what);
        }
        let mut words = effect.words.iter().flatten();
        let is_harmless = match name {
            "find" => !words.any(|word| word.starts_with("-exec") || word == "-delete"),
            "sed" => !words.any(|word| word.starts_with("-i") || word.starts_with("--in-place")),
            _ => READ_ONLY
                .split(' ')
                .chain(EMULATED.split(' '))
                .any(|known| known == name),
        };
        if is_harmless {
            return Judgement::Done;
        }
    }
    match would_change(scratch, effect) {
        Some(false) => Judgement::Done,
        _ => Judgement::Uncovered,
    }
}
