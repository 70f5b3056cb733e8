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
                        perform(editor, &effect);
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

/// Carries out a command, so that its result is in the tree; `None` for an unsupported command, and for one that fails on
/// this tree.
pub(super) fn perform(editor: &mut TreeEditor<'_>, effect: &Effect) -> Option<()> {
    let outputs = effect.outputs.iter().filter_map(|(path, _)| path.as_ref());
    let mut words = effect.words.iter().flatten().chain(outputs);
    if words.any(|word| word.starts_with(TEMPORARY)) {
        return (effect.name() == "rm").then_some(());
    }
    if !effect.outputs.is_empty() {
        return redirect(editor, effect);
    }
    let words = effect.literal()?;
    let Some((name, args)) = words.split_first() else {
        return Some(());
    };
    let name = name.rsplit('/').next().unwrap_or_default();
    match name {
        "mkdir" => files::mkdir(editor, args, effect.umask),
        "touch" => {
            let words = Words::new(args, "");
            words.only("", "")?;
            for path in &words.operands {
                let node = Node::file(0o666 & !effect.umask, "");
                editor.add(path, node).ok()?;
            }
            Some(())
        }
        "chmod" => files::chmod(editor, args),
        "chown" | "chgrp" => files::chown(editor, name, args),
        "ln" => files::ln(editor, args),
        "cp" => files::cp(editor, args, effect.umask),
        "rm" => {
            let words = Words::new(args, "");
            let is_gone = words.operands.iter().all(|path| !editor.exists(path));
            (words.letter('f') && is_gone).then_some(())
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
        _ => None,
    }
}

/// Carries out `: > FILE`, `echo TEXT > FILE`, `cat > FILE <<EOF` and the same with `>>`.
fn redirect(editor: &mut TreeEditor<'_>, effect: &Effect) -> Option<()> {
    let [(Some(path), appends)] = effect.outputs.as_slice() else {
        return None;
    };
    let text = match effect.literal()?.as_slice() {
        [] | [":" | "true"] => String::new(),
        ["echo", "-n", text @ ..] if !text.iter().any(|word| word.contains('\\')) => text.join(" "),
        ["echo", text @ ..]
            if !text
                .iter()
                .any(|word| word.contains('\\') || word.starts_with('-')) =>
        {
            format!("{}\n", text.join(" "))
        }
        ["cat"] | ["cat", "-"] => effect.input.clone()?,
        _ => return None,
    };
    match editor.text(path).ok()? {
        Some(existing) if *appends && existing.contains(&text) => Some(()),
        existing if *appends => {
            let text = existing.unwrap_or_default() + &text;
            editor.write(path, text).ok()
        }
        Some(existing) => (existing == text).then_some(()),
        None => {
            let node = Node::file(0o666 & !effect.umask, text);
            editor.put(path, node).ok()
        }
    }
}
