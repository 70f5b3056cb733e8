//! Ready trees: directories, tar and cpio archives.

use std::os::unix::fs::PermissionsExt;

use super::{TIME, files, tar_of, unpack};
use crate::common::run::Room;

const TREE: [(&str, u32, (u64, u64), &str); 8] = [
    ("./", 0o755, (0, 0), ""),
    ("./bin/", 0o755, (0, 0), ""),
    ("./bin/a b", 0o755, (0, 0), "program"),
    ("./etc/", 0o755, (0, 0), ""),
    ("./etc/group", 0o644, (0, 0), "root:x:0:\nshadow:x:42:\n"),
    ("./etc/link", 0o777, (0, 0), "->group"),
    (
        "./etc/passwd",
        0o644,
        (0, 0),
        "root:x:0:0::/root:/bin/sh\nwww:x:33:33::/:/bin/sh\n",
    ),
    ("./etc/shadow", 0o640, (0, 0), "root:*:1::::::\n"),
];

/// Makes the cpio archive (newc, `cpio(5)`) of the same files as the tar.
fn cpio() -> Vec<u8> {
    let mut out = Vec::new();
    let mut put = |name: &str, mode: u32, data: &[u8], ino: usize| {
        let name = format!("{name}\0");
        let fields = [
            ino as u32,
            mode,
            0,
            0,
            1,
            TIME as u32,
            data.len() as u32,
            0,
            0,
            0,
            0,
            name.len() as u32,
            0,
        ];
        out.extend(b"070701");
        out.extend(
            fields
                .iter()
                .flat_map(|field| format!("{field:08x}").into_bytes()),
        );
        for part in [name.as_bytes(), data] {
            out.extend(part);
            out.resize(out.len().next_multiple_of(4), 0);
        }
    };
    for (i, (path, mode, _, text)) in TREE.iter().enumerate() {
        let (kind, data) = match text.strip_prefix("->") {
            Some(target) => (0o120_000, target),
            None if path.ends_with('/') => (0o040_000, ""),
            None => (0o100_000, *text),
        };
        let name = path.trim_start_matches("./").trim_end_matches('/');
        let name = if name.is_empty() { "." } else { name };
        put(name, kind | mode, data.as_bytes(), i + 1);
    }
    put("TRAILER!!!", 0, b"", 0);
    out
}

/// Sets the times of unpacked files to those in the archive, because unpacking changes some.
fn settle(room: &Room, directory: &str) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let time = Timespec {
        tv_sec: i64::try_from(TIME).expect("a time"),
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    for (path, ..) in TREE {
        let path = room.path(directory).join(path);
        utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("a time");
    }
    let top = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(room.path(directory), top).expect("a mode");
}

#[test]
fn a_directory_a_tar_and_a_cpio_archive_give_the_same_image() {
    let room = Room::new();
    let tar = tar_of(&TREE);
    unpack(&room, &tar, "tree");
    settle(&room, "tree");
    room.write("tree.tar", &tar);
    room.write("tree.cpio", &cpio());
    let id = |input: &str| {
        room.run(&format!("imgbase pack -q --owner 0 -o out.tar {input}"))
            .code(0)
            .out()
            .to_owned()
    };
    let ids = [id("tree.tar"), id("tree.cpio"), id("tree")];
    assert!(ids[0] == ids[1] && ids[1] == ids[2], "{ids:?}");
}

#[test]
fn owners_are_read_from_a_file() {
    let room = Room::new();
    unpack(&room, &tar_of(&TREE), "tree");
    room.write(
        "owners.mtree",
        b"#mtree\n/set uid=0 gid=0\n. type=dir\n bin type=dir mode=0755\n  a\\040b mode=4755 uid=33\n ..\n etc type=dir\n\
          shadow mode=0640 gname=shadow\n  gone uid=1\n ..\n",
    );
    let output = room.run("imgbase pack -o out.tar --owners owners.mtree --owner 7 tree");
    output
        .code(0)
        .complains("owners.mtree: 1 entries for missing files");
    let found = files(&room, "out.tar");
    let of = |path: &str| (found[path].0, found[path].1, found[path].2);
    assert_eq!(of("bin/a b"), (0o4755, 33, 0));
    assert_eq!(of("etc/shadow"), (0o640, 0, 42));
    assert_eq!(of("etc/passwd"), (0o644, 7, 7));

    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(room.path("tree/etc/shadow")).expect("a file");
    let saved = format!(
        "dev={:x},ino={},mode=100600,uid=0,gid=42,nlink=1,rdev=0\n",
        metadata.dev(),
        metadata.ino()
    );
    room.write("saved", saved.as_bytes());
    room.run("imgbase pack -q -o out.tar --owners saved tree")
        .code(0);
    let found = files(&room, "out.tar");
    assert_eq!((found["etc/shadow"].0, found["etc/shadow"].2), (0o600, 42));

    room.write("tree.tar", &tar_of(&TREE));
    room.run("imgbase pack -q -o new.tar --owners saved tree.tar")
        .code(2)
        .complains("saved: ");
    room.write("owners.mtree", b"./etc uid=1\n./bin uid=x\n");
    room.run("imgbase pack -q -o new.tar --owners owners.mtree tree")
        .code(2)
        .complains("owners.mtree: line 2: ");
    assert!(!room.path("new.tar").exists());
}

#[test]
fn an_account_is_added_and_documentation_left_out() {
    let room = Room::new();
    let mut tree = TREE.to_vec();
    tree.push(("./usr/share/doc/a/copyright", 0o644, (0, 0), "free"));
    tree.push(("./usr/share/doc/a/README", 0o644, (0, 0), "read"));
    tree.push(("./usr/share/man/man1/a.1", 0o644, (0, 0), "man"));
    room.write("tree.tar", &tar_of(&tree));
    room.run("imgbase pack -q -o out.tar --slim --user app tree.tar")
        .code(0);
    let found = files(&room, "out.tar");
    let names: Vec<&str> = found
        .keys()
        .map(String::as_str)
        .filter(|path| path.starts_with("usr/share/") && path.contains('.'))
        .collect();
    assert_eq!(names, Vec::<&str>::new());
    assert!(found.contains_key("usr/share/doc/a/copyright"));
    assert!(!found.contains_key("usr/share/doc/a/README"));
    assert!(
        found["etc/passwd"]
            .3
            .ends_with("\napp:x:100:100::/nonexistent:/usr/sbin/nologin\n")
    );
    assert!(
        found["etc/shadow"].3.ends_with("\napp:!:19725::::::\n"),
        "{}",
        found["etc/shadow"].3
    );
}

/// Makes a tree with a dpkg database in `var/lib/dpkg`, or one in the form of distroless images.
fn debian(distroless: bool) -> Vec<u8> {
    let paragraph = |name: &str, rest: &str| {
        format!(
            "Package: {name}\n{rest}Maintainer: A B <a@example.org>\nArchitecture: amd64\nVersion: 1:1.0-1\n"
        )
    };
    let status = [
        paragraph(
            "libc",
            "Status: install ok installed\nPriority: required\nMulti-Arch: same\n",
        ),
        paragraph("gone", "Status: deinstall ok config-files\n"),
        paragraph("half", "Status: install ok unpacked\nSource: whole (2)\n"),
        paragraph("tool", "Status: install ok installed\n"),
    ]
    .join("\n");
    let lines = |paths: &[&str]| paths.join("\n") + "\n";
    let (libc, half, tool) = (
        lines(&[
            "/.",
            "/lib",
            "/lib/libc.so",
            "/usr",
            "/usr/share",
            "/usr/share/libc",
        ]),
        lines(&["/.", "/usr/share/half", "/usr/share/not-there"]),
        lines(&["/.", "/etc/tool.conf", "/usr/share", "/usr/share/tool"]),
    );
    let file = |path: &'static str, text: &str| (path, 0o644, (0, 0), text.to_owned());
    let mut tree = vec![
        file("./etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        file("./etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
        file("./etc/tool.conf", "x"),
        ("./lib", 0o777, (0, 0), "->usr/lib".to_owned()),
        file("./usr/lib/libc.so", "c"),
        file("./usr/share/half", "h"),
        file("./usr/share/libc", "l"),
        file("./usr/share/tool", "t"),
    ];
    if distroless {
        tree.push(file("./var/lib/dpkg/status.d/libc", &paragraph("libc", "")));
        let sums = format!("{}  usr/share/libc\n", "0".repeat(32));
        tree.push(file("./var/lib/dpkg/status.d/libc.md5sums", &sums));
    } else {
        tree.push(file("./var/lib/dpkg/info/half.list", &half));
        tree.push(file("./var/lib/dpkg/info/libc:amd64.list", &libc));
        tree.push(file("./var/lib/dpkg/info/tool.list", &tool));
        tree.push(file("./var/lib/dpkg/status", &status));
    }
    let tree: Vec<_> = tree
        .iter()
        .map(|(path, mode, owner, text)| (*path, *mode, *owner, text.as_str()))
        .collect();
    tar_of(&tree)
}

#[test]
fn packages_of_a_ready_tree_are_read_from_its_database() {
    let room = Room::new();
    room.write("tree.tar", &debian(false));
    let pack = |rest: &str| room.run(&format!("imgbase pack {rest}"));
    let steps = |image: &str| -> Vec<String> {
        let output = room.run(&format!(
            "imghistory --no-trunc --format '{{{{.Comment}}}}' {image}"
        ));
        output.code(0);
        let steps = output.out().lines().rev().map(str::to_owned);
        steps.collect()
    };
    pack("-q -o one.tar tree.tar --sbom spdx sbom.json").code(0);
    let sbom: serde_json::Value =
        serde_json::from_slice(&std::fs::read(room.path("sbom.json")).expect("a bill"))
            .expect("JSON");
    let packages = sbom["packages"].as_array().expect("a list");
    let versions: Vec<_> = packages[1..]
        .iter()
        .map(|package| {
            (
                &package["name"],
                &package["versionInfo"],
                &package["sourceInfo"],
            )
        })
        .map(|(name, version, source)| format!("{name} {version} {source}").replace('"', ""))
        .collect();
    assert_eq!(
        versions,
        [
            "half 1:1.0-1 built from whole 2",
            "libc 1:1.0-1 built from libc 1:1.0-1",
            "tool 1:1.0-1 built from tool 1:1.0-1",
        ]
    );
    let text = sbom.to_string();
    assert!(
        text.contains("pkg:deb/debian/tool@1:1.0-1?arch=amd64&distro=debian-12"),
        "{text}"
    );
    // The same tree in three layers, and in one for each package.
    for (how, names) in [
        (
            "base,packages,config",
            &["1 essential package", "2 other packages", "config"][..],
        ),
        (
            "per-package",
            &["half 1:1.0-1", "libc 1:1.0-1", "tool 1:1.0-1", "config"],
        ),
    ] {
        pack(&format!("-o cut.tar --layers {how} tree.tar")).code(0);
        let steps = steps("cut.tar");
        assert_eq!(steps.len(), names.len(), "{steps:?}");
        for (step, name) in steps.iter().zip(names) {
            assert!(step.contains(name), "{step}: {name}");
        }
        let tree = |image: &str| room.run(&format!("imgexport {image}")).stdout;
        assert!(tree("one.tar") == tree("cut.tar"), "{how}");
    }
    // In the form of distroless images, and without a database.
    room.write("tree.tar", &debian(true));
    pack("-o cut.tar --layers per-package --sbom cyclonedx sbom.json tree.tar").code(0);
    assert!(steps("cut.tar")[0].contains("libc 1:1.0-1"));
    room.write("tree.tar", &tar_of(&TREE));
    let output = pack("-o cut.tar --layers per-package --sbom cyclonedx sbom.json tree.tar");
    output.is(
        0,
        output.out(),
        "imgbase: tree.tar: no dpkg database: packages are unknown\n",
    );
    let sbom = std::fs::read_to_string(room.path("sbom.json")).expect("a bill");
    assert!(sbom.contains("\"components\": []"), "{sbom}");
    // A damaged database is an error if it is needed.
    let mut tree = TREE.to_vec();
    tree.push(("./var/lib/dpkg/status", 0o644, (0, 0), "no field\n"));
    room.write("tree.tar", &tar_of(&tree));
    pack("-q -o one.tar tree.tar").code(0);
    pack("-o new.tar --sbom spdx sbom.json tree.tar")
        .code(2)
        .complains("imgbase: tree.tar: var/lib/dpkg/status: ");
    assert!(!room.path("new.tar").exists());
}
