//! `update-alternatives --install`: the links in `/etc/alternatives`, and the administrative files.
//!
//! The administrative file of a name holds `auto`, the link, pairs of a slave's name and link, an empty line, and for each
//! choice its path, its priority and one path for each slave; all sorted, with an empty line at the end
//! (update-alternatives of dpkg, FILES).

use std::collections::BTreeMap;

use super::editor::TreeEditor;
use crate::base::rootfs::{Kind, Node};
use crate::error::Result;

const DIRECTORY: &str = "var/lib/dpkg/alternatives";

/// The links and choices of one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Alternative {
    link: String,
    /// Links of the slaves by name.
    slaves: BTreeMap<String, String>,
    /// Choices by path: priority, and the slaves' paths by name.
    choices: BTreeMap<String, (i64, BTreeMap<String, String>)>,
}

impl Alternative {
    /// Parses an administrative file; `None` if it is damaged or not in automatic mode.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        if lines.next() != Some("auto") {
            return None;
        }
        let mut all = Alternative {
            link: lines.next()?.to_owned(),
            ..Alternative::default()
        };
        let mut names = Vec::new();
        loop {
            match lines.next()? {
                "" => break,
                name => {
                    names.push(name.to_owned());
                    all.slaves.insert(name.to_owned(), lines.next()?.to_owned());
                }
            }
        }
        loop {
            let path = lines.next()?;
            if path.is_empty() {
                return Some(all);
            }
            let priority = lines.next()?.parse().ok()?;
            let mut slaves = BTreeMap::new();
            for name in &names {
                let path = lines.next()?;
                if !path.is_empty() {
                    slaves.insert(name.clone(), path.to_owned());
                }
            }
            all.choices.insert(path.to_owned(), (priority, slaves));
        }
    }

    fn to_text(&self) -> String {
        let mut text = format!("auto\n{}\n", self.link);
        for (name, link) in &self.slaves {
            text.push_str(&format!("{name}\n{link}\n"));
        }
        text.push('\n');
        for (path, (priority, slaves)) in &self.choices {
            text.push_str(&format!("{path}\n{priority}\n"));
            for name in self.slaves.keys() {
                text.push_str(slaves.get(name).map_or("", String::as_str));
                text.push('\n');
            }
        }
        text.push('\n');
        text
    }

    /// Returns the first choice with the highest priority.
    fn best(&self) -> Option<(&str, &BTreeMap<String, String>)> {
        // Of equal ones the last is the greatest.
        let choices = self.choices.iter().rev();
        let best = choices.max_by_key(|(_, (priority, _))| *priority);
        best.map(|(path, (_, slaves))| (path.as_str(), slaves))
    }

    /// Makes the links of the best choice.
    fn link(&self, editor: &mut TreeEditor<'_>, name: &str) -> Result<()> {
        let Some((path, slaves)) = self.best() else {
            return Ok(());
        };
        connect(editor, &self.link, name, path)?;
        for (name, link) in &self.slaves {
            match slaves.get(name).filter(|path| editor.exists(path)) {
                Some(path) => connect(editor, link, name, path)?,
                None => {
                    disconnect(editor, link)?;
                    disconnect(editor, &format!("/etc/alternatives/{name}"))?;
                }
            }
        }
        Ok(())
    }
}

/// `update-alternatives`, with these arguments.
pub(super) fn install(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    let args = args.iter().copied();
    let args: Vec<&str> = args
        .filter(|arg| !["--quiet", "--force"].contains(arg))
        .collect();
    let (link, name, path, priority, rest) = match args[..] {
        ["--install", link, name, path, priority, ref rest @ ..] => {
            (link, name, path, priority, rest)
        }
        // Removal of an alternative that was never installed.
        ["--remove", name, path] => {
            let text = editor.text(&format!("{DIRECTORY}/{name}")).ok()?;
            let is_listed = text.unwrap_or_default().lines().any(|line| line == path);
            return (!is_listed).then_some(());
        }
        ["--remove-all" | "--auto", name] => {
            let exists = editor.exists(&format!("{DIRECTORY}/{name}"));
            return (!exists).then_some(());
        }
        _ => return None,
    };
    let priority: i64 = priority.parse().ok()?;
    let is_name = |name: &str| !name.is_empty() && !name.contains(['/', '\n']);
    let is_path = |path: &str| path.starts_with('/') && !path.contains('\n');
    if !editor.exists(path) || !is_name(name) || !is_path(link) || !is_path(path) {
        return None;
    }
    let file = format!("{DIRECTORY}/{name}");
    let existing = editor.text(&file).ok()?;
    let mut all = match &existing {
        None => Alternative::default(),
        Some(text) => Alternative::parse(text)?,
    };
    all.link = link.to_owned();
    let mut paths = BTreeMap::new();
    for slave in rest.chunks(4) {
        match slave {
            ["--slave", link, name, path] if is_name(name) && !link.contains('\n') => {
                all.slaves.insert((*name).to_owned(), (*link).to_owned());
                paths.insert((*name).to_owned(), (*path).to_owned());
            }
            _ => return None,
        }
    }
    all.choices.insert(path.to_owned(), (priority, paths));
    let text = all.to_text();
    if existing.as_ref() != Some(&text) {
        editor.write(&file, text).ok()?;
    }
    all.link(editor, name).ok()
}

/// Makes the link of a name, and the one in `/etc/alternatives`.
fn connect(editor: &mut TreeEditor<'_>, link: &str, name: &str, path: &str) -> Result<()> {
    let inner = format!("/etc/alternatives/{name}");
    for (at, target) in [(inner.as_str(), path), (link, inner.as_str())] {
        match editor.kind(at)? {
            Some(Kind::Symlink(found)) if found == target.as_bytes() => {}
            // A file instead of a link is kept, as by update-alternatives without --force.
            None | Some(Kind::Symlink(_)) => editor.put(at, Node::symlink(target))?,
            Some(_) => editor.note(format!("{at} is no link and stays")),
        }
    }
    Ok(())
}

/// Removes a link that this emulation made.
fn disconnect(editor: &mut TreeEditor<'_>, link: &str) -> Result<()> {
    let resolved = editor.base.rootfs.resolve(link.as_bytes())?;
    let node = editor.base.rootfs.get(&resolved);
    if node
        .is_some_and(|node| node.origin == editor.origin && matches!(node.kind, Kind::Symlink(_)))
    {
        editor.base.rootfs.remove(&resolved);
        editor.made.remove(&resolved);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrative_files_survive_a_round_trip() {
        // As update-alternatives 1.21.22 leaves it after mawk's and gawk's postinst.
        let text = "auto\n/usr/bin/awk\nawk.1.gz\n/usr/share/man/man1/awk.1.gz\nnawk\n/usr/bin/nawk\n\n\
            /usr/bin/gawk\n10\n/usr/share/man/man1/gawk.1.gz\n/usr/bin/gawk\n\
            /usr/bin/mawk\n5\n/usr/share/man/man1/mawk.1.gz\n\n\n";
        let all = Alternative::parse(text).expect("a file");
        assert_eq!(all.best().map(|(path, _)| path), Some("/usr/bin/gawk"));
        assert_eq!(all.to_text(), text);
        assert_eq!(Alternative::parse("manual\n/x\n\n\n"), None);
    }
}
