//! The package database: byte for byte as dpkg 1.21 writes it, or `status.d` as in distroless images.

use std::collections::{BTreeMap, BTreeSet};

use md5::{Digest as _, Md5};

use super::editor::TreeEditor;
use super::options::Database;
use crate::base::debian::{Control, Unpacked};
use crate::base::rootfs::Node;
use crate::error::{At, Result};

/// State of the packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Installed,
    /// Unpacked, with the scripts still to be run.
    Unpacked,
}

/// Fields of a paragraph of `status` in dpkg's order; other fields follow in their own order.
const ORDER: &str = "Package Essential Protected Status Priority Section Installed-Size Origin Maintainer Bugs \
    Architecture Multi-Arch Source Version Config-Version Replaces Provides Depends Pre-Depends Recommends Suggests \
    Breaks Conflicts Enhances Conffiles Description Triggers-Pending";

/// Fields that dpkg parses and writes in normal form.
const RELATIONS: &str =
    "Replaces Provides Depends Pre-Depends Recommends Suggests Breaks Conflicts Enhances";

/// Records the packages in the requested form.
pub(super) fn make(editor: &mut TreeEditor<'_>) -> Result<()> {
    let has_dpkg = editor.package("dpkg").is_some();
    match editor.options.database {
        Database::None => Ok(()),
        Database::Full => full(editor, State::Installed),
        Database::Auto if has_dpkg => full(editor, State::Installed),
        Database::StatusD | Database::Auto => with_packages(editor, status_d),
    }
}

/// Runs a function with the packages in the order of `status`.
fn with_packages(
    editor: &mut TreeEditor<'_>,
    make: impl FnOnce(&mut TreeEditor<'_>, &[&Unpacked]) -> Result<()>,
) -> Result<()> {
    let packages = std::mem::take(&mut editor.base.packages);
    let mut sorted: Vec<&Unpacked> = packages.iter().collect();
    sorted.sort_by_key(|package| (package.name(), package.architecture()));
    let made = make(editor, &sorted);
    editor.base.packages = packages;
    made
}

/// Writes the database of dpkg.
pub(crate) fn full(editor: &mut TreeEditor<'_>, state: State) -> Result<()> {
    with_packages(editor, |editor, packages| write(editor, packages, state))
}

fn write(editor: &mut TreeEditor<'_>, packages: &[&Unpacked], state: State) -> Result<()> {
    let mut status = String::new();
    let mut by_file = String::new();
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for package in packages {
        status.push_str(&paragraph(editor, package, state).at(|| package.name().to_owned())?);
        status.push('\n');
        let name = package.file_name();
        for (member, file) in &package.members {
            if member.contains('/') || member == "control" {
                continue;
            }
            let node = Node::file(file.mode & 0o7777, file.bytes.clone());
            editor.put(&format!("var/lib/dpkg/info/{name}.{member}"), node)?;
        }
        let mut list = Vec::new();
        for path in &package.paths {
            list.extend(path);
            list.push(b'\n');
        }
        editor.write(&format!("var/lib/dpkg/info/{name}.list"), list)?;
        for (trigger, line) in interests(package, &name) {
            match trigger.starts_with('/') {
                true => by_file.push_str(&format!("{trigger} {line}\n")),
                false => by_name
                    .entry(trigger)
                    .or_default()
                    .push_str(&format!("{line}\n")),
            }
        }
    }
    let root = "var/lib/dpkg";
    editor.write(&format!("{root}/status"), status)?;
    editor.write(&format!("{root}/info/format"), "1\n")?;
    editor.write(&format!("{root}/triggers/File"), by_file)?;
    editor.write(&format!("{root}/triggers/Unincorp"), "")?;
    for (trigger, lines) in by_name {
        if !trigger.contains('/') {
            editor.write(&format!("{root}/triggers/{trigger}"), lines)?;
        }
    }
    editor.put(&format!("{root}/triggers/Lock"), Node::file(0o600, ""))?;
    for lock in ["lock", "lock-frontend"] {
        editor.put(&format!("{root}/{lock}"), Node::file(0o640, ""))?;
    }
    for directory in ["alternatives", "info", "parts", "updates"] {
        editor.add(&format!("{root}/{directory}"), Node::directory(0o755))?;
    }
    Ok(())
}

/// Returns the triggers that a package is interested in, with the line of each (`deb-triggers(5)`).
fn interests(package: &Unpacked, name: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in package.text("triggers").lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let (Some(kind), Some(trigger)) = (words.next(), words.next()) else {
            continue;
        };
        let suffix = match kind {
            "interest" | "interest-await" => "",
            "interest-noawait" => "/noawait",
            _ => continue,
        };
        found.push((trigger.to_owned(), format!("{name}{suffix}")));
    }
    found
}

/// Returns a package's paragraph of `status`. Priority and section are those of the package, because apt does not pass
/// those of the repository to dpkg.
fn paragraph(editor: &TreeEditor<'_>, package: &Unpacked, state: State) -> Result<String> {
    let status = match state {
        State::Installed => "install ok installed",
        State::Unpacked => "install ok unpacked",
    };
    let conffiles = conffiles(editor, package, state)?;
    let mut text = String::new();
    let mut push = |name: &str, value: &str| {
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        let joined = words.join(" ");
        let value = match RELATIONS.split(' ').any(|relation| relation == name) {
            true => joined.trim_end_matches(','),
            false => value,
        };
        text.push_str(&field_text(name, value));
    };
    for name in ORDER.split(' ') {
        match name {
            "Status" => push(name, status),
            "Conffiles" if !conffiles.is_empty() => push(name, &conffiles),
            "Conffiles" => {}
            // dpkg writes these only if the value is yes.
            "Essential" | "Protected" if package.control.get(name) != Some("yes") => {}
            name => {
                if let Some(value) = package.control.get(name) {
                    push(name, value);
                }
            }
        }
    }
    for (name, value) in package.control.fields() {
        if !ORDER
            .split(' ')
            .any(|known| known.eq_ignore_ascii_case(name))
        {
            push(name, value);
        }
    }
    Ok(text)
}

/// Returns the paths of a package's configuration files.
pub(crate) fn conffile_names(package: &Unpacked) -> Vec<String> {
    let text = package.text("conffiles");
    let lines = text.lines().map(str::trim_end);
    // A path with a flag before it is one to be removed.
    lines
        .filter(|line| line.starts_with('/'))
        .map(str::to_owned)
        .collect()
}

/// Returns the field with paths and checksums of configuration files.
fn conffiles(editor: &TreeEditor<'_>, package: &Unpacked, state: State) -> Result<String> {
    let mut text = String::new();
    for path in conffile_names(package) {
        // Before configuration there is no checksum.
        let sum = match state {
            State::Unpacked => Some("newconffile".to_owned()),
            State::Installed => editor
                .read(&path)?
                .map(|bytes| hex::encode(Md5::digest(&bytes))),
        };
        if let Some(sum) = sum {
            text.push_str(&format!("\n {path} {sum}"));
        }
    }
    Ok(text)
}

/// Writes for each package a file with its control data, and one with its checksums.
fn status_d(editor: &mut TreeEditor<'_>, packages: &[&Unpacked]) -> Result<()> {
    let mut names = BTreeSet::new();
    for package in packages {
        // A second architecture of a package gets a suffix.
        let name = match names.insert(package.name()) {
            true => package.name().to_owned(),
            false => format!("{}:{}", package.name(), package.architecture()),
        };
        let path = format!("var/lib/dpkg/status.d/{name}");
        editor.write(&path, control_text(&package.control))?;
        if let Some(sums) = package.members.get("md5sums") {
            editor.write(&format!("{path}.md5sums"), sums.bytes.clone())?;
        }
    }
    Ok(())
}

/// Returns control data as text.
fn control_text(control: &Control) -> String {
    let fields = control.fields();
    fields
        .map(|(name, value)| field_text(name, value))
        .collect()
}

/// Returns a field as lines.
fn field_text(name: &str, value: &str) -> String {
    match value.starts_with('\n') {
        true => format!("{name}:{value}\n"),
        false => format!("{name}: {value}\n"),
    }
}
