//! What maintainer scripts say in so many words, done to the tree.
//!
//! Scripts are worked out by [`scripts::run`](crate::programs::imgbase::scripts): nothing is run. A command is done only if it is
//! reached in any case, all its words are known, and it is one of those below in a form that is understood in full;
//! otherwise it is left, and the report names it. Doing it again changes nothing.

mod declared;
mod dpkg;
mod files;
mod users;

use std::collections::BTreeSet;

use super::{Making, alternatives, systemd};
use crate::base::rootfs::Node;
use crate::error::Result;
use crate::programs::imgbase::scripts::{Effect, MADE_UP, effects_of};
pub(super) use files::owner_of;
pub(super) use users::keep;

/// How often scripts are gone through: what one makes may be what another looks for.
const ROUNDS: usize = 3;

pub(super) fn make(making: &mut Making<'_>) -> Result<()> {
    for _ in 0..ROUNDS {
        let before = making.made.len();
        for index in 0..making.base.packages.len() {
            let package = making.base.packages[index].clone();
            for script in ["preinst", "postinst"] {
                let found = effects_of(&package, script, &making.base.rootfs);
                let found = found.unwrap_or_default();
                let moved = unsettled(making, &found);
                for effect in found {
                    let places = ["ln", "cp", "touch", "mkdir", "chmod", "chown", "chgrp"];
                    let is_moved = places.contains(&effect.name())
                        && effect
                            .words
                            .iter()
                            .flatten()
                            .any(|word| moved.contains(word));
                    if effect.certain && !is_moved {
                        // What the tree does not allow would have failed in the script, too, and is left.
                        let _ = perform(making, &effect);
                    }
                }
            }
        }
        if making.made.len() == before {
            break;
        }
    }
    Ok(())
}

/// The paths that a script moves away or takes away: what else it does with them only makes sense with that, which is not
/// done here.
fn unsettled(making: &Making<'_>, effects: &[Effect]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for effect in effects {
        let words = effect.words.iter().skip(1).flatten();
        let plain = words.filter(|word| !word.starts_with('-'));
        match effect.name() {
            "mv" => paths.extend(plain.cloned()),
            "rm" => paths.extend(plain.filter(|path| making.exists(path)).cloned()),
            _ => {}
        }
    }
    paths
}

/// Options and plain words of a command. Options that take a value are told by `valued`.
struct Words<'w> {
    options: Vec<(&'w str, Option<&'w str>)>,
    plain: Vec<&'w str>,
}

impl<'w> Words<'w> {
    fn new(words: &[&'w str], valued: &[&str]) -> Self {
        let mut found = Words {
            options: Vec::new(),
            plain: Vec::new(),
        };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            if word == "--" {
                found.plain.extend(words.by_ref());
            } else if let Some(long) = word.strip_prefix("--") {
                match long.split_once('=') {
                    Some((name, value)) => {
                        found.options.push((&word[..name.len() + 2], Some(value)))
                    }
                    None if valued.contains(&word) => found.options.push((word, words.next())),
                    None => found.options.push((word, None)),
                }
            } else if word.starts_with('-') && word.len() > 1 {
                match valued.contains(&word) {
                    true => found.options.push((word, words.next())),
                    false => found.options.push((word, None)),
                }
            } else {
                found.plain.push(word);
            }
        }
        found
    }

    fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(option, _)| *option == name)
    }

    fn value(&self, names: &[&str]) -> Option<&'w str> {
        let mut found = self
            .options
            .iter()
            .filter(|(option, _)| names.contains(option));
        found.next().and_then(|(_, value)| *value)
    }

    /// Whether a letter is among the short options.
    fn letter(&self, letter: char) -> bool {
        let mut shorts = self
            .options
            .iter()
            .filter(|(option, _)| !option.starts_with("--"));
        shorts.any(|(option, _)| option.contains(letter))
    }

    /// Whether there are no options but these.
    fn only(&self, known: &[&str], letters: &str) -> bool {
        self.options
            .iter()
            .all(|(option, _)| match option.strip_prefix("--") {
                Some(_) => known.contains(option),
                None => known.contains(option) || option[1..].chars().all(|c| letters.contains(c)),
            })
    }
}

/// Does a command. Returns whether it is done, by this or before.
pub(super) fn perform(making: &mut Making<'_>, effect: &Effect) -> Result<bool> {
    let outputs = effect.outputs.iter().filter_map(|(path, _)| path.as_ref());
    if effect
        .words
        .iter()
        .flatten()
        .chain(outputs)
        .any(|word| word.starts_with(MADE_UP))
    {
        return Ok(effect.name() == "rm");
    }
    if !effect.outputs.is_empty() {
        return output(making, effect);
    }
    let Some(words) = effect.literal() else {
        return Ok(false);
    };
    let Some((name, args)) = words.split_first() else {
        return Ok(true);
    };
    let name = name.rsplit('/').next().unwrap_or_default();
    match name {
        "mkdir" => files::mkdir(making, args, effect.umask),
        "touch" => {
            let words = Words::new(args, &["-d", "-r", "-t", "--date", "--reference"]);
            if !words.options.is_empty() {
                return Ok(false);
            }
            for path in &words.plain {
                making.add(path, Node::file(0o666 & !effect.umask, ""))?;
            }
            Ok(true)
        }
        "chmod" => files::chmod(making, args),
        "chown" | "chgrp" => files::chown(making, name, args),
        "ln" => files::ln(making, args),
        "cp" => files::cp(making, args, effect.umask),
        "rm" => {
            let words = Words::new(args, &[]);
            Ok(words.letter('f') && words.plain.iter().all(|path| !making.exists(path)))
        }
        "rmdir" => files::rmdir(making, args),
        "install" => files::install(making, args),
        "adduser" => users::adduser(making, args),
        "addgroup" => users::addgroup(making, args),
        "useradd" | "groupadd" => users::useradd(making, name, args),
        "usermod" | "gpasswd" => users::join(making, name, args),
        "update-alternatives" => alternatives::install(making, args),
        "dpkg-divert" => dpkg::divert(making, args),
        "dpkg-statoverride" => dpkg::override_stat(making, args),
        "deb-systemd-helper" => systemd::enable(making, args),
        "update-rc.d" => systemd::update_rc(making, args),
        "systemd-sysusers" => declared::sysusers(making, args),
        "systemd-tmpfiles" => declared::tmpfiles(making, args),
        _ => Ok(false),
    }
}

/// `: > FILE`, `echo TEXT > FILE`, `cat > FILE <<EOF`.
fn output(making: &mut Making<'_>, effect: &Effect) -> Result<bool> {
    let [(Some(path), adds)] = effect.outputs.as_slice() else {
        return Ok(false);
    };
    let words = match effect.literal() {
        Some(words) => words,
        None => return Ok(false),
    };
    let text = match words.as_slice() {
        [] | [":" | "true"] => String::new(),
        ["echo", "-n", text @ ..] if !text.iter().any(|word| word.contains('\\')) => text.join(" "),
        ["echo", text @ ..]
            if !text
                .iter()
                .any(|word| word.contains('\\') || word.starts_with('-')) =>
        {
            format!("{}\n", text.join(" "))
        }
        ["cat"] | ["cat", "-"] => match &effect.input {
            Some(text) => text.clone(),
            None => return Ok(false),
        },
        _ => return Ok(false),
    };
    let there = making.text(path)?;
    if *adds {
        let there = there.unwrap_or_default();
        if there.contains(&text) {
            return Ok(true);
        }
        return making.write(path, there + &text).map(|()| true);
    }
    match there {
        Some(there) => Ok(there == text),
        None => {
            making.put(path, Node::file(0o666 & !effect.umask, text))?;
            Ok(true)
        }
    }
}
