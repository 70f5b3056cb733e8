//! dpkg's database, byte for byte as dpkg 1.21 leaves it; or what distroless images have instead.

use std::collections::{BTreeMap, BTreeSet};

use md5::{Digest as _, Md5};

use super::Making;
use crate::base::debian::{Control, Unpacked};
use crate::base::rootfs::Node;
use crate::error::{At, Result};

/// How packages are recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Database {
    /// In full where dpkg is one of the packages, else in `status.d`.
    #[default]
    Auto,
    /// `/var/lib/dpkg`: `status`, `info`, `triggers`.
    Full,
    /// `/var/lib/dpkg/status.d`: a paragraph for each package, and its checksums.
    StatusD,
    /// Not at all.
    None,
}

/// How far the packages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::programs::imgbase) enum State {
    Installed,
    /// Unpacked, the scripts still to be run.
    Unpacked,
}

/// The fields of a paragraph of `status` in dpkg's order; others follow as they came.
const ORDER: [&str; 27] = [
    "Package",
    "Essential",
    "Protected",
    "Status",
    "Priority",
    "Section",
    "Installed-Size",
    "Origin",
    "Maintainer",
    "Bugs",
    "Architecture",
    "Multi-Arch",
    "Source",
    "Version",
    "Config-Version",
    "Replaces",
    "Provides",
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Enhances",
    "Conffiles",
    "Description",
    "Triggers-Pending",
];
/// Those that dpkg takes apart and puts together again.
const RELATIONS: [&str; 9] = [
    "Replaces",
    "Provides",
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Enhances",
];

pub(super) fn make(making: &mut Making<'_>) -> Result<()> {
    let has_dpkg = making.package("dpkg").is_some();
    match making.choice.database {
        Database::None => Ok(()),
        Database::Full => full(making, State::Installed),
        Database::Auto if has_dpkg => full(making, State::Installed),
        Database::StatusD | Database::Auto => status_d(making),
    }
}

/// The name under which a package's files are kept.
fn file_name(package: &Unpacked) -> String {
    match package.is_multi_arch_same() {
        true => format!("{}:{}", package.name(), package.architecture()),
        false => package.name().to_owned(),
    }
}

/// The packages in the order of `status`.
fn sorted(packages: &[Unpacked]) -> Vec<&Unpacked> {
    let mut sorted: Vec<&Unpacked> = packages.iter().collect();
    sorted.sort_by_key(|package| (package.name(), package.architecture()));
    sorted
}

pub(in crate::programs::imgbase) fn full(making: &mut Making<'_>, state: State) -> Result<()> {
    let packages = std::mem::take(&mut making.base.packages);
    let made = write(making, &packages, state);
    making.base.packages = packages;
    made
}

fn write(making: &mut Making<'_>, packages: &[Unpacked], state: State) -> Result<()> {
    let mut status = String::new();
    let mut by_file = String::new();
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for package in sorted(packages) {
        status.push_str(&paragraph(making, package, state).at(|| package.name().to_owned())?);
        status.push('\n');
        let name = file_name(package);
        for (member, file) in &package.members {
            if member.contains('/') || member == "control" {
                continue;
            }
            let node = Node::file(file.mode & 0o7777, file.bytes.clone());
            making.put(&format!("var/lib/dpkg/info/{name}.{member}"), node)?;
        }
        let mut list = Vec::new();
        for path in &package.paths {
            list.extend(path);
            list.push(b'\n');
        }
        making.write(&format!("var/lib/dpkg/info/{name}.list"), list)?;
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
    making.write(&format!("{root}/status"), status)?;
    making.write(&format!("{root}/info/format"), "1\n")?;
    making.write(&format!("{root}/triggers/File"), by_file)?;
    making.write(&format!("{root}/triggers/Unincorp"), "")?;
    for (trigger, lines) in by_name {
        if !trigger.contains('/') {
            making.write(&format!("{root}/triggers/{trigger}"), lines)?;
        }
    }
    making.put(&format!("{root}/triggers/Lock"), Node::file(0o600, ""))?;
    for lock in ["lock", "lock-frontend"] {
        making.put(&format!("{root}/{lock}"), Node::file(0o640, ""))?;
    }
    for folder in ["alternatives", "info", "parts", "updates"] {
        making.add(&format!("{root}/{folder}"), Node::folder(0o755))?;
    }
    Ok(())
}

/// The triggers a package waits for, and what is written for each (`deb-triggers(5)`).
fn interests(package: &Unpacked, name: &str) -> Vec<(String, String)> {
    let text = package
        .members
        .get("triggers")
        .map(|member| String::from_utf8_lossy(&member.bytes));
    let mut found = Vec::new();
    for line in text.as_deref().unwrap_or_default().lines() {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_ascii_whitespace();
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

/// A package's paragraph of `status`. Priority and section are the package's own: dpkg, called by apt, is not told what
/// the repository says.
fn paragraph(making: &Making<'_>, package: &Unpacked, state: State) -> Result<String> {
    let status = match state {
        State::Installed => "install ok installed",
        State::Unpacked => "install ok unpacked",
    };
    let conffiles = conffiles(making, package, state)?;
    let mut text = String::new();
    let mut push = |name: &str, value: &str| {
        let is_relation = RELATIONS.contains(&name);
        let relation: Vec<&str> = value
            .split_ascii_whitespace()
            .filter(|_| is_relation)
            .collect();
        let joined = relation.join(" ");
        let value = if is_relation {
            joined.trim_end_matches(',')
        } else {
            value
        };
        match value.starts_with('\n') {
            true => text.push_str(&format!("{name}:{value}\n")),
            false => text.push_str(&format!("{name}: {value}\n")),
        }
    };
    for name in ORDER {
        match name {
            "Status" => push(name, status),
            "Conffiles" if !conffiles.is_empty() => push(name, &conffiles),
            "Conffiles" => {}
            // dpkg keeps these only where they say yes.
            "Essential" | "Protected" if package.control.get(name) != Some("yes") => {}
            name => {
                if let Some(value) = package.control.get(name) {
                    push(name, value);
                }
            }
        }
    }
    for (name, value) in package.control.fields() {
        if !ORDER.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            push(name, value);
        }
    }
    Ok(text)
}

/// The names of a package's configuration files.
pub(in crate::programs::imgbase) fn conffile_names(package: &Unpacked) -> Vec<String> {
    let text = package
        .members
        .get("conffiles")
        .map(|member| String::from_utf8_lossy(&member.bytes));
    let lines = text
        .as_deref()
        .unwrap_or_default()
        .lines()
        .map(str::trim_end);
    // A flag may stand before the path; those are to be removed.
    lines
        .filter(|line| line.starts_with('/'))
        .map(str::to_owned)
        .collect()
}

/// Paths and checksums of configuration files, as the field has them.
fn conffiles(making: &Making<'_>, package: &Unpacked, state: State) -> Result<String> {
    let mut text = String::new();
    for path in conffile_names(package) {
        // What is unpacked alone has none yet: dpkg asks what is on the disk.
        let sum = match state {
            State::Unpacked => Some("newconffile".to_owned()),
            State::Installed => making
                .read(&path)?
                .map(|bytes| hex::encode(Md5::digest(&bytes))),
        };
        if let Some(sum) = sum {
            text.push_str(&format!("\n {path} {sum}"));
        }
    }
    Ok(text)
}

/// A file for each package with its control data, and one with its checksums.
fn status_d(making: &mut Making<'_>) -> Result<()> {
    let packages = std::mem::take(&mut making.base.packages);
    let mut names = BTreeSet::new();
    let mut result = Ok(());
    for package in sorted(&packages) {
        // The same package of two architectures.
        let name = match names.insert(package.name()) {
            true => package.name().to_owned(),
            false => format!("{}:{}", package.name(), package.architecture()),
        };
        let path = format!("var/lib/dpkg/status.d/{name}");
        let sums = package
            .members
            .get("md5sums")
            .map(|member| member.bytes.clone());
        result = making
            .write(&path, plain(&package.control))
            .and_then(|()| match sums {
                Some(sums) => making.write(&format!("{path}.md5sums"), sums),
                None => Ok(()),
            });
        if result.is_err() {
            break;
        }
    }
    making.base.packages = packages;
    result
}

fn plain(control: &Control) -> String {
    let fields = control.fields();
    fields
        .map(|(name, value)| match value.starts_with('\n') {
            true => format!("{name}:{value}\n"),
            false => format!("{name}: {value}\n"),
        })
        .collect()
}
