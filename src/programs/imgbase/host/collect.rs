//! Collection of installed packages and their files.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read as _;
use std::path::Path;

use super::options::{Essential, HostOptions, Modified};
use super::{files, owners, pristine};
use crate::base::debian::solver::{Candidate, Request, Solution, Universe, Variant, Wanted, solve};
use crate::base::debian::{Member, Paragraph, Unpacked, database};
use crate::blob::open_regular;
use crate::error::{At, Error, Fault, Result};
use crate::programs::imgbase::dpkg_files::{self, INFO, STATUS};
use crate::programs::imgbase::report::Report;
use crate::programs::imgbase::root::Root;
use crate::programs::imgbase::{Base, coverage, emulation};

/// Files that packages use without a dependency, by the path that dpkg lists, or listed before `/usr` was merged.
const ALWAYS: [&str; 4] = [
    "/bin/sh",
    "/usr/share/base-passwd/passwd.master",
    "/sbin/ldconfig",
    "/usr/lib/os-release",
];

/// Fills a base with packages of the system in the directory `root`. Returns the Debian architecture of the system, and the
/// report.
///
/// # Errors
/// `NoSuchPackage` and `Unsolvable` for packages that are not installed; `Entry` for a file that is changed or missing, with
/// [`Modified::Fail`]; `Io` for a file that cannot be read. The context is the package and the path.
pub fn host(base: &mut Base, root: &Path, options: &HostOptions) -> Result<(String, Report)> {
    let root = Root::at(root);
    let status = dpkg_files::status(&root)?
        .ok_or_else(|| Error::io("open", std::io::ErrorKind::NotFound.into()))
        .at(|| STATUS.to_owned())?;
    let installed: Vec<Paragraph<'_>> = database::installed(&status).collect();
    let architectures = architectures(&root, &installed)?;
    let (native, foreign) = match &architectures[..] {
        [native, foreign @ ..] => (native.as_str(), foreign),
        [] => ("all", &[][..]),
    };
    let foreign: Vec<&str> = foreign.iter().map(String::as_str).collect();
    let candidates = installed.iter().map(|one| Candidate::of(one.fields()));
    let candidates: Vec<Candidate<'_>> =
        candidates.collect::<Result<_>>().at(|| STATUS.to_owned())?;
    let universe = Universe::new(candidates, native, &foreign)?;
    let system = System {
        root: &root,
        installed: &installed,
        owners: match options.essential {
            Essential::Auto => owners_by_path(&root, &installed)?,
            _ => HashMap::new(),
        },
    };
    let (solution, lists) = system.closure(&universe, options)?;

    let mut copier = files::FileCopier::new(&root, options.modified)?;
    for taken in &solution.taken {
        let paragraph = installed[taken.source];
        let name = paragraph.get("Package").unwrap_or_default();
        let list = lists.get(&taken.source).map_or(&[][..], Vec::as_slice);
        let mut package = system.package(paragraph)?;
        package.origin = base.origin(name);
        package.is_requested = options.packages.iter().any(|wanted| wanted.name() == name);
        package.paths = list.to_vec();
        copier
            .package(&mut base.rootfs, &package, paragraph)
            .at(|| name.to_owned())?;
        base.packages.push(package);
    }
    let left_out = options.filters.apply(&mut base.rootfs);
    let mut changed = copier.finish(&base.rootfs)?;
    changed.retain(|one| !options.filters.leave_out(&one.path));
    pristine::restore(base, &mut changed, &options.debs, &options.temp_dir)?;
    let first = changed.iter().find(|one| !one.pristine);
    if let (Modified::Fail, Some(first)) = (options.modified, first) {
        let why = match first.is_there {
            true => {
                "changed since it was installed: --modified keep includes it unchanged, --debs restores it"
            }
            false => "missing: --modified keep continues without it, --debs restores it",
        };
        let error = Error::new(Fault::Entry { why });
        let path = String::from_utf8_lossy(&first.path).into_owned();
        return Err(error.at(path).at(first.package.clone()));
    }
    if base.epoch == i64::MAX {
        base.epoch = copier.newest(&base.rootfs);
    }
    copier.set_directory_times(&mut base.rootfs, base.epoch);
    options.filters.write_config(&mut base.rootfs, base.epoch)?;
    let emulations = emulation::run(base, &options.emulation)?;
    let left_out = left_out + options.filters.apply(&mut base.rootfs);
    owners::map(base, &root, copier.owned())?;
    let unused = emulation::apply_recipes(base, &options.recipes)?;
    for action in &options.actions {
        emulation::apply(base, action)?;
    }
    let taken = solution.taken.into_iter();
    let report = Report {
        reasons: taken.map(|taken| taken.reason).collect(),
        changed,
        left_out,
        unused,
        emulations,
        scripts: coverage::report(base, &options.recipes),
        unconfigured: false,
    };
    Ok((native.to_owned(), report))
}

/// Reads a file that must exist.
fn require(root: &Root, path: &str) -> Result<Vec<u8>> {
    let context = || format!("/{path}");
    root.text(path.as_bytes())?
        .ok_or_else(|| Error::io("open", std::io::ErrorKind::NotFound.into()))
        .at(context)
}

/// Returns the native architecture, which most packages have, and then the foreign ones that dpkg lists.
fn architectures(root: &Root, installed: &[Paragraph<'_>]) -> Result<Vec<String>> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for paragraph in installed {
        let architecture = paragraph.get("Architecture").unwrap_or_default().trim();
        if architecture != "all" {
            *counts.entry(architecture).or_default() += 1;
        }
    }
    let most = counts.iter().max_by_key(|(name, count)| (**count, *name));
    let mut all: Vec<String> = most.iter().map(|(name, _)| (**name).to_owned()).collect();
    let kept = root.text(b"var/lib/dpkg/arch")?.unwrap_or_default();
    for line in String::from_utf8_lossy(&kept).lines() {
        let line = line.trim();
        if !line.is_empty() && !all.iter().any(|known| known == line) {
            all.push(line.to_owned());
        }
    }
    Ok(all)
}

/// Returns the index of the package that lists each path.
fn owners_by_path(root: &Root, installed: &[Paragraph<'_>]) -> Result<HashMap<Vec<u8>, usize>> {
    let mut owners = HashMap::new();
    for (number, paragraph) in installed.iter().enumerate() {
        for path in list(root, *paragraph)? {
            owners.entry(path).or_insert(number);
        }
    }
    Ok(owners)
}

/// Returns the paths that dpkg lists for a package.
fn list(root: &Root, paragraph: Paragraph<'_>) -> Result<Vec<Vec<u8>>> {
    let path = format!("{INFO}/{}.list", database::file_name(paragraph));
    let list = require(root, &path)?;
    let lines = list.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| line.first() == Some(&b'/'));
    Ok(lines.map(<[u8]>::to_vec).collect())
}

/// Paths that dpkg lists for packages, by their indices.
type Lists = HashMap<usize, Vec<Vec<u8>>>;

/// The installed packages of a system.
struct System<'s> {
    root: &'s Root,
    installed: &'s [Paragraph<'s>],
    owners: HashMap<Vec<u8>, usize>,
}

impl System<'_> {
    /// Selects the packages and their dependencies. Returns also the paths that dpkg lists for each.
    fn closure(&self, universe: &Universe<'_>, options: &HostOptions) -> Result<(Solution, Lists)> {
        let mut request = Request {
            variant: match options.essential {
                Essential::All => Variant::Essential,
                _ => Variant::None,
            },
            include: options.packages.clone(),
            exclude: options.exclude.clone(),
            recommends: options.recommends,
            ..Request::default()
        };
        let mut lists = Lists::new();
        let mut named: BTreeSet<String> = BTreeSet::new();
        loop {
            let solution = solve(universe, &request)??;
            let selected: BTreeSet<usize> =
                solution.taken.iter().map(|taken| taken.source).collect();
            let mut used: BTreeSet<Vec<u8>> = BTreeSet::new();
            for source in &selected {
                if !lists.contains_key(source) {
                    let list = list(self.root, self.installed[*source])?;
                    used.extend(self.interpreters(&list)?);
                    lists.insert(*source, list);
                }
            }
            let mut more = false;
            if options.essential == Essential::Auto {
                used.extend(ALWAYS.map(|path| path.as_bytes().to_vec()));
                for path in used {
                    let Some(owner) = self.owner(&path)? else {
                        continue;
                    };
                    let name = self.installed[owner].get("Package").unwrap_or_default();
                    let is_excluded = options.exclude.iter().any(|wanted| wanted.name() == name);
                    if !selected.contains(&owner) && !is_excluded && named.insert(name.to_owned()) {
                        request.include.push(Wanted::parse(name)?);
                        more = true;
                    }
                }
            }
            if !more {
                return Ok((solution, lists));
            }
        }
    }

    /// Returns the package that owns a path: as written, with or without `/usr`, or with links resolved.
    fn owner(&self, path: &[u8]) -> Result<Option<usize>> {
        let find = |path: &[u8]| -> Option<usize> {
            let other = match path.strip_prefix(b"/usr") {
                Some(short) => short.to_vec(),
                None => [b"/usr", path].concat(),
            };
            let owner = self.owners.get(path).or_else(|| self.owners.get(&other));
            owner.copied()
        };
        if let Some(owner) = find(path) {
            return Ok(Some(owner));
        }
        let resolved = self.root.resolve(path)?;
        Ok(resolved.and_then(|resolved| find(&[b"/", resolved.path.as_slice()].concat())))
    }

    /// Returns the interpreters of the scripts among some files.
    fn interpreters(&self, list: &[Vec<u8>]) -> Result<BTreeSet<Vec<u8>>> {
        let mut found = BTreeSet::new();
        for path in list {
            // Examples are not run.
            if path.starts_with(b"/usr/share/doc/") {
                continue;
            }
            let Some(located) = files::locate(self.root, path)? else {
                continue;
            };
            if !located.metadata.is_file() || files::mode(&located.metadata) & 0o111 == 0 {
                continue;
            }
            let mut start = [0; 256];
            // A file that cannot be read fails when it is copied.
            let Ok(mut file) = open_regular(&located.outside, false) else {
                continue;
            };
            let count = file.read(&mut start).unwrap_or(0);
            found.extend(interpreter(&start[..count]));
        }
        Ok(found)
    }

    /// Reads the control data of a package from the database.
    fn package(&self, paragraph: Paragraph<'_>) -> Result<Unpacked> {
        let prefix = format!("{}.", database::file_name(paragraph));
        let mut members = BTreeMap::new();
        let names = "conffiles config md5sums postinst postrm preinst prerm shlibs symbols templates triggers";
        for name in names.split(' ') {
            let path = format!("{INFO}/{prefix}{name}");
            let Some(bytes) = self.root.text(path.as_bytes())? else {
                continue;
            };
            let found = files::locate(self.root, path.as_bytes())?;
            let mode = found.map_or(0o644, |found| files::mode(&found.metadata));
            members.insert(name.to_owned(), Member { mode, bytes });
        }
        Ok(Unpacked {
            control: database::control(paragraph),
            members,
            ..Unpacked::default()
        })
    }
}

/// Returns the interpreter of a script, or the program that `env` looks up.
fn interpreter(start: &[u8]) -> Option<Vec<u8>> {
    let line = start.strip_prefix(b"#!")?;
    let line = line.split(|byte| *byte == b'\n').next()?;
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let program = words.next()?;
    if !matches!(program, b"/usr/bin/env" | b"/bin/env") {
        return Some(program.to_vec());
    }
    let name = words.find(|word| word.first() != Some(&b'-') && !word.contains(&b'='))?;
    Some([b"/usr/bin/", name].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_of_scripts() {
        for (start, expected) in [
            ("#!/bin/sh\n", Some("/bin/sh")),
            ("#! /usr/bin/perl -w\nx", Some("/usr/bin/perl")),
            ("#!/usr/bin/env python3\n", Some("/usr/bin/python3")),
            ("#!/usr/bin/env -S A=1 awk -f\n", Some("/usr/bin/awk")),
            ("#!\n", None),
            ("\u{7f}ELF", None),
        ] {
            let found = interpreter(start.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{start}");
        }
    }
}
