//! Commands of maintainer scripts, carried out on the tree.
//!
//! [`scripts`](crate::programs::imgbase::scripts) evaluates a script to its commands; nothing is run. A command is
//! carried out only if it is certain to be reached, all its words are known, and it is one of those below with options
//! that are fully supported; otherwise it is skipped, and the report lists it. All commands are idempotent.

mod declared;
mod dpkg;
mod files;
mod users;
mod words;

use std::collections::BTreeSet;

use super::editor::TreeEditor;
use super::{alternatives, systemd};
use crate::base::rootfs::Node;
use crate::error::Result;
use crate::programs::imgbase::scripts::{Effect, TEMPORARY, effects_of};
use words::Words;

/// Number of passes over all scripts: one script may test for a file that another makes.
const ROUNDS: usize = 3;

/// Carries out the commands of all packages' `preinst` and `postinst` scripts.
pub(super) fn make(editor: &mut TreeEditor<'_>) -> Result<()> {
    for _ in 0..ROUNDS {
        let before = editor.made.len();
        for index in 0..editor.base.packages.len() {
            let package = editor.base.packages[index].clone();
            for script in ["preinst", "postinst"] {
                let found = effects_of(&package, script, &editor.base.rootfs);
                let found = found.unwrap_or_default();
                let moved = moved_paths(editor, &found);
                for effect in found {
                    let in_place = ["ln", "cp", "touch", "mkdir", "chmod", "chown", "chgrp"];
                    let is_moved = in_place.contains(&effect.name())
                        && effect
                            .words
                            .iter()
                            .flatten()
                            .any(|word| moved.contains(word));
                    if effect.certain && !is_moved {
                        // A command that the tree does not allow would have failed in the script, too.
                        let _ = perform(editor, &effect);
                    }
                }
            }
        }
        if editor.made.len() == before {
            break;
        }
    }
    Ok(())
}

/// Paths that a script moves or deletes. Its other commands on them depend on that, which is not emulated.
fn moved_paths(editor: &TreeEditor<'_>, effects: &[Effect]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for effect in effects {
        let words = effect.words.iter().skip(1).flatten();
        let operands = words.filter(|word| !word.starts_with('-'));
        match effect.name() {
            "mv" => paths.extend(operands.cloned()),
            "rm" => paths.extend(operands.filter(|path| editor.exists(path)).cloned()),
            _ => {}
        }
    }
    paths
}

/// Carries out a command. Returns whether its result is in the tree now; false for an unsupported command.
pub(super) fn perform(editor: &mut TreeEditor<'_>, effect: &Effect) -> Result<bool> {
    let outputs = effect.outputs.iter().filter_map(|(path, _)| path.as_ref());
    if effect
        .words
        .iter()
        .flatten()
        .chain(outputs)
        .any(|word| word.starts_with(TEMPORARY))
    {
        return Ok(effect.name() == "rm");
    }
    if !effect.outputs.is_empty() {
        return redirect(editor, effect);
    }
    let Some(words) = effect.literal() else {
        return Ok(false);
    };
    let Some((name, args)) = words.split_first() else {
        return Ok(true);
    };
    let name = name.rsplit('/').next().unwrap_or_default();
    match name {
        "mkdir" => files::mkdir(editor, args, effect.umask),
        "touch" => {
            let words = Words::new(args, &["-d", "-r", "-t", "--date", "--reference"]);
            if !words.options.is_empty() {
                return Ok(false);
            }
            for path in &words.operands {
                editor.add(path, Node::file(0o666 & !effect.umask, ""))?;
            }
            Ok(true)
        }
        "chmod" => files::chmod(editor, args),
        "chown" | "chgrp" => files::chown(editor, name, args),
        "ln" => files::ln(editor, args),
        "cp" => files::cp(editor, args, effect.umask),
        "rm" => {
            let words = Words::new(args, &[]);
            Ok(words.letter('f') && words.operands.iter().all(|path| !editor.exists(path)))
        }
        "rmdir" => files::rmdir(editor, args),
        "install" => files::install(editor, args),
        "adduser" => users::adduser(editor, args),
        "addgroup" => users::addgroup(editor, args),
        "useradd" => users::useradd(editor, args),
        "groupadd" => users::groupadd(editor, args),
        "usermod" | "gpasswd" => users::join(editor, name, args),
        "update-alternatives" => alternatives::install(editor, args),
        "dpkg-divert" => dpkg::divert(editor, args),
        "dpkg-statoverride" => dpkg::override_stat(editor, args),
        "deb-systemd-helper" => systemd::enable(editor, args),
        "update-rc.d" => systemd::update_rc(editor, args),
        "systemd-sysusers" => declared::sysusers(editor, args),
        "systemd-tmpfiles" => declared::tmpfiles(editor, args),
        _ => Ok(false),
    }
}

/// Carries out `: > FILE`, `echo TEXT > FILE`, `cat > FILE <<EOF` and the same with `>>`.
fn redirect(editor: &mut TreeEditor<'_>, effect: &Effect) -> Result<bool> {
    let [(Some(path), appends)] = effect.outputs.as_slice() else {
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
    let existing = editor.text(path)?;
    if *appends {
        let existing = existing.unwrap_or_default();
        if existing.contains(&text) {
            return Ok(true);
        }
        return editor.write(path, existing + &text).map(|()| true);
    }
    match existing {
        Some(existing) => Ok(existing == text),
        None => {
            editor.put(path, Node::file(0o666 & !effect.umask, text))?;
            Ok(true)
        }
    }
}
