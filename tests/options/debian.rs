//! The inputs of imgbase: packages, repositories, an installed system, and a tree with binaries.

use std::path::Path;

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::inputs::written;
use crate::common::deb::{deb, tar_of, unpack};
use crate::common::repository;

/// A script that no stand-in covers.
const SCRIPT: &str = "#!/bin/sh\nset -e\nsrv-keygen --new\n";
const CONF: &str = "port 1\n";
/// A recipe that covers it, of packages and of the installed system.
const RECIPE: &str = r#"{"recipes": [{"package": "srv", "answers": ["srv-keygen "],
    "do": [{"file": "/etc/srv.key", "text": "none\n"}]}]}"#;

/// A paragraph of control data.
fn control(name: &str, version: &str, fields: &str) -> String {
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A B <a@example.org>\n{fields}"
    )
}

/// A package with a file of its name and version.
fn small(name: &str, version: &str, fields: &str) -> Vec<u8> {
    let path = format!("usr/share/{name}/version");
    deb(
        &control(name, version, fields),
        &[],
        &[(path.as_str(), 0o644, version)],
    )
}

/// Packages as files: `srv` with a script, documentation, alternatives and recommendations, and what it needs.
fn packages(inputs: &Path) {
    let accounts = deb(
        &control("accounts", "1", ""),
        &[],
        &[
            (
                "usr/share/base-passwd/passwd.master",
                0o644,
                "root:*:0:0:root:/root:/bin/sh\n",
            ),
            ("usr/share/base-passwd/group.master", 0o644, "root:*:0:\n"),
        ],
    );
    let zones = deb(
        &control("zones", "1", ""),
        &[],
        &[
            ("usr/share/zoneinfo/Etc/UTC", 0o644, "UTC"),
            ("usr/share/zoneinfo/Europe/Berlin", 0o644, "CET"),
        ],
    );
    let fields = "Depends: accounts, zones, one | other\nRecommends: extra\n";
    let srv = deb(
        &control("srv", "2", fields),
        &[("postinst", SCRIPT), ("conffiles", "/etc/srv.conf\n")],
        &[
            ("etc/srv.conf", 0o644, CONF),
            ("bin/srv", 0o755, "srv"),
            ("usr/share/doc/srv/README", 0o644, "read"),
            ("usr/share/doc/srv/copyright", 0o644, "free"),
        ],
    );
    let essential = "Essential: yes\nPriority: required\n";
    for (name, bytes) in [
        ("accounts", accounts),
        ("zones", zones),
        ("srv", srv),
        ("one", small("one", "1", "")),
        ("other", small("other", "1", "")),
        ("extra", small("extra", "1", "")),
        ("core", small("core", "1", essential)),
        ("required", small("required", "1", "Priority: required\n")),
    ] {
        written(inputs, &format!("debs/{name}.deb"), &bytes);
    }
    written(inputs, "more/srv.deb", &small("srv", "3", fields));
    let text = control("port", "1", "").replace("Architecture: all", "Architecture: riscv64");
    written(inputs, "debs/port.deb", &deb(&text, &[], &[]));
    written(inputs, "recipe", RECIPE.as_bytes());
}

/// A repository without signatures, of two suites: `app` 1 and 2 in two components of `one`, 3 in `two`.
fn mirror(inputs: &Path) {
    for (suite, parts) in [
        ("one", vec![("main", "1"), ("extra", "2")]),
        ("two", vec![("main", "3")]),
    ] {
        let mut sums = String::new();
        for (component, version) in &parts {
            let text = control("app", version, "Priority: required\n");
            let bytes = small("app", version, "Priority: required\n");
            let file = format!("pool/app_{version}_all.deb");
            written(inputs, &format!("mirror/{file}"), &bytes);
            let list = format!(
                "{text}Filename: {file}\nSize: {}\nSHA256: {}\n\n",
                bytes.len(),
                hex::encode(Sha256::digest(&bytes))
            );
            let name = format!("{component}/binary-amd64/Packages");
            written(
                inputs,
                &format!("mirror/dists/{suite}/{name}"),
                list.as_bytes(),
            );
            let sum = hex::encode(Sha256::digest(&list));
            sums.push_str(&format!(" {sum} {} {name}\n", list.len()));
        }
        let components: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
        let release = format!(
            "Suite: {suite}\nCodename: {suite}\nDate: Mon, 01 Jan 2024 00:00:00 UTC\nArchitectures: amd64 all\n\
             Components: {}\nSHA256:\n{sums}",
            components.join(" ")
        );
        written(
            inputs,
            &format!("mirror/dists/{suite}/Release"),
            release.as_bytes(),
        );
    }
}

/// The signed repository of the test data, and the same as apt keeps its lists.
fn signed(inputs: &Path) {
    let from = repository("testdata/debian/repository");
    super::copy(&from, &inputs.join("signed"));
    let read = |name: &str| std::fs::read(from.join(name)).expect(name);
    let prefix = "lists/mirror_debian_dists_suite";
    let release = read("dists/suite/InRelease");
    written(inputs, &format!("{prefix}_InRelease"), &release);
    let packages = read("dists/suite/main/binary-amd64/Packages");
    let list = format!("{prefix}_main_binary-amd64_Packages");
    written(inputs, &list, &packages);
}

/// An installed system: `srv` as above, in `edited` with a setting that was changed.
fn system(inputs: &Path, name: &str, setting: &str) {
    let md5 = |text: &str| hex::encode(Md5::digest(text.as_bytes()));
    let installed = |name: &str, fields: &str| {
        format!(
            "{}Status: install ok installed\n{fields}\n",
            control(name, "2", "")
        )
    };
    let status = [
        installed(
            "srv",
            &format!(
                "Depends: one | other\nRecommends: extra\nConffiles:\n /etc/srv.conf {}\n",
                md5(CONF)
            ),
        ),
        installed("one", ""),
        installed("other", ""),
        installed("extra", ""),
        installed("core", "Essential: yes\nPriority: required\n"),
    ]
    .concat();
    let mut tree: Vec<(String, u32, String)> = Vec::new();
    let mut put = |path: &str, mode: u32, text: &str| {
        tree.push((format!("./{path}"), mode, text.to_owned()));
    };
    put("etc/passwd", 0o644, "root:x:0:0::/root:/bin/sh\n");
    put("etc/group", 0o644, "root:x:0:\n");
    put("etc/srv.conf", 0o644, setting);
    put("usr/bin/srv", 0o755, "srv");
    put("usr/share/doc/srv/README", 0o644, "read");
    put("usr/share/doc/srv/copyright", 0o644, "free");
    put("var/lib/dpkg/status", 0o644, &status);
    put("var/lib/dpkg/info/srv.postinst", 0o755, SCRIPT);
    put(
        "var/lib/dpkg/info/srv.list",
        0o644,
        "/.\n/etc\n/etc/srv.conf\n/usr\n/usr/bin\n/usr/bin/srv\n/usr/share/doc/srv/README\n/usr/share/doc/srv/copyright\n",
    );
    for name in ["one", "other", "extra", "core"] {
        put(&format!("usr/share/{name}"), 0o644, name);
        let list = format!("/.\n/usr\n/usr/share\n/usr/share/{name}\n");
        put(&format!("var/lib/dpkg/info/{name}.list"), 0o644, &list);
    }
    let tree: Vec<_> = tree
        .iter()
        .map(|(path, mode, text)| (path.as_str(), *mode, (0, 0), text.as_str()))
        .collect();
    unpack(&tar_of(&tree), &inputs.join(name));
}

/// A tree with a program, its libraries and its loader; packages own the program.
fn binaries(inputs: &Path) {
    let tree = std::fs::read(repository("testdata/elf/tree.tar")).expect("a tree");
    let root = inputs.join("elf");
    unpack(&tree, &root);
    let program = std::fs::read(root.join("usr/bin/static")).expect("a program");
    written(&root, "lib64/ld-linux-x86-64.so.2", &program);
    let status = format!(
        "{}Status: install ok installed\n\n",
        control("prog", "1", "")
    );
    written(&root, "var/lib/dpkg/status", status.as_bytes());
    written(&root, "var/lib/dpkg/info/prog.list", b"/.\n/usr/bin/prog\n");
}

/// Writes all of them.
pub fn write(inputs: &Path) {
    packages(inputs);
    mirror(inputs);
    signed(inputs);
    system(inputs, "system", CONF);
    system(inputs, "edited", "port 2\n");
    let original = deb(
        &control("srv", "2", ""),
        &[],
        &[("etc/srv.conf", 0o644, CONF)],
    );
    written(inputs, "original/srv.deb", &original);
    binaries(inputs);
}
