//! What maintainer scripts say in so many words, done to the tree.
//!
//! Scripts are worked out by [`scripts::run`](crate::job::base::scripts): nothing is run. A command is done only if it is
//! reached in any case, all its words are known, and it is one of those below in a form that is understood in full;
//! otherwise it is left, and the report names it. Doing it again changes nothing.

use std::collections::BTreeSet;

use super::accounts::{Account, Accounts};
use super::{Making, alternatives, systemd};
use crate::error::Result;
use crate::job::base::scripts::{Effect, MADE_UP, effects_of};
use crate::rootfs::{Contents, Kind, Node};

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
        "mkdir" => mkdir(making, args, effect.umask),
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
        "chmod" => chmod(making, args),
        "chown" | "chgrp" => chown(making, name, args),
        "ln" => ln(making, args),
        "cp" => cp(making, args, effect.umask),
        "rm" => {
            let words = Words::new(args, &[]);
            Ok(words.letter('f') && words.plain.iter().all(|path| !making.exists(path)))
        }
        "rmdir" => rmdir(making, args),
        "install" => install(making, args),
        "adduser" => adduser(making, args),
        "addgroup" => addgroup(making, args),
        "useradd" | "groupadd" => useradd(making, name, args),
        "usermod" | "gpasswd" => join(making, name, args),
        "update-alternatives" => alternatives::install(making, args),
        "dpkg-divert" => divert(making, args),
        "dpkg-statoverride" => override_stat(making, args),
        "deb-systemd-helper" => systemd::enable(making, args),
        "update-rc.d" => systemd::update_rc(making, args),
        "systemd-sysusers" => sysusers(making, args),
        "systemd-tmpfiles" => tmpfiles(making, args),
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

fn octal(text: &str) -> Option<u16> {
    let is_octal =
        !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = is_octal
        .then(|| u16::from_str_radix(text, 8).ok())
        .flatten();
    mode.filter(|mode| *mode <= 0o7777)
}

/// `0644`, or `u+s,g=rx` upon what is there. Not what depends on being a folder.
fn mode_of(text: &str, was: u16) -> Option<u16> {
    if let Some(mode) = octal(text) {
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

fn mkdir(making: &mut Making<'_>, args: &[&str], umask: u16) -> Result<bool> {
    let words = Words::new(args, &["-m", "--mode"]);
    if !words.only(&["-m", "--mode", "--parents"], "pvZ") {
        return Ok(false);
    }
    let mode = match words.value(&["-m", "--mode"]) {
        Some(text) => match octal(text) {
            Some(mode) => mode,
            None => return Ok(false),
        },
        None => 0o777 & !umask,
    };
    for path in &words.plain {
        if !making.is_folder(path) {
            making.put(path, Node::folder(mode))?;
        }
    }
    Ok(true)
}

/// The paths a command is for: with `-R` those below, too.
fn reached(making: &Making<'_>, paths: &[&str], below: bool) -> Result<Option<Vec<String>>> {
    let mut all = Vec::new();
    for path in paths {
        if !making.exists(path) {
            return Ok(None);
        }
        all.push((*path).to_owned());
        if below {
            let folder = making.base.rootfs.follow(path.as_bytes())?;
            let rootfs = &making.base.rootfs;
            let inside = rootfs
                .below(&folder)
                .filter(|named| !matches!(named.node.kind, Kind::Symlink(_)));
            all.extend(inside.map(|named| String::from_utf8_lossy(named.path).into_owned()));
        }
    }
    Ok(Some(all))
}

fn chmod(making: &mut Making<'_>, args: &[&str]) -> Result<bool> {
    // A mode may look like an option: chmod -x.
    let mut below = false;
    let mut rest = Vec::new();
    for arg in args {
        match *arg {
            "-R" | "--recursive" => below = true,
            "-f" | "-v" | "--" => {}
            arg => rest.push(arg),
        }
    }
    let Some((mode, paths)) = rest.split_first() else {
        return Ok(false);
    };
    let Some(paths) = reached(making, paths, below)? else {
        return Ok(false);
    };
    let mut done = true;
    for path in paths {
        making.change(&path, |node| match mode_of(mode, node.mode) {
            Some(mode) => node.mode = mode,
            None => done = false,
        })?;
    }
    Ok(done)
}

fn chown(making: &mut Making<'_>, name: &str, args: &[&str]) -> Result<bool> {
    let words = Words::new(args, &[]);
    let Some((owner, paths)) = words.plain.split_first() else {
        return Ok(false);
    };
    if !words.only(&["--recursive", "--no-dereference"], "RfvhH") {
        return Ok(false);
    }
    let accounts = Accounts::of(&making.base.rootfs)?;
    let owner = if name == "chgrp" {
        format!(":{owner}")
    } else {
        (*owner).to_owned()
    };
    let Some((uid, gid)) = owner_of(&accounts, &owner) else {
        return Ok(false);
    };
    let Some(paths) = reached(making, paths, words.letter('R') || words.has("--recursive"))? else {
        return Ok(false);
    };
    for path in paths {
        making.change(&path, |node| {
            // As the kernel does for files: a new owner ends setuid and setgid.
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

/// `USER`, `USER:GROUP`, `USER:` (its group), `:GROUP`; names or numbers.
pub(super) fn owner_of(accounts: &Accounts, text: &str) -> Option<(Option<u32>, Option<u32>)> {
    let at = text
        .find(':')
        .or_else(|| text.find('.').filter(|_| accounts.user(text).is_none()));
    let (user, group) = match at {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let uid = match user {
        "" => None,
        user => Some(accounts.uid(user)?),
    };
    let gid = match group {
        None => None,
        Some("") => Some(accounts.user(user)?.gid),
        Some(group) => Some(accounts.gid(group)?),
    };
    Some((uid, gid))
}

fn ln(making: &mut Making<'_>, args: &[&str]) -> Result<bool> {
    let words = Words::new(args, &[]);
    if !words.only(&["--symbolic", "--force", "--no-dereference"], "sfnTrv") || words.letter('r') {
        return Ok(false);
    }
    let [target, link] = words.plain.as_slice() else {
        return Ok(false);
    };
    if !words.letter('s') && !words.has("--symbolic") {
        return Ok(false);
    }
    let mut path = (*link).to_owned();
    let itself = making.base.rootfs.resolve(link.as_bytes())?;
    let itself = making.base.rootfs.get(&itself).map(|node| &node.kind);
    if matches!(itself, Some(Kind::Symlink(found)) if found == target.as_bytes()) {
        return Ok(true);
    }
    if making.is_folder(link) && !words.letter('n') && !words.letter('T') {
        let name = target
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        path = format!("{}/{name}", link.trim_end_matches('/'));
    }
    let there = making.base.rootfs.resolve(path.as_bytes())?;
    match making.base.rootfs.get(&there).map(|node| &node.kind) {
        Some(Kind::Symlink(found)) if found == target.as_bytes() => Ok(true),
        Some(Kind::Folder) => Ok(false),
        Some(_) if !words.letter('f') && !words.has("--force") => Ok(false),
        _ => making.put(&path, Node::symlink(target)).map(|()| true),
    }
}

fn cp(making: &mut Making<'_>, args: &[&str], umask: u16) -> Result<bool> {
    let words = Words::new(args, &[]);
    if !words.only(&["--preserve", "--archive"], "pafZd") {
        return Ok(false);
    }
    let [from, to] = words.plain.as_slice() else {
        return Ok(false);
    };
    let there = making.base.rootfs.follow(from.as_bytes())?;
    let Some(node) = making.base.rootfs.get(&there).cloned() else {
        return Ok(false);
    };
    let Kind::File(contents) = &node.kind else {
        return Ok(false);
    };
    let mut path = (*to).to_owned();
    if making.is_folder(to) {
        let name = from.rsplit('/').next().unwrap_or_default();
        path = format!("{}/{name}", to.trim_end_matches('/'));
    }
    if making.exists(&path) {
        let same = making.read(&path)? == making.read(from)?;
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
    making.put(&path, copy).map(|()| true)
}

fn rmdir(making: &mut Making<'_>, args: &[&str]) -> Result<bool> {
    for path in args {
        if path.starts_with('-') {
            return Ok(false);
        }
        let there = making.base.rootfs.resolve(path.as_bytes())?;
        match making.base.rootfs.get(&there).map(|node| &node.kind) {
            None => {}
            Some(Kind::Folder) if making.base.rootfs.below(&there).next().is_none() => {
                making.base.rootfs.remove(&there);
                making.made.insert(there);
            }
            Some(_) => return Ok(false),
        }
    }
    Ok(true)
}

/// `install -d` only.
fn install(making: &mut Making<'_>, args: &[&str]) -> Result<bool> {
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
    let accounts = Accounts::of(&making.base.rootfs)?;
    let mode = words.value(&["-m", "--mode"]).map(octal);
    let uid = words
        .value(&["-o", "--owner"])
        .map(|name| accounts.uid(name));
    let gid = words
        .value(&["-g", "--group"])
        .map(|name| accounts.gid(name));
    if matches!(mode, Some(None)) || matches!(uid, Some(None)) || matches!(gid, Some(None)) {
        return Ok(false);
    }
    for path in &words.plain {
        if !making.is_folder(path) {
            making.put(path, Node::folder(0o755))?;
        }
        making.change(path, |node| {
            node.mode = mode.flatten().unwrap_or(0o755);
            node.uid = uid.flatten().unwrap_or(0);
            node.gid = gid.flatten().unwrap_or(0);
        })?;
    }
    Ok(true)
}

/// Writes accounts back.
pub(super) fn keep(making: &mut Making<'_>, accounts: &Accounts) -> Result<()> {
    for (path, node) in accounts.files() {
        let same = making.read(path)?
            == node
                .contents()
                .map(|contents| contents.bytes(super::MAX_READ))
                .transpose()?;
        if !same {
            making.put(path, node)?;
        }
    }
    Ok(())
}

/// `adduser --system …`, and `adduser USER GROUP`.
fn adduser(making: &mut Making<'_>, args: &[&str]) -> Result<bool> {
    let valued = [
        "--home",
        "--shell",
        "--gecos",
        "--comment",
        "--uid",
        "--gid",
        "--ingroup",
        "--firstuid",
        "--lastuid",
    ];
    let words = Words::new(args, &valued);
    let known = [
        "--home",
        "--shell",
        "--gecos",
        "--comment",
        "--uid",
        "--gid",
        "--ingroup",
        "--system",
        "--group",
        "--no-create-home",
        "--quiet",
        "--force-badname",
        "--allow-badname",
        "--allow-bad-names",
        "--disabled-password",
        "--disabled-login",
        "--allow-all-names",
    ];
    let mut accounts = Accounts::of(&making.base.rootfs)?;
    if accounts.users().next().is_none() || !words.only(&known, "q") {
        return Ok(false);
    }
    let name = match words.plain.as_slice() {
        [name] => *name,
        [user, group] if !words.has("--system") => {
            let done = accounts.user(user).is_some() && accounts.join(user, group);
            keep(making, &accounts)?;
            return Ok(done);
        }
        _ => return Ok(false),
    };
    if accounts.user(name).is_some() {
        return Ok(true);
    }
    if !words.has("--system") {
        return Ok(false);
    }
    let own_group = words.has("--group");
    let wanted = words.value(&["--uid"]).map(str::parse::<u32>);
    let uid = match wanted {
        Some(Ok(uid)) => Some(uid),
        Some(Err(_)) => None,
        None => accounts.free(own_group),
    };
    let Some(uid) = uid else {
        return Ok(false);
    };
    let group = words.value(&["--ingroup", "--gid"]);
    let gid = match (own_group, group) {
        (true, _) => match accounts.group(name) {
            Some(group) => group.gid,
            None => {
                accounts.add_group(name, uid);
                uid
            }
        },
        (false, Some(group)) => match accounts.gid(group) {
            Some(gid) => gid,
            None => return Ok(false),
        },
        (false, None) => accounts.gid("nogroup").unwrap_or(65_534),
    };
    let home = words.value(&["--home"]).unwrap_or("/nonexistent");
    let account = Account {
        name: name.to_owned(),
        uid,
        gid,
        gecos: words
            .value(&["--gecos", "--comment"])
            .unwrap_or_default()
            .to_owned(),
        home: home.to_owned(),
        shell: words
            .value(&["--shell"])
            .unwrap_or("/usr/sbin/nologin")
            .to_owned(),
        ..Account::default()
    };
    accounts.add_user(account, making.base.epoch);
    keep(making, &accounts)?;
    let makes_home = !words.has("--no-create-home") && home != "/nonexistent" && !home.is_empty();
    if makes_home && !making.is_folder(home) {
        making.put(home, Node::folder(0o755).owned(uid, gid))?;
    }
    Ok(true)
}

fn addgroup(making: &mut Making<'_>, args: &[&str]) -> Result<bool> {
    let words = Words::new(args, &["--gid"]);
    let known = [
        "--gid",
        "--system",
        "--quiet",
        "--force-badname",
        "--allow-badname",
        "--allow-bad-names",
        "--allow-all-names",
    ];
    let mut accounts = Accounts::of(&making.base.rootfs)?;
    let [name] = words.plain.as_slice() else {
        return Ok(false);
    };
    if accounts.groups().next().is_none() || !words.only(&known, "q") {
        return Ok(false);
    }
    if accounts.group(name).is_some() {
        return Ok(true);
    }
    let wanted = words.value(&["--gid"]).map(str::parse::<u32>);
    let gid = match wanted {
        Some(gid) => gid.ok(),
        None if words.has("--system") => accounts.free_group(),
        None => None,
    };
    let Some(gid) = gid else {
        return Ok(false);
    };
    accounts.add_group(name, gid);
    keep(making, &accounts)?;
    Ok(true)
}

/// `useradd` and `groupadd` of passwd: done if they are there already, else only with `--system` or a number.
fn useradd(making: &mut Making<'_>, program: &str, args: &[&str]) -> Result<bool> {
    let valued = [
        "-d",
        "-s",
        "-c",
        "-u",
        "-g",
        "-G",
        "--home-dir",
        "--home",
        "--shell",
        "--comment",
        "--uid",
        "--gid",
        "--groups",
    ];
    let words = Words::new(args, &valued);
    let mut accounts = Accounts::of(&making.base.rootfs)?;
    let [name] = words.plain.as_slice() else {
        return Ok(false);
    };
    if program == "groupadd" {
        let known = ["-g", "--gid", "--system", "--force"];
        if accounts.group(name).is_some() {
            return Ok(true);
        }
        // Numbers are given from the top of the range down.
        let wanted = words
            .value(&["-g", "--gid"])
            .and_then(|text| text.parse().ok());
        let free = (100..=999)
            .rev()
            .find(|id| !accounts.groups().any(|group| group.gid == *id));
        let is_system = words.has("--system") || words.letter('r');
        let gid = wanted.or(free.filter(|_| is_system));
        let (Some(gid), true) = (gid, words.only(&known, "rf")) else {
            return Ok(false);
        };
        accounts.add_group(name, gid);
        keep(making, &accounts)?;
        return Ok(true);
    }
    if accounts.user(name).is_some() {
        return Ok(true);
    }
    let known = [
        "-d",
        "-s",
        "-c",
        "-u",
        "-g",
        "--home-dir",
        "--home",
        "--shell",
        "--comment",
        "--uid",
        "--gid",
        "--system",
        "--no-create-home",
        "--no-user-group",
        "--user-group",
    ];
    let is_system = words.has("--system") || words.letter('r');
    if !words.only(&known, "rMNU") || !is_system {
        return Ok(false);
    }
    let given = words
        .value(&["-u", "--uid"])
        .and_then(|text| text.parse().ok());
    let free = (100..=999).rev().find(|id| {
        !accounts.users().any(|user| user.uid == *id)
            && !accounts.groups().any(|group| group.gid == *id)
    });
    let Some(uid) = given.or(free) else {
        return Ok(false);
    };
    let gid = match words.value(&["-g", "--gid"]) {
        Some(group) => match accounts.gid(group) {
            Some(gid) => gid,
            None => return Ok(false),
        },
        None if words.letter('N') || words.has("--no-user-group") => 100,
        None => {
            accounts.add_group(name, uid);
            uid
        }
    };
    let home = words.value(&["-d", "--home-dir", "--home"]);
    let account = Account {
        name: (*name).to_owned(),
        uid,
        gid,
        gecos: words
            .value(&["-c", "--comment"])
            .unwrap_or_default()
            .to_owned(),
        home: home.map_or_else(|| format!("/home/{name}"), str::to_owned),
        shell: words
            .value(&["-s", "--shell"])
            .unwrap_or("/bin/sh")
            .to_owned(),
        ..Account::default()
    };
    accounts.add_user(account, making.base.epoch);
    keep(making, &accounts)?;
    Ok(true)
}

/// `usermod -a -G GROUP USER`, `gpasswd -a USER GROUP`.
fn join(making: &mut Making<'_>, program: &str, args: &[&str]) -> Result<bool> {
    let mut accounts = Accounts::of(&making.base.rootfs)?;
    let (user, groups) = match (program, args) {
        ("usermod", ["-a", "-G", groups, user] | ["-aG", groups, user]) => (*user, *groups),
        ("gpasswd", ["-a", user, group]) => (*user, *group),
        _ => return Ok(false),
    };
    let mut done = accounts.user(user).is_some();
    for group in groups.split(',') {
        done &= accounts.join(user, group);
    }
    if done {
        keep(making, &accounts)?;
    }
    Ok(done)
}

/// `dpkg-divert --add` and `--remove` that move no file.
fn divert(making: &mut Making<'_>, args: &[&str]) -> Result<bool> {
    const FILE: &str = "var/lib/dpkg/diversions";
    let words = Words::new(args, &["--package", "--divert"]);
    let known = [
        "--package",
        "--divert",
        "--add",
        "--remove",
        "--rename",
        "--no-rename",
        "--quiet",
        "--local",
    ];
    let (Some(path), true) = (words.plain.first(), words.only(&known, "")) else {
        return Ok(false);
    };
    if words.plain.len() != 1 || words.has("--local") {
        return Ok(false);
    }
    let Some(package) = words.value(&["--package"]) else {
        return Ok(false);
    };
    let text = making.text(FILE)?.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let mut records: Vec<[&str; 3]> = lines
        .chunks_exact(3)
        .map(|three| [three[0], three[1], three[2]])
        .collect();
    let known = records.iter().position(|record| record[0] == *path);
    if words.has("--remove") {
        if let Some(known) = known.filter(|known| records[*known][2] == package) {
            records.remove(known);
        } else {
            // Nothing to remove, or another's, which dpkg leaves as well.
            return Ok(known.is_none());
        }
    } else {
        let moved = format!("{path}.distrib");
        let to = words.value(&["--divert"]).unwrap_or(&moved).to_owned();
        if let Some(known) = known {
            return Ok(records[known] == [*path, to.as_str(), package]);
        }
        if words.has("--rename") && making.exists(path) {
            return Ok(false);
        }
        let text = format!("{path}\n{to}\n{package}\n{text}");
        return making.write(FILE, text).map(|()| true);
    }
    let text: String = records
        .iter()
        .flatten()
        .map(|line| format!("{line}\n"))
        .collect();
    making.write(FILE, text).map(|()| true)
}

/// `dpkg-statoverride --update --add USER GROUP MODE PATH`.
fn override_stat(making: &mut Making<'_>, args: &[&str]) -> Result<bool> {
    const FILE: &str = "var/lib/dpkg/statoverride";
    let words = Words::new(args, &[]);
    let (true, [user, group, mode, path]) = (words.has("--add"), words.plain.as_slice()) else {
        return Ok(false);
    };
    let text = making.text(FILE)?.unwrap_or_default();
    if text
        .lines()
        .any(|line| line.split(' ').nth(3) == Some(path))
    {
        return Ok(true);
    }
    let accounts = Accounts::of(&making.base.rootfs)?;
    let (Some(uid), Some(gid), Some(bits)) = (accounts.uid(user), accounts.gid(group), octal(mode))
    else {
        return Ok(false);
    };
    if words.has("--update") && making.exists(path) {
        making.change(path, |node| {
            (node.uid, node.gid, node.mode) = (uid, gid, bits)
        })?;
    }
    let text = format!("{user} {group} {bits:o} {path}\n{text}");
    making.write(FILE, text).map(|()| true)
}

/// The files that `systemd-sysusers` and `systemd-tmpfiles` mean by these arguments, and whether nothing else is asked.
fn configured(making: &Making<'_>, args: &[&str], folder: &str) -> Result<Option<Vec<String>>> {
    let mut texts = Vec::new();
    for arg in args {
        if arg.starts_with("--") {
            if !["--create", "--replace"].contains(&arg.split('=').next().unwrap_or_default()) {
                return Ok(None);
            }
            continue;
        }
        let name = arg.rsplit('/').next().unwrap_or_default();
        let paths = [
            format!("etc/{folder}/{name}"),
            format!("usr/lib/{folder}/{name}"),
        ];
        let Some(path) = paths.iter().find(|path| making.exists(path)) else {
            return Ok(None);
        };
        texts.extend(making.text(path)?);
    }
    Ok(Some(texts).filter(|texts| !texts.is_empty()))
}

/// The fields of a line, quotes taken away.
fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quote = None;
    let mut open = false;
    for c in line.chars() {
        match (quote, c) {
            (None, '"' | '\'') => (quote, open) = (Some(c), true),
            (Some(end), c) if c == end => quote = None,
            (None, c) if c.is_whitespace() => {
                if open {
                    fields.push(std::mem::take(&mut field));
                }
                open = false;
            }
            (_, c) => {
                field.push(c);
                open = true;
            }
        }
    }
    if open {
        fields.push(field);
    }
    fields
}

/// `sysusers.d(5)`: users, groups and members.
fn sysusers(making: &mut Making<'_>, args: &[&str]) -> Result<bool> {
    let Some(texts) = configured(making, args, "sysusers.d")? else {
        return Ok(false);
    };
    let mut accounts = Accounts::of(&making.base.rootfs)?;
    let mut done = true;
    for text in &texts {
        for line in text.lines() {
            let fields = fields(line);
            let field = |at: usize| {
                fields
                    .get(at)
                    .map(String::as_str)
                    .filter(|text| *text != "-")
            };
            let Some(name) = field(1).filter(|_| !line.trim_start().starts_with('#')) else {
                continue;
            };
            match field(0).unwrap_or_default() {
                "g" => match field(2).map(str::parse) {
                    _ if accounts.group(name).is_some() => {}
                    Some(Ok(gid)) => accounts.add_group(name, gid),
                    None => match (100..=999).rev().find(|id| accounts.gid_is_free(*id)) {
                        Some(gid) => accounts.add_group(name, gid),
                        None => done = false,
                    },
                    Some(Err(_)) => done = false,
                },
                "u" | "u!" => done &= sysuser(&mut accounts, name, &field, making.base.epoch),
                "m" => done &= field(2).is_some_and(|group| accounts.join(name, group)),
                "r" => {}
                _ => done = false,
            }
        }
    }
    keep(making, &accounts)?;
    Ok(done)
}

fn sysuser<'f>(
    accounts: &mut Accounts,
    name: &str,
    field: &dyn Fn(usize) -> Option<&'f str>,
    epoch: i64,
) -> bool {
    if accounts.user(name).is_some() {
        return true;
    }
    let (uid, gid) = match field(2).map(|id| id.split_once(':').unwrap_or((id, id))) {
        // The highest number that is free, as systemd takes it.
        None => match (100..=999)
            .rev()
            .find(|id| accounts.gid_is_free(*id) && accounts.uid_is_free(*id))
        {
            Some(id) => (id, id),
            None => return false,
        },
        Some((uid, gid)) => match (uid.parse(), accounts.gid(gid)) {
            (Ok(uid), Some(gid)) => (uid, gid),
            _ => return false,
        },
    };
    if accounts.gid_is_free(gid) {
        accounts.add_group(name, gid);
    }
    let account = Account {
        name: name.to_owned(),
        uid,
        gid,
        gecos: field(3).unwrap_or_default().to_owned(),
        home: field(4).unwrap_or("/").to_owned(),
        shell: field(5).unwrap_or("/usr/sbin/nologin").to_owned(),
        ..Account::default()
    };
    accounts.add_user(account, epoch);
    true
}

/// `tmpfiles.d(5)`: folders, empty files and links; what is below `/run` is made when a container starts, too.
fn tmpfiles(making: &mut Making<'_>, args: &[&str]) -> Result<bool> {
    let Some(texts) = configured(making, args, "tmpfiles.d")? else {
        return Ok(false);
    };
    let accounts = Accounts::of(&making.base.rootfs)?;
    let mut done = true;
    for line in texts.iter().flat_map(|text| text.lines()) {
        let fields = fields(line);
        let field = |at: usize| {
            fields
                .get(at)
                .map(String::as_str)
                .filter(|text| *text != "-")
        };
        let (Some(kind), Some(path)) = (field(0).filter(|kind| !kind.starts_with('#')), field(1))
        else {
            continue;
        };
        let mode = field(2).map(octal);
        let owner = (
            field(3).map(|name| accounts.uid(name)),
            field(4).map(|name| accounts.gid(name)),
        );
        if path.contains('%')
            || mode == Some(None)
            || owner.0 == Some(None)
            || owner.1 == Some(None)
        {
            done = false;
            continue;
        }
        let owned = |node: Node| {
            node.owned(
                owner.0.flatten().unwrap_or(0),
                owner.1.flatten().unwrap_or(0),
            )
        };
        let mode = mode.flatten();
        match kind.trim_end_matches(['!', '-', '=']) {
            "d" | "D" | "v" | "q" | "Q" => {
                making.add(path, owned(Node::folder(mode.unwrap_or(0o755))))?
            }
            "f" => making.add(
                path,
                owned(Node::file(
                    mode.unwrap_or(0o644),
                    field(6).unwrap_or_default(),
                )),
            )?,
            "L" => match field(6) {
                Some(target) => making.add(path, Node::symlink(target))?,
                None => done = false,
            },
            // Cleaning up and what the kernel keeps elsewhere.
            "x" | "X" | "r" | "R" | "e" | "p" | "c" | "b" => {}
            _ => done = false,
        }
    }
    Ok(done)
}
