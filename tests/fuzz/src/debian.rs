//! What imgbase reads of strangers: packages, their scripts, indices and releases, and ELF files.

use std::fs;
use std::io::Cursor;

use imgkit::base::debian::relation::{self, Operator, Relation};
use imgkit::base::debian::{
    Control, Keyring, Lock, LockedSource, Member, Paragraphs, Release, Request, SourceKind,
    Universe, Unpacked, Version,
};
use imgkit::base::debian::{database, solve, solver};
use imgkit::base::rootfs::{Kind, Node};
use imgkit::blob::{DecodeLimits, Meter, sha256};
use imgkit::elf::{Elf, MAX_NEEDED};
use imgkit::programs::imgbase::Base;
use imgkit::programs::imgbase::check::{self, Rules};
use imgkit::programs::imgbase::coverage;
use imgkit::programs::imgbase::emulation::{self, EmulationOptions};
use imgkit::programs::imgbase::unpack::{DebToUnpack, UnpackOptions, unpack};

use super::Taken;
use super::tars::mend;

/// A `.deb` as it is, or made of a control file, a script and the tar of its files, that tar's checksums put right.
pub fn deb(data: &[u8]) {
    let mut taken = Taken(data);
    let bytes = match taken.byte() % 2 {
        0 => taken.0.to_vec(),
        _ => {
            let (control, script) = (taken.part(), taken.part());
            let mut data = taken.0.to_vec();
            mend(&mut data);
            let control = tar(&[("control", control), ("postinst", script)]);
            ar(&[
                ("debian-binary", b"2.0\n"),
                ("control.tar", &control),
                ("data.tar", &data),
            ])
        }
    };
    let top = tempfile::tempdir().expect("a folder");
    let path = top.path().join("a.deb");
    fs::write(&path, &bytes).expect("a file");
    let once = unpacked(&path, top.path());
    // The same whether its digest is known or not; what it is not, is told.
    assert_eq!(once, unpacked(&path, top.path()));
    let left: Vec<_> = fs::read_dir(top.path()).expect("a folder").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

fn unpacked(path: &std::path::Path, landing: &std::path::Path) -> Result<Vec<u8>, String> {
    let meter = Meter::default();
    let limits = DecodeLimits {
        size: 8 << 20,
        ..DecodeLimits::default()
    };
    let how = UnpackOptions {
        limits,
        ..UnpackOptions::new(landing, &meter)
    };
    let debs = [DebToUnpack {
        path: path.to_owned(),
        ..DebToUnpack::default()
    }];
    let mut base = Base::new(1_700_000_000);
    unpack(&mut base, &debs, &how).map_err(|error| error.to_string())?;
    finished(&mut base);
    let mut all = Vec::new();
    for named in base.rootfs.walk() {
        all.extend(named.path);
        all.extend(
            format!(
                "\0{:o} {}:{} {}\0",
                named.node.mode, named.node.uid, named.node.gid, named.node.mtime
            )
            .bytes(),
        );
        if let Some(contents) = named.node.contents() {
            let bytes = contents
                .bytes(64 << 20)
                .map_err(|error| error.to_string())?;
            all.extend(sha256(&bytes).encoded().bytes());
        }
    }
    Ok(all)
}

/// Runs the emulation; the tree stays valid whatever its result.
fn finished(base: &mut Base) {
    let made = emulation::run(base, &EmulationOptions::default());
    for named in base.rootfs.walk() {
        if named.path.is_empty() {
            continue;
        }
        let mut parts = named.path.split(|byte| *byte == b'/');
        assert!(
            parts.all(|part| !part.is_empty()
                && part != b"."
                && part != b".."
                && !part.contains(&0)),
            "{:?}",
            String::from_utf8_lossy(named.path)
        );
        let parent = named.path.iter().rposition(|byte| *byte == b'/');
        let parent = base.rootfs.get(&named.path[..parent.unwrap_or(0)]);
        assert!(parent.is_some_and(|node| node.kind == Kind::Directory));
    }
    if made.is_ok() {
        let report = coverage::report(base, &[]);
        assert_eq!(report.len(), base.packages.len());
        let _ = check::check(base, &Rules::default());
    }
}

/// Maintainer scripts and files that the emulation reads: `NAME\n` and bytes, separated by zeros. A name that begins with
/// `@` is a member of the package's control archive, any other one a file of the tree.
pub fn script(data: &[u8]) {
    let mut base = Base::new(1_700_000_000);
    for (path, text) in [
        (
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\n",
        ),
        ("etc/group", "root:x:0:\nadm:x:4:\nstaff:x:50:\n"),
        ("usr/bin/tool", "x"),
        (
            "usr/lib/systemd/system/a.service",
            "[Install]\nWantedBy=multi-user.target\nAlias=b.service\n",
        ),
    ] {
        base.rootfs
            .put(path.as_bytes(), Node::file(0o755, text))
            .expect("a file");
    }
    let mut package = Unpacked {
        control: Control::parse("Package: made-up\nVersion: 1\nArchitecture: all\n")
            .expect("control"),
        paths: vec![b"/.".to_vec(), b"/usr/bin/tool".to_vec()],
        ..Unpacked::default()
    };
    let mut taken = Taken(data);
    for _ in 0..8 {
        if taken.0.is_empty() {
            break;
        }
        let (path, text) = (taken.until(b'\n'), taken.until(0));
        match path.strip_prefix(b"@") {
            Some(name) => {
                let name = String::from_utf8_lossy(name).into_owned();
                let bytes = text.to_vec();
                package.members.insert(name, Member { mode: 0o755, bytes });
            }
            None => {
                let path: Vec<u8> = path.iter().copied().filter(|byte| *byte != 0).collect();
                let _ = base.rootfs.put(&path, Node::file(0o644, text));
            }
        }
    }
    base.packages.push(package);
    finished(&mut base);
}

/// Texts of repositories: the first byte says which.
pub fn index(data: &[u8]) {
    let mut taken = Taken(data);
    let kind = taken.byte();
    let text = String::from_utf8_lossy(taken.0);
    match kind % 6 {
        0 => paragraphs(&text),
        1 => {
            let (a, b) = text.split_once('\n').unwrap_or((&text, ""));
            versions(a, b);
            if let Ok(read) = relation::parse(&text) {
                for relation in read.iter().flatten() {
                    let shown = relation.to_string();
                    let again = Relation::parse(&shown).expect("what is shown can be read");
                    assert_eq!(again.to_string(), shown);
                    assert_eq!(
                        (again.name, again.qualifier),
                        (relation.name, relation.qualifier)
                    );
                }
            }
        }
        2 => {
            if let Ok(release) = Release::parse(&text) {
                assert!(release.file("../x").is_none());
                let _ = (
                    release.date(),
                    release.valid_until(),
                    release.is_called("x"),
                );
            }
        }
        3 => {
            if let Ok(lock) = Lock::parse(&text) {
                let shown = lock.to_text().expect("text");
                assert_eq!(Lock::parse(&shown).expect("what was written"), lock);
                let roots = vec![std::path::PathBuf::from("/r"); lock.sources.len()];
                for file in lock.files(&roots).into_iter().flatten() {
                    assert!(
                        file.path.starts_with("/r") && !file.path.iter().any(|part| part == "..")
                    );
                }
            }
        }
        4 => {
            let status = Paragraphs::new(&text);
            for paragraph in status.iter().flat_map(database::installed) {
                let _ = (database::control(paragraph), database::file_name(paragraph));
                database::conffiles(paragraph).for_each(|_| ());
            }
            database::sums(taken.0).for_each(|_| ());
            database::diversions(taken.0).for_each(|_| ());
        }
        _ => solved(&text),
    }
}

fn paragraphs(text: &str) {
    if let Ok(control) = Control::parse(text) {
        let again = Control::parse(&control.to_string()).expect("what was written");
        assert_eq!(again, control);
    }
    let Ok(all) = Paragraphs::new(text) else {
        return;
    };
    assert_eq!(all.iter().count(), all.len());
    for paragraph in all.iter() {
        // By lines, which is another way to see the same.
        let lines = text[paragraph.offset()..].lines();
        let lines = lines.take_while(|line| !line.trim_ascii().is_empty());
        let fields = lines.filter(|line| !line.starts_with([' ', '\t'])).count();
        assert_eq!(paragraph.fields().count(), fields, "{text:?}");
    }
}

fn versions(a: &str, b: &str) {
    let (Ok(a), Ok(b)) = (Version::parse(a), Version::parse(b)) else {
        return;
    };
    assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
    assert_eq!(a == b, a.cmp(&b).is_eq());
    let tilde = format!("{a}~");
    if let Ok(tilde) = Version::parse(&tilde) {
        assert!(tilde < a, "{tilde} {a}");
    }
    for operator in [Operator::Earlier, Operator::Equal, Operator::Later] {
        let mut relation = Relation::to("x");
        relation.version = Some((operator, b));
        assert_eq!(
            relation.allows(&a),
            operator
                == match a.cmp(&b) {
                    std::cmp::Ordering::Less => Operator::Earlier,
                    std::cmp::Ordering::Equal => Operator::Equal,
                    std::cmp::Ordering::Greater => Operator::Later,
                }
        );
    }
}

/// An index of packages, of which the first is asked for: what is taken has what it needs, and nothing that it is
/// against, as the fields say and not the solver's tables.
fn solved(text: &str) {
    let Ok(all) = Paragraphs::new(text) else {
        return;
    };
    let candidates: Vec<_> = all
        .iter()
        .filter_map(|one| solver::Candidate::of(one.fields()).ok())
        .collect();
    let Some(first) = candidates.first() else {
        return;
    };
    let Ok(wanted) = solver::Wanted::parse(first.name) else {
        return;
    };
    let usable: Vec<_> = all
        .iter()
        .filter(|one| solver::Candidate::of(one.fields()).is_ok())
        .collect();
    let Ok(universe) = Universe::new(candidates, "amd64", &[]) else {
        return;
    };
    let request = Request {
        include: vec![wanted],
        ..Request::default()
    };
    let Ok(Ok(solution)) = solve(&universe, &request) else {
        return;
    };
    let taken: Vec<_> = solution
        .taken
        .iter()
        .map(|taken| (usable[taken.source], universe.candidate(taken.choice)))
        .collect();
    for (paragraph, candidate) in &taken {
        for field in ["Depends", "Pre-Depends"] {
            let last = paragraph
                .fields()
                .filter(|(name, _)| name.eq_ignore_ascii_case(field))
                .last();
            let needs = relation::parse(last.map_or("", |(_, value)| value)).expect("it was read");
            for need in needs {
                let counts = |one: &&Relation<'_>| one.is_for("amd64") && !one.is_for_builds();
                if !need.iter().any(|one| counts(&one)) {
                    continue;
                }
                let met = need
                    .iter()
                    .filter(counts)
                    .any(|one| taken.iter().any(|(other, it)| meets(one, other, it)));
                assert!(met, "{}: {need:?} in {text}", candidate.name);
            }
        }
    }
    let mut names: Vec<&str> = taken.iter().map(|(_, candidate)| candidate.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{text}");
}

/// Whether a package has a name and version, or provides them; architectures are left to the solver.
fn meets(
    relation: &Relation<'_>,
    paragraph: &imgkit::base::debian::Paragraph<'_>,
    candidate: &solver::Candidate<'_>,
) -> bool {
    if candidate.name == relation.name && relation.allows(&candidate.version) {
        return true;
    }
    let provides = paragraph
        .fields()
        .filter(|(name, _)| name.eq_ignore_ascii_case("Provides"))
        .last();
    let provides =
        relation::parse_plain(provides.map_or("", |(_, value)| value)).unwrap_or_default();
    provides.iter().any(|one| {
        one.name == relation.name
            && match &one.version {
                Some((_, version)) => relation.allows(version),
                None => relation.version.is_none(),
            }
    })
}

/// A keyring, and a clear-signed release with it; without a keyring of its own the one of testdata.
pub fn signed(data: &[u8]) {
    const KEYRING: &[u8] = include_bytes!("../../../testdata/debian/signed/keyring.gpg");
    const GOOD: &str = include_str!("../../../testdata/debian/signed/InRelease.good");
    let mut taken = Taken(data);
    if taken.byte() % 2 == 0 {
        if let Ok(keyring) = Keyring::parse(taken.0) {
            assert!(!keyring.fingerprints().is_empty());
        }
        return;
    }
    let text = String::from_utf8_lossy(taken.0).into_owned();
    let keyring = Keyring::parse(KEYRING).expect("a keyring");
    let source = LockedSource {
        kind: SourceKind::Repository,
        suite: "suite".to_owned(),
        signed_by: Vec::new(),
        in_release: text.clone(),
    };
    if let Ok(signers) = source.signers(&keyring)
        && !signers.is_empty()
    {
        // Nobody can sign anything else here: what passes is what was signed, but for blanks at the ends of lines.
        let said = |text: &str| -> Vec<String> {
            let body = text
                .split("-----BEGIN PGP SIGNATURE-----")
                .next()
                .unwrap_or_default();
            let lines = body.lines().skip_while(|line| !line.trim_end().is_empty());
            lines.map(|line| line.trim_end().to_owned()).collect()
        };
        assert_eq!(said(&text), said(GOOD), "{text:?}");
    }
}

/// An ELF file.
pub fn elf(data: &[u8]) {
    let read = |data: &[u8]| Elf::read(Cursor::new(data)).map_err(|error| error.to_string());
    let once = read(data);
    assert_eq!(once, read(data));
    if let Ok(Some(elf)) = once {
        assert!(elf.needed.len() <= MAX_NEEDED);
        let _ = (
            elf.libc(),
            elf.target.abi(),
            elf.target.is_compatible_with(&elf.target),
        );
    }
}

/// Plain files in a tar, as small as one can be.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, bytes) in files {
        let mut block = [0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..108].copy_from_slice(b"0000755\0");
        block[108..124].copy_from_slice(b"0000000\x000000000\0");
        block[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        block[136..148].copy_from_slice(b"00000000000\0");
        block[156] = b'0';
        block[257..265].copy_from_slice(b"ustar\x0000");
        tar.extend(block);
        tar.extend(*bytes);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    mend(&mut tar);
    tar
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, data) in members {
        bytes.extend(
            format!(
                "{name:<16}0           0     0     100644  {:<10}`\n",
                data.len()
            )
            .bytes(),
        );
        bytes.extend(*data);
        if data.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}
