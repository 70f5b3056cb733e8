//! Rules of dpkg, by example.

use super::decode::{check_name, text};
use super::*;
use crate::base::debian::testing::deb;
use crate::base::rootfs::{Kind, Node};
use crate::blob::{Meter, sha256};
use crate::error::Result;
use crate::programs::imgbase::Base;

struct Case {
    directory: tempfile::TempDir,
    debs: Vec<DebToUnpack>,
    base: Base,
    diversions: Vec<Diversion>,
}

impl Case {
    fn new() -> Self {
        Case {
            directory: tempfile::tempdir().expect("a directory"),
            debs: Vec::new(),
            base: Base::new(0),
            diversions: Vec::new(),
        }
    }

    /// Adds a package with a name, further fields, further control files and files.
    fn with(mut self, name: &str, fields: &str, members: &str, files: &str) -> Self {
        let control = format!("Package: {name}\nVersion: 1-2\nArchitecture: amd64\n{fields}");
        let control = match fields.contains("Architecture:") {
            true => control.replacen("Architecture: amd64\n", "", 1),
            false => control,
        };
        let path = self
            .directory
            .path()
            .join(format!("{}.deb", self.debs.len()));
        std::fs::write(&path, deb(&control, members, files)).expect("a write");
        self.debs.push(DebToUnpack {
            path,
            ..DebToUnpack::default()
        });
        self
    }

    fn put(mut self, path: &str, node: Node) -> Self {
        let put = self.base.rootfs.put(path.as_bytes(), node);
        put.expect("a node");
        self
    }

    fn run(mut self) -> Result<Base> {
        let meter = Meter::default();
        let how = UnpackOptions {
            diversions: &self.diversions,
            ..UnpackOptions::new(self.directory.path(), &meter)
        };
        unpack(&mut self.base, &self.debs, &how)?;
        Ok(self.base)
    }

    fn error(self) -> String {
        let directory = self.directory.path().to_string_lossy().into_owned();
        let error = self.run().map(|base| tree(&base)).expect_err("an error");
        error.to_string().replace(&format!("{directory}/"), "")
    }
}

/// Formats the tree as a line: names, unusual modes, contents.
fn tree(base: &Base) -> String {
    let lines = base.rootfs.walk().skip(1).map(|named| {
        let path = text(named.path);
        let mode = match (&named.node.kind, named.node.mode) {
            (Kind::Directory, 0o755) | (Kind::File(_), 0o644) | (Kind::Symlink(_), _) => {
                String::new()
            }
            (_, mode) => format!("={mode:o}"),
        };
        match &named.node.kind {
            Kind::Directory => format!("d {path}{mode}"),
            Kind::File(contents) => {
                let bytes = contents.bytes(100).expect("contents");
                format!("f {path}{mode} {}", text(&bytes))
            }
            Kind::Symlink(target) => format!("l {path} {}", text(target)),
            _ => format!("? {path}{mode}"),
        }
    });
    lines.collect::<Vec<_>>().join(" | ")
}

fn lists(base: &Base) -> Vec<String> {
    let packages = base.packages.iter().map(|package| {
        let paths = package.paths.iter().map(|path| text(path));
        format!(
            "{}: {}",
            package.name(),
            paths.collect::<Vec<_>>().join(" ")
        )
    });
    packages.collect()
}

#[test]
fn files_go_where_links_lead_and_lists_name_the_shipped_paths() {
    let base = Case::new()
        .put("usr/bin", Node::directory(0o755))
        .put("bin", Node::symlink("usr/bin"))
        .with(
            "one",
            "",
            "",
            "d  | d bin=700 | f bin/a=4755 x | h bin/b bin/a | l bin/c a",
        )
        .with(
            "two",
            "",
            "",
            "d  | d usr | d usr/bin=711 | p usr/bin/p=600",
        )
        .run()
        .expect("a tree");
    assert_eq!(
        tree(&base),
        "l bin usr/bin | d usr | d usr/bin | f usr/bin/a=4755 x | f usr/bin/b=4755 x | l usr/bin/c a | ? usr/bin/p=600"
    );
    assert_eq!(
        lists(&base),
        [
            "one: /. /bin /bin/a /bin/b /bin/c",
            "two: /. /usr /usr/bin /usr/bin/p"
        ]
    );
    let inode = |path: &[u8]| base.rootfs.named(path).map(|named| named.inode);
    assert_eq!(inode(b"usr/bin/a"), inode(b"usr/bin/b"));
    // Made by md5sum(1), as dpkg lists them for a package that brings no list.
    let sum = "9dd4e461268c8034f5c8564e155c67a6";
    let sums = &base.packages[0].members["md5sums"].bytes;
    assert_eq!(text(sums), format!("{sum}  bin/a\n{sum}  bin/b\n"));
}

#[test]
fn the_first_entry_of_a_directory_determines_its_attributes() {
    let base = Case::new()
        .with("one", "", "", "f tmp/x 1")
        .with("two", "", "", "d tmp=1777")
        .with("three", "", "", "d tmp=700")
        .run()
        .expect("a tree");
    assert_eq!(tree(&base), "d tmp=1777 | f tmp/x 1");
}

#[test]
fn a_file_of_two_packages_needs_a_replaces() {
    let conflict = "file in both packages, and neither replaces the other";
    for (files, path) in [("f a x", "a"), ("l a x", "a"), ("p a", "a")] {
        let error = Case::new()
            .with("one", "", "", "f a 1")
            .with("two", "Replaces: one (<< 1-2), other\n", "", files)
            .error();
        assert_eq!(
            error,
            format!("1.deb: {path}: one 1-2 and two 1-2: {conflict}")
        );
        let base = Case::new()
            .with("one", "", "", "f a 1 | f b 1")
            .with("two", "Replaces: one (<< 2)\n", "", files)
            .run()
            .expect("a tree");
        assert!(
            base.rootfs
                .get(b"a")
                .is_some_and(|node| node.origin == base.packages[1].origin)
        );
        assert_eq!(lists(&base), ["one: /b", "two: /a"]);
    }
    // Vice versa, the existing file is kept.
    let base = Case::new()
        .with("one", "Replaces: two\n", "", "f a 1")
        .with("two", "", "", "f a 2 | h b a")
        .run()
        .expect("a tree");
    assert_eq!(tree(&base), "f a 1 | f b 1");
    assert_eq!(lists(&base), ["one: /a", "two: /b"]);
    // Names that links make the same are the same.
    let error = Case::new()
        .put("usr/bin", Node::directory(0o755))
        .put("bin", Node::symlink("usr/bin"))
        .with("one", "", "", "f bin/a 1")
        .with("two", "", "", "f usr/bin/a 1")
        .error();
    assert_eq!(
        error,
        format!("1.deb: usr/bin/a: one 1-2 and two 1-2: {conflict}")
    );
}

#[test]
fn a_package_of_two_architectures_shares_equal_files() {
    let same = |two: &str| {
        Case::new()
            .with(
                "lib",
                "Multi-Arch: same\n",
                "",
                "d doc | f doc/a x | h doc/b doc/a | l doc/c a",
            )
            .with("lib", "Architecture: i386\nMulti-Arch: same\n", "", two)
    };
    let base = same("d doc | f doc/a x | h doc/b doc/a | l doc/c a | f doc/d y").run();
    let base = base.expect("a tree");
    assert_eq!(lists(&base)[0], "lib: /doc /doc/a /doc/b /doc/c");
    assert_eq!(lists(&base)[1], "lib: /doc /doc/a /doc/b /doc/c /doc/d");
    for two in ["f doc/a y", "l doc/a x", "l doc/c b"] {
        let error = same(two).error();
        assert!(
            error.ends_with("lib:amd64 and lib:i386: file differs between architectures"),
            "{error}"
        );
    }
}

#[test]
fn diversions_apply_to_all_packages_but_one() {
    let mut case = Case::new().with("dash", "", "", "f bin/sh dash").with(
        "bash",
        "",
        "",
        "f bin/sh bash | h bin/bash bin/sh",
    );
    case.diversions = vec![Diversion {
        from: b"bin/sh".to_vec(),
        to: b"bin/sh.distrib".to_vec(),
        by: Some("dash".to_owned()),
    }];
    let base = case.run().expect("a tree");
    assert_eq!(
        tree(&base),
        "d bin | f bin/bash bash | f bin/sh dash | f bin/sh.distrib bash"
    );
    assert_eq!(lists(&base)[1], "bash: /bin/sh /bin/bash");
}

#[test]
fn links_to_the_same_directory_are_equal() {
    let base = Case::new()
        .put("usr/lib", Node::directory(0o755))
        .put("lib", Node::symlink("usr/lib"))
        .with("one", "", "", "l lib /usr/lib | f lib/x 1")
        .with("two", "", "", "l lib usr/../usr/lib")
        .run()
        .expect("a tree");
    assert_eq!(
        tree(&base),
        "l lib usr/lib | d usr | d usr/lib | f usr/lib/x 1"
    );
}

#[test]
fn hostile_packages_are_refused() {
    for (files, why) in [
        ("f ../x y", "0.deb: ../x: path with '..'"),
        ("f etc/.wh.passwd y", "name is a whiteout in a layer"),
        ("f bin y", "bin: cannot replace a link to a directory"),
        ("l bin etc", "bin: cannot replace a link to a directory"),
        ("l etc usr", "etc: cannot replace a directory"),
        ("f a x | f a y", "a: duplicate path in the package"),
        (
            "f a x | d a",
            "a: cannot replace another file type with a directory",
        ),
        ("l a b | l b a | f a/x y", "too many symbolic links"),
        (
            "h a etc/passwd",
            "a: link to 'etc/passwd': file of another package",
        ),
        (
            "h a ../etc/passwd",
            "a: link to '../etc/passwd': path with '..'",
        ),
        ("h a none", "link to 'none': missing target"),
        ("h a a", "link to 'a': missing target"),
        ("h a etc", "link to 'etc': file of another package"),
    ] {
        let error = Case::new()
            .put("usr/bin", Node::directory(0o755))
            .put("bin", Node::symlink("usr/bin"))
            .put("etc/passwd", Node::file(0o644, *b"root"))
            .with("one", "", "", files)
            .error();
        assert!(error.contains(why), "{files}: {error}");
    }
    let long = format!("f {} x", "a/".repeat(2100));
    let error = Case::new().with("one", "", "", "").error_of_tar(&long);
    assert!(error.contains("too long"), "{error}");
}

impl Case {
    /// Checks a name that is too long for the builder's headers.
    fn error_of_tar(self, line: &str) -> String {
        let path = line.split(' ').nth(1).unwrap_or_default();
        check_name(path.as_bytes(), false)
            .expect_err("too long")
            .to_string()
    }
}

#[test]
fn unexpected_packages_are_refused() {
    let case = || Case::new().with("one", "", "", "f a x");
    let bytes = std::fs::read(&case().debs[0].path).expect("a package");
    let right = Expected {
        name: "one".into(),
        version: "1-2".into(),
        architecture: "amd64".into(),
        size: Some(bytes.len() as u64),
        digest: Some(sha256(&bytes)),
    };
    let error = |expected: Expected, damage: bool| {
        let mut case = case();
        if damage {
            let mut bytes = bytes.clone();
            // In the header of the data archive.
            let at = bytes.len() - 1700;
            bytes[at] ^= 0xff;
            std::fs::write(&case.debs[0].path, bytes).expect("a write");
        }
        case.debs[0].expected = Some(expected);
        case.error()
    };
    let mut fine = case();
    fine.debs[0].expected = Some(right.clone());
    let base = fine.run().expect("the right package");
    assert_eq!(base.packages[0].digest, Some(sha256(&bytes)));
    // An unknown digest is computed.
    let mut unsaid = case();
    unsaid.debs[0].expected = Some(Expected {
        digest: None,
        ..right.clone()
    });
    let base = unsaid.run().expect("a package");
    assert_eq!(base.packages[0].digest, Some(sha256(&bytes)));
    let digest = Some(sha256(b"another"));
    let wrong = error(
        Expected {
            digest,
            ..right.clone()
        },
        false,
    );
    assert!(wrong.contains("digest mismatch"), "{wrong}");
    // Damage is reported as a digest mismatch.
    let damaged = error(right.clone(), true);
    assert!(damaged.contains("digest mismatch"), "{damaged}");
    let size = error(
        Expected {
            size: Some(1),
            ..right.clone()
        },
        false,
    );
    assert!(size.contains("size mismatch"), "{size}");
    let version = error(
        Expected {
            version: "2".into(),
            ..right
        },
        false,
    );
    assert_eq!(
        version,
        "0.deb: package mismatch: Version: expected 2, found 1-2"
    );
}

#[test]
fn the_tree_does_not_depend_on_the_order_of_decoding() {
    let big = "x".repeat(300_000);
    let run = || {
        let mut case = Case::new();
        for i in 0..20 {
            let size = (i * 7919) % big.len();
            let files = format!(
                "d d{i} | f d{i}/a {i} | f d{i}/b {} | f c{i} y",
                &big[..size]
            );
            case = case.with(&format!("p{i}"), "", "", &files);
        }
        let base = case.run().expect("a tree");
        let nodes = base.rootfs.walk().map(|named| {
            let contents = named.node.contents();
            let bytes = contents.map(|contents| contents.bytes(1 << 20).expect("bytes"));
            (named.path.to_vec(), named.node.origin, bytes)
        });
        (nodes.collect::<Vec<_>>(), lists(&base))
    };
    assert!(run() == run());
}
