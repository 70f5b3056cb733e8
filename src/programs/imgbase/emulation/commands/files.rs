//! Commands on files: `mkdir`, `chmod`, `chown`, `ln`, `cp`, `rmdir`, `install`.

use super::super::accounts::Accounts;
use super::super::editor::TreeEditor;
use super::words::Words;
use crate::base::rootfs::{Contents, Kind, Node};
use crate::error::Result;
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
pub(super) fn mkdir(editor: &mut TreeEditor<'_>, args: &[&str], umask: u16) -> Result<bool> {
    let words = Words::new(args, &["-m", "--mode"]);
    if !words.only(&["-m", "--mode", "--parents"], "pvZ") {
        return Ok(false);
    }
    let mode = match words.value(&["-m", "--mode"]) {
        Some(text) => match parse_mode(text) {
            Some(mode) => mode,
            None => return Ok(false),
        },
        None => 0o777 & !umask,
    };
    for path in &words.operands {
        if !editor.is_directory(path) {
            editor.put(path, Node::directory(mode))?;
        }
    }
    Ok(true)
}

/// Returns the paths that a command applies to, with `recursive` also those below; `None` if one is missing.
fn expand_paths(
    editor: &TreeEditor<'_>,
    paths: &[&str],
    recursive: bool,
) -> Result<Option<Vec<String>>> {
    let mut all = Vec::new();
    for path in paths {
        if !editor.exists(path) {
            return Ok(None);
        }
        all.push((*path).to_owned());
        if recursive {
            let directory = editor.base.rootfs.follow(path.as_bytes())?;
            let rootfs = &editor.base.rootfs;
            let inside = rootfs
                .below(&directory)
                .filter(|named| !matches!(named.node.kind, Kind::Symlink(_)));
            all.extend(inside.map(|named| String::from_utf8_lossy(named.path).into_owned()));
        }
    }
    Ok(Some(all))
}

/// `chmod`, with `-R`.
pub(super) fn chmod(editor: &mut TreeEditor<'_>, args: &[&str]) -> Result<bool> {
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
    let Some((mode, paths)) = rest.split_first() else {
        return Ok(false);
    };
    let Some(paths) = expand_paths(editor, paths, recursive)? else {
        return Ok(false);
    };
    let mut done = true;
    for path in paths {
        editor.change(&path, |node| match mode_of(mode, node.mode) {
            Some(mode) => node.mode = mode,
            None => done = false,
        })?;
    }
    Ok(done)
}

/// `chown` and `chgrp`, with `-R`.
pub(super) fn chown(editor: &mut TreeEditor<'_>, name: &str, args: &[&str]) -> Result<bool> {
    let words = Words::new(args, &[]);
    let Some((owner, paths)) = words.operands.split_first() else {
        return Ok(false);
    };
    if !words.only(&["--recursive", "--no-dereference"], "RfvhH") {
        return Ok(false);
    }
    let accounts = Accounts::of(&editor.base.rootfs)?;
    let owner = if name == "chgrp" {
        format!(":{owner}")
    } else {
        (*owner).to_owned()
    };
    let Some((uid, gid)) = accounts.owner(&owner) else {
        return Ok(false);
    };
    let Some(paths) = expand_paths(editor, paths, words.letter('R') || words.has("--recursive"))?
    else {
        return Ok(false);
    };
    for path in paths {
        editor.change(&path, |node| {
            // Like the kernel: a new owner of a file clears setuid and setgid.
            if matches!(node.kind, Kind::File(_)) {
                let changes = uid.is_some_and(|uid| uid != node.uid)
                    || gid.is_some_and(|gid| gid != node.gid);
                node.mode &= if changes { 0o1777 } else { 0o7777 };
            }
            node.uid = uid.unwrap_or(node.uid);
            node.gid = gid.unwrap_or(node.gid);
        })?;
    }
    Ok(true)
}

/// `ln -s`.
pub(super) fn ln(editor: &mut TreeEditor<'_>, args: &[&str]) -> Result<bool> {
    let words = Words::new(args, &[]);
    if !words.only(&["--symbolic", "--force", "--no-dereference"], "sfnTrv") || words.letter('r') {
        return Ok(false);
    }
    let [target, link] = words.operands.as_slice() else {
        return Ok(false);
    };
    if !words.letter('s') && !words.has("--symbolic") {
        return Ok(false);
    }
    let mut path = (*link).to_owned();
    let itself = editor.base.rootfs.resolve(link.as_bytes())?;
    let itself = editor.base.rootfs.get(&itself).map(|node| &node.kind);
    if matches!(itself, Some(Kind::Symlink(found)) if found == target.as_bytes()) {
        return Ok(true);
    }
    if editor.is_directory(link) && !words.letter('n') && !words.letter('T') {
        let name = target
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        path = format!("{}/{name}", link.trim_end_matches('/'));
    }
    let resolved = editor.base.rootfs.resolve(path.as_bytes())?;
    match editor.base.rootfs.get(&resolved).map(|node| &node.kind) {
        Some(Kind::Symlink(found)) if found == target.as_bytes() => Ok(true),
        Some(Kind::Directory) => Ok(false),
        Some(_) if !words.letter('f') && !words.has("--force") => Ok(false),
        _ => editor.put(&path, Node::symlink(target)).map(|()| true),
    }
}

/// `cp` of one file.
pub(super) fn cp(editor: &mut TreeEditor<'_>, args: &[&str], umask: u16) -> Result<bool> {
    let words = Words::new(args, &[]);
    if !words.only(&["--preserve", "--archive"], "pafZd") {
        return Ok(false);
    }
    let [from, to] = words.operands.as_slice() else {
        return Ok(false);
    };
    let resolved = editor.base.rootfs.follow(from.as_bytes())?;
    let Some(node) = editor.base.rootfs.get(&resolved).cloned() else {
        return Ok(false);
    };
    let Kind::File(contents) = &node.kind else {
        return Ok(false);
    };
    let mut path = (*to).to_owned();
    if editor.is_directory(to) {
        let name = from.rsplit('/').next().unwrap_or_default();
        path = format!("{}/{name}", to.trim_end_matches('/'));
    }
    if editor.exists(&path) {
        let same = editor.read(&path)? == editor.read(from)?;
        return Ok(same);
    }
    let keeps = words.letter('p')
        || words.letter('a')
        || !words.options.iter().all(|(o, _)| !o.starts_with("--"));
    let copy = match keeps {
        true => node.clone(),
        false => Node {
            kind: Kind::File(Contents::clone(contents)),
            ..Node::file(node.mode & 0o777 & !umask, "")
        },
    };
    editor.put(&path, copy).map(|()| true)
}

/// `rmdir` without options.
pub(super) fn rmdir(editor: &mut TreeEditor<'_>, args: &[&str]) -> Result<bool> {
    for path in args {
        if path.starts_with('-') {
            return Ok(false);
        }
        let resolved = editor.base.rootfs.resolve(path.as_bytes())?;
        match editor.base.rootfs.get(&resolved).map(|node| &node.kind) {
            None => {}
            Some(Kind::Directory) if editor.base.rootfs.below(&resolved).next().is_none() => {
                editor.base.rootfs.remove(&resolved);
                editor.made.insert(resolved);
            }
            Some(_) => return Ok(false),
        }
    }
    Ok(true)
}

/// `install -d`; other forms are unsupported.
pub(super) fn install(editor: &mut TreeEditor<'_>, args: &[&str]) -> Result<bool> {
    let valued = ["-m", "-o", "-g", "--mode", "--owner", "--group"];
    let words = Words::new(args, &valued);
    let known = [
        "-m",
        "-o",
        "-g",
        "--mode",
        "--owner",
        "--group",
        "--directory",
    ];
    if !words.only(&known, "dv") || !(words.letter('d') || words.has("--directory")) {
        return Ok(false);
    }
    let accounts = Accounts::of(&editor.base.rootfs)?;
    let mode = words.value(&["-m", "--mode"]).map(parse_mode);
    let uid = words
        .value(&["-o", "--owner"])
        .map(|name| accounts.uid(name));
    let gid = words
        .value(&["-g", "--group"])
        .map(|name| accounts.gid(name));
    if matches!(mode, Some(None)) || matches!(uid, Some(None)) || matches!(gid, Some(None)) {
        return Ok(false);
    }
    for path in &words.operands {
        if !editor.is_directory(path) {
            editor.put(path, Node::directory(0o755))?;
        }
        editor.change(path, |node| {
            node.mode = mode.flatten().unwrap_or(0o755);
            node.uid = uid.flatten().unwrap_or(0);
            node.gid = gid.flatten().unwrap_or(0);
        })?;
    }
    Ok(true)
}
