//! Commands on files: `mkdir`, `chmod`, `chown`, `ln`, `cp`, `rmdir`, `install`.

use super::super::accounts::Accounts;
use super::super::editor::TreeEditor;
use super::words::Words;
use crate::base::rootfs::{Kind, Node};
use crate::programs::imgbase::mode::parse_mode;

/// Returns a mode after `chmod`: `0644`, or `u+s,g=rx` applied to `was`; `None` for `X`, which depends on the file type.
fn mode_of(text: &str, was: u16) -> Option<u16> {
    if let Some(mode) = parse_mode(text) {
        return Some(mode);
    }
    let mut mode = was;
    for clause in text.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let (who, rest) = clause.split_at(at);
        let who = if who.is_empty() || who == "a" {
            "ugo"
        } else {
            who
        };
        let (op, what) = rest.split_at(1);
        for class in who.chars() {
            let shift = match class {
                'u' => 6,
                'g' => 3,
                'o' => 0,
                _ => return None,
            };
            let mut bits = 0;
            for letter in what.chars() {
                bits |= match (letter, class) {
                    ('r', _) => 4 << shift,
                    ('w', _) => 2 << shift,
                    ('x', _) => 1 << shift,
                    ('s', 'u') => 0o4000,
                    ('s', 'g') => 0o2000,
                    ('s', _) => 0,
                    ('t', _) => 0o1000,
                    _ => return None,
                };
            }
            mode = match op {
                "+" => mode | bits,
                "-" => mode & !bits,
                _ => mode & !(7 << shift) | bits,
            };
        }
    }
    Some(mode)
}

/// `mkdir`, with `-p` and `-m`.
pub(super) fn mkdir(editor: &mut TreeEditor<'_>, args: &[&str], umask: u16) -> Option<()> {
    let words = Words::new(args, "-m --mode");
    words.only("-m --mode --parents", "pvZ")?;
    let mode = match words.value("-m --mode") {
        Some(text) => parse_mode(text)?,
        None => 0o777 & !umask,
    };
    for path in &words.operands {
        if !editor.is_directory(path) {
            editor.put(path, Node::directory(mode)).ok()?;
        }
    }
    Some(())
}

/// Returns the paths that a command applies to, with `recursive` also those below; `None` if one is missing.
fn expand_paths(editor: &TreeEditor<'_>, paths: &[&str], recursive: bool) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for path in paths {
        if !editor.exists(path) {
            return None;
        }
        all.push((*path).to_owned());
        if recursive {
            let rootfs = &editor.base.rootfs;
            let directory = rootfs.follow(path.as_bytes()).ok()?;
            let inside = rootfs
                .below(&directory)
                .filter(|named| !matches!(named.node.kind, Kind::Symlink(_)));
            all.extend(inside.map(|named| String::from_utf8_lossy(named.path).into_owned()));
        }
    }
    Some(all)
}

/// `chmod`, with `-R`.
pub(super) fn chmod(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    // A mode may look like an option: `chmod -x`.
    let mut recursive = false;
    let mut rest = Vec::new();
    for arg in args {
        match *arg {
            "-R" | "--recursive" => recursive = true,
            "-f" | "-v" | "--" => {}
            arg => rest.push(arg),
        }
    }
    let (mode, paths) = rest.split_first()?;
    let mut done = true;
    for path in expand_paths(editor, paths, recursive)? {
        let change = |node: &mut Node| match mode_of(mode, node.mode) {
            Some(mode) => node.mode = mode,
            None => done = false,
        };
        editor.change(&path, change).ok()?;
    }
    done.then_some(())
}

/// `chown` and `chgrp`, with `-R`.
pub(super) fn chown(editor: &mut TreeEditor<'_>, name: &str, args: &[&str]) -> Option<()> {
    let words = Words::new(args, "");
    let (owner, paths) = words.operands.split_first()?;
    words.only("--recursive --no-dereference", "RfvhH")?;
    let accounts = Accounts::of(&editor.base.rootfs).ok()?;
    let (uid, gid) = match name {
        "chgrp" => accounts.owner(&format!(":{owner}"))?,
        _ => accounts.owner(owner)?,
    };
    let recursive = words.letter('R') || words.has("--recursive");
    for path in expand_paths(editor, paths, recursive)? {
        let change = |node: &mut Node| {
            // Like the kernel: a new owner of a file clears setuid and setgid.
            if matches!(node.kind, Kind::File(_)) {
                let changes = uid.is_some_and(|uid| uid != node.uid)
                    || gid.is_some_and(|gid| gid != node.gid);
                node.mode &= if changes { 0o1777 } else { 0o7777 };
            }
            node.uid = uid.unwrap_or(node.uid);
            node.gid = gid.unwrap_or(node.gid);
        };
        editor.change(&path, change).ok()?;
    }
    Some(())
}

/// `ln -s`.
pub(super) fn ln(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    let words = Words::new(args, "");
    words.only("--symbolic --force --no-dereference", "sfnTv")?;
    let [target, link] = words.operands[..] else {
        return None;
    };
    if !words.letter('s') && !words.has("--symbolic") {
        return None;
    }
    let is_made = |kind: Option<&Kind>| matches!(kind, Some(Kind::Symlink(found)) if found == target.as_bytes());
    let mut path = link.to_owned();
    if is_made(editor.kind(link).ok()?) {
        return Some(());
    }
    if editor.is_directory(link) && !words.letter('n') && !words.letter('T') {
        let name = target
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        path = format!("{}/{name}", link.trim_end_matches('/'));
    }
    match editor.kind(&path).ok()? {
        found if is_made(found) => Some(()),
        Some(Kind::Directory) => None,
        Some(_) if !words.letter('f') && !words.has("--force") => None,
        _ => editor.put(&path, Node::symlink(target)).ok(),
    }
}

/// `cp` of one file.
pub(super) fn cp(editor: &mut TreeEditor<'_>, args: &[&str], umask: u16) -> Option<()> {
    let words = Words::new(args, "");
    words.only("--preserve --archive", "pafZd")?;
    let [from, to] = words.operands[..] else {
        return None;
    };
    let resolved = editor.base.rootfs.follow(from.as_bytes()).ok()?;
    let node = editor.base.rootfs.get(&resolved).cloned()?;
    node.contents()?;
    let mut path = to.to_owned();
    if editor.is_directory(to) {
        let name = from.rsplit('/').next().unwrap_or_default();
        path = format!("{}/{name}", to.trim_end_matches('/'));
    }
    if editor.exists(&path) {
        let same = editor.read(&path).ok()? == editor.read(from).ok()?;
        return same.then_some(());
    }
    let keeps = words.letter('p')
        || words.letter('a')
        || words.options.iter().any(|(o, _)| o.starts_with("--"));
    let copy = match keeps {
        true => node,
        false => Node::of(node.kind, node.mode & 0o777 & !umask),
    };
    editor.put(&path, copy).ok()
}

/// `rmdir` without options.
pub(super) fn rmdir(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    for path in args {
        if path.starts_with('-') {
            return None;
        }
        let resolved = editor.base.rootfs.resolve(path.as_bytes()).ok()?;
        match editor.base.rootfs.get(&resolved).map(|node| &node.kind) {
            None => {}
            Some(Kind::Directory) if editor.base.rootfs.below(&resolved).next().is_none() => {
                editor.base.rootfs.remove(&resolved);
                editor.made.insert(resolved);
            }
            Some(_) => return None,
        }
    }
    Some(())
}

/// `install -d`; other forms are unsupported.
pub(super) fn install(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    let words = Words::new(args, "-m -o -g --mode --owner --group");
    words.only("-m -o -g --mode --owner --group --directory", "dv")?;
    if !words.letter('d') && !words.has("--directory") {
        return None;
    }
    let accounts = Accounts::of(&editor.base.rootfs).ok()?;
    let mode = words.value("-m --mode").map_or(Some(0o755), parse_mode)?;
    let uid = words
        .value("-o --owner")
        .map_or(Some(0), |name| accounts.uid(name))?;
    let gid = words
        .value("-g --group")
        .map_or(Some(0), |name| accounts.gid(name))?;
    for path in &words.operands {
        if !editor.is_directory(path) {
            editor.put(path, Node::directory(0o755)).ok()?;
        }
        let change = |node: &mut Node| (node.mode, node.uid, node.gid) = (mode, uid, gid);
        editor.change(path, change).ok()?;
    }
    Some(())
}
